"""Whether prices are up to date, judged from their own times and the sessions of their exchange."""

from __future__ import annotations

import numpy as np

from tradebot.core import Array
from tradebot.prices import exchanges
from tradebot.prices.calendars import trades_weekends

_LONGER_THAN_DAILY = 3.5 * 86400  # seconds
_ENOUGH = np.timedelta64(30, "D")  # any exchange trades within so long a time


def is_stale(timestamps: Array, now: np.datetime64, exchange: str = exchanges.NEW_YORK) -> bool:
    """Whether a whole bar after the last of `timestamps` [T >= 2] should be over by `now` (UTC).

    A bar lasts for the median step from the time that names it, a daily one until its date is over in UTC;
    so around the clock bars are stale when the last is more than two steps old. Where weekends are not traded
    a session has the times of the one before the last, on every day on which the exchange is open.
    """
    last, step = timestamps[-1], np.median(np.diff(timestamps))
    seconds = float(step / np.timedelta64(1, "s"))
    if seconds > _LONGER_THAN_DAILY or trades_weekends(timestamps, seconds):
        return bool(now - last > 2 * step)
    days = timestamps.astype("datetime64[D]")
    today = min(now, last + _ENOUGH).astype("datetime64[D]")
    sessions = exchanges.sessions(exchange, days[-1], today)
    model = days[days < days[-1]][-1] if days[0] < days[-1] else days[0]
    times = timestamps[days == model] - model
    expected = sessions[:, None] + times
    return bool(((expected > last) & (expected + step <= now)).any())
