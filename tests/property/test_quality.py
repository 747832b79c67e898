"""Each check finds the fault that was planted in the real prices of the sample, wherever it was."""

from __future__ import annotations

from functools import cache

import numpy as np
import pandas as pd
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tradebot.prices import quality
from tradebot.prices.dates import spelled
from tradebot.prices.sources import sample

PRICES = ["open", "high", "low", "close"]
STOCKS = ["AAPL", "IBM", "MSFT", "GOOG", "FB"]
COIN = "BTC-USD"
Places = tuple[pd.DataFrame, int, str]  # rows of one symbol, one of them, its date


@cache
def real(symbol: str) -> pd.DataFrame:
    table = sample.table()
    rows = table[table["symbol"] == symbol].reset_index(drop=True)
    return rows.tail(3000).reset_index(drop=True)


@st.composite
def places(draw: st.DrawFn, *symbols: str, margin: int = 30) -> Places:
    table = real(draw(st.sampled_from(symbols or (*STOCKS, COIN)))).copy()
    row = draw(st.integers(margin, len(table) - 1 - margin))
    return table, row, spelled(table["date"][row])


def planted(table: pd.DataFrame, check: str, symbol: str = "") -> list[quality.Finding]:
    """What the check finds now and did not find before."""
    name = symbol or table["symbol"].iloc[0]
    before = {one.check: {*one.moments} for one in quality.check(real(name)) if one.check == check}
    return [
        one
        for one in quality.check(table)
        if one.check == check and {*one.moments} - before.get(check, set())
    ]


def firsts(table: pd.DataFrame, check: str) -> list[str]:
    """The first moments that are new."""
    before = {
        m for one in quality.check(real(table["symbol"].iloc[0])) if one.check == check for m in one.moments
    }
    return [spelled(min({*one.moments} - before)) for one in planted(table, check)]


@given(places(), st.sampled_from([*PRICES, "volume"]), st.sampled_from([np.nan, np.inf]))
@settings(deadline=None, max_examples=15)
def test_a_value_that_is_no_number(place: Places, column: str, value: float) -> None:
    table, row, when = place
    table.loc[row, column] = value
    (one,) = planted(table, "nan")
    assert (one.severity, one.count, one.first) == ("error", 1, when) and column in one.about


@given(places(), st.sampled_from(PRICES), st.sampled_from([0.0, -1.0]))
@settings(deadline=None, max_examples=15)
def test_a_price_that_is_not_above_zero(place: Places, column: str, value: float) -> None:
    table, row, when = place
    table.loc[row, column] = value
    (one,) = planted(table, "non_positive")
    assert (one.severity, one.count, one.first) == ("error", 1, when)


@given(places(), st.sampled_from(["high", "low"]), st.floats(1e-6, 0.5))
@settings(deadline=None, max_examples=15)
def test_a_high_or_low_that_does_not_hold_the_others(place: Places, column: str, by: float) -> None:
    table, row, when = place
    inner = table.loc[row, ["open", "close"]]
    table.loc[row, column] = inner.max() * (1 - by) if column == "high" else inner.min() * (1 + by)
    assert firsts(table, "high_low") == [when]


@given(places(), st.booleans(), st.integers(1, 5))
@settings(deadline=None, max_examples=15)
def test_rows_that_are_there_twice(place: Places, is_same: bool, count: int) -> None:
    table, row, when = place
    again = table.iloc[row : row + count].copy()
    if not is_same:
        again["volume"] += 1
    shuffled = pd.concat([table, again]).sample(frac=1, random_state=1)
    (one,) = planted(shuffled, "duplicates")
    assert (one.severity, one.count, one.first) == ("error", count, when)


@given(places(*STOCKS, COIN), st.integers(1, 20))
@settings(deadline=None, max_examples=20)
def test_rows_without_volume(place: Places, count: int) -> None:
    table, row, when = place
    table.loc[row : row + count - 1, "volume"] = 0.0
    new = firsts(table, "zero_volume")
    assert new in ([when], []) and (new or (real(COIN)["volume"][row] == 0))


@given(places(), st.integers(4, 20))
@settings(deadline=None, max_examples=20)
def test_prices_that_stand_still(place: Places, count: int) -> None:
    table, row, _ = place
    for column in PRICES:
        table.loc[row + 1 : row + count, column] = table[column][row]
    assert planted(table, "stale")


@given(places(*STOCKS), st.integers(1, 15))
@settings(deadline=None, max_examples=20)
def test_sessions_that_are_missing(place: Places, count: int) -> None:
    table, row, when = place
    kept = table.drop(index=range(row, row + count))
    (one,) = planted(kept, "missing_sessions")
    assert (one.count, one.first) == (count, when)
    assert firsts(kept, "gaps") == [when] * (count >= 5)


@given(places(COIN, margin=60), st.integers(1, 50))
@settings(deadline=None, max_examples=20)
def test_hours_that_are_missing(place: Places, count: int) -> None:
    table, row, when = place
    kept = table.drop(index=range(row, row + count))
    (one,) = planted(kept, "missing_bars")
    assert (one.count, one.first) == (count, when)
    assert firsts(kept, "gaps") == [when] * (count >= 24)


@given(places(*STOCKS), st.booleans())
@settings(deadline=None, max_examples=20)
def test_weekends_with_bars_and_those_that_were_filled(place: Places, is_filled: bool) -> None:
    table, row, _ = place
    friday = table.iloc[row:][(pd.DatetimeIndex(table["date"][row:]).day_of_week == 4)].iloc[[0]]
    extra = friday.assign(date=friday["date"] + pd.Timedelta(days=1))
    if is_filled:
        extra["volume"] = 0.0
    else:
        extra[[*PRICES, "adj_close"]] *= 1.001
    when = spelled(extra["date"].iloc[0])
    both = pd.concat([table, extra])
    assert firsts(both, "extra_sessions") == [when]
    assert firsts(both, "forward_fill") == [when] * is_filled


@given(st.sampled_from(STOCKS), st.data())
@settings(deadline=None, max_examples=15)
def test_prices_that_were_filled_by_calendar_day(symbol: str, data: st.DataObject) -> None:
    table = real(symbol)
    start = data.draw(st.integers(0, len(table) - 60))
    part = table.iloc[start : start + 60].set_index("date").asfreq("D").ffill().reset_index()
    weekends = pd.DatetimeIndex(part["date"]).day_of_week >= 5
    (one,) = [one for one in quality.check(part) if one.check == "forward_fill" and one.severity == "error"]
    assert one.count == weekends.sum() and one.first == spelled(part["date"][weekends.argmax()])


@given(places(*STOCKS), st.sampled_from([1.5, 2, 3, 4, 5, 7, 10, 20, 1 / 2, 1 / 10, 1 / 20]))
@settings(deadline=None, max_examples=30)
def test_splits_that_nobody_adjusted_for(place: Places, ratio: float) -> None:
    table, row, when = place
    table.loc[row:, [*PRICES, "adj_close"]] /= ratio
    if abs(np.log(real(table["symbol"][0])["adj_close"]).diff()[row]) < 0.08:
        assert firsts(table, "splits") == [when]
    else:
        assert when in [*firsts(table, "splits"), *firsts(table, "jumps")]


@given(places(), st.sampled_from([100.0, 0.01]), st.integers(1, 5), st.booleans())
@settings(deadline=None, max_examples=30)
def test_bars_of_another_unit(place: Places, unit: float, count: int, is_adjusted: bool) -> None:
    table, row, when = place
    columns = [*PRICES, *["adj_close"] * is_adjusted]
    table.loc[row : row + count - 1, columns] *= unit
    (one,) = planted(table, "hundredfold")
    assert (one.severity, one.count, one.first) == ("error", count, when)


@given(places(), st.sampled_from([0.55, 0.62, 1.7, 2.6]))
@settings(deadline=None, max_examples=20)
def test_large_moves(place: Places, factor: float) -> None:
    table, row, when = place
    table.loc[row:, ["high", "low", "close", "adj_close"]] *= factor
    table.loc[row + 1 :, "open"] *= factor
    table.loc[row, "high"] = table.loc[row, PRICES].max()
    table.loc[row, "low"] = table.loc[row, PRICES].min()
    assert when in [*firsts(table, "jumps"), *firsts(table, "splits")]


@given(places(), st.sampled_from([0.5, 0.9, 0.99, 1.01, 1.1, 2.0]))
@settings(deadline=None, max_examples=30)
def test_an_adjusted_close_that_is_off_on_one_day(place: Places, factor: float) -> None:
    table, row, when = place
    nearby = np.ptp(np.log(table["adj_close"] / table["close"])[row - 2 : row + 2])
    assume(nearby < 0.05)  # beside a split or a large dividend an error passes for a part of it
    has_dividend = nearby > 1e-5  # an ordinary one, which may hide one side of the error
    table.loc[row, "adj_close"] *= factor
    (found,) = firsts(table, "adjustment")
    assert found == when or (has_dividend and found == spelled(table["date"][row + 1]))


@given(places(*STOCKS), st.sampled_from([0.4, 0.97]))
@settings(deadline=None, max_examples=20)
def test_an_adjusted_close_that_falls_against_the_close_from_a_day_on(place: Places, factor: float) -> None:
    table, row, when = place
    table.loc[row:, "adj_close"] *= factor
    assert firsts(table, "adjustment") == [when]


@given(st.sampled_from(STOCKS), st.sampled_from([-1, 1]), st.data())
@settings(deadline=None, max_examples=20)
def test_dates_that_are_a_day_off_for_a_while(symbol: str, days: int, data: st.DataObject) -> None:
    table = real(symbol).copy()
    start = data.draw(st.integers(0, len(table) - 60))
    length = data.draw(st.integers(40, len(table) - start))
    moved = table["date"].iloc[start : start + length] + pd.Timedelta(days=days)
    table.loc[table.index[start : start + length], "date"] = moved.to_numpy()
    table = table.drop_duplicates("date")
    (one,) = [one for one in quality.check(table) if one.check == "time_zone"]
    assert one.severity == "error"
    first, week = pd.Timestamp(moved.iloc[0]), pd.Timedelta(days=16)
    assert first <= pd.Timestamp(one.first) <= first + week


@given(places(*STOCKS[:3], margin=200))
@settings(deadline=None, max_examples=15)
def test_weekly_bars_among_daily_ones(place: Places) -> None:
    table, row, _ = place
    part = table.iloc[row : row + 60]
    is_dropped = part["date"].dt.isocalendar()["week"].diff(-1).to_numpy() == 0
    (one,) = planted(table.drop(index=part.index[is_dropped]), "bar_length")
    assert one.severity == "error" and table["date"][row] <= one.moments[0] <= table["date"][row + 20]


@given(places(COIN))
@settings(deadline=None, max_examples=10)
def test_a_bar_between_the_bars(place: Places) -> None:
    table, row, _ = place
    extra = table.iloc[[row]].assign(date=table["date"][row] + pd.Timedelta(minutes=17))
    assert firsts(pd.concat([table, extra]), "bar_length") == [spelled(extra["date"].iloc[0])]


@given(places(margin=0))
@settings(deadline=None, max_examples=10)
def test_the_order_of_the_rows_does_not_matter(place: Places) -> None:
    table, row, _ = place
    shuffled = table.sample(frac=1, random_state=row)
    told = [[one.to_dict() for one in quality.check(each)] for each in (table, shuffled)]
    assert told[0] == told[1]
