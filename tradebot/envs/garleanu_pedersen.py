"""Trading on a signal that fades, at quadratic cost: the optimum is known in closed form.

After Garleanu and Pedersen, "Dynamic trading with predictable returns and transaction costs", Journal of
Finance 68 (2013), with one asset and no discount. Convention: the signal f_t is the expected return of the
next period and is seen before the position x_t is chosen.

    reward_t = x_t f_t - risk_aversion x_t^2 - trading_cost (x_t - x_{t-1})^2
    f_{t+1}  = persistence f_t + sqrt(1 - persistence^2) e_{t+1},  e normal: f has the deviation 1

(There is no factor 1/2 in the two penalties; f stands for the return itself, which would only add noise.)
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from pydantic import Field

from tradebot.config import Config
from tradebot.core import Array, Box, State, Step

BOUND = 10.0  # of positions; the optimal ones have a deviation near 1


class Problem(Config):
    """The constants of the reward and of the signal."""

    persistence: float = Field(0.9, ge=0, lt=1, description="Autocorrelation phi of the signal")
    risk_aversion: float = Field(0.3, gt=0, description="lambda, penalty of the squared position")
    trading_cost: float = Field(1.0, gt=0, description="psi, penalty of the squared trade")


class Optimum(NamedTuple):
    """Trade partially towards the aim: x_t = x_{t-1} + rate (aim f_t - x_{t-1})."""

    rate: float  # part of the way to the aim that is traded in a period
    aim: float  # position aimed at, per unit of the signal
    value: float  # mean reward per period

    def action(self, obs: Array) -> Array:
        """[E, 1] positions to take, for observations [E, 2]."""
        signal, position = obs[:, :1], obs[:, 1:]
        return np.asarray(position + self.rate * (self.aim * signal - position))


def optimum(problem: Problem) -> Optimum:
    """The policy that maximises the mean reward, from its Bellman equation with a quadratic value.

    With h(x, f) = -A x^2 / 2 + B x f + C f^2, x the position so far, and D = 2 lambda + 2 psi + A, the best
    next position is (2 psi x + (1 + phi B) f) / D. Put back, A = 2 psi rate and B = (1 - rate) (1 + phi B),
    where rate = 1 - 2 psi / D solves psi rate^2 + lambda rate - lambda = 0; the mean reward is
    C (1 - phi^2) = (1 + phi B)^2 / (2 D).
    """
    phi, risk, cost = problem.persistence, problem.risk_aversion, problem.trading_cost
    rate = (
        2 * risk / (risk + np.sqrt(risk**2 + 4 * risk * cost))
    )  # the root, written to stay exact for small costs
    total = 2 * (risk + cost + cost * rate)  # D
    weight = 1 / (1 - phi * (1 - rate))  # 1 + phi B
    return Optimum(float(rate), float(weight / (total * rate)), float(weight**2 / (2 * total)))


class GarleanuPedersenEnv:
    """E = members x environments-per-member traders, member-major, each with a signal of its own.

    Observed are f_t and x_{t-1}; the action is x_t, clipped to +-BOUND. An episode starts from a stationary
    signal without a position and is cut off (truncated, for the task has no end) after `window` decisions.
    """

    levels = None

    def __init__(
        self,
        problem: Problem,
        *,
        seeds: Sequence[int] = (0,),  # one per member
        envs: int = 1,  # environments per member
        window: int = 252,  # decisions in an episode
    ) -> None:
        self.problem = problem
        self._keys = [(seed, b) for seed in seeds for b in range(envs)]
        self._signal = np.zeros((self.n_envs, window + 1))
        self._episodes = np.zeros(self.n_envs, dtype=np.int64)  # begun so far
        self._time = np.zeros(self.n_envs, dtype=np.int64)
        self._position = np.zeros(self.n_envs)

    @property
    def n_envs(self) -> int:
        return len(self._keys)

    @property
    def observation_space(self) -> Box:
        high = np.array([np.inf, BOUND], np.float32)
        return Box(-high, high)

    @property
    def action_space(self) -> Box:
        high = np.array([BOUND], np.float32)
        return Box(-high, high)

    def assign(self, level: Array) -> None:
        """Nothing: there are no levels."""

    def reset(self) -> Array:
        self._begin(np.ones(self.n_envs, dtype=bool))
        return self._observed()

    def step(self, action: Array) -> Step:
        """Raises FloatingPointError for an action that is not a number."""
        if np.isnan(action).any():
            raise FloatingPointError("an action is not a number: the policy has diverged")
        position = np.clip(action[:, 0].astype(np.float64), -BOUND, BOUND)
        risk, cost = self.problem.risk_aversion, self.problem.trading_cost
        signal = self._signal[np.arange(self.n_envs), self._time]
        reward = position * signal - risk * position**2 - cost * (position - self._position) ** 2
        self._position = position
        self._time += 1
        next_obs = self._observed()
        truncated = self._time == self._signal.shape[1] - 1
        self._begin(truncated)
        nowhere = np.full(self.n_envs, -1)
        return Step(self._observed(), reward, np.zeros_like(truncated), truncated, next_obs, nowhere)

    def state_dict(self) -> State:
        """Randomness is keyed by (seed, environment, episode): counters and positions are all there is."""
        return {
            "episodes": self._episodes.copy(),
            "time": self._time.copy(),
            "position": self._position.copy(),
        }

    def load_state_dict(self, state: State) -> Array:
        """Returns what was seen when the state was taken, [E, 2]."""
        self._episodes[:] = state["episodes"]
        self._time[:] = state["time"]
        self._position = state["position"].copy()
        for e in np.flatnonzero(self._episodes).tolist():
            self._draw(e)
        return self._observed()

    def _begin(self, ended: Array) -> None:
        self._time[ended] = 0
        self._position[ended] = 0.0
        self._episodes[ended] += 1
        for e in np.flatnonzero(ended).tolist():
            self._draw(e)

    def _draw(self, e: int) -> None:
        """The signal of environment e in its present episode."""
        from scipy.signal import lfilter

        phi = self.problem.persistence
        generator = np.random.default_rng([*self._keys[e], self._episodes[e]])
        noise = generator.standard_normal(self._signal.shape[1])
        noise[1:] *= np.sqrt(1 - phi**2)  # the first is drawn from the stationary law
        self._signal[e] = lfilter([1.0], [1.0, -phi], noise)

    def _observed(self) -> Array:
        signal = self._signal[np.arange(self.n_envs), self._time]
        return np.stack([signal, self._position], axis=1).astype(np.float32)
