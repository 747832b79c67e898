"""Whether the best of several candidates was picked by luck: PBO by CSCV, and Hansen's SPA.

Returns are [T, N] fractions per bar, of N candidates on the same T bars. Everything that was tried belongs in
there: what has been left out makes the rest look better than it is. NaN where nothing can be told.
"""

from __future__ import annotations

import math
from itertools import combinations
from typing import NamedTuple

import numpy as np

from tradebot.core import Array
from tradebot.stats import bootstrap
from tradebot.stats.metrics import NOISE

BLOCKS = 16  # S, with 12,870 splits; as in the paper


class Overfit(NamedTuple):
    """What becomes, on the other half of the bars, of the candidate that is best on one half."""

    pbo: float  # probability that it is below the median there
    slope: float  # of its Sharpe ratio there against that of its own half, over all splits
    loss: float  # probability that its Sharpe ratio there is below 0
    logits: Array  # [splits] ln(rank / (N + 1 - rank)) there; rank 1 is the worst


_NOTHING = Overfit(math.nan, math.nan, math.nan, np.zeros(0))


def cscv(returns: Array, blocks: int = BLOCKS) -> Overfit:
    """Probability of backtest overfitting by combinatorially symmetric cross-validation.

    Bailey, Borwein, Lopez de Prado and Zhu (2017), The probability of backtest overfitting, Journal of
    Computational Finance 20(4), section 3: the T bars make S equal blocks (the first T mod S bars are left
    out), every choice of S/2 of them is a training half, and the other half tests. Measured by the Sharpe
    ratio per bar, 0 for returns that do not vary in a half.

    Where candidates tie for the best the split counts by their mean, equal ones share the mean of their
    ranks, and a rank at the very median counts half; the paper does not say. So copies of one candidate have
    a PBO of 1/2, as has noise, whether N is odd or even. NaN for fewer than two candidates, than two bars a
    block, or returns that are not finite. Raises ValueError for blocks that cannot be halved.
    """
    from scipy.stats import rankdata  # slow to import: only who asks waits for it

    r = np.asarray(returns, dtype=np.float64)
    if blocks < 2 or blocks % 2:
        raise ValueError(f"blocks must be even and 2 or more, not {blocks}")
    if r.shape[1] < 2 or len(r) < 2 * blocks or not np.isfinite(r).all():
        return _NOTHING
    trained = _sharpe_of_halves(r[len(r) % blocks :], blocks)  # [splits, N]
    tested = trained[::-1]  # the choices are in order, so that the other half of the first is the last
    best = trained == trained.max(axis=1, keepdims=True)
    share = best / best.sum(axis=1, keepdims=True)
    n, rank = r.shape[1], rankdata(tested, axis=1)
    below = (rank < (n + 1) / 2) + 0.5 * (rank == (n + 1) / 2)
    there, here = (share * tested).sum(axis=1), trained.max(axis=1)
    return Overfit(
        pbo=_mean(share, below),
        slope=_slope(here, there),
        loss=_mean(share, tested < 0),
        logits=(share * np.log(rank / (n + 1 - rank))).sum(axis=1),
    )


class Superiority(NamedTuple):
    """P-values of: no candidate is better than the benchmark. Small means that one is.

    They differ in what becomes of candidates that did worse than the benchmark.
    """

    lower: float  # all of those are taken out of the race: p is too small, a lower bound
    consistent: float  # those that did clearly worse are: Hansen's own, the one to quote
    upper: float  # none is, as in White's reality check (2000): each poor one that is added makes p larger


def spa(returns: Array, benchmark: Array, rng: np.random.Generator, *, resamples: int = 1000) -> Superiority:
    """Superior predictive ability: whether the best of returns [T, N] truly beats the benchmark's [T].

    Hansen (2005), Journal of Business and Economic Statistics 23(4), 365-380, as in `arch.bootstrap.SPA`, by
    the stationary bootstrap with the automatic block length of `stats.bootstrap`. The statistic is the
    largest mean difference in units of its own error; arch (8.0) compares bare means whatever its
    `studentize` says, so it is handed differences over their long-run deviation: Hansen's statistic. One is
    added to both counts, so that p is never 0 (Davison and Hinkley 1997, chapter 4). Candidates that do not
    differ from the benchmark are left out. NaN without any, for fewer than bootstrap.FEWEST_RETURNS returns,
    or ones that are not finite.

    It says less than .05 a little too often: for 7 % of 300 markets of 8 candidates without an edge and 250
    independent returns, and for 11 % where they depend on each other (AR(1), 0.3).
    """
    from arch.bootstrap import SPA  # brings statsmodels: only who asks waits for it

    r = np.asarray(returns, dtype=np.float64)
    lead = r - np.asarray(benchmark, dtype=np.float64)[:, None]
    if len(r) < bootstrap.FEWEST_RETURNS or not np.isfinite(lead).all():
        return Superiority(math.nan, math.nan, math.nan)
    lead = lead[:, np.std(lead, axis=0) > NOISE * (1 + np.max(np.abs(r), initial=0.0))]
    if not lead.shape[1]:
        return Superiority(math.nan, math.nan, math.nan)
    block = bootstrap.block_length(*lead.T)
    scaled = lead / np.array([bootstrap.long_run_deviation(column, block) for column in lead.T])
    test = SPA(np.zeros(len(r)), -scaled, block_size=block, reps=resamples, seed=rng)
    test.compute()
    counted = (test.pvalues * resamples + 1) / (resamples + 1)
    return Superiority(*(float(counted[name]) for name in Superiority._fields))


def _sharpe_of_halves(r: Array, blocks: int) -> Array:
    """Sharpe ratio per bar of returns [T, N] on every choice of half of the blocks, in order: [splits, N].

    From the blocks' means and sums of squares around them, candidate by candidate: equal ones stay equal.
    """
    parts = r.reshape(blocks, -1, r.shape[1])  # [S, T/S, N]
    means = parts.mean(axis=1)  # [S, N]
    squares = np.square(parts - means[:, None]).sum(axis=1)
    chosen = np.array(list(combinations(range(blocks), blocks // 2)))  # [splits, S/2]
    length, n = parts.shape[1], blocks // 2 * parts.shape[1]
    mean = np.zeros((len(chosen), r.shape[1]))
    for column in chosen.T:
        mean += means[column]
    mean /= blocks // 2
    square = np.zeros_like(mean)
    for column in chosen.T:
        square += squares[column] + length * np.square(means[column] - mean)
    deviation = np.sqrt(square / (n - 1))
    varies = deviation > NOISE * (1 + np.max(np.abs(r), axis=0))
    return np.divide(mean, deviation, out=np.zeros_like(mean), where=varies)


def _mean(share: Array, values: Array) -> float:
    """Over splits, of the mean over those that tied for the best."""
    return float((share * values).sum(axis=1).mean())


def _slope(x: Array, y: Array) -> float:
    """Least squares; NaN where x does not vary."""
    centred = x - x.mean()
    spread = float(np.mean(np.square(centred)))
    return float(np.mean(centred * y)) / spread if math.sqrt(spread) > NOISE else math.nan
