"""Deterministic evaluation: what the agents earn when they no longer explore and no longer learn."""

from __future__ import annotations

import numpy as np

from tradebot.core import Agent, Array, Env


def episode_returns(agent: Agent, env: Env, members: int) -> Array:
    """Play one episode in each of the E = M x B environments. Returns undiscounted returns [M, B]."""
    obs = env.reset()
    total = np.zeros(env.n_envs)
    running = np.ones(env.n_envs, dtype=bool)
    while running.any():
        action, _ = agent.act(obs.reshape(members, -1, *obs.shape[1:]), explore=False)
        step = env.step(action.reshape(env.n_envs, *action.shape[2:]))
        total += np.where(running, step.reward, 0.0)
        running &= ~(step.terminated | step.truncated)
        obs = step.obs
    return total.reshape(members, -1)
