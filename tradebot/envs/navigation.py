"""Point robots that look for a way to a goal among rectangular obstacles.

Convention: the map is the square from 0 to `size`, in units of length; an action is [dx, dy] within -1..1,
times STEP. The whole way of a step is tested: where it first enters an obstacle or leaves the map the robot
has collided, where it first touches the disc of RADIUS around the goal it has arrived, and what comes first
counts. Obstacles may overlap each other, and touching one is free. Compiled, without fastmath.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from tradebot.core import Array, Box, State, Step
from tradebot.envs.configs import NavigationConfig
from tradebot.envs.geometry import (
    arrival,
    collision,
    connected,
    departure,
    inverse_directions,
    scan,
)
from tradebot.envs.random import compiled, inlined, stream, uniform
from tradebot.envs.world import Snapshot

STEP = 5.0  # length of an action's unit
RADIUS = 5.0  # of the goal
MARGIN = 5.0  # that a start lies outside of it at least
SHORTEST, LONGEST = 5.0, 15.0  # sides of obstacles
CELL = 2.0  # side of a cell of the grid that tells whether there is a way, about
PER_LENGTH = -0.01  # reward for the distance to the goal after a step, to which one of these is added:
ARRIVED, COLLIDED = 100.0, -1.0
MAPS = -1  # the number of no environment: under it the obstacles of numbered maps are drawn


class NavigationEnv:
    """E = seeds x environments-per-seed robots, seed-major, each in a map of its own.

    Observed are the direction of the goal (a unit vector), its distance / the map's diagonal, the last
    action, and the lengths of `rays` rays at the fixed angles k 2 pi / rays to the first obstacle or border,
    in parts of `reach` and at most 1. Every episode draws obstacles, start and goal anew, until either the
    straight line is free or a flood over cells finds a way; with a numbered `map` its obstacles stay.
    """

    levels = None

    def __init__(self, config: NavigationConfig, seeds: Sequence[int], envs: int) -> None:
        self.config = config
        self._seeds = np.repeat(np.asarray(seeds, dtype=np.int64), envs)
        self._environments = np.tile(np.arange(envs, dtype=np.int64), len(seeds))
        n, cells = self.n_envs, math.ceil(config.size / CELL)
        self._episodes = np.zeros(n, dtype=np.int64)  # begun so far
        self._time = np.zeros(n, dtype=np.int64)
        self._position, self._left = np.zeros((n, 2)), np.zeros((n, 2))
        self._action = np.zeros((n, 2))  # the last one
        self._goal = np.zeros((n, 2))
        self._obstacles = np.zeros((n, config.obstacles, 4))
        if config.map is not None:
            place(stream(config.map, MAPS, 0), 0, config.size, self._obstacles[0])
            self._obstacles[:] = self._obstacles[0]
        self._inverse = inverse_directions(config.rays)
        self._last: Step | None = None  # shows how episodes ended
        self._room = np.zeros((cells, cells), dtype=np.bool_), np.zeros(cells * cells, dtype=np.int64)

    @property
    def n_envs(self) -> int:
        return len(self._seeds)

    @property
    def observation_space(self) -> Box:
        low = np.zeros(5 + self.config.rays, np.float32)
        low[[0, 1, 3, 4]] = -1.0
        return Box(low, np.ones_like(low))

    @property
    def action_space(self) -> Box:
        high = np.ones(2, np.float32)
        return Box(-high, high)

    @property
    def time_limit(self) -> int:
        return self.config.limit

    @property
    def positions(self) -> Array:
        """[E, 2] as `Step.obs` shows them: at the start where an episode has just ended."""
        return self._position.copy()

    @property
    def positions_left(self) -> Array:
        """[E, 2] as `Step.next_obs` shows them: where an episode ended that has."""
        return self._left.copy()

    @property
    def goals(self) -> Array:
        """[E, 2]"""
        return self._goal.copy()

    @property
    def obstacles(self) -> Array:
        """[E, K, 4] x0, y0, x1, y1 of each"""
        return self._obstacles.copy()

    @property
    def arrived(self) -> Array:
        """[E] bool: the last step brought the robot to its goal, which alone pays."""
        return np.zeros(self.n_envs, dtype=bool) if self._last is None else self._last.reward > 0

    def assign(self, level: Array) -> None:
        """Nothing: there are no levels."""

    def reset(self) -> Array:
        self._episodes += 1
        self._time[:] = 0
        self._action[:] = 0.0
        self._draw(self._position)
        self._left[:] = self._position
        self._last = None
        return self._observed()

    def step(self, action: Array) -> Step:
        """Raises FloatingPointError for an action that is not a number."""
        if np.isnan(action).any():
            raise FloatingPointError("an action is not a number: the policy has diverged")
        n, c = self.n_envs, self.config
        self._action = np.clip(action, -1.0, 1.0, dtype=np.float64)
        obs, next_obs = (np.empty((n, 5 + c.rays), np.float32) for _ in range(2))
        reward, terminated, truncated = np.empty(n), np.empty(n, bool), np.empty(n, bool)
        step_robots(
            (c.size, c.reach, c.limit, c.map is not None),
            (self._seeds, self._environments, self._episodes),
            (self._position, self._goal, self._obstacles, self._action, self._time, self._left),
            self._inverse,
            self._room,
            (obs, reward, terminated, truncated, next_obs),
        )
        self._last = Step(obs, reward, terminated, truncated, next_obs, np.full(n, -1))
        return self._last

    def state_dict(self) -> State:
        """Maps are drawn again from (seed, environment, episode): this is all that moves."""
        return {
            "episodes": self._episodes.copy(),
            "time": self._time.copy(),
            "position": self._position.copy(),
            "action": self._action.copy(),
        }

    def load_state_dict(self, state: State) -> Array:
        """Returns what was seen when the state was taken, [E, O]."""
        self._episodes[:], self._time[:] = state["episodes"], state["time"]
        self._action[:] = state["action"]
        self._draw(np.empty_like(self._position))
        self._position[:] = self._left[:] = state["position"]
        self._last = None
        return self._observed()

    def snapshot(self, e: int, *, left: bool = False) -> Snapshot:
        """What there is to draw of environment e, in units of length; rays [R] from the robot."""
        if left and self._last is not None and (self._last.terminated[e] or self._last.truncated[e]):
            return {
                "position": self._left[e].copy(),
                "rays": self.config.reach * self._last.next_obs[e, 5:],
                "outcome": self._outcome(e),
            }
        rays = np.empty(self.config.rays)
        size, obstacles = self.config.size, self._obstacles[e]
        scan(
            self._position[e, 0],
            self._position[e, 1],
            obstacles,
            size,
            self._inverse,
            self.config.reach,
            rays,
        )
        return {
            "size": size,
            "obstacles": obstacles.copy(),
            "position": self._position[e].copy(),
            "goal": self._goal[e].copy(),
            "radius": RADIUS,
            "rays": rays,
        }

    def _outcome(self, e: int) -> str:
        """How the episode ended that has."""
        assert self._last is not None
        if self._last.truncated[e]:
            return "out of time"
        return "goal" if self.arrived[e] else "collision"

    def _draw(self, start: Array) -> None:
        """Maps, goals and starts [E, 2] of the episodes under way."""
        numbers = self._seeds, self._environments, self._episodes
        is_fixed = self.config.map is not None
        draw_all(numbers, self.config.size, is_fixed, self._obstacles, start, self._goal, *self._room)

    def _observed(self) -> Array:
        obs = np.empty((self.n_envs, 5 + self.config.rays), np.float32)
        world = self._position, self._goal, self._obstacles, self._action
        observe_all(*world, self.config.size, self.config.reach, self._inverse, obs)
        return obs


@compiled
def place(key: np.uint64, n: int, size: float, obstacles: Array) -> int:
    """Obstacles [K, 4] anywhere within the map, from number n of a stream on; returns the next number."""
    for k in range(len(obstacles)):
        for axis in range(2):
            side = SHORTEST + (LONGEST - SHORTEST) * uniform(key, n)
            obstacles[k, axis] = (size - side) * uniform(key, n + 1)
            obstacles[k, axis + 2] = obstacles[k, axis] + side
            n += 2
    return n


@compiled
def draw(
    key: np.uint64,
    size: float,
    is_fixed: bool,  # the obstacles stay
    obstacles: Array,  # [K, 4]
    start: Array,  # [2]
    goal: Array,  # [2]
    blocked: Array,
    queue: Array,
) -> None:
    """An episode that can be solved. A draw that may not be is thrown away as a whole."""
    n = 0
    while True:
        if not is_fixed:
            n = place(key, n, size, obstacles)
        for axis in range(2):
            start[axis], goal[axis] = size * uniform(key, n), size * uniform(key, n + 1)
            n += 2
        dx, dy = goal[0] - start[0], goal[1] - start[1]
        if dx * dx + dy * dy < (RADIUS + MARGIN) ** 2:
            continue
        if collision(start[0], start[1], dx, dy, obstacles) == np.inf:
            return
        if connected(start, goal, obstacles, size, blocked, queue):
            return


@compiled
def draw_all(
    numbers: tuple[Array, Array, Array],
    size: float,
    is_fixed: bool,
    obstacles: Array,
    start: Array,
    goal: Array,
    blocked: Array,
    queue: Array,
) -> None:
    """`draw` for the episode under way of each of the E robots."""
    for e in range(len(start)):
        key = stream(numbers[0][e], numbers[1][e], numbers[2][e])
        draw(key, size, is_fixed, obstacles[e], start[e], goal[e], blocked, queue)


@inlined
def observe(
    position: Array,  # [2]
    goal: Array,  # [2]
    obstacles: Array,  # [K, 4]
    action: Array,  # [2]
    size: float,
    reach: float,
    inverse: Array,  # [2, R]
    rays: Array,  # [R] room to work in
    seen: Array,  # [5 + R], filled
) -> None:
    """What one robot sees, see NavigationEnv."""
    dx, dy = goal[0] - position[0], goal[1] - position[1]
    distance = np.sqrt(dx * dx + dy * dy)
    seen[0], seen[1] = dx / distance, dy / distance
    seen[2] = distance / (size * np.sqrt(2.0))
    seen[3], seen[4] = action[0], action[1]
    scan(position[0], position[1], obstacles, size, inverse, reach, rays)
    for r in range(len(rays)):
        seen[5 + r] = rays[r] / reach


@compiled
def observe_all(
    position: Array,
    goal: Array,
    obstacles: Array,
    action: Array,
    size: float,
    reach: float,
    inverse: Array,
    obs: Array,  # [E, 5 + R], filled
) -> None:
    """What each robot sees."""
    rays = np.empty(inverse.shape[1])
    for e in range(len(obs)):
        observe(position[e], goal[e], obstacles[e], action[e], size, reach, inverse, rays, obs[e])


@compiled
def step_robots(
    rules: tuple[float, float, int, bool],  # size, reach, limit, whether the map is a fixed one
    numbers: tuple[Array, Array, Array],  # seed, environment and episode of each
    world: tuple[Array, Array, Array, Array, Array, Array],  # what moves, and is changed here
    inverse: Array,
    room: tuple[Array, Array],
    told: tuple[Array, Array, Array, Array, Array],  # of a Step, filled
) -> None:
    """All robots move, and those whose episode ends begin the next."""
    size, reach, limit, is_fixed = rules
    seeds, environments, episodes = numbers
    position, goal, obstacles, action, time, left = world
    obs, reward, terminated, truncated, next_obs = told
    rays = np.empty(inverse.shape[1])
    for e in range(len(obs)):
        px, py, gx, gy = position[e, 0], position[e, 1], goal[e, 0], goal[e, 1]
        dx, dy = STEP * action[e, 0], STEP * action[e, 1]
        crash = min(collision(px, py, dx, dy, obstacles[e]), departure(px, py, dx, dy, size))
        home = arrival(px - gx, py - gy, dx, dy, RADIUS)
        has_arrived = home < np.inf and home <= crash
        has_collided = crash < np.inf and not has_arrived
        part = min(1.0, home, crash)
        # Rounding must not put it outside, from where no ray would meet the border.
        px, py = min(max(px + part * dx, 0.0), size), min(max(py + part * dy, 0.0), size)
        position[e, 0], position[e, 1] = px, py
        left[e, 0], left[e, 1] = px, py
        reward[e] = PER_LENGTH * np.sqrt((gx - px) ** 2 + (gy - py) ** 2)
        reward[e] += ARRIVED * has_arrived + COLLIDED * has_collided
        time[e] += 1
        terminated[e] = has_arrived or has_collided
        truncated[e] = time[e] >= limit and not terminated[e]
        observe(position[e], goal[e], obstacles[e], action[e], size, reach, inverse, rays, next_obs[e])
        if terminated[e] or truncated[e]:
            episodes[e] += 1
            key = stream(seeds[e], environments[e], episodes[e])
            draw(key, size, is_fixed, obstacles[e], position[e], goal[e], room[0], room[1])
            time[e] = 0
            action[e, 0] = action[e, 1] = 0.0
            observe(position[e], goal[e], obstacles[e], action[e], size, reach, inverse, rays, obs[e])
        else:
            obs[e] = next_obs[e]
