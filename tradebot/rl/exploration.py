"""How agents with continuous actions try things. Their policies act within +-1, whatever the bounds are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from torch import Tensor

from tradebot.core import Array, Box, InputError, Space, State
from tradebot.rl.noise import Noise
from tradebot.rl.tensors import floats

NoiseKind = Literal["gaussian", "ou"]


class UnitBox:
    """Between +-1 in each direction and the bounds of an action space."""

    def __init__(self, space: Space, agent: str) -> None:
        """Raises InputError for an action space that is not a bounded Box; `agent` is named there."""
        if not isinstance(space, Box):
            raise InputError(
                f"{agent} needs continuous actions: --actions weights, or another agent (dqn, ppo, a2c)"
            )
        if not (np.isfinite(space.low) & np.isfinite(space.high)).all():
            raise InputError(f"{agent} needs bounded actions, and these go from {space.low} to {space.high}")
        self.size = int(np.prod(space.shape))
        self._low, self._high = (bound.astype(np.float32) for bound in space)
        self._middle, self._half = (self._high + self._low) / 2, (self._high - self._low) / 2

    def outside(self, action: Array) -> Array:
        """From +-1 to the bounds: [M, B, A], float32."""
        scaled = self._middle + self._half * action.astype(np.float32)
        return np.asarray(np.clip(scaled, self._low, self._high))

    def inside(self, action: Array, device: str) -> Tensor:
        """From the bounds to +-1: [M, N, A]"""
        return floats((action - self._middle) / self._half, device)


class FirstActions:
    """Uniform random actions for the first `start` transitions of a member, then those of the policy."""

    def __init__(self, seeds: Sequence[int], envs: int, size: int, start: int) -> None:
        self._start = start
        self._noise = Noise(seeds, "first actions", (envs, size))

    def instead_of(self, action: Array, seen: int) -> Array:
        """[M, B, A] within +-1, after `seen` transitions of a member."""
        return action if seen >= self._start else 2.0 * self._noise.draw() - 1.0

    def state_dict(self) -> State:
        return {"noise": self._noise.count}

    def load_state_dict(self, state: State) -> None:
        self._noise.count = state["noise"]


class ActionNoise:
    """Noise that is added to actions: independent draws, or an Ornstein-Uhlenbeck process per environment,

        x_t = (1 - theta) x_tm1 + std e_t,  e normal (Lillicrap et al. 2016, section 3 and appendix 7),

    whose deviation is std / sqrt(theta (2 - theta)). It starts at 0 and runs on where an episode ends: agents
    are not told of that, and it forgets within some 1 / theta steps.
    """

    def __init__(
        self, seeds: Sequence[int], envs: int, size: int, kind: NoiseKind, std: float, theta: float
    ) -> None:
        self._kept = 1.0 - theta if kind == "ou" else 0.0
        self._std = std
        self._noise = Noise(seeds, "action", (envs, size), "standard_normal")
        self._x = np.zeros((len(seeds), envs, size))

    def added_to(self, action: Array) -> Array:
        """[M, B, A] within +-1"""
        self._x = self._kept * self._x + self._std * self._noise.draw()
        return np.asarray(np.clip(action + self._x, -1.0, 1.0))

    def state_dict(self) -> State:
        return {"noise": self._noise.count, "x": self._x.copy()}

    def load_state_dict(self, state: State) -> None:
        self._noise.count = state["noise"]
        self._x = np.array(state["x"])


def smoothed(action: Tensor, noise: Tensor, std: float, clip: float) -> Tensor:
    """clip(a + clip(std x noise, +-clip), +-1), all [M, N, A] (Fujimoto et al. 2018, section 5.3)."""
    return (action + (std * noise).clamp(-clip, clip)).clamp(-1.0, 1.0)
