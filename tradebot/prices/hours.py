"""Checks of bars within the day against the hours of the exchange: missing, outside, off the grid."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from tradebot.config import counted
from tradebot.core import Array
from tradebot.prices import exchanges
from tradebot.prices.dates import spelled
from tradebot.prices.exchanges import ALWAYS, WEEKDAYS, Calendar, Exchange
from tradebot.prices.series import DAILY, Mark, Series, mark
from tradebot.prices.sessions import GAP, unknown

_HOUR = np.timedelta64(1, "h")
_DAY = np.timedelta64(1, "D")
_NONE = np.timedelta64(0, "us")
_USUAL = 0.5  # of the sessions have a bar at this time, so that each should
_RARE = 0.05  # of the bars stand so on the grid, so that none should
_SHIFTS = sorted(range(-28, 29), key=lambda halves: (halves % 2, abs(halves)))  # whole hours first
_FITS, _FITS_NOT = 0.99, 0.97  # parts of the bars within hours, by the right clock and by the wrong one


def check_intraday(rows: Series, where: Sequence[Exchange]) -> list[Mark]:
    """`missing_bars`, `missing_sessions`, `gaps`, `bar_length` (off the grid) and `time_zone` (outside of
    trading hours), of symbols with bars within the day."""
    marks: list[Mark] = []
    for a in map(int, np.flatnonzero(rows.step < DAILY)):
        part = rows.where(rows.code == a)
        if len(part.date) >= 3:
            always = where[a].name in (ALWAYS, WEEKDAYS)
            marks += _around_the_clock(part, where[a]) if always else _in_sessions(part, where[a])
    return marks


def _around_the_clock(rows: Series, exchange: Exchange) -> list[Mark]:
    """Every step has a bar; currencies rest from Friday 20:00 to Sunday 23:00, more or less."""
    step, dates = rows.step[rows.code[0]], rows.date
    lacking = np.append(0, np.rint(np.diff(dates) / step).astype(int) - 1).clip(min=0)
    marks = _off_the_grid(rows, (dates - dates[0]) % step)
    if exchange.name == WEEKDAYS:
        week = (dates - np.datetime64("1970-01-05")) % (7 * _DAY)  # since Monday
        is_rest = (week >= 5 * _DAY) & (week < 6 * _DAY + 20 * _HOUR)
        before = np.append(_NONE, week[:-1])
        is_weekend = (
            (before >= 4 * _DAY + 19 * _HOUR)
            & (np.append(_NONE, np.diff(dates)) <= 3 * _DAY)
            & (week < before)
        )
        is_weekend |= (before >= 6 * _DAY) & (week < 2 * _HOUR)
        is_weekend |= (before >= 4 * _DAY + 19 * _HOUR) & (week >= 6 * _DAY + 20 * _HOUR)
        holiday = np.isin(
            [str(day)[5:10] for day in dates.astype("datetime64[D]")], ("12-24", "12-31", "12-25", "01-01")
        )
        lacking = np.where(is_weekend | np.append(False, holiday[:-1]), 0, lacking)
        marks += mark(
            "time_zone", "warning", rows, is_rest, lambda r: "a bar on a weekend, when currencies rest"
        )
    return marks + _missing(rows, lacking, step)


def _missing(rows: Series, lacking: Array, step: np.timedelta64) -> list[Mark]:
    """Steps without a bar before each row, and those of a day or more together."""
    after = np.repeat(np.arange(len(lacking)), lacking)
    if not len(after):
        return []
    nth = np.arange(len(after)) - np.repeat(np.cumsum(lacking) - lacking, lacking)
    absent = rows.date[after - 1] + (nth + 1) * step
    marks = [Mark("missing_bars", "warning", rows.code[after], absent, lambda n: "no bar")]
    long = np.flatnonzero(lacking * step >= _DAY)
    if len(long):
        first = rows.date[long - 1] + step
        marks.append(
            Mark(
                "gaps",
                "warning",
                rows.code[long],
                first,
                lambda n: f"{counted(lacking[long[n]], 'bar')} missing until {spelled(rows.date[long[n]])}",
            )
        )
    return marks


def _off_the_grid(rows: Series, phase: Array) -> list[Mark]:
    """Bars that begin at another minute than bars do."""
    _, number, counts = np.unique(phase, return_inverse=True, return_counts=True)
    is_rare = counts < _RARE * len(phase)
    usual = int(rows.step[rows.code[0]] / np.timedelta64(1, "s"))
    return mark(
        "bar_length",
        "warning",
        rows,
        is_rare[number] if not is_rare.all() else np.zeros(len(phase), bool),
        lambda r: f"stands between the bars, which are {usual / 60:g} minutes apart",
    )


def _in_sessions(rows: Series, exchange: Exchange) -> list[Mark]:
    step, code = rows.step[rows.code[0]], rows.code[0]
    known = exchanges.calendar(exchange.name, rows.date[0] - _DAY, rows.date[-1] + _DAY)
    if not len(known.sessions):
        return unknown(rows, exchange)
    rows = rows.where((rows.date > known.opens[0] - _DAY) & (rows.date < known.closes[-1] + _DAY))
    if not len(rows.date):
        return []
    place, is_inside = _placed(rows.date, known.opens, known.closes, step)
    marks, has_other_clock = _outside(rows, is_inside, known, step, exchange)
    if has_other_clock:
        return marks  # all else follows from it
    inside, at = rows.where(is_inside), place[is_inside]
    if not len(at):
        return marks
    offset = inside.date - known.opens[at]
    marks += _off_the_grid(inside, offset % step)
    absent = np.setdiff1d(np.arange(at[0], at[-1] + 1), at)
    days = known.sessions[absent].astype("datetime64[us]")
    codes = np.full(len(days), code)
    if len(days):
        text = f"a session of {exchange.name} without a bar"
        marks.append(Mark("missing_sessions", "warning", codes, days, lambda n: text))
        starts = np.flatnonzero(np.append(True, np.diff(absent) > 1))
        lengths = np.diff(np.append(starts, len(absent)))
        is_long = lengths >= GAP
        if is_long.any():
            kept = lengths[is_long]
            marks.append(
                Mark(
                    "gaps",
                    "warning",
                    codes[starts][is_long],
                    days[starts][is_long],
                    lambda n: f"{kept[n]:,} sessions without a bar",
                )
            )
    return marks + _missing_in_sessions(inside, at, offset, known.opens, known.closes)


def _placed(dates: Array, opens: Array, closes: Array, step: np.timedelta64) -> tuple[Array, Array]:
    """[R] the number of the session that is on or comes next, and whether it is on: the bar that holds the
    opening counts, and one that is called after its end."""
    place = np.searchsorted(closes, dates).clip(max=len(closes) - 1)
    is_inside = (dates > opens[place] - step) & (dates <= closes[place])
    return place, is_inside


def _outside(
    rows: Series, is_inside: Array, known: Calendar, step: np.timedelta64, exchange: Exchange
) -> tuple[list[Mark], bool]:
    """Bars outside of trading hours, and whether another clock puts all of them inside."""
    text = f"outside of the trading hours of {exchange.name}"
    clock = ""
    if is_inside.mean() < _FITS_NOT:
        clock = _other_clock(rows, known, step)
        text += f", which fit {clock}: times must be UTC" * bool(clock)
    return mark("time_zone", "warning", rows, ~is_inside, lambda r: text), bool(clock)


def _other_clock(rows: Series, known: Calendar, step: np.timedelta64) -> str:
    """By which the bars are within trading hours: the exchange's own or one of another hour."""

    def fits(dates: Array) -> bool:
        return bool(_placed(dates, known.opens, known.closes, step)[1].mean() >= _FITS)

    stamps = pd.DatetimeIndex(rows.date)
    local = stamps.tz_localize(known.zone, ambiguous="NaT", nonexistent="NaT").dropna()
    if fits(local.tz_convert(None).to_numpy("datetime64[us]")):
        return f"if they are in the time of {known.zone}"
    for shift in (halves * np.timedelta64(30, "m") for halves in _SHIFTS):
        if fits(rows.date + shift):
            return f"if they are {shift / _HOUR:+g} hours later"
    return ""


def _missing_in_sessions(
    rows: Series, place: Array, offset: Array, opens: Array, closes: Array
) -> list[Mark]:
    """Times after the opening at which most sessions have a bar, in those that have bars but none then."""
    present = np.unique(place)
    times, counts = np.unique(offset, return_counts=True)
    usual = times[(counts >= _USUAL * len(present)) & (times >= _NONE)]
    if not len(usual):
        return []
    length = closes[present] - opens[present]
    ends_bars = usual[0] > _NONE and usual[-1] == np.median(length.astype("int64")).astype("timedelta64[us]")
    expected = opens[present][:, None] + usual
    is_on = usual <= length[:, None] if ends_bars else usual < length[:, None]
    expected = expected[is_on & (expected > rows.date[0]) & (expected < rows.date[-1])]
    absent = np.setdiff1d(expected, rows.date)
    codes = np.full(len(absent), rows.code[0])
    return [Mark("missing_bars", "warning", codes, absent, lambda n: "no bar")] if len(absent) else []
