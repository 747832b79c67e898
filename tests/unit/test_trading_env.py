"""The trading environment: spans, windows, schemes and what an observation holds at an episode's end."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from tests.candles import bars, side_by_side, walk
from tradebot.core import Array, Box, Discrete, InputError
from tradebot.market import env, features, kernel
from tradebot.market.configs import TradingConfig
from tradebot.market.costs import Costs
from tradebot.market.env import TradingEnv
from tradebot.market.rewards import REWARDS
from tradebot.prices.bars import Bars

MARKET = walk(120, seed=4)
TWO = replace(side_by_side(MARKET, walk(120, seed=5)), symbols=("A", "B"))
FREE = Costs(commission_bps=0, half_spread_bps=0)
FLAT = np.zeros((1, kernel.n_columns(1)))


def make(market: Bars = MARKET, **changes: Any) -> TradingEnv:
    """Long or short, observing the last return and the account; bars 20 .. 119."""
    config = {
        key: changes.pop(key)
        for key in list(changes)
        if key in TradingConfig.model_fields and key not in ("window", "reward")
    }
    settings = {"actions": "long-short", "features": ("last_return", *kernel.ACCOUNT_FEATURES)} | config
    given = {"first": 20, "last": len(market) - 1} | changes
    return TradingEnv(market, TradingConfig(**settings), FREE, **given)


def test_costs_by_volume_are_refused_where_one_symbol_has_none() -> None:
    silent = replace(TWO, volume=TWO.volume * [1, 0])
    for costs in (Costs(impact_bps=10), Costs(participation=0.1)):
        env.quotes(TWO, costs)
        with pytest.raises(InputError, match=r"^B: slippage needs a volume, and there is none: --impact-bps"):
            env.quotes(silent, costs)
    env.quotes(silent, FREE)


# ---- spans and scales


def test_a_span_includes_both_its_dates() -> None:
    assert env.span(MARKET, "2020-02-01", "2020-02-10", 20) == (31, 40)


def test_a_span_begins_when_the_features_have_warmed_up() -> None:
    assert env.span(MARKET, None, None, 20) == (20, 119)
    assert env.span(MARKET, "2020-01-15", "2020-02-10", 20) == (20, 40)


def test_a_span_that_the_warm_up_leaves_empty_is_refused() -> None:
    assert env.span(MARKET, None, "2020-01-22", 20) == (20, 21)
    with pytest.raises(
        InputError, match=r"^TEST: fewer than 2 bars from the start to 2020-01-21 once .*20 bars"
    ):
        env.span(MARKET, None, "2020-01-21", 20)


def test_rewards_are_scaled_by_the_deviation_of_the_returns_of_the_span() -> None:
    returns = np.diff(np.log(MARKET.close[30:61, 0]))
    assert env.reward_scale(MARKET, 30, 60) == pytest.approx(1 / returns.std(), rel=1e-12)


@pytest.mark.parametrize("growth", [1.0, 1.01])
def test_prices_without_risk_leave_rewards_as_they_are(growth: float) -> None:
    close = growth ** np.arange(50.0)
    assert env.reward_scale(bars(close, close), 0, 49) == 1.0


# ---- schemes


def test_discrete_schemes_are_targets_and_know_which_action_is_idle() -> None:
    assert make(actions="long-flat").action_space == Discrete(2, idle=0)
    assert make(actions="long-short").action_space == Discrete(3, idle=1)
    assert make(actions="long-flat").requests(np.array([1, 0]), FLAT).tolist() == [[1], [0]]
    assert make(actions="long-short").requests(np.array([2, 0, 1]), FLAT).tolist() == [[1], [-1], [0]]


def test_orders_hold_buy_and_sell_everything() -> None:
    market = make(actions="orders", envs=1)
    assert market.action_space == Discrete(3, idle=0)
    market.reset()
    asked = []
    for action in (0, 1, 0, 1, 2, 0, 2):  # to buy twice or to sell what is not held is to hold
        asked.append(float(market.requests(np.array([action]), market.accounts)[0, 0]))
        market.step(np.array([action]))
        assert market.accounts_left[0, kernel.REQUEST] == asked[-1]
    assert asked == [0, 1, 1, 1, 0, 0, 0]


def test_to_hold_repeats_an_order_of_a_bar_that_the_symbol_lacked() -> None:
    missing = np.zeros((5, 2), dtype=bool)
    missing[2, 1] = True  # the bar in which B was to be sold
    prices = {column: np.full((5, 2), 10.0) for column in ("open", "high", "low", "close")}
    volume = np.where(missing, 0.0, 1.0)
    days = np.datetime64("2020-01-01", "us") + np.arange(5) * np.timedelta64(1, "D")
    market = TradingEnv(
        Bars(days, ("A", "B"), **prices, volume=volume, missing=missing),
        TradingConfig(actions="orders", features=kernel.ACCOUNT_FEATURES, cash=1000.0),
        Costs(fees="free"),
        first=0,
        last=4,
    )
    market.reset()
    asked, held = [], []
    for action in (2, 1, 0, 0):  # all in B, all in A, hold, hold
        asked.append(market.requests(np.array([action]), market.accounts)[0].tolist())
        market.step(np.array([action]))
        held.append(market.accounts_left[0, kernel.UNITS :: kernel.PER_ASSET].tolist())
    assert asked == [[0, 1], [1, 0], [1, 0], [1, 0]]
    # No room for A while B is held; what was asked of A in a bar that A had is dropped.
    assert held == [[0, 100], [0, 100], [0, 0], [0, 0]]


def test_weights_are_clipped_to_their_bounds() -> None:
    market = make(actions="weights")
    assert isinstance(market.action_space, Box) and market.action_space.shape == (1,)
    found = market.requests(np.array([[0.25], [3.0], [-1.5]], np.float32), FLAT)
    assert found.tolist() == [[0.25], [1.0], [-1.0]] and found.dtype == np.float64


def test_of_several_symbols_a_discrete_action_is_one_of_them_or_cash() -> None:
    flat = np.zeros((1, kernel.n_columns(2)))
    assert make(TWO, actions="long-flat").action_space == Discrete(3, idle=0)
    assert make(TWO, actions="long-short").action_space == Discrete(5, idle=2)
    assert make(TWO, actions="orders").action_space == Discrete(4, idle=0)
    found = make(TWO, actions="long-flat").requests(np.arange(3), flat)
    assert found.tolist() == [[0, 0], [1, 0], [0, 1]]
    found = make(TWO, actions="long-short").requests(np.arange(5), flat)
    assert found.tolist() == [[0, -1], [-1, 0], [0, 0], [1, 0], [0, 1]]
    flat[0, kernel.REQUEST :: kernel.PER_ASSET] = 0, 1
    found = make(TWO, actions="orders").requests(np.array([0, 1, 2, 3]), np.repeat(flat, 4, axis=0))
    assert found.tolist() == [[0, 1], [1, 0], [0, 1], [0, 0]]


def test_weights_of_several_symbols_are_scaled_down_to_the_leverage() -> None:
    action = np.array([[0.5, -0.25], [1.0, -1.0], [3.0, 1.0]], np.float32)
    flat = np.zeros((3, kernel.n_columns(2)))
    assert make(TWO, actions="weights").requests(action, flat).tolist() == [
        [0.5, -0.25],
        [0.5, -0.5],
        [0.5, 0.5],
    ]
    levered = make(TWO, actions="weights", leverage=2.0)
    assert levered.action_space.high.tolist() == [2, 2]
    assert levered.requests(action, flat).tolist() == [[0.5, -0.25], [1, -1], [4 / 3, 2 / 3]]


def test_several_symbols_are_observed_one_after_the_other_and_then_the_account() -> None:
    market = make(TWO, features=("last_return", "equity", "position"), actions="long-flat")
    assert market.table.names == ("A: last_return", "B: last_return", "equity", "A: position", "B: position")
    market.reset()
    step = market.step(np.array([2]))
    one, other = (np.log(TWO.close[21] / TWO.close[20]) / features.volatility(TWO, 20)[21]).tolist()
    grown = TWO.close[21, 1] / TWO.open[21, 1]
    assert step.next_obs[0].tolist() == pytest.approx([one, other, math.log(grown), 0.0, 1.0], rel=1e-5)
    assert step.reward[0] == pytest.approx(math.log(grown), rel=1e-12)


# ---- rewards


def test_another_reward_is_made_of_the_log_growth_and_remembers_an_episode() -> None:
    plain = make(first=20, last=30, cash=1000.0)
    sharpe = make(first=20, last=30, cash=1000.0, reward=REWARDS["differential-sharpe"])
    memory = np.zeros((1, 2))
    for market in (plain, sharpe):
        market.reset()
    for t in range(25):  # two episodes and a half
        action = np.array([(0, 2, 1)[t % 3]])
        before, after = plain.step(action), sharpe.step(action)
        assert after.reward == pytest.approx(REWARDS["differential-sharpe"].compute(before.reward, memory))
        if after.truncated[0]:
            memory[:] = 0.0


def test_a_reward_that_remembers_goes_on_where_it_was() -> None:
    market, other = (make(reward=REWARDS["differential-sharpe"]) for _ in range(2))
    market.reset()
    for action in (2, 1, 0):
        market.step(np.array([action]))
    other.load_state_dict(market.state_dict())
    assert np.array_equal(market.step(np.array([2])).reward, other.step(np.array([2])).reward)


def test_an_action_that_is_not_a_number_is_an_error_and_not_a_silent_nan() -> None:
    market = make(actions="weights", envs=2)
    market.reset()
    with pytest.raises(FloatingPointError, match="the policy has diverged"):
        market.step(np.array([[0.5], [np.nan]], np.float32))


# ---- windows


def starts(market: TradingEnv, n: int) -> Array:
    """[E x n] first bars of n windows each, told by the last return, which names the bar."""
    table = market.table.market[:, 0]
    found = [np.searchsorted(np.sort(table), market.reset()[:, 0]) for _ in range(n)]
    return np.argsort(table)[np.concatenate(found)]


def test_windows_start_anywhere_in_the_span_and_never_leave_it() -> None:
    found = starts(make(first=30, last=60, window=10, envs=40), 50)
    assert set(found.tolist()) == set(
        range(30, 51)
    )  # 2000 draws of 21 starts; 50 is the last that ends by 60


def test_without_a_window_every_episode_is_the_span() -> None:
    market = make(first=30, last=60, envs=3)
    assert set(starts(market, 5).tolist()) == {30} and market.n_bars == 31


def test_a_window_longer_than_the_span_is_the_span() -> None:
    assert make(first=30, last=60, window=1000).n_bars == 31


def test_the_level_says_which_window_of_the_span_an_episode_started_in() -> None:
    market = make(first=20, last=119, window=10, envs=64)
    obs = market.reset()
    table = market.table.market[:, 0]
    bar = np.argsort(table)[np.searchsorted(np.sort(table), obs[:, 0])]
    for _ in range(10):  # the last of them ends every episode: its level is still that of the old one
        step = market.step(np.ones(64, np.int64))
        assert np.array_equal(step.level, (bar - 20) // 10)
    assert step.truncated.all() and set(step.level.tolist()) == set(range(9))


# ---- the end of an episode


def test_a_cut_off_episode_hands_out_the_true_successor_beside_the_fresh_start() -> None:
    market = make(first=20, last=22)
    start = market.reset()
    market.step(np.array([2]))
    step = market.step(np.array([2]))
    close = MARKET.close[:, 0]
    units = 1 / MARKET.open[21, 0]  # of 1 in cash
    assert step.truncated.tolist() == [True] and step.terminated.tolist() == [False]
    assert (
        step.next_obs[0].tolist()
        == pytest.approx(
            [
                market.table.market[22, 0],
                math.log(units * close[22]),  # equity
                1.0,  # position
                1.0,  # request
                close[22] / max(1 / units, *close[21:23])
                - 1,  # drawdown from the best mark, the cash included
                1 - 1 / (units * close[22]),  # unrealised profit over equity
            ],
            rel=1e-5,
        )
    )
    assert np.array_equal(step.obs, start) and step.obs[0, 1:].tolist() == [0.0] * 5


def test_ruin_ends_the_episode_for_good_and_starts_a_fresh_one() -> None:
    close = [10.0, 10.0, 25.0, 25.0, 25.0]
    market = make(bars([10.0, *close[:-1]], close), features=("equity", "request"), first=0, cash=1000.0)
    start = market.reset()
    market.step(np.array([0]))
    step = market.step(np.array([0]))
    assert step.terminated.tolist() == [True] and step.truncated.tolist() == [False]
    assert step.reward[0] == pytest.approx(math.log(env.RUIN))
    assert step.next_obs.tolist() == [[-5.0, 0.0]]  # nothing is left, and nothing asked for
    assert np.array_equal(step.obs, start) and market.equity.tolist() == [1000.0]


def test_ruin_at_the_last_bar_is_ruin_and_not_a_cut() -> None:
    close = [10.0, 10.0, 25.0]
    market = make(bars([10.0, *close[:-1]], close), features=("equity",), first=0)
    market.reset()
    market.step(np.array([0]))
    step = market.step(np.array([0]))
    assert step.terminated.tolist() == [True] and step.truncated.tolist() == [False]


# ---- refusals


@pytest.mark.parametrize(("first", "last"), [(19, 50), (50, 50), (20, 120)])
def test_bars_that_are_no_span_are_refused(first: int, last: int) -> None:
    with pytest.raises(ValueError, match=re.escape(f"bars {first}..{last} are not a span within 20..119")):
        make(first=first, last=last)


def test_a_table_that_is_there_is_not_computed_again() -> None:
    table = features.table(MARKET, ("rsi",), 20)
    assert make(table=table).table is table


# ---- accounts that go from one environment to the next


@pytest.mark.parametrize("actions", ["long-flat", "long-short", "orders", "weights"])
@pytest.mark.parametrize("market", [MARKET, TWO], ids=["one", "two"])
def test_every_scheme_can_go_to_cash(actions: str, market: Bars) -> None:
    world = make(market, actions=actions, seeds=(0, 1))
    world.reset()
    asked = world.requests(world.to_cash, world.accounts)
    assert (asked == np.zeros((2, len(market.symbols)))).all()


def test_an_account_that_is_taken_over_goes_on_as_if_nothing_had_happened() -> None:
    whole, first, second = make(), make(last=60), make(first=60)
    rng = np.random.default_rng(1)
    moves = rng.integers(0, 3, (99, 1))
    whole.reset()
    first.reset()
    for t in range(40):
        seen, step = whole.step(moves[t]), first.step(moves[t])
    obs = second.take_over(first.accounts_left)
    assert (obs == step.next_obs).all() and (obs == seen.next_obs).all()
    for t in range(40, 99):
        one, other = whole.step(moves[t]), second.step(moves[t])
        assert (one.next_obs == other.next_obs).all() and one.reward == other.reward
