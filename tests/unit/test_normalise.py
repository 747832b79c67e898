"""Running statistics: what they are of, when they change, and that they come back."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tradebot.agents.configs import CONFIGS
from tradebot.agents.registry import create
from tradebot.core import Array, Batch, Box, Discrete
from tradebot.rl.normalise import BOUND, Normaliser, Running

ON_POLICY = ("a2c", "ppo", "reinforce", "trpo")


def drawn(seed: int, *shape: int) -> Array:
    return np.random.default_rng(seed).standard_normal(shape)


def rollout(obs: Array, reward: Array, ended: Array | None = None) -> Batch:
    """obs [M, N, O], reward [M, N], ended [M, N] bool: terminated."""
    no = np.zeros(reward.shape, bool)
    over = no if ended is None else ended
    action, level = np.zeros(reward.shape, int), np.full(reward.shape, -1)
    return Batch(obs, action, reward, over, no, obs, None, {}, None, level, None)


def normaliser(members: int = 2, envs: int = 1, *, obs: bool = True, reward: bool = True) -> Normaliser:
    return Normaliser(members, envs, (3,), obs=obs, reward=reward, gamma=0.5)


# ---- statistics


def test_piece_by_piece_they_are_those_of_the_whole() -> None:
    running, values = Running(2, 3), 5.0 + 3.0 * drawn(0, 2, 60, 3)
    for start, stop in ((0, 1), (1, 20), (20, 60)):
        running.learn(values[:, start:stop])
    assert running.count == 60
    np.testing.assert_allclose(running.mean, values.mean(1), rtol=1e-12)
    np.testing.assert_allclose(running.deviation, values.std(1), rtol=1e-6)


def test_large_numbers_keep_their_small_differences() -> None:
    running = Running(1)
    for start in range(0, 1000, 10):
        running.learn(1e8 + np.arange(start, start + 10)[None] % 2)
    assert running.deviation[0] == pytest.approx(0.5, rel=1e-6)  # half of them 0, half 1 above


# ---- observations


def test_observations_come_in_deviations_from_the_mean_of_their_member() -> None:
    both, obs = normaliser(), 5.0 + 3.0 * drawn(1, 2, 500, 3)
    both.learn(rollout(obs, np.zeros((2, 500))))
    seen = both.seen(obs)
    np.testing.assert_allclose(seen.mean(1), 0.0, atol=1e-9)
    np.testing.assert_allclose(seen.std(1), 1.0, rtol=1e-6)
    assert (both.seen(np.full((2, 1, 3), 1e6)) == BOUND).all()


def test_a_feature_that_never_changed_is_zero() -> None:
    both, obs = normaliser(), np.full((2, 50, 3), 7.0)
    both.learn(rollout(obs, np.zeros((2, 50))))
    assert not both.seen(obs).any()


def test_before_anything_was_learned_all_is_as_it_is() -> None:
    fresh, obs = normaliser(), 1e6 * drawn(2, 2, 5, 3)
    assert np.array_equal(fresh.seen(obs), obs)
    assert np.array_equal(fresh.paid(obs[..., 0]), obs[..., 0])


def test_what_was_not_asked_for_is_left_alone() -> None:
    obs, reward = 1e6 * drawn(3, 2, 50, 3), drawn(4, 2, 50)
    neither = normaliser(obs=False, reward=False)
    neither.learn(rollout(obs, reward))
    assert neither.seen(obs) is obs and neither.paid(reward) is reward
    assert neither.state_dict() == {}


# ---- rewards


def test_rewards_come_in_deviations_of_the_discounted_return() -> None:
    one = normaliser(1)
    # gamma .5, an end after the second: returns 4, 4 / 2 + 2 = 4; anew 8, 8 / 2 + 4 = 8: mean 6, deviation 2
    ended = np.array([[False, True, False, False]])
    one.learn(rollout(np.zeros((1, 4, 3)), np.array([[4.0, 2.0, 8.0, 4.0]]), ended))
    np.testing.assert_allclose(one.paid(np.array([[3.0, -1.0, 1e6]])), [[1.5, -0.5, BOUND]], rtol=1e-6)


def test_a_return_goes_on_in_the_next_rollout_and_is_its_environments_own() -> None:
    whole, parts = normaliser(1, 2), normaliser(1, 2)
    reward = drawn(5, 1, 8)  # 4 steps of 2 environments
    ended = np.array([[0, 0, 1, 0, 0, 0, 0, 0]], bool)
    obs = np.zeros((1, 8, 3))
    whole.learn(rollout(obs, reward, ended))
    parts.learn(rollout(obs[:, :2], reward[:, :2], ended[:, :2]))
    parts.learn(rollout(obs[:, 2:], reward[:, 2:], ended[:, 2:]))
    np.testing.assert_allclose(parts.paid(reward), whole.paid(reward), rtol=1e-9)


def test_a_member_alone_is_normalised_as_in_company() -> None:
    obs, reward = drawn(6, 4, 64, 3), drawn(7, 4, 64)
    together = normaliser(4, 2)
    together.learn(rollout(obs, reward))
    for m in range(4):
        alone = normaliser(1, 2)
        alone.learn(rollout(obs[m : m + 1], reward[m : m + 1]))
        assert np.array_equal(alone.seen(obs[m : m + 1]), together.seen(obs)[m : m + 1])
        assert np.array_equal(alone.paid(reward[m : m + 1]), together.paid(reward)[m : m + 1])


def test_the_state_comes_back_and_is_a_copy() -> None:
    one, obs, reward = normaliser(), drawn(8, 2, 40, 3), drawn(9, 2, 40)
    one.learn(rollout(obs, reward))
    state, seen, paid = one.state_dict(), one.seen(obs), one.paid(reward)
    one.learn(rollout(9.0 * obs, 9.0 * reward))
    after = one.seen(obs)
    other = normaliser()
    other.load_state_dict(state)
    assert np.array_equal(other.seen(obs), seen) and np.array_equal(other.paid(reward), paid)
    other.learn(rollout(9.0 * obs, 9.0 * reward))
    assert np.array_equal(other.seen(obs), after)
    assert not np.array_equal(after, seen)


# ---- in an agent


@pytest.mark.parametrize("name", ON_POLICY)
def test_an_agent_sees_alike_during_a_rollout_and_keeps_its_statistics(name: str) -> None:
    """Only an update changes what it makes of an observation; an agent that is loaded makes the same."""
    bound = np.full(3, np.inf)
    settings: dict[str, Any] = {"envs": 2, "hidden": (8,), "n_steps": 4}
    settings |= {"normalise_obs": True, "normalise_reward": True}
    config = CONFIGS[name](**settings)
    spaces = Box(-bound, bound), Discrete(2)
    made: list[Any] = [create(config, *spaces, [0, 1], 100) for _ in range(2)]
    agent, other = made
    obs = 100.0 + drawn(10, 2, 8, 3)
    before = agent._nets.observed(obs)
    agent.act(obs[:, :2], explore=True)
    assert agent._nets.observed(obs).equal(before)
    agent.update(rollout(obs, drawn(11, 2, 8)))
    after = agent._nets.observed(obs)
    assert after[..., :3].mean(1).abs().max() < 1e-3 < before[..., :3].mean(1).abs().min()
    other.load_state_dict(agent.state_dict())
    assert other._nets.observed(obs).equal(after)
