"""How many bars a year holds, judged from the timestamps alone: what annualises a Sharpe ratio."""

from __future__ import annotations

import numpy as np

from tradebot.core import Array

STOCK_DAYS = 252.0  # sessions of a US exchange in a year
CRYPTO_DAYS = 365.0
_DAY = 86400.0  # seconds
_LONGER_THAN_DAILY = (
    (14.0, 52.0),
    (60.0, 12.0),
    (180.0, 4.0),
    (np.inf, 1.0),
)  # (days at the most, bars per year)


def periods_per_year(timestamps: Array) -> float:
    """Bars per year of `timestamps` [T >= 2] datetime64, increasing.

    The median step tells yearly, quarterly, monthly, weekly, daily and intraday bars apart. Daily bars are
    252 a year, or 365 where weekends are traded. Intraday bars are 252 times the median number in a session,
    or as many as fit into 365 days where weekends are traded (8760 hourly ones).
    """
    step = float(np.median(np.diff(timestamps) / np.timedelta64(1, "s")))
    if step > 3.5 * _DAY:
        return next(bars for days, bars in _LONGER_THAN_DAILY if step <= days * _DAY)
    if trades_weekends(timestamps, step):
        return CRYPTO_DAYS * max(_DAY / step, 1.0)
    if step < _DAY:
        _, per_session = np.unique(timestamps.astype("datetime64[D]"), return_counts=True)
        return STOCK_DAYS * float(np.median(per_session))
    return STOCK_DAYS


def trades_weekends(timestamps: Array, step: float) -> bool:
    """Whether a Saturday has at least half the bars of an average day. `step` is the median one in seconds.

    Saturday, because currencies and some exchanges open on a Sunday. Where the span has no Saturday only
    intraday bars can tell: they must run around the clock for a day or more.
    """
    days = timestamps.astype("datetime64[D]")
    first, end = days[0], days[-1] + 1
    saturdays = int(np.busday_count(first, end, weekmask="Sat"))
    if saturdays == 0:
        span = float((timestamps[-1] - timestamps[0]) / np.timedelta64(1, "s")) + step
        return span >= _DAY > step and len(timestamps) * step >= 0.9 * span
    on_saturdays = int(np.is_busday(days, weekmask="Sat").sum())
    return on_saturdays / saturdays >= 0.5 * len(days) / int((end - first).astype(int))
