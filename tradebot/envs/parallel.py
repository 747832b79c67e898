"""Our environments where agents meet, as PettingZoo's `ParallelEnv`."""

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium import spaces
from pettingzoo import ParallelEnv  # type: ignore[import-untyped]

from tradebot.core import Array, Box, Discrete, InputError, Step
from tradebot.envs import catalogue, drawing
from tradebot.envs.world import Snapshot, World

SEEDS = 2**31  # a seed that nobody gave is smaller than this


def parallel_env(name: str, render_mode: str | None = None) -> ParallelWorld:
    """One environment of the catalogue: `parallel_env("multiagent?agents=3", render_mode="rgb_array")`.

    Raises InputError for what is no environment of ours, for settings that it does not have, and for another
    way to render.
    """
    if catalogue.is_foreign(name):
        raise InputError(f"{name} is Gymnasium's and has one agent: take gymnasium.make")
    catalogue.check(name)
    if render_mode not in (None, "rgb_array"):
        raise InputError(f"render_mode: unknown {render_mode!r}; choose from rgb_array")
    return ParallelWorld(name, render_mode)


class ParallelWorld(ParallelEnv[str, Any, Any]):  # type: ignore[misc] # the package has no types
    """Agents agent_0, agent_1, ... of one environment, which all act at once and end together.

    `reset` without a seed begins the next episode of the seed that was given last.
    """

    def __init__(self, name: str, render_mode: str | None = None) -> None:
        self.metadata = {"name": name, "render_modes": ["rgb_array"], "render_fps": 10}
        self.render_mode = render_mode
        self.possible_agents = [f"agent_{i}" for i in range(catalogue.agents(name))]
        self.agents: list[str] = []
        self._name = name
        self._world: World | None = None
        self._fresh: Array | None = None  # [n, *O] where the next episode begins, if it has begun already
        self._film: list[Snapshot] = []  # of the episode, where pictures are wanted
        world = catalogue.make(name, [0], 1)
        seen, acted = world.observation_space, world.action_space
        self.observation_spaces = {agent: _space(seen) for agent in self.possible_agents}
        self.action_spaces = {agent: _space(acted) for agent in self.possible_agents}

    def observation_space(self, agent: str) -> spaces.Space[Any]:
        return self.observation_spaces[agent]

    def action_space(self, agent: str) -> spaces.Space[Any]:
        return self.action_spaces[agent]

    def reset(
        self, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
        if seed is not None or self._world is None:
            drawn = int(np.random.default_rng().integers(SEEDS)) if seed is None else seed
            self._world, self._fresh = catalogue.make(self._name, [drawn], 1), None
        obs = self._world.reset() if self._fresh is None else self._fresh
        self._fresh = None
        self._film = []
        self._take(left=False)
        self.agents = [*self.possible_agents]
        return self._by_agent(obs), {agent: {} for agent in self.agents}

    def step(self, actions: dict[str, Any]) -> tuple[dict[str, Any], ...]:
        assert self._world is not None, "call reset first"
        if not self.agents:  # the episode is over
            return {}, {}, {}, {}, {}
        step: Step = self._world.step(np.array([actions[agent] for agent in self.agents]))
        told: tuple[dict[str, Any], ...] = (
            self._by_agent(step.next_obs),
            {agent: float(step.reward[i]) for i, agent in enumerate(self.agents)},
            {agent: bool(step.terminated[i]) for i, agent in enumerate(self.agents)},
            {agent: bool(step.truncated[i]) for i, agent in enumerate(self.agents)},
            {agent: {} for agent in self.agents},
        )
        ended = bool((step.terminated | step.truncated).any())
        self._take(left=ended)
        if ended:
            self.agents, self._fresh = [], step.obs
        return told

    def render(self) -> Array | None:
        """The picture [H, W, 3] of `rgb_array`, once there is an episode."""
        if not self._film:
            return None
        return drawing.rgb(self._name.partition("?")[0], self._film)

    def _take(self, *, left: bool) -> None:
        if self.render_mode is None:
            return
        assert self._world is not None
        before = self._film[-1] if self._film else {}
        self._film.append({**before, **self._world.snapshot(0, left=left)})

    def _by_agent(self, obs: Array) -> dict[str, Any]:
        is_numbered = obs.dtype == np.int64
        return {
            agent: np.int64(obs[i, 0]) if is_numbered else obs[i].copy()
            for i, agent in enumerate(self.possible_agents)
        }


def _space(space: Box | Discrete) -> spaces.Space[Any]:
    if isinstance(space, Discrete):
        return spaces.Discrete(space.n)
    if space.is_numbered:
        return spaces.Discrete(int(space.high[0] - space.low[0]) + 1, start=int(space.low[0]))
    return spaces.Box(space.low, space.high, dtype=np.float32)
