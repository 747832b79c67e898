"""When prices are old: a bar that should be over by now is not there."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from tradebot.prices.freshness import is_stale
from tradebot.prices.sources import sample


def stale(stamps: pd.DatetimeIndex, now: str) -> bool:
    return is_stale(stamps.to_numpy().astype("datetime64[us]"), np.datetime64(now, "us"))


def sessions(last: str) -> pd.DatetimeIndex:
    return pd.bdate_range(end=last, periods=30)


@pytest.mark.parametrize(
    ("last", "fresh", "old"),
    [
        ("2024-05-15", "2024-05-16T23:59", "2024-05-17T00:00"),  # Wednesday: Thursday is over on Friday
        ("2024-05-17", "2024-05-20T23:59", "2024-05-21T00:00"),  # a weekend is no session
        ("2024-05-24", "2024-05-28T23:59", "2024-05-29T00:00"),  # nor is Memorial Day
        ("2023-12-29", "2024-01-02T23:59", "2024-01-03T00:00"),  # nor New Year
        ("2024-03-28", "2024-04-01T23:59", "2024-04-02T00:00"),  # nor Good Friday
        ("2024-06-18", "2024-06-20T23:59", "2024-06-21T00:00"),  # nor Juneteenth
        ("2021-12-31", "2022-01-03T23:59", "2022-01-04T00:00"),  # New Year on a Saturday costs no session
    ],
)
def test_daily_stocks_are_old_when_a_session_is_missing(last: str, fresh: str, old: str) -> None:
    assert not stale(sessions(last), fresh) and stale(sessions(last), old)
    assert stale(sessions(last), "2031-01-01")


def test_prices_of_the_future_are_not_old() -> None:
    assert not stale(sessions("2024-05-15"), "2024-05-01")


@pytest.mark.parametrize(
    ("step", "fresh", "old"),
    [
        ("1h", "2024-05-18T14:00", "2024-05-18T14:01"),
        ("1min", "2024-05-18T12:02", "2024-05-18T12:02:01"),
        ("1D", "2024-05-20T12:00", "2024-05-20T12:01"),  # a Monday: weekends count
    ],
)
def test_around_the_clock_two_bars_may_go_by(step: str, fresh: str, old: str) -> None:
    stamps = pd.date_range(end="2024-05-18T12:00", periods=3000, freq=step)
    assert not stale(stamps, fresh) and stale(stamps, old)


@pytest.mark.parametrize(
    ("freq", "fresh", "old"),
    [("W-FRI", "2024-05-31", "2024-06-01"), ("MS", "2024-06-30", "2024-07-03")],
)
def test_weekly_and_monthly_bars_go_by_their_step(freq: str, fresh: str, old: str) -> None:
    stamps = pd.date_range(end="2024-05-17", periods=60, freq=freq)
    assert not stale(stamps, fresh) and stale(stamps, old)


def intraday(last: str) -> pd.DatetimeIndex:
    """Hourly bars of New York, 13:30 to 19:30 UTC, until `last`."""
    days = pd.bdate_range(end=last[:10], periods=20)
    stamps = (days.to_numpy()[:, None] + pd.to_timedelta(np.arange(13.5, 20), unit="h").to_numpy()).ravel()
    return pd.DatetimeIndex(stamps[stamps <= np.datetime64(last)])


@pytest.mark.parametrize(
    ("last", "fresh", "old"),
    [
        ("2024-05-15T15:30", "2024-05-15T17:29", "2024-05-15T17:30"),  # in the middle of a session
        ("2024-05-15T19:30", "2024-05-16T14:29", "2024-05-16T14:30"),  # overnight
        ("2024-05-24T19:30", "2024-05-28T14:29", "2024-05-28T14:30"),  # over a long weekend
    ],
)
def test_intraday_stocks_are_old_when_a_bar_of_a_session_is_missing(last: str, fresh: str, old: str) -> None:
    assert not stale(intraday(last), fresh) and stale(intraday(last), old)


def test_two_bars_of_one_day_are_enough_to_judge_by() -> None:
    stamps = pd.DatetimeIndex(["2024-05-15T13:30", "2024-05-15T14:30"])
    assert not stale(stamps, "2024-05-16T14:29") and stale(stamps, "2024-05-16T14:30")


def test_the_holidays_are_those_of_thirteen_years_of_new_york() -> None:
    """At the end of each session of the sample the one before is too old, and never before."""
    stamps = sample.read(["AAPL"]).timestamps
    unforeseen = {"2001-09-10", "2004-06-10", "2006-12-29", "2012-10-26"}  # attack, funerals, storm
    days = stamps.astype("datetime64[D]")
    is_rest = np.busday_count(days[:-1], days[1:]) > 1
    for i in np.flatnonzero(is_rest | (np.arange(len(is_rest)) % 50 == 0)):
        known, following = stamps[max(i - 99, 0) : i + 1], stamps[i + 1]
        if len(known) >= 2:
            assert is_stale(known, following + np.timedelta64(1, "D"))
            foreseen = not is_stale(known, following + np.timedelta64(23, "h"))
            assert foreseen or str(days[i]) in unforeseen
    assert is_rest.sum() > 100  # there was something to foresee
