"""The state of a population from those of its members, and back."""

from __future__ import annotations

import numpy as np
import pytest

from tradebot.rl.checkpoint import joined, split

# two members with two environments each
WHOLE = {
    "seen": 8,
    "weights": np.array([[1.0, 2.0], [3.0, 4.0]]),
    "env": {"bar": np.array([10, 11, 20, 21])},
}
FIRST = {"seen": 8, "weights": np.array([[1.0, 2.0]]), "env": {"bar": np.array([10, 11])}}
SECOND = {"seen": 8, "weights": np.array([[3.0, 4.0]]), "env": {"bar": np.array([20, 21])}}


def test_a_member_takes_its_rows_and_what_all_share() -> None:
    for member, expected in enumerate([FIRST, SECOND]):
        np.testing.assert_equal(split(WHOLE, 2, member, member + 1), expected)


def test_members_put_together_are_the_whole() -> None:
    np.testing.assert_equal(joined([FIRST, SECOND]), WHOLE)


def test_a_memory_that_is_filled_less_than_another_ends_in_zeros() -> None:
    long, short = np.array([[[1, 2, 3]]]), np.array([[[4]]])
    assert joined([{"ring": short}, {"ring": long}])["ring"].tolist() == [[[4, 0, 0]], [[1, 2, 3]]]


def test_what_cannot_be_of_so_many_members_is_refused() -> None:
    with pytest.raises(ValueError, match="4 rows is not of 3 members"):
        split({"bar": np.zeros(4)}, 3, 0, 1)


def test_members_that_stand_at_different_steps_are_refused() -> None:
    with pytest.raises(ValueError, match="seen differs"):
        joined([FIRST, SECOND | {"seen": 9}])
