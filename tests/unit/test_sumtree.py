"""The sum-tree by small numbers and by frequencies; tests/property holds it against a plain list."""

from __future__ import annotations

import numpy as np
import pytest

from tradebot.core import Array
from tradebot.rl.sumtree import SumTree


def tree(*priorities: list[float]) -> SumTree:
    """One member per argument."""
    made = SumTree(len(priorities), len(priorities[0]))
    made.set(np.tile(np.arange(len(priorities[0])), (len(priorities), 1)), np.array(priorities))
    return made


def strata(members: int, n: int, seed: int = 0) -> Array:
    return np.random.default_rng(seed).random((members, n))


def test_a_draw_finds_the_leaf_at_which_the_running_sum_passes_it() -> None:
    # Running sums 1, 3, 3, 6: masses in [0, 1) are leaf 0, in [1, 3) leaf 1, in [3, 6) leaf 3. Two strata.
    made = tree([1, 2, 0, 3])
    for uniform, leaves in [((0.0, 0.0), (0, 3)), ((0.3, 0.9), (0, 3)), ((0.34, 0.99), (1, 3))]:
        index, probability = made.sample(np.array([uniform]))
        assert tuple(index[0]) == leaves
        assert probability[0].tolist() == [{0: 1 / 6, 1: 2 / 6, 3: 3 / 6}[leaf] for leaf in leaves]


def test_totals_and_maxima_are_per_member() -> None:
    made = tree([1, 2, 0], [5, 0, 0])
    assert made.total.tolist() == [3, 5]
    assert made.maximum.tolist() == [2, 5]


def test_the_maximum_falls_when_the_largest_is_lowered() -> None:
    made = tree([1, 8, 3, 2])
    made.set(np.array([[1]]), np.array([[0.5]]))
    assert made.maximum.tolist() == [3]
    made.set(np.array([[2]]), np.array([[0.0]]))
    assert made.maximum.tolist() == [2]


def test_of_a_leaf_named_twice_the_last_counts() -> None:
    made = tree([1, 1])
    made.set(np.array([[0, 0, 0]]), np.array([[9.0, 7.0, 4.0]]))
    assert made.total.tolist() == [5]
    assert made.maximum.tolist() == [4]


def test_stratified_draws_come_as_often_as_their_priority_says() -> None:
    priorities = np.random.default_rng(1).random(37) ** 4
    n = 10_000
    index, probability = tree(list(priorities)).sample(strata(1, n))
    counts = np.bincount(index[0], minlength=37)
    expected = n * priorities / priorities.sum()
    assert (np.abs(counts - expected) < 2).all()  # only the two strata at a leaf's edges can fall either way
    np.testing.assert_allclose(probability[0], (priorities / priorities.sum())[index[0]], rtol=1e-12)


def test_what_has_no_priority_is_never_drawn() -> None:
    priorities = np.random.default_rng(2).random(50)
    priorities[::3] = 0.0
    made = tree(list(priorities))
    edges = np.concatenate([np.zeros((1, 500)), np.full((1, 500), np.nextafter(1.0, 0.0))])
    for uniform in (strata(1, 5000), edges[:1], edges[1:]):
        index, probability = made.sample(uniform)
        assert (priorities[index] > 0).all()
        assert (probability > 0).all()


@pytest.mark.parametrize("priority", [5e-324, 1e-300, 1e300])
def test_one_leaf_is_drawn_however_small_or_large_it_is(priority: float) -> None:
    made = SumTree(1, 100)
    made.set(np.array([[71]]), np.array([[priority]]))
    index, probability = made.sample(strata(1, 50))
    assert (index == 71).all()
    assert (probability == 1).all()


def test_what_one_member_does_leaves_the_others_alone() -> None:
    made, other = tree([1, 2, 3], [4, 5, 6]), tree([1, 2, 3])
    made.set(np.array([[0], [0]]), np.array([[1.0], [100.0]]))
    uniform = strata(1, 64)
    index, probability = made.sample(np.concatenate([uniform, uniform]))
    expected = other.sample(uniform)
    assert np.array_equal(index[:1], expected[0])
    assert np.array_equal(probability[:1], expected[1])
    assert (index[1] == 0).mean() > 0.8


def test_the_state_comes_back_with_the_same_sums_bit_for_bit() -> None:
    random = np.random.default_rng(3)
    first = SumTree(3, 100)
    for _ in range(200):
        first.set(random.integers(0, 100, (3, 7)), random.random((3, 7)) ** 9)
    state = first.state_dict()
    sums, maxima = first.sums.copy(), first.maxima.copy()
    first.set(np.zeros((3, 1), np.int64), np.ones((3, 1)))  # the state is a copy
    second = SumTree(3, 100)
    second.set(np.ones((3, 1), np.int64), np.ones((3, 1)))  # and what was there before goes
    second.load_state_dict(state)
    assert np.array_equal(second.sums[:, 1:], sums[:, 1:])
    assert np.array_equal(second.maxima[:, 1:], maxima[:, 1:])


@pytest.mark.parametrize("capacity", [1, 2, 3, 4, 5, 1000])
def test_the_memory_is_known_before_it_is_taken(capacity: int) -> None:
    made = SumTree(3, capacity)
    assert made.sums.nbytes + made.maxima.nbytes == 3 * SumTree.bytes_per_member(capacity)
    made.set(np.full((3, 1), capacity - 1), np.ones((3, 1)))
    assert made.sample(strata(3, 4))[0].tolist() == [[capacity - 1] * 4] * 3
