"""Deterministic evaluation: what agents earn when they no longer explore and no longer learn."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from tradebot.core import Agent, Array, Env

LONGEST = 10_000  # steps of an episode where the environment sets no limit itself
SEED = 2_000_000_000  # added to a member's seed: more than a training can have, see RunConfig


class Played(NamedTuple):
    """N episodes of each of M members."""

    returns: Array  # [M, N] undiscounted
    cut: Array  # [M, N] bool: it went on after the longest time, and its return stops there
    steps: Array  # [M, N]
    terminated: Array  # [M, N] bool: it came to an end by itself


def play(
    agent: Agent,
    env: Env,
    members: int,
    *,
    longest: int = LONGEST,
    progress: Callable[[int, int], None] | None = None,  # (episodes done, of how many)
    watch: Callable[[Array], None] | None = None,  # [E] bool: those that are in their episode
) -> Played:
    """Play one episode in each of the E = M x B environments: N = B. All are waited for.

    `watch` is called when the episodes have begun, and after each step with those that took part in it.
    """
    obs = env.reset()
    total = np.zeros(env.n_envs)
    steps = np.zeros(env.n_envs, dtype=np.int64)
    running = np.ones(env.n_envs, dtype=bool)
    terminated = np.zeros(env.n_envs, dtype=bool)
    if watch:
        watch(running)
    for _ in range(longest):
        action, _ = agent.act(obs.reshape(members, -1, *obs.shape[1:]), explore=False)
        step = env.step(action.reshape(env.n_envs, *action.shape[2:]))
        total += np.where(running, step.reward, 0.0)
        steps += running
        terminated |= running & step.terminated
        if watch:
            watch(running)
        running &= ~(step.terminated | step.truncated)
        if progress:
            progress(int((~running).sum()), env.n_envs)
        if not running.any():
            break
        obs = step.obs
    return Played(*(found.reshape(members, -1) for found in (total, running, steps, terminated)))
