"""Shuffled copies of a market: every bar keeps its shape, every part its return, and the order is gone."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import tradebot
from tests.candles import side_by_side, walk, wild_market, with_actions
from tradebot.core import Array, InputError
from tradebot.evidence.nulltest import NullTest, of_accounts
from tradebot.market import synthetic
from tradebot.market.permuted import permuted
from tradebot.prices.bars import Bars


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def shapes(bars: Bars, part: slice) -> Array:
    """The tuples of the bars of a part, [n, 5 x A]."""
    last = np.concatenate([bars.open[:1], bars.close[:-1]])
    columns = (
        bars.open / last,
        bars.high / bars.open,
        bars.low / bars.open,
        bars.close / bars.open,
        bars.volume,
    )
    return np.concatenate(columns, axis=1)[part]


@pytest.mark.parametrize("block", [0, 7])
def test_each_part_has_the_same_bars_in_another_order(block: int) -> None:
    bars = tradebot.load("AAPL")
    copy = permuted(bars, (1000, 2000), rng(), block=block)
    for part in (slice(1, 1000), slice(1000, 2000), slice(2000, None)):
        one, other = shapes(bars, part), shapes(copy, part)
        assert not np.allclose(one, other)
        assert_allclose(
            one[np.lexsort(one.round(9).T)], other[np.lexsort(other.round(9).T)], rtol=1e-9, atol=1e-9
        )
    assert_array_equal(copy.timestamps, bars.timestamps)
    assert (copy.open[0], copy.close[0], copy.symbols) == (bars.open[0], bars.close[0], bars.symbols)


@pytest.mark.parametrize("block", [0, 1, 50, 10_000])
def test_each_part_keeps_its_total_return(block: int) -> None:
    bars = tradebot.load("AAPL")
    copy = permuted(bars, (1000, 2000), rng(), block=block)
    for last in (999, 1999, len(bars) - 1):
        assert_allclose(copy.close[last], bars.close[last], rtol=1e-11)


def test_what_can_be_predicted_is_gone_and_the_returns_are_the_same() -> None:
    bars = synthetic.read("synthetic:ar1?phi=0.5&sigma=0.01&n=20000")
    copy = permuted(bars, (10_000,), rng())
    r, s = (np.diff(np.log(each.close[:, 0])) for each in (bars, copy))
    assert np.corrcoef(r[:-1], r[1:])[0, 1] > 0.45
    assert abs(np.corrcoef(s[:-1], s[1:])[0, 1]) < 4 / np.sqrt(20_000)
    assert_allclose(np.sort(r), np.sort(s), atol=1e-12)


def test_blocks_keep_calm_and_wild_times_apart() -> None:
    calm = np.repeat([1.0, 10.0] * 10, 200)  # deviation, 0.1 % or 1 %
    close = 100 * np.exp(np.cumsum(calm * rng(1).normal(0, 0.001, 4000)))[:, None]
    market = walk(4000)
    open_ = np.concatenate([close[:1], close[:-1]])
    bars = replace(
        market, open=open_, close=close, high=np.maximum(open_, close), low=np.minimum(open_, close)
    )

    def clustering(of: Bars) -> float:
        size = np.abs(np.diff(np.log(of.close[:, 0])))
        return float(np.corrcoef(size[:-1], size[1:])[0, 1])

    assert clustering(bars) > 0.3
    assert abs(clustering(permuted(bars, (), rng()))) < 0.07
    assert clustering(permuted(bars, (), rng(), block=100)) > 0.3


def test_symbols_keep_what_they_have_to_do_with_each_other() -> None:
    one = walk(1000, seed=1)
    pair = side_by_side(one, one)
    copy = permuted(pair, (500,), rng())
    assert_array_equal(copy.close[:, 0], copy.close[:, 1])


def test_bars_that_a_symbol_misses_go_along_as_missing() -> None:
    bars = wild_market(3, 400, seed=5)
    copy = permuted(bars, (200,), rng())  # Bars check that they repeat the last close
    assert_array_equal(copy.missing.sum(axis=0), bars.missing.sum(axis=0))
    assert_allclose(copy.close[-1], bars.close[-1], rtol=1e-9)


def test_a_copy_depends_on_its_generator_alone() -> None:
    bars = walk(300)
    assert permuted(bars, (150,), rng(1)).fingerprint == permuted(bars, (150,), rng(1)).fingerprint
    assert permuted(bars, (150,), rng(1)).fingerprint != permuted(bars, (150,), rng(2)).fingerprint


def test_bars_with_dividends_are_refused() -> None:
    with pytest.raises(InputError, match="--prices adjusted"):
        permuted(with_actions(walk(300), 1), (150,), rng())


def test_the_p_value_counts_the_copies_that_do_as_well_and_the_market_itself() -> None:
    assert NullTest(2.0, (1.0, 1.5, -1.0)).p_value == 1 / 4
    assert NullTest(2.0, (2.0, 3.0, -1.0)) == (2.0, (2.0, 3.0, -1.0))
    assert (NullTest(2.0, (2.0, 3.0, -1.0)).rank, NullTest(2.0, (2.0, 3.0, -1.0)).p_value) == (3, 3 / 4)
    assert NullTest(0.0, (0.0,) * 19).p_value == 1.0


def test_an_account_that_never_trades_has_the_ratio_zero() -> None:
    idle, rising = np.full(10, 100.0), 100.0 + np.arange(10.0) ** 1.5
    found = of_accounts([rising, idle], 252)
    assert found.real > 0 and found.copies == (0.0,)
