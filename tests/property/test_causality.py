"""Nothing up to bar t knows the bars after it.

Change them all, and features, observations, actions, fills and equity up to t stay as they were, bit for bit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from typing import NamedTuple

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.candles import side_by_side, walk, with_actions
from tradebot.agents.configs import CONFIGS
from tradebot.agents.registry import create
from tradebot.backtest import engine
from tradebot.core import Agent, Array, Extras, InputError
from tradebot.evidence.audit import check_causal
from tradebot.evidence.futures import corrupted
from tradebot.market import features, synthetic
from tradebot.market.configs import ActionScheme, TradingConfig
from tradebot.market.costs import Costs
from tradebot.market.env import TradingEnv
from tradebot.market.features import MARKET_FEATURES
from tradebot.prices.bars import Bars
from tradebot.prices.sources import sample
from tradebot.prices.validity import PRICES
from tradebot.strategies.rules import RULES, Rule

FIRST, T = 60, 240


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """Several are much slower in networks this small, above all on a busy machine."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@cache
def market(name: str) -> Bars:
    """T bars, real ones from the middle of what there is."""
    if name == "wild":
        return walk(T, seed=2, move=0.2, gap=0.2)
    if name == "raw":
        return with_actions(walk(T, seed=3), seed=4)
    if name == "three":
        return side_by_side(market("AAPL"), market("wild"), market("BTC-USD"))
    bars = synthetic.read(f"synthetic:ar1?n={T}") if name == "ar1" else sample.read([name])
    start = (len(bars) - T) // 2
    return bars.rows(start, start + T - 1)


MARKETS = st.sampled_from(["AAPL", "BTC-USD", "ar1", "wild", "raw"])
ALSO_SEVERAL = st.sampled_from(["AAPL", "BTC-USD", "ar1", "wild", "raw", "three"])
BARS = st.integers(FIRST, T - 3)
SEEDS = st.integers(0, 2**32 - 1)


def is_causal(rows: Callable[[Bars], Array], bars: Bars, t: int, seed: int) -> bool:
    """Whether rows 0 .. t of what is computed from bars stay as they are when the future changes."""
    before, after = rows(bars), rows(corrupted(bars, t, seed))
    return np.array_equal(before[: t + 1], after[: t + 1], equal_nan=True)


# ---- the trap itself


@given(ALSO_SEVERAL, BARS, SEEDS)
@settings(deadline=None, max_examples=20)
def test_the_corruption_changes_every_number_of_the_future_and_none_of_the_past(
    name: str, t: int, seed: int
) -> None:
    bars = market(name)
    other = corrupted(bars, t, seed)
    for column in (*PRICES, "volume"):
        same = getattr(bars, column) == getattr(other, column)
        assert same[: t + 1].all() and not same[t + 1 :].any()


PEEKS: dict[str, Callable[[Bars], Array]] = {
    "the next close": lambda bars: np.roll(bars.close[:, 0], -1),
    "the mean of all": lambda bars: bars.close[:, 0] - bars.close.mean(),
    "the asset that will do best": lambda bars: (bars.close[-1] / bars.close).argmax(axis=1),
    "a centred window": lambda bars: np.convolve(bars.close[:, 0], np.ones(3), "same"),
    "the rank among all": lambda bars: bars.volume[:, 0].argsort().argsort(),
}


@pytest.mark.parametrize("rows", PEEKS.values(), ids=list(PEEKS))
def test_whoever_looks_ahead_is_caught(rows: Callable[[Bars], Array]) -> None:
    assert not is_causal(rows, market("three"), 150, 0)


@pytest.mark.parametrize("rows", PEEKS.values(), ids=list(PEEKS))
@given(seed=SEEDS)
@settings(deadline=None, max_examples=20)
def test_a_person_who_looks_ahead_is_refused_whatever_the_draw(
    rows: Callable[[Bars], Array], seed: int
) -> None:
    with pytest.raises(InputError, match=r"^own\.py:f looks ahead: its row for "):
        check_causal("own.py:f", rows, market("three"), seed)


@given(where=MARKETS, seed=SEEDS)
@settings(deadline=None, max_examples=10)
def test_the_direction_of_the_next_move_alone_is_enough_to_be_refused(where: str, seed: int) -> None:
    """Whatever the true direction, another future or its mirror image goes the other way."""

    def direction(bars: Bars) -> Array:
        return np.append(np.sign(np.diff(bars.close[:, 0])), 0.0)

    with pytest.raises(InputError, match="looks ahead"):
        check_causal("own.py:f", direction, market(where), seed)


@pytest.mark.parametrize("rule", RULES.values(), ids=list(RULES))
@given(where=MARKETS, seed=SEEDS)
@settings(deadline=None, max_examples=5)
def test_nobody_is_accused_of_looking_ahead_who_does_not(rule: Rule, where: str, seed: int) -> None:
    check_causal("own.py:f", rule, market(where), seed)


# ---- features, rules, agents


@pytest.mark.parametrize("name", MARKET_FEATURES)
@given(where=MARKETS, t=st.integers(0, T - 2), seed=SEEDS, lookback=st.sampled_from([2, 20]))
@settings(deadline=None, max_examples=20)
def test_features_are_causal(name: str, where: str, t: int, seed: int, lookback: int) -> None:
    assert is_causal(lambda bars: MARKET_FEATURES[name].compute(bars, lookback), market(where), t, seed)


@given(where=MARKETS, t=st.integers(0, T - 2), seed=SEEDS)
@settings(deadline=None, max_examples=20)
def test_the_table_that_agents_see_is_causal(where: str, t: int, seed: int) -> None:
    assert is_causal(lambda bars: features.table(bars, (), 20).market, market(where), t, seed)


@pytest.mark.parametrize("rule", RULES.values(), ids=list(RULES))
@given(where=ALSO_SEVERAL, t=st.integers(0, T - 2), seed=SEEDS)
@settings(deadline=None, max_examples=15)
def test_rules_are_causal(rule: Rule, where: str, t: int, seed: int) -> None:
    assert is_causal(rule, market(where), t, seed)


@pytest.mark.parametrize("rule", RULES.values(), ids=list(RULES))
@given(t=st.integers(1, T - 2))
@settings(deadline=None, max_examples=15)
def test_a_rule_asks_the_same_of_a_history_that_ends_earlier(rule: Rule, t: int) -> None:
    bars = market("three")
    assert np.array_equal(rule(bars.rows(0, t)), rule(bars)[: t + 1], equal_nan=True)


class Played(NamedTuple):
    """A population's way through the bars FIRST .. T - 1; rows are bars from FIRST on."""

    observations: Array  # [T - FIRST, M, O]
    actions: Array  # [T - FIRST, M] or [T - FIRST, M, A]
    requests: Array  # [T - FIRST, M, A]
    test: engine.Backtest


class Witness:
    """An agent that writes down what it saw and did."""

    def __init__(self, agent: Agent, explore: bool) -> None:
        self.agent = agent
        self.explore = explore
        self.observations: list[Array] = []
        self.actions: list[Array] = []

    def act(self, obs: Array, *, explore: bool) -> tuple[Array, Extras]:
        action, extras = self.agent.act(obs, explore=self.explore)
        self.observations.append(obs[:, 0].copy())
        self.actions.append(action[:, 0].copy())
        return action, extras


def play(bars: Bars, agent: str, actions: ActionScheme) -> Played:
    """A freshly initialised population of three. A2C draws its actions: the likeliest one is to rest."""
    config, costs = TradingConfig(actions=actions), Costs(fees="crypto-taker")
    env = TradingEnv(bars, config, costs, first=FIRST, last=len(bars) - 1, seeds=(0, 1, 2))
    made = create(CONFIGS[agent](envs=1), env.observation_space, env.action_space, (0, 1, 2), steps=1000)
    witness = Witness(made, explore=agent == "a2c")
    requests = engine.policy_requests(witness, env)  # type: ignore[arg-type] # it only acts
    members = {f"seed {m}": requests[m] for m in range(3)}
    span = bars.rows(FIRST, len(bars) - 1)
    test = engine.run(agent, span, members, {}, market=config, costs=costs, in_sample=False)
    asked = requests.swapaxes(0, 1)
    return Played(np.stack(witness.observations), np.stack(witness.actions), asked, test)


AGENTS: list[tuple[str, ActionScheme]] = [
    ("dqn", "long-flat"),
    ("ppo", "weights"),
    ("a2c", "long-short"),
    ("dqn", "orders"),
]


@pytest.mark.parametrize(("agent", "actions"), AGENTS)
@given(where=ALSO_SEVERAL, t=BARS, seed=SEEDS)
@settings(deadline=None, max_examples=15)
def test_agents_and_their_accounts_are_causal(
    agent: str, actions: ActionScheme, where: str, t: int, seed: int
) -> None:
    bars = market(where)
    before, after = play(bars, agent, actions), play(corrupted(bars, t, seed), agent, actions)
    known = t - FIRST + 1  # bars of the span that are known at t
    for one, other in zip(before[:3], after[:3], strict=True):
        assert np.array_equal(one[:known], other[:known])
    for one, other in zip(accounts(before), accounts(after), strict=True):
        assert np.array_equal(one.equity[:known], other.equity[:known])
        fills = [track.fills[track.fills["bar"] < known] for track in (one, other)]
        assert fills[0].equals(fills[1])
    assert not np.array_equal(
        before.observations[known:], after.observations[known:]
    )  # the future did change


@pytest.mark.parametrize(("agent", "actions"), AGENTS)
@given(where=ALSO_SEVERAL, t=st.integers(FIRST + 1, T - 3))
@settings(deadline=None, max_examples=10)
def test_a_history_that_ends_at_a_bar_decides_there_as_a_longer_one(
    agent: str, actions: ActionScheme, where: str, t: int
) -> None:
    """What a signal promises: the request at the last bar is that of the backtest over more bars."""
    bars = market(where)
    short, long = play(bars.rows(0, t), agent, actions), play(bars, agent, actions)
    known = t - FIRST + 1
    for one, other in zip(short[:3], long[:3], strict=True):
        assert len(one) == known and np.array_equal(one, other[:known])
    for one, other in zip(accounts(short), accounts(long), strict=True):
        assert np.array_equal(one.weight, other.weight[:known])


def accounts(played: Played) -> tuple[engine.Track, ...]:
    return played.test.ensemble, *played.test.members


@pytest.mark.parametrize(("agent", "actions"), AGENTS)
def test_these_agents_do_trade(agent: str, actions: ActionScheme) -> None:
    """Else their causality would be no news."""
    assert sum(len(track.fills) for track in accounts(play(market("wild"), agent, actions))) > 10
