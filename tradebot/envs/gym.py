"""Gymnasium environments as ours: E copies, each with a generator of its own."""

from __future__ import annotations

import pickle
import warnings
from collections.abc import Sequence
from typing import Any

import gymnasium
import numpy as np

from tradebot.core import Array, Box, Discrete, InputError, Space, State, Step
from tradebot.envs.world import Snapshot

PREFIX = "gym:"
PICTURES = "rgb_array"  # the way to render of those that make pictures


class GymEnv:
    """`members x envs` copies of one registered environment, with discrete or Box observations and actions.

    Discrete observations become a Box of one integer. Actions are clipped to the bounds of their Box. Copy b
    of a member with seed s is seeded by (s, b): it does not depend on how many stand beside it.
    """

    def __init__(self, name: str, seeds: Sequence[int], envs: int, *, pictures: bool = False) -> None:
        """`pictures`: for `snapshot`. Raises InputError for what is not installed or has no such spaces."""
        mode: dict[str, Any] = {"render_mode": PICTURES} if pictures else {}
        try:
            self._envs = [gymnasium.make(name, **mode) for _ in range(len(seeds) * envs)]
        except (gymnasium.error.Error, ImportError) as error:
            raise InputError(f"{PREFIX}{name}: {' '.join(str(error).split())}") from None
        if pictures and PICTURES not in (self._envs[0].metadata.get("render_modes") or ()):
            raise InputError(f"{PREFIX}{name} makes no pictures: it has no render_mode={PICTURES!r}")
        self._seeds = [
            int(np.random.SeedSequence([seed, b]).generate_state(1)[0]) for seed in seeds for b in range(envs)
        ]
        self._started = False
        self.arrived: Array | None = None  # [E] `is_success` of the last step, where they speak of it
        self._last: list[Any] = [None] * self.n_envs  # pictures of the ends of episodes
        self.observation_space, self.action_space = _spaces(name, self._envs[0])
        spec = self._envs[0].spec
        self.time_limit = spec.max_episode_steps if spec else None  # steps after which an episode is cut off

    @property
    def n_envs(self) -> int:
        return len(self._envs)

    @property
    def levels(self) -> None:
        """A foreign environment starts its episodes where it likes."""

    def assign(self, level: Array) -> None:
        """Nothing: there are no levels."""

    def reset(self) -> Array:
        seeds = [None if self._started else seed for seed in self._seeds]
        self._started = True
        return self._stack([env.reset(seed=seed)[0] for env, seed in zip(self._envs, seeds, strict=True)])

    def step(self, action: Array) -> Step:
        if isinstance(self.action_space, Box):
            action = np.clip(action, self.action_space.low, self.action_space.high)
        obs, next_obs, said = [], [], []
        reward = np.empty(self.n_envs)
        terminated = np.empty(self.n_envs, dtype=bool)
        truncated = np.empty(self.n_envs, dtype=bool)
        for e, env in enumerate(self._envs):
            seen, reward[e], terminated[e], truncated[e], info = env.step(action[e])
            said.append(info.get("is_success"))
            next_obs.append(seen)
            ended = terminated[e] or truncated[e]
            self._last[e] = self._picture(e) if ended else None
            obs.append(env.reset()[0] if ended else seen)
        level = np.full(self.n_envs, -1)
        if self.arrived is not None or any(word is not None for word in said):
            self.arrived = np.array([bool(word) for word in said])
        truncated &= ~terminated
        return Step(self._stack(obs), reward, terminated, truncated, self._stack(next_obs), level)

    def state_dict(self) -> State:
        """Nothing: a foreign environment does not show its state, so exact resume is not promised for it."""
        return {}

    def load_state_dict(self, state: State) -> Array:
        """Start afresh from the seeds. Returns the first observations."""
        self._started = False
        return self.reset()

    def snapshot(self, e: int, *, left: bool = False) -> Snapshot:
        """`frame` is a picture [H, W, 3], or None where there are none."""
        last = self._last[e] if left else None
        return {"frame": self._picture(e) if last is None else last}

    def _picture(self, e: int) -> Any:
        if self._envs[e].render_mode is None:
            return None
        try:
            return self._envs[e].render()
        except (gymnasium.error.Error, ImportError) as error:  # pygame, in many of them
            raise InputError(f"no pictures: {' '.join(str(error).split())}") from None

    def _stack(self, observations: list[Any]) -> Array:
        is_numbered = self.observation_space.low.dtype == np.int64
        stacked = np.asarray(observations, dtype=np.int64 if is_numbered else np.float32)
        return stacked.reshape(self.n_envs, *self.observation_space.shape)


def is_registered(name: str) -> bool:
    """Whether Gymnasium knows an environment under this ID."""
    return name in gymnasium.registry


def spec(name: str) -> bytes | None:
    """How another process makes this registered environment, pickled; None if it could not.

    It cannot where the environment is written in the script or notebook that runs: only files are imported.
    """
    try:
        with warnings.catch_warnings():  # which were shown when `GymEnv` made it
            warnings.simplefilter("ignore")
            env = gymnasium.make(
                name
            )  # imports its module and finds its latest version, where that is needed
        env.close()
        found = gymnasium.spec(env.spec.id if env.spec else name)
        pickled = pickle.dumps(found)
    except (gymnasium.error.Error, ImportError, pickle.PicklingError, AttributeError, TypeError):
        return None
    entry = found.entry_point
    module = entry.partition(":")[0] if isinstance(entry, str) else getattr(entry, "__module__", "__main__")
    return None if module == "__main__" else pickled


def register(pickled: bytes) -> None:
    """Let this process make what `spec` gave in another one."""
    found = pickle.loads(pickled)
    gymnasium.registry.setdefault(found.id, found)


def _spaces(name: str, env: gymnasium.Env[Any, Any]) -> tuple[Box, Space]:
    seen, acted = env.observation_space, env.action_space
    if isinstance(seen, gymnasium.spaces.Discrete):
        observed = Box(np.array([seen.start], np.int64), np.array([seen.start + seen.n - 1], np.int64))
    elif isinstance(seen, gymnasium.spaces.Box):
        observed = Box(seen.low.astype(np.float32), seen.high.astype(np.float32))  # integers are amounts
    else:
        raise InputError(f"{PREFIX}{name}: observations are {seen}; Discrete and Box are supported")
    if isinstance(acted, gymnasium.spaces.Discrete) and acted.start == 0:
        return observed, Discrete(int(acted.n))
    if isinstance(acted, gymnasium.spaces.Box) and len(acted.shape) == 1:
        return observed, Box(acted.low, acted.high)
    raise InputError(f"{PREFIX}{name}: actions are {acted}; Discrete from 0 and flat Box are supported")
