"""Splits and dividends by hand, of one account and of the shipped prices."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tests.accounts import CASH, Case, simulated
from tests.candles import bars, walk
from tradebot.backtest.engine import Track
from tradebot.core import InputError
from tradebot.market import features
from tradebot.market.configs import TradingConfig
from tradebot.market.costs import Costs
from tradebot.market.env import TradingEnv
from tradebot.prices import actions, store
from tradebot.prices.bars import Bars
from tradebot.prices.sources import sample
from tradebot.strategies import rules

FREE = Costs(fees="free")


def acting(prices: list[float], splits: dict[int, float], dividends: dict[int, float]) -> Bars:
    """Bars that open and close at these prices, volume 1."""
    market = bars(prices, prices)
    s, d = np.ones((len(prices), 1)), np.zeros((len(prices), 1))
    for t, value in splits.items():
        s[t] = value
    for t, value in dividends.items():
        d[t] = value
    return replace(market, splits=s, dividends=d, adjusted=False)


def track(market: Bars, asked: list[float], costs: Costs = FREE, **terms: Any) -> Track:
    requests = np.array(asked)[:, None]
    return simulated(Case(market, requests, costs, TradingConfig(cash=CASH, **terms)))


# ---- the account


def test_units_multiply_and_dividends_of_the_new_units_are_cash() -> None:
    # 1000 buys 50 at 20; two for one makes 100 at 10, each of which pays 1.
    found = track(acting([20, 20, 20, 9, 9], {3: 2.0}, {3: 1.0}), [1.0] * 5)
    assert found.units[:, 0].tolist() == [0, 50, 50, 100, 100]
    assert found.cash.tolist() == [1000, 0, 0, 100, 100]
    assert found.equity.tolist() == [1000, 1000, 1000, 1000, 1000]
    assert found.metrics["dividends"] == 100 and found.metrics["fees"] == 0
    assert found.fills["units"].tolist() == [50]


def test_a_short_position_pays_the_dividend() -> None:
    found = track(acting([20, 20, 20, 18], {}, {3: 1.0}), [-1.0] * 4)
    assert found.cash.tolist() == [1000, 2000, 2000, 1950]
    assert found.equity.tolist() == [1000, 1000, 1000, 1050]
    assert found.metrics["dividends"] == -50


def test_part_of_a_whole_share_is_paid_out_at_the_open() -> None:
    # 1000 buys 33 at 30, 10 are left; 3 for 2 makes 49.5 at 20, half a share pays 10.
    found = track(acting([30, 30, 20, 20], {2: 1.5}, {}), [1.0] * 4, Costs(fees="free", whole_units=True))
    assert found.units[:, 0].tolist() == [0, 33, 49, 49]
    assert found.cash.tolist() == [1000, 10, 20, 20] and found.equity[-1] == 1000
    rows = found.fills[["bar", "side", "units", "price", "fee"]].to_numpy().tolist()
    assert rows == [[1, "buy", 33, 30, 0], [2, "sell", 0.5, 20, 0]]


def test_a_trade_is_told_in_shares_of_its_end_and_its_profit_has_the_dividends() -> None:
    found = track(acting([20, 20, 10, 9, 12, 12], {2: 2.0}, {3: 1.0}), [1.0, 1.0, 1.0, 0.0, 0.0, 0.0])
    (trade,) = found.trades.to_dict("records")
    assert (trade["units"], trade["entry_price"], trade["exit_price"]) == (100, 10, 12)
    assert (trade["profit"], trade["dividends"], trade["return"]) == (300, 100, 0.3)


def test_a_repeated_request_holds_through_a_split_and_a_new_one_is_filled_after_it() -> None:
    found = track(acting([20, 20, 5, 5, 5], {2: 4.0}, {}), [0.5, 1.0, 1.0, np.nan, np.nan])
    assert found.units[:, 0].tolist() == [0, 25, 200, 200, 200]  # 25 became 100, and 100 were bought
    assert found.traded[:, 0].tolist() == [0, 25, 100, 0, 0]


def test_a_position_liquidated_on_the_day_of_a_split_is_closed_in_new_shares() -> None:
    found = track(
        acting([20, 20, 11, 5.5, 5.5], {3: 2.0}, {}), [2.0] * 3 + [np.nan] * 2, leverage=2.0, maintenance=0.4
    )
    assert found.called.tolist() == [False, False, True, False, False]
    assert found.traded[:, 0].tolist() == [0, 100, 0, -200, 0] and found.units[3:, 0].tolist() == [0, 0]
    assert found.equity[-1] == pytest.approx(100)


def test_ruin_is_closed_out_in_new_shares() -> None:
    found = track(acting([20, 20, 10, 50], {2: 2.0}, {}), [-1.0] * 4, maintenance=0.0)
    assert found.ruined == 3 and found.fills["units"].tolist() == [50, 100]
    assert found.trades["profit"].sum() == found.equity[-1] - 1000


def test_unrealized_gains_count_the_dividends_and_know_no_split() -> None:
    market = acting([20, 20, 20, 9, 9, 9], {3: 2.0}, {3: 1.0})
    config = TradingConfig(features=("unrealized", "position"), cash=CASH)
    env = TradingEnv(market, config, FREE, first=0, last=5)
    env.reset()
    seen = [env.step(np.array([1])).next_obs[0].tolist() for _ in range(3)]
    assert seen == [[0, 1], [0, 1], [pytest.approx(0, abs=1e-7), pytest.approx(0.9)]]


# ---- what decides


def test_features_and_rules_see_no_split_and_no_dividend() -> None:
    market = walk(300, seed=5)
    splits = np.ones((300, 1))
    splits[[50, 200], 0] = 2.0, 0.25
    later = actions.shares(splits)[-1] / actions.shares(splits)
    prices = {name: getattr(market, name) * later for name in ("open", "high", "low", "close")}
    raw = replace(market, **prices, volume=market.volume / later, splits=splits, adjusted=False)
    # The unit of the volume enters its logarithm, but for the 1 that is added to it.
    seen, plain = (features.table(each, (), 20) for each in (raw, market))
    np.testing.assert_allclose(seen.market, plain.market, atol=1e-4)
    for rule in (rules.sma_cross, rules.momentum, rules.mean_reversion):
        assert np.array_equal(rules.requests(rule, raw, 0, 299), rules.requests(rule, market, 0, 299))


# ---- bars


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"dividends": {2: -1.0}}, "dividends on 2020-01-03 is -1.0, less than zero"),
        ({"dividends": {2: np.nan}}, "not a finite number"),
        ({"dividends": {2: 20.0}}, "dividends on 2020-01-03 is 20.0, not below the last close of 20.0"),
        ({"splits": {1: 0.0}}, "splits on 2020-01-02 is 0.0, not a number of shares above zero"),
        ({"splits": {1: 2.0}, "dividends": {1: 10.0}}, "not below the last close of 10.0"),
    ],
)
def test_what_no_company_does_is_refused(changes: dict[str, dict[int, float]], message: str) -> None:
    with pytest.raises(InputError, match=message):
        acting([20, 20, 20], changes.get("splits", {}), changes.get("dividends", {}))


def test_adjusted_prices_have_no_dividends_of_their_own() -> None:
    market = acting([20, 20, 20], {}, {1: 1.0})
    with pytest.raises(InputError, match="in adjusted prices, which contain it"):
        replace(market, adjusted=True)


def test_an_event_in_a_missing_bar_is_refused() -> None:
    with pytest.raises(InputError, match="in a missing bar"):
        two = acting([20, 20, 20], {}, {1: 1.0})
        absent = np.array([[False, False], [True, False], [False, False]])
        wide = {n: np.hstack([getattr(two, n)] * 2) for n in ("open", "high", "low", "close", "dividends")}
        volume = np.where(absent, 0.0, 1.0)
        Bars(two.timestamps, ("A", "B"), **wide, volume=volume, missing=absent, adjusted=False)


def test_events_are_part_of_the_fingerprint_and_bars_without_keep_theirs() -> None:
    market = bars([20.0, 21.0, 22.5], [21.0, 22.0, 22.0], np.array([100.0, 0.0, 300.0]))
    acts = acting([20, 20, 20], {1: 2.0}, {2: 1.0})
    none = {"dividends": np.array(0.0), "splits": np.array(1.0)}
    assert len({acts.fingerprint, *(replace(acts, **{n: none[n]}).fingerprint for n in none)}) == 3
    assert market.fingerprint.startswith("aceaf91a3899987e")  # from before bars knew events
    assert market.fingerprint == replace(market, dividends=np.zeros((3, 1))).fingerprint


# ---- sources


def test_the_sample_had_these_splits_and_paid_these_dividends() -> None:
    """As the companies did: found in WIKI's adj_close, to the hundredth of a cent."""
    found = {}
    for symbol in ("AAPL", "FB", "GOOG", "IBM", "MSFT", "BTC-USD"):
        raw = sample.read([symbol], adjusted=False)
        days = np.datetime_as_string(raw.timestamps, "D")
        acts = np.flatnonzero(raw.splits[:, 0] != 1.0)
        paid = np.flatnonzero(raw.dividends[:, 0])
        splits = {str(days[t]): float(raw.splits[t, 0]) for t in acts}
        found[symbol] = (splits, dict(zip(days[paid].tolist(), raw.dividends[paid, 0], strict=True)))
    assert found["AAPL"][0] == {"2000-06-21": 2.0, "2005-02-28": 2.0}
    assert found["MSFT"][0] == {"2003-02-18": 2.0}
    assert found["IBM"][0] == {} and found["FB"] == found["GOOG"] == found["BTC-USD"] == ({}, {})
    assert found["AAPL"][1] == pytest.approx(
        {day: 2.65 for day in ("2012-08-09", "2012-11-07", "2013-02-07")}, abs=1e-4
    )
    assert found["MSFT"][1]["2004-11-15"] == pytest.approx(3.08, abs=1e-4)  # 3 once and 0.08 as ever
    assert len(found["IBM"][1]) == 52 and len(found["MSFT"][1]) == 37
    for symbol in ("IBM", "MSFT"):
        cents = 100 * np.array(list(found[symbol][1].values()))
        assert cents == pytest.approx(np.rint(cents), abs=1e-2)


@pytest.mark.parametrize(("symbol", "most"), [("AAPL", 2e-4), ("IBM", 4e-4), ("MSFT", 2e-3), ("GOOG", 1e-7)])
def test_the_total_return_of_the_sample_is_that_of_its_adj_close(symbol: str, most: float) -> None:
    """But for the formula: WIKI reinvests at the close of the ex-date, adjust() at the one before."""
    raw, adjusted = sample.read([symbol], adjusted=False), sample.read([symbol])
    ratio = raw.adjust().close / adjusted.close
    assert ratio / ratio[-1] == pytest.approx(1.0, abs=most)


def test_yahoo_prices_are_raw_again_as_they_were_quoted() -> None:
    frame = pd.DataFrame(
        {
            "date": pd.date_range("2020-01-01", periods=4).astype("datetime64[us]"),
            **{name: [10.0, 10.0, 9.0, 12.0] for name in ("open", "high", "low", "close")},
            "adj_close": [9.0, 9.0, 9.0, 12.0],
            "volume": [100.0, 100.0, 100.0, 100.0],
            "dividends": [0.0, 0.0, 1.0, 0.0],
            "splits": [1.0, 1.0, 1.0, 4.0],
        }
    )
    about = store.Stored(
        "X", "yahoo", "1d", datetime(2026, 1, 2, tzinfo=UTC), None, date(2020, 1, 4), 0, frame
    )
    raw, adjusted = (store.bars([about], adjusted=is_adjusted) for is_adjusted in (False, True))
    assert raw.close[:, 0].tolist() == [40, 40, 36, 12] and raw.volume[:, 0].tolist() == [25, 25, 25, 100]
    assert raw.dividends[:, 0].tolist() == [0, 0, 4, 0] and raw.splits[:, 0].tolist() == [1, 1, 1, 4]
    assert raw.adjust().close[:, 0] == pytest.approx(adjusted.close[:, 0], rel=1e-12)
