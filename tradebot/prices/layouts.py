"""Which column is what: tables of prices in common spellings, wide or long, read into aligned arrays."""

from __future__ import annotations

import re
from collections.abc import Hashable, Mapping

import numpy as np
import pandas as pd

from tradebot.core import Array, InputError
from tradebot.prices import actions
from tradebot.prices.dates import read_dates, spelled

# What columns are called once case, blanks and _ . < > * are ignored; the first spelling there is counts.
SPELLINGS: Mapping[str, tuple[str, ...]] = {
    "date": ("datetime", "timestamp", "date", "time", "index", "unnamed:0"),
    "symbol": ("symbol", "ticker", "tic", "code", "name"),
    "open": ("open", "o", "openprice"),
    "high": ("high", "h", "highprice"),
    "low": ("low", "l", "lowprice"),
    "close": ("close", "c", "last", "price", "closeprice", "closingprice"),
    "volume": ("volume", "vol", "v", "totalvolume", "tradingvolume", "sharestraded"),
    "adj_close": ("adjclose", "adjustedclose", "closeadj", "closeadjusted"),
    "dividends": ("dividends", "dividend", "ex-dividend", "divcash"),
    "splits": ("splits", "stocksplits", "split", "splitratio", "splitfactor"),
}
_REQUIRED = ("open", "high", "low", "close")
_NUMBERS = (*_REQUIRED, "volume", "adj_close", *actions.COLUMNS)
_FIELD, _GAP = r"(adj(?:usted)?[\s_.]?close|open|high|low|close|last|price|volume|vol)", r"[\s_.:|-]+"
_FIELD_FIRST = re.compile(f"{_FIELD}{_GAP}(.+)", re.IGNORECASE)  # Close AAPL
_SYMBOL_FIRST = re.compile(f"(.+?){_GAP}{_FIELD}", re.IGNORECASE)  # AAPL_close

_ENOUGH = 10  # bars, to tell how far apart a symbol's bars are
_HOUR = np.timedelta64(1, "h")

Columns = dict[str, int]  # what -> position of the column


def read(
    frame: pd.DataFrame, *, symbol: str | None, place: str
) -> tuple[Array, tuple[str, ...], dict[str, Array]]:
    """Timestamps [T] datetime64[us], symbols [A]; open .. volume [T, A] float64, missing, and what there is
    of adj_close, dividends and splits.

    Rows are sorted by date. Several symbols get one calendar: the dates that any of them has, from the first
    that all have to the earliest last one. Where a symbol lacks a date `missing` [T, A] is True, prices are
    its last close and volume is 0. Long tables may have a symbol column, else `symbol` is their name. Wide
    ones have a column per symbol and field, such as `AAPL_close`, `Close AAPL` or the pair ("Close", "AAPL");
    where all fields of a symbol are empty it did not trade. Without a volume column the volume is 0. The
    numbers are not judged here. Raises InputError, which starts with `place`.
    """
    try:
        return _aligned(tidy(frame, symbol=symbol, place=place), place)
    except UnicodeError as error:
        raise InputError(f"{place}cells must be numbers, dates or text in UTF-8 ({error})") from None


def check_symbol(symbol: str, place: str) -> None:
    """Raise InputError unless `symbol` can be printed in a line and typed as a flag."""
    if not (symbol and symbol.isprintable() and symbol.strip() == symbol):
        raise InputError(
            f"{place}{symbol!r} is not a symbol: it must be printable text without blanks around it"
        )


def canonical(name: Hashable) -> str:
    """A column's name without case, blanks, _ . < > * and a "1." in front."""
    return re.sub(r"^\d+\.|[\s_.<>*]", "", str(name)).lower()


def tidy(frame: pd.DataFrame, *, symbol: str | None, place: str) -> pd.DataFrame:
    """A long table: date, symbol, open .. volume and, if there are, adj_close, dividends, splits.

    Read as by `read`, before symbols are aligned.
    """
    if not isinstance(frame.index, pd.RangeIndex):
        frame = frame.reset_index(allow_duplicates=True)
    if not len(frame):
        raise InputError(f"{place}no rows of prices in it")
    plain = _plain_columns(frame, place)
    wide = {} if plain.keys() >= set(_REQUIRED) else _wide_columns(frame)
    for name, columns in wide.items():
        check_symbol(name, place)
        _require(plain | columns, f"{place}{name}: ", frame)
    if not wide:
        _require(plain, place, frame)
    dates = _dates(frame, plain, place)
    if not wide:
        return _numbers(frame, dates, _names(frame, plain, symbol, place), plain, place)
    parts = []
    for name, columns in wide.items():
        traded = frame.iloc[:, list(columns.values())].notna().any(axis=1)
        names = pd.Series(name, index=frame.index, dtype="str")
        parts.append(_numbers(frame[traded], dates[traded], names[traded], columns, place))
    return pd.concat(parts, ignore_index=True)


def _plain_columns(frame: pd.DataFrame, place: str) -> Columns:
    """The columns that belong to no symbol in particular."""
    names = []
    for name in frame.columns:
        parts = [part for part in name if str(part).strip()] if isinstance(name, tuple) else [name]
        names.append(canonical(parts[0]) if len(parts) == 1 else "")
    found: Columns = {}
    for what, spellings in SPELLINGS.items():
        hits = next((hits for spelling in spellings if (hits := _positions(names, spelling))), [])
        if what == "volume" and not hits:  # "Volume BTC" and "Volume USD": units traded rather than currency
            others = [i for i, name in enumerate(names) if name.startswith("volume")]
            hits = sorted(others, key=lambda i: "usd" in names[i])[:1]
        if len(hits) > 1:
            raise InputError(
                f"{place}{_listed(frame.columns[hits])} could all be the {what}: keep one of them"
            )
        if hits:
            found[what] = hits[0]
    return found


def _positions(names: list[str], wanted: str) -> list[int]:
    return [i for i, name in enumerate(names) if name == wanted]


def _wide_columns(frame: pd.DataFrame) -> dict[str, Columns]:
    """Symbol -> its columns; empty if no symbol has all that is required.

    Names are read with the field first and with the symbol first. The reading that completes more symbols is
    right: LOW and OPEN are tickers too.
    """
    readings: tuple[dict[str, Columns], ...] = ({}, {})
    for position, name in enumerate(frame.columns):
        for reading, (field, symbol) in zip(readings, _field_and_symbol(name), strict=True):
            what = next((what for what in _NUMBERS if canonical(field) in SPELLINGS[what]), None)
            if what and symbol.strip():
                reading.setdefault(symbol.strip(), {}).setdefault(what, position)
    complete = [sum(columns.keys() >= set(_REQUIRED) for columns in reading.values()) for reading in readings]
    return readings[int(np.argmax(complete))] if any(complete) else {}


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


def _require(found: Columns, place: str, frame: pd.DataFrame) -> None:
    missing = [what for what in ("date", *_REQUIRED) if what not in found]
    if missing:
        raise InputError(
            f"{place}no column for {', '.join(missing)}; the columns are {_listed(frame.columns)}"
        )


def _listed(names: pd.Index) -> str:
    shown = [repr(str(name))[:40] for name in names[:12]]
    return ", ".join(shown) + (f" and {len(names) - 12} more" if len(names) > 12 else "")


def _dates(frame: pd.DataFrame, columns: Columns, place: str) -> pd.Series:
    """The date column, joined with a column of times of day where the table has both."""
    column = frame.iloc[:, columns["date"]]
    clock = _positions([canonical(name) for name in frame.columns], "time")
    is_text = not pd.api.types.is_datetime64_any_dtype(column)
    if clock and is_text and canonical(frame.columns[columns["date"]]) == "date":
        column = column.astype("str") + " " + frame.iloc[:, clock[0]].astype("str")
    return read_dates(column, place)


def _names(frame: pd.DataFrame, columns: Columns, symbol: str | None, place: str) -> pd.Series:
    """The symbol of each row."""
    if "symbol" not in columns:
        if symbol is None:
            raise InputError(f"{place}no symbol column: say whose prices these are with symbol=...")
        return pd.Series(symbol, index=frame.index, dtype="str")
    names = frame.iloc[:, columns["symbol"]].astype("str").str.strip()
    if names.isna().any():
        raise InputError(f"{place}row {int(names.isna().argmax()) + 1} has no symbol")
    for name in names.unique():
        check_symbol(name, place)
    return names


def _numbers(
    frame: pd.DataFrame, dates: pd.Series, names: pd.Series, columns: Columns, place: str
) -> pd.DataFrame:
    tidied = pd.DataFrame({"date": dates, "symbol": names})
    for what in _NUMBERS:
        if what in columns:
            values = _floats(frame.iloc[:, columns[what]], what, tidied, place)
            if what in actions.COLUMNS:  # an empty cell is no dividend, and Yahoo writes 0 for no split
                none = np.isnan(values) | (values == 0.0)
                values = np.where(none, actions.NONE[what], values)
            tidied[what] = values
        elif what == "volume":
            tidied[what] = 0.0
    return tidied


def _floats(column: pd.Series, what: str, rows: pd.DataFrame, place: str) -> Array:
    """Numbers of a column; empty cells are NaN. InputError for the first text that is none."""
    if pd.api.types.is_any_real_numeric_dtype(column):
        return column.to_numpy(dtype="float64", na_value=np.nan)
    text = column.astype("str").str.strip()
    values = pd.to_numeric(text, errors="coerce").to_numpy(dtype="float64", na_value=np.nan)
    wrong = np.isnan(values) & (text.notna() & (text.str.lower() != "nan")).to_numpy()
    if wrong.any():
        i = int(wrong.argmax())
        cell = f"{what} on {spelled(rows['date'].iloc[i])} is {text.iloc[i][:40]!r}, not a number"
        count = f"({int(wrong.sum())} such rows: repair or remove them)"
        raise InputError(f"{place}{rows['symbol'].iloc[i]}: {cell} {count}")
    return values


def _aligned(table: pd.DataFrame, place: str) -> tuple[Array, tuple[str, ...], dict[str, Array]]:
    """Timestamps, symbols and columns of a long table on one calendar, with `missing` among the columns."""
    twice = table.duplicated(["date", "symbol"])
    if twice.any():
        row = table[twice].sort_values("date", kind="stable").iloc[0]
        what = f"{row['symbol']}: date {spelled(row['date'])} comes more than once"
        raise InputError(f"{place}{what} ({int(twice.sum())} such rows: remove them)")
    codes, symbols = pd.factorize(table["symbol"])
    dates = table["date"].to_numpy()
    stamps, rows = np.unique(dates, return_inverse=True)
    shared = np.flatnonzero(np.bincount(rows) == len(symbols))
    if len(symbols) > 1:
        _check_calendars([dates[codes == a] for a in range(len(symbols))], symbols, len(shared), place)
    has = np.zeros((len(stamps), len(symbols)), dtype=bool)
    has[rows, codes] = True
    # From the first date that all have, so that there is a last close to repeat, to the earliest last one.
    last = min((np.flatnonzero(column)[-1] for column in has.T), default=0)
    span = slice(shared[0] if len(shared) else 0, last + 1)
    missing = ~has[span]
    latest = np.maximum.accumulate(np.where(missing, 0, np.arange(len(missing))[:, None]), axis=0)
    columns = {"missing": missing}
    for what in (name for name in _NUMBERS if name in table):
        values = np.empty(has.shape)
        values[rows, codes] = table[what]
        columns[what] = np.take_along_axis(values[span], latest, axis=0)
    for what in ("open", "high", "low"):
        columns[what] = np.where(missing, columns["close"], columns[what])
    columns["volume"] = np.where(missing, 0.0, columns["volume"])
    for what in (name for name in actions.COLUMNS if name in columns):
        columns[what] = np.where(missing, actions.NONE[what], columns[what])
    return stamps[span], tuple(symbols), columns


def _check_calendars(dates: list[Array], symbols: pd.Index, shared: int, place: str) -> None:
    """Raise InputError unless bars of each symbol, at its `dates`, can stand beside those of the others."""
    if shared < 2:
        each = (
            f"{name} {spelled(own.min())} .. {spelled(own.max())}"
            for name, own in sorted(zip(symbols, dates, strict=True))
        )
        raise InputError(f"{place}the symbols share fewer than 2 bars: {'; '.join(each)}")
    together = _usual_step(np.concatenate(dates))
    for name, own in zip(symbols, dates, strict=True):
        if len(own) >= _ENOUGH and _usual_step(own) > 1.5 * together:
            apart = f"{_usual_step(own) / _HOUR:g} hours apart, those of all symbols {together / _HOUR:g}"
            raise InputError(
                f"{place}bars of {name} are {apart}: give all symbols bars of the same length, for a longer"
                " one tells what the shorter ones beside it cannot know yet"
            )


def _usual_step(dates: Array) -> np.timedelta64:
    """How far apart bars are where none is missing: one step in ten is shorter at the most."""
    steps = np.sort(np.diff(np.unique(dates)))
    step: np.timedelta64 = steps[len(steps) // 10]
    return step
