"""Raw prices from Yahoo Finance through yfinance, with dividends and splits.

Yahoo's open .. close and dividends are adjusted for all later splits, adj_close for dividends too.
"""

from __future__ import annotations

import logging
import os
import random
import re
import threading
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

from tradebot.core import Array, InputError
from tradebot.prices.sources.retrying import Busy, Passing, Refused, Retries
from tradebot.prices.sources.source import Answer
from tradebot.prices.sources.yahoo_faults import explained
from tradebot.prices.store import COLUMNS, PRICES

REACH = {  # days back from today that Yahoo keeps bars within the day
    "1m": 7,
    "2m": 59,
    "5m": 59,
    "15m": 59,
    "30m": 59,
    "90m": 59,
    "1h": 729,
}
INTERVALS = (*REACH, "1d", "5d", "1wk", "1mo", "3mo")
ALIASES = {"60m": "1h"}
JOBS = 4  # that ask at once
_CHART = "/v8/finance/chart/"  # the address of prices; others are for cookies
_COOKIES = "https://fc.yahoo.com"
_SYMBOL = re.compile(r"[A-Za-z0-9^][A-Za-z0-9.^=&_-]*")
_COLUMNS = ("Open", "High", "Low", "Close", "Adj Close", "Volume")
_ROUNDING = 1e-6  # relative; Yahoo's prices are of single precision


class Yahoo:
    """Asks for symbols, with one session for all threads.

    `timeout` [s] bounds each request and each pause before a request is made again; `rng` draws the pauses,
    `wait` [s] stands for them in tests.
    """

    jobs = JOBS

    def __init__(
        self,
        interval: str,
        timeout: float,
        rng: random.Random,
        wait: Callable[[float], object] | None = None,
    ) -> None:
        self._interval = interval
        self._timeout = timeout
        self._session = _Session(timeout, Retries(rng, timeout, wait))

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

    @contextmanager
    def opened(self) -> Iterator[None]:
        """In the block yfinance raises what it met, neither logs nor warns, and keeps nothing on the disk.

        Its cache of cookies is a pickle, and what we load must not run code. Where its folder cannot be made
        it does without one. Nor does it answer from the memory of an earlier block.
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

    def read(self, symbol: str, start: date | None, end: date) -> Answer:
        """Rows from start (None: the first) to end.

        Raises InputError for what Yahoo does not have, OSError for what it could not deliver, with the number
        of `retries` where it was asked again.
        """
        if start and start < self.oldest:
            raise InputError(
                f"Yahoo keeps bars of {self._interval} for {REACH[self._interval] + 1} days only: take"
                f" --start {self.oldest} or later, or --interval 1d"
            )
        self._session.mine.status, self._session.mine.retries = 0, 0
        try:
            frame: pd.DataFrame = yfinance.Ticker(symbol, session=self._session).history(
                period="max",  # from the first bar, where there is no start
                start=start,
                end=end + timedelta(days=1),  # theirs is not included
                interval=self._interval,
                auto_adjust=False,
                actions=True,
                keepna=True,
                timeout=self._timeout,
            )
        except InputError:
            raise
        except Exception as error:  # whatever yfinance raises; what it means is found out there
            raise explained(error, self._timeout, self._session.mine.status) from None
        return usable(frame, self._interval)._replace(retries=self._session.mine.retries)


class _Session(requests.Session):  # type: ignore[type-arg]
    """Each request is bounded and asked again where that may help; every fault leaves it in our words."""

    def __init__(self, patience: float, again: Retries) -> None:
        super().__init__(impersonate="chrome")
        self.patience = patience  # seconds
        self.mine = threading.local()  # of the thread: status of the last answer with prices, retries made
        self._again = again
        self._silence: faults.Timeout | None = None  # of a host of cookies, without which prices may come too
        self._welcome: tuple[Any, int] = None, 0  # the answer with the first cookies, and how many there were

    def request(self, method: Any, url: str, **kwargs: Any) -> Any:  # type: ignore[override]
        kwargs["timeout"] = self.patience
        if _CHART not in url:
            return self._ask_for_cookies(method, url, **kwargs)
        try:
            answer, retries = self._again.ask(lambda: self._ask_for_prices(method, url, **kwargs))
        except Passing as fault:
            fault.retries += self.mine.retries
            raise
        self.mine.retries += retries
        return answer

    def _ask_for_prices(self, method: Any, url: str, **kwargs: Any) -> Any:
        """A whole answer. Refusals with 4xx go on to yfinance, which may find another cookie."""
        try:
            answer = super().request(method, url, **kwargs)
            self.mine.status = status = answer.status_code
            if status == 404:
                raise InputError("Yahoo knows no such symbol")
            if status == 429:
                raise Refused(
                    "Yahoo refuses, there were too many requests from here (429): wait some minutes"
                )
            if status >= 500:
                raise Busy(f"Yahoo's server failed ({status}): try again later")
            if status < 400:
                answer.json()
            return answer
        except InputError:
            raise
        except Exception as error:
            raise explained(error, self.patience, self.mine.status) from None

    def _ask_for_cookies(self, method: Any, url: str, **kwargs: Any) -> Any:
        """One that hangs is not waited for a second time, nor one asked again for cookies that are here.

        yfinance asks before every request, while all other threads wait. It takes cookies away where it tries
        another way to get them.
        """
        if self._silence:
            raise self._silence
        answer, count = self._welcome
        if url.startswith(_COOKIES) and answer and len(self.cookies.jar) >= count:
            return answer
        try:
            answer = super().request(method, url, **kwargs)
        except faults.Timeout as error:
            self._silence = error
            raise
        if url.startswith(_COOKIES):
            self._welcome = answer, len(self.cookies.jar)
        return answer


def usable(frame: pd.DataFrame, interval: str) -> Answer:
    """The rows that have prices. The others are dropped: empty, zero, or outside of their own low .. high.

    A dividend or split of a dropped row is that of the next one. Raises InputError if nothing is left.
    """
    table = pd.DataFrame({"date": _moments(frame.index, interval)})
    for name, column in zip(COLUMNS[1:], _COLUMNS, strict=False):
        table[name] = frame[column].to_numpy("float64", na_value=np.nan)
    table["volume"] = table["volume"].fillna(0.0).clip(lower=0.0)
    table["dividends"] = np.nan_to_num(frame["Dividends"].to_numpy("float64", na_value=0.0))
    splits = np.nan_to_num(frame["Stock Splits"].to_numpy("float64", na_value=0.0))
    table["splits"] = np.where(splits > 0, splits, 1.0)  # theirs is 0 where there is none
    table = table[~table["date"].duplicated(keep="last")].sort_values("date", ignore_index=True)
    body = table[["open", "close"]]
    low, high = body.min(axis=1), body.max(axis=1)
    is_inside = (table["low"] <= low * (1 + _ROUNDING)) & (table["high"] >= high * (1 - _ROUNDING))
    prices = table[list(PRICES)]
    is_good = (is_inside & ((prices > 0) & (prices < np.inf)).all(axis=1)).to_numpy()
    table["low"] = np.minimum(table["low"], low)  # moves them by a rounding at the most
    table["high"] = np.maximum(table["high"], high)
    dropped = table["date"].to_numpy()[~is_good]
    if not is_good.any():
        what = f"answered {len(dropped):,} rows, none with prices"
        raise InputError(f"Yahoo {what if len(dropped) else 'has no prices for this span'}")
    _hand_on_events(table, is_good)
    return Answer(table[is_good].reset_index(drop=True), dropped)


def _hand_on_events(table: pd.DataFrame, is_good: Array) -> None:
    """Dividends and splits of rows that are not good become those of the next good one, if there is one."""
    for i in np.flatnonzero(~is_good & ((table["dividends"] != 0) | (table["splits"] != 1)).to_numpy()):
        later = np.flatnonzero(is_good[i:])
        if len(later):
            table.loc[i + later[0], "dividends"] += table["dividends"].iloc[i]
            table.loc[i + later[0], "splits"] *= table["splits"].iloc[i]


def _moments(index: pd.Index, interval: str) -> pd.Series:
    """[rows] datetime64[us]: the exchange's date, or UTC for bars within the day."""
    stamps = pd.DatetimeIndex(index)
    if interval in REACH:
        naive = stamps.tz_convert("UTC").tz_localize(None)
    else:
        naive = stamps.tz_localize(None).normalize()
    return pd.Series(naive.astype("datetime64[us]"))
