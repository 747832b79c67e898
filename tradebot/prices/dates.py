"""Columns of dates, however written: UTC for intraday bars, the exchange's date for longer ones."""

from __future__ import annotations

import re
import warnings
from datetime import date, datetime
from typing import Literal

import numpy as np
import pandas as pd

from tradebot.core import InputError

_OFFSET = r"(:\d\d(?:\.\d+)?)\s*(?:Z|[+-]\d\d:?(?:\d\d)?)$"  # a time of day and its time zone
_DAY_MONTH_YEAR = r"^(\d\d?)[/.-](\d\d?)[/.-](\d{4})"
_EPOCHS: tuple[tuple[Literal["s", "ms", "us", "ns"], float, float], ...] = (  # told apart by the latest date
    ("s", 1e8, 1e10),
    ("ms", 1e12, 1e13),
    ("us", 1e15, 1e16),
    ("ns", 1e18, 1e19),
)
_DAILY = np.timedelta64(20, "h")  # bars further apart are daily or longer (there are days of 23 hours)


def read_dates(column: pd.Series, place: str) -> pd.Series:
    """The moments [rows] in `column` as datetime64[us] without a time zone.

    Reads timestamps, ISO 8601 (with or without an offset), YYYYMMDD, epoch seconds to nanoseconds, 31/12/2009
    or 12/31/2009 where all rows together leave one reading, and names of months. Times without a zone are
    taken for UTC. Raises InputError, which starts with `place`.
    """
    try:
        local, utc = _local_and_utc(column)
    except (ValueError, TypeError, OverflowError) as error:
        reason = " ".join(str(error).split())[:120]
        raise InputError(f"{place}dates cannot be read ({reason}): write them as 2009-12-31") from None
    if utc.isna().any():
        i = int(utc.isna().argmax())
        cell = repr(str(column.iloc[i]))[:40]
        raise InputError(f"{place}date {cell} in row {i + 1} cannot be read: write it as 2009-12-31")
    steps = np.diff(np.unique(local.to_numpy()))
    return local.dt.normalize() if len(steps) and np.median(steps) >= _DAILY else utc


def first_and_last_day(text: str) -> tuple[date, date]:
    """Of "2009-12-31" that day, of "2009-12" and "2009" the month and the year. Raises InputError."""
    try:
        if re.fullmatch(r"\d{4}(-\d\d){0,2}", text):
            period = pd.Period(text)
            return period.start_time.date(), period.end_time.date()
    except (ValueError, OverflowError):
        pass
    raise InputError(f"{text!r} is not a date: write it as 2009-12-31, 2009-12 or 2009")


def spelled(moment: np.datetime64 | datetime) -> str:
    """A moment to be read by a person: the date, and the time unless it is midnight."""
    return str(pd.Timestamp(moment)).removesuffix(" 00:00:00")


def _local_and_utc(column: pd.Series) -> tuple[pd.Series, pd.Series]:
    """The exchange's clock and that of UTC, the same where no time zone is given; NaT where unreadable."""
    if isinstance(column.dtype, pd.DatetimeTZDtype):
        return _naive(column.dt.tz_localize(None)), _naive(column.dt.tz_convert("UTC"))
    if pd.api.types.is_datetime64_any_dtype(column):
        return _naive(column), _naive(column)
    text = column.astype("str").str.strip()
    numbers = pd.to_numeric(text, errors="coerce")
    unit = next((unit for unit, low, high in _EPOCHS if low <= numbers.max() < high), None)
    if unit and numbers.notna().all():
        both = _naive(pd.to_datetime(numbers, unit=unit))
        return both, both
    utc = _iso(text)
    if utc.notna().all():
        return _iso(text.str.replace(_OFFSET, r"\1", regex=True)), utc
    both = _spelled_otherwise(text)
    return both, both


def _naive(moments: pd.Series) -> pd.Series:
    if isinstance(moments.dtype, pd.DatetimeTZDtype):
        moments = moments.dt.tz_localize(None)
    return moments.astype("datetime64[us]")


def _iso(text: pd.Series) -> pd.Series:
    return _naive(pd.to_datetime(text, format="ISO8601", errors="coerce", utc=True))


def _spelled_otherwise(text: pd.Series) -> pd.Series:
    """12/31/2009 or 31/12/2009, whichever fits every row, and names of months; NaT where it fits not."""
    month_first = _iso(text.str.replace(_DAY_MONTH_YEAR, r"\3-\1-\2", regex=True))
    day_first = _iso(text.str.replace(_DAY_MONTH_YEAR, r"\3-\2-\1", regex=True))
    if month_first.notna().all() and day_first.notna().all() and not month_first.equals(day_first):
        raise ValueError("day and month cannot be told apart")
    if text.str.contains("[A-Za-z]{3}").all():
        with warnings.catch_warnings(record=True) as doubts:
            warnings.simplefilter("always")
            named = _naive(pd.to_datetime(text, errors="coerce", utc=True))
        if not doubts:  # pandas warns when it reads each row by another format
            return named
    return max(month_first, day_first, key=lambda read: int(read.notna().sum()))
