"""The sum-tree of the replay, beside a plain recursive one in pure Python."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from rich.table import Table

from tests.benchmarks.timing import seconds
from tradebot.rl.sumtree import SumTree

MEMBERS, BATCH, CAPACITY = 16, 64, 65_536


class PlainSumTree:
    """One member's tree as it is usually written: a list for a heap, and functions that call themselves."""

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self.sums = [0.0] * (2 * capacity)

    def set(self, leaf: int, priority: float) -> None:
        self.sums[self.capacity + leaf] = priority
        self._repair((self.capacity + leaf) // 2)

    def find(self, mass: float) -> int:
        return self._descend(1, mass) - self.capacity

    def _repair(self, node: int) -> None:
        self.sums[node] = self.sums[2 * node] + self.sums[2 * node + 1]
        if node > 1:
            self._repair(node // 2)

    def _descend(self, node: int, mass: float) -> int:
        if node >= self.capacity:
            return node
        left = 2 * node
        if mass < self.sums[left]:
            return self._descend(left, mass)
        return self._descend(left + 1, mass - self.sums[left])


def table() -> Table:
    generator = np.random.default_rng(0)
    everything = np.tile(np.arange(CAPACITY), (MEMBERS, 1))
    priority = generator.random((MEMBERS, CAPACITY))
    tree, plain = SumTree(MEMBERS, CAPACITY), [PlainSumTree(CAPACITY) for _ in range(MEMBERS)]
    tree.set(everything, priority)
    for m, member in enumerate(plain):
        for leaf in range(CAPACITY):
            member.set(leaf, priority[m, leaf])

    uniform = generator.random((MEMBERS, BATCH))
    index, _ = tree.sample(uniform)
    fresh = generator.random((MEMBERS, BATCH))

    def plain_sample() -> list[list[int]]:
        return [
            [member.find((i + u) / BATCH * member.sums[1]) for i, u in enumerate(row)]
            for member, row in zip(plain, uniform.tolist(), strict=True)
        ]

    def plain_update() -> None:
        for member, leaves, values in zip(plain, index.tolist(), fresh.tolist(), strict=True):
            for leaf, value in zip(leaves, values, strict=True):
                member.set(leaf, value)

    if plain_sample() != index.tolist():
        raise AssertionError("the two trees draw different leaves: the comparison is void")
    works: dict[str, Callable[[], object]] = {
        "sample": lambda: tree.sample(uniform),
        "update": lambda: tree.set(index, fresh),
        "plain sample": plain_sample,
        "plain update": plain_update,
    }
    taken = seconds(works)
    shown = Table(title=f"Sum-tree, {MEMBERS} members x {BATCH} of {CAPACITY:,} (medians)")
    for column in ("", "SumTree (µs)", "plain Python (µs)", "ratio"):
        shown.add_column(column, justify="right")
    for name in ("sample", "update"):
        ours, theirs = taken[name], taken[f"plain {name}"]
        shown.add_row(name, f"{1e6 * ours:,.0f}", f"{1e6 * theirs:,.0f}", f"{theirs / ours:,.0f} x")
    return shown
