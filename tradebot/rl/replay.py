"""The memory of off-policy agents: a ring per environment, sampled through a sum-tree, uniformly or by priority.

Each observation is kept once: the successor of slot s is slot s + 1. Where an episode ends, its last observation takes a
slot of its own, which is never drawn.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numba import njit

from tradebot.core import Array, Batch, Box, Discrete, Extras, InputError, Replay, Space, State, Step
from tradebot.rl.noise import Noise
from tradebot.rl.sumtree import SumTree, set_leaf

PRIORITY_FLOOR = 1e-6  # added to |error|, so that nothing becomes unreachable


@njit(cache=True)
def _add(
    ring: tuple[Array, ...],  # obs [E, L, O], action [E, L, A], reward, terminated, ended, level [E, L]
    head: Array,  # [E] where the next transition goes
    live: Array,  # [M] how many slots can be drawn
    sums: Array,
    maxima: Array,
    obs: Array,
    action: Array,
    reward: Array,
    terminated: Array,
    truncated: Array,
    next_obs: Array,
    level: Array,
) -> None:
    ring_obs, ring_action, ring_reward, ring_terminated, ring_ended, ring_level = ring
    n_envs, length = ring_reward.shape
    per_member = n_envs // live.shape[0]
    for e in range(n_envs):
        m = e // per_member
        offset = (e % per_member) * length
        capacity = sums.shape[1] // 2
        s = head[e]
        successor = (s + 1) % length
        for slot in (s, successor):
            if sums[m, capacity + offset + slot] > 0.0:
                live[m] -= 1
                set_leaf(sums[m], maxima[m], offset + slot, 0.0)
        ring_obs[e, s] = obs[e]
        ring_action[e, s] = action[e]
        ring_reward[e, s] = reward[e]
        ring_terminated[e, s] = terminated[e]
        ring_ended[e, s] = terminated[e] or truncated[e]
        ring_level[e, s] = level[e]
        ring_obs[e, successor] = next_obs[e]
        newest = maxima[m, 1]
        set_leaf(sums[m], maxima[m], offset + s, newest if newest > 0.0 else 1.0)
        live[m] += 1
        head[e] = (successor + 1) % length if ring_ended[e, s] else successor


@njit(cache=True)
def _gather(
    ring: tuple[Array, ...],
    head: Array,
    index: Array,  # [M, N]
    n_step: int,
    gamma: float,
    obs: Array,
    action: Array,
    reward: Array,
    terminated: Array,
    truncated: Array,
    next_obs: Array,
    discount: Array,
    level: Array,
) -> None:
    """Walk up to n_step slots, stopping where the episode ends or the memory does: R = sum gamma^k r, discount gamma^K."""
    ring_obs, ring_action, ring_reward, ring_terminated, ring_ended, ring_level = ring
    n_envs, length = ring_reward.shape
    per_member = n_envs // index.shape[0]
    for m in range(index.shape[0]):
        for i in range(index.shape[1]):
            e = m * per_member + index[m, i] // length
            s = index[m, i] % length
            obs[m, i] = ring_obs[e, s]
            action[m, i] = ring_action[e, s]
            level[m, i] = ring_level[e, s]
            total = 0.0
            factor = 1.0
            for _ in range(n_step):
                total += factor * ring_reward[e, s]
                factor *= gamma
                last = s
                s = (s + 1) % length
                if ring_ended[e, last] or s == head[e]:
                    break
            reward[m, i] = total
            discount[m, i] = factor
            terminated[m, i] = ring_terminated[e, last]
            truncated[m, i] = ring_ended[e, last] and not ring_terminated[e, last]
            next_obs[m, i] = ring_obs[e, s]


class ReplayBuffer:
    """`feed.capacity` transitions per member; hands out `feed.updates` batches after every `feed.every` transitions."""

    def __init__(
        self,
        feed: Replay,
        observation_space: Box,
        action_space: Space,
        seeds: Sequence[int],  # [M]
        envs: int,  # environments per member
        steps: int,  # transitions of a member in the whole training: the importance exponent reaches 1 with them
    ) -> None:
        self._feed = feed
        self._members, self._envs, self._steps = len(seeds), envs, steps
        length = feed.capacity // envs
        if length < feed.n_step + 2 or feed.batch > feed.capacity:
            raise InputError(f"a replay of {feed.capacity} transitions is too small for {envs} environments")
        n_envs = self._members * envs
        size = int(np.prod(observation_space.shape))
        needed = n_envs * length * (4 * size + 40) + 64 * self._members * feed.capacity
        available = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
        if needed > available:
            raise InputError(
                f"the replay would take {needed / 1e9:.1f} GB of {available / 1e9:.1f} GB of memory: lower the capacity"
                " or the number of seeds"
            )
        self._action_shape: tuple[int, ...] = () if isinstance(action_space, Discrete) else action_space.shape
        self._action_type: type = np.int64 if isinstance(action_space, Discrete) else np.float32
        self._obs_shape = observation_space.shape
        self._ring: tuple[Array, ...] = (
            np.zeros((n_envs, length, size), np.float32),
            np.zeros((n_envs, length, max(1, int(np.prod(self._action_shape)))), self._action_type),
            np.zeros((n_envs, length)),
            np.zeros((n_envs, length), bool),
            np.zeros((n_envs, length), bool),
            np.zeros((n_envs, length), np.int64),
        )
        self._head = np.zeros(n_envs, np.int64)
        self._live = np.zeros(self._members, np.int64)
        self._tree = SumTree(self._members, envs * length)
        self._noise = Noise(seeds, "replay", (feed.batch,))
        self._seen = 0  # transitions of each member so far
        self._due = 0  # of these, not yet paid for with updates

    def add(self, obs: Array, action: Array, extras: Extras, step: Step) -> None:
        n_envs = len(obs)
        _add(
            self._ring,
            self._head,
            self._live,
            self._tree.sums,
            self._tree.maxima,
            obs.reshape(n_envs, -1),
            action.reshape(n_envs, -1).astype(self._action_type, copy=False),
            step.reward,
            step.terminated,
            step.truncated,
            step.next_obs.reshape(n_envs, -1),
            step.level,
        )
        self._seen += self._envs
        if self._seen > self._feed.start:
            self._due += self._envs

    def batches(self) -> Iterator[Batch]:
        while self._due >= self._feed.every:
            self._due -= self._feed.every
            for _ in range(self._feed.updates):
                yield self._sample()

    def prioritize(self, index: Array, priorities: Array) -> None:
        """Priority (|error| + floor)^alpha (Schaul et al. 2016, eq. 1). index and priorities [M, N]."""
        self._tree.set(index, (np.abs(priorities) + PRIORITY_FLOOR) ** self._feed.alpha)

    def state_dict(self) -> State:
        names = ("obs", "action", "reward", "terminated", "ended", "level")
        ring: dict[str, Any] = {name: array.copy() for name, array in zip(names, self._ring, strict=True)}
        return ring | {
            "head": self._head.copy(),
            "live": self._live.copy(),
            "tree": self._tree.state_dict(),
            "noise": self._noise.count,
            "seen": self._seen,
            "due": self._due,
        }

    def load_state_dict(self, state: State) -> None:
        for name, array in zip(("obs", "action", "reward", "terminated", "ended", "level"), self._ring, strict=True):
            array[:] = state[name]
        self._head[:] = state["head"]
        self._live[:] = state["live"]
        self._tree.load_state_dict(state["tree"])
        self._noise.count = state["noise"]
        self._seen = state["seen"]
        self._due = state["due"]

    def _sample(self) -> Batch:
        index, probability = self._tree.sample(self._noise.draw())
        shape = index.shape
        obs = np.empty((*shape, self._ring[0].shape[2]), np.float32)
        next_obs = np.empty_like(obs)
        action = np.empty((*shape, self._ring[1].shape[2]), self._action_type)
        reward, discount = np.empty(shape), np.empty(shape)
        terminated, truncated = np.empty(shape, bool), np.empty(shape, bool)
        level = np.empty(shape, np.int64)
        _gather(
            self._ring,
            self._head,
            index,
            self._feed.n_step,
            self._feed.gamma,
            obs,
            action,
            reward,
            terminated,
            truncated,
            next_obs,
            discount,
            level,
        )
        return Batch(
            obs.reshape(*shape, *self._obs_shape),
            action.reshape(*shape, *self._action_shape),
            reward,
            terminated,
            truncated,
            next_obs.reshape(*shape, *self._obs_shape),
            None,
            {"discount": discount},
            index,
            level,
            self._weight(probability),
        )

    def _weight(self, probability: Array) -> Array | None:
        """(N P)^-beta / max over the batch (Schaul et al. 2016, section 3.4), [M, N]."""
        if self._feed.alpha == 0:
            return None
        beta = self._feed.beta + (1 - self._feed.beta) * min(1.0, self._seen / self._steps)
        weight = (self._live[:, None] * probability) ** -beta
        return np.asarray(weight / weight.max(axis=1, keepdims=True))
