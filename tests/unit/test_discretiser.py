"""Cells of a Box, counted by hand."""

from __future__ import annotations

import numpy as np
import pytest

from tradebot.core import Box, InputError
from tradebot.rl.discretiser import Discretiser

# Two dimensions in 4 bins: of width 0.5 from -1, and of width 0.75 from 0. The second one counts by ones.
PLANE = Discretiser(Box(np.array([-1, 0], np.float32), np.array([1, 3], np.float32)), 4)


@pytest.mark.parametrize(
    ("obs", "state"),
    [
        ([-1, 0], 0),
        ([-0.51, 0.74], 0),
        ([-0.5, 0.75], 4 + 1),  # a bin holds its lower edge
        ([0.1, 2.9], 2 * 4 + 3),
        ([1, 3], 3 * 4 + 3),  # the upper bounds belong to the last bins
        ([-7, 9], 0 * 4 + 3),  # and so does all that lies beyond a bound
    ],
)
def test_cells_are_numbered_row_by_row(obs: list[float], state: int) -> None:
    assert PLANE.n_states == 16
    assert PLANE(np.array([[obs]], np.float32)).tolist() == [[state]]


def test_members_and_samples_keep_their_places() -> None:
    obs = np.random.default_rng(0).uniform(-1, 3, (3, 5, 2)).astype(np.float32)
    states = PLANE(obs)
    assert states.shape == (3, 5)
    assert all(states[m, n] == PLANE(obs[m : m + 1, n : n + 1])[0, 0] for m in range(3) for n in range(5))


def test_an_odd_number_of_bins_tells_a_position_from_none_whatever_its_weight_has_drifted_to() -> None:
    seen = Discretiser(Box(np.full(1, -5, np.float32), np.full(1, 5, np.float32)), 11)  # width 0.909
    held = np.array([[-1.05, -0.9, -0.01, 0.0, 0.01, 0.9, 1.05]], np.float32)[..., None]
    assert seen(held).tolist() == [[4, 4, 5, 5, 5, 6, 6]]


def test_integers_are_states_as_they_are() -> None:
    numbered = Discretiser(Box(np.array([3]), np.array([7])), bins=2)
    assert numbered.n_states == 5
    assert numbered(np.arange(3, 8).reshape(1, 5, 1)).tolist() == [[0, 1, 2, 3, 4]]
    pair = Discretiser(Box(np.array([0, 0]), np.array([2, 9])), bins=2)
    assert pair.n_states == 30
    assert pair(np.array([[[2, 4]]])).tolist() == [[24]]


def test_a_dimension_of_one_value_is_one_cell() -> None:
    flat = Discretiser(Box(np.full(1, 2, np.float32), np.full(1, 2, np.float32)), 3)
    assert flat(np.full((1, 1, 1), 2, np.float32)).tolist() == [[0]]


def test_without_bounds_there_are_no_cells() -> None:
    low, high = np.array([-1, -np.inf], np.float32), np.array([1, np.inf], np.float32)
    with pytest.raises(InputError, match=r"number 1 of the 2 .* has none: take an agent with a network"):
        Discretiser(Box(low, high), 4)
