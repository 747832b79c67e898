"""Evaluation plays whole episodes without exploring or learning, and comes to an end everywhere."""

from __future__ import annotations

import numpy as np
import pytest

from tests.unit.test_loop import Counter, Recorder
from tradebot.core import Array, Rollout, Step
from tradebot.rl.configs import RunConfig
from tradebot.rl.evaluate import SEED, play


class Endless(Counter):
    """The same rewards 1, 2, 1, ... but environment 1, the second of the first member, never ends."""

    def step(self, action: Array) -> Step:
        step = super().step(action)
        return step._replace(truncated=step.truncated & (np.arange(self.n_envs) != 1))


def test_one_episode_of_each_environment_is_played_without_exploring_or_learning() -> None:
    agent = Recorder(Rollout(1))
    played = play(agent, Counter(4), 2)
    # Episodes of 2, 3, 4, 5 steps with rewards 1, 2, 1, ...
    assert played.returns.tolist() == [[3.0, 4.0], [6.0, 7.0]]
    assert played.steps.tolist() == [[2, 3], [4, 5]]
    assert not played.cut.any()
    assert played.terminated.tolist() == [[True, False], [True, False]]
    assert agent.explored == [False] * 5
    assert not agent.batches


def test_an_episode_without_an_end_is_cut_off_and_told() -> None:
    played = play(Recorder(Rollout(1)), Endless(4), 2, longest=7)
    # Its counter wraps at 3 steps: rewards 1, 2, 1, 1, 2, 1, 1 until the seventh step.
    assert played.returns.tolist() == [[3.0, 9.0], [6.0, 7.0]]
    assert played.cut.tolist() == [[False, True], [False, False]]


def test_an_episode_that_ends_at_the_longest_step_is_not_cut() -> None:
    assert play(Recorder(Rollout(1)), Counter(2), 1, longest=3).cut.tolist() == [[False, False]]
    assert play(Recorder(Rollout(1)), Counter(2), 1, longest=2).cut.tolist() == [[False, True]]


def test_progress_counts_finished_episodes_of_all_members() -> None:
    told: list[tuple[int, int]] = []
    play(Recorder(Rollout(1)), Counter(4), 2, progress=lambda done, total: told.append((done, total)))
    assert told == [(0, 4), (1, 4), (2, 4), (3, 4), (4, 4)]  # episodes end at the steps 2, 3, 4 and 5


def test_a_watcher_sees_the_beginning_and_every_step_of_who_is_still_playing() -> None:
    seen: list[int] = []
    play(Recorder(Rollout(1)), Counter(4), 2, watch=lambda running: seen.append(int(running.sum())))
    assert seen == [4, 4, 4, 3, 2, 1]  # all begin; episodes take 2, 3, 4 and 5 steps


def test_no_training_can_have_the_seeds_of_an_evaluation() -> None:
    RunConfig(seed=1_000_000_000, seeds=1024)
    for beyond in ({"seed": 1_000_000_001}, {"seeds": 1025}):
        with pytest.raises(ValueError):
            RunConfig(**beyond)
    assert SEED > 1_000_000_000 + 1024
