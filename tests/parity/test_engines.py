"""One account, three engines: the backtest beside backtesting.py and vectorbt, at every bar.

`against_engines` says how each of them is made to follow our convention; where one does something else, a
test by hand at the end of each part shows it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Literal

import numpy as np
import pytest
import vectorbt as vbt  # type: ignore[import-untyped]

from tests.candles import bars, side_by_side, walk
from tests.parity import against_engines as engines
from tests.parity.against_engines import Account
from tradebot.backtest import engine
from tradebot.backtest.engine import Track
from tradebot.core import Array
from tradebot.market.configs import TradingConfig
from tradebot.market.costs import Costs
from tradebot.prices.bars import Bars
from tradebot.prices.sources import sample
from tradebot.strategies import rules

CASH = 1e5
FREE: dict[str, Any] = {"commission_bps": 0, "half_spread_bps": 0}
SHARES = {"commission_bps": 20, "half_spread_bps": 0, "whole_units": True}
Kind = Literal["long-flat", "short-flat", "long-short"]
KINDS: tuple[Kind, ...] = ("long-flat", "short-flat", "long-short")


def ours(market: Bars, requests: Array, costs: Costs, cash: float = CASH, **rules: Any) -> Track:
    """The account of one member that asks for `requests` [T] or [T, A]."""
    asked = requests.reshape(market.close.shape)
    config = TradingConfig(cash=cash, **rules)
    test = engine.run("x", market, {"x": asked}, {}, market=config, costs=costs, in_sample=False)
    return test.members[0]


def same(found: Track, theirs: Account) -> None:
    """Equity at every bar to 1e-9 of itself; cash and units to 1e-9 of the most there was."""
    assert not found.ruined and not found.called.any()
    np.testing.assert_allclose(found.equity, theirs.equity, rtol=1e-9)
    most = np.abs(found.units).max()
    np.testing.assert_allclose(found.units, theirs.units, rtol=0, atol=1e-9 * most)
    value = np.abs(found.units * found.bars.close).max()
    np.testing.assert_allclose(found.cash, theirs.cash, rtol=0, atol=1e-9 * max(CASH, value))


def signals(n: int, kind: Kind, seed: int) -> Array:
    """Positions that rest for some bars, of those that the kind allows."""
    sides = {"long-flat": [0, 1], "short-flat": [0, -1], "long-short": [-1, 0, 1]}[kind]
    return np.repeat(np.random.default_rng(seed).choice(sides, n // 7 + 1), 7)[:n].astype(float)


def raw(n: int, seed: int) -> Bars:
    return replace(walk(n, seed), adjusted=False)


# ---- backtesting.py: whole shares of raw prices


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", range(5))
def test_backtesting_keeps_the_same_books(kind: Kind, seed: int) -> None:
    """Of the units that we held, which it is told to hold."""
    market = raw(400, seed)
    found = ours(market, 0.9 * signals(400, kind, seed), Costs(**SHARES))
    assert np.count_nonzero(found.traded) > 15 and (found.units % 1 == 0).all()
    held = np.append(found.units[1:, 0], 0.0)
    theirs, _ = engines.backtesting_units(market, held, cash=CASH, commission=20e-4)
    same(found, theirs)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", range(5))
def test_backtesting_finds_the_same_sizes(kind: Kind, seed: int) -> None:
    """It goes in with everything, by its own reckoning, and so do we."""
    market, asked = raw(400, seed), signals(400, kind, seed)
    found = ours(market, engines.all_in(20e-4) * asked, Costs(**SHARES), leverage=1.01)
    assert np.count_nonzero(found.traded) > 15
    theirs, _ = engines.backtesting_signals(market, asked, cash=CASH, commission=20e-4)
    same(found, theirs)


@pytest.mark.parametrize("symbol", ["AAPL", "IBM", "MSFT"])
def test_backtesting_follows_a_rule_on_the_sample_to_the_same_end(symbol: str) -> None:
    """Thirteen years of raw prices, whose splits and dividends it does not know."""
    market = replace(sample.read([symbol], adjusted=False), dividends=np.array(0.0), splits=np.array(1.0))
    asked = rules.sma_cross(market, fast=20, slow=100)
    found = ours(market, engines.all_in(20e-4) * asked, Costs(**SHARES), leverage=1.01)
    assert np.count_nonzero(found.traded) > 20
    theirs, trades = engines.backtesting_signals(market, asked[:, 0], cash=CASH, commission=20e-4)
    same(found, theirs)
    closed = found.trades[found.trades["exit_time"].notna()]
    assert closed["profit"].to_numpy() == pytest.approx(trades["profit"].to_numpy(), rel=1e-9, abs=1e-6)
    assert closed["units"].to_list() == trades["units"].to_list()


COMMISSIONS: dict[str, tuple[dict[str, float], Callable[[float, float], float]]] = {
    "minimum": (
        {"commission_bps": 2, "minimum_commission": 15},
        lambda units, price: max(15.0, 2e-4 * abs(units) * price),
    ),
    "fixed": (
        {"commission_bps": 2, "fixed_per_order": 7},
        lambda units, price: 7.0 + 2e-4 * abs(units) * price,
    ),
    "per share": (
        {"unit_commission": 0.05, "minimum_commission": 50, "commission_cap_bps": 11},
        lambda units, price: min(max(50.0, 0.05 * abs(units)), 11e-4 * abs(units) * price),
    ),
}


@pytest.mark.parametrize("name", COMMISSIONS)
@pytest.mark.parametrize("kind", ["long-flat", "short-flat"])
def test_backtesting_pays_the_same_commission_that_is_no_share_of_the_value(name: str, kind: Kind) -> None:
    """From flat to flat again: a position that was entered in parts is closed in parts by it."""
    market = raw(400, 11)
    given, commission = COMMISSIONS[name]
    sizes = np.random.default_rng(1).uniform(0.1, 0.9, 29) * (1 if kind == "long-flat" else -1)
    asked = np.repeat(np.stack([sizes, 0 * sizes], axis=1).ravel(), 7)[:400]
    found = ours(market, asked, Costs(**{**SHARES, "commission_bps": 0, **given}))
    assert np.count_nonzero(found.traded) > 20
    theirs, _ = engines.backtesting_units(
        market, np.append(found.units[1:, 0], 0.0), cash=CASH, commission=commission
    )
    same(found, theirs)


def test_a_turn_is_one_order_here_and_two_in_backtesting() -> None:
    # 99 long, then 99 short at a price of 10 and 3 for an order: from 1000 we pay 3 and 3, they 3 and 3 + 3.
    market = replace(bars([10] * 4, [10] * 4), adjusted=False)
    costs = Costs(**FREE, whole_units=True, fixed_per_order=3)
    found = ours(market, np.array([1.0, -1.0, -1.0, 0.0]), costs, cash=1000)
    assert found.units[:, 0].tolist() == [0, 99, -99, -99]
    theirs, _ = engines.backtesting_units(
        market, np.array([99, -99, -99, 0]), cash=1000, commission=lambda units, price: 3.0
    )
    assert found.equity.tolist() == [1000, 997, 994, 994]
    assert theirs.equity.tolist() == [1000, 997, 991, 991]


def test_the_spread_is_paid_by_halves_here_and_at_the_entry_in_backtesting() -> None:
    # Mid 10, then 20, spread of 2 %. We buy 50 at 10.10 and sell them at 19.80: 1000 - 505 + 990 = 1485.
    # They buy 50 at 10.20 and sell them at 20: 1000 - 510 + 1000 = 1490. At an even price both pay 10.
    market = replace(bars([10, 10, 20], [10, 10, 20]), adjusted=False)
    costs = Costs(commission_bps=0, half_spread_bps=100, whole_units=True)
    found = ours(market, np.array([0.505, 0.0, 0.0]), costs, cash=1000)
    theirs, _ = engines.backtesting_units(market, np.array([50, 0, 0]), cash=1000, spread=0.02)
    assert found.units[:, 0].tolist() == theirs.units[:, 0].tolist() == [0, 50, 0]
    assert found.equity[-1] == pytest.approx(1485, rel=1e-12)
    assert theirs.equity[-1] == pytest.approx(1490, rel=1e-12)


# ---- vectorbt: one asset


FULL: dict[str, Any] = {"commission_bps": 20, "half_spread_bps": 10, "fixed_per_order": 5}
THEIRS: dict[str, Any] = {"commission": 20e-4, "half_spread": 10e-4, "fixed": 5.0}


def orders(found: Track) -> Array:
    """[T, A] the units that were traded, in the row in which they were decided."""
    return np.append(found.traded[1:], np.zeros((1, found.traded.shape[1])), axis=0)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", range(5))
def test_vectorbt_keeps_the_same_books(kind: Kind, seed: int) -> None:
    market = walk(1000, seed)
    sizes = np.random.default_rng(seed).uniform(0.3, 1.0, 1000 // 7 + 1).repeat(7)[:1000]
    found = ours(market, sizes * signals(1000, kind, seed), Costs(**FULL))
    assert np.count_nonzero(found.traded) > 60
    same(found, engines.vectorbt_orders(market, orders(found), cash=CASH, **THEIRS))


@pytest.mark.parametrize("seed", range(5))
def test_vectorbt_goes_all_in_and_all_out_with_the_same_sizes(seed: int) -> None:
    """Its weight of 1 is cut to what cash can pay for, fixed fee and all: the weight of 1 after fees."""
    market, asked = walk(1000, seed), signals(1000, "long-flat", seed)
    found = ours(market, asked, Costs(**FULL))
    changes = np.where(np.diff(asked, prepend=0) != 0, asked, np.nan)
    same(found, engines.vectorbt_weights(market, changes[:, None], cash=CASH, **THEIRS))


@pytest.mark.parametrize("symbol", ["AAPL", "IBM", "MSFT", "BTC-USD"])
def test_vectorbt_follows_a_rule_on_the_sample_to_the_same_end(symbol: str) -> None:
    market = sample.read([symbol])
    asked = rules.sma_cross(market, fast=20, slow=100)
    found = ours(market, asked, Costs(**FULL))
    changes = np.where(np.diff(asked, axis=0, prepend=0) != 0, asked, np.nan)
    assert np.count_nonzero(found.traded) > 20
    same(found, engines.vectorbt_weights(market, changes, cash=CASH, **THEIRS))


# ---- vectorbt: five assets out of one cash


def five(n: int, seed: int) -> Bars:
    return side_by_side(*[walk(n, 5 * seed + a, move=0.02) for a in range(5)])


def long_only(n: int, seed: int) -> Array:
    """[n, 5] weights that rest for three bars; one row in three is fully invested."""
    generator = np.random.default_rng(seed)
    weights = generator.dirichlet(np.ones(5), n // 3 + 1)
    weights *= generator.choice([1.0, 0.8, 0.3], (len(weights), 1))
    weights[generator.random(weights.shape) < 0.2] = 0.0
    return np.repeat(weights, 3, axis=0)[:n]


def long_short(n: int, seed: int) -> Array:
    """[n, 5] weights of a gross sum up to 1.8; their sum is .8 at most, as vectorbt gives no credit."""
    generator = np.random.default_rng(seed)
    weights = long_only(n, seed)
    sides = generator.choice([-1.0, 1.0], (n // 3 + 1, 5)).repeat(3, axis=0)[:n]
    weights *= 1.8 * sides
    weights[weights.sum(axis=1) > 0.8] *= -1.0
    return weights


@pytest.mark.parametrize("rebalance", [False, True])
@pytest.mark.parametrize("seed", range(4))
def test_vectorbt_shares_cash_over_five_assets_to_the_same_books(rebalance: bool, seed: int) -> None:
    """Sales first: fully invested, there is no cash for what is bought until something else is sold.

    The band leaves out orders so small that a sale would not pay its own fees: vectorbt refuses those.
    """
    market = five(500, seed)
    found = ours(market, long_only(500, seed), Costs(**FULL), rebalance=rebalance, band=0.005)
    both = (found.traded > 0).any(axis=1) & (found.traded < 0).any(axis=1)
    assert both.sum() > 100
    assert found.cash.min() > -1e-6 * CASH
    same(found, engines.vectorbt_orders(market, orders(found), cash=CASH, **THEIRS))


@pytest.mark.parametrize("rebalance", [False, True])
@pytest.mark.parametrize("seed", range(4))
def test_vectorbt_holds_long_and_short_over_five_assets_with_the_same_books(
    rebalance: bool, seed: int
) -> None:
    market = five(500, seed)
    found = ours(market, long_short(500, seed), Costs(**FULL), rebalance=rebalance, band=0.005, leverage=3)
    held = found.units[1:]
    assert ((held > 0).any(axis=1) & (held < 0).any(axis=1)).sum() > 100
    assert (np.sign(held[1:]) * np.sign(held[:-1]) < 0).sum() > 50  # turns
    same(found, engines.vectorbt_orders(market, orders(found), cash=CASH, **THEIRS))


@pytest.mark.parametrize("weights", [long_only, long_short])
@pytest.mark.parametrize("seed", range(3))
def test_vectorbts_weights_are_ours_where_there_are_no_fees(
    weights: Callable[[int, int], Array], seed: int
) -> None:
    market, asked = five(500, seed), weights(500, seed)
    found = ours(market, asked, Costs(**FREE), rebalance=True, leverage=3)
    same(found, engines.vectorbt_weights(market, asked, cash=CASH))


def test_a_weight_is_of_the_equity_after_fees_here_and_before_them_in_vectorbt() -> None:
    # Half of 1005 at a fee of 1 %: we buy 500 worth for 5, and 500 is half of the 1000 left.
    # They buy 502.50 worth, half of 1005, for 5.025.
    market, half = bars([10, 10], [10, 10]), np.array([0.5, 0.5])
    found = ours(market, half, Costs(**{**FREE, "commission_bps": 100}), cash=1005)
    theirs = engines.vectorbt_weights(market, half[:, None], cash=1005, commission=0.01)
    assert found.units[1, 0] == pytest.approx(50.0, rel=1e-12)
    assert found.equity[1] == pytest.approx(1000.0, rel=1e-12)
    assert theirs.units[1, 0] == pytest.approx(50.25, rel=1e-12)
    assert theirs.equity[1] == pytest.approx(999.975, rel=1e-12)


def test_positions_are_cut_to_whole_shares_here_and_orders_in_vectorbt() -> None:
    # 10 held at 10 and no cash, .45 asked for: 4.5 shares. We hold 4 and sell 6; they sell 5 of 5.5.
    market = replace(bars([10] * 3, [10] * 3), adjusted=False)
    found = ours(market, np.array([1, 0.45, 0.45]), Costs(**FREE, whole_units=True), cash=100)
    price = np.full((3, 1), 10.0)
    theirs = vbt.Portfolio.from_orders(
        price,
        np.array([[np.nan], [1.0], [0.45]]),
        price=price,
        size_type="targetpercent",
        size_granularity=1.0,
        init_cash=np.array([100.0]),
    )
    assert found.units[:, 0].tolist() == [0, 10, 4]
    assert theirs.assets()[0].to_list() == [0, 10, 5]
