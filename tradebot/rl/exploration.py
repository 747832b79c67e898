"""How agents with continuous actions try things. Their policies act within +-1, whatever the bounds are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, Protocol

import numpy as np
from torch import Tensor

from tradebot.core import Array, Batch, Box, InputError, Population, Space, State
from tradebot.rl.noise import Noise
from tradebot.rl.schedules import Schedule, scheduled
from tradebot.rl.tensors import Transitions, transitions


class UnitBox:
    """Between +-1 in each direction and the bounds of an action space."""

    def __init__(self, space: Space, agent: str) -> None:
        """Raises InputError for an action space that is not a bounded Box; `agent` is named there."""
        if not isinstance(space, Box):
            raise InputError(f"{agent} needs continuous actions: take another agent (dqn, ppo, a2c)")
        if not (np.isfinite(space.low) & np.isfinite(space.high)).all():
            raise InputError(
                f"{agent} needs bounded actions, and these go from {space.low} to {space.high}: take ppo,"
                " a2c, trpo or reinforce"
            )
        self.size = int(np.prod(space.shape))
        self._low, self._high = (bound.astype(np.float32) for bound in space)
        self._middle, self._half = (self._high + self._low) / 2, (self._high - self._low) / 2

    def outside(self, action: Array) -> Array:
        """From +-1 to the bounds: [M, B, A], float32."""
        scaled = self._middle + self._half * action.astype(np.float32)
        return np.asarray(np.clip(scaled, self._low, self._high))

    def inside(self, action: Array) -> Array:
        """From the bounds to +-1: [M, N, A]"""
        return np.asarray((action - self._middle) / self._half)


class Settings(Protocol):
    """What an agent's config says of its exploration and of how that goes with the training."""

    @property
    def name(self) -> str: ...
    @property
    def learning_rate(self) -> float: ...  # at the start
    @property
    def lr_schedule(self) -> Schedule: ...
    @property
    def envs(self) -> int: ...  # per member
    @property
    def learning_starts(self) -> int: ...  # transitions of a member that are random
    @property
    def noise(self) -> Literal["gaussian", "ou"]: ...
    @property
    def noise_std(self) -> float: ...
    @property
    def noise_theta(self) -> float: ...


class Exploration:
    """Uniform random actions for a member's first transitions, then those of the policy and noise on them.

    The noise is drawn independently, or by an Ornstein-Uhlenbeck process for each environment,

        x_t = (1 - theta) x_tm1 + std e_t,  e normal (Lillicrap et al. 2016, sections 3 and 7),

    whose deviation is std / sqrt(theta (2 - theta)). It starts at 0 with the training and runs on where an
    episode ends: agents are not told of that, and it forgets within some 1 / theta steps.
    """

    def __init__(self, settings: Settings, seeds: Sequence[int], size: int) -> None:
        shape = (settings.envs, size)
        self._settings = settings
        self._kept = 1.0 - settings.noise_theta if settings.noise == "ou" else 0.0
        self._first = Noise(seeds, "first actions", shape)
        self._noise = Noise(seeds, "noise", shape, "standard_normal")
        self._x = np.zeros((len(seeds), *shape))

    def of(self, action: Array, seen: int) -> Array:
        """What to do where the policy says `action`, after `seen` transitions of a member: [M, B, A], +-1."""
        if seen < self._settings.learning_starts:
            return 2.0 * self._first.draw() - 1.0
        self._x = self._kept * self._x + self._settings.noise_std * self._noise.draw()
        return np.asarray(np.clip(action + self._x, -1.0, 1.0))

    def state_dict(self) -> State:
        return {"first": self._first.count, "noise": self._noise.count, "x": self._x.copy()}

    def load_state_dict(self, state: State) -> None:
        self._first.count, self._noise.count = state["first"], state["noise"]
        self._x = np.array(state["x"])


class Explorer:
    """Stands between a policy within +-1 and the world, and knows how far the training is."""

    def __init__(self, settings: Settings, population: Population) -> None:
        """Raises InputError for an action space that is not a bounded Box."""
        self._settings = settings
        self._steps, self._seen = population.steps, 0  # transitions of a member: planned, and acted so far
        self._device = population.device
        self._box = UnitBox(population.action_space, settings.name)
        self._exploration = Exploration(settings, population.seeds, self._box.size)
        self.sizes = int(np.prod(population.observation_space.shape)), self._box.size  # of obs, of action

    @property
    def learning_rate(self) -> float:
        return scheduled(self._settings.learning_rate, self._settings.lr_schedule, self._seen, self._steps)

    def act(self, action: Tensor, *, explore: bool) -> Array:
        """What the policy says -> what is done: [M, B, A], from +-1 to the bounds."""
        done = action.cpu().numpy()
        if explore:
            done = self._exploration.of(done, self._seen)
            self._seen += self._settings.envs
        return self._box.outside(done)

    def transitions(self, batch: Batch) -> Transitions:
        """What was done there, within +-1."""
        return transitions(batch, self._box.inside, self._device)

    def state_dict(self) -> State:
        return {"exploration": self._exploration.state_dict(), "seen": self._seen}

    def load_state_dict(self, state: State) -> None:
        self._exploration.load_state_dict(state["exploration"])
        self._seen = state["seen"]


def smoothed(action: Tensor, noise: Tensor, std: float, clip: float) -> Tensor:
    """clip(a + clip(std x noise, +-clip), +-1), all [M, N, A] (Fujimoto et al. 2018, section 5.3)."""
    return (action + (std * noise).clamp(-clip, clip)).clamp(-1.0, 1.0)
