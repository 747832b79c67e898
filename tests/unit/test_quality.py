"""What the checks find in the shipped sample, and nothing else; what they make of exchanges, and repairs."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from tradebot.core import InputError
from tradebot.prices import exchanges, quality
from tradebot.prices.bars import Bars
from tradebot.prices.repair import repair
from tradebot.prices.sources import sample

SAMPLE = {  # all findings, each looked at
    # Hours without a trade; in one night of 2018 fifteen in a row, which are stale as well.
    ("zero_volume", "warning", "BTC-USD"): (28, "2017-09-25 05:00:00"),
    ("stale", "warning", "BTC-USD"): (14, "2018-08-10 02:00:00"),
    # The four prices of the day before, on another volume: a slip of the source.
    ("stale", "warning", "AAPL"): (1, "2003-01-29"),
    # Apple warned of a bad quarter: -51.9 % on 22 times the volume. Its two splits are in adj_close.
    ("splits", "warning", "AAPL"): (1, "2000-09-29"),
}


def daily(
    exchange: str = "XNYS", symbol: str = "MINE", bars: int = 600, start: str = "2010-01-04"
) -> pd.DataFrame:
    """A random walk on the sessions of an exchange."""
    first = np.datetime64(start)
    sessions = exchanges.calendar(exchange, first, first + 3 * 365).sessions
    days = sessions[sessions >= first][:bars]
    return walk(days.astype("datetime64[us]"), symbol)


def walk(stamps: np.ndarray, symbol: str, seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    close = 80 * np.exp(np.cumsum(rng.normal(0, 0.015, len(stamps))))
    open_ = np.append(80, close[:-1]) * np.exp(rng.normal(0, 0.003, len(stamps)))
    wick = 1 + rng.uniform(0, 0.01, (2, len(stamps)))
    return pd.DataFrame(
        {
            "date": stamps,
            "symbol": symbol,
            "open": open_,
            "high": np.maximum(open_, close) * wick[0],
            "low": np.minimum(open_, close) / wick[1],
            "close": close,
            "volume": rng.uniform(1e5, 2e5, len(stamps)).round(),
        }
    )


def hourly(exchange: str, symbol: str) -> pd.DataFrame:
    known = exchanges.calendar(exchange, np.datetime64("2022-01-01"), np.datetime64("2022-12-31"))
    hour = np.timedelta64(1, "h")
    stamps = [np.arange(start, end, hour) for start, end in zip(known.opens, known.closes, strict=True)]
    return walk(np.concatenate(stamps), symbol)


def found(table: pd.DataFrame, exchange: str = "") -> dict[tuple[str, str], tuple[int, str]]:
    return {(one.check, one.severity): (one.count, one.first) for one in quality.check(table, exchange)}


def test_the_sample_has_these_findings_and_no_others() -> None:
    each = {
        (one.check, one.severity, one.symbol): (one.count, one.first) for one in quality.check(sample.table())
    }
    assert each == SAMPLE


@pytest.mark.parametrize(
    ("exchange", "symbol"),
    [
        ("XNYS", "MINE"),
        ("XLON", "VOD.L"),
        ("XTKS", "7203.T"),
        ("XHKG", "0700.HK"),
        ("XSAU", "2222.SR"),
        ("24/7", "BTC-USD"),
        ("24/5", "EURUSD=X"),
    ],
)
def test_clean_prices_have_no_findings(exchange: str, symbol: str) -> None:
    assert exchanges.exchange_of(symbol).name == exchange
    assert found(daily(exchange, symbol, start="2022-01-03")) == {}
    assert found(hourly(exchange, symbol)) == {}


def test_bars_on_every_day_tell_what_a_plain_ticker_does_not() -> None:
    assert found(daily("24/7", "COIN1")) == {}
    assert ("extra_sessions", "warning") in found(daily("24/7", "COIN1"), "XNYS")


@pytest.mark.parametrize("name", ["BRK-B", "BF.B", "AAPL", "TRUE", "A"])
def test_plain_tickers_are_taken_for_those_of_new_york(name: str) -> None:
    assert exchanges.exchange_of(name) == ("XNYS", True)


@pytest.mark.parametrize(
    ("symbol", "name"),
    [
        ("BTCUSDT", "24/7"),
        ("ETH/EUR", "24/7"),
        ("GBPJPY", "24/5"),
        ("^N225", "XTKS"),
        ("SAP.DE", "XETR"),
        ("GC=F", "CMES"),
        ("RY.TO", "XTSE"),
    ],
)
def test_symbols_tell_their_exchange(symbol: str, name: str) -> None:
    assert exchanges.exchange_of(symbol) == (name, False)


def test_every_exchange_that_a_symbol_can_tell_is_known() -> None:
    for name in {*exchanges._SUFFIXES.values(), *exchanges._INDICES.values(), "CMES"}:
        assert exchanges.named(name).name == name


def test_an_unknown_exchange_is_refused_with_what_was_meant() -> None:
    with pytest.raises(InputError, match=r"unknown exchange 'xnyse': did you mean '.*NYSE?'"):
        exchanges.named("xnyse")


def test_a_calendar_ends_where_nothing_is_known() -> None:
    korea = exchanges.calendar("XKRX", np.datetime64("1950-01-01"), np.datetime64("1990-01-01"))
    assert korea.sessions[0] >= np.datetime64("1956-01-01")
    saudi = exchanges.calendar("XSAU", np.datetime64("1990-01-01"), np.datetime64("1991-01-01"))
    assert len(saudi.sessions) == 0
    assert found(daily(bars=300), "XSAU") == {("calendar", "info"): (1, "2010-01-04")}


def test_forward_fills_are_errors_and_are_repaired() -> None:
    table = daily(bars=100).set_index("date").asfreq("D").ffill().reset_index()
    kinds = found(table)
    assert kinds["forward_fill", "error"][1] == "2010-01-09"
    fixed = repair(table)
    assert fixed.done and found(fixed.table).get(("forward_fill", "error")) is None
    assert quality.errors(quality.check(fixed.table)) == []


@pytest.mark.parametrize(("days", "text"), [(-1, "a day early"), (1, "a day late")])
def test_dates_that_are_a_day_off_are_an_error(days: int, text: str) -> None:
    table = daily()
    findings = quality.check(table.assign(date=table["date"] + pd.Timedelta(days=days)))
    (one,) = [one for one in findings if one.check == "time_zone"]
    assert one.severity == "error" and text in one.about


def test_an_exchange_that_is_open_on_sundays_is_no_error_under_a_plain_ticker() -> None:
    assert quality.errors(quality.check(daily("XSAU", "SABIC", start="2022-01-03"))) == []


def test_hours_of_another_time_zone_and_extended_hours_are_told_apart() -> None:
    table = hourly("XNYS", "AAPL")
    eastern = pd.DatetimeIndex(table["date"]).tz_localize("UTC").tz_convert("America/New_York")
    local = table.assign(date=eastern.tz_localize(None))
    (one,) = quality.check(local)
    assert one.check == "time_zone" and "the time of America/New_York" in one.about
    (one,) = quality.check(table.assign(date=table["date"] - pd.Timedelta(hours=7)))
    assert one.check == "time_zone" and "+7 hours later" in one.about
    early = pd.concat([table, table.iloc[[0]].assign(date=table["date"].iloc[0] - pd.Timedelta(hours=4))])
    assert found(early)["time_zone", "warning"][0] == 1


def test_weekly_bars_among_daily_ones_are_an_error() -> None:
    table = daily()
    is_weekly = (table.index < 300) & (pd.DatetimeIndex(table["date"]).day_of_week != 4)
    assert found(table[~is_weekly])["bar_length", "error"][0] > 40


def test_a_dividend_and_a_split_in_adj_close_are_no_fault_but_a_move_without_one_is() -> None:
    table = daily()
    factor = np.ones(len(table))
    factor[:200] *= 0.99
    table["adj_close"] = table["close"] * factor
    prices = ["open", "high", "low", "close"]
    table.loc[:299, prices] *= 2  # a split of 2 for 1 at row 300
    assert found(table) == {}
    spoiled = table.copy()
    spoiled.loc[100, "adj_close"] *= 1.02
    assert found(spoiled) == {("adjustment", "error"): (1, str(table["date"][100].date()))}
    spoiled = table.copy()
    spoiled.loc[:399, "adj_close"] *= 1.5
    assert ("adjustment", "error") in found(spoiled)


def test_an_adj_close_that_was_rounded_to_cents_is_no_fault() -> None:
    table = daily().assign(adj_close=lambda rows: (rows["close"] * 0.05).round(2))
    assert found(table) == {}


def test_what_is_left_after_a_repair_is_what_was_there_before_the_damage() -> None:
    table = daily()
    damaged = table.copy()
    damaged.loc[100, ["open", "high", "low", "close"]] *= 100
    damaged.loc[200, "high"] = max(damaged.loc[200, ["open", "close"]]) * (1 - 5e-5)
    damaged = pd.concat([damaged, damaged.iloc[[50, 60]]]).sample(frac=1, random_state=0)
    fixed = repair(damaged)
    assert len(fixed.done) == 4
    expected, got = Bars.from_frame(table), Bars.from_frame(fixed.table)
    np.testing.assert_allclose(got.close, expected.close)
    assert np.abs(got.high / expected.high - 1).max() < 0.02
    assert quality.errors(quality.check(fixed.table)) == []


def test_contradicting_rows_are_not_repaired() -> None:
    table = daily()
    twice = pd.concat([table, table.iloc[[10]].assign(volume=1.0)])
    assert ("duplicates", "error") in found(repair(twice).table)


def test_clean_prices_are_left_alone() -> None:
    assert repair(daily()).done == ()
