"""The rollout hands out everything once, in order, each member's own."""

from __future__ import annotations

import numpy as np
import pytest

from tradebot.core import Array, Batch, Extras, Rollout, Step
from tradebot.rl.rollout import RolloutBuffer

MEMBERS, ENVS, STEPS = 2, 3, 4
COLUMNS = ("obs", "action", "reward", "terminated", "truncated", "next_obs", "level")


def moment(t: int) -> tuple[Array, Array, Extras, Step]:
    """Arguments of `add` that tell time t and environment e: 10 t + e, its negative, and the like."""
    e = np.arange(MEMBERS * ENVS)
    here = 10.0 * t + e
    extras = {
        "log_prob": -here.reshape(MEMBERS, ENVS),
        "pair": np.stack([here, e], -1).reshape(MEMBERS, ENVS, 2),
    }
    obs = np.stack([here, -here], -1).astype(np.float32)
    step = Step(obs + 0.25, here + 0.5, e == t, e == t + 1, obs + 0.75, e + 100)
    return obs, 10 * t + e, extras, step


def rollouts(buffer: RolloutBuffer, start: int, stop: int) -> list[Batch]:
    found = []
    for t in range(start, stop):
        buffer.add(*moment(t))
        found += list(buffer.batches())
    return found


def test_a_batch_comes_when_the_rollout_is_full_and_then_a_new_one_begins() -> None:
    buffer = RolloutBuffer(Rollout(STEPS), MEMBERS)
    counts = [len(rollouts(buffer, t, t + 1)) for t in range(9)]
    assert counts == [0, 0, 0, 1, 0, 0, 0, 1, 0]


def test_every_transition_comes_once_time_major_within_its_member() -> None:
    first, second = rollouts(RolloutBuffer(Rollout(STEPS), MEMBERS), 0, 2 * STEPS)
    for offset, batch in ((0, first), (STEPS, second)):
        # member 0 has environments 0, 1, 2 and member 1 has 3, 4, 5
        here = np.array(
            [
                [10 * (t + offset) + m * ENVS + b for t in range(STEPS) for b in range(ENVS)]
                for m in range(MEMBERS)
            ]
        )
        t, e = here // 10, here % 10
        assert np.array_equal(batch.obs, np.stack([here, -here], -1))
        assert np.array_equal(batch.next_obs, np.stack([here, -here], -1) + 0.75)
        assert np.array_equal(batch.action, here)
        assert np.array_equal(batch.reward, here + 0.5)
        assert np.array_equal(batch.terminated, e == t)
        assert np.array_equal(batch.truncated, e == t + 1)
        assert np.array_equal(batch.level, e + 100)
        assert np.array_equal(batch.extras["log_prob"], -here)
        assert np.array_equal(batch.extras["pair"], np.stack([here, e], -1))
        assert batch.index is batch.weight is batch.next_action is None


@pytest.mark.parametrize("n_steps", [1, STEPS])
def test_what_was_done_next_comes_a_step_later(n_steps: int) -> None:
    feed = Rollout(n_steps, next_action=True)
    batches = rollouts(RolloutBuffer(feed, MEMBERS), 0, 2 * STEPS + 1)
    assert len(batches) == 2 * STEPS // n_steps
    plain = rollouts(RolloutBuffer(Rollout(n_steps), MEMBERS), 0, 2 * STEPS)
    for batch, expected in zip(batches, plain, strict=True):
        assert all(np.array_equal(getattr(batch, name), getattr(expected, name)) for name in COLUMNS)
        assert all(np.array_equal(batch.extras[name], value) for name, value in expected.extras.items())
        assert batch.next_action is not None
        assert np.array_equal(batch.next_action, batch.action + 10)  # of the same environment, at t + 1


def test_types_stay_what_they_were() -> None:
    (batch,) = rollouts(RolloutBuffer(Rollout(STEPS), MEMBERS), 0, STEPS)
    types = [getattr(batch, name).dtype for name in COLUMNS]
    assert types == [np.float32, np.int64, np.float64, np.bool_, np.bool_, np.float32, np.int64]


def test_an_environment_may_write_over_what_it_gave() -> None:
    buffer = RolloutBuffer(Rollout(2), 1)
    obs, reward, no = np.zeros((1, 1), np.float32), np.zeros(1), np.zeros(1, bool)
    for t in range(2):
        obs[:], reward[:] = t + 1, t + 1
        buffer.add(obs, np.zeros(1, int), {}, Step(obs, reward, no, no, obs, np.zeros(1, int)))
    (batch,) = buffer.batches()
    assert batch.reward.tolist() == [[1.0, 2.0]]
    assert batch.obs.ravel().tolist() == [1.0, 2.0]


def test_a_batch_that_is_kept_does_not_change_with_the_next_rollout() -> None:
    buffer = RolloutBuffer(Rollout(STEPS), MEMBERS)
    (batch,) = rollouts(buffer, 0, STEPS)
    kept = batch.reward.copy()
    rollouts(buffer, STEPS, 2 * STEPS)
    assert np.array_equal(batch.reward, kept)


@pytest.mark.parametrize("waits", [False, True])
@pytest.mark.parametrize("done", [0, 1, 3, STEPS, STEPS + 2])
def test_a_resumed_rollout_goes_on_bit_for_bit(done: int, waits: bool) -> None:
    feed = Rollout(STEPS, next_action=waits)
    first = RolloutBuffer(feed, MEMBERS)
    rollouts(first, 0, done)
    state = first.state_dict()
    held = STEPS if waits and done == STEPS else done % STEPS  # a full rollout waits for one more action
    assert all(value.shape[1] == held for value in state["columns"].values())
    expected = rollouts(first, done, done + STEPS + waits)[0]
    resumed = RolloutBuffer(feed, MEMBERS)
    rollouts(resumed, 50, 52)  # what was there before must go
    resumed.load_state_dict(state)
    found = rollouts(resumed, done, done + STEPS + waits)[0]
    for name in (*COLUMNS, *(["next_action"] if waits else [])):
        left, right = getattr(found, name), getattr(expected, name)
        assert left.dtype == right.dtype
        assert np.array_equal(left, right), name
    for name, value in expected.extras.items():
        assert np.array_equal(found.extras[name], value)
