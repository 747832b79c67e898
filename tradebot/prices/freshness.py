"""Whether prices are up to date, judged from their own calendar and the holidays of the US exchanges."""

from __future__ import annotations

import numpy as np
import pandas as pd
from pandas.tseries.holiday import (
    GoodFriday,
    Holiday,
    USLaborDay,
    USMartinLutherKingJr,
    USMemorialDay,
    USPresidentsDay,
    USThanksgivingDay,
    nearest_workday,
    sunday_to_monday,
)

from tradebot.core import Array
from tradebot.prices.calendars import trades_weekends

_LONGER_THAN_DAILY = 3.5 * 86400  # seconds
_ENOUGH = np.timedelta64(30, "D")  # any exchange trades within so long a time
_CLOSED = (  # the New York Stock Exchange, whole days; mourning and storms cannot be known
    Holiday("New Year", month=1, day=1, observance=sunday_to_monday),
    USMartinLutherKingJr,
    USPresidentsDay,
    GoodFriday,
    USMemorialDay,
    Holiday("Juneteenth", month=6, day=19, start_date=pd.Timestamp(2022, 1, 1), observance=nearest_workday),
    Holiday("Independence Day", month=7, day=4, observance=nearest_workday),
    USLaborDay,
    USThanksgivingDay,
    Holiday("Christmas", month=12, day=25, observance=nearest_workday),
)


def is_stale(timestamps: Array, now: np.datetime64) -> bool:
    """Whether a whole bar after the last of `timestamps` [T >= 2] should be over by `now` (UTC).

    A bar lasts for the median step from the time that names it, a daily one until its date is over in UTC;
    so around the clock bars are stale when the last is more than two steps old. Where weekends are not traded
    a session has the times of the one before the last, on every weekday but the holidays of New York: on
    other exchanges a holiday of their own makes a false alarm.
    """
    last, step = timestamps[-1], np.median(np.diff(timestamps))
    seconds = float(step / np.timedelta64(1, "s"))
    if seconds > _LONGER_THAN_DAILY or trades_weekends(timestamps, seconds):
        return bool(now - last > 2 * step)
    days = timestamps.astype("datetime64[D]")
    today = min(now, last + _ENOUGH).astype("datetime64[D]")
    coming = np.arange(days[-1], today + 1)
    sessions = coming[np.is_busday(coming, holidays=holidays(days[-1], today))]
    model = days[days < days[-1]][-1] if days[0] < days[-1] else days[0]
    times = timestamps[days == model] - model
    expected = sessions[:, None] + times
    return bool(((expected > last) & (expected + step <= now)).any())


def may_trade(first: np.datetime64, last: np.datetime64, *, weekends: bool, new_york: bool) -> Array:
    """The days [n] datetime64[D] from `first` to `last` on which there can be a session.

    Weekdays, or every day with `weekends`; without the holidays of the exchange where it is that of New York.
    """
    days = np.arange(first, last + 1, dtype="datetime64[D]")
    if weekends or not len(days):
        return days
    closed = holidays(days[0], days[-1]) if new_york else np.array([], "datetime64[D]")
    return days[np.is_busday(days, holidays=closed)]


def holidays(first: np.datetime64, last: np.datetime64) -> Array:
    """Weekdays from `first` to `last` on which the exchange rests."""
    span = pd.Timestamp(first), pd.Timestamp(last)
    return np.concatenate([holiday.dates(*span).to_numpy() for holiday in _CLOSED]).astype("datetime64[D]")
