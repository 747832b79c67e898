"""Environments side by side: each goes its own way, and members are what they would be alone."""

from __future__ import annotations

import numpy as np
import pytest

from tests.candles import walk
from tradebot.agents.configs import A2CConfig
from tradebot.agents.registry import create
from tradebot.api.threads import one_thread
from tradebot.core import State
from tradebot.envs.configs import RingConfig
from tradebot.envs.joined import JoinedEnv
from tradebot.envs.ring import RingEnv
from tradebot.market.configs import TradingConfig
from tradebot.market.costs import Costs
from tradebot.market.env import TradingEnv
from tradebot.rl import checkpoint, loop

SEEDS, ENVS = (3, 4), 2
CONFIG = TradingConfig(features=("last_return", "position"), window=20)


def market(seed: int, seeds: tuple[int, ...] = SEEDS) -> TradingEnv:
    return TradingEnv(
        walk(200, seed=seed), CONFIG, Costs(), first=30, last=150 + seed, seeds=seeds, envs=ENVS, window=20
    )


def joined() -> JoinedEnv:
    return JoinedEnv([market(k) for k in range(3)], len(SEEDS))


def test_each_part_goes_its_own_way() -> None:
    env, parts = joined(), [market(k) for k in range(3)]
    obs, alone = env.reset(), [part.reset() for part in parts]
    generator = np.random.default_rng(0)
    for _ in range(50):
        shown = obs.reshape(2, 3, ENVS, -1)
        for k, each in enumerate(alone):
            assert np.array_equal(shown[:, k].reshape(each.shape), each)
        action = generator.integers(0, 2, env.n_envs)
        step = env.step(action)
        moves = action.reshape(2, 3, ENVS)
        steps = [part.step(moves[:, k].reshape(-1)) for k, part in enumerate(parts)]
        for name in ("reward", "terminated", "truncated", "next_obs"):
            value = getattr(step, name).reshape(2, 3, ENVS, -1)
            for k, other in enumerate(steps):
                assert np.array_equal(value[:, k].reshape(-1), getattr(other, name).reshape(-1))
        obs, alone = step.obs, [other.obs for other in steps]


def learned(env: JoinedEnv | TradingEnv, seeds: list[int]) -> State:
    config = A2CConfig(envs=ENVS, hidden=(8,))
    with one_thread():
        agent = create(config, env.observation_space, env.action_space, seeds, 400)
        for _ in loop.train(agent, env, loop.memory_for(agent, env, seeds, 400), len(seeds), 400):
            pass
    return agent.state_dict()


def test_a_member_alone_is_what_it_is_in_company() -> None:
    seeds = [10 * seed + k for seed in SEEDS for k in range(3)]
    together = learned(joined(), seeds)
    alone = learned(market(2, (4,)), [42])
    np.testing.assert_equal(checkpoint.split(together, 6, 5, 6), alone)


def test_its_state_is_all_that_it_needs_to_go_on() -> None:
    one, other = joined(), joined()
    one.reset()
    other.reset()
    generator = np.random.default_rng(1)
    for _ in range(30):
        last = one.step(generator.integers(0, 2, one.n_envs))
    assert np.array_equal(other.load_state_dict(one.state_dict()), last.obs)
    action = generator.integers(0, 2, one.n_envs)
    for before, after in zip(one.step(action), other.step(action), strict=True):
        assert np.array_equal(before, after)


def test_parts_that_do_not_fit_are_refused() -> None:
    ring = RingEnv(RingConfig(), SEEDS, ENVS)
    with pytest.raises(ValueError, match="must show as much"):
        JoinedEnv([market(0), ring], len(SEEDS))
    with pytest.raises(ValueError, match="environments are not"):
        JoinedEnv([market(0), market(1, (3,))], len(SEEDS))
