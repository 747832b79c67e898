"""Columns of dates, however written: UTC for intraday bars, the exchange's date for longer ones."""

from __future__ import annotations

import re
import warnings
from datetime import date, datetime
from typing import Literal, NamedTuple
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd

from tradebot.core import InputError
from tradebot.prices.reading import AS_WRITTEN, ReadConfig

_OFFSET = r"(:\d\d(?:\.\d+)?)\s*(?:Z|[+-]\d\d:?(?:\d\d)?)$"  # a time of day and its time zone
_DAY_MONTH_YEAR = r"^(\d\d?)[/.-](\d\d?)[/.-](\d{4})"
_HALF_DAY = re.compile(r"\b(\d\d?)((?::\d\d){0,2})[\s-]?([ap])\.?m\.?$", re.IGNORECASE)  # 9:30 PM, 09-AM
_EPOCHS: tuple[tuple[Literal["s", "ms", "us", "ns"], float, float], ...] = (  # told apart by the latest date
    ("s", 1e8, 1e10),
    ("ms", 1e12, 1e13),
    ("us", 1e15, 1e16),
    ("ns", 1e18, 1e19),
)
_SURELY_AN_EPOCH = (
    1e9  # what is above it in all rows tells its own unit: some sources change theirs on the way
)
_LONGEST_STEP_BACK = pd.Timedelta(hours=2)  # of a clock in autumn
_DAILY = np.timedelta64(20, "h")  # bars further apart are daily or longer (there are days of 23 hours)


class _Read(NamedTuple):
    """Moments [rows] as datetime64[us] without a zone, NaT where unreadable, and how they were written."""

    local: pd.Series  # on the exchange's clock
    utc: pd.Series | None  # None: nothing says of which zone `local` is
    note: str = ""


def read_dates(column: pd.Series, place: str, how: ReadConfig = AS_WRITTEN) -> tuple[pd.Series, str]:
    """The moments [rows] in `column` as datetime64[us] without a time zone, and how they were written.

    Reads timestamps, ISO 8601 (with or without an offset), YYYYMMDD, epoch seconds to nanoseconds, 31/12/2009
    or 12/31/2009 where all rows together leave one reading or `how` says it, and names of months. Times
    without a zone are taken for those of `how.timezone`. Raises InputError, which starts with `place`.
    """
    try:
        read = _read(column, place, how)
        _check_all_read(column, read, place, how)
        steps = np.diff(np.unique(read.local.to_numpy()))
        if len(steps) and np.median(steps) >= _DAILY:
            return read.local.dt.normalize(), read.note
        if read.utc is not None:
            return read.utc, read.note
        notes = filter(None, [read.note, f"{'taken for ' * (how.timezone == 'UTC')}{how.timezone}"])
        return _to_utc(read.local, how.timezone, place), ", ".join(notes)
    except InputError:
        raise
    except (ValueError, TypeError, OverflowError) as error:
        reason = " ".join(str(error).split())[:120]
        raise InputError(f"{place}dates cannot be read ({reason}): write them as 2009-12-31") from None


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


def _check_all_read(column: pd.Series, read: _Read, place: str, how: ReadConfig) -> None:
    lacking = read.local.isna() if read.utc is None else read.utc.isna()
    if lacking.any():
        i = int(lacking.argmax())
        cell = repr(str(column.iloc[i]))[:40]
        order = (
            f" {how.dates}" if how.dates and re.match(_DAY_MONTH_YEAR, str(column.iloc[i]).strip()) else ""
        )
        raise InputError(f"{place}date {cell} in row {i + 1} cannot be read{order}: write it as 2009-12-31")


def _read(column: pd.Series, place: str, how: ReadConfig) -> _Read:
    if isinstance(column.dtype, pd.DatetimeTZDtype):
        utc = _naive(column.dt.tz_convert("UTC"))
        return _Read(_naive(column.dt.tz_localize(None)), utc, str(column.dt.tz))
    if pd.api.types.is_datetime64_any_dtype(column):
        return _Read(_naive(column), None)
    text = column.astype("str").str.strip()
    if (epochs := _epochs(text)) is not None:
        utc, unit = epochs
        local = _naive(utc.dt.tz_localize("UTC").dt.tz_convert(how.timezone))
        return _Read(local, utc, f"epoch {unit}")
    if text.str.endswith(("m", "M", ".")).any():
        text = text.str.replace(_HALF_DAY, _of_24_hours, regex=True)
    utc = _iso(text)
    if not utc.notna().all():
        return _spelled_otherwise(text, place, how)
    behind = text.str.slice(10)  # the date, whose signs are none of an offset
    if not any(behind.str.contains(sign, regex=False).any() for sign in "Z+-"):
        return _Read(utc, None)
    local = text.str.replace(_OFFSET, r"\1", regex=True)
    has_offset = local != text
    if has_offset.any() and not has_offset.all():
        i = int((~has_offset).argmax())
        raise InputError(f"{place}date {text.iloc[i]!r} in row {i + 1} has no time zone, others have one")
    return _Read(_iso(local), utc, "with offsets") if has_offset.any() else _Read(utc, None)


def _epochs(text: pd.Series) -> tuple[pd.Series, str] | None:
    """Moments in UTC and the unit they were counted in; None if these are no epochs."""
    if pd.isna(pd.to_numeric(text.iloc[:1], errors="coerce")).all():  # in no time, as a rule
        return None
    numbers = pd.to_numeric(text, errors="coerce")
    latest = numbers.max()
    unit = next((unit for unit, low, high in _EPOCHS if low <= latest < high), None)
    if unit is None or not numbers.notna().all():
        return None
    if numbers.min() < _SURELY_AN_EPOCH:
        return _naive(pd.to_datetime(numbers, unit=unit)), unit
    units = {one: numbers[(numbers < high) & (numbers >= high / 1000)] for one, _, high in _EPOCHS}
    used = {one: _naive(pd.to_datetime(own, unit=one)) for one, own in units.items() if len(own)}
    return pd.concat(used.values()).reindex(text.index), " and ".join(used)


def _of_24_hours(found: re.Match[str]) -> str:
    hour = int(found[1]) % 12 + 12 * (found[3].lower() == "p")
    return f"{hour:02}{found[2] or ':00'}"


def _to_utc(local: pd.Series, zone: str, place: str) -> pd.Series:
    """Moments on the clock of `zone`. InputError for one that the clock skipped or showed twice."""
    if zone == "UTC":
        return local
    rising = local[::-1] if local.iloc[0] > local.iloc[-1] else local
    symbols = (
        rising.diff() < -_LONGEST_STEP_BACK
    ).cumsum()  # one after the other; each is on the clock alone
    try:
        parts = [
            part.dt.tz_localize(ZoneInfo(zone), ambiguous="infer") for _, part in rising.groupby(symbols)
        ]
    except ValueError as error:
        when = " ".join(str(error).split()).partition(",")[0][:80]
        raise InputError(
            f"{place}not all times are on the clock of {zone}, which skips an hour in spring and shows one"
            f" twice in autumn ({when}): give times in UTC, or the zone they are in with --timezone"
        ) from None
    return _naive(pd.concat(parts).dt.tz_convert("UTC")).reindex(local.index)


def _naive(moments: pd.Series) -> pd.Series:
    if isinstance(moments.dtype, pd.DatetimeTZDtype):
        moments = moments.dt.tz_localize(None)
    return moments.astype("datetime64[us]")


def _iso(text: pd.Series) -> pd.Series:
    return _naive(pd.to_datetime(text, format="ISO8601", errors="coerce", utc=True))


def _spelled_otherwise(text: pd.Series, place: str, how: ReadConfig) -> _Read:
    """12/31/2009 or 31/12/2009, whichever fits every row, and names of months; NaT where it fits not."""
    month_first = _iso(text.str.replace(_DAY_MONTH_YEAR, r"\3-\1-\2", regex=True))
    day_first = _iso(text.str.replace(_DAY_MONTH_YEAR, r"\3-\2-\1", regex=True))
    orders = {"month-first": month_first, "day-first": day_first}
    named = _months_named(text)
    if named is not None:
        return _Read(named, None, "names of months")
    if how.dates:
        return _Read(orders[how.dates], None, how.dates.replace("-", " "))
    if month_first.notna().all() and day_first.notna().all() and not month_first.equals(day_first):
        i = int((month_first != day_first).argmax())
        readings = f"{month_first.iloc[i]:%d %B} or {day_first.iloc[i]:%d %B}"
        raise InputError(
            f"{place}day and month cannot be told apart: {text.iloc[i]!r} may be {readings}, say --dates"
            " day-first or --dates month-first"
        )
    best = max(orders, key=lambda order: int(orders[order].notna().sum()))
    return _Read(orders[best], None, best.replace("-", " "))


def _months_named(text: pd.Series) -> pd.Series | None:
    """Dec 31, 2009 and the like; None where not every row has a name, or pandas doubts how to read it."""
    if not text.str.contains("[A-Za-z]{3}").all():
        return None
    with warnings.catch_warnings(record=True) as doubts:
        warnings.simplefilter("always")
        named = _naive(pd.to_datetime(text, errors="coerce", utc=True))
    return None if doubts else named  # it warns when it reads each row by another format
