"""A Yahoo on the loopback: a proxy that answers `CONNECT *.yahoo.com` itself, with a certificate of its own.

Clients find it through HTTPS_PROXY and trust it through SSL_CERT_FILE, as they would a real proxy. What it
answers for a symbol is set from outside, as are its prices.
"""

from __future__ import annotations

import json
import random
import shutil
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import numpy as np

DAY = 86_400
HOUR = 3_600
OPENING = 14 * HOUR + 1800  # of the exchange, UTC
STEPS = {"1m": 60, "2m": 120, "5m": 300, "15m": 900, "90m": 5_400, "1h": HOUR}  # within the day
PASSING = (
    "429",
    "500",
    "503",
    "cut",
    "truncated",
    "html",
    "reset",
)  # faults that are over at the next request
CHART = "/v8/finance/chart/"


class FakeYahoo:
    """Prices for all symbols but those with a fault; `asked` counts the requests for prices of each.

    Dividends and splits that are set here have been announced: all answers since are adjusted for them.
    """

    def __init__(self, folder: Path) -> None:
        self.faults: dict[str, str] = {}  # symbol -> 404, 429, 500, hang ..., see _fail; "once 429": once
        self.rate = 0.0  # of requests that fail with one of PASSING; which ones, depends on nothing but
        self.seed = 0  # this, the symbol and how often it was asked for
        self.dividends: dict[str, dict[str, float]] = {}  # symbol -> ex-date -> cash per share of that day
        self.splits: dict[str, dict[str, float]] = {}  # symbol -> date -> new shares for an old one
        self.delay = 0.0  # seconds before each answer
        self.always: set[str] = set()  # symbols that are traded on weekends too
        self.spans: list[tuple[str, str, str]] = []  # (symbol, first day, day after the last) as asked for
        self.now = self.most = 0  # requests at once: at the moment, and so far
        self.asked: dict[str, int] = {}
        self.lock = threading.Lock()
        self.released = threading.Event()  # ends those that hang
        self.authority, certificate = _certificates(folder)
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(certificate, certificate)
        handler = type("Handler", (_Handler,), {"yahoo": self})
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.server.daemon_threads = True

    def settle(self) -> None:
        """All is well again, and nothing was asked for."""
        for what in (self.faults, self.dividends, self.splits, self.asked, self.always, self.spans):
            what.clear()
        self.rate = self.delay = 0.0

    @property
    def environment(self) -> dict[str, str]:
        """What a program needs to be led here instead of to Yahoo."""
        proxy = f"http://127.0.0.1:{self.server.server_port}"
        return {"HTTPS_PROXY": proxy, "https_proxy": proxy, "NO_PROXY": "", "no_proxy": ""} | {
            name: str(self.authority) for name in ("SSL_CERT_FILE", "CURL_CA_BUNDLE", "REQUESTS_CA_BUNDLE")
        }

    def chart(self, symbol: str, start: int, end: int, interval: str) -> dict[str, Any]:
        """Yahoo's answer: a slow wave of prices from 2000 on, on weekdays or all the time."""
        stamps = _stamps(start, end, interval, symbol in self.always)
        close = 100 + 20 * np.sin(stamps / (50 * DAY)) + len(symbol)
        dividends, splits = (
            _by_row(events.get(symbol, {}), stamps) for events in (self.dividends, self.splits)
        )
        later = _product_of_later(self.splits.get(symbol, {}), stamps)  # splits after the row
        paid = {
            day: 1 - cash / (100 + 20 * np.sin((_second(day) - DAY + OPENING) / (50 * DAY)) + len(symbol))
            for day, cash in self.dividends.get(symbol, {}).items()
        }
        close = close / later
        columns = {
            "open": close * 0.999,
            "high": close * 1.01,
            "low": close * 0.99,
            "close": close,
            "volume": np.full(len(stamps), 1e6) * later,
        }
        fault = self.faults.get(symbol, "")
        if fault == "x100":
            for name in ("open", "high", "low", "close"):
                columns[name] = columns[name] * np.where(np.arange(len(stamps)) % 50 == 49, 100.0, 1.0)
        columns["adjclose"] = columns["close"] * _product_of_later(paid, stamps)
        shown = {name: [round(float(value), 6) for value in values] for name, values in columns.items()}
        if fault in ("null", "empty"):
            kept = 2 if fault == "null" else len(stamps) + 1
            for values in shown.values():
                values[:] = [value if i % kept == kept - 1 else None for i, value in enumerate(values)]
        listed = stamps.tolist()
        if fault == "twice":
            listed = listed + listed
            shown = {name: values + values for name, values in shown.items()}
        adjusted = shown.pop("adjclose")
        result = {
            "meta": _meta(symbol, interval, stamps),
            "timestamp": listed,
            "indicators": {"quote": [shown], "adjclose": [{"adjclose": adjusted}]},
            "events": {
                "dividends": {
                    str(stamp): {"amount": cash / factor, "date": stamp}
                    for stamp, cash, factor in zip(stamps.tolist(), dividends, later.tolist(), strict=True)
                    if cash
                },
                "splits": {
                    str(stamp): {"date": stamp, "numerator": ratio, "denominator": 1}
                    for stamp, ratio in zip(stamps.tolist(), splits, strict=True)
                    if ratio
                },
            },
        }
        return {"chart": {"result": [result], "error": None}}


def _stamps(start: int, end: int, interval: str, weekends: bool) -> np.ndarray:
    """Seconds since 1970 of the bars from start to end: when they open."""
    if interval in STEPS:
        first = max(start, end - (5 if interval in ("1m", "2m") else 30) * DAY)
        stamps = np.arange(first // STEPS[interval] * STEPS[interval], end, STEPS[interval])
    else:
        days = np.arange(max(start, 946_684_800) // DAY, end // DAY + 1)
        days = days[weekends | ((days + 3) % 7 < 5)]
        if interval in ("5d", "1wk"):
            days = days[(days + 3) % 7 == 0]
        elif interval != "1d":
            months = days.astype("datetime64[D]").astype("datetime64[M]")
            days = np.unique(months[months.astype(int) % (3 if interval == "3mo" else 1) == 0])
            days = days.astype("datetime64[D]").astype(int)
        stamps = days * DAY + OPENING
    return stamps[(stamps >= start) & (stamps < end)]


def _second(day: str) -> int:
    return int(np.datetime64(day, "s").astype(int))


def _by_row(events: dict[str, float], stamps: np.ndarray) -> list[float]:
    """[rows]: what happened on the day of each, in its first bar; 0 for nothing."""
    days = stamps // DAY
    found = [0.0] * len(stamps)
    for day, value in events.items():
        rows = np.flatnonzero(days == _second(day) // DAY)
        if len(rows):
            found[rows[0]] = value
    return found


def _product_of_later(events: dict[str, float], stamps: np.ndarray) -> np.ndarray:
    """[rows]: the product of the values of all events on later days."""
    factors = np.ones(len(stamps))
    for day, value in events.items():
        factors[stamps // DAY < _second(day) // DAY] *= value
    return factors


def _meta(symbol: str, interval: str, stamps: np.ndarray) -> dict[str, Any]:
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
    if interval in STEPS:
        days = range(int(stamps[0]) // DAY * DAY, int(stamps[-1]) + 1, DAY)
        own = {"timezone": "EST", "gmtoffset": -18000}
        meta["tradingPeriods"] = [[own | {"start": day, "end": day + DAY}] for day in days]
    return meta


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
        with self.yahoo.lock:
            count = self.yahoo.asked[symbol] = self.yahoo.asked.get(symbol, 0) + 1
            self.yahoo.now += 1
            self.yahoo.most = max(self.yahoo.most, self.yahoo.now)
        time.sleep(self.yahoo.delay)
        with self.yahoo.lock:
            self.yahoo.now -= 1
        query = {name: values[0] for name, values in parse_qs(url.query).items()}
        if "period1" in query:
            days = (
                np.datetime64(int(query[name]), "s").astype("datetime64[D]")
                for name in ("period1", "period2")
            )
            self.yahoo.spans.append((symbol, *map(str, days)))
        chance = random.Random(f"{self.yahoo.seed} {symbol} {count}")
        is_zone = "range" in query  # yfinance asks for the time zone first, which a lasting fault lets pass
        fault = "" if is_zone else self.yahoo.faults.get(symbol, "")
        if chance.random() < self.yahoo.rate:
            fault = chance.choice(PASSING)
        if fault.startswith("once "):
            del self.yahoo.faults[symbol]
            fault = fault.removeprefix("once ")
        self._fail(fault, symbol, query)

    def _fail(self, fault: str, symbol: str, query: dict[str, str]) -> None:
        match fault:
            case "404":
                error = {"code": "Not Found", "description": "No data found, symbol may be delisted"}
                self._answer(404, json.dumps({"chart": {"result": None, "error": error}}).encode())
            case "429":
                self._answer(429, b"Too Many Requests\r\n")
            case "500" | "503":
                self._answer(int(fault), b"<html>Internal Server Error</html>")
            case "html":
                self._answer(200, b"<html>Sorry</html>")
            case "nothing":
                self._answer(200, json.dumps({"chart": {"result": [], "error": None}}).encode())
            case "hang":
                self.yahoo.released.wait()
                self.close_connection = True
            case "reset":
                self.close_connection = True
                self.connection.close()
            case "cut":
                self._prices(symbol, query, cut=True)
            case "truncated":
                body = json.dumps(self.yahoo.chart(symbol, *_span(query), query["interval"])).encode()
                self._answer(200, body[: len(body) // 2])
            case "" | "null" | "empty" | "twice" | "x100":
                self._prices(symbol, query)
            case _:
                raise AssertionError(fault)

    def _prices(self, symbol: str, query: dict[str, str], cut: bool = False) -> None:
        body = json.dumps(self.yahoo.chart(symbol, *_span(query), query["interval"])).encode()
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


def _span(query: dict[str, str]) -> tuple[int, int]:
    """Seconds since 1970, the second one excluded."""
    end = int(query.get("period2", 1_700_000_000))
    return int(query.get("period1", end - 5 * DAY)), end


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
