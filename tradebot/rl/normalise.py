"""Running statistics per member: observations of mean 0 and deviation 1, rewards of a return of deviation 1.

They are frozen during a rollout, so that a policy is judged by what it acted on: `learn` takes in a whole
rollout after it was learned from, and the first one is seen as it is.
"""

from __future__ import annotations

import numpy as np

from tradebot.core import Array, Batch, State

BOUND = 10.0  # of what comes out, in deviations
EPSILON = 1e-8  # of a variance


class Running:
    """Mean and variance of all that was seen, for M members (Chan et al. 1979, eq. 2.1)."""

    def __init__(self, members: int, *shape: int) -> None:
        self.count = 0  # samples of each member
        self.mean = np.zeros((members, *shape))
        self._squares = np.zeros((members, *shape))  # sum of squared distances from the mean

    @property
    def deviation(self) -> Array:
        """[M, ...] of what was seen, which must not be nothing."""
        return np.sqrt(self._squares / self.count + EPSILON)

    def learn(self, values: Array) -> None:
        """values [M, N, ...]"""
        for m, value in enumerate(values.astype(np.float64)):
            mean = value.mean(axis=0)
            step = mean - self.mean[m]
            total = self.count + len(value)
            self.mean[m] += step * (len(value) / total)
            self._squares[m] += ((value - mean) ** 2).sum(axis=0)
            self._squares[m] += step * step * (self.count * len(value) / total)
        self.count += values.shape[1]

    def state_dict(self) -> State:
        return {"count": self.count, "mean": self.mean.copy(), "squares": self._squares.copy()}

    def load_state_dict(self, state: State) -> None:
        self.count = state["count"]
        self.mean, self._squares = np.array(state["mean"]), np.array(state["squares"])


class Normaliser:
    """What an agent sees and is paid, in units of its own experience; as it is where nothing is asked for.

    A reward is divided by the deviation of the discounted return so far, and keeps its sign (as in OpenAI's
    baselines, `VecNormalize`).
    """

    def __init__(
        self,
        members: int,
        envs: int,  # per member
        shape: tuple[int, ...],  # of an observation
        *,
        obs: bool,
        reward: bool,
        gamma: float,
    ) -> None:
        self._obs = Running(members, *shape) if obs else None
        self._return = Running(members) if reward else None
        self._gamma = gamma
        self._earned = np.zeros((members, envs))  # discounted return of the episodes that go on

    def seen(self, obs: Array) -> Array:
        """[M, N, *O] -> the same"""
        if self._obs is None or not self._obs.count:
            return obs
        mean, deviation = self._obs.mean[:, None], self._obs.deviation[:, None]
        return np.clip((obs - mean) / deviation, -BOUND, BOUND)

    def paid(self, reward: Array) -> Array:
        """[M, N] -> the same"""
        if self._return is None or not self._return.count:
            return reward
        return np.clip(reward / self._return.deviation[:, None], -BOUND, BOUND)

    def learn(self, batch: Batch) -> None:
        """A rollout as it came from the memory, N = T x B, time-major."""
        if self._obs is not None:
            self._obs.learn(batch.obs)
        if self._return is not None:
            by_time = (len(batch.reward), -1, self._earned.shape[1])
            reward, ended = batch.reward.reshape(by_time), batch.terminated | batch.truncated
            earned = np.empty(reward.shape)
            for t, over in enumerate(np.moveaxis(ended.reshape(by_time), 1, 0)):
                self._earned = self._gamma * self._earned + reward[:, t]
                earned[:, t] = self._earned
                self._earned = np.where(over, 0.0, self._earned)
            self._return.learn(earned.reshape(len(earned), -1))

    def state_dict(self) -> State:
        """Without what was not asked for."""
        state: State = {}
        if self._obs is not None:
            state["obs"] = self._obs.state_dict()
        if self._return is not None:
            state |= {"return": self._return.state_dict(), "earned": self._earned.copy()}
        return state

    def load_state_dict(self, state: State) -> None:
        if self._obs is not None:
            self._obs.load_state_dict(state["obs"])
        if self._return is not None:
            self._return.load_state_dict(state["return"])
            self._earned = np.array(state["earned"])
