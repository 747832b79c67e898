"""On which days and at which hours a symbol is traded: its exchange, by its form, and its calendar."""

from __future__ import annotations

import re
import threading
import warnings
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from tradebot.config import suggestion
from tradebot.core import Array, InputError

ALWAYS, WEEKDAYS, NEW_YORK = "24/7", "24/5", "XNYS"
_ALONE = threading.Lock()  # what is done about warnings holds for all threads
_SUFFIXES = {  # as Yahoo spells them; .A and .B are classes of US shares
    **{"L": "XLON", "IL": "XLON", "DE": "XETR", "F": "XFRA", "SG": "XSTU", "DU": "XDUS", "HM": "XHAM"},
    **{"PA": "XPAR", "AS": "XAMS", "BR": "XBRU", "LS": "XLIS", "IR": "XDUB", "MI": "XMIL", "MC": "XMAD"},
    **{"SW": "XSWX", "VI": "XWBO", "ST": "XSTO", "CO": "XCSE", "HE": "XHEL", "OL": "XOSL", "IC": "XICE"},
    **{"WA": "XWAR", "PR": "XPRA", "BD": "XBUD", "AT": "ASEX", "IS": "XIST", "TA": "XTAE", "SR": "XSAU"},
    **{"T": "XTKS", "HK": "XHKG", "SS": "XSHG", "SZ": "XSHG", "KS": "XKRX", "KQ": "XKRX", "TW": "XTAI"},
    **{"TWO": "XTAI", "SI": "XSES", "KL": "XKLS", "JK": "XIDX", "BK": "XBKK", "BO": "XBOM", "NS": "XBOM"},
    **{"AX": "XASX", "NZ": "XNZE", "TO": "XTSE", "V": "XTSE", "CN": "XTSE", "NE": "XTSE", "SA": "BVMF"},
    **{"MX": "XMEX", "BA": "XBUE", "SN": "XSGO", "JO": "XJSE", "TL": "XTAL", "RG": "XRIS", "VS": "XLIT"},
}
_INDICES = {
    **dict.fromkeys(("^GSPC", "^DJI", "^IXIC", "^NDX", "^RUT", "^VIX", "^NYA"), NEW_YORK),
    **{"^FTSE": "XLON", "^GDAXI": "XETR", "^FCHI": "XPAR", "^STOXX50E": "XETR", "^SSMI": "XSWX"},
    **{"^IBEX": "XMAD", "^AEX": "XAMS", "^N225": "XTKS", "^HSI": "XHKG", "^KS11": "XKRX", "^AXJO": "XASX"},
    **{
        "^BSESN": "XBOM",
        "^NSEI": "XBOM",
        "^GSPTSE": "XTSE",
        "^BVSP": "BVMF",
        "^MXX": "XMEX",
        "^TWII": "XTAI",
    },
}
_MONEY = "USD|EUR|GBP|JPY|CHF|AUD|NZD|CAD|SEK|NOK|DKK|PLN|HUF|CZK|TRY|ZAR|MXN|SGD|HKD|CNY|CNH|INR|KRW|BRL"
_COINS = "BTC|XBT|ETH|LTC|XRP|BCH|ADA|DOGE|SOL|DOT|BNB|AVAX|LINK|XLM|EOS|TRX|XMR|DASH|ETC|ZEC|MATIC|ATOM|UNI"
_STABLE = "USDT|USDC|BUSD|TUSD|DAI"
_CURRENCIES = re.compile(f"({_MONEY})[-/_]?({_MONEY})(=X)?|.+=X")
_PAIR = re.compile(
    f"[A-Z0-9]+[-/_]({_MONEY}|{_STABLE}|{_COINS})|({_COINS})({_MONEY}|{_STABLE})|[A-Z0-9]+({_STABLE})"
)
_HOLIDAYS_OF_MONEY = ("12-25", "01-01")  # some sources have bars on them, and some do not


class Exchange(NamedTuple):
    """A name as exchange_calendars has it, or 24/7 or 24/5."""

    name: str
    assumed: bool = False  # the symbol does not say it: US tickers have no suffix, but nor have many others


class Calendar(NamedTuple):
    """The sessions of an exchange, first to last."""

    sessions: Array  # [S] datetime64[D]
    opens: Array  # [S] datetime64[us], UTC
    closes: Array  # [S]
    zone: str = "UTC"


def exchange_of(symbol: str) -> Exchange:
    """Where a symbol of Yahoo's form is traded: `.L` London, `BTC-USD` always, `EURUSD=X` on weekdays.

    A ticker without any mark is taken for one of New York.
    """
    name = symbol.upper()
    if name in _INDICES:
        return Exchange(_INDICES[name])
    if _CURRENCIES.fullmatch(name):
        return Exchange(WEEKDAYS)
    if _PAIR.fullmatch(name):
        return Exchange(ALWAYS)
    if name.endswith("=F"):
        return Exchange("CMES")
    stem, _, suffix = name.rpartition(".")
    if stem and suffix in _SUFFIXES:
        return Exchange(_SUFFIXES[suffix])
    return Exchange(NEW_YORK, assumed=True)


def named(name: str) -> Exchange:
    """The exchange of a flag. InputError with what was meant if exchange_calendars does not know it."""
    known: list[str] = _library().get_calendar_names(include_aliases=True)
    if name not in known:
        raise InputError(f"unknown exchange {name!r}{suggestion(name.upper(), known)}")
    return Exchange(name)


def calendar(name: str, first: np.datetime64, last: np.datetime64) -> Calendar:
    """The sessions of the exchange from the year of `first` to that of `last`, as far as they are known.

    The calendar is shorter, or empty, where the library knows no more of the past or the future. It is empty
    too where the library fails, as some of its calendars do with some versions of pandas.
    """
    return _of_years(name, *(int(str(day)[:4]) for day in (first, last)))


def sessions(name: str, first: np.datetime64, last: np.datetime64) -> Array:
    """[n] datetime64[D], from `first` to `last`: all weekdays where the calendar is not known."""
    return _between(name, first, last).sessions


def closes(name: str, first: np.datetime64, last: np.datetime64) -> Array:
    """[n] datetime64[us] in UTC, of the same sessions."""
    return _between(name, first, last).closes


def _between(name: str, first: np.datetime64, last: np.datetime64) -> Calendar:
    known = calendar(name, first, last)
    known = known if len(known.sessions) else calendar(WEEKDAYS, first, last)
    kept = (known.sessions >= first) & (known.sessions <= last)
    return Calendar(known.sessions[kept], known.opens[kept], known.closes[kept], known.zone)


@lru_cache(maxsize=64)
def _of_years(name: str, first: int, last: int) -> Calendar:
    start, end = pd.Timestamp(first, 1, 1), pd.Timestamp(last, 12, 31)
    if name in (ALWAYS, WEEKDAYS):
        return _around_the_clock(name, start, end)
    library = _library()
    with _ALONE, warnings.catch_warnings():  # of pandas about the library's own code
        warnings.simplefilter("ignore")
        try:
            known = library.get_calendar(name, start=start, end=end)
        except (
            ValueError,
            NotImplementedError,
        ):  # a date lies outside of what it knows, or there is nothing between them
            try:
                whole = library.get_calendar(name)
                start = max(start, whole.bound_min() or whole.first_session)
                end = min(end, whole.bound_max() or whole.last_session)
                known = library.get_calendar(name, start=start, end=end)
            except (ValueError, NotImplementedError):
                nothing = np.array([], "datetime64[us]")
                return Calendar(nothing.astype("datetime64[D]"), nothing, nothing)
        hours = (known.opens.dt.tz_convert(None), known.closes.dt.tz_convert(None))
        opens, closes = (moments.to_numpy("datetime64[us]") for moments in hours)
        return Calendar(known.sessions.to_numpy("datetime64[D]"), opens, closes, str(known.tz))


def _around_the_clock(name: str, start: pd.Timestamp, end: pd.Timestamp) -> Calendar:
    """Sessions of 24 hours UTC."""
    days = np.arange(np.datetime64(start, "D"), np.datetime64(end, "D") + 1)
    if name == WEEKDAYS:
        is_rest = np.isin([str(day)[5:] for day in days], _HOLIDAYS_OF_MONEY)
        days = days[np.is_busday(days) & ~is_rest]
    return Calendar(days, days.astype("datetime64[us]"), (days + 1).astype("datetime64[us]"))


def _library() -> Any:
    """Loaded where it is needed: it takes a quarter of a second."""
    with _ALONE, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import exchange_calendars  # type: ignore[import-untyped]

    return exchange_calendars
