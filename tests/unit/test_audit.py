"""Looking ahead is refused with the first bar that gives it away."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from scipy import signal

from tests.candles import bars, side_by_side, walk
from tradebot.core import Array, InputError
from tradebot.evidence.audit import check_causal, first_change
from tradebot.evidence.futures import corrupted
from tradebot.prices.bars import Bars

MARKET = walk(300, seed=4)  # from 2020-01-01: bar 152 is 2020-06-01, bar 20 is 2020-01-21


def test_the_first_change_is_that_of_the_rows_up_to_a_bar() -> None:
    before = np.array([[np.nan, 1.0], [2.0, 3.0], [4.0, 5.0]])
    after = before + np.array([[0.0, 0.0], [0.0, 1e-13], [0.0, 1.0]])
    assert first_change(before, after, 1) is None  # NaN is NaN, and rounding is no change
    assert first_change(before, after, 2) == 2
    assert first_change(before, before[:, :1], 2) == 0


def test_a_future_and_its_mirror_image_move_against_each_other() -> None:
    one, other = (corrupted(MARKET, 100, seed=1, sign=sign) for sign in (1.0, -1.0))
    moves = [np.log(b.close[100:, 0] / b.close[100, 0]) for b in (one, other)]
    np.testing.assert_allclose(moves[0], -moves[1], atol=1e-12)
    assert np.array_equal(one.close[:101], other.close[:101])


def test_several_symbols_have_a_future_of_their_own_each() -> None:
    other = corrupted(side_by_side(MARKET, MARKET), 100, seed=1)
    assert not np.isclose(other.close[101:, 0], other.close[101:, 1]).any()


def test_a_very_long_future_stays_a_price() -> None:
    long = walk(300_000, move=1e-4, gap=1e-4)
    assert np.isfinite(corrupted(long, 10, seed=0).close).all()


def standardised(b: Bars) -> Array:
    """NaN for 20 bars, then in units of a deviation over all bars."""
    returns = np.log(b.close[20:] / b.close[:-20])
    return np.concatenate([np.full((20, 1), np.nan), returns / returns.std()])


def progress(b: Bars) -> Array:
    """It looks at no price, and yet knows how many bars will come."""
    return np.linspace(0, 1, len(b))


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        (standardised, "2020-01-21 changes when later prices change"),
        (progress, "2020-01-02 changes when later bars are left out"),
    ],
)
def test_the_message_names_the_first_bar_that_changes(rows: Callable[[Bars], Array], told: str) -> None:
    with pytest.raises(InputError) as caught:
        check_causal("own.py:f", rows, MARKET)
    assert str(caught.value) == f"own.py:f looks ahead: its row for {told}"


def test_a_filter_that_rounds_otherwise_does_not_look_ahead() -> None:
    def smooth(b: Bars) -> Array:
        """A mean of 20 returns, by a Fourier transform of all bars."""
        returns = np.diff(np.log(b.close[:, 0]), prepend=0)
        return np.asarray(signal.fftconvolve(returns, np.full(20, 0.05))[: len(b)])

    before, after = smooth(MARKET), smooth(corrupted(MARKET, 200, seed=1))
    assert not np.array_equal(before[:201], after[:201])
    check_causal("own.py:f", smooth, MARKET)


def test_who_answers_otherwise_when_asked_again_is_refused_as_such() -> None:
    rng = np.random.default_rng(0)
    with pytest.raises(
        InputError, match=r"^own\.py:f: its row for 2020-01-01 is another one when it is comp"
    ):
        check_causal("own.py:f", lambda b: rng.random(len(b)), MARKET)


@pytest.mark.parametrize("n", [2, 3, 4, 5, 8])
def test_few_bars_are_enough(n: int) -> None:
    few = bars(MARKET.open[:n, 0], MARKET.close[:n, 0])
    check_causal("own.py:f", lambda b: np.asarray(pd.DataFrame(b.close).shift()), few)
    if n > 2:
        with pytest.raises(InputError, match="looks ahead"):
            check_causal("own.py:f", lambda b: b.close - b.close[-1], few)
