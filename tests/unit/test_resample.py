"""Longer bars out of shorter ones, against closed forms, against pandas where it is right, and by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

import tradebot
from tradebot.core import Array, InputError
from tradebot.prices.bars import Bars
from tradebot.prices.resample import resample
from tradebot.prices.sources import sample
from tradebot.prices.validity import COLUMNS

AGGREGATES = {"open": "first", "high": "max", "low": "min", "close": "last", "volume": "sum"}


def walk(
    stamps: Array, seed: int = 0, missing: Array | None = None, symbols: tuple[str, ...] = ("A",)
) -> Bars:
    """A random walk of prices; volume in whole shares, so that sums are exact in any order."""
    rng = np.random.default_rng(seed)
    shape = (len(stamps), len(symbols))
    close = 100 * np.exp(np.cumsum(rng.normal(0, 0.01, shape), axis=0))
    opened = np.concatenate([close[:1], close[:-1]])
    high, low = np.maximum(opened, close) * 1.001, np.minimum(opened, close) * 0.999
    volume = rng.integers(1, 1000, shape).astype(float)
    if missing is not None:
        rows = np.maximum.accumulate(np.where(missing, 0, np.arange(len(stamps))[:, None]), axis=0)
        close = np.take_along_axis(close, rows, axis=0)
        opened, high, low = (np.where(missing, close, own) for own in (opened, high, low))
        volume = np.where(missing, 0, volume)
    return Bars(
        stamps,
        symbols,
        opened,
        high,
        low,
        close,
        volume,
        np.zeros(shape, bool) if missing is None else missing,
    )


def sessions(first: str, last: str, minutes: int, zone: str = "America/New_York") -> Array:
    """Starts in UTC of the bars of sessions from 9:30 to 16:00, Monday to Friday."""
    days = pd.bdate_range(first, last)
    times = pd.timedelta_range("9h30min", "16h", freq=f"{minutes}min", closed="left")
    local = pd.DatetimeIndex([day + time for day in days for time in times]).tz_localize(zone)
    return local.tz_convert("UTC").tz_localize(None).to_numpy().astype("datetime64[us]")


@pytest.mark.parametrize(("interval", "rule"), [("4h", "4h"), ("6h", "6h"), ("1d", "D"), ("1mo", "MS")])
def test_hours_of_a_coin_are_put_together_as_pandas_does(interval: str, rule: str) -> None:
    hours = sample.read(["BTC-USD"])
    made = resample(hours, interval)
    expected = hours.to_frame().resample(rule).agg(AGGREGATES).dropna().iloc[1:-1]
    if interval == "4h":  # 2017-07-01 11:00 .. 2019-10-17 09:00
        assert made.partial == ("2017-07-01 08:00:00", "2019-10-17 08:00:00")
    frame = made.bars.to_frame()
    assert frame.index.tolist() == expected.index.tolist()
    np.testing.assert_array_equal(frame[list(COLUMNS)[:4]], expected[list(COLUMNS)[:4]])
    np.testing.assert_allclose(frame["volume"], expected["volume"], rtol=1e-12)


@pytest.mark.parametrize("interval", ["1wk", "1mo", "3mo"])
def test_days_of_stocks_are_put_together_as_pandas_does(interval: str) -> None:
    days = sample.read(["AAPL"])
    rule = {"1wk": "W-SUN", "1mo": "MS", "3mo": "QS"}[interval]
    made = resample(days, interval, keep_partial=True).bars.to_frame()
    expected = days.to_frame().resample(rule).agg(AGGREGATES)
    if interval == "1wk":
        expected.index -= pd.Timedelta(days=6)  # named by its Monday
    assert made.index.tolist() == expected.index.tolist()
    np.testing.assert_array_equal(made[list(COLUMNS)[:4]], expected[list(COLUMNS)[:4]])
    np.testing.assert_allclose(made["volume"], expected["volume"], rtol=1e-12)


@pytest.mark.parametrize(
    ("interval", "partial"),
    [("1wk", ("2000-02-28",)), ("1mo", ("2013-03-01",)), ("3mo", ("2000-01-01", "2013-01-01"))],
)
def test_weeks_end_on_friday_and_months_on_their_last_session(
    interval: str, partial: tuple[str, ...]
) -> None:
    """The sample runs from Wednesday 2000-03-01 to Friday 2013-03-01."""
    assert resample(sample.read(["AAPL"]), interval).partial == partial


def test_a_week_that_a_holiday_opens_or_ends_is_whole() -> None:
    """Monday 2012-01-16 was Martin Luther King's day, 2012-04-06 Good Friday."""
    made = resample(sample.read(["AAPL"]).between("2012-01-17", "2012-04-05"), "1wk")
    assert (made.partial, made.bars.span) == ((), "2012-01-16 .. 2012-04-02")


@pytest.mark.parametrize(
    ("way", "stamps"),
    [
        (
            ("5m", "1h", "1d"),
            np.datetime64("2020-01-03T13:07", "us") + np.arange(30_000) * np.timedelta64(1, "m"),
        ),
        (
            ("15m", "1d", "1mo"),
            np.datetime64("2020-01-30T23:50", "us") + np.arange(90_000) * np.timedelta64(1, "m"),
        ),
        (("30m", "1d", "1wk"), sessions("2020-02-19", "2020-04-01", 10)),
    ],
)
def test_twice_is_once(way: tuple[str, ...], stamps: Array) -> None:
    bars = walk(stamps)
    once = resample(bars, way[-1]).bars
    for interval in way:
        bars = resample(bars, interval).bars
    assert bars.fingerprint == once.fingerprint


def test_hours_of_a_stock_become_the_dates_of_its_exchange_in_summer_and_in_winter() -> None:
    """Clocks changed on 2020-03-08: sessions open at 14:30 UTC before and 13:30 after."""
    bars = walk(sessions("2020-03-02", "2020-03-13", 30))
    for zone in ("UTC", "America/New_York"):
        made = resample(bars, "1d", zone=zone)
        assert (made.partial, len(made.bars), made.bars.span) == ((), 10, "2020-03-02 .. 2020-03-13")
        np.testing.assert_array_equal(made.bars.open[:, 0], bars.open[::13, 0])
        np.testing.assert_array_equal(made.bars.close[:, 0], bars.close[12::13, 0])


def test_no_bar_goes_beyond_the_end_of_its_session() -> None:
    """Of 9:30 to 16:00 the second bar of four hours has two and a half."""
    bars = walk(sessions("2020-03-02", "2020-03-03", 30))
    made = resample(bars, "4h")
    assert [str(stamp)[5:16] for stamp in made.bars.timestamps] == [
        *("03-02T14:30", "03-02T18:30", "03-03T14:30", "03-03T18:30"),
    ]
    np.testing.assert_array_equal(made.bars.close[:, 0], bars.close[[7, 12, 20, 25], 0])


def test_sessions_that_run_across_midnight_are_asked_for_their_zone() -> None:
    """10:00 to 16:00 in Sydney is 23:00 to 05:00 UTC."""
    bars = walk(sessions("2020-01-06", "2020-01-17", 30, "Australia/Sydney"))
    with pytest.raises(
        InputError, match=r"bars run across midnight in UTC \(2020-01-06\): say by whose clock"
    ):
        resample(bars, "1d")
    made = resample(bars, "1d", zone="Australia/Sydney")
    assert (made.bars.span, len(made.bars)) == ("2020-01-06 .. 2020-01-17", 10)


@pytest.mark.parametrize(
    ("skipped", "partial"), [((2, 0), ("2020-03-02",)), ((0, 3), ("2020-03-13",)), ((0, 0), ())]
)
def test_a_session_that_the_data_do_not_fill_is_dropped_unless_it_is_kept(
    skipped: tuple[int, int], partial: tuple[str, ...]
) -> None:
    stamps = sessions("2020-03-02", "2020-03-13", 30)
    bars = walk(stamps[skipped[0] : len(stamps) - skipped[1]])
    made = resample(bars, "1d", zone="America/New_York")
    assert (made.partial, len(made.bars)) == (partial, 10 - len(partial))
    kept = resample(bars, "1d", zone="America/New_York", keep_partial=True)
    assert (kept.partial, len(kept.bars)) == (partial, 10)


def test_what_a_symbol_misses_is_left_out_and_a_bar_that_it_misses_altogether_is_missing() -> None:
    hours = np.datetime64("2020-01-03T00:00", "us") + np.arange(24 * 12) * np.timedelta64(1, "h")
    missing = np.zeros((len(hours), 2), bool)
    missing[24:27, 1] = missing[45:48, 1] = missing[72:96, 1] = True  # of the 4th its ends, all of the 6th
    bars = walk(hours, missing=missing, symbols=("A", "B"))
    made = resample(bars, "1d").bars
    assert np.argwhere(made.missing).tolist() == [[3, 1]]
    assert (made.open[1, 1], made.close[1, 1]) == (bars.open[27, 1], bars.close[44, 1])
    assert made.high[1, 1] == bars.high[27:45, 1].max() and made.low[1, 1] == bars.low[27:45, 1].min()
    assert made.volume[3].tolist() == [bars.volume[72:96, 0].sum(), 0.0]
    assert made.close[3, 1] == made.close[2, 1] == made.open[3, 1]


def test_splits_and_dividends_within_a_bar_are_those_of_its_end() -> None:
    daily = walk(pd.bdate_range("2024-01-01", "2024-02-23").to_numpy().astype("datetime64[us]"))
    splits, dividends = np.ones_like(daily.close), np.zeros_like(daily.close)
    splits[[7, 8], 0], splits[22, 0] = 2.0, 0.1  # Wednesday and Thursday of a week, and another Wednesday
    dividends[6, 0], dividends[9, 0] = 4.0, 1.0
    quoted = np.cumprod(splits[::-1], axis=0)[::-1] / splits
    raw = replace(
        daily,
        **{name: getattr(daily, name) * quoted for name in ("open", "high", "low", "close")},
        volume=daily.volume / quoted,
        splits=splits,
        dividends=np.zeros_like(dividends),
        adjusted=False,
    )
    weekly = resample(raw, "1wk").bars
    assert weekly.splits[:, 0].tolist() == [1, 4, 1, 1, 0.1, 1, 1, 1]
    smooth = resample(daily, "1wk").bars
    for name in ("open", "high", "low", "close"):
        assert np.allclose(getattr(weekly.adjust(), name), getattr(smooth, name), rtol=1e-12)
    paid = resample(replace(raw, dividends=dividends), "1wk").bars.dividends
    assert paid[:, 0].tolist() == [0, 4.0 / 4 + 1.0, 0, 0, 0, 0, 0, 0]


def test_what_comes_later_changes_no_bar_that_is_over() -> None:
    hours = sample.read(["BTC-USD"]).rows(0, 2000)
    whole = resample(hours, "1d", keep_partial=True).bars
    for last in range(1500, 1530):
        part = resample(hours.rows(0, last), "1d", keep_partial=True).bars
        done = len(part) - 1  # all but the last, which is not over
        np.testing.assert_array_equal(part.close[:done], whole.close[:done])
        assert part.timestamps[-1] <= hours.timestamps[last]


@pytest.mark.parametrize(
    ("symbol", "interval", "words"),
    [
        ("AAPL", "4h", "4h: the bars are 24 hours apart: weeks (1wk) and months (1mo, 3mo) can be made of"),
        ("AAPL", "1d", "1d: the bars are 24 hours apart: weeks (1wk) and months (1mo, 3mo) can be made of"),
        ("BTC-USD", "1h", "1h: the bars are 1 hour apart, which is no part of it"),
        ("BTC-USD", "30m", "30m: the bars are 1 hour apart, which is no part of it"),
        ("BTC-USD", "90m", "90m: the bars are 1 hour apart, which is no part of it"),
        ("BTC-USD", "7h", "7h: a day must hold a whole number of bars, or write 1d"),
        ("BTC-USD", "24h", "24h: a day must hold a whole number of bars, or write 1d"),
        ("BTC-USD", "2wk", "2wk: longer bars than a day are weeks (1wk) or months (1mo, 3mo)"),
        ("BTC-USD", "5mo", "5mo: a year must hold a whole number of bars"),
        ("BTC-USD", "12mo", "sample: fewer than 2 whole bars of 12mo are in 2017-07-01"),
        ("BTC-USD", "daily", "'daily' is not an interval: write it as 5m, 4h, 1d, 1wk or 1mo"),
        ("BTC-USD", "0d", "'0d' is not an interval"),
    ],
)
def test_what_cannot_be_put_together_is_refused(symbol: str, interval: str, words: str) -> None:
    with pytest.raises(InputError) as caught:
        resample(sample.read([symbol]), interval)
    assert str(caught.value).startswith(words)


def test_load_makes_longer_bars() -> None:
    days = tradebot.load("BTC-USD", "sample", interval="1d", start="2018", end="2018")
    assert (days.span, len(days), days.periods_per_year) == ("2018-01-01 .. 2018-12-31", 365, 365)
    with pytest.raises(InputError, match="--day-zone: unknown time zone 'Mars'"):
        tradebot.load("BTC-USD", "sample", interval="1d", day_zone="Mars")
