"""One simulator: whatever the prices, requests and costs, the money adds up, in training as in backtests."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from tests.candles import any_bars, bars
from tradebot.backtest import engine
from tradebot.backtest.engine import Track
from tradebot.core import Array
from tradebot.market import kernel
from tradebot.market.configs import ActionScheme, TradingConfig
from tradebot.market.costs import Costs
from tradebot.market.env import RUIN, TradingEnv
from tradebot.prices.bars import Bars

CASH = 1000.0
any_costs = st.builds(Costs, commission_bps=st.floats(0, 500), half_spread_bps=st.floats(0, 500))
any_seed = st.integers(0, 2**32 - 1)
SCHEMES: tuple[ActionScheme, ...] = ("long-flat", "long-short", "weights", "orders")
# A short position that the price runs away from.
SQUEEZE = bars([10, 10, 10, 30, 20, 20], [10, 10, 30, 20, 20, 20])


def any_requests(n: int, seed: int) -> Array:
    """Weights that repeat, turn, rest and drift."""
    generator = np.random.default_rng(seed)
    weights = generator.choice([-1.0, 0.0, 1.0, generator.uniform(-1, 1), generator.uniform(-1, 1)], n)
    return np.where(generator.random(n) < 0.5, weights, generator.choice(weights))


SHORT = next(seed for seed in range(1000) if (any_requests(6, seed)[:2] == -1).all())  # when it does


def simulated(market: Bars, requests: Array, costs: Costs) -> Track:
    test = engine.run(
        "x", market, {"m": requests}, {}, market=TradingConfig(cash=CASH), costs=costs, in_sample=False
    )
    return test.members[0]


@given(any_bars(), any_seed, any_costs)
@example(SQUEEZE, SHORT, Costs())
@settings(deadline=None, max_examples=300)
def test_cash_and_holdings_are_the_equity_at_every_bar(market: Bars, seed: int, costs: Costs) -> None:
    found = simulated(market, any_requests(len(market), seed), costs)
    assert np.array_equal(found.cash + found.units * market.close[:, 0], found.equity)
    assert np.isfinite(found.equity).all() and found.equity[0] == CASH
    assert (found.fees >= 0).all() and (found.fees[found.traded == 0] == 0).all()


@given(any_bars(), any_seed, any_costs)
@settings(deadline=None, max_examples=300)
def test_fills_replayed_give_the_equity(market: Bars, seed: int, costs: Costs) -> None:
    found = simulated(market, any_requests(len(market), seed), costs)
    cash, units = np.full(len(market), CASH), np.zeros(len(market))
    for fill in found.fills.itertuples():
        signed = fill.units if fill.side == "buy" else -fill.units
        cash[fill.bar :] -= signed * fill.price + fill.fee
        units[fill.bar :] += signed
    assert cash + units * market.close[:, 0] == pytest.approx(found.equity, rel=1e-9, abs=1e-9 * scale(found))


@given(any_bars(), any_seed, any_costs)
@settings(deadline=None, max_examples=300)
def test_profits_of_the_trades_add_up_to_the_change_of_equity(market: Bars, seed: int, costs: Costs) -> None:
    found = simulated(market, any_requests(len(market), seed), costs)
    trades = found.trades
    assert trades["profit"].sum() == pytest.approx(found.equity[-1] - CASH, abs=1e-9 * scale(found))
    assert trades["fees"].sum() == pytest.approx(found.fees.sum(), abs=1e-9 * scale(found))
    assert trades["exit_time"].isna().sum() == (found.units[-1] != 0)  # one is open, or none


def scale(track: Track) -> float:
    """The largest sum that moved: what rounding is relative to."""
    return float(max(np.abs(track.equity).max(), np.abs(track.traded * track.bars.open[:, 0]).max()))


@given(any_bars(), any_seed, any_costs, any_costs)
@settings(deadline=None, max_examples=300)
def test_equity_falls_when_costs_rise(market: Bars, seed: int, one: Costs, two: Costs) -> None:
    requests = any_requests(len(market), seed)
    low = Costs(**{key: min(getattr(one, key), getattr(two, key)) for key in Costs.model_fields})
    high = Costs(**{key: max(getattr(one, key), getattr(two, key)) for key in Costs.model_fields})
    cheap, dear = simulated(market, requests, low), simulated(market, requests, high)
    assume(not cheap.ruined and not dear.ruined)  # ruin comes at a bar, not by and by
    assert (dear.equity <= cheap.equity * (1 + 1e-12)).all()
    if high.buy > low.buy + 1e-6 and high.sell > low.sell + 1e-6 and cheap.traded.any():
        assert dear.equity[-1] < cheap.equity[-1]


def stepped(
    market: Bars, scheme: ActionScheme, seeds: list[int], costs: Costs, scale: float = 1.0
) -> tuple[Array, Array, Array]:
    """Accounts, one per seed, side by side in the environment: requests, equity and rewards [T, M].

    Equity and rewards are NaN from ruin on, and the equity at the end, where a fresh episode has begun.
    """
    config = TradingConfig(actions=scheme, features=kernel.ACCOUNT_FEATURES, cash=CASH)
    env = TradingEnv(market, config, costs, first=0, last=len(market) - 1, seeds=seeds, reward_scale=scale)
    shape = (len(market), len(seeds))
    requests, equity, reward = np.zeros(shape), np.full(shape, np.nan), np.full(shape, np.nan)
    actions = np.stack([scheme_actions(scheme, len(market), seed) for seed in seeds], axis=1)
    env.reset()
    equity[0] = env.equity
    alive = np.ones(len(seeds), dtype=bool)
    for t in range(len(market) - 1):
        requests[t] = env.requests(actions[t], env.accounts)
        step = env.step(actions[t])
        reward[t + 1, alive] = step.reward[alive]
        alive &= ~step.terminated
        going_on = alive & ~step.truncated
        equity[t + 1, going_on] = env.equity[going_on]
    return requests, equity, reward


def scheme_actions(scheme: ActionScheme, n: int, seed: int) -> Array:
    weights = any_requests(n, seed)
    if scheme == "weights":
        return weights[:, None].astype(np.float32)
    return (weights > 0).astype(np.int64) if scheme == "long-flat" else np.sign(weights).astype(np.int64) + 1


@pytest.mark.parametrize("scheme", SCHEMES)
@given(market=any_bars(), seed=any_seed, costs=any_costs)
@example(market=SQUEEZE, seed=SHORT, costs=Costs())
@settings(deadline=None, max_examples=150)
def test_the_environment_and_the_backtest_give_the_same_equity_bit_for_bit(
    scheme: ActionScheme, market: Bars, seed: int, costs: Costs
) -> None:
    requests, equity, reward = (column[:, 0] for column in stepped(market, scheme, [seed], costs, scale=3.0))
    found = simulated(market, requests, costs)
    seen = ~np.isnan(equity)
    assert np.array_equal(equity[seen], found.equity[seen])
    assert seen.sum() == (found.ruined or len(market) - 1)
    # The reward shows the bars too that end an episode.
    end = (found.ruined or len(market) - 1) + 1
    growth = np.maximum(found.equity[1:end], RUIN * CASH) / found.equity[: end - 1]
    assert reward[1:end] == pytest.approx(3.0 * np.log(growth), rel=1e-12, abs=1e-14)
    assert np.isnan(reward[end:]).all()


@pytest.mark.parametrize("scheme", ["long-short", "weights"])
def test_the_example_of_a_squeeze_is_one(scheme: ActionScheme) -> None:
    """Else nothing above would be sure to go through ruin."""
    requests, _, reward = stepped(SQUEEZE, scheme, [SHORT], Costs())
    found = simulated(SQUEEZE, requests[:, 0], Costs())
    assert found.ruined == 2 and np.isnan(reward[3:, 0]).all()


@pytest.mark.parametrize("scheme", SCHEMES)
@given(market=any_bars(), seeds=st.lists(any_seed, min_size=2, max_size=6), costs=any_costs)
@settings(deadline=None, max_examples=50)
def test_an_account_in_a_batch_is_the_account_alone_bit_for_bit(
    scheme: ActionScheme, market: Bars, seeds: list[int], costs: Costs
) -> None:
    together = stepped(market, scheme, seeds, costs)
    batch = kernel.simulate(*arguments(market, together[0], costs))
    for k, seed in enumerate(seeds):
        alone = stepped(market, scheme, [seed], costs)
        for one, many in zip(alone, together, strict=True):
            assert np.array_equal(one[:, 0], many[:, k], equal_nan=True)
        for one, many in zip(kernel.simulate(*arguments(market, alone[0], costs)), batch, strict=True):
            assert np.array_equal(one[..., 0], many[..., k])


def arguments(market: Bars, requests: Array, costs: Costs) -> tuple[Any, ...]:
    """Of kernel.simulate."""
    prices = np.ascontiguousarray(market.open[:, 0]), np.ascontiguousarray(market.close[:, 0])
    return *prices, requests, CASH, costs.buy, costs.sell, RUIN * CASH
