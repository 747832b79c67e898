"""All that the rest of a training depends on, as one state, and back again, to the last bit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tradebot.core import Agent, Array, Env, State
from tradebot.rl.loop import Event, Standing
from tradebot.rl.replay import ReplayBuffer
from tradebot.rl.rollout import RolloutBuffer


def gather(agent: Agent, env: Env, memory: RolloutBuffer | ReplayBuffer, event: Event) -> State:
    """The state of a training after an event."""
    return {
        "agent": agent.state_dict(),
        "env": env.state_dict(),
        "memory": memory.state_dict(),
        "loop": {"step": event.step, "running": event.running.copy()},
    }


def restore(state: State, agent: Agent, env: Env, memory: RolloutBuffer | ReplayBuffer) -> Standing:
    """Put agent, environment and memory, made as they were for the start, to where they stood.

    An environment that has no state to give back starts new episodes.
    """
    agent.load_state_dict(state["agent"])
    memory.load_state_dict(state["memory"])
    obs = env.load_state_dict(state.get("env", {}))
    running = np.array(state["loop"]["running"]) if state.get("env") else np.zeros(env.n_envs)
    return Standing(state["loop"]["step"], obs, running)


def split(state: State, members: int, first: int, last: int) -> State:
    """The state of the members first .. last - 1 among `members`.

    An array has members, or the environments of one after the other, on axis 0; what is no array is the same
    for every member. Raises ValueError for an array that cannot be of so many members.
    """
    return {name: _of_members(value, members, first, last) for name, value in state.items()}


def joined(states: Sequence[State]) -> State:
    """The inverse: the state of a population from those of its members, in order.

    Where one member's arrays are longer than those of another, as memories are that fill with its episodes,
    the others end in zeros. Raises ValueError for members that do not stand at the same step.
    """
    return {name: _together(name, [state[name] for state in states]) for name in states[0]}


def _of_members(value: Any, members: int, first: int, last: int) -> Any:
    if isinstance(value, dict):
        return split(value, members, first, last)
    if not np.ndim(value):
        return value
    each, rest = divmod(len(value), members)
    if rest:
        raise ValueError(f"an array of {len(value)} rows is not of {members} members")
    return value[first * each : last * each]


def _together(name: str, values: Sequence[Any]) -> Any:
    if isinstance(values[0], dict):
        return joined(values)
    if np.ndim(values[0]):
        shape = np.max([value.shape[1:] for value in values], axis=0)
        return np.concatenate([_filled_up(value, shape) for value in values])
    if any(value != values[0] for value in values):
        raise ValueError(f"{name} differs between members: {values}")
    return values[0]


def _filled_up(value: Array, shape: Sequence[int]) -> Array:
    """Zeros behind what is there, so that the shape of a row is `shape`."""
    missing = [(0, int(wanted) - there) for wanted, there in zip(shape, value.shape[1:], strict=True)]
    return np.pad(value, [(0, 0), *missing])
