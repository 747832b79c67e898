"""A ring of states, the smallest environment: a page to read before you write another.

An environment is E = members x environments-per-member worlds that step together. It says what is observed
and how it can be acted on, draws every episode from (seed, environment, episode) alone, begins the next in
the step that ends the last, and hands out what there was to see at that end as `next_obs`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tradebot.core import Array, Box, Discrete, State, Step
from tradebot.envs.configs import RingConfig
from tradebot.envs.world import Snapshot

MOVES = np.array([-1, 0, 1])  # of the actions 0, 1, 2


class RingEnv:
    """Walkers on rings of n states. Observed is the number of the state, 0 .. n - 1.

    The reward is +1 if that number rises and -1 if it falls or stays; of the n steps around the ring only the
    one from n - 1 to 0 falls. An episode starts anywhere and is cut off, for the task has no end.
    """

    levels = None
    arrived = None

    def __init__(self, config: RingConfig, seeds: Sequence[int], envs: int) -> None:
        self.config = config
        self._keys = [(seed, b) for seed in seeds for b in range(envs)]
        self._state = np.zeros(self.n_envs, dtype=np.int64)
        self._left = self._state  # where the last step led
        self._time = np.zeros(self.n_envs, dtype=np.int64)
        self._episodes = np.zeros(self.n_envs, dtype=np.int64)  # begun so far

    @property
    def n_envs(self) -> int:
        return len(self._keys)

    @property
    def observation_space(self) -> Box:
        return Box(np.array([0]), np.array([self.config.states - 1]))

    @property
    def action_space(self) -> Discrete:
        return Discrete(len(MOVES), idle=1)

    @property
    def time_limit(self) -> int:
        return self.config.limit

    def assign(self, level: Array) -> None:
        """Nothing: there are no levels."""

    def reset(self) -> Array:
        self._begin(np.arange(self.n_envs))
        return self._observed()

    def step(self, action: Array) -> Step:
        before, self._state = self._state, (self._state + MOVES[action]) % self.config.states
        self._left = self._state.copy()
        reward = np.where(self._state > before, 1.0, -1.0)
        self._time += 1
        next_obs, truncated = self._observed(), self._time == self.config.limit
        self._begin(np.flatnonzero(truncated))
        nowhere = np.full(self.n_envs, -1)
        return Step(self._observed(), reward, np.zeros_like(truncated), truncated, next_obs, nowhere)

    def state_dict(self) -> State:
        return {"state": self._state.copy(), "time": self._time.copy(), "episodes": self._episodes.copy()}

    def load_state_dict(self, state: State) -> Array:
        """Returns what was seen when the state was taken, [E, 1]."""
        self._state, self._time = state["state"].copy(), state["time"].copy()
        self._episodes = state["episodes"].copy()
        self._left = self._state.copy()
        return self._observed()

    def snapshot(self, e: int, *, left: bool = False) -> Snapshot:
        """`state` of so many `states`."""
        return {"state": int((self._left if left else self._state)[e]), "states": self.config.states}

    def _begin(self, which: Array) -> None:
        """A new episode in each of these environments."""
        self._time[which] = 0
        for e in which.tolist():
            generator = np.random.default_rng([*self._keys[e], self._episodes[e]])
            self._state[e] = generator.integers(self.config.states)
        self._episodes[which] += 1

    def _observed(self) -> Array:
        return self._state[:, None].copy()


def optimum(config: RingConfig, gamma: float) -> tuple[Array, Array]:
    """The values [n] and actions [n] of the optimal policy, without an end, discounted by gamma < 1.

    It always goes up: n - 1 of n steps rise, so the mean reward is (n - 2) / n. Going down from 0 rises too,
    but only to where the one step follows that nobody can avoid. With d = n - 1 - s rises to come,
    V(s) = (1 - gamma^d) / (1 - gamma) + gamma^d V(n - 1), and V(n - 1) = -1 + gamma V(0).
    """
    n = config.states
    rises = np.arange(n - 1, -1, -1)
    earned = (1 - gamma**rises) / (1 - gamma)
    top = (-1 + gamma * earned[0]) / (1 - gamma**n)
    return earned + gamma**rises * top, np.full(n, 2)
