"""The loop shows an agent what happened and tells of it in events."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tradebot.core import (
    Array,
    Batch,
    Box,
    Discrete,
    Extras,
    Replay,
    Rollout,
    State,
    Step,
    Update,
)
from tradebot.rl.loop import Event, memory_for, train
from tradebot.rl.replay import ReplayBuffer
from tradebot.rl.rollout import RolloutBuffer


class Counter:
    """Environment e has episodes of e + 2 steps: even ones terminate, odd are cut off. Reward: 1 + action.

    The observation is (e, steps of this episode).
    """

    observation_space = Box(np.zeros(2, np.float32), np.full(2, np.inf, np.float32))
    action_space = Discrete(2)

    def __init__(self, n_envs: int) -> None:
        self.n_envs = n_envs
        self.at = np.zeros(n_envs, int)
        self.actions: list[list[int]] = []

    def reset(self) -> Array:
        self.at[:] = 0
        return self._see(self.at)

    def step(self, action: Array) -> Step:
        assert action.shape == (self.n_envs,)
        self.actions.append(action.tolist())
        e = np.arange(self.n_envs)
        self.at += 1
        next_obs = self._see(self.at)
        ended = self.at == e + 2
        self.at[ended] = 0
        even = e % 2 == 0
        return Step(
            self._see(self.at), 1.0 + action, ended & even, ended & ~even, next_obs, np.full(self.n_envs, -1)
        )

    def state_dict(self) -> State:
        return {}

    def load_state_dict(self, state: State) -> Array:
        return self.reset()

    def _see(self, at: Array) -> Array:
        return np.stack([np.arange(self.n_envs), at], -1).astype(np.float32)


class Recorder:
    """Acts by the parity of the steps it sees, and keeps what it is shown."""

    def __init__(self, feed: Rollout | Replay) -> None:
        self.feed = feed
        self.batches: list[Batch] = []
        self.explored: list[bool] = []

    def act(self, obs: Array, *, explore: bool) -> tuple[Array, Extras]:
        self.explored.append(explore)
        return (obs[..., 1] % 2).astype(int), {"seen": obs[..., 1]}

    def update(self, batch: Batch) -> Update:
        self.batches.append(batch)
        number = float(len(self.batches))
        priorities = None if batch.index is None else np.full(batch.reward.shape, number)
        return Update({"number": np.full(len(batch.reward), number)}, priorities)

    def state_dict(self) -> State:
        return {}

    def load_state_dict(self, state: State) -> None: ...


def run(
    feed: Rollout | Replay, members: int, envs: int, steps: int
) -> tuple[Recorder, Counter, list[Event], Any]:
    agent, env = Recorder(feed), Counter(members * envs)
    memory = memory_for(agent, env, range(members), steps)
    return agent, env, list(train(agent, env, memory, members, steps)), memory


def test_the_feed_chooses_the_memory() -> None:
    assert isinstance(run(Rollout(3), 2, 2, 0)[3], RolloutBuffer)
    assert isinstance(run(Replay(64, 8, 0, 1), 2, 2, 0)[3], ReplayBuffer)


@pytest.mark.parametrize(("steps", "expected"), [(0, []), (1, [3]), (3, [3]), (4, [3, 6]), (9, [3, 6, 9])])
def test_steps_count_one_members_transitions_rounded_up(steps: int, expected: list[int]) -> None:
    _, env, events, _ = run(Rollout(2), 2, 3, steps)
    assert [event.step for event in events] == expected
    assert len(env.actions) == len(expected)


def test_actions_reach_the_environment_member_by_member() -> None:
    agent, env, _, _ = run(Rollout(2), 2, 2, 6)
    # Episodes of 2, 3, 4, 5 steps: the step that each environment is in, modulo two.
    assert env.actions == [[0, 0, 0, 0], [1, 1, 1, 1], [0, 0, 0, 0]]
    assert agent.explored == [True] * 3


def test_every_end_of_an_episode_is_told_with_its_member_and_return() -> None:
    _, _, events, _ = run(Rollout(2), 2, 2, 12)
    found = [(event.step // 2, list(event.member), list(event.episode_return)) for event in events]
    # Environments 0 and 1 are member 0's, 2 and 3 member 1's. Rewards are 1, 2, 1, ... in an episode.
    assert found == [
        (1, [], []),
        (2, [0], [3.0]),
        (3, [0], [4.0]),
        (4, [0, 1], [3.0, 6.0]),
        (5, [1], [7.0]),
        (6, [0, 0], [3.0, 4.0]),
    ]


def test_metrics_come_with_the_event_of_their_update() -> None:
    _, _, events, _ = run(Rollout(3), 2, 2, 14)
    assert [event.metrics and event.metrics["number"].tolist() for event in events] == [
        *(None, None, [1.0, 1.0]),
        *(None, None, [2.0, 2.0]),
        None,
    ]


def test_a_rollout_agent_sees_every_transition_once() -> None:
    agent, _, _, _ = run(Rollout(3), 2, 2, 12)
    obs = np.concatenate([batch.obs for batch in agent.batches], 1)
    assert obs.shape == (2, 12, 2)
    # time-major: environments 0, 1 at t = 0, then at t = 1, ...; their episodes have 2 and 3 steps
    assert obs[0].tolist() == [[e, t % (e + 2)] for t in range(6) for e in (0, 1)]
    assert obs[1].tolist() == [[e, t % (e + 2)] for t in range(6) for e in (2, 3)]
    following = np.concatenate([batch.next_obs for batch in agent.batches], 1)
    assert (following[..., 1] == obs[..., 1] + 1).all()  # where an episode ends too
    assert (np.concatenate([batch.extras["seen"] for batch in agent.batches], 1) == obs[..., 1]).all()


def test_an_agent_that_waits_for_the_next_action_is_told_the_one_that_was_taken() -> None:
    agent, env, _, _ = run(Rollout(1, next_action=True), 2, 2, 12)
    assert len(agent.batches) == 5  # of six steps: what follows the last is not known
    for t, batch in enumerate(agent.batches):
        assert batch.next_action is not None
        assert batch.action.ravel().tolist() == env.actions[t]
        assert batch.next_action.ravel().tolist() == env.actions[t + 1]


def test_a_replay_agent_is_fed_and_its_priorities_reach_the_memory() -> None:
    agent, _, events, memory = run(Replay(60, 200, 6, 2, alpha=1.0), 1, 2, 12)
    # steps 2, 4 and 6 fill it, 8, 10 and 12 bring an update each
    assert [event.metrics is not None for event in events] == [False] * 3 + [True] * 3
    assert len(agent.batches) == 3
    assert memory.state_dict()["tree"]["priority"].max() == pytest.approx(3.0, abs=1e-5)


@pytest.mark.parametrize("feed", [Rollout(3), Replay(60, 20, 6, 2, alpha=0.5)])
def test_the_same_seeds_give_the_same_training(feed: Rollout | Replay) -> None:
    first, _, one, _ = run(feed, 2, 2, 40)
    second, _, two, _ = run(feed, 2, 2, 40)
    assert len(one) == len(two)
    for left, right in zip(first.batches, second.batches, strict=True):
        for a, b in zip(left, right, strict=True):
            assert a is b is None or isinstance(a, dict) or np.array_equal(a, b)
