"""Raw prices from Yahoo Finance through yfinance, and its faults in words that a person understands.

Yahoo's open .. close are adjusted for splits, adj_close for dividends too. An error that another request
would not mend comes out at once.
"""

from __future__ import annotations

import logging
import os
import queue
import re
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from typing import Any

import numpy as np
import pandas as pd
import yfinance  # type: ignore[import-untyped]
from curl_cffi import requests
from curl_cffi.requests import exceptions as faults
from yfinance.data import YfData  # type: ignore[import-untyped]
from yfinance.exceptions import (  # type: ignore[import-untyped]
    YFDataException,
    YFPricesMissingError,
    YFRateLimitError,
    YFTickerMissingError,
)

from tradebot.core import InputError
from tradebot.prices.store import COLUMNS, PRICES

INTERVALS = ("1m", "5m", "15m", "30m", "1h", "1d", "1wk", "1mo")
REACH = {"1m": 7, "5m": 59, "15m": 59, "30m": 59, "1h": 729}  # days back from today that Yahoo keeps them
PAUSES = (1.0, 2.0)  # seconds before it is asked again, where it is too busy
_CHART = "/v8/finance/chart/"  # the address of prices; others are for cookies
_SYMBOL = re.compile(r"[A-Za-z0-9^][A-Za-z0-9.^=&_-]*")
_COLUMNS = ("Open", "High", "Low", "Close", "Adj Close", "Volume")
_CUT = 56  # curl's number for a connection that ends in the middle of an answer
_ROUNDING = 1e-6  # relative; Yahoo's prices are of single precision


class Busy(OSError):
    """Yahoo cannot answer now (429 or 5xx)."""


class Yahoo:
    """Asks for one symbol after the other, with one session.

    `timeout` [s] bounds each request. Pauses are spent by all symbols together, so that a server in trouble
    is not asked again and again for each.
    """

    def __init__(self, interval: str, timeout: float) -> None:
        self._interval = interval
        self._timeout = timeout
        self._session = _Session(timeout)
        self._pauses = [min(pause, timeout) for pause in PAUSES]

    @property
    def oldest(self) -> date:
        """The first day that it can be asked for."""
        reach = REACH.get(self._interval)
        return date.today() - timedelta(days=reach) if reach else date.min

    def interval(self, symbol: str) -> str:
        """Raises InputError unless the symbol can stand in an address of Yahoo as it is."""
        if not _SYMBOL.fullmatch(symbol) or len(symbol) > 64:
            raise InputError("not a symbol of Yahoo: those consist of letters, digits and . - ^ = & _")
        return self._interval

    def read(self, symbol: str, start: date | None, end: date) -> tuple[pd.DataFrame, int]:
        """Rows (COLUMNS, by date) and how many had no prices, from start (None: the first) to end.

        Raises InputError for what Yahoo does not have, OSError for what it could not deliver.
        """
        while True:
            try:
                frame = _in_background(lambda: self._asked(symbol, start, end))
                return usable(frame, self._interval)
            except Busy:
                if not self._pauses:
                    raise
                time.sleep(self._pauses.pop(0))

    def _asked(self, symbol: str, start: date | None, end: date) -> pd.DataFrame:
        try:
            with _plain_yfinance():
                frame: pd.DataFrame = yfinance.Ticker(symbol, session=self._session).history(
                    period="max",  # from the first bar, where there is no start
                    start=start,
                    end=end + timedelta(days=1),  # theirs is not included
                    interval=self._interval,
                    auto_adjust=False,
                    actions=False,
                    keepna=True,
                    timeout=self._timeout,
                )
            return frame
        except (InputError, Busy):
            raise
        except (
            Exception
        ) as error:  # whatever yfinance or the network raise; what they mean is found out there
            raise explained(error, self._timeout, self._session.status) from None


class _Session(requests.Session):  # type: ignore[type-arg]
    """No request takes longer than `patience` [s], and what the status code says is not lost on the way."""

    def __init__(self, patience: float) -> None:
        super().__init__(impersonate="chrome")
        self.patience = patience
        self.status = 0  # of the last answer with prices
        self._silence: faults.Timeout | None = None  # of a host of cookies, without which prices may come too

    def request(self, method: Any, url: str, **kwargs: Any) -> Any:  # type: ignore[override]
        kwargs["timeout"] = self.patience
        if _CHART not in url:
            return self._ask_for_cookies(method, url, **kwargs)
        answer = super().request(method, url, **kwargs)
        self.status = answer.status_code
        if self.status == 404:
            raise InputError("Yahoo knows no such symbol")
        if self.status >= 500:
            raise Busy(f"Yahoo's server failed ({self.status}): try again later")
        return answer

    def _ask_for_cookies(self, method: Any, url: str, **kwargs: Any) -> Any:
        """One that hangs is not waited for a second time."""
        if self._silence:
            raise self._silence
        try:
            return super().request(method, url, **kwargs)
        except faults.Timeout as error:
            self._silence = error
            raise


def usable(frame: pd.DataFrame, interval: str) -> tuple[pd.DataFrame, int]:
    """The rows that have prices, and how many have none: empty, zero, or outside of their own low .. high.

    Raises InputError if nothing is left.
    """
    table = pd.DataFrame({"date": _moments(frame.index, interval)})
    for name, column in zip(COLUMNS[1:], _COLUMNS, strict=True):
        table[name] = frame[column].to_numpy("float64", na_value=np.nan)
    table["volume"] = table["volume"].fillna(0.0).clip(lower=0.0)
    table = table[~table["date"].duplicated(keep="last")]
    body = table[["open", "close"]]
    low, high = body.min(axis=1), body.max(axis=1)
    is_inside = (table["low"] <= low * (1 + _ROUNDING)) & (table["high"] >= high * (1 - _ROUNDING))
    prices = table[list(PRICES)]
    is_good = is_inside & ((prices > 0) & (prices < np.inf)).all(axis=1)
    table["low"] = np.minimum(table["low"], low)  # moves them by a rounding at the most
    table["high"] = np.maximum(table["high"], high)
    dropped = int((~is_good).sum())
    if not is_good.any():
        what = f"answered {dropped:,} rows, none with prices" if dropped else "has no prices for this span"
        raise InputError(f"Yahoo {what}")
    return table[is_good].sort_values("date", ignore_index=True), dropped


def explained(error: Exception, timeout: float, status: int) -> InputError | OSError:
    """What an exception of yfinance or curl means; `status` is that of the last answer with prices."""
    match error:
        case YFRateLimitError():
            return Busy("Yahoo refuses, there were too many requests from here (429): wait some minutes")
        case YFDataException():
            return Busy("Yahoo says that it is down: try again later")
        case YFTickerMissingError() if status in (401, 403):
            return OSError(f"Yahoo refuses to answer from here ({status}): try again later")
        case YFPricesMissingError(yahoo_reason=str(reason)):
            return InputError(f"Yahoo has no prices for this span ({_line(reason)})")
        case YFTickerMissingError():
            return InputError("Yahoo has no prices for this symbol and span")
        case faults.Timeout():
            return TimeoutError(
                f"Yahoo did not answer within {timeout:g} s: check the network, or give it more --timeout"
            )
        case faults.DNSError() | faults.ProxyError():
            return ConnectionError(f"no way to Yahoo ({_line(error)}): check the network and its proxy")
        case faults.CertificateVerifyError() | faults.SSLError():
            return ConnectionError(
                f"no trusted connection to Yahoo ({_line(error)}): is there a proxy whose certificate must be"
                " named in SSL_CERT_FILE?"
            )
        case faults.IncompleteRead() | faults.ChunkedEncodingError():
            return ConnectionError("Yahoo's answer broke off in the middle: try again")
        case faults.ConnectionError() if error.code == _CUT:
            return ConnectionError("Yahoo's answer broke off in the middle: try again")
        case faults.ConnectionError():
            return ConnectionError(f"no connection to Yahoo ({_line(error)}): check the network")
        case faults.RequestException() if not isinstance(error, ValueError):
            return ConnectionError(f"Yahoo could not be asked ({_line(error)}): try again")
        case ValueError():
            return ConnectionError("Yahoo's answer is damaged or no prices at all: try again")
    what = f"{type(error).__name__}: {_line(error)}"
    return OSError(f"Yahoo's answer is of another form than expected ({what}): a newer yfinance may know it")


def _in_background(work: Callable[[], pd.DataFrame]) -> pd.DataFrame:
    """What it returns or raises. Ctrl-C is heard meanwhile, which it is not inside of curl."""
    done: queue.SimpleQueue[pd.DataFrame | BaseException] = queue.SimpleQueue()

    def run() -> None:
        try:
            done.put(work())
        except BaseException as error:
            done.put(error)

    threading.Thread(target=run, daemon=True).start()
    outcome = done.get()
    if isinstance(outcome, BaseException):
        raise outcome
    return outcome


@contextmanager
def _plain_yfinance() -> Iterator[None]:
    """It raises what it met, neither logs nor warns, and keeps nothing on the disk.

    Its cache of cookies is a pickle, and what we load must not run code. Where its folder cannot be made it
    does without one. Nor does it answer from memory, where a damaged answer would stay.
    """
    YfData.cache_get.cache_clear()
    yfinance.set_tz_cache_location(os.path.join(os.devnull, "none"))
    debug, logger = yfinance.config.debug, logging.getLogger("yfinance")
    hidden, disabled = debug.hide_exceptions, logger.disabled
    debug.hide_exceptions, logger.disabled = False, True
    try:
        with warnings.catch_warnings():  # of pandas about yfinance's own code
            warnings.filterwarnings("ignore", module=r"yfinance(\.|$)")
            yield
    finally:
        debug.hide_exceptions, logger.disabled = hidden, disabled


def _moments(index: pd.Index, interval: str) -> pd.Series:
    """[rows] datetime64[us]: the exchange's date, or UTC for bars within the day."""
    stamps = pd.DatetimeIndex(index)
    if interval in REACH:
        naive = stamps.tz_convert("UTC").tz_localize(None)
    else:
        naive = stamps.tz_localize(None).normalize()
    return pd.Series(naive.astype("datetime64[us]"))


def _line(text: object) -> str:
    """In one line, without what curl says to programmers."""
    words = re.sub(
        r"Failed to perform, curl: \(\d+\) |\. See https://curl.*", "", " ".join(str(text).split())
    )
    return words[:150].rstrip(". ")
