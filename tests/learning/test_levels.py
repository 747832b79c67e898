"""Prioritized windows change where an agent looks, not what it wants: weights keep the uniform objective."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from tradebot.agents.configs import CONFIGS
from tradebot.agents.registry import create
from tradebot.core import Array, Box, Discrete, Levels, State, Step
from tradebot.rl.loop import memory_for, train

SEEDS, ENVS, STEPS = range(4), 8, 12_000
SHARE = np.array([0.25, 0.75])
PRIZE = np.array([2.0, -1.0])  # of action 1 in each level: 0.5 - 0.75 on average, so action 0 is right


class Lottery:
    """One step an episode. Action 1 pays by the level, which is not seen; action 0 pays nothing."""

    observation_space = Box(np.zeros(1, np.float32), np.ones(1, np.float32))
    action_space = Discrete(2)
    levels = Levels(SHARE, np.ones(2))

    def __init__(self, n_envs: int) -> None:
        self.n_envs = n_envs
        self._next = self._level = np.zeros(self.n_envs, dtype=np.int64)

    def assign(self, level: Array) -> None:
        self._next = level

    def reset(self) -> Array:
        self._level = self._next
        return np.ones((self.n_envs, 1), np.float32)

    def step(self, action: Array) -> Step:
        level, ended = self._level, np.ones(self.n_envs, dtype=bool)
        reward = np.where(action == 1, PRIZE[level], 0.0)
        obs = self.reset()
        return Step(obs, reward, ended, ~ended, obs, level)

    def state_dict(self) -> State:
        return {}

    def load_state_dict(self, state: State) -> Array:
        return self.reset()


@pytest.mark.parametrize("beta", [1.0, 0.0])
@pytest.mark.parametrize("agent", ["a2c", "ppo"])
def test_weights_make_the_uniform_optimum_the_goal_and_without_them_it_is_missed(
    agent: str, beta: float
) -> None:
    settings = {"per": True, "per_alpha": 1.0, "per_beta": beta, "per_floor": 0.25, "per_stale": 0.0}
    learner = trained(agent, n_steps=16, learning_rate=3e-3, **settings)
    action, _ = learner.act(np.ones((len(SEEDS), 1, 1), np.float32), explore=False)
    assert (action == 0).all() == (beta == 1.0)


@pytest.mark.parametrize(("beta", "low", "high"), [(1.0, -0.27, -0.23), (0.0, -0.05, 0.1)])
@pytest.mark.parametrize("agent", ["q-learning", "sarsa"])
def test_a_table_learns_the_uniform_mean_with_weights_alone(
    agent: str, beta: float, low: float, high: float
) -> None:
    """Action 1 is worth 0.25 x 2 - 0.75 x 1 = -0.25, and the mean of 64 members deviates by some 0.004."""
    settings = {"per": True, "per_alpha": 1.0, "per_beta": beta, "per_floor": 0.25, "per_stale": 0.0}
    # It tries both to the end.
    learner = trained(agent, range(64), epsilon_end=1.0, learning_rate=0.01, **settings)
    assert low < learner.q[:, -1, 1].mean() < high


def trained(agent: str, seeds: Sequence[int] = SEEDS, **settings: Any) -> Any:
    env = Lottery(len(seeds) * ENVS)
    config = CONFIGS[agent](envs=ENVS, **settings)
    learner = create(config, env.observation_space, env.action_space, seeds, STEPS)
    for _ in train(learner, env, memory_for(learner, env, seeds, STEPS), len(seeds), STEPS):
        pass
    return learner
