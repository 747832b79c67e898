"""Bars: what they accept, what they refuse and in which words, and what they can be asked."""

from __future__ import annotations

import io
from dataclasses import FrozenInstanceError, replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tradebot.core import InputError
from tradebot.prices.bars import Bars
from tradebot.prices.validity import COLUMNS


def make(**changes: Any) -> Bars:
    """Three days of two symbols; B is ten times A."""
    fields: dict[str, Any] = {
        "timestamps": np.array(["2020-01-02", "2020-01-03", "2020-01-06"], "datetime64[D]"),
        "symbols": ("A", "B"),
        "open": np.array([[1.0, 10.0], [1.5, 15.0], [1.2, 12.0]]),
        "high": np.array([[2.0, 20.0], [2.0, 20.0], [1.5, 15.0]]),
        "low": np.array([[0.5, 5.0], [1.0, 10.0], [1.0, 10.0]]),
        "close": np.array([[1.5, 15.0], [1.2, 12.0], [1.4, 14.0]]),
        "volume": np.array([[100.0, 10.0], [0.0, 20.0], [300.0, 30.0]]),
    }
    return Bars(**{**fields, **changes})


def spoiled(column: str, value: float, t: int = 1, a: int = 1) -> dict[str, Any]:
    values = getattr(make(), column).copy()
    values[t, a] = value
    return {column: values}


def holed(**changes: Any) -> Bars:
    """`make`, but B has no bar of its own on the second day: it stays at its last close."""
    fields: dict[str, Any] = {"missing": np.zeros((3, 2), dtype=bool)}
    fields["missing"][1, 1] = True
    for column in COLUMNS:
        fields |= spoiled(column, 0.0 if column == "volume" else 15.0)
    return make(**{**fields, **changes})


def at(timestamps: pd.DatetimeIndex) -> Bars:
    """Bars of one symbol whose price is always 1."""
    ones = np.ones((len(timestamps), 1))
    return Bars(timestamps.to_numpy(), ("X",), ones, ones, ones, ones, ones)


# What is refused


@pytest.mark.parametrize(
    ("column", "value", "words"),
    [
        ("close", np.nan, "B: close on 2020-01-03 is nan, not a finite number (1 such rows"),
        ("open", np.inf, "B: open on 2020-01-03 is inf, not a finite number (1 such rows"),
        ("low", 0.0, "B: low on 2020-01-03 is 0.0, not a price above zero (1 such rows"),
        ("low", -1.0, "B: low on 2020-01-03 is -1.0, not a price above zero (1 such rows"),
        ("high", 9.0, "B: low on 2020-01-03 is 10.0, above the high of 9.0 (1 such rows"),
        ("open", 21.0, "B: open on 2020-01-03 is 21.0, above the high of 20.0 (1 such rows"),
        ("close", 20.1, "B: close on 2020-01-03 is 20.1, above the high of 20.0 (1 such rows"),
        ("open", 9.0, "B: open on 2020-01-03 is 9.0, below the low of 10.0 (1 such rows"),
        ("close", 9.0, "B: close on 2020-01-03 is 9.0, below the low of 10.0 (1 such rows"),
        ("volume", -5.0, "B: volume on 2020-01-03 is -5.0, less than zero (1 such rows"),
        ("volume", np.nan, "B: volume on 2020-01-03 is nan, not a finite number (1 such rows"),
    ],
)
def test_a_fault_is_named_with_symbol_date_column_and_value(column: str, value: float, words: str) -> None:
    with pytest.raises(InputError) as caught:
        make(**spoiled(column, value), source="prices.csv")
    assert str(caught.value).startswith(f"prices.csv: {words}")
    assert "\n" not in str(caught.value)


def test_the_first_of_several_faults_is_named_and_all_are_counted() -> None:
    close = np.full((3, 2), np.nan)
    close[0, 0] = 1.5
    with pytest.raises(InputError, match=r"^B: close on 2020-01-02 is nan.*\(5 such rows"):
        make(close=close)


def test_an_intraday_fault_is_named_with_its_time() -> None:
    stamps = np.array(["2020-01-02T09:00", "2020-01-02T10:30", "2020-01-02T11:00"], "datetime64[m]")
    with pytest.raises(InputError, match="close on 2020-01-02 10:30:00 is nan"):
        make(**spoiled("close", np.nan), timestamps=stamps)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"symbols": ("A", "A")}, "distinct symbols, not A, A"),
        ({"symbols": ("A",)}, r"open has shape \(3, 2\), expected \(3, 1\)"),
        ({"symbols": ()}, "distinct symbols, not none"),
        ({"symbols": ("A", " ")}, "' ' is not a symbol"),
        ({"symbols": ("A", "B\n")}, r"'B\\n' is not a symbol"),
        ({"volume": np.zeros((2, 2))}, r"volume has shape \(2, 2\), expected \(3, 2\)"),
        ({"timestamps": np.array(["2020-01-02"], "datetime64[D]")}, "needs 2 bars or more, there are 1"),
        (
            {"timestamps": np.array(["2020-01-02", "2020-01-02", "2020-01-03"], "datetime64[D]")},
            r"must increase, but 2020-01-02 follows 2020-01-02 \(1 such rows\)",
        ),
        (
            {"timestamps": np.array(["2020-01-03", "2020-01-02", "2020-01-01"], "datetime64[D]")},
            r"must increase, but 2020-01-02 follows 2020-01-03 \(2 such rows\)",
        ),
        (
            {"timestamps": np.array(["2020-01-03", "NaT", "2020-01-04"], "datetime64[D]")},
            "bar 2 has no timestamp",
        ),
    ],
)
def test_labels_that_do_not_fit_are_refused(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        make(**changes)


@pytest.mark.parametrize(
    ("column", "value", "words"),
    [
        ("high", 15.1, "high on 2020-01-03 is 15.1, in a missing bar, not the last close of 15.0 (1 such"),
        ("low", 14.9, "low on 2020-01-03 is 14.9, in a missing bar, not the last close of 15.0 (1 such"),
        ("close", np.nan, "close on 2020-01-03 is nan, not a finite number (1 such"),
        ("volume", 1.0, "volume on 2020-01-03 is 1.0, in a missing bar, not zero (1 such"),
    ],
)
def test_a_missing_bar_repeats_the_last_close_without_volume(column: str, value: float, words: str) -> None:
    values = getattr(holed(), column).copy()
    values[1, 1] = value
    with pytest.raises(InputError) as caught:
        holed(**{column: values})
    assert str(caught.value).startswith(f"B: {words}")


def test_a_missing_bar_at_another_price_than_the_last_close_is_refused() -> None:
    four = {column: getattr(holed(), column).copy() for column in ("open", "high", "low", "close")}
    for values in four.values():
        values[1, 1] = 16.0
    with pytest.raises(InputError, match=r"^B: open on 2020-01-03 is 16\.0, in a missing bar, not .* 15\.0"):
        holed(**four)


def test_the_first_bar_may_be_missing_in_a_part_but_has_one_price_even_there() -> None:
    part = holed().rows(1, 2)
    assert part.missing.tolist() == [[False, True], [False, False]]
    high = part.high.copy()
    high[0, 1] = 15.5
    with pytest.raises(InputError, match=r"high on 2020-01-03 is 15\.5, in a missing bar"):
        replace(part, high=high)


@pytest.mark.parametrize(
    ("missing", "words"),
    [
        (np.zeros((2, 2), dtype=bool), r"missing has shape \(2, 2\), expected \(3, 2\)"),
        (np.zeros((3, 2)), "missing holds float64, expected bool"),
        (np.array([[False, False], [True, True], [False, False]]), "no symbol has a bar on 2020-01-03"),
    ],
)
def test_a_mask_that_is_none_is_refused(missing: Any, words: str) -> None:
    with pytest.raises(InputError, match=words):
        make(missing=missing)


def test_missing_bars_that_repeat_a_fault_are_not_counted_with_it() -> None:
    close, missing = make().close.copy(), np.zeros((3, 2), dtype=bool)
    close[:, 1], missing[1:, 1] = np.nan, True
    with pytest.raises(
        InputError, match=r"^B: close on 2020-01-02 is nan, not a finite number \(1 such rows"
    ):
        make(close=close, missing=missing)


def test_rounding_of_adjusted_prices_is_forgiven_and_nothing_more() -> None:
    make(**spoiled("close", 20.0 * (1 + 5e-10)))
    with pytest.raises(InputError, match="above the high"):
        make(**spoiled("close", 20.0 * (1 + 5e-9)))


# What they are


def test_bars_cannot_be_changed_from_inside_or_outside() -> None:
    mine = np.array([[1.5, 15.0], [1.2, 12.0], [1.4, 14.0]])
    bars = make(close=mine)
    mine[0, 0] = 99.0
    assert bars.close[0, 0] == 1.5
    for column in ("timestamps", *COLUMNS, "missing"):
        with pytest.raises(ValueError, match="read-only"):
            getattr(bars, column)[0] = getattr(bars, column)[1]
    with pytest.raises(FrozenInstanceError):
        bars.close = mine


def test_length_types_and_text() -> None:
    bars = make(source="prices.csv")
    assert len(bars) == 3
    assert bars.timestamps.dtype == "datetime64[us]"
    assert {getattr(bars, column).dtype for column in COLUMNS} == {np.dtype("float64")}
    assert repr(bars) == "Bars(A, B: 3 adjusted bars, 2020-01-02 .. 2020-01-06, from prices.csv)"


def test_a_notebook_shows_each_symbol_and_escapes_what_it_shows() -> None:
    shown = make(symbols=("A", "<b>"), source="<i>")._repr_html_()
    assert "<b>" not in shown and "<i>" not in shown
    assert "&lt;b&gt;" in shown and "&lt;i&gt;" in shown
    assert "15" in shown


def test_a_notebook_shows_how_many_bars_are_a_symbols_own_and_the_mean_volume_of_these() -> None:
    shown = pd.read_html(io.StringIO(holed()._repr_html_()), index_col=0)[0]
    assert shown["bars"].tolist() == [3, 2]
    assert shown["mean volume"].tolist() == [133.333, 20.0]  # 400 / 3 and (10 + 30) / 2


def test_the_fingerprint_changes_with_every_number_and_label_but_not_with_the_source() -> None:
    same = {make().fingerprint, make(source="elsewhere").fingerprint, make(adjusted=True).fingerprint}
    others = [make(**spoiled(column, getattr(make(), column)[2, 0] * 1.001, 2, 0)) for column in COLUMNS]
    others += [make(symbols=("A", "C"))]
    others += [make(timestamps=make().timestamps + np.timedelta64(1, "us"))]
    assert len(same) == 1
    assert len(same | {bars.fingerprint for bars in others}) == 1 + len(others)
    assert len(make().fingerprint) == 64


def test_the_fingerprint_of_bars_without_missing_ones_is_the_one_that_runs_have_written_down() -> None:
    assert make().fingerprint == "088f0c37ed7e6ef70c4a105d029480e1a0ce6ec673d6f7c83155f18c13918447"
    assert make(missing=np.zeros((3, 2), dtype=bool)).fingerprint == make().fingerprint


def test_the_fingerprint_knows_a_missing_bar_from_one_that_did_not_move() -> None:
    assert holed().fingerprint != holed(missing=np.zeros((3, 2), dtype=bool)).fingerprint


# Parts of them


@pytest.mark.parametrize(
    ("start", "end", "first", "last", "count"),
    [
        (None, None, "2008-12-01", "2010-02-28", 455),
        ("2009", "2009", "2009-01-01", "2009-12-31", 365),
        ("2009-02", "2009-02", "2009-02-01", "2009-02-28", 28),
        ("2009-12-31", "2010-01-01", "2009-12-31", "2010-01-01", 2),
        (None, "2008-12-31", "2008-12-01", "2008-12-31", 31),
        ("2010-01-15", None, "2010-01-15", "2010-02-28", 45),
        ("1900", "2100", "2008-12-01", "2010-02-28", 455),
    ],
)
def test_a_span_includes_both_of_its_ends(
    start: str | None, end: str | None, first: str, last: str, count: int
) -> None:
    bars = at(pd.date_range("2008-12-01", "2010-02-28")).between(start, end)
    assert (len(bars), bars.span) == (count, f"{first} .. {last}")


def test_a_day_at_the_end_of_a_span_of_hourly_bars_is_included_whole() -> None:
    bars = at(pd.date_range("2019-01-01", "2019-01-05", freq="h")).between("2019-01-02", "2019-01-03")
    assert bars.span == "2019-01-02 .. 2019-01-03 23:00:00"


def test_a_span_cuts_every_column_alike() -> None:
    bars = make(source="s", adjusted=False)
    part = bars.between("2020-01-03", None)
    for column in COLUMNS:
        np.testing.assert_array_equal(getattr(part, column), getattr(bars, column)[1:])
    assert (part.symbols, part.adjusted, part.source) == (bars.symbols, False, "s")


@pytest.mark.parametrize(
    ("start", "end"), [("2030", None), (None, "1999"), ("2020-01-06", "2020-01-02"), ("2020-01-06", None)]
)
def test_a_span_with_fewer_than_two_bars_is_refused_with_the_span_there_is(
    start: str | None, end: str | None
) -> None:
    with pytest.raises(InputError, match=r"A, B: fewer than 2 bars from .* 2020-01-02 \.\. 2020-01-06$"):
        make().between(start, end)


@pytest.mark.parametrize(
    "text",
    [
        "tomorrow",
        "now",
        "",
        "5",
        "2009-13-01",
        "2009-02-30",
        "2009Q2",
        "13/02/2009",
        "2009-12-31Z",
        "9999",
        "NaT",
    ],
)
def test_a_date_that_cannot_be_read_is_refused_with_an_example(text: str) -> None:
    for start, end in ((text, None), (None, text)):
        with pytest.raises(InputError, match="is not a date: write it as 2009-12-31"):
            make().between(start, end)


def test_select_takes_symbols_in_the_order_asked_for() -> None:
    bars = make().select(["B", "A"])
    assert bars.symbols == ("B", "A")
    np.testing.assert_array_equal(bars.close[0], [15.0, 1.5])
    np.testing.assert_array_equal(make().select(["B"]).volume, [[10.0], [20.0], [30.0]])


def test_parts_know_what_is_missing_in_them() -> None:
    bars = holed()
    assert bars.between("2020-01-03", None).missing.tolist() == [[False, True], [False, False]]
    assert bars.rows(0, 1).missing.tolist() == [[False, False], [False, True]]
    assert bars.select(["B", "A"]).missing.tolist() == [[False, False], [True, False], [False, False]]


def test_select_drops_the_bars_that_all_selected_symbols_miss() -> None:
    alone = holed().select(["B"])
    assert alone.timestamps.astype("datetime64[D]").astype(str).tolist() == ["2020-01-02", "2020-01-06"]
    np.testing.assert_array_equal(alone.open, [[10.0], [12.0]])
    assert not alone.missing.any()
    assert holed().select(["A"]).fingerprint == make().select(["A"]).fingerprint


def test_select_says_which_symbols_there_are() -> None:
    with pytest.raises(InputError, match="no symbol 'Z'; there are A, B"):
        make().select(["Z"])


def test_frames_of_one_and_of_several_symbols_lead_back_to_the_same_bars() -> None:
    one = make().select(["B"])
    assert list(one.to_frame().columns) == list(COLUMNS)
    assert one.to_frame().index.name == "date"
    assert Bars.from_frame(one.to_frame(), symbol="B").fingerprint == one.fingerprint
    assert list(make().to_frame().columns) == ["date", "symbol", *COLUMNS]
    assert Bars.from_frame(make().to_frame()).fingerprint == make().fingerprint


def test_missing_bars_are_left_out_of_a_frame_and_found_again() -> None:
    bars = holed()
    frame = bars.to_frame()
    assert [(str(row.date.date()), row.symbol) for row in frame.itertuples()] == [
        ("2020-01-02", "A"),
        ("2020-01-03", "A"),
        ("2020-01-06", "A"),
        ("2020-01-02", "B"),
        ("2020-01-06", "B"),
    ]
    assert Bars.from_frame(frame).fingerprint == bars.fingerprint


def test_a_frame_that_does_not_say_whose_prices_it_holds_is_refused() -> None:
    with pytest.raises(InputError, match="no symbol column"):
        Bars.from_frame(make().select(["A"]).to_frame())


# Their calendar


@pytest.mark.parametrize(
    ("timestamps", "expected"),
    [
        (pd.bdate_range("2020-01-01", "2021-01-01"), 252),
        (pd.bdate_range("2020-01-06", periods=4), 252),
        (pd.to_datetime(["2020-01-03", "2020-01-06"]), 252),  # Friday and Monday
        (pd.date_range("2020-01-01", "2021-01-01"), 365),
        (pd.date_range("2020-01-01", periods=10), 365),
        (pd.date_range("2020-01-01", "2020-03-01", freq="h"), 8760),
        (pd.date_range("2020-01-06 00:00", "2020-01-07 23:00", freq="h"), 8760),  # two whole weekdays
        (pd.date_range("2020-01-01", "2020-03-01", freq="4h"), 365 * 6),
        (pd.date_range("2020-01-01", "2020-01-10", freq="min"), 365 * 24 * 60),
        (pd.date_range("2020-01-03", "2021-01-01", freq="W-FRI"), 52),
        (pd.date_range("2020-01-04", "2021-01-01", freq="W-SAT"), 52),
        (pd.date_range("2020-01-31", "2021-12-31", freq="ME"), 12),
        (pd.bdate_range("2020-01-01", "2021-12-31", freq="BMS"), 12),
        (pd.date_range("2018-01-01", "2021-12-31", freq="QS"), 4),
        (pd.date_range("2000-12-31", "2021-12-31", freq="YE"), 1),
    ],
)
def test_periods_per_year_of_regular_calendars(timestamps: pd.DatetimeIndex, expected: float) -> None:
    assert at(timestamps).periods_per_year == pytest.approx(expected, rel=1e-12)


def session(first: str, last: str, freq: str, days: str = "B") -> pd.DatetimeIndex:
    """Bars from one time of day to another on each day of four weeks."""
    each = [
        pd.date_range(f"{day:%Y-%m-%d} {first}", f"{day:%Y-%m-%d} {last}", freq=freq)
        for day in pd.date_range("2020-01-06", "2020-01-31", freq=days)
    ]
    return pd.DatetimeIndex(np.concatenate([stamps.to_numpy() for stamps in each]))


def test_periods_per_year_of_stocks_within_the_day_count_the_bars_of_a_session() -> None:
    assert at(session("14:30", "20:30", "h")).periods_per_year == 252 * 7
    assert at(session("14:30", "20:55", "5min")).periods_per_year == 252 * 78


def test_a_short_session_does_not_change_the_count() -> None:
    stamps = session("14:30", "20:30", "h")
    assert at(stamps.delete([3, 4, 5, 6])).periods_per_year == 252 * 7


def test_a_short_span_within_a_week_is_taken_for_crypto_only_if_it_runs_around_the_clock() -> None:
    stamps = session("14:30", "20:30", "h")
    assert at(stamps[:14]).periods_per_year == 252 * 7
    assert at(stamps[:7]).periods_per_year == 252 * 7


def test_an_exchange_that_opens_on_sundays_but_not_on_fridays_is_one_of_stocks() -> None:
    days = pd.date_range("2020-01-01", "2020-06-30")
    assert at(days[~days.day_name().isin(["Friday", "Saturday"])]).periods_per_year == 252


def test_currencies_that_open_on_sunday_evening_do_not_trade_weekends() -> None:
    weekdays = session("00:00", "23:00", "h")
    sundays = session("22:00", "23:00", "h", "W-SUN")
    assert at(weekdays.append(sundays).sort_values()).periods_per_year == 252 * 24


def test_an_evening_bar_of_friday_that_is_saturday_in_utc_does_not_make_a_weekend() -> None:
    weekdays = session("09:00", "23:00", "h")
    saturdays = session("00:00", "00:00", "h", "W-SAT")
    assert at(weekdays.append(saturdays).sort_values()).periods_per_year == 252 * 15


def test_a_stock_beside_a_coin_has_the_calendar_of_the_coin_and_alone_its_own() -> None:
    coin, stock = (
        at(pd.date_range("2020-01-01", "2020-06-30")),
        at(pd.bdate_range("2020-01-01", "2020-06-30")),
    )
    frames = [coin.to_frame().assign(symbol="COIN"), stock.to_frame().assign(symbol="STOCK")]
    both = Bars.from_frame(pd.concat(frames))
    assert (len(both), both.periods_per_year) == (182, 365)
    weekend = pd.DatetimeIndex(both.timestamps).day_of_week >= 5
    assert both.missing.tolist() == [[False, day] for day in weekend.tolist()]
    alone = both.select(["STOCK"])
    assert (len(alone), alone.periods_per_year) == (130, 252)


def test_a_hole_in_crypto_prices_does_not_make_them_stocks() -> None:
    stamps = pd.date_range("2020-01-01", "2020-06-01")
    assert at(stamps.delete(range(20, 60))).periods_per_year == 365
