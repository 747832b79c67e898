"""The sum-tree beside a plain list of priorities, over any changes and draws.

Priorities are whole numbers and draws are sixteenths of a power of two: sums are exact and the leaf is known.
"""

from __future__ import annotations

from random import Random

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from tradebot.core import Array
from tradebot.rl.sumtree import SumTree

MEMBERS = 2
CAPACITIES = st.integers(1, 40)
CHANGES = st.lists(st.tuples(st.integers(0, MEMBERS - 1), st.integers(0, 39), st.integers(0, 50)))
SIXTEENTHS = st.lists(st.integers(0, 15), min_size=MEMBERS * 8, max_size=MEMBERS * 8)


def filled(capacity: int, changes: list[tuple[int, int, int]]) -> tuple[SumTree, Array]:
    tree = SumTree(MEMBERS, capacity)
    plain = np.zeros((MEMBERS, capacity))
    for member, leaf, priority in changes:
        plain[member, leaf % capacity] = priority
        # A change is one of all members at once: the others are given what they have.
        leaves = np.full((MEMBERS, 1), leaf % capacity)
        tree.set(leaves, np.take_along_axis(plain, leaves, 1))
    return tree, plain


@given(CAPACITIES, CHANGES)
@settings(deadline=None)
def test_totals_and_maxima_are_those_of_the_list(capacity: int, changes: list[tuple[int, int, int]]) -> None:
    tree, plain = filled(capacity, changes)
    assert np.array_equal(tree.total, plain.sum(1))
    assert np.array_equal(tree.maximum, plain.max(1))


@given(CAPACITIES, CHANGES, SIXTEENTHS, st.sampled_from([1, 2, 4, 8]))
@settings(deadline=None, max_examples=200)
def test_draws_are_those_of_the_running_sum(
    capacity: int, changes: list[tuple[int, int, int]], sixteenths: list[int], n: int
) -> None:
    something = [(member, capacity - 1, 3) for member in range(MEMBERS)]  # a total must be positive
    tree, plain = filled(capacity, changes + something)
    uniform = np.array(sixteenths[: MEMBERS * n]).reshape(MEMBERS, n) / 16
    index, probability = tree.sample(uniform)
    for m in range(MEMBERS):
        running = np.cumsum(plain[m])
        mass = (np.arange(n) + uniform[m]) / n * running[-1]
        assert np.array_equal(index[m], np.searchsorted(running, mass, side="right"))
        assert np.array_equal(probability[m], plain[m][index[m]] / running[-1])
        assert (probability[m] > 0).all()


@given(CAPACITIES, CHANGES, st.randoms())
@settings(deadline=None)
def test_the_order_of_changes_does_not_matter(
    capacity: int, changes: list[tuple[int, int, int]], random: Random
) -> None:
    tree, plain = filled(capacity, changes)
    scaled = 0.1 * plain  # sums of these round
    leaves = np.tile(np.arange(capacity), (MEMBERS, 1))
    tree.set(leaves, scaled)
    order = random.sample(range(capacity), capacity)
    other = SumTree(MEMBERS, capacity)
    other.set(leaves[:, order], scaled[:, order])
    assert np.array_equal(tree.sums[:, 1:], other.sums[:, 1:])
