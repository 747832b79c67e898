"""Longer bars out of shorter ones: minutes to hours, hours to sessions, days to weeks and months.

A bar is named as everywhere: within the day by its start in UTC, a day by its date, a week by its Monday, a
month by its first day. It is over before the next one begins, so nothing in it is known too early.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import pandas as pd

from tradebot.core import Array, InputError
from tradebot.prices.bars import Bars
from tradebot.prices.calendars import trades_weekends
from tradebot.prices.dates import spelled
from tradebot.prices.exchanges import exchange_of, sessions
from tradebot.prices.reading import known_zone

_UNITS = {"m": 60, "h": 3600, "d": 86400, "wk": 7 * 86400, "mo": 28 * 86400}  # least seconds
_SHAPE = re.compile(r"([1-9]\d{0,3})(m|h|d|wk|mo)")
_DAY = 86400
_DAILY = 20 * 3600  # seconds between daily bars at the least
_SESSIONS = 5  # beside the first and the last, that tell how long one usually is


class Resampled(NamedTuple):
    bars: Bars
    partial: tuple[str, ...]  # bars at the ends that the data do not fill, to be read by a person


def resample(bars: Bars, interval: str, *, zone: str = "UTC", keep_partial: bool = False) -> Resampled:
    """Bars of `interval` (5m, 4h, 1d, 1wk, 1mo, 3mo ...): first open, highest, lowest, last close, sum.

    Days are those of `zone`; where bars run across midnight there, and weekends are not traded, it is asked.
    Bars within the day begin at midnight where weekends are traded, else with the first bar of their session,
    and none goes beyond its end. What a symbol misses is left out; a bar that it misses wholly is missing.
    The first and the last bar are dropped where the data do not fill them, unless `keep_partial`; of stocks
    that is judged by the sessions beside them and those of the exchange. Raises InputError for an interval
    that is not longer or that the bars do not divide, and if fewer than two bars are left.
    """
    count, unit = _parts(interval)
    try:
        known_zone(zone)
    except ValueError as error:
        raise InputError(f"--day-zone: {error}") from None
    seconds = np.diff(bars.timestamps) / np.timedelta64(1, "s")
    step = float(np.median(seconds))
    _check_divides(interval, count * _UNITS[unit], unit, step)
    always = trades_weekends(bars.timestamps, step)
    is_moved = step < _DAILY and zone != "UTC"
    local = _moved(bars.timestamps, "UTC", zone) if is_moved else bars.timestamps
    if step < _DAILY and not always:
        _check_sessions(local, step, zone)
    starts, ends = _bounds(local, count, unit, always)
    first = np.flatnonzero(np.append(True, starts[1:] != starts[:-1]))
    names = _moved(starts[first], zone, "UTC") if is_moved and unit in ("m", "h") else starts[first]
    made = _aggregated(bars, first, names)
    partial = _partial(
        local,
        len(first),
        starts[0],
        ends[-1],
        step,
        unit,
        "" if always else exchange_of(bars.symbols[0]).name,
    )
    if keep_partial:
        return Resampled(made, tuple(spelled(made.timestamps[i]) for i in partial))
    kept = np.setdiff1d(np.arange(len(first)), partial)
    if len(kept) < 2:
        who = f"{bars.source}: " * bool(bars.source)
        raise InputError(f"{who}fewer than 2 whole bars of {interval} are in {bars.span}")
    dropped = tuple(spelled(made.timestamps[i]) for i in partial)
    return Resampled(made.rows(int(kept[0]), int(kept[-1])), dropped)


def _parts(interval: str) -> tuple[int, str]:
    shape = _SHAPE.fullmatch(interval)
    if not shape:
        raise InputError(f"{interval!r} is not an interval: write it as 5m, 4h, 1d, 1wk or 1mo")
    count, unit = int(shape[1]), shape[2]
    if unit == "mo" and 12 % count:
        raise InputError(f"{interval}: a year must hold a whole number of bars: 1, 2, 3, 4, 6 or 12 months")
    if unit in ("d", "wk") and count > 1:
        raise InputError(f"{interval}: longer bars than a day are weeks (1wk) or months (1mo, 3mo)")
    return count, unit


def _check_divides(interval: str, width: int, unit: str, step: float) -> None:
    """Raise InputError unless bars of `step` seconds fill one of `width`."""
    if unit in ("m", "h") and (width >= _DAY or _DAY % width):
        raise InputError(f"{interval}: a day must hold a whole number of bars, or write 1d")
    is_daily = step >= _DAILY
    own = f"the bars are {step / 3600:g} hour{'' if step == 3600 else 's'} apart"
    if is_daily and (unit not in ("wk", "mo") or step > 4 * _DAY):
        raise InputError(f"{interval}: {own}: weeks (1wk) and months (1mo, 3mo) can be made of daily ones")
    if not is_daily and (width <= step or (unit in ("m", "h") and width % step)):
        raise InputError(f"{interval}: {own}, which is no part of it")


def _bounds(local: Array, count: int, unit: str, always: bool) -> tuple[Array, Array]:
    """For each bar, named on the local clock, start and end of the one that it goes into: [T] each."""
    days = local.astype("datetime64[D]")
    if unit == "mo":
        starts = (days.astype("datetime64[M]").astype(int) // count * count).astype("datetime64[M]")
        return starts.astype("datetime64[D]"), (starts + count).astype("datetime64[D]")
    if unit == "wk":
        monday = days - (days.astype(int) + 3) % 7  # 1970-01-01 was a Thursday
        return monday, monday + 7
    if unit == "d":
        return days, days + 1
    width = np.timedelta64(count * _UNITS[unit], "s")
    opens = days.astype(local.dtype)
    if not always:
        _, first, session = np.unique(days, return_index=True, return_inverse=True)
        opens = local[first][session]
    starts = opens + (local - opens) // width * width
    return starts, starts + width


def _moved(stamps: Array, zone: str, target: str) -> Array:
    index = pd.DatetimeIndex(stamps).tz_localize(zone, ambiguous=False, nonexistent="shift_forward")
    return index.tz_convert(target).tz_localize(None).to_numpy().astype("datetime64[us]")


def _check_sessions(local: Array, step: float, zone: str) -> None:
    """Raise InputError where a session seems to go on at midnight, for its bars would be torn apart."""
    days = local.astype("datetime64[D]")
    goes_on = (np.diff(local) <= np.timedelta64(int(step), "s")) & (days[1:] != days[:-1])
    if goes_on.any():
        when = spelled(local[1:][goes_on][0])
        raise InputError(
            f"bars run across midnight in {zone} ({when}): say by whose clock a day ends, e.g. with"
            " --day-zone America/New_York"
        )


def _aggregated(bars: Bars, first: Array, labels: Array) -> Bars:
    """One bar from each of the rows `first` to the next one, in the shares that there are at its end."""
    has = ~bars.missing
    rows = np.arange(len(bars))[:, None]
    last = np.append(first[1:], len(bars)) - 1
    count = np.cumprod(bars.splits, axis=0)
    later = np.repeat(count[last], last + 1 - first, axis=0) / count  # shares at the end for one of row t
    missing = ~np.logical_or.reduceat(has, first)
    opening = np.minimum.reduceat(np.where(has, rows, len(bars)), first)
    close = bars.close[last]  # a missing bar repeats the last close
    held = np.concatenate([close[:1], close[:-1]])
    opened = np.take_along_axis(bars.open / later, np.minimum(opening, len(bars) - 1), axis=0)
    high = np.maximum.reduceat(np.where(has, bars.high / later, -np.inf), first)
    low = np.minimum.reduceat(np.where(has, bars.low / later, np.inf), first)
    close = np.where(missing, held, close)
    return replace(
        bars,
        timestamps=labels,
        open=np.where(missing, close, opened),
        high=np.where(missing, close, high),
        low=np.where(missing, close, low),
        close=close,
        volume=np.add.reduceat(bars.volume * later, first),
        missing=missing,
        dividends=np.add.reduceat(bars.dividends / later, first),
        splits=np.multiply.reduceat(bars.splits, first),
    )


def _partial(
    local: Array,
    bars: int,
    start: np.datetime64,
    end: np.datetime64,
    step: float,
    unit: str,
    exchange: str,  # empty: always open
) -> list[int]:
    """Which of the first and the last new bar, from `start` and to `end`, the data do not fill."""
    length = np.timedelta64(int(step) if step < _DAILY else _DAY, "s")
    early, late = bool(local[0] > start), bool(local[-1] + length < end)
    if exchange:
        early, late = _lacks_sessions(local, early, late, step, unit)
        if unit in ("wk", "mo"):
            days = local.astype("datetime64[D]")
            early |= len(sessions(exchange, start, days[0] - 1)) > 0
            late |= len(sessions(exchange, days[-1] + 1, end - 1)) > 0
    return [0] * early + [bars - 1] * late


def _lacks_sessions(local: Array, early: bool, late: bool, step: float, unit: str) -> tuple[bool, bool]:
    """Whether the first session begins later, and the last one stops earlier, than those beside it do."""
    if step >= _DAILY:
        return False, False
    days = local.astype("datetime64[D]")
    sessions, opening = np.unique(days, return_index=True)
    if len(sessions) < 2:
        return False, unit in ("m", "h") and late
    closing = np.append(opening[1:], len(local)) - 1
    opens, closes = local[opening] - sessions, local[closing] - sessions
    early = bool(opens[0] > np.median(opens[1 : 1 + _SESSIONS]))
    is_short = bool(closes[-1] < np.median(closes[-1 - _SESSIONS : -1]))
    return early, is_short and (late or unit not in ("m", "h"))
