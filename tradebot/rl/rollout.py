"""The memory of on-policy agents: every transition once, `n_steps` of each environment at a time."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tradebot.core import Array, Batch, Extras, Rollout, State, Step


class RolloutBuffer:
    """Collects [T, E] transitions and hands them out as one batch [M, T x B], time-major within a member."""

    def __init__(self, feed: Rollout, members: int) -> None:
        self._n_steps = feed.n_steps
        self._members = members
        self._steps: list[dict[str, Array]] = []

    def add(self, obs: Array, action: Array, extras: Extras, step: Step) -> None:
        self._steps.append(
            {
                "obs": obs,
                "action": action,
                "reward": step.reward,
                "terminated": step.terminated,
                "truncated": step.truncated,
                "next_obs": step.next_obs,
                "level": step.level,
            }
            | {f"extras.{name}": value.reshape(len(obs), *value.shape[2:]) for name, value in extras.items()}
        )

    def batches(self) -> Iterator[Batch]:
        """The whole rollout when it is full, nothing before."""
        if len(self._steps) < self._n_steps:
            return
        columns = {name: self._member_major([step[name] for step in self._steps]) for name in self._steps[0]}
        extras = {name.removeprefix("extras."): columns.pop(name) for name in list(columns) if "." in name}
        self._steps = []
        yield Batch(**columns, next_action=None, extras=extras, index=None, weight=None)

    def prioritize(self, index: Array, priorities: Array) -> None:
        """A rollout forgets at once what it has handed out: there is nothing to prioritize."""

    def state_dict(self) -> State:
        return {str(t): dict(step) for t, step in enumerate(self._steps)}

    def load_state_dict(self, state: State) -> None:
        self._steps = [state[str(t)] for t in range(len(state))]

    def _member_major(self, steps: list[Array]) -> Array:
        """T arrays [E, ...] -> [M, T x B, ...]"""
        stacked = np.stack(steps)  # [T, E, ...]
        n_steps, n_envs, *rest = stacked.shape
        by_member = stacked.reshape(n_steps, self._members, n_envs // self._members, *rest)
        return by_member.swapaxes(0, 1).reshape(self._members, -1, *rest)
