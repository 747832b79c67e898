"""The memory of off-policy agents: a ring per environment, drawn from uniformly or by priority.

Each observation is kept once: the successor of slot s is slot s + 1. Where an episode ends, its last
observation takes a slot of its own, which is never drawn.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numba import njit

from tradebot.core import Array, Batch, Box, Discrete, Extras, InputError, Replay, Space, State, Step
from tradebot.rl.noise import Noise
from tradebot.rl.sumtree import SumTree, set_leaf

PRIORITY_FLOOR = 1e-6  # added to |error|, so that nothing becomes unreachable


class Ring(NamedTuple):
    """S = B x L slots per member, L for each of its B environments: what was seen, done, and came of it."""

    obs: Array  # [M, S, *O] float32
    action: Array  # [M, S] int64 or [M, S, A] float32
    reward: Array  # [M, S] float64
    terminated: Array  # [M, S] bool
    ended: Array  # [M, S] bool: terminated or truncated
    level: Array  # [M, S] int64


class ReplayBuffer:
    """Room for `feed.capacity` observations per member, in B rings; batches as the feed asks for them."""

    def __init__(
        self,
        feed: Replay,
        observation_space: Box,
        action_space: Space,
        seeds: Sequence[int],  # [M]
        envs: int,  # environments per member: B
        steps: int,  # transitions of a member in the whole training: at its end the importance exponent is 1
    ) -> None:
        smallest = envs * (feed.n_step + 2)
        if feed.capacity < smallest:
            raise InputError(
                f"a replay of {feed.capacity} transitions is too small for {envs} environments and"
                f" {feed.n_step}-step returns: raise the capacity to {smallest} or more"
            )
        self._feed = feed
        self._steps = steps
        self._head = np.zeros(
            (len(seeds), envs), np.int64
        )  # where the next transition of an environment goes
        self._ring = _empty_ring(len(seeds), envs * (feed.capacity // envs), observation_space, action_space)
        self._flat = self._ring._replace(  # the same memory; of one shape, compiled once for all environments
            obs=self._ring.obs.reshape(*self._ring.reward.shape, -1),
            action=self._ring.action.reshape(*self._ring.reward.shape, -1),
        )
        self._tree = SumTree(len(seeds), self._ring.reward.shape[1])
        self._noise = Noise(seeds, "replay", (feed.batch,))
        self._used = 0  # slots of each environment that have been written to
        self._seen = 0  # transitions of each member so far
        self._due = 0  # of these, not yet paid for with updates

    def propose(self) -> None:
        """Episodes may start anywhere: transitions are what is prioritized."""

    def add(self, obs: Array, action: Array, extras: Extras, step: Step) -> None:
        """One step of all environments: obs [E, *O], action [E, ...]."""
        ring, before, rows = self._flat, self._head.copy(), len(step.reward)
        _add(
            ring,
            self._head,
            self._tree.sums,
            self._tree.maxima,
            np.ascontiguousarray(obs, ring.obs.dtype).reshape(rows, -1),
            np.ascontiguousarray(action, ring.action.dtype).reshape(rows, -1),
            np.ascontiguousarray(step.reward, ring.reward.dtype),
            np.ascontiguousarray(step.terminated),
            np.ascontiguousarray(step.truncated),
            np.ascontiguousarray(step.next_obs, ring.obs.dtype).reshape(rows, -1),
            np.ascontiguousarray(step.level, ring.level.dtype),
        )
        envs = self._head.shape[1]
        length = ring.reward.shape[1] // envs
        wrapped = (self._head < before).any()
        self._used = length if wrapped else max(self._used, min(length, int(self._head.max()) + 1))
        self._seen += envs
        if self._seen > self._feed.start:
            self._due += envs

    def batches(self) -> Iterator[Batch]:
        """As many batches [M, feed.batch] as are due."""
        while self._due >= self._feed.every:
            self._due -= self._feed.every
            for _ in range(self._feed.updates):
                yield self._sample()

    def prioritize(self, batch: Batch, priorities: Array) -> None:
        """Priority (|error| + floor)^alpha (Schaul et al. 2016, eq. 1) of the batch's transitions, [M, N]."""
        assert batch.index is not None  # it came from here
        error = np.abs(priorities.astype(np.float64))
        self._tree.set(batch.index, (error + PRIORITY_FLOOR) ** self._feed.alpha)

    def state_dict(self) -> State:
        return {
            "ring": {
                name: array[:, :, : self._used].copy() for name, array in self._by_environment().items()
            },
            "head": self._head.copy(),
            "tree": self._tree.state_dict(),
            "noise": self._noise.count,
            "seen": self._seen,
            "due": self._due,
        }

    def load_state_dict(self, state: State) -> None:
        for name, array in self._by_environment().items():
            self._used = state["ring"][name].shape[2]
            array[:, :, : self._used] = state["ring"][name]
        self._head[:] = state["head"]
        self._tree.load_state_dict(state["tree"])
        self._noise.count = state["noise"]
        self._seen = state["seen"]
        self._due = state["due"]

    def _by_environment(self) -> dict[str, Array]:
        """The columns of the ring as views [M, B, L, ...]."""
        members, envs = self._head.shape
        return {
            name: array.reshape(members, envs, -1, *array.shape[2:])
            for name, array in self._ring._asdict().items()
        }

    def _sample(self) -> Batch:
        ring = self._ring
        index, probability = self._tree.sample(self._noise.draw())
        reward, discount, last, successor = _walk(
            self._flat, self._head, index, self._feed.n_step, self._feed.gamma
        )
        obs, action, terminated, truncated, next_obs, level = _gather(self._flat, index, last, successor)
        seen, done = (index.shape + array.shape[2:] for array in (ring.obs, ring.action))
        return Batch(
            obs=obs.reshape(seen),
            action=action.reshape(done),
            reward=reward,
            terminated=terminated,
            truncated=truncated,
            next_obs=next_obs.reshape(seen),
            next_action=None,
            extras={"discount": discount},
            index=index,
            level=level,
            weight=self._weight(probability),
        )

    def _weight(self, probability: Array) -> Array | None:
        """(size P)^-beta over the batch's largest: size cancels (Schaul et al. 2016, section 3.4). [M, N]"""
        if self._feed.alpha == 0:
            return None
        beta = self._feed.beta + (1 - self._feed.beta) * min(1.0, self._seen / self._steps)
        return np.asarray((probability / probability.min(axis=1, keepdims=True)) ** -beta)


def _empty_ring(members: int, slots: int, observation_space: Box, action_space: Space) -> Ring:
    """Raises InputError where the machine has less memory than the ring and its tree take."""
    action_shape = () if isinstance(action_space, Discrete) else action_space.shape
    action_type = np.int64 if isinstance(action_space, Discrete) else np.float32
    per_slot = 4 * math.prod(observation_space.shape) + 8 * math.prod(action_shape) + 18
    needed = members * (slots * per_slot + SumTree.bytes_per_member(slots))
    present = _physical_memory()
    if needed > present:
        raise InputError(
            f"the replay would take {needed / 1e9:.1f} GB and the machine has {present / 1e9:.1f} GB:"
            " lower the capacity or the number of seeds"
        )
    shape = (members, slots)
    return Ring(
        obs=np.zeros((*shape, *observation_space.shape), np.float32),
        action=np.zeros((*shape, *action_shape), action_type),
        reward=np.zeros(shape),
        terminated=np.zeros(shape, np.bool_),
        ended=np.zeros(shape, np.bool_),
        level=np.zeros(shape, np.int64),
    )


def _physical_memory() -> float:
    """Bytes; infinite where the system does not say (Windows: there numpy's own MemoryError has to do)."""
    if not hasattr(os, "sysconf"):
        return math.inf
    return float(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))


@njit(cache=True)
def _add(
    ring: Ring,
    head: Array,  # [M, B]
    sums: Array,
    maxima: Array,
    obs: Array,  # [M x B, O], flat like all that follows
    action: Array,
    reward: Array,
    terminated: Array,
    truncated: Array,
    next_obs: Array,
    level: Array,
) -> None:
    members, envs = head.shape
    length = ring.reward.shape[1] // envs
    leaves = sums.shape[1] // 2
    for m in range(members):
        for b in range(envs):
            e = m * envs + b
            s = b * length + head[m, b]
            successor = b * length + (head[m, b] + 1) % length
            for slot in (s, successor):  # what stood there loses its observation
                if sums[m, leaves + slot] > 0.0:
                    set_leaf(sums[m], maxima[m], slot, 0.0)
            ring.obs[m, s] = obs[e]
            ring.action[m, s] = action[e]
            ring.reward[m, s] = reward[e]
            ring.terminated[m, s] = terminated[e]
            ring.ended[m, s] = terminated[e] or truncated[e]
            ring.level[m, s] = level[e]
            ring.obs[m, successor] = next_obs[e]
            largest = maxima[m, 1]
            set_leaf(sums[m], maxima[m], s, largest if largest > 0.0 else 1.0)
            head[m, b] = (head[m, b] + (2 if ring.ended[m, s] else 1)) % length


@njit(cache=True)
def _walk(
    ring: Ring, head: Array, index: Array, n_step: int, gamma: float
) -> tuple[Array, Array, Array, Array]:
    """From the slots index [M, N] up to n_step on, stopping where the episode ends or the memory does.

    Returns sum gamma^k r_k, the discount gamma^K of what follows, the last slot, its successor: all [M, N].
    """
    length = ring.reward.shape[1] // head.shape[1]
    reward = np.zeros(index.shape)
    discount = np.ones(index.shape)
    last = index.copy()
    successor = index.copy()
    for m in range(index.shape[0]):
        for i in range(index.shape[1]):
            b = index[m, i] // length
            s = index[m, i]
            for _ in range(n_step):
                last[m, i] = s
                reward[m, i] += discount[m, i] * ring.reward[m, s]
                discount[m, i] *= gamma
                s = b * length + (s + 1) % length
                if ring.ended[m, last[m, i]] or s == b * length + head[m, b]:
                    break
            successor[m, i] = s
    return reward, discount, last, successor


@njit(cache=True)
def _gather(
    ring: Ring, index: Array, last: Array, successor: Array
) -> tuple[Array, Array, Array, Array, Array, Array]:
    """obs, action, terminated, truncated, next_obs and level of a batch in one pass, [M, N (, flat)]."""
    obs = np.empty(index.shape + ring.obs.shape[2:], ring.obs.dtype)
    action = np.empty(index.shape + ring.action.shape[2:], ring.action.dtype)
    terminated = np.empty(index.shape, np.bool_)
    truncated = np.empty(index.shape, np.bool_)
    next_obs = np.empty_like(obs)
    level = np.empty(index.shape, ring.level.dtype)
    for m in range(index.shape[0]):
        for i in range(index.shape[1]):
            s, end = index[m, i], last[m, i]
            obs[m, i] = ring.obs[m, s]
            action[m, i] = ring.action[m, s]
            terminated[m, i] = ring.terminated[m, end]
            truncated[m, i] = ring.ended[m, end] and not ring.terminated[m, end]
            next_obs[m, i] = ring.obs[m, successor[m, i]]
            level[m, i] = ring.level[m, s]
    return obs, action, terminated, truncated, next_obs, level
