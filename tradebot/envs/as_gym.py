"""Environments of ours under Gymnasium's rules: one alone, and a batch that steps together.

Seed S gives environment e of a batch the seed S + e, so it does what the single one does under that seed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import gymnasium
import numpy as np
from gymnasium.vector import AutoresetMode
from gymnasium.vector.utils import batch_space

from tradebot.core import Array, Box, Discrete, Env, InputError

SEEDS = 2**31  # seeds that are drawn are smaller than this


class Window(Protocol):
    """Where a person sees an episode while it is played."""

    def show(self, film: Sequence[Any]) -> None: ...  # snapshots of an episode so far
    def close(self) -> None: ...


class Source(NamedTuple):
    """What an adapter is made of. `left` asks for the end of the episodes that ended in the last step."""

    make: Callable[[Sequence[int]], Any]  # an environment (`core.Env`) for each of the seeds
    info: Callable[[Any, bool], Mapping[str, Array]]  # (environments, left): name -> [E] numbers
    snapshot: Callable[[Any, int, bool], Mapping[str, Any]] | None = None  # (environments, number, left)
    draw: Callable[[Sequence[Any]], Array] | None = None  # snapshots of an episode so far -> RGB [H, W, 3]
    window: Callable[[], Window] | None = None


class SingleEnv(gymnasium.Env[Any, Any]):
    """One environment. A new episode continues the randomness of the seed that `reset` was given last."""

    metadata: dict[str, Any] = {"render_modes": ["human", "rgb_array"], "render_fps": 10}  # noqa: RUF012 (Gymnasium's name, on the class)

    def __init__(self, source: Source, render_mode: str | None = None) -> None:
        """Raises InputError for a way to render that there is not."""
        if source.draw is None:
            self.metadata = {**self.metadata, "render_modes": []}
        self.render_mode = _known(render_mode, self.metadata["render_modes"])
        self._source = source
        self.observation_space, self.action_space = _spaces(source.make([0]))
        self._env: Env | None = None  # until a seed is known
        self._fresh: Any = None  # where the next episode starts, if it has been begun already
        self._film: list[Mapping[str, Any]] = []  # snapshots of the episode, where they are wanted
        self._window: Window | None = None

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        if self._env is None or seed is not None:
            self._env = self._source.make([int(self.np_random.integers(SEEDS)) if seed is None else seed])
            self._fresh = None
        obs = _seen(self._env.reset(), self._env)[0] if self._fresh is None else self._fresh
        self._fresh = None
        self._film = []
        self._take(left=False)
        return obs, self._info(left=False)

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        if self._env is None or self._fresh is not None:
            raise gymnasium.error.ResetNeeded("call reset() first: no episode is under way")
        step = self._env.step(_checked(np.asarray(action)[None], self._env))
        terminated, truncated = bool(step.terminated[0]), bool(step.truncated[0])
        ended = terminated or truncated
        if ended:
            self._fresh = _seen(step.obs, self._env)[0]
        self._take(left=ended)
        obs = _seen(step.next_obs, self._env)[0]
        return obs, float(step.reward[0]), terminated, truncated, self._info(left=ended)

    def render(self) -> Any:
        """The picture [H, W, 3] of `rgb_array`; a window draws itself in every step."""
        if self.render_mode != "rgb_array":
            return None
        if not self._film:
            raise gymnasium.error.ResetNeeded("call reset() first: there is nothing to show")
        assert self._source.draw
        return self._source.draw(self._film)

    def close(self) -> None:
        if self._window:
            self._window.close()
            self._window = None

    def _take(self, *, left: bool) -> None:
        if self.render_mode is None:
            return
        assert self._source.snapshot and self._source.window
        before = self._film[-1] if self._film else {}
        self._film.append({**before, **self._source.snapshot(self._env, 0, left)})
        if self.render_mode == "human":
            self._window = self._window or self._source.window()
            self._window.show(self._film)

    def _info(self, *, left: bool) -> dict[str, Any]:
        return {name: value[0].item() for name, value in self._source.info(self._env, left).items()}


class BatchEnv(gymnasium.vector.VectorEnv[Any, Any, Array]):
    """A batch of environments. Where an episode ends, the next begins in the same step; `final_obs` and
    `final_info` keep the end of the old one."""

    metadata: dict[str, Any] = {  # noqa: RUF012
        "render_modes": ["rgb_array"],
        "render_fps": 10,
        "autoreset_mode": AutoresetMode.SAME_STEP,
    }

    def __init__(self, source: Source, num_envs: int = 1, render_mode: str | None = None) -> None:
        """Raises InputError for a way to render that there is not, and for less than one environment."""
        if num_envs < 1:
            raise InputError(f"num_envs: should be 1 or more (got {num_envs})")
        if source.draw is None:
            self.metadata = {**self.metadata, "render_modes": []}
        self.render_mode = _known(render_mode, self.metadata["render_modes"])
        self.num_envs = num_envs
        self._source = source
        self.single_observation_space, self.single_action_space = _spaces(source.make([0]))
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)
        self._env: Env | None = None  # until the seeds are known
        self._films: list[list[Any]] = []  # of each environment, snapshots of its episode

    def reset(
        self, *, seed: int | Sequence[int] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """New episodes everywhere; `seed` is the first environment's (the others follow) or one for each."""
        if options and "reset_mask" in options:
            raise InputError(
                "a reset_mask cannot be used: each environment begins anew when its episode ends"
            )
        if seed is None or isinstance(seed, int | np.integer):
            super().reset(seed=seed)
        if self._env is None or seed is not None:
            self._env = self._source.make(self._seeds(seed))
        obs = _seen(self._env.reset(), self._env)
        self._take(np.ones(self.num_envs, dtype=bool))
        return obs, self._info(left=False)

    def step(self, actions: Any) -> tuple[Any, Array, Array, Array, dict[str, Any]]:
        if self._env is None:
            raise gymnasium.error.ResetNeeded("call reset() first: no episode is under way")
        step = self._env.step(_checked(np.asarray(actions), self._env))
        infos = self._info(left=False)
        ended = step.terminated | step.truncated
        self._take(ended)
        if ended.any():
            final, last = np.full(self.num_envs, None, dtype=object), _seen(step.next_obs, self._env)
            for e in np.flatnonzero(ended):
                final[e] = last[e]
            infos |= {"final_obs": final, "_final_obs": ended, "_final_info": ended.copy()}
            infos["final_info"] = self._info(left=True, known=ended)
        return _seen(step.obs, self._env), step.reward, step.terminated, step.truncated, infos

    def render(self) -> tuple[Array, ...] | None:
        """A picture [H, W, 3] of each, where an episode has ended of the new one."""
        if self.render_mode is None:
            return None
        if not self._films:
            raise gymnasium.error.ResetNeeded("call reset() first: there is nothing to show")
        assert self._source.draw
        return tuple(self._source.draw(film) for film in self._films)

    def _take(self, anew: Array) -> None:
        if self.render_mode is None:
            return
        assert self._source.snapshot
        films = self._films or [[] for _ in range(self.num_envs)]
        self._films = [
            [*([] if anew[e] else film), self._source.snapshot(self._env, e, False)]
            for e, film in enumerate(films)
        ]

    def _seeds(self, seed: int | Sequence[int] | None) -> Sequence[int]:
        if seed is None:
            drawn: list[int] = self.np_random.integers(SEEDS, size=self.num_envs).tolist()
            return drawn
        if isinstance(seed, int | np.integer):
            return range(int(seed), int(seed) + self.num_envs)
        if len(seed) != self.num_envs:
            raise InputError(f"{len(seed)} seeds were given for {self.num_envs} environments")
        return seed

    def _info(self, *, left: bool, known: Array | None = None) -> dict[str, Any]:
        """Arrays [E] as Gymnasium wants them: zero and not in the mask `_name` where nothing is `known`."""
        if known is None:
            known = np.ones(self.num_envs, dtype=bool)
        values = self._source.info(self._env, left)
        return {name: np.where(known, value, np.zeros_like(value)) for name, value in values.items()} | {
            f"_{name}": known.copy() for name in values
        }


def _known(mode: str | None, modes: Sequence[str]) -> str | None:
    if mode is not None and mode not in modes:
        there = f"choose from {', '.join(modes)}" if modes else "this has no pictures: leave it out"
        raise InputError(f"render_mode: unknown {mode!r}; {there}")
    return mode


def _spaces(env: Env) -> tuple[gymnasium.Space[Any], gymnasium.Space[Any]]:
    """Observed, and acted in, of one environment."""
    seen, acted = env.observation_space, env.action_space
    observed: gymnasium.Space[Any]
    if seen.is_numbered:
        low, high = int(seen.low[0]), int(seen.high[0])
        observed = gymnasium.spaces.Discrete(high - low + 1, start=low)
    else:
        observed = gymnasium.spaces.Box(seen.low, seen.high, dtype=np.float32)
    if isinstance(acted, Discrete):
        return observed, gymnasium.spaces.Discrete(acted.n)
    return observed, gymnasium.spaces.Box(acted.low, acted.high, dtype=np.float32)


def _seen(obs: Array, env: Env) -> Array:
    """[E, *O], or the numbers [E] of states."""
    return obs[:, 0] if env.observation_space.is_numbered else obs


def _checked(actions: Array, env: Env) -> Array:
    """[E] or [E, A] as they are. Raises InputError where the environment would read what is not there."""
    space = env.action_space
    wanted = (env.n_envs,) if isinstance(space, Discrete) else (env.n_envs, *space.shape)
    if actions.shape != wanted:
        raise InputError(f"actions should have the shape {wanted}, not {actions.shape}")
    if isinstance(space, Box):
        return actions
    if (wrong := (actions < 0) | (actions >= space.n)).any():
        raise InputError(f"actions should be 0 .. {space.n - 1}, not {actions[wrong][0]}")
    return actions
