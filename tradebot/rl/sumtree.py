"""A sum-tree for members x leaves: drawing in proportion to priority and changing one take logarithmic time.

Heap layout: node 1 is the root, the children of i are 2i and 2i + 1, leaf k is node leaves + k. A second heap
of the same shape holds the maximum, so that new transitions get the largest priority that is there *now*.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from tradebot.core import Array, State


def _leaves(capacity: int) -> int:
    """The next power of two, two at the least."""
    return 1 << max(1, (capacity - 1).bit_length())


@njit(cache=True)
def set_leaf(sums: Array, maxima: Array, leaf: int, priority: float) -> None:
    """One member's heaps [2 leaves]: put a priority at a leaf and repair the path to the root."""
    node = sums.shape[0] // 2 + leaf
    sums[node] = maxima[node] = priority
    node //= 2
    while node >= 1:
        sums[node] = sums[2 * node] + sums[2 * node + 1]
        maxima[node] = max(maxima[2 * node], maxima[2 * node + 1])
        node //= 2


@njit(cache=True)
def _set_leaves(sums: Array, maxima: Array, index: Array, priority: Array) -> None:
    for m in range(index.shape[0]):
        for i in range(index.shape[1]):
            set_leaf(sums[m], maxima[m], index[m, i], priority[m, i])


@njit(cache=True)
def _find_leaves(sums: Array, uniform: Array, stratified: bool) -> tuple[Array, Array]:
    """The leaves at which the running sum of priorities passes a share of it; never one of priority zero.

    All draws of a member go down one level together: each waits for memory, and so they wait as one.
    """
    members, batch = uniform.shape
    leaves = sums.shape[1] // 2
    node = np.ones((members, batch), dtype=np.int64)
    probability = np.empty((members, batch))
    mass = np.empty(batch)  # of a draw, what is left of it below its node
    for m in range(members):
        total = sums[m, 1]
        for i in range(batch):
            share = (i + uniform[m, i]) / batch if stratified else uniform[m, i]
            mass[i] = share * total
        while node[m, 0] < leaves:
            for i in range(batch):
                left = 2 * node[m, i]
                if mass[i] < sums[m, left] or sums[m, left + 1] == 0.0:
                    node[m, i] = left
                else:
                    mass[i] -= sums[m, left]
                    node[m, i] = left + 1
        for i in range(batch):
            probability[m, i] = sums[m, node[m, i]] / total
    return node - leaves, probability


class SumTree:
    """Priorities of M members x capacity leaves, zero at the start."""

    def __init__(self, members: int, capacity: int) -> None:
        leaves = _leaves(capacity)
        self.sums = np.zeros((members, 2 * leaves))
        self.maxima = np.zeros((members, 2 * leaves))

    @staticmethod
    def bytes_per_member(capacity: int) -> int:
        """What a tree will take of memory."""
        return 2 * 2 * 8 * _leaves(capacity)

    @property
    def total(self) -> Array:
        """[M] sum of the priorities."""
        return self.sums[:, 1]

    @property
    def maximum(self) -> Array:
        """[M] largest priority now in the tree."""
        return self.maxima[:, 1]

    def set(self, index: Array, priority: Array) -> None:
        """index [M, N] int, priority [M, N] >= 0 and finite; of leaves named twice the last counts."""
        _set_leaves(self.sums, self.maxima, index, priority)

    def sample(self, uniform: Array, *, stratified: bool = True) -> tuple[Array, Array]:
        """Draws by uniform [M, N] in [0, 1), stratified (Schaul et al. 2016, appendix B.2.1) or independent.

        Returns leaves [M, N] and their probabilities [M, N]. Every member's total must be positive.
        """
        return _find_leaves(self.sums, uniform, stratified)

    def state_dict(self) -> State:
        leaves = self.sums.shape[1] // 2
        return {"priority": self.sums[:, leaves:].copy()}

    def load_state_dict(self, state: State) -> None:
        """Inner nodes are sums of two children, in whatever order leaves were set: the leaves say it all."""
        priority = state["priority"]
        self.set(np.tile(np.arange(priority.shape[1]), (len(priority), 1)), priority)
