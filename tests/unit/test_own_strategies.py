"""What a person's strategy may return, and what it means."""

from __future__ import annotations

import numpy as np
import pytest

from tests.candles import walk
from tradebot.core import InputError
from tradebot.strategies import own

BARS = walk(5)
NAN = np.nan


@pytest.mark.parametrize("shape", [(5,), (5, 1)])
def test_a_row_a_bar_and_a_column_a_symbol_of_which_one_may_be_left_out(shape: tuple[int, ...]) -> None:
    weights = np.array([NAN, 0.5, NAN, NAN, -1.0])
    found = own.requests("own.py:f", lambda bars: weights.reshape(shape), BARS)
    assert np.array_equal(found, weights[:, None], equal_nan=True)


@pytest.mark.parametrize("shape", [(), (4,), (1, 5), (5, 2), (5, 1, 1)])
def test_another_shape_is_refused_with_the_right_one(shape: tuple[int, ...]) -> None:
    with pytest.raises(
        InputError, match=r"^own\.py:f: returned the shape .*, expected \(5,\) or \(5, 1\): a"
    ):
        own.requests("own.py:f", lambda bars: np.zeros(shape), BARS)
