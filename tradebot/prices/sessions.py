"""Checks of dates against the exchange's calendar: bars that are missing, too many, or at the wrong time."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np

from tradebot.core import Array
from tradebot.prices import exchanges
from tradebot.prices.dates import spelled
from tradebot.prices.exchanges import ALWAYS, WEEKDAYS, Calendar, Exchange
from tradebot.prices.series import LONGER_THAN_DAILY, Mark, Series, Severity, mark
from tradebot.prices.values import repeats

GAP = 5  # sessions without a bar, one after the other
_DAY = np.timedelta64(1, "D")
_SHIFTS = (  # weekday that has bars, days to the right date
    (6, 1, "bars on Sundays but not on Fridays: a day early"),
    (5, -1, "bars on Saturdays but not on Mondays: a day late"),
)
_WEEKS = 3  # in which the days of a week are shifted
_UNLIKE = 0.03  # of them, that may look otherwise


def exchanges_of(rows: Series, name: str) -> list[Exchange]:
    """[A] where each symbol is traded: `name`, or by its form, or 24/7 where its weekends have bars."""
    if name:
        return [exchanges.named(name)] * len(rows.symbols)
    found = [exchanges.exchange_of(symbol) for symbol in rows.symbols]
    if not any(one.assumed for one in found):
        return found
    days = rows.date.astype("datetime64[D]")
    is_new = ~(rows.follows & (days == rows.before(days))) & ~repeats(rows)
    weekday = (days[is_new].astype(int) + 3) % 7  # 1970-01-01 was a Thursday
    counts = np.bincount(rows.code[is_new] * 7 + weekday, minlength=7 * len(found)).reshape(-1, 7)
    is_round = counts[:, 5:].min(axis=1) >= np.maximum(0.5 * counts.mean(axis=1), 1)
    return [Exchange(ALWAYS) if one.assumed and is_round[a] else one for a, one in enumerate(found)]


def check_daily(rows: Series, where: Sequence[Exchange]) -> list[Mark]:
    """`missing_sessions`, `extra_sessions`, `gaps` of a week or more, `forward_fill` of days without a
    session and `time_zone` (dates that are a day early or late), of symbols with daily bars."""
    marks: list[Mark] = []
    daily = rows.is_daily
    for exchange in sorted({one for one, is_daily in zip(where, daily, strict=True) if is_daily}):
        members = np.array([one == exchange for one in where]) & daily
        part = rows.where(members[rows.code])
        if len(part.date):
            sessions = exchanges.calendar(exchange.name, part.date.min(), part.date.max())
            marks += _against(part, sessions, exchange)
    return marks


def _against(rows: Series, calendar: Calendar, exchange: Exchange) -> list[Mark]:
    days, sessions = rows.date.astype("datetime64[D]"), calendar.sessions
    if not len(sessions):
        return unknown(rows, exchange)
    place = np.searchsorted(sessions, days).clip(max=len(sessions) - 1)
    is_session = sessions[place] == days
    is_extra = ~is_session & (days >= sessions[0]) & (days <= sessions[-1])
    if exchange.name == WEEKDAYS:
        is_extra &= ~np.is_busday(days)  # Christmas and New Year may have bars
    closed = f"{exchange.name} was closed" + (" (it is assumed, --exchange names another)" * exchange.assumed)
    marks = _missing(rows.where(is_session), place[is_session], calendar, exchange)
    marks += mark(
        "extra_sessions", "warning", rows, is_extra, lambda r: f"{closed}; close {rows['close'][r]:g}"
    )
    marks += _filled(rows, is_extra, exchange)
    return marks + (_shifted(rows, sessions, exchange) if exchange.name != ALWAYS else [])


def unknown(rows: Series, exchange: Exchange) -> list[Mark]:
    """`calendar`: nothing is known of the sessions."""
    text = f"the sessions of {exchange.name} are not known, so that dates were not checked"
    return mark("calendar", "info", rows, ~rows.follows, lambda r: text)


def _missing(rows: Series, place: Array, calendar: Calendar, exchange: Exchange) -> list[Mark]:
    """Sessions between two bars; `place` [R] are the numbers of the bars' own sessions."""
    lacking = np.where(rows.follows, place - rows.before(place) - 1, 0).clip(min=0)
    rows_after = np.repeat(np.arange(len(place)), lacking)
    if not len(rows_after):
        return []
    nth = np.arange(len(rows_after)) - np.repeat(np.cumsum(lacking) - lacking, lacking)
    absent = calendar.sessions[place[rows_after] - lacking[rows_after] + nth].astype("datetime64[us]")
    code = rows.code[rows_after]
    name = exchange.name + " (assumed, --exchange names another)" * exchange.assumed
    marks = [
        Mark("missing_sessions", "warning", code, absent, lambda n: f"a session of {name} without a bar")
    ]
    return marks + _gaps(
        rows, np.flatnonzero(lacking >= GAP), absent[np.cumsum(lacking) - lacking.clip(min=1)], lacking
    )


def _gaps(rows: Series, after: Array, first_absent: Array, lacking: Array) -> list[Mark]:
    """Gaps before the rows `after`."""
    if not len(after):
        return []
    return [
        Mark(
            "gaps",
            "warning",
            rows.code[after],
            first_absent[after],
            lambda n: f"{lacking[after[n]]:,} sessions without a bar until {spelled(rows.date[after[n]])}",
        )
    ]


def _filled(rows: Series, is_extra: Array, exchange: Exchange) -> list[Mark]:
    """A bar of a weekend that repeats Friday's was not traded. One of an assumed holiday may have been."""
    is_filled = filled(rows, is_extra)
    is_weekend = ~np.is_busday(rows.date.astype("datetime64[D]"))
    is_sure = is_weekend | (not exchange.assumed)
    marks: list[Mark] = []
    for severity, which in (("error", is_filled & is_sure), ("warning", is_filled & ~is_sure)):
        kind: Severity = "error" if severity == "error" else "warning"
        marks += mark(
            "forward_fill",
            kind,
            rows,
            which,
            lambda r: f"no session; repeats the close of {rows['close'][r]:g}",
        )
    return marks


def filled(rows: Series, is_extra: Array) -> Array:
    """[R] bool: no session, and the bar before again, or nothing but its close, with its volume or none."""
    last, volume = rows.before(rows["close"]), rows.before(rows["volume"])
    is_flat = (rows["high"] == last) & (rows["low"] == last) & (rows["close"] == last)
    is_quiet = (rows["volume"] == 0) | (rows["volume"] == volume)
    found: Array = is_extra & rows.follows & (is_flat | repeats(rows)) & is_quiet
    return found


def _shifted(rows: Series, sessions: Array, exchange: Exchange) -> list[Mark]:
    """Mondays that are called Sunday (and no Friday), or Fridays that are called Saturday (and no Monday).

    An exchange that is open on Sundays has other holidays too, which tells it from dates that are wrong.
    """
    marks: list[Mark] = []
    days = rows.date.astype("datetime64[D]")
    weekday = (days.astype(int) + 3) % 7
    for wrong, shift, called in _SHIFTS:
        there = np.flatnonzero(weekday == wrong)
        there = there[(days[there] > sessions[0]) & (days[there] < sessions[-1])]
        there = there[~np.isin(days[there], sessions)]
        opposite = _position(rows, rows.code[there], days[there] + 5 * shift)
        is_fitting = (opposite < 0) & np.isin(days[there] + shift, sessions)
        for a in np.unique(rows.code[there]):
            own = rows.code[there] == a
            fitting = there[is_fitting & own]
            if len(fitting) < _WEEKS:
                continue
            unlike = int(own.sum()) - len(fitting)
            is_sure = unlike <= max(1, _UNLIKE * len(fitting))  # one where the stretch ends
            text = called if is_sure else f"{called}, if no exchange that is open then (--exchange)"
            severity: Severity = "error" if is_sure else "warning"
            marks += mark("time_zone", severity, rows, fitting, partial(_said, text))
    return marks


def _said(text: str, _: int) -> str:
    return text


def _position(rows: Series, code: Array, day: Array) -> Array:
    """[N] the row of a symbol and day, -1 for none."""
    size = 10_000_000
    keys = rows.code * size + rows.date.astype("datetime64[D]").astype(int)
    wanted = code * size + day.astype(int)
    place = np.searchsorted(keys, wanted).clip(max=len(keys) - 1)
    return np.where(keys[place] == wanted, place, -1)


def check_lengths(rows: Series) -> list[Mark]:
    """`bar_length`: stretches of longer bars, in regular steps, and shorter bars among weekly ones."""
    if not len(rows.date):
        return []
    step = np.where(rows.follows, (rows.date - rows.before(rows.date)).astype("int64"), 0)
    usual = rows.step.astype("int64")[rows.code]
    stretch = (
        np.lib.stride_tricks.sliding_window_view(step, _STRETCH)
        if len(step) >= _STRETCH
        else np.empty((0, _STRETCH))
    )
    least, most = stretch.min(axis=1), stretch.max(axis=1)
    own = usual[_STRETCH - 1 :]
    is_regular = (least >= 3 * own) & (most - least <= np.maximum(2 * own, 0.2 * least))
    is_long = np.zeros(len(step), bool)
    for k in range(_STRETCH):
        is_long[k : k + len(is_regular)] |= is_regular
    is_short = (
        (usual >= LONGER_THAN_DAILY.astype("timedelta64[us]").astype(int))
        & rows.follows
        & (step < 0.6 * usual)
    )

    def say(r: int) -> str:
        return f"{_length(step[r])} after the bar before, where the usual is {_length(usual[r])}"

    marks = mark("bar_length", "error", rows, is_long, say)
    return marks + mark("bar_length", "warning", rows, is_short, say)


def check_gaps_of_long_bars(rows: Series) -> list[Mark]:
    """`gaps` among weekly, monthly, quarterly or yearly bars."""
    step = np.where(rows.follows, (rows.date - rows.before(rows.date)).astype("int64"), 0)
    usual = rows.step.astype("int64")[rows.code]
    is_long = rows.step[rows.code] >= LONGER_THAN_DAILY
    is_gap = is_long & (step > 1.7 * usual)
    return mark(
        "gaps",
        "warning",
        rows,
        np.flatnonzero(is_gap) - 1,
        lambda r: f"the next bar is {_length(step[r + 1])} later, where the usual is {_length(usual[r])}",
    )


_STRETCH = 6  # steps


def _length(microseconds: float) -> str:
    """In days, hours or minutes."""
    minutes = microseconds / 60e6
    for unit, size in (("days", 1440), ("hours", 60)):
        if minutes >= size:
            return f"{minutes / size:.3g} {unit}"
    return f"{minutes:.3g} minutes"
