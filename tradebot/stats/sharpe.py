"""How far a Sharpe ratio can be believed: its error, the trials that it was picked from, the length it needs.

A ratio here is per period (one bar): mean over standard deviation (ddof 1) of n returns, never annual;
`per_period` turns an annual one into that. Kurtosis is the full one, 3 for a normal distribution, where
`stats.metrics.kurtosis` is excess: `estimate` adds the 3. Returns are taken to be independent of each other;
where they are not, the interval of `stats.bootstrap` is the one to read. NaN where something is undefined.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from scipy.special import ndtr, ndtri

from tradebot.core import Array
from tradebot.stats import metrics

NORMAL = 3.0  # kurtosis


class Estimate(NamedTuple):
    """What n returns say of their Sharpe ratio: the arguments of most functions here."""

    sharpe: float  # per period
    n: int
    skew: float = 0.0
    kurtosis: float = NORMAL  # full


def estimate(r: Array) -> Estimate:
    """Of returns [n], fractions per bar. All NaN but n with fewer than two, a NaN, or without variation."""
    return Estimate(metrics.sharpe(r, 1.0), len(r), metrics.skew(r), metrics.kurtosis(r) + NORMAL)


def per_period(annual: float, periods: float) -> float:
    """An annual Sharpe ratio per period: annual / sqrt(periods per year)."""
    return annual / math.sqrt(periods)


def standard_error(of: Estimate) -> float:
    """sqrt((1 - skew SR + (kurtosis - 1) / 4 SR^2) / (n - 1)), per period.

    Mertens (2002), Comments on variance of the IID estimator in Lo (2002). For a normal distribution it is
    sqrt((1 + SR^2 / 2) / n) of Lo (2002), Financial Analysts Journal 58(4), 36-52, but for n - 1 in place of
    n, as Bailey and Lopez de Prado have it, whose published figures need it. NaN for fewer than two returns.
    """
    if of.n < 2:
        return math.nan
    variance = _variance(of) / (of.n - 1)
    return math.sqrt(variance) if variance > 0 else math.nan


def probabilistic(of: Estimate, benchmark: float = 0.0) -> float:
    """Probability that the true Sharpe ratio is above `benchmark` (per period): Phi((SR - SR*) / error).

    Probabilistic Sharpe Ratio: Bailey and Lopez de Prado (2012), The Sharpe Ratio Efficient Frontier, Journal
    of Risk 15(2), 3-44, where a ratio of 0.458 over 24 months has 0.982.
    """
    return float(ndtr((of.sharpe - benchmark) / standard_error(of)))


def expected_maximum(trials: float) -> float:
    """E[max] of N independent standard normal numbers: (1 - g) z(1 - 1/N) + g z(1 - 1/(N e)), g = 0.5772...

    Bailey and Lopez de Prado (2014), The Deflated Sharpe Ratio, Journal of Portfolio Management 40(5), eq. 1,
    from extreme value theory: 1.575 for N = 10, where the exact value is 1.539. N need not be whole (trials
    that are alike count less), and 0 is the least: one trial is no choice. NaN for N below 1.
    """
    if not trials >= 1:
        return math.nan
    z, z_e = ndtri(1 - 1 / trials), ndtri(1 - 1 / (trials * math.e))
    return max(0.0, float((1 - np.euler_gamma) * z + np.euler_gamma * z_e)) if trials > 1 else 0.0


def luck(trials: float, variance: float) -> float:
    """SR0 = sqrt(variance) E[max of N]: the best ratio to expect of N trials of which none has an edge.

    `variance` is that of the trials' ratios per period (an annual one over the periods per year). Bailey and
    Lopez de Prado (2014), eq. 1. 0 for one trial, whose variance nobody knows.
    """
    if trials == 1:
        return 0.0
    return math.sqrt(variance) * expected_maximum(trials) if variance >= 0 else math.nan


def deflated(of: Estimate, trials: float, variance: float) -> float:
    """Deflated Sharpe Ratio: `probabilistic` against `luck`, for the best of N trials.

    Bailey and Lopez de Prado (2014), eq. 2.
    """
    return probabilistic(of, luck(trials, variance))


def minimum_track_record(of: Estimate, benchmark: float = 0.0, confidence: float = 0.95) -> float:
    """Returns that it takes until `probabilistic` reaches `confidence`; divide by those of a year for years.

    MinTRL = 1 + (1 - skew SR + (kurtosis - 1) / 4 SR^2) (z(confidence) / (SR - SR*))^2: Bailey and Lopez de
    Prado (2012). `of.n` does not matter. inf where the ratio is not above the benchmark. Their 2.73 years for
    daily returns are those of 250 or 252 a year.
    """
    variance, lead = _variance(of), of.sharpe - benchmark
    if math.isnan(lead) or not variance >= 0:
        return math.nan
    return 1 + variance * (float(ndtri(confidence)) / lead) ** 2 if lead > 0 else math.inf


def minimum_backtest(trials: float, sharpe: float = 1.0) -> float:
    """Length that a backtest needs lest the best of N trials without an edge show a ratio of `sharpe`.

    MinBTL = (E[max of N] / SR)^2: Bailey, Borwein, Lopez de Prado and Zhu (2014), Pseudo-mathematics and
    financial charlatanism, Notices of the AMS 61(5), 458-471: five years for 45 trials and an annual ratio of
    1. In years for an annual ratio, in returns for one per period. NaN unless the ratio is above 0.
    """
    return (expected_maximum(trials) / sharpe) ** 2 if sharpe > 0 else math.nan


def _variance(of: Estimate) -> float:
    """Of sqrt(n - 1) times the estimated ratio. Never below 0 for moments that a distribution can have."""
    return 1 - of.skew * of.sharpe + (of.kurtosis - 1) / 4 * of.sharpe**2
