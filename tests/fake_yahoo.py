"""A Yahoo on the loopback: a proxy that answers `CONNECT *.yahoo.com` itself, with a certificate of its own.

Clients find it through HTTPS_PROXY and trust it through SSL_CERT_FILE, as they would a real proxy. What it
answers for a symbol is set from outside, as are its prices.
"""

from __future__ import annotations

import json
import shutil
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import numpy as np

DAY = 86_400
CHART = "/v8/finance/chart/"


class FakeYahoo:
    """Prices for all symbols but those with a fault; `asked` counts the requests for prices of each."""

    def __init__(self, folder: Path) -> None:
        self.faults: dict[str, str] = {}  # symbol -> 404, 429, 500, once, hang ..., see _fail
        self.factor: dict[str, float] = {}  # symbol -> on every price before the last dividend
        self.asked: dict[str, int] = {}
        self.released = threading.Event()  # ends those that hang
        self.authority, certificate = _certificates(folder)
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(certificate, certificate)
        handler = type("Handler", (_Handler,), {"yahoo": self})
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.server.daemon_threads = True

    @property
    def environment(self) -> dict[str, str]:
        """What a program needs to be led here instead of to Yahoo."""
        proxy = f"http://127.0.0.1:{self.server.server_port}"
        return {"HTTPS_PROXY": proxy, "https_proxy": proxy, "NO_PROXY": "", "no_proxy": ""} | {
            name: str(self.authority) for name in ("SSL_CERT_FILE", "CURL_CA_BUNDLE", "REQUESTS_CA_BUNDLE")
        }

    def chart(self, symbol: str, start: int, end: int, interval: str) -> dict[str, Any]:
        """Yahoo's answer: a slow wave of prices from 2000 on, on weekdays or every hour."""
        step = DAY if interval == "1d" else 3600
        first = max(start, 946_684_800 if interval == "1d" else end - 30 * DAY)
        stamps = np.arange(first // step * step, end, step)
        if interval == "1d":
            stamps = stamps[(stamps // DAY + 3) % 7 < 5] + 14 * 3600 + 1800  # the exchange opens
        stamps = stamps[(stamps >= start) & (stamps < end)]
        close = 100 + 20 * np.sin(stamps / (50 * DAY)) + len(symbol)
        adjusted = close * self.factor.get(symbol, 1.0)
        columns = {
            "open": close * 0.999,
            "high": close * 1.01,
            "low": close * 0.99,
            "close": close,
            "volume": np.full(len(stamps), 1e6),
        }
        quote = {name: [round(float(value), 6) for value in values] for name, values in columns.items()}
        shown = [round(float(value), 6) for value in adjusted]
        if self.faults.get(symbol) in ("null", "empty"):
            kept = 2 if self.faults[symbol] == "null" else len(stamps) + 1
            for values in (*quote.values(), shown):
                values[:] = [value if i % kept == kept - 1 else None for i, value in enumerate(values)]
        meta = {
            "currency": "USD",
            "symbol": symbol,
            "instrumentType": "EQUITY",
            "exchangeTimezoneName": "America/New_York",
            "timezone": "EST",
            "gmtoffset": -18000,
            "priceHint": 2,
            "dataGranularity": interval,
            "range": "",
            "validRanges": ["1d", "5d", "1mo", "max"],
            "currentTradingPeriod": {},
        }
        if interval != "1d":
            days = range(int(stamps[0]) // DAY * DAY, int(stamps[-1]) + 1, DAY)
            own = {"timezone": "EST", "gmtoffset": -18000}
            meta["tradingPeriods"] = [[own | {"start": day, "end": day + DAY}] for day in days]
        result = {
            "meta": meta,
            "timestamp": stamps.tolist(),
            "indicators": {"quote": [quote], "adjclose": [{"adjclose": shown}]},
        }
        return {"chart": {"result": [result], "error": None}}


class _Handler(BaseHTTPRequestHandler):
    yahoo: FakeYahoo
    protocol_version = "HTTP/1.1"

    def do_CONNECT(self) -> None:
        self.send_response(200)
        self.end_headers()
        try:
            self.connection = self.yahoo.context.wrap_socket(self.connection, server_side=True)
        except OSError:  # whoever called does not trust us
            self.close_connection = True
            return
        self.rfile, self.wfile = self.connection.makefile("rb"), self.connection.makefile("wb", 0)
        self.close_connection = False

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        if not url.path.startswith(CHART):  # cookies and crumbs
            self._answer(200, b"crumb")
            return
        symbol = unquote(url.path.removeprefix(CHART))
        self.yahoo.asked[symbol] = self.yahoo.asked.get(symbol, 0) + 1
        query = {name: values[0] for name, values in parse_qs(url.query).items()}
        fault = self.yahoo.faults.get(symbol, "")
        is_zone = "range" in query  # yfinance asks for the time zone first, which always works here
        if fault and not is_zone:
            self._fail(fault, symbol, query)
        else:
            self._prices(symbol, query)

    def _fail(self, fault: str, symbol: str, query: dict[str, str]) -> None:
        match fault:
            case "404":
                error = {"code": "Not Found", "description": "No data found, symbol may be delisted"}
                self._answer(404, json.dumps({"chart": {"result": None, "error": error}}).encode())
            case "429":
                self._answer(429, b"Too Many Requests\r\n")
            case "500":
                self._answer(500, b"<html>Internal Server Error</html>")
            case "html":
                self._answer(200, b"<html>Sorry</html>")
            case "once":
                del self.yahoo.faults[symbol]
                self._answer(503, b"")
            case "hang":
                self.yahoo.released.wait()
                self.close_connection = True
            case "cut":
                self._prices(symbol, query, cut=True)
            case "null" | "empty":
                self._prices(symbol, query)
            case _:
                raise AssertionError(fault)

    def _prices(self, symbol: str, query: dict[str, str], cut: bool = False) -> None:
        end = int(query.get("period2", 1_700_000_000))
        start = int(query.get("period1", end - 5 * DAY))
        body = json.dumps(self.yahoo.chart(symbol, start, end, query["interval"])).encode()
        self._answer(200, body, len(body) // 2 if cut else None)

    def _answer(self, status: int, body: bytes, sent: int | None = None) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[:sent])
        self.close_connection = sent is not None
        if self.close_connection:
            self.connection.close()

    def finish(self) -> None:
        super().finish()
        self.connection.close()

    def log_message(self, *_: object) -> None:
        """It keeps quiet."""


@contextmanager
def fake_yahoo(folder: Path) -> Iterator[FakeYahoo]:
    """One that answers until the block ends; its certificates lie in `folder`."""
    yahoo = FakeYahoo(folder)
    thread = threading.Thread(target=yahoo.server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield yahoo
    finally:
        yahoo.released.set()
        yahoo.server.shutdown()
        yahoo.server.server_close()
        thread.join()


def _certificates(folder: Path) -> tuple[Path, Path]:
    """(authority to trust, certificate and key of *.yahoo.com that it signed), made with openssl."""
    program = shutil.which("openssl")
    assert program, "these tests need the `openssl` command, to make the certificate of a fake Yahoo"

    def openssl(*words: str) -> None:
        subprocess.run([program, *words], cwd=folder, check=True, capture_output=True)

    curve = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    (folder / "names").write_text(
        "subjectAltName=DNS:yahoo.com,DNS:*.yahoo.com,DNS:*.finance.yahoo.com\nbasicConstraints=CA:FALSE\n"
    )
    openssl("req", "-x509", *curve, "-keyout", "ca.key", "-out", "ca.pem", "-days", "2", "-subj", "/CN=Fake")
    openssl("req", *curve, "-keyout", "own.key", "-out", "own.csr", "-subj", "/CN=yahoo.com")
    openssl(
        *("x509", "-req", "-in", "own.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial"),
        *("-out", "own.pem", "-days", "2", "-extfile", "names"),
    )
    chain = folder / "chain.pem"
    chain.write_text((folder / "own.pem").read_text() + (folder / "own.key").read_text())
    return folder / "ca.pem", chain
