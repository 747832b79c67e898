"""The one loop: act, step, remember, update, yield an event. It drives every agent in every environment.

Progress bars, logs, checkpoints and early stops consume the events and stand outside.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from tradebot.core import Agent, Array, Env, Rollout
from tradebot.rl.replay import ReplayBuffer
from tradebot.rl.rollout import RolloutBuffer


class Event(NamedTuple):
    """What one step of all environments brought."""

    step: int  # transitions of each member so far
    member: Array  # [K] int: members of which an episode ended
    episode_return: Array  # [K] undiscounted sum of its rewards
    metrics: Mapping[str, Array] | None  # name -> [M] of the last update, if there was one


def memory_for(agent: Agent, env: Env, seeds: Sequence[int], steps: int) -> RolloutBuffer | ReplayBuffer:
    """The memory that feeds the agent as it asks to be fed."""
    if isinstance(agent.feed, Rollout):
        return RolloutBuffer(agent.feed, len(seeds))
    envs = env.n_envs // len(seeds)
    return ReplayBuffer(agent.feed, env.observation_space, env.action_space, seeds, envs, steps)


def train(
    agent: Agent, env: Env, memory: RolloutBuffer | ReplayBuffer, members: int, steps: int
) -> Iterator[Event]:
    """Train until each member has made `steps` transitions, rounded up to whole steps of its environments."""
    obs = env.reset()  # [E, *O]
    n_envs = env.n_envs
    envs = n_envs // members
    running = np.zeros(n_envs)  # return of each episode so far
    for count in range(envs, steps + envs, envs):
        action, extras = agent.act(obs.reshape(members, envs, *obs.shape[1:]), explore=True)
        action = action.reshape(n_envs, *action.shape[2:])
        step = env.step(action)
        memory.add(obs, action, extras, step)
        metrics = None
        for batch in memory.batches():
            update = agent.update(batch)
            metrics = update.metrics
            if update.priorities is not None and batch.index is not None:
                memory.prioritize(batch.index, update.priorities)
        obs = step.obs
        running += step.reward
        ended = np.flatnonzero(step.terminated | step.truncated)
        yield Event(count, ended // envs, running[ended], metrics)
        running[ended] = 0.0
