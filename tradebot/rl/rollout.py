"""The memory of on-policy agents: every transition once, `n_steps` of each environment at a time."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tradebot.core import Array, Batch, Extras, Rollout, State, Step
from tradebot.rl.levels import LevelSampler


class RolloutBuffer:
    """Collects T x E transitions and hands them out as one batch [M, T x B], time-major within a member."""

    def __init__(self, feed: Rollout, members: int, levels: LevelSampler | None = None) -> None:
        self._n_steps = feed.n_steps  # T
        self._waits = feed.next_action
        self._members = members
        self._levels = levels
        self._columns: dict[str, Array] = {}  # name -> [M, T, B, ...]
        self._extras: dict[str, Array] = {}  # the same, of what the agent added
        self._filled = 0  # steps that are held

    def propose(self) -> Array | None:
        """[E] int: where an episode should start, should one begin in the next step; None: anywhere."""
        return None if self._levels is None else self._levels.propose().reshape(-1)

    def add(self, obs: Array, action: Array, extras: Extras, step: Step) -> None:
        columns = {
            "obs": obs,
            "action": action,
            "reward": step.reward,
            "terminated": step.terminated,
            "truncated": step.truncated,
            "next_obs": step.next_obs,
            "level": step.level,
        }
        for name, value in columns.items():
            self._put(self._columns, name, value.reshape(self._members, -1, *value.shape[1:]))
        for name, value in extras.items():
            self._put(self._extras, name, value)
        if self._levels:
            self._put(self._columns, "weight", self._levels.weight)
            self._levels.begun((step.terminated | step.truncated).reshape(self._members, -1))
        self._filled += 1

    def batches(self) -> Iterator[Batch]:
        """The whole rollout when it is full, nothing before; if actions are waited for, a step later."""
        if self._filled < self._n_steps + self._waits:
            return
        columns, extras = self._columns, self._extras
        self._columns, self._extras, self._filled = {}, {}, 0  # the next one is written elsewhere
        next_action = None
        if self._waits:
            next_action = _joined(columns["action"][:, 1:])
            self._take(columns, extras, self._n_steps)  # the first step of the next rollout
        columns, extras = (
            {name: _joined(value[:, : self._n_steps]) for name, value in part.items()}
            for part in (columns, extras)
        )
        weight = columns.pop("weight", None)
        yield Batch(**columns, next_action=next_action, extras=extras, index=None, weight=weight)

    def prioritize(self, batch: Batch, priorities: Array) -> None:
        """A rollout forgets at once what it has handed out: only levels can be prioritized."""
        if self._levels:
            self._levels.prioritize(batch.level, priorities)

    def state_dict(self) -> State:
        held = slice(None, self._filled)
        return {
            "columns": {name: value[:, held].copy() for name, value in self._columns.items()},
            "extras": {name: value[:, held].copy() for name, value in self._extras.items()},
            "filled": self._filled,
            "levels": self._levels.state_dict() if self._levels else {},
        }

    def load_state_dict(self, state: State) -> None:
        self._columns, self._extras, self._filled = {}, {}, 0
        for t in range(state["filled"]):
            self._take(state["columns"], state.get("extras", {}), t)
        if self._levels:
            self._levels.load_state_dict(state["levels"])

    def _take(self, columns: dict[str, Array], extras: dict[str, Array], t: int) -> None:
        """Add step t of other columns [M, T, B, ...]."""
        for name, value in columns.items():
            self._put(self._columns, name, value[:, t])
        for name, value in extras.items():
            self._put(self._extras, name, value[:, t])
        self._filled += 1

    def _put(self, columns: dict[str, Array], name: str, value: Array) -> None:
        """Write [M, B, ...] at the step that is being filled."""
        if name not in columns:
            members, *rest = value.shape
            columns[name] = np.empty((members, self._n_steps + self._waits, *rest), value.dtype)
        columns[name][:, self._filled] = value


def _joined(column: Array) -> Array:
    """[M, T, B, ...] -> [M, T x B, ...]"""
    return column.reshape(len(column), -1, *column.shape[3:])
