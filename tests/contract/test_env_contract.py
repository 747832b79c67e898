"""What every environment promises (`tradebot.core.Env`). A new one joins by a line in CASES."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import pytest

from tests.candles import walk
from tradebot.core import Array, Box, Discrete, Env, Space, Step
from tradebot.envs.configs import MultiAgentConfig, NavigationConfig, PenaltyConfig, RingConfig
from tradebot.envs.games import GameEnv
from tradebot.envs.garleanu_pedersen import GarleanuPedersenEnv, Problem
from tradebot.envs.gym import GymEnv
from tradebot.envs.multiagent import MultiAgentEnv
from tradebot.envs.navigation import NavigationEnv
from tradebot.envs.ring import RingEnv
from tradebot.market.configs import ActionScheme, TradingConfig
from tradebot.market.costs import Costs
from tradebot.market.env import TradingEnv


class Case(NamedTuple):
    """An environment and what is known of it."""

    name: str
    make: Callable[[Sequence[int], int], Env]  # (seeds of the members, environments of each)
    fresh: Callable[[Array], bool]  # whether an observation can be the first of an episode
    ends: set[str]  # how its episodes end under random actions
    steps: int  # in which several of them end
    resumes: bool  # whether its state can be taken and given back
    agents: int = 1  # that share an environment: E = members x agents x environments
    is_one_state: bool = False  # so that no observation tells where an episode begins


WILD = walk(150, seed=1, move=0.4, gap=0.3)  # moves enough to ruin who is short


def trading(actions: ActionScheme) -> Callable[[Sequence[int], int], Env]:
    config = TradingConfig(actions=actions)

    def make(seeds: Sequence[int], envs: int) -> Env:
        return TradingEnv(WILD, config, Costs(), first=60, last=140, seeds=seeds, envs=envs, window=12)

    return make


def gym(name: str) -> Callable[[Sequence[int], int], Env]:
    return lambda seeds, envs: GymEnv(name, seeds, envs)


def fading(seeds: Sequence[int], envs: int) -> Env:
    return GarleanuPedersenEnv(Problem(), seeds=seeds, envs=envs, window=12)


def ring(seeds: Sequence[int], envs: int) -> Env:
    return RingEnv(RingConfig(states=1_000, limit=12), seeds, envs)


def navigation(seeds: Sequence[int], envs: int) -> Env:
    return NavigationEnv(NavigationConfig(limit=12), seeds, envs)


def stood(obs: Array) -> bool:
    """The robot has not acted yet."""
    return not obs[3:5].any()


def meeting(**settings: Any) -> Callable[[Sequence[int], int], Env]:
    config = MultiAgentConfig(limit=12, **settings)
    return lambda seeds, envs: MultiAgentEnv(config, seeds, envs)


def penalty(seeds: Sequence[int], envs: int) -> Env:
    return GameEnv("penalty", PenaltyConfig(), seeds, envs)


def untouched(obs: Array) -> bool:
    """Nothing asked for, nothing held, nothing lost: the account's five features."""
    return not obs[-5:].any()


CASES = [
    Case("long-flat", trading("long-flat"), untouched, {"truncated"}, 40, True),
    Case("long-short", trading("long-short"), untouched, {"truncated", "terminated"}, 40, True),
    Case("weights", trading("weights"), untouched, {"truncated", "terminated"}, 40, True),
    Case("orders", trading("orders"), untouched, {"truncated"}, 40, True),
    Case("ring", ring, lambda obs: 0 <= obs[0] < 1_000, {"truncated"}, 40, True),
    Case("navigation", navigation, stood, {"truncated", "terminated"}, 40, True),
    Case(
        "rendezvous", meeting(agents=3), lambda obs: bool((abs(obs) <= 1).all()), {"truncated"}, 40, True, 3
    ),
    Case("grid", meeting(form="grid", width=50), lambda obs: 0 <= obs[0] < 99**2, {"truncated"}, 40, True, 2),
    Case(
        "spread", meeting(task="spread", agents=3), lambda obs: not obs[:2].any(), {"truncated"}, 40, True, 3
    ),
    Case("penalty", penalty, lambda obs: obs[0] == 0, {"terminated"}, 40, True, 2, is_one_state=True),
    Case("garleanu-pedersen", fading, lambda obs: obs[1] == 0, {"truncated"}, 40, True),
    Case(
        "CartPole-v1", gym("CartPole-v1"), lambda obs: (np.abs(obs) <= 0.05).all(), {"terminated"}, 80, False
    ),
    Case("Taxi-v4", gym("Taxi-v4"), lambda obs: 0 <= obs[0] < 500, {"truncated"}, 210, False),
    Case("Pendulum-v1", gym("Pendulum-v1"), lambda obs: abs(obs[2]) <= 1, {"truncated"}, 210, False),
]
every = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)


def acted(space: Space, key: Sequence[int], steps: int) -> Array:
    """Random actions [steps] or [steps, A] of one environment; some beyond the bounds, which is allowed."""
    generator = np.random.default_rng(key)
    if isinstance(space, Discrete):
        return generator.integers(0, space.n, steps)
    half = 1.1 * (space.high - space.low) / 2
    middle = (space.high + space.low) / 2
    return (middle + half * generator.uniform(-1, 1, (steps, *space.shape))).astype(np.float32)


def played(case: Case, seeds: Sequence[int], envs: int) -> tuple[Array, list[Step]]:
    """First observation and steps; agent i in environment b of the seed s always does the same."""
    env = case.make(seeds, envs)
    actions = [
        acted(env.action_space, [seed, i, b] if i else [seed, b], case.steps)
        for seed in seeds
        for i in range(case.agents)
        for b in range(envs)
    ]
    return env.reset(), [env.step(action) for action in np.stack(actions, axis=1)]


def trajectory(first: Array, steps: list[Step], e: slice) -> list[Array]:
    return [first[e], *(column[e] for step in steps for column in step)]


def same(one: list[Array], other: list[Array]) -> bool:
    return all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


@every
def test_shapes_and_types(case: Case) -> None:
    env = case.make((3, 4), 3)
    assert env.n_envs == 6 * case.agents
    space = env.observation_space
    first, steps = played(case, (3, 4), 3)
    seen = np.int64 if space.low.dtype == np.int64 else np.float32  # a number, or amounts
    assert first.shape == (env.n_envs, *space.shape) and first.dtype == seen
    for step in steps:
        assert step.obs.shape == step.next_obs.shape == first.shape
        assert step.obs.dtype == step.next_obs.dtype == seen
        for column, kind in zip(
            step[1:4] + step[5:], (np.float64, np.bool_, np.bool_, np.int64), strict=True
        ):
            assert column.shape == (env.n_envs,) and column.dtype == kind


@every
def test_observations_lie_in_the_space_and_rewards_are_finite(case: Case) -> None:
    space = case.make((0,), 1).observation_space
    assert isinstance(space, Box)
    first, steps = played(case, (0, 1), 4)
    for obs in (first, *(step.next_obs for step in steps), *(step.obs for step in steps)):
        assert (obs >= space.low).all() and (obs <= space.high).all()
    assert all(np.isfinite(step.reward).all() for step in steps)


@every
def test_an_episode_ends_in_one_way_and_both_ways_happen_that_can(case: Case) -> None:
    _, steps = played(case, range(8), 4)
    terminated, truncated = (
        np.stack([getattr(step, end) for step in steps]) for end in ("terminated", "truncated")
    )
    assert not (terminated & truncated).any()
    assert {
        end for end, seen in (("terminated", terminated), ("truncated", truncated)) if seen.any()
    } == case.ends


@every
def test_a_new_episode_begins_in_the_step_that_ends_the_old_one(case: Case) -> None:
    first, steps = played(case, range(4), 2)
    assert all(case.fresh(obs) for obs in first)
    n_ended = 0
    for step in steps:
        ended = step.terminated | step.truncated
        assert np.array_equal(step.obs[~ended], step.next_obs[~ended])
        assert all(case.fresh(obs) for obs in step.obs[ended])
        n_ended += ended.sum()
        # The successor is the old episode's last observation, which no fresh start equals.
        if not case.is_one_state:
            assert (step.obs[ended] != step.next_obs[ended]).any(axis=1).all()
    assert n_ended >= 8


@every
def test_what_has_been_handed_out_does_not_change_afterwards(case: Case) -> None:
    env = case.make((0,), 4)
    actions = np.stack([acted(env.action_space, [e], case.steps) for e in range(env.n_envs)], axis=1)
    handed = [env.reset(), *(column for action in actions for column in env.step(action))]
    env = case.make((0,), 4)
    copies = [env.reset().copy()]
    for action in actions:
        copies += [column.copy() for column in env.step(action)]
    assert same(handed, copies)


@every
def test_the_same_seeds_give_the_same_and_others_something_else(case: Case) -> None:
    everything = slice(None)
    once, again, other = (
        trajectory(*played(case, seeds, 2), everything) for seeds in ((5, 6), (5, 6), (5, 7))
    )
    assert same(once, again) and not same(once, other)


@every
def test_a_member_alone_is_the_same_as_among_others(case: Case) -> None:
    together, n = played(case, range(3, 8), 3), 3 * case.agents
    for i in range(5):
        assert same(
            trajectory(*together, slice(n * i, n * i + n)), trajectory(*played(case, (3 + i,), 3), slice(n))
        )


@every
def test_an_environment_does_not_depend_on_how_many_stand_beside_it(case: Case) -> None:
    few, many = played(case, (7,), 2), played(case, (7,), 9)
    for i in range(case.agents):
        assert same(trajectory(*few, slice(2 * i, 2 * i + 2)), trajectory(*many, slice(9 * i, 9 * i + 2)))


@pytest.mark.parametrize(
    "case", [case for case in CASES if not case.is_one_state], ids=lambda case: case.name
)
def test_environments_of_a_member_differ(case: Case) -> None:
    first, _ = played(case, (7,), 8)
    assert len(np.unique(first[:8], axis=0)) >= 6  # of 8; two may draw the same window


@pytest.mark.parametrize("case", [case for case in CASES if case.resumes], ids=lambda case: case.name)
@pytest.mark.parametrize("stop", [0, 1, 12, 23])  # in an episode, and at the end of one
def test_a_state_continues_exactly_where_it_was_taken(case: Case, stop: int) -> None:
    env = case.make((0, 1), 3)
    actions = np.stack([acted(env.action_space, [e], case.steps) for e in range(env.n_envs)], axis=1)
    env.reset()
    for action in actions[:stop]:
        env.step(action)
    state = env.state_dict()
    kept = copy.deepcopy(state)
    rest = [env.step(action) for action in actions[stop:]]
    assert same([*state.values()], [*kept.values()])  # what has been taken stands still

    other = case.make((0, 1), 3)
    other.load_state_dict(state)
    again = [other.step(action) for action in actions[stop:]]
    assert same([column for step in rest for column in step], [column for step in again for column in step])
    assert same([*state.values()], [*kept.values()])


@pytest.mark.parametrize("name", ["CartPole-v1", "Pendulum-v1", "Taxi-v4"])
def test_gymnasium_environments_say_what_gymnasium_says(name: str) -> None:
    """Beside a plain loop over the same environment and seed: the true successor is its last word."""
    import gymnasium

    case = next(case for case in CASES if case.name == name)
    first, steps = played(case, (2,), 1)
    env = case.make((2,), 1)
    plain = gymnasium.make(name)
    seed = int(np.random.SeedSequence([2, 0]).generate_state(1)[0])
    assert np.array_equal(first[0], np.atleast_1d(plain.reset(seed=seed)[0]))
    space = env.action_space
    for action, step in zip(acted(space, [2, 0], case.steps), steps, strict=True):
        legal = action if isinstance(space, Discrete) else np.clip(action, space.low, space.high)
        obs, reward, terminated, truncated, _ = plain.step(legal)
        assert np.array_equal(step.next_obs[0], np.atleast_1d(obs)) and step.reward[0] == reward
        assert (step.terminated[0], step.truncated[0]) == (terminated, truncated and not terminated)
        if terminated or truncated:
            obs = plain.reset()[0]
        assert np.array_equal(step.obs[0], np.atleast_1d(obs))
