"""What the store lacks of a symbol: nothing, the bars since the last fetch, or a span that begins earlier."""

from __future__ import annotations

import re
from datetime import date, datetime, timedelta

import numpy as np

from tradebot.prices import exchanges, store
from tradebot.prices.calendars import trades_weekends
from tradebot.prices.exchanges import exchange_of
from tradebot.prices.freshness import is_stale
from tradebot.prices.store import Stored

OVERLAP = 5  # days with bars that are asked for again, to see whether they are still the same
_DAY = 86400.0  # seconds


def is_current(old: Stored, first: date | None, last: date, now: datetime) -> bool:
    """Whether asking for first .. last at `now` (UTC) could bring no bar that is over and was not then."""
    if not (old.reaches_back_to(first) and old.is_whole):
        return False
    if last <= old.until:
        return True
    moment = np.datetime64(min(now.replace(tzinfo=None), _end_of(last)), "us")
    dates = old.frame["date"].to_numpy()
    if len(dates) < 2:
        return False
    if is_intraday(old.interval):
        asked = np.datetime64(old.fetched.replace(tzinfo=None), "us")
        over = dates[dates + np.median(np.diff(dates)) <= asked]
        return len(over) > 1 and not is_stale(over, moment)
    if old.interval != store.DAILY:
        return bool(moment < np.datetime64(old.until, "D") + 2)  # the last one grows with each day
    exchange = exchanges.ALWAYS if trades_weekends(dates, _DAY) else exchange_of(old.symbol).name
    closes = exchanges.closes(exchange, np.datetime64(old.until) + 1, moment.astype("datetime64[D]"))
    return not (closes <= moment).any()


def tail(old: Stored, first: date | None, oldest: date) -> date | None:
    """From which day on to ask, if what is stored can be extended at its end; None if not.

    Bars longer than a day are asked for from the first: where the source begins them depends on the span.
    """
    is_steady = is_intraday(old.interval) or old.interval == store.DAILY
    if not (is_steady and old.reaches_back_to(first) and old.is_whole):
        return None
    days = np.unique(old.frame["date"].to_numpy().astype("datetime64[D]"))
    days = days[days <= np.datetime64(old.until)]
    if len(days) <= OVERLAP:
        return None
    start: date = days[-OVERLAP].item()
    return start if start >= oldest else None


def hull(old: Stored, first: date | None, last: date, oldest: date) -> tuple[date | None, date]:
    """The span that holds the stored one and first .. last, so that all prices are adjusted alike.

    It begins where the source can begin, unless what was asked for is older itself and not stored.
    """
    end = max(last, old.until)
    if first is None or old.start is None:
        return None, end
    if first < min(old.start, oldest):
        return first, end
    return max(min(first, old.start), oldest), end


def is_intraday(interval: str) -> bool:
    """Whether bars are shorter than a day: 5m, 1h."""
    return bool(re.fullmatch(r"\d+[mh]", interval))


def _end_of(day: date) -> datetime:
    return datetime.combine(day, datetime.min.time()) + timedelta(days=1)
