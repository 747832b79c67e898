"""The ring: its rewards by hand, and an optimum that value iteration confirms."""

from __future__ import annotations

import numpy as np
import pytest

from tradebot.core import Array
from tradebot.envs.configs import RingConfig
from tradebot.envs.one_hot import OneHotEnv
from tradebot.envs.ring import MOVES, RingEnv, optimum


def at(state: int, states: int = 5) -> RingEnv:
    env = RingEnv(RingConfig(states=states), [0], 1)
    env.load_state_dict({"state": np.array([state]), "time": np.array([0]), "episodes": np.array([1])})
    return env


@pytest.mark.parametrize(
    ("state", "action", "after", "reward"),
    [
        (2, 2, 3, 1.0),
        (2, 1, 2, -1.0),  # staying does not rise
        (2, 0, 1, -1.0),
        (4, 2, 0, -1.0),  # around the ring the number falls
        (0, 0, 4, 1.0),  # and the other way it rises
    ],
)
def test_what_a_step_pays(state: int, action: int, after: int, reward: float) -> None:
    step = at(state).step(np.array([action]))
    assert step.obs.tolist() == [[after]] and step.reward.tolist() == [reward]


@pytest.mark.parametrize("states", [3, 4, 10])
@pytest.mark.parametrize("gamma", [0.0, 0.5, 0.9, 0.99])
def test_value_iteration_confirms_the_optimum(states: int, gamma: float) -> None:
    place, move = np.arange(states)[:, None], MOVES[None, :]
    after = (place + move) % states
    reward = np.where(after > place, 1.0, -1.0)
    value: Array = np.zeros(states)
    for _ in range(4000):
        q = reward + gamma * value[after]
        value = q.max(axis=1)
    best, action = optimum(RingConfig(states=states), gamma)
    assert np.allclose(best, value)
    assert np.allclose(q[np.arange(states), action], value)


def test_the_optimum_earns_its_mean_reward() -> None:
    env = RingEnv(RingConfig(states=10, limit=10_000), [0], 4)
    env.reset()
    rewards = [env.step(np.full(4, 2)).reward for _ in range(1000)]
    assert np.mean(rewards) == pytest.approx((10 - 2) / 10)


def test_networks_see_a_one_where_the_state_is() -> None:
    env = OneHotEnv(at(3))
    step = env.step(np.array([2]))
    assert step.obs.tolist() == [[0, 0, 0, 0, 1]] and step.obs.dtype == np.float32
    assert env.observation_space.shape == (5,)
