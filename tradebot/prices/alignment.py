"""Symbols of a long table put on one calendar, with what each of them lacks marked as missing."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from tradebot.core import Array, InputError
from tradebot.prices import actions
from tradebot.prices.dates import spelled

_COLUMNS = (
    "open",
    "high",
    "low",
    "close",
    "volume",
    "adj_close",
    *actions.COLUMNS,
)  # of a table, that become arrays
_ENOUGH = 10  # bars, to tell how far apart a symbol's bars are
_HOUR = np.timedelta64(1, "h")


def aligned(table: pd.DataFrame, place: str) -> tuple[Array, tuple[str, ...], dict[str, Array]]:
    """Timestamps [T], symbols [A] and columns [T, A] of a long table, `missing` among them.

    See `layouts.read`. Raises InputError for a date that a symbol has twice,
    and for bars that cannot stand beside each other.
    """
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
        check_calendars([dates[codes == a] for a in range(len(symbols))], symbols, len(shared), place)
    has = np.zeros((len(stamps), len(symbols)), dtype=bool)
    has[rows, codes] = True
    # From the first date that all have, so that there is a last close to repeat, to the earliest last one.
    last = min((np.flatnonzero(column)[-1] for column in has.T), default=0)
    span = slice(shared[0] if len(shared) else 0, last + 1)
    missing = ~has[span]
    latest = np.maximum.accumulate(np.where(missing, 0, np.arange(len(missing))[:, None]), axis=0)
    columns = {"missing": missing}
    for what in (name for name in _COLUMNS if name in table):
        values = np.empty(has.shape)
        values[rows, codes] = table[what]
        columns[what] = np.take_along_axis(values[span], latest, axis=0)
    for what in ("open", "high", "low"):
        columns[what] = np.where(missing, columns["close"], columns[what])
    columns["volume"] = np.where(missing, 0.0, columns["volume"])
    for what in (name for name in actions.COLUMNS if name in columns):
        columns[what] = np.where(missing, actions.NONE[what], columns[what])
    return stamps[span], tuple(symbols), columns


def check_calendars(
    dates: Sequence[Array], symbols: Sequence[str] | pd.Index, shared: int, place: str
) -> None:
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
            hours = float(_usual_step(own) / _HOUR)
            apart = f"{hours:g} hour{'s' * (hours != 1)} apart, those of all symbols {together / _HOUR:g}"
            raise InputError(
                f"{place}bars of {name} are {apart}: give all symbols bars of the same length, for a longer"
                " one tells what the shorter ones beside it cannot know yet"
            )


def _usual_step(dates: Array) -> np.timedelta64:
    """How far apart bars are where none is missing: one step in ten is shorter at the most."""
    steps = np.sort(np.diff(np.unique(dates)))
    step: np.timedelta64 = steps[len(steps) // 10]
    return step
