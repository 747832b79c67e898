"""Returns and advantages as pure functions of arrays. Axis 0 is the member, axis 1 is time."""

from __future__ import annotations

import numpy as np

from tradebot.core import Array, Batch


def gae(
    reward: Array,  # [M, T, B] r_t
    terminated: Array,  # [M, T, B] the task ended after t: no bootstrap
    truncated: Array,  # [M, T, B] the episode was cut after t: bootstrap, but do not look further
    value: Array,  # [M, T, B] V(s_t)
    next_value: Array,  # [M, T, B] V(s_tp1) of the true successor
    gamma: float,
    lambda_: float,
) -> Array:
    """Generalised advantage estimation (Schulman et al. 2016, eq. 16), [M, T, B].

    delta_t = r_t + gamma (1 - terminated_t) V(s_tp1) - V(s_t)
    A_t = delta_t + gamma lambda (1 - terminated_t) (1 - truncated_t) A_tp1
    """
    delta = reward + gamma * ~terminated * next_value - value
    decay = gamma * lambda_ * ~(terminated | truncated)
    advantage = np.empty_like(delta)
    carry = np.zeros_like(delta[:, 0])
    for t in reversed(range(delta.shape[1])):
        carry = delta[:, t] + decay[:, t] * carry
        advantage[:, t] = carry
    return advantage


def batch_advantage(
    batch: Batch, value: Array, next_value: Array, n_steps: int, gamma: float, lambda_: float
) -> Array:
    """`gae` of a rollout batch, whose N = T x B transitions are time-major: all [M, N]."""
    by_time = (len(value), n_steps, -1)
    advantage = gae(
        batch.reward.reshape(by_time),
        batch.terminated.reshape(by_time),
        batch.truncated.reshape(by_time),
        value.reshape(by_time),
        next_value.reshape(by_time),
        gamma,
        lambda_,
    )
    return advantage.reshape(value.shape)


def ended_later(batch: Batch, n_steps: int) -> Array:
    """Whether a transition's episode ended within its rollout, N = T x B, time-major: [M, N] bool."""
    ended = (batch.terminated | batch.truncated).reshape(len(batch.reward), n_steps, -1)
    later = np.logical_or.accumulate(ended[:, ::-1], axis=1)[:, ::-1]
    return later.reshape(batch.reward.shape)
