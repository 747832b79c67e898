"""Whether arrays are bars: the first fault of each kind is refused, with its symbol, date and number."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tradebot.core import Array, InputError
from tradebot.prices import actions, layouts
from tradebot.prices.dates import spelled

if TYPE_CHECKING:
    from tradebot.prices.bars import Bars

PRICES = ("open", "high", "low", "close")
COLUMNS = (*PRICES, "volume")
_ROUNDING = 1e-9  # relative; adjusted prices carry the rounding of their factor


def check(bars: Bars) -> None:
    """Raise InputError for the first fault, see `Bars`."""
    _check_labels(bars)
    _check_values(bars)
    _check_missing(bars)
    _check_actions(bars)


def _check_labels(bars: Bars) -> None:
    """Symbols, timestamps and the shapes of everything."""
    place, stamps = place_of(bars), bars.timestamps
    for symbol in bars.symbols:
        layouts.check_symbol(symbol, place)
    if not bars.symbols or len(set(bars.symbols)) < len(bars.symbols):
        raise InputError(
            f"{place}needs one or more distinct symbols, not {', '.join(bars.symbols) or 'none'}"
        )
    if stamps.ndim != 1 or len(stamps) < 2:
        raise InputError(f"{place}{', '.join(bars.symbols)}: needs 2 bars or more, there are {stamps.size}")
    for column in (*COLUMNS, "missing", *actions.COLUMNS):
        shape, expected = getattr(bars, column).shape, (len(stamps), len(bars.symbols))
        if shape != expected:
            raise InputError(f"{place}{column} has shape {shape}, expected {expected}")
    if bars.missing.dtype != np.bool_:
        raise InputError(f"{place}missing holds {bars.missing.dtype}, expected bool")
    if np.isnat(stamps).any():
        raise InputError(f"{place}bar {int(np.isnat(stamps).argmax()) + 1} has no timestamp")
    late = np.diff(stamps) <= np.timedelta64(0, "us")
    if late.any():
        t = int(late.argmax())
        order = f"{spelled(stamps[t + 1])} follows {spelled(stamps[t])}"
        raise InputError(f"{place}timestamps must increase, but {order} ({int(late.sum())} such rows)")


def _check_values(bars: Bars) -> None:
    for column in COLUMNS:
        values = getattr(bars, column)
        refuse(bars, ~np.isfinite(values), column, values, "not a finite number")
        if column == "volume":
            refuse(bars, values < 0, column, values, "less than zero")
        else:
            refuse(bars, values <= 0, column, values, "not a price above zero")
    for column in ("low", "open", "close"):
        values = getattr(bars, column)
        refuse(
            bars, values - bars.high > _ROUNDING * bars.high, column, values, "above the high of", bars.high
        )
    for column in ("open", "close"):
        values = getattr(bars, column)
        refuse(bars, bars.low - values > _ROUNDING * values, column, values, "below the low of", bars.low)


def _check_missing(bars: Bars) -> None:
    """A missing bar repeats the close before it; of the one before the first row nothing is known."""
    nobody = bars.missing.all(axis=1)
    if nobody.any():
        raise InputError(
            f"{place_of(bars)}no symbol has a bar on {spelled(bars.timestamps[nobody.argmax()])}"
        )
    last = np.concatenate([bars.close[:1], bars.close[:-1]])
    for column in PRICES:
        values = getattr(bars, column)
        refuse(
            bars,
            bars.missing & (values != last),
            column,
            values,
            "in a missing bar, not the last close of",
            last,
        )
    refuse(bars, bars.missing & (bars.volume != 0), "volume", bars.volume, "in a missing bar, not zero")


def _check_actions(bars: Bars) -> None:
    """Splits above zero, dividends that a share can pay, each in a bar of the symbol's own, of raw prices."""
    splits, dividends = bars.splits, bars.dividends
    for column in actions.COLUMNS:
        values = getattr(bars, column)
        refuse(bars, ~np.isfinite(values), column, values, "not a finite number")
        acts = values != actions.NONE[column]
        refuse(bars, acts & bars.missing, column, values, "in a missing bar")
        refuse(bars, acts & bars.adjusted, column, values, "in adjusted prices, which contain it")
    refuse(bars, splits <= 0, "splits", splits, "not a number of shares above zero")
    refuse(bars, dividends < 0, "dividends", dividends, "less than zero")
    last = np.concatenate([np.full_like(bars.close[:1], np.inf), bars.close[:-1]])
    with np.errstate(over="ignore"):
        share = last / splits  # of the last close, as it is after the split
    refuse(bars, dividends >= share, "dividends", dividends, "not below the last close of", share)


def refuse(
    bars: Bars, bad: Array, column: str, values: Array, fault: str, limit: Array | None = None
) -> None:
    """Raise InputError for the first row of `bad` [T, A], if there is one."""
    if not bad.any():
        return
    t, a = np.argwhere(bad)[0]
    what = f"{column} on {spelled(bars.timestamps[t])} is {values[t, a]}, {fault}"
    than = "" if limit is None else f" {limit[t, a]}"
    own = int((bad & ~bars.missing).sum())  # missing bars repeat the fault of the one before
    rows = f"({own or int(bad.sum())} such rows: repair or remove them)"
    raise InputError(f"{place_of(bars)}{bars.symbols[a]}: {what}{than} {rows}")


def place_of(bars: Bars) -> str:
    """Where they are from, at the head of an error."""
    return f"{bars.source}: " if bars.source else ""
