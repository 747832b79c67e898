"""The one loop: act, step, remember, update, yield an event. It drives every agent in every environment.

Progress bars, logs, checkpoints and early stops consume the events and stand outside.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from tradebot.core import Agent, Array, Env, InputError, Levels, Rollout
from tradebot.rl.levels import LevelSampler
from tradebot.rl.replay import ReplayBuffer
from tradebot.rl.rollout import RolloutBuffer


class Event(NamedTuple):
    """What one step of all environments brought."""

    step: int  # transitions of each member so far
    member: Array  # [K] int: members of which an episode ended
    episode_return: Array  # [K] undiscounted sum of its rewards
    metrics: Mapping[str, Array] | None  # name -> [M] of the last update, if there was one
    running: Array  # [E] the same sum of the episodes that go on, 0 where one has just begun


class Standing(NamedTuple):
    """Where a training stands that goes on, beside what agent, environment and memory know themselves."""

    step: int  # transitions of each member so far
    obs: Array  # [E, *O] what to act on next
    running: Array  # [E] see Event


def memory_for(agent: Agent, env: Env, seeds: Sequence[int], steps: int) -> RolloutBuffer | ReplayBuffer:
    """The memory that feeds the agent as it asks to be fed.

    Raises InputError where that cannot be.
    """
    envs = env.n_envs // len(seeds)
    if isinstance(agent.feed, Rollout):
        curriculum = agent.feed.curriculum
        sampler = LevelSampler(curriculum, _levels(env), seeds, envs) if curriculum else None
        return RolloutBuffer(agent.feed, len(seeds), sampler)
    return ReplayBuffer(agent.feed, env.observation_space, env.action_space, seeds, envs, steps)


def train(
    agent: Agent,
    env: Env,
    memory: RolloutBuffer | ReplayBuffer,
    members: int,
    steps: int,
    standing: Standing | None = None,
) -> Iterator[Event]:
    """Train until each member has made `steps` transitions, rounded up to whole steps of its environments.

    From the start, or from where it stood when it was left. Between two events nothing is half done.
    """
    n_envs = env.n_envs
    envs = n_envs // members
    if standing is None:
        _propose(memory, env)
        standing = Standing(0, env.reset(), np.zeros(n_envs))
    done, obs, running = standing
    for count in range(done + envs, steps + envs, envs):
        action, extras = agent.act(obs.reshape(members, envs, *obs.shape[1:]), explore=True)
        action = action.reshape(n_envs, *action.shape[2:])
        _propose(memory, env)
        step = env.step(action)
        memory.add(obs, action, extras, step)
        metrics = None
        for batch in memory.batches():
            update = agent.update(batch)
            metrics = update.metrics
            if update.priorities is not None:
                memory.prioritize(batch, update.priorities)
        obs = step.obs
        running += step.reward
        ended = np.flatnonzero(step.terminated | step.truncated)
        episode_return = running[ended]
        running[ended] = 0.0
        yield Event(count, ended // envs, episode_return, metrics, running)


def _propose(memory: RolloutBuffer | ReplayBuffer, env: Env) -> None:
    level = memory.propose()
    if level is not None:
        env.assign(level)


def _levels(env: Env) -> Levels:
    """Raises InputError where there is nothing to choose."""
    if env.levels is None:
        raise InputError(
            "--per prioritizes price windows, and there are not two of them: take a shorter --window or a"
            " longer span, or dqn, which prioritizes transitions"
        )
    return env.levels
