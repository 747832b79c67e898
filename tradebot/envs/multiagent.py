"""Agents on a square that are paid by where the others are: rendezvous, and the landmarks of spread.

n agents share an environment, and each is a learner of its own: E = S teams x n agents x B environments, in
this order. All agents of an environment act in the same step.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tradebot.core import Array, Box, Discrete, Space, State, Step
from tradebot.envs.configs import MultiAgentConfig
from tradebot.envs.random import compiled, inlined, stream, uniform

# Spread, as mpe2's simple_spread_v3 and its core.World have it.
TIME, DAMPING, FORCE = 0.1, 0.25, 5.0
REACH, CONTACT, MARGIN = 0.3, 100.0, 1e-3  # two radii; stiffness and softness of a contact
LOCAL = 0.5  # share of an agent's own reward in what it is paid
PLANE, GRID, SPREAD = range(3)


class MultiAgentEnv:
    """Rendezvous pays each agent minus its mean Manhattan distance to the others, in sides of the square.

    On the plane, [-1, 1] x [-1, 1], an action [dx, dy] in +-1 moves by `speed` times it, but not out of the
    square; observed are the own position and the offsets to the others, in halves of a side and in sides. On
    the grid the actions 0 .. 4 are stay, west, east, south and north, and the offsets have one number.

    Spread has as many landmarks as agents. The actions 0 .. 4 are no force and one to the west, east, south
    and north; agents that touch repel each other. Each is paid half of minus the sum over the landmarks of
    the distance to the nearest agent, and -1/2 for each agent that it overlaps with. Observed are the own
    velocity and position and the offsets to the landmarks and to the others: what mpe2 shows without the
    zeros of a channel that is silent. Distances are Euclidean, and there are no walls.
    """

    levels = None
    arrived = None

    def __init__(self, config: MultiAgentConfig, seeds: Sequence[int], envs: int) -> None:
        self.config = config
        self._shape = len(seeds), config.agents, envs
        self._kind = SPREAD if config.task == "spread" else GRID if config.form == "grid" else PLANE
        self._seeds = np.repeat(np.asarray(seeds, dtype=np.int64), envs)  # [W], W = S x B
        self._numbers = np.tile(np.arange(envs, dtype=np.int64), len(seeds))
        self._episodes = np.zeros(len(self._seeds), dtype=np.int64)
        self._time = np.zeros(len(self._seeds), dtype=np.int64)
        landmarks = config.agents if self._kind == SPREAD else 0
        self._position = np.zeros((len(self._seeds), config.agents, 2))
        self._velocity = np.zeros_like(self._position)
        self._landmarks = np.zeros((len(self._seeds), landmarks, 2))
        self._left = self._position  # where they stood when the last step ended

    @property
    def n_envs(self) -> int:
        return self._seeds.size * self.config.agents

    @property
    def observation_space(self) -> Box:
        if self._kind == GRID:
            return Box(np.array([0]), np.array([self.config.states - 1]))
        bound = np.full(self._n_seen, np.inf if self._kind == SPREAD else 1.0, np.float32)
        return Box(-bound, bound)

    @property
    def action_space(self) -> Space:
        if self._kind == PLANE:
            return Box(-np.ones(2, np.float32), np.ones(2, np.float32))
        return Discrete(5, idle=0)

    @property
    def time_limit(self) -> int:
        return self.config.limit

    @property
    def positions(self) -> Array:
        """[S, B, n, 2] on the plane; columns and rows on the grid."""
        teams, agents, envs = self._shape
        return self._position.reshape(teams, envs, agents, 2).copy()

    def assign(self, level: Array) -> None:
        """Nothing: there are no levels."""

    def reset(self) -> Array:
        self._begin(np.ones(len(self._seeds), dtype=bool))
        self._left = self._position
        return self._observed()

    def step(self, action: Array) -> Step:
        reward, c = np.empty(self.n_envs), self.config
        given = (self._position, self._velocity)
        match self._kind:
            case 0:
                move = np.clip(action.astype(np.float64), -1.0, 1.0)
                if np.isnan(move).any():
                    raise FloatingPointError("an action is not a number: the policy has diverged")
                walk(self._position, move, c.speed, self._shape[2])
                meet(self._position, 2.0, reward, self._shape[2])
            case 1:
                step_cells(self._position, action, c.width, self._shape[2])
                meet(self._position, c.width - 1.0, reward, self._shape[2])
            case _:
                push(*given, action, self._shape[2])
                cover(self._position, self._landmarks, reward, self._shape[2])
        self._time += 1
        ended = self._time == c.limit
        obs = next_obs = self._observed()
        self._left = self._position
        if ended.any():
            self._left = self._position.copy()
            self._begin(ended)
            obs = self._observed()
        teams, agents, envs = self._shape
        truncated = np.repeat(ended.reshape(teams, 1, envs), agents, axis=1).reshape(-1)
        return Step(obs, reward, np.zeros_like(truncated), truncated, next_obs, np.full(self.n_envs, -1))

    def state_dict(self) -> State:
        return {
            "episodes": self._episodes.copy(),
            "time": self._time.copy(),
            "position": self._position.copy(),
            "velocity": self._velocity.copy(),
            "landmarks": self._landmarks.copy(),
        }

    def load_state_dict(self, state: State) -> Array:
        """Returns what was seen when the state was taken, [E, *O]."""
        self._episodes[:], self._time[:] = state["episodes"], state["time"]
        self._position[:], self._velocity[:] = state["position"], state["velocity"]
        self._landmarks[:] = state["landmarks"]
        self._left = self._position
        return self._observed()

    def snapshot(self, e: int, *, left: bool = False) -> dict[str, Any]:
        """Where agent e acts: `positions` [n, 2] and `landmarks` [L, 2] in a square of a `size`.

        It is `centred`, so that its sides are twice the size; or it has `cells`, so many as the size.
        """
        agents, envs = self._shape[1:]
        w = e // (agents * envs) * envs + e % envs
        if left:
            return {"positions": self._left[w].copy()}
        is_grid = self._kind == GRID
        return {
            "positions": self._position[w].copy(),
            "landmarks": self._landmarks[w].copy(),
            "size": float(self.config.width) if is_grid else 1.5 if self._kind == SPREAD else 1.0,
            "cells": is_grid,
            "centred": not is_grid,
        }

    @property
    def _n_seen(self) -> int:
        others = 2 * (self.config.agents - 1)
        return 4 + 2 * self.config.agents + others if self._kind == SPREAD else 2 + others

    def _begin(self, which: Array) -> None:
        keys = self._seeds, self._numbers, self._episodes
        cells = self.config.width if self._kind == GRID else 0
        begin(which, *keys, cells, self._position, self._velocity, self._landmarks)
        self._time[which] = 0

    def _observed(self) -> Array:
        envs = self._shape[2]
        if self._kind == GRID:
            numbers = np.empty((self.n_envs, 1), dtype=np.int64)
            number(self._position, self.config.width, numbers, envs)
            return numbers
        obs = np.empty((self.n_envs, self._n_seen), dtype=np.float32)
        if self._kind == PLANE:
            see_others(self._position, obs, envs)
        else:
            see_landmarks(self._position, self._velocity, self._landmarks, obs, envs)
        return obs


def optimum(config: MultiAgentConfig, start: Array) -> Array:
    """The largest mean return over the agents of a rendezvous from positions [..., n, 2]: [...]

    Raises ValueError for spread and for a grid with more than two agents, whose optima are not known here.

    On the plane each coordinate is a matter for itself, moved by at most v = speed a step. Let x_(1) <= .. <=
    x_(n) be sorted. The sum over the pairs of |x_i - x_j| is sum over k <= n/2 of (n + 1 - 2k) g_k, with the
    gaps g_k = x_(n+1-k) - x_(k). If no coordinate moves by more than v, neither does the k-th smallest, so
    that after t steps g_k(t) >= max(0, g_k(0) - 2 v t). All bounds are reached at once, in every step: from
    the outermost pair inwards, the two ends of a gap move towards each other by min(v, g_k / 2), and are
    taken along by the ends of the next outer pair where these would pass them. (To move to the median is not
    the best: two agents want the middle between them, and of three the outer two do.) The walls do not
    matter, for nobody leaves the hull. The mean over the agents of what each is paid is minus the mean
    distance of a pair.

    On the grid two agents at the Manhattan distance d come 2 nearer a step if both move, as long as d >= 2:
    along the longer offset where it is 2 or more, or one along each where both are 1. At d = 1 only one may
    move, for else they swap. So d(t) = max(0, d(0) - 2 t), and no policy can do better.
    """
    agents = start.shape[-2]
    if config.task == "spread" or (config.form == "grid" and agents > 2):
        raise ValueError("the optimum is known of rendezvous alone: on the plane, or of two agents")
    t = np.arange(1, config.limit + 1)
    if config.form == "grid":
        distance = np.abs(start[..., 0, :] - start[..., 1, :]).sum(-1)
        return np.asarray(-np.maximum(0.0, distance[..., None] - 2 * t).sum(-1) / (config.width - 1))
    ordered = np.sort(start, axis=-2)
    k = np.arange(agents // 2)
    gap = ordered[..., agents - 1 - k, :] - ordered[..., k, :]  # [..., K, 2]
    left = np.maximum(0.0, gap[..., None] - 2 * config.speed * t).sum((-2, -1))  # [..., K]
    pairs = agents * (agents - 1) / 2
    return np.asarray(-((agents - 1 - 2 * k) * left).sum(-1) / pairs / 2.0)


def standing(config: MultiAgentConfig, start: Array) -> Array:
    """The mean return of a rendezvous where nobody moves, from positions [..., n, 2]: [...]"""
    agents = start.shape[-2]
    apart = np.abs(start[..., :, None, :] - start[..., None, :, :]).sum((-3, -2, -1)) / (
        agents * (agents - 1)
    )
    return np.asarray(-config.limit * apart / (config.width - 1.0 if config.form == "grid" else 2.0))


# ---- compiled: W environments of n agents each; agent i of environment w is row `seat(w, i, n, envs)` of E


@inlined
def seat(w: int, i: int, n: int, envs: int) -> int:
    """In the order team, agent, environment of the team."""
    return (w // envs * n + i) * envs + w % envs


@compiled
def begin(
    which: Array,  # [W] bool
    seeds: Array,  # [W] int
    numbers: Array,  # [W] int: of the environment within its team
    episodes: Array,  # [W] int, counted up
    cells: int,  # on a side of the grid; 0 on the plane
    position: Array,  # [W, n, 2], written
    velocity: Array,  # [W, n, 2], written
    landmarks: Array,  # [W, L, 2], written
) -> None:
    """Draw where all are, uniformly."""
    for w in range(len(which)):
        if which[w]:
            key = stream(seeds[w], numbers[w], episodes[w])
            episodes[w] += 1
            velocity[w] = 0.0
            n = position.shape[1]
            for i in range(n):
                for d in range(2):
                    u = uniform(key, 2 * i + d)
                    position[w, i, d] = np.floor(u * cells) if cells else 2.0 * u - 1.0
            for i in range(landmarks.shape[1]):
                for d in range(2):
                    landmarks[w, i, d] = 2.0 * uniform(key, 2 * (n + i) + d) - 1.0


@compiled
def walk(position: Array, move: Array, speed: float, envs: int) -> None:
    """Moves [E, 2] within +-1 on the plane, in place."""
    for w in range(position.shape[0]):
        for i in range(position.shape[1]):
            e = seat(w, i, position.shape[1], envs)
            for d in range(2):
                position[w, i, d] = min(max(position[w, i, d] + speed * move[e, d], -1.0), 1.0)


@compiled
def step_cells(position: Array, action: Array, width: int, envs: int) -> None:
    """Actions [E] on the grid, in place."""
    for w in range(position.shape[0]):
        for i in range(position.shape[1]):
            a = action[seat(w, i, position.shape[1], envs)]
            if a > 0:
                d, way = (a - 1) // 2, 2 * ((a - 1) % 2) - 1
                position[w, i, d] = min(max(position[w, i, d] + way, 0.0), width - 1.0)


@compiled
def meet(position: Array, side: float, reward: Array, envs: int) -> None:
    """Minus the mean Manhattan distance to the others, in sides, to reward [E]."""
    n = position.shape[1]
    for w in range(position.shape[0]):
        for i in range(n):
            total = 0.0
            for j in range(n):
                for d in range(2):
                    total += abs(position[w, i, d] - position[w, j, d])
            reward[seat(w, i, n, envs)] = -total / ((n - 1) * side)


@compiled
def push(position: Array, velocity: Array, action: Array, envs: int) -> None:
    """Actions [E] of spread, in place: places move by the velocities that were, then these by the forces."""
    n = position.shape[1]
    force = np.empty((n, 2))
    for w in range(position.shape[0]):
        force[:] = 0.0
        for i in range(n):
            a = action[seat(w, i, n, envs)]
            if a > 0:
                force[i, (a - 1) // 2] = FORCE * (2 * ((a - 1) % 2) - 1)
        for i in range(n):
            for j in range(i + 1, n):
                x = position[w, i, 0] - position[w, j, 0]
                y = position[w, i, 1] - position[w, j, 1]
                apart = np.sqrt(x * x + y * y)
                if apart > 0.0:  # who stand on the same point are not pushed to any side
                    soft = (REACH - apart) / MARGIN
                    depth = (max(soft, 0.0) + np.log1p(np.exp(-abs(soft)))) * MARGIN
                    pressure = CONTACT * depth / apart
                    force[i, 0] += pressure * x
                    force[i, 1] += pressure * y
                    force[j, 0] -= pressure * x
                    force[j, 1] -= pressure * y
        for i in range(n):
            for d in range(2):
                position[w, i, d] += velocity[w, i, d] * TIME
                velocity[w, i, d] = velocity[w, i, d] * (1.0 - DAMPING) + force[i, d] * TIME


@inlined
def distance(one: Array, other: Array) -> float:
    """Euclidean, between [2] and [2]."""
    return float(np.sqrt((one[0] - other[0]) ** 2 + (one[1] - other[1]) ** 2))


@compiled
def cover(position: Array, landmarks: Array, reward: Array, envs: int) -> None:
    """What spread pays, to reward [E]."""
    n = position.shape[1]
    for w in range(position.shape[0]):
        shared = 0.0
        for k in range(landmarks.shape[1]):
            nearest = np.inf
            for i in range(n):
                nearest = min(nearest, distance(position[w, i], landmarks[w, k]))
            shared -= nearest
        for i in range(n):
            own = 0.0
            for j in range(n):
                if j != i and distance(position[w, i], position[w, j]) < REACH:
                    own -= 1.0
            reward[seat(w, i, n, envs)] = shared * (1.0 - LOCAL) + own * LOCAL


@compiled
def number(position: Array, width: int, numbers: Array, envs: int) -> None:
    """The offsets to the others as the digits of one number, to numbers [E, 1]."""
    n, base = position.shape[1], 2 * width - 1
    for w in range(position.shape[0]):
        for i in range(n):
            total = 0
            for j in range(n):
                if j != i:
                    for d in range(2):
                        offset = int(position[w, j, d] - position[w, i, d]) + width - 1
                        total = total * base + offset
            numbers[seat(w, i, n, envs), 0] = total


@compiled
def see_others(position: Array, obs: Array, envs: int) -> None:
    """Own position, and offsets in sides, to obs [E, O]."""
    n = position.shape[1]
    for w in range(position.shape[0]):
        for i in range(n):
            e, c = seat(w, i, n, envs), 2
            obs[e, 0], obs[e, 1] = position[w, i, 0], position[w, i, 1]
            for j in range(n):
                if j != i:
                    for d in range(2):
                        obs[e, c] = 0.5 * (position[w, j, d] - position[w, i, d])
                        c += 1


@compiled
def see_landmarks(position: Array, velocity: Array, landmarks: Array, obs: Array, envs: int) -> None:
    """Own velocity and position, offsets to the landmarks and to the others, to obs [E, O]."""
    n, n_landmarks = position.shape[1], landmarks.shape[1]
    for w in range(position.shape[0]):
        for i in range(n):
            e = seat(w, i, n, envs)
            for d in range(2):
                obs[e, d], obs[e, 2 + d] = velocity[w, i, d], position[w, i, d]
                for k in range(n_landmarks):
                    obs[e, 4 + 2 * k + d] = landmarks[w, k, d] - position[w, i, d]
                c = 4 + 2 * n_landmarks + d
                for j in range(n):
                    if j != i:
                        obs[e, c] = position[w, j, d] - position[w, i, d]
                        c += 2
