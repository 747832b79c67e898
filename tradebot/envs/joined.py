"""Environments side by side as one: the folds of a walk-forward, or many markets, learn as one population."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tradebot.core import Array, Box, Env, Space, State, Step


class JoinedEnv:
    """K environments of S seeds x B each: E = S seeds x K parts x B, in this order.

    Member s x K + k of a population lives in part k alone, as if there were no other. Levels are not told
    apart: each part numbers its own, so that there is nothing to choose. Raises ValueError for parts that
    differ in size or in what is seen and done.
    """

    levels = None

    def __init__(self, parts: Sequence[Env], seeds: int) -> None:
        first = parts[0]
        for part in parts:
            if part.n_envs != first.n_envs or part.n_envs % seeds:
                raise ValueError(f"{part.n_envs} environments are not {first.n_envs} of {seeds} seeds")
            if part.observation_space.shape != first.observation_space.shape:
                raise ValueError("all parts must show as much")
            if repr(part.action_space) != repr(first.action_space):
                raise ValueError("all parts must take the same actions")
        self.parts = tuple(parts)
        self._seeds = seeds

    @property
    def n_envs(self) -> int:
        return sum(part.n_envs for part in self.parts)

    @property
    def observation_space(self) -> Box:
        return self.parts[0].observation_space

    @property
    def action_space(self) -> Space:
        return self.parts[0].action_space

    def assign(self, level: Array) -> None:
        """Nothing: there are no levels."""

    def reset(self) -> Array:
        return self._together([part.reset() for part in self.parts])

    def step(self, action: Array) -> Step:
        steps = [part.step(each) for part, each in zip(self.parts, self._apart(action), strict=True)]
        obs, reward, terminated, truncated, next_obs, level = map(self._together, zip(*steps, strict=True))
        return Step(obs, reward, terminated, truncated, next_obs, np.full_like(level, -1))

    def state_dict(self) -> State:
        states = [part.state_dict() for part in self.parts]
        return {name: self._together([state[name] for state in states]) for name in states[0]}

    def load_state_dict(self, state: State) -> Array:
        """Returns what was seen when the state was taken, [E, *O]."""
        apart = {name: self._apart(value) for name, value in state.items()}
        seen = [
            part.load_state_dict({name: values[k] for name, values in apart.items()})
            for k, part in enumerate(self.parts)
        ]
        return self._together(seen)

    def _together(self, rows: Sequence[Array]) -> Array:
        """K arrays [S x B, ...] -> [S x K x B, ...]"""
        n, *rest = rows[0].shape
        stacked = np.stack([each.reshape(self._seeds, n // self._seeds, *rest) for each in rows], axis=1)
        return stacked.reshape(len(rows) * n, *rest)

    def _apart(self, rows: Array) -> list[Array]:
        """[S x K x B, ...] -> K arrays [S x B, ...]"""
        n, rest = len(rows) // len(self.parts), rows.shape[1:]
        split = rows.reshape(self._seeds, len(self.parts), n // self._seeds, *rest)
        return [split[:, k].reshape(n, *rest) for k in range(len(self.parts))]
