"""Numbered states as vectors of zeros with a one, for networks: they would take numbers for amounts."""

from __future__ import annotations

import numpy as np

from tradebot.core import Array, Box, InputError, Levels, Space, State, Step
from tradebot.envs.world import Snapshot, World

LARGEST = 10_000  # states: a replay keeps each observation, one number a state


class OneHotEnv:
    """An environment with numbered states, seen as [n] vectors. Raises InputError for too many states."""

    def __init__(self, env: World) -> None:
        low, high = int(env.observation_space.low[0]), int(env.observation_space.high[0])
        self._env, self._first, n = env, low, high - low + 1
        if n > LARGEST:
            raise InputError(
                f"there are {n:,} numbered states here, too many for a network (at most {LARGEST:,}): take an"
                " agent with a table (q-learning, sarsa, expected-sarsa, double-q-learning)"
            )
        self.observation_space = Box(np.zeros(n, np.float32), np.ones(n, np.float32))

    @property
    def n_envs(self) -> int:
        return self._env.n_envs

    @property
    def action_space(self) -> Space:
        return self._env.action_space

    @property
    def levels(self) -> Levels | None:
        return self._env.levels

    @property
    def time_limit(self) -> int | None:
        return self._env.time_limit

    @property
    def arrived(self) -> Array | None:
        return self._env.arrived

    def assign(self, level: Array) -> None:
        self._env.assign(level)

    def reset(self) -> Array:
        return self._seen(self._env.reset())

    def step(self, action: Array) -> Step:
        step = self._env.step(action)
        return step._replace(obs=self._seen(step.obs), next_obs=self._seen(step.next_obs))

    def state_dict(self) -> State:
        return self._env.state_dict()

    def load_state_dict(self, state: State) -> Array:
        return self._seen(self._env.load_state_dict(state))

    def snapshot(self, e: int, *, left: bool = False) -> Snapshot:
        return self._env.snapshot(e, left=left)

    def _seen(self, number: Array) -> Array:
        """[E, 1] -> [E, n]"""
        seen = np.zeros((len(number), *self.observation_space.shape), np.float32)
        seen[np.arange(len(number)), number[:, 0] - self._first] = 1.0
        return seen
