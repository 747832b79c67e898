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


def play(
    agent: Agent,
    env: Env,
    members: int,
    episodes: int,
    *,
    longest: int = LONGEST,
    progress: Callable[[int, int], None] | None = None,  # (episodes done, of how many)
) -> Played:
    """Play `episodes` of each member, one in each of its environments at a time.

    All begin together and are waited for, so that short episodes do not count more often than long ones.
    """
    at_once = env.n_envs // members
    rounds: list[Played] = []
    for done in range(0, episodes, at_once):

        def tell(ended: int, before: int = members * done) -> None:
            if progress:
                progress(min(before + ended, members * episodes), members * episodes)

        rounds.append(_play_one(agent, env, members, longest, tell))
    returns, cut = (np.concatenate(parts, axis=1)[:, :episodes] for parts in zip(*rounds, strict=True))
    return Played(returns, cut)


def _play_one(agent: Agent, env: Env, members: int, longest: int, tell: Callable[[int], None]) -> Played:
    """One episode in each of the E = M x B environments: [M, B]."""
    obs = env.reset()
    total = np.zeros(env.n_envs)
    running = np.ones(env.n_envs, dtype=bool)
    for _ in range(longest):
        action, _ = agent.act(obs.reshape(members, -1, *obs.shape[1:]), explore=False)
        step = env.step(action.reshape(env.n_envs, *action.shape[2:]))
        total += np.where(running, step.reward, 0.0)
        running &= ~(step.terminated | step.truncated)
        tell(int((~running).sum()))
        if not running.any():
            break
        obs = step.obs
    return Played(total.reshape(members, -1), running.reshape(members, -1))
