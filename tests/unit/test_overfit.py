"""Overfitting: what must be certain is, noise is a coin, an edge is found, and ties are told fairly."""

import math
import time
from itertools import combinations

import numpy as np
import pytest
from arch.bootstrap import SPA

from tradebot.core import Array
from tradebot.stats import bootstrap, metrics, overfit


def noise(seed: int = 0, shape: tuple[int, int] = (640, 10)) -> Array:
    return np.random.default_rng(seed).normal(0, 0.01, shape)


def spa(r: Array, benchmark: Array | None = None, seed: int = 0, resamples: int = 500) -> overfit.Superiority:
    still = np.zeros(len(r)) if benchmark is None else benchmark
    return overfit.spa(r, still, np.random.default_rng(seed), resamples=resamples)


# ---- PBO


def by_hand(r: Array, blocks: int) -> float:
    """The paper's algorithm, split by split."""
    parts, n = np.split(r, blocks), r.shape[1]
    worse = []
    for chosen in combinations(range(blocks), blocks // 2):
        here = np.concatenate([parts[i] for i in chosen])
        there = np.concatenate([parts[i] for i in range(blocks) if i not in chosen])
        best = int(np.argmax([metrics.sharpe(x, 1) for x in here.T]))
        tested = [metrics.sharpe(x, 1) for x in there.T]
        rank = 1 + sum(x < tested[best] for x in tested)
        worse.append(math.log(rank / (n + 1 - rank)) <= 0)
    return float(np.mean(worse))


@pytest.mark.parametrize("seed", range(3))
def test_it_is_the_algorithm_of_the_paper(seed: int) -> None:
    r = noise(seed, (80, 6))
    assert overfit.cscv(r, 8).pbo == pytest.approx(by_hand(r, 8), abs=1e-12)


def test_demeaned_candidates_are_surely_overfitted() -> None:
    """Who did best on one half has, by construction, done worst on the other."""
    r = noise(shape=(1600, 50))
    found = overfit.cscv(r - r.mean(axis=0))
    assert found.pbo == found.loss == 1.0
    assert found.slope < -0.5 and len(found.logits) == 12_870


def test_noise_is_a_coin() -> None:
    """Single markets scatter with a deviation of .2, for all splits share the same bars."""
    found = [overfit.cscv(noise(seed, (400, 20)), 8).pbo for seed in range(200)]
    assert np.mean(found) == pytest.approx(0.5, abs=0.05)
    assert np.std(found) == pytest.approx(0.2, abs=0.06)


def test_a_candidate_with_an_edge_is_not_overfitted() -> None:
    r = noise()
    r[:, 3] += 0.003
    found = overfit.cscv(r)
    assert found.pbo < 0.01 and found.loss < 0.01


@pytest.mark.parametrize("n", [2, 3, 10])
def test_copies_of_one_candidate_tell_nothing(n: int) -> None:
    found = overfit.cscv(np.tile(noise()[:, :1], n))
    assert found.pbo == pytest.approx(0.5, abs=1e-12)
    assert np.all(found.logits == 0)


def test_a_candidate_that_stands_still_has_a_ratio_of_zero() -> None:
    """Flat in each half against one that always loses: flat is best, and stays best."""
    r = np.column_stack([np.zeros(64), np.resize([-0.02, -0.01], 64)])
    found = overfit.cscv(r, 8)
    assert (found.pbo, found.loss) == (0.0, 0.0)
    same = overfit.cscv(np.zeros((64, 3)), 8)
    assert same.pbo == pytest.approx(0.5) and math.isnan(same.slope)


def test_the_oldest_bars_are_left_out_where_blocks_do_not_divide_them() -> None:
    r = noise(shape=(85, 6))
    assert overfit.cscv(r, 8).pbo == overfit.cscv(r[5:], 8).pbo


@pytest.mark.parametrize(
    "r",
    [noise(shape=(640, 1)), noise(shape=(31, 5)), np.full((640, 3), math.nan)],
    ids=["one", "short", "nan"],
)
def test_too_little_tells_nothing(r: Array) -> None:
    found = overfit.cscv(r)
    assert math.isnan(found.pbo) and math.isnan(found.slope) and math.isnan(found.loss)


@pytest.mark.parametrize("blocks", [0, 1, 7])
def test_blocks_must_have_halves(blocks: int) -> None:
    with pytest.raises(ValueError, match="even"):
        overfit.cscv(noise(), blocks)


def test_a_hundred_candidates_take_no_time() -> None:
    before = time.process_time()
    overfit.cscv(noise(shape=(2500, 100)))
    assert time.process_time() - before < 2.0


# ---- SPA


def test_noise_is_rarely_superior() -> None:
    found = np.array([spa(noise(seed, (120, 5)), seed=seed, resamples=100) for seed in range(50)])
    assert np.mean(found[:, 1] < 0.1) < 0.2
    assert np.all(found[:, 0] <= found[:, 1]) and np.all(found[:, 1] <= found[:, 2])


def test_an_edge_over_the_benchmark_is_found_and_one_that_the_benchmark_shares_is_not() -> None:
    market = noise(9, (1000, 1))[:, 0] + 0.003
    r = market[:, None] + 0.1 * noise(1, (1000, 5))
    assert spa(r, market).consistent > 0.05
    r[:, 2] += 0.0003
    assert spa(r, market).consistent < 0.01


def test_a_wild_candidate_does_not_hide_a_calm_one_that_is_better() -> None:
    """Bare means would: the luck of the wild one exceeds all that the calm one has."""
    r = 0.01 * noise(4, (1000, 2))
    r[:, 0] += 2e-5
    wild = np.column_stack([r, 100 * noise(5, (1000, 1))])
    assert spa(r).consistent < 0.01
    assert spa(wild).consistent < 0.02


def test_poor_candidates_do_not_change_the_consistent_value_much() -> None:
    r = noise(6, (1000, 3)) + 0.0003
    poor = np.column_stack([r, noise(7, (1000, 30)) - 0.003])
    assert abs(spa(poor).consistent - spa(r).consistent) < 0.05
    assert spa(poor).upper > spa(r).upper + 0.05


def test_it_is_what_arch_says_of_differences_in_units_of_their_error() -> None:
    r = noise(8, (300, 4))
    block = bootstrap.block_length(*r.T)
    units = np.array([bootstrap.long_run_deviation(x, block) for x in r.T])
    test = SPA(np.zeros(300), -r / units, block_size=block, reps=500, seed=np.random.default_rng(0))
    test.compute()
    assert list(spa(r)) == pytest.approx((test.pvalues.to_numpy() * 500 + 1) / 501)


def test_a_copy_of_the_benchmark_changes_nothing_and_is_nothing_alone() -> None:
    market = noise(9, (300, 1))[:, 0]
    r = noise(10, (300, 3))
    assert spa(np.column_stack([r, market]), market) == spa(r, market)
    assert all(math.isnan(p) for p in spa(market[:, None], market))


@pytest.mark.parametrize("r", [noise(shape=(49, 3)), np.full((300, 2), math.inf)], ids=["short", "infinite"])
def test_too_little_has_no_p_values(r: Array) -> None:
    assert all(math.isnan(p) for p in spa(r))
