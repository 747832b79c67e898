"""Generalised advantage estimation by hand, by recursion and by its limits."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pytest

from tradebot.core import Array, Batch
from tradebot.rl.returns import batch_advantage, ended_later, gae


class Case(NamedTuple):
    """Arrays [M, T, B], in the order in which `gae` takes them."""

    reward: Array
    terminated: Array
    truncated: Array
    value: Array
    next_value: Array


def drawn(seed: int, shape: tuple[int, int, int] = (3, 20, 4)) -> Case:
    random = np.random.default_rng(seed)
    end = random.integers(0, 6, shape)
    reward, value, next_value = random.standard_normal((3, *shape))
    return Case(reward, end == 0, end == 1, value, next_value)


def column(*values: float) -> Array:
    """[1, T, 1]"""
    return np.array(values).reshape(1, -1, 1)


def test_a_rollout_by_hand() -> None:
    # gamma = .5, lambda = .5; t = 1 terminates, t = 3 is truncated. The 9 must be ignored: nothing follows.
    # delta_t: 1 + .5 x 2 - 1 = 1, 4 + 0 - 2 = 2, 3 + .5 x 6 - 4 = 2, 1 + .5 x 4 - 6 = -3, 2 + .5 x 8 - 2 = 4
    # A_4 = 4;  A_3 = -3 (cut off);  A_2 = 2 + .25 x -3 = 1.25;  A_1 = 2 (over);  A_0 = 1 + .25 x 2 = 1.5
    found = gae(
        reward=column(1, 4, 3, 1, 2),
        terminated=column(0, 1, 0, 0, 0).astype(bool),
        truncated=column(0, 0, 0, 1, 0).astype(bool),
        value=column(1, 2, 4, 6, 2),
        next_value=column(2, 9, 6, 4, 8),
        gamma=0.5,
        lambda_=0.5,
    )
    assert found.ravel().tolist() == [1.5, 2.0, 1.25, -3.0, 4.0]


@pytest.mark.parametrize(("gamma", "lambda_"), [(0.9, 0.95), (1.0, 1.0), (0.5, 0.0), (0.0, 0.9)])
def test_it_is_the_sum_of_discounted_errors_up_to_the_end_of_the_episode(
    gamma: float, lambda_: float
) -> None:
    case = drawn(0)
    found = gae(*case, gamma, lambda_)
    members, steps, envs = case.reward.shape
    for m, t, b in np.ndindex(members, steps, envs):
        total, weight = 0.0, 1.0
        for k in range(t, steps):  # A_t = sum over k of (gamma lambda)^(k - t) delta_k (eq. 16)
            bootstrap = 0.0 if case.terminated[m, k, b] else gamma * case.next_value[m, k, b]
            total += weight * (case.reward[m, k, b] + bootstrap - case.value[m, k, b])
            weight *= gamma * lambda_
            if case.terminated[m, k, b] or case.truncated[m, k, b]:
                break
        assert found[m, t, b] == pytest.approx(total, abs=1e-12)


def test_with_lambda_one_it_is_the_discounted_return_less_the_value() -> None:
    gamma = 0.9
    case = drawn(1)
    ended = case.terminated | case.truncated
    goes_on = ~ended[:, :-1]  # then the successor is the next state, and the values between cancel out
    case.next_value[:, :-1][goes_on] = case.value[:, 1:][goes_on]
    found = gae(*case, gamma, 1.0) + case.value
    future = case.next_value[:, -1]
    for t in reversed(range(case.reward.shape[1])):
        future = np.where(case.truncated[:, t], case.next_value[:, t], future)
        future = case.reward[:, t] + gamma * np.where(case.terminated[:, t], 0.0, future)
        np.testing.assert_allclose(found[:, t], future, atol=1e-12)


def test_with_lambda_zero_it_is_the_one_step_error() -> None:
    case = drawn(2)
    expected = case.reward + 0.9 * np.where(case.terminated, 0.0, case.next_value) - case.value
    np.testing.assert_allclose(gae(*case, 0.9, 0.0), expected, atol=1e-12)


@pytest.mark.parametrize(
    ("terminated", "truncated", "worth"), [(False, False, 6.0), (False, True, 6.0), (True, False, 1.0)]
)
def test_a_truncated_step_is_worth_what_follows_and_a_terminated_one_is_not(
    terminated: bool, truncated: bool, worth: float
) -> None:
    step = Case(column(1.0), column(terminated) > 0, column(truncated) > 0, column(0.0), column(10.0))
    assert gae(*step, 0.5, 1.0).item() == worth


def test_nothing_that_happens_after_an_episode_reaches_into_it() -> None:
    case = drawn(3)
    found = gae(*case, 0.9, 0.95)
    t = 12
    ended = (case.terminated | case.truncated)[:, t]
    assert ended.any()
    assert not ended.all()
    later = case._replace(reward=case.reward.copy())
    later.reward[:, t + 1 :] += 1.0
    changed = gae(*later, 0.9, 0.95)[:, t] != found[:, t]
    assert np.array_equal(changed, ~ended)


def test_a_batch_is_time_major_within_its_member() -> None:
    case = drawn(4)
    members, steps, envs = case.reward.shape
    flat = [value.reshape(members, -1) for value in case]
    batch = Batch(
        obs=np.zeros((members, steps * envs, 1)),
        action=np.zeros((members, steps * envs)),
        reward=flat[0],
        terminated=flat[1],
        truncated=flat[2],
        next_obs=np.zeros((members, steps * envs, 1)),
        next_action=None,
        extras={},
        index=None,
        level=np.zeros((members, steps * envs)),
        weight=None,
    )
    found = batch_advantage(batch, flat[3], flat[4], steps, 0.9, 0.95)
    assert np.array_equal(found, gae(*case, 0.9, 0.95).reshape(members, -1))


def test_an_episode_that_ends_within_the_rollout_is_known_from_there_backwards() -> None:
    # two environments, three steps, time-major: the first is cut off after its second step, the other goes on
    no = np.zeros((1, 6), bool)
    truncated = np.array([[False, False, True, False, False, False]])
    batch = Batch(no, no, no.astype(float), no, truncated, no, None, {}, None, no, None)
    assert ended_later(batch, 3).tolist() == [[True, False, True, False, False, False]]
    assert not ended_later(batch._replace(truncated=no), 3).any()
    assert ended_later(batch._replace(truncated=no, terminated=truncated), 3).sum() == 2
