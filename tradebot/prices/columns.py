"""Which column is what: names of columns in common spellings, of tables that are wide or long."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Hashable, Iterable, Mapping

import numpy as np
import pandas as pd

from tradebot.core import InputError

# What columns are called once case, accents, blanks and _ . < > * are ignored; the first one found counts.
SPELLINGS: Mapping[str, tuple[str, ...]] = {
    "date": (
        *("datetime", "timestamp", "date", "time", "gmttime", "opentime", "windowstart", "dtyyyymmdd"),
        *("unix", "unixtimestamp", "data", "datum", "t", "index", "unnamed:0"),
    ),
    "symbol": ("symbol", "ticker", "tic", "code", "name"),
    "open": ("open", "o", "openprice", "otwarcie", "eroffnung", "erster", "ouverture"),
    "high": ("high", "h", "highprice", "najwyzszy", "hoch", "plushaut"),
    "low": ("low", "l", "lowprice", "najnizszy", "tief", "plusbas"),
    "close": (
        *("close", "c", "last", "close/last", "price", "closeprice", "closingprice"),
        *("zamkniecie", "schluss", "schlusskurs", "cloture"),
    ),
    "volume": (
        *("volume", "vol", "v", "totalvolume", "tradingvolume", "sharestraded", "wolumen", "volumen"),
        *("tickvol", "tickvolume"),
    ),
    "adj_close": ("adjclose", "adjustedclose", "closeadj", "closeadjusted"),
    "dividends": ("dividends", "dividend", "ex-dividend", "exdividend", "dividendamount", "divcash"),
    "splits": ("stocksplits", "splits", "splitratio", "splitcoefficient", "splitfactor"),
}
CLOCK = ("time", "czas")  # a column of times of day, beside one of dates
TICKS = ("tickvol", "tickvolume")  # the volume where a broker knows of no other
REQUIRED = ("open", "high", "low", "close")
NUMBERS = (*REQUIRED, "volume", "adj_close", "dividends", "splits")
_FIELD = (
    r"(adj(?:usted)?[\s_.]?close|open|high|low|close|last|price|volume|vol"
    r"|dividends|stock[\s_]?splits|splits)"
)
_GAP = r"[\s_.:|-]+"
_FIELD_FIRST = re.compile(f"{_FIELD}{_GAP}(.+)", re.IGNORECASE)  # Close AAPL
_SYMBOL_FIRST = re.compile(f"(.+?){_GAP}{_FIELD}", re.IGNORECASE)  # AAPL_close
_MONEY = ("usd", "eur", "currency", "quote", "volumeto")  # in the name of a volume that is no number of units

Columns = dict[str, int]  # what -> position of the column


def canonical(name: Hashable) -> str:
    """A column's name without case, accents, blanks, _ . < > * and a "1." in front."""
    letters = unicodedata.normalize("NFKD", str(name))
    plain = "".join(letter for letter in letters if not unicodedata.combining(letter))
    return re.sub(r"^\d+\.|[\s_.<>*]", "", plain).lower()


def plain_columns(names: Iterable[Hashable], place: str) -> Columns:
    """The columns that belong to no symbol in particular. InputError for two that could be the same."""
    names = list(names)
    plain = []
    for name in names:
        parts = [part for part in name if str(part).strip()] if isinstance(name, tuple) else [name]
        plain.append(canonical(parts[0]) if len(parts) == 1 else "")
    found: Columns = {}
    for what, spellings in SPELLINGS.items():
        hits = next((hits for spelling in spellings if (hits := _positions(plain, spelling))), [])
        if what == "volume" and not hits:  # "Volume BTC" and "Volume USD": units traded rather than currency
            others = [i for i, name in enumerate(plain) if name.startswith("volume")]
            hits = sorted(others, key=lambda i: any(money in plain[i] for money in _MONEY))[:1]
        if len(hits) > 1:
            raise InputError(
                f"{place}{listed([names[i] for i in hits])} could all be the {what}: keep one of them"
            )
        if hits:
            found[what] = hits[0]
    return found


def position_of(names: Iterable[Hashable], spellings: Iterable[str]) -> int | None:
    """Of the first column that is called so."""
    return next((i for i, name in enumerate(names) if canonical(name) in spellings), None)


def wide_columns(names: Iterable[Hashable]) -> dict[str, Columns]:
    """Symbol -> its columns; empty if no symbol has all that is required.

    Names are read with the field first and with the symbol first. The reading that completes more symbols is
    right: LOW and OPEN are tickers too.
    """
    readings: tuple[dict[str, Columns], ...] = ({}, {})
    for position, name in enumerate(names):
        for reading, (field, symbol) in zip(readings, _field_and_symbol(name), strict=True):
            what = next((what for what in NUMBERS if canonical(field) in SPELLINGS[what]), None)
            if what and symbol.strip():
                reading.setdefault(symbol.strip(), {}).setdefault(what, position)
    complete = [sum(columns.keys() >= set(REQUIRED) for columns in reading.values()) for reading in readings]
    return readings[int(np.argmax(complete))] if any(complete) else {}


def require(found: Columns, place: str, names: pd.Index) -> None:
    """Raise InputError unless the date and the prices are there."""
    missing = [what for what in ("date", *REQUIRED) if what not in found]
    if missing:
        raise InputError(f"{place}no column for {', '.join(missing)}; the columns are {listed(names)}")


def listed(names: Iterable[Hashable]) -> str:
    """Names of columns, or the first twelve of many, to be read by a person."""
    names = list(names)
    shown = [repr(str(name))[:40] for name in names[:12]]
    return ", ".join(shown) + (f" and {len(names) - 12} more" if len(names) > 12 else "")


def _positions(names: list[str], wanted: str) -> list[int]:
    return [i for i, name in enumerate(names) if name == wanted]


def _field_and_symbol(name: Hashable) -> tuple[tuple[str, str], tuple[str, str]]:
    """A column's name as (field, symbol) if the field stands first, and if the symbol does; else blank."""
    if isinstance(name, tuple):
        first, second, *_ = (*map(str, name), "")
        return (first, second), (second, first)
    field_first = _FIELD_FIRST.fullmatch(str(name).strip())
    symbol_first = _SYMBOL_FIRST.fullmatch(str(name).strip())
    return (
        (field_first[1], field_first[2]) if field_first else ("", ""),
        (symbol_first[2], symbol_first[1]) if symbol_first else ("", ""),
    )
