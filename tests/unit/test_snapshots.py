"""What worlds say of themselves to be drawn: of now, and of the end of an episode that is over."""

from __future__ import annotations

import numpy as np

from tradebot.envs.configs import MultiAgentConfig, NavigationConfig, RingConfig
from tradebot.envs.multiagent import MultiAgentEnv
from tradebot.envs.navigation import NavigationEnv
from tradebot.envs.one_hot import OneHotEnv
from tradebot.envs.ring import RingEnv


def test_a_ring_shows_where_it_is_and_where_its_episode_ended() -> None:
    env = OneHotEnv(RingEnv(RingConfig(states=50, limit=1), [0], 2))
    first = env.reset().argmax(axis=1)
    step = env.step(np.array([2, 0]))
    ends = (first + np.array([1, -1])) % 50
    for e in range(2):
        assert env.snapshot(e) == {"state": step.obs[e].argmax(), "states": 50}
        assert env.snapshot(e, left=True) == {"state": ends[e], "states": 50}


def test_a_robot_shows_its_map_and_what_it_observes() -> None:
    env = NavigationEnv(NavigationConfig(rays=8), [3], 2)
    obs = env.reset()
    shown = env.snapshot(1)
    way = shown["goal"] - shown["position"]
    assert np.allclose(way / np.linalg.norm(way), obs[1, :2], atol=1e-6)
    assert np.allclose(shown["rays"] / env.config.reach, obs[1, 5:], atol=1e-6)
    assert (shown["size"], shown["obstacles"].shape) == (100.0, (10, 4))


def test_the_end_of_a_way_shows_how_and_where_it_ended_and_not_the_next_map() -> None:
    env = NavigationEnv(NavigationConfig(limit=30), range(40), 1)
    obs, before, outcomes = env.reset(), [env.snapshot(e) for e in range(40)], set()
    for _ in range(30):
        step = env.step(obs[:, :2] / np.abs(obs[:, :2]).max(axis=1, keepdims=True) * 0.2)  # straight on
        for e in range(40):
            shown = {**before[e], **env.snapshot(e, left=True)}
            assert np.array_equal(shown["position"], env.positions_left[e])
            assert np.allclose(shown["rays"] / env.config.reach, step.next_obs[e, 5:], atol=1e-6)
            distance = np.linalg.norm(shown["goal"] - shown["position"])
            assert np.isclose(distance / np.sqrt(2e4), step.next_obs[e, 2], atol=1e-6)
            if step.truncated[e]:
                assert shown["outcome"] == "out of time"
            elif step.terminated[e]:
                assert shown["outcome"] == ("goal" if step.reward[e] > 90 else "collision")
            else:
                assert "outcome" not in shown
            outcomes.add(shown.get("outcome"))
            before[e] = env.snapshot(e)
        obs = step.obs
    assert outcomes == {None, "out of time", "goal", "collision"}


def test_the_end_of_a_rendezvous_shows_where_all_stood_and_not_the_next_start() -> None:
    env = MultiAgentEnv(MultiAgentConfig(limit=2), [0], 2)
    env.reset()
    env.step(np.zeros((4, 2), np.float32))
    before = env.snapshot(3)["positions"]
    env.step(np.zeros((4, 2), np.float32))
    assert np.array_equal(env.snapshot(3, left=True)["positions"], before)
    assert np.array_equal(env.snapshot(3)["positions"], env.positions[0, 1])
    assert not np.array_equal(env.snapshot(3)["positions"], before)
