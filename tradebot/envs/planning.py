"""Shortest ways through a map, and how well a policy navigates beside them.

Among rectangles a shortest way bends only at their corners, so it is a shortest path in the graph of corners
that see each other (Lozano-Perez and Wesley 1979). It may touch obstacles, as a robot may.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from tradebot.core import Agent, Array
from tradebot.envs.geometry import visible
from tradebot.envs.navigation import RADIUS, NavigationEnv

Policy = Callable[[Array], Array]  # obs [E, O] -> action [E, 2]


def shortest_way(start: Array, goal: Array, obstacles: Array) -> Array | None:
    """The points [P, 2] of the shortest way between two points [2] past obstacles [K, 4], both ends included.

    None where there is no way.
    """
    from scipy.sparse.csgraph import csgraph_from_dense, shortest_path

    corners = obstacles[:, [[0, 1], [0, 3], [2, 1], [2, 3]]].reshape(-1, 2)
    points = np.concatenate([start[None], goal[None], corners])
    lengths = np.linalg.norm(points[:, None] - points[None], axis=2)
    lengths[~visible(points, obstacles)] = np.inf
    graph = csgraph_from_dense(lengths, null_value=np.inf)
    distance, before = shortest_path(graph, indices=0, return_predecessors=True)
    if np.isinf(distance[1]):
        return None
    way = [1]
    while way[-1] != 0:
        way.append(int(before[way[-1]]))
    return np.asarray(points[way[::-1]])


def way_length(way: Array) -> float:
    """Of points [P, 2] in their order."""
    return float(np.linalg.norm(np.diff(way, axis=0), axis=1).sum())


def spl(success: Array, length: Array, shortest: Array) -> float:
    """Success weighted by path length, mean of S l / max(p, l) over N episodes (Anderson et al. 2018, "On
    Evaluation of Embodied Navigation Agents", eq. 1): success S [N], length p of the way that was taken [N],
    length l of the shortest one [N]."""
    return float(np.mean(success * shortest / np.maximum(length, shortest)))


class Navigated(NamedTuple):
    """How N episodes went. Where the robot arrived has neither collided nor run out of time."""

    arrived: Array  # [N] bool
    collided: Array  # [N] bool
    length: Array  # [N] of the way that was taken
    # [N] of the shortest way to the goal's centre, less its radius. Usually that radius is not taken off,
    # which gives a higher SPL, for a robot need not go on to the centre. Where an obstacle parts the centre
    # from the edge of the disc, this may be longer than the way taken, which then counts as the shortest.
    shortest: Array

    @property
    def success(self) -> float:
        return float(self.arrived.mean())

    @property
    def collisions(self) -> float:
        return float(self.collided.mean())

    @property
    def timeouts(self) -> float:
        return float((~self.arrived & ~self.collided).mean())

    @property
    def spl(self) -> float:
        return spl(self.arrived, self.length, self.shortest)

    def of_member(self, m: int, members: int) -> Navigated:
        """The episodes of member m alone, where the first N / members are those of member 0, and so on."""
        each = len(self.length) // members
        return Navigated(*(column[m * each : (m + 1) * each] for column in self))


def navigate(policy: Policy, env: NavigationEnv) -> Navigated:
    """One episode in each of the E environments: N = E."""
    obs = env.reset()
    place, goals, obstacles = env.positions, env.goals, env.obstacles
    ways = [shortest_way(*world) for world in zip(place, goals, obstacles, strict=True)]
    shortest = np.array([np.inf if way is None else way_length(way) for way in ways]) - RADIUS
    arrived, length = np.zeros(env.n_envs, bool), np.zeros(env.n_envs)
    collided, running = np.zeros(env.n_envs, bool), np.ones(env.n_envs, bool)
    while running.any():
        step = env.step(policy(obs))
        after = env.positions_left
        length += np.where(running, np.linalg.norm(after - place, axis=1), 0.0)
        is_near = np.linalg.norm(after - goals, axis=1) <= RADIUS * (1.0 + 1e-9)  # it stands on the circle
        arrived |= running & step.terminated & is_near
        collided |= running & step.terminated & ~is_near
        running &= ~(step.terminated | step.truncated)
        obs, place = step.obs, env.positions
    return Navigated(arrived, collided, length, shortest)


def of_agent(agent: Agent, members: int) -> Policy:
    """What a population does that no longer explores: its members act in equal parts of E, in order."""

    def policy(obs: Array) -> Array:
        action, _ = agent.act(obs.reshape(members, -1, *obs.shape[1:]), explore=False)
        return action.reshape(len(obs), *action.shape[2:])

    return policy


def straight(obs: Array) -> Array:
    """A full step towards the goal, whatever stands between."""
    return np.asarray(obs[:, :2] / np.abs(obs[:, :2]).max(axis=1, keepdims=True))


def at_random(seed: int) -> Policy:
    """Actions from the uniform distribution."""
    generator = np.random.default_rng(seed)
    return lambda obs: generator.uniform(-1.0, 1.0, (len(obs), 2))
