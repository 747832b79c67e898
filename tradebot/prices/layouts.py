"""Tables of prices in common layouts, wide or long, read into a long one, and that into aligned arrays."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd

from tradebot.config import counted
from tradebot.core import Array, InputError
from tradebot.prices import actions, numbers
from tradebot.prices.alignment import aligned
from tradebot.prices.columns import (
    CLOCK,
    NUMBERS,
    REQUIRED,
    TICKS,
    Columns,
    canonical,
    plain_columns,
    position_of,
    require,
    wide_columns,
)
from tradebot.prices.dates import read_dates, spelled
from tradebot.prices.reading import AS_WRITTEN, ReadConfig

_NEUTRAL = {"volume": 0.0} | actions.NONE  # where a table says nothing


class Tidy(NamedTuple):
    """A table of prices as a long one."""

    rows: pd.DataFrame  # date, symbol, open .. volume; adj_close, dividends and splits where they are told
    columns: dict[str, str]  # what -> the column it was read from and how, to be read by a person


def read(
    frame: pd.DataFrame, *, symbol: str | None, place: str, how: ReadConfig = AS_WRITTEN
) -> tuple[Array, tuple[str, ...], dict[str, Array]]:
    """Timestamps [T] datetime64[us], symbols [A]; open .. volume [T, A] float64, missing, and what there is
    of adj_close, dividends and splits.

    Rows are sorted by date. Several symbols get one calendar: the dates that any of them has, from the first
    that all have to the earliest last one. Where a symbol lacks a date `missing` [T, A] is True, prices are
    its last close and volume is 0. Long tables may have a symbol column, else `symbol` is their name. Wide
    ones have a column per symbol and field, such as `AAPL_close`, `Close AAPL` or the pair ("Close", "AAPL").
    Where all prices of a symbol are empty it did not trade. Without a volume column the volume is 0. The
    numbers are not judged here. Raises InputError, which starts with `place`.
    """
    try:
        return aligned(tidy(frame, symbol=symbol, place=place, how=how).rows, place)
    except UnicodeError as error:
        raise InputError(f"{place}cells must be numbers, dates or text in UTF-8 ({error})") from None


def check_symbol(symbol: str, place: str) -> None:
    """Raise InputError unless `symbol` can be printed in a line and typed as a flag."""
    if not (symbol and symbol.isprintable() and symbol.strip() == symbol):
        raise InputError(
            f"{place}{symbol!r} is not a symbol: it must be printable text without blanks around it"
        )


def tidy(frame: pd.DataFrame, *, symbol: str | None, place: str, how: ReadConfig = AS_WRITTEN) -> Tidy:
    """A long table of raw prices, read as by `read`, before symbols are aligned."""
    if not isinstance(frame.index, pd.RangeIndex):
        frame = frame.reset_index(allow_duplicates=True)
    if not len(frame):
        raise InputError(f"{place}no rows of prices in it")
    plain = plain_columns(frame.columns, place)
    wide = {} if plain.keys() >= set(REQUIRED) else wide_columns(frame.columns)
    for name, columns in wide.items():
        check_symbol(name, place)
        require(plain | columns, f"{place}{name}: ", frame.columns)
    if not wide:
        require(plain, place, frame.columns)
    dates, note = _dates(frame, plain, place, how)
    if wide:
        names = {name: pd.Series(name, index=frame.index, dtype="str") for name in wide}
    else:
        names = {"": _names(frame, plain, symbol, place)}
    groups = {
        name: _without_booked(frame, _with_ticks(frame, columns))
        for name, columns in (wide or {"": plain}).items()
    }
    made = numbers.parse(
        {(name, what): frame.iloc[:, columns[what]] for name, columns in groups.items() for what in NUMBERS
         if what in columns},
        how.decimal,
        place,
    )  # fmt: skip
    parts = [_part(dates, names[name], name, made, place) for name in groups]
    rows = pd.concat(parts, ignore_index=True) if wide else parts[0]
    told = _told(frame, plain, groups, note, made)
    if left_out := len(frame) * len(groups) - len(rows):
        told["left out"] = f"{counted(left_out, 'bar' if wide else 'row')} without prices"
    return Tidy(rows, told)


def _with_ticks(frame: pd.DataFrame, columns: Columns) -> Columns:
    """Those of numbers. MetaTrader counts ticks where it knows of no volume, which is 0 then."""
    mine = {what: position for what, position in columns.items() if what in NUMBERS}
    ticks = position_of(frame.columns, TICKS)
    if ticks is not None and "volume" in mine and ticks != mine["volume"]:
        volume = pd.to_numeric(frame.iloc[:, mine["volume"]], errors="coerce")
        mine["volume"] = ticks if (volume == 0).all() else mine["volume"]
    return mine


def _without_booked(frame: pd.DataFrame, columns: Columns) -> Columns:
    """Without the events of yfinance's `history`: its prices contain them, unless `Adj Close` is there."""
    is_history = "splits" in columns and canonical(frame.columns[columns["splits"]]) == "stocksplits"
    if not is_history or "adj_close" in columns:
        return columns
    return {what: position for what, position in columns.items() if what not in actions.COLUMNS}


def _dates(frame: pd.DataFrame, columns: Columns, place: str, how: ReadConfig) -> tuple[pd.Series, str]:
    """The date column, joined with a column of times of day where the table has both."""
    column = frame.iloc[:, columns["date"]]
    clock = position_of(frame.columns, CLOCK)
    is_text = not pd.api.types.is_datetime64_any_dtype(column)
    if clock is None or not is_text or canonical(frame.columns[columns["date"]]) in CLOCK:
        return read_dates(column, place, how)
    if canonical(frame.columns[columns["date"]]) not in ("date", "data", "dtyyyymmdd"):
        return read_dates(column, place, how)
    times = frame.iloc[:, clock].astype("str").str.strip()
    digits = times.str.fullmatch(
        r"\d+", na=False
    )  # 93000 is half past nine, and so is 930 in a column of these
    width = 4 if times.str.len().max() <= 4 else 6
    times = times.where(~digits, times.str.zfill(width))
    dates, note = read_dates(column.astype("str").str.strip() + " " + times, place, how)
    return dates, ", ".join(filter(None, [f"with {str(frame.columns[clock])!r}", note]))


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


def _part(dates: pd.Series, names: pd.Series, group: str, made: numbers.Parsed, place: str) -> pd.DataFrame:
    """The rows of one group of columns that have prices. InputError for the first text that is no number."""
    rows = pd.DataFrame({"date": dates, "symbol": names})
    values = {what: own for (name, what), own in made.values.items() if name == group}
    for what in values:
        _check_numbers(made, group, what, rows, place)
    for what in ("volume", *values):
        own = values.get(what)
        is_empty = own is None or (what == "volume" and np.isnan(own).all())
        rows[what] = _NEUTRAL[what] if is_empty else own
    if "dividends" in values:
        rows["dividends"] = rows["dividends"].fillna(0.0)
    if "splits" in values:
        rows["splits"] = (
            rows["splits"].fillna(1.0).replace(0.0, 1.0)
        )  # of the Yahoo kind: 0 where there is none
    has_prices = rows[list(REQUIRED)].notna().any(axis=1)
    for what in ("dividends", "splits"):  # a row of nothing else must not be lost
        has_prices |= rows[what] != _NEUTRAL[what] if what in rows else False
    order = ["date", "symbol", *(what for what in NUMBERS if what in rows)]
    return rows.loc[has_prices if has_prices.any() or group else slice(None), order]


def _check_numbers(made: numbers.Parsed, group: str, what: str, rows: pd.DataFrame, place: str) -> None:
    wrong = made.wrong[group, what]
    if wrong.any():
        i = int(wrong.argmax())
        text = made.texts[group, what].iloc[i][:40]
        cell = f"{what} on {spelled(rows['date'].iloc[i])} is {text!r}, not a number"
        count = f"({int(wrong.sum())} such rows: repair or remove them)"
        raise InputError(f"{place}{rows['symbol'].iloc[i]}: {cell} {count}")


def _told(
    frame: pd.DataFrame, plain: Columns, groups: dict[str, Columns], date_note: str, made: numbers.Parsed
) -> dict[str, str]:
    """What each column was taken for: the first of its kind, and how many more there are."""
    told = {"date": _named(frame, plain["date"], date_note)}
    if "symbol" in plain and "" in groups:
        told["symbol"] = _named(frame, plain["symbol"])
    for what in NUMBERS:
        own = [(name, columns[what]) for name, columns in groups.items() if what in columns]
        if own:
            more = f" and {len(own) - 1} more" if len(own) > 1 else ""
            notes = [
                made.notes.get((own[0][0], what), ""),
                "scales prices by it / close" * (what == "adj_close"),
            ]
            told[what] = _named(frame, own[0][1], ", ".join(filter(None, notes))) + more
    if "volume" not in told:
        told["volume"] = "nothing (0)"
    used = {plain["date"], plain.get("symbol") if "" in groups else None}
    used |= {position for columns in groups.values() for position in columns.values()}
    clock = position_of(frame.columns, CLOCK) if date_note.startswith("with '") else None
    ignored = [i for i in range(frame.shape[1]) if i not in used | {clock}]
    if ignored:
        told["ignored"] = ", ".join(_named(frame, i) for i in ignored[:8])
        told["ignored"] += f" and {len(ignored) - 8} more" if len(ignored) > 8 else ""
    return told


def _named(frame: pd.DataFrame, position: int, note: str = "") -> str:
    name = frame.columns[position]
    text = " ".join(map(str, name)).strip() if isinstance(name, tuple) else str(name)
    return f"{text[:40]!r}" + (f" ({note})" if note else "")
