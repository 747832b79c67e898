"""How far chance carries a metric: intervals from resampled returns, and from resampled seeds.

An account's n returns are redrawn in blocks of random length with their order inside a block kept: the
stationary bootstrap of Politis and Romano (1994), JASA 89, 1303-1313. A metric of every resample shows what
else the same kind of bars might have brought. It says nothing about bars of another kind: of a regime that
the span has not seen. Where chance cannot be told, both ends are NaN.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numba import njit

from tradebot.core import Array
from tradebot.stats import metrics
from tradebot.stats.metrics import DAYS_PER_YEAR, NOISE

# The metrics with an interval: those of the headline that are functions of the returns, and their parts.
RESAMPLED = ("total_return", "cagr", "volatility", "sharpe", "sortino", "calmar", "max_drawdown")
LEVEL = 0.95  # share of the intervals that cover, in the long run
SEED = 1994  # of whoever has no reason to take another one
FEWEST_RETURNS = 50  # of an account with an interval
FEWEST_SEEDS = 4  # of a mean over seeds with an interval

_DRAWN_BARS = 20_000_000  # bars that are drawn for an account in all, within the bounds of the next line
_RESAMPLES = (500, 2000)
_LONGEST = 10_000  # bars that the rule for the block length is given

_compiled = njit(cache=True, error_model="numpy")


class Interval(NamedTuple):
    """A figure and the ends of its interval, all three in the unit of the metric."""

    value: float
    low: float  # NaN where there is no interval
    high: float


@np.errstate(all="ignore")  # what is not finite has no interval
def intervals(
    equity: Array,
    timestamps: Array,
    periods_per_year: float,
    rng: np.random.Generator,
    *,
    benchmark: Array | None = None,
    floor: float = 0.0,
    level: float = LEVEL,
    resamples: int | None = None,
) -> dict[str, Interval]:
    """Name -> interval of each of RESAMPLED, or of equity's minus the benchmark's where one is given.

    `equity` and `benchmark` [T] currency, `timestamps` [T] datetime64. The two are resampled with the same
    bars, so that what both owe to the market cancels. An account at or below `floor` [currency] at some bar
    was closed out. `resamples`: by default 2000, fewer (500 at the least) beyond 10,000 bars.

    The interval of the Sharpe ratio is the symmetric studentised one of Ledoit and Wolf (2008), Journal of
    Empirical Finance 15, 850-859: value +- q x error, with q the `level` quantile of |resampled value -
    value| / resampled error. On simulated returns with dependence and fat tails it covers as often as it
    says, where percentiles fall short. The others are percentile intervals: those of a drawdown or a total
    return say what spans of this length bring, and need not hold the value in their middle; that of a
    volatility that comes in clusters with fat tails is too narrow (GARCH with shocks of t(5), 750 bars: 68 %
    of them cover).

    NaN at both ends with fewer than FEWEST_RETURNS returns, for returns (or differences) that do not vary,
    after ruin, and where a resample has no value.
    """
    accounts = np.array([equity] if benchmark is None else [equity, benchmark], dtype=np.float64)  # [K, T]
    values = _net(np.array([_values(account, timestamps, periods_per_year) for account in accounts]))
    r = np.array([metrics.returns(account) for account in accounts])  # [K, n]
    if not _leaves_to_chance(r) or np.min(accounts) <= floor:
        ends = np.full((len(RESAMPLED), 2), math.nan)
    else:
        block = block_length(*r)
        resamples = resamples or int(np.clip(_DRAWN_BARS // r.shape[1], *_RESAMPLES))
        measured, errors = _resample(r, block, rng, resamples)
        years = float((timestamps[-1] - timestamps[0]) / np.timedelta64(1, "D")) / DAYS_PER_YEAR
        drawn = _net(np.array([_metrics(account, years, periods_per_year) for account in measured]))
        ends = np.array([_percentiles(row, level) for row in drawn])  # [7, 2]
        ratio, scale = RESAMPLED.index("sharpe"), math.sqrt(periods_per_year)
        error = _error(_net(np.array([_influence(row) for row in r])), block)
        ends[ratio] = _studentised(values[ratio], scale * error, drawn[ratio], scale * errors, level)
    return {
        name: Interval(float(value), float(low), float(high))
        for name, value, (low, high) in zip(RESAMPLED, values, ends, strict=True)
    }


def block_length(*series: Array) -> int:
    """Mean block length [bars] that suits all series of returns [n]: the longest of what each asks for.

    Politis and White (2004), Econometric Reviews 23, 53-70, as corrected by Patton, Politis and White (2009),
    asked for the returns and for their squared deviations, whose dependence (volatility comes in clusters)
    lasts longer. Of more than 10,000 bars the last are judged; the best length grows with n^(1/3).
    """
    from arch.bootstrap import optimal_block_length  # brings statsmodels: only who asks waits for it

    longest = 1.0
    for r in series:
        x = r[-_LONGEST:]  # numpy's dot products of more bars start threads, which cost more than they give
        with np.errstate(all="ignore"):  # NaN for a series that does not vary
            lengths = optimal_block_length(np.column_stack([x, np.square(x - np.mean(x))]))["stationary"]
        lengths = lengths.to_numpy() * (len(r) / len(x)) ** (1 / 3)
        longest = max([longest, *lengths[np.isfinite(lengths)]])
    return math.ceil(longest)


def long_run_deviation(x: Array, block: float) -> float:
    """sqrt(n) x the standard error of the mean of x [n] under the stationary bootstrap; its unit is x's."""
    return math.sqrt(len(x)) * _error(x, block)


def interquartile_mean(values: Array) -> float:
    """Mean of what is left when the lowest and the highest floor(N / 4) of N values are cut.

    Agarwal et al. (2021), Deep RL at the Edge of the Statistical Precipice, section 4.3: less moved by one
    seed than the mean, less wasteful than the median. [M seeds], or [M, K tasks] and then over all M K.
    NaN are left out.
    """
    values = np.asarray(values, dtype=np.float64)
    present = np.sort(values[~np.isnan(values)])
    return float(_middle(present).mean()) if len(present) else math.nan


def interquartile_interval(
    values: Array, rng: np.random.Generator, *, level: float = LEVEL, resamples: int = 2000
) -> Interval:
    """Percentile interval of the interquartile mean over seeds: values [M seeds] or [M, K tasks].

    The stratified bootstrap of Agarwal et al. (2021): every task's seeds are redrawn by themselves. It says
    how far other seeds would move the mean on the very same bars, nothing of other bars, and is too narrow
    for few seeds. NaN at both ends with fewer than FEWEST_SEEDS of a task, or if no two values differ. NaN
    are left out.
    """
    value = interquartile_mean(values)
    columns = np.atleast_2d(np.asarray(values, dtype=np.float64).T)
    strata = [column[~np.isnan(column)] for column in columns]
    if min(map(len, strata)) < FEWEST_SEEDS or np.ptp(np.concatenate(strata)) == 0:
        return Interval(value, math.nan, math.nan)
    drawn = [stratum[rng.integers(len(stratum), size=(resamples, len(stratum)))] for stratum in strata]
    means = _middle(np.sort(np.concatenate(drawn, axis=1))).mean(axis=1)
    return Interval(value, *_percentiles(means, level))


def _middle(ordered: Array) -> Array:
    cut = ordered.shape[-1] // 4
    return ordered[..., cut : ordered.shape[-1] - cut]


def _leaves_to_chance(r: Array) -> bool:
    """Whether returns [1, n], or the differences of [2, n], are many, finite, and vary beyond rounding."""
    if r.shape[1] < FEWEST_RETURNS or not np.isfinite(r).all():
        return False
    return bool(np.std(_net(r)) > NOISE * (1 + np.max(np.abs(r))))


def _percentiles(drawn: Array, level: float) -> tuple[float, float]:
    """Where the middle `level` of them ends; NaN if one has no value, for the others are no fair sample."""
    if not np.isfinite(drawn).all():
        return math.nan, math.nan
    low, high = np.quantile(drawn, ((1 - level) / 2, (1 + level) / 2))
    return float(low), float(high)


def _studentised(
    value: float, error: float, drawn: Array, errors: Array, level: float
) -> tuple[float, float]:
    """value +- error x the `level` quantile of |drawn - value| / errors; drawn and errors [R]."""
    t = np.abs(drawn - value) / errors
    width = float(np.quantile(t, level)) * error if np.isfinite(t).all() else math.nan
    return value - width, value + width


# ---- metrics of many resamples at once

_MEASURES = 5  # log growth, mean, deviation, downside deviation, deepest log drawdown


def _resample(r: Array, block: float, rng: np.random.Generator, resamples: int) -> tuple[Array, Array]:
    """Of returns [K, n], all drawn with the same bars: measures [K, R, 5] and the errors of `_measure`."""
    from arch.bootstrap import StationaryBootstrap

    growth = np.log1p(r)
    blocks = StationaryBootstrap(math.ceil(block), r[0], seed=rng)
    measured, errors = np.empty((len(r), resamples, _MEASURES)), np.empty(resamples)
    for i in range(resamples):
        errors[i] = _measure(r, growth, blocks.update_indices(), measured[:, i])
    return measured, errors


@_compiled
def _measure(r: Array, growth: Array, drawn: Array, out: Array) -> float:
    """Measures of K accounts on the drawn bars [n] into out [K, 5]; returns the error of their Sharpe ratio.

    That of one account, or of the first minus the second, per bar: sqrt(sum over blocks of the squared sum of
    the influences in it) / n, the natural one of a resample (Goetze and Kuensch 1996).
    """
    n = len(drawn)
    x, influence = np.empty(n), np.zeros(n)
    for k in range(len(r)):
        total = losses = level = peak = deepest = 0.0
        for j in range(n):
            x[j] = r[k, drawn[j]]
            level += growth[k, drawn[j]]
            peak = level if level > peak else peak
            deepest = level - peak if level - peak < deepest else deepest
            total += x[j]
            losses += x[j] * x[j] if x[j] < 0.0 else 0.0
        mean = total / n
        squares = rounding = 0.0  # the corrected two-pass variance: exact for returns that are all alike
        for j in range(n):
            squares += (x[j] - mean) ** 2
            rounding += x[j] - mean
        deviation = np.sqrt(max(squares - rounding * rounding / n, 0.0) / (n - 1))
        out[k] = level, mean, deviation, np.sqrt(losses / n), deepest
        sign, half = 1.0 - 2.0 * k, mean / deviation / 2.0
        for j in range(n):
            z = (x[j] - mean) / deviation
            influence[j] += sign * (z - half * (z * z - 1.0))
    squares = within = 0.0
    for j in range(n):
        if j > 0 and drawn[j] != drawn[j - 1] + 1 and drawn[j] + n != drawn[j - 1] + 1:
            squares += within * within
            within = 0.0
        within += influence[j]
    return float(np.sqrt(squares + within * within) / n)


def _metrics(measured: Array, years: float, periods_per_year: float) -> Array:
    """RESAMPLED of measures [R, 5] by the formulas of `stats.metrics`: [7, R], NaN where undefined."""
    growth, mean, deviation, downside, deepest = measured.T
    root = math.sqrt(periods_per_year)
    cagr, fall = np.expm1(growth / years), np.expm1(deepest)
    return np.array(
        [
            np.expm1(growth),
            cagr,
            deviation * root,
            mean / np.where(deviation > NOISE, deviation, np.nan) * root,
            mean / np.where(downside > NOISE, downside, np.nan) * root,
            cagr / np.where(fall < -NOISE, -fall, np.nan),
            fall,
        ]
    )


def _values(equity: Array, timestamps: Array, periods_per_year: float) -> list[float]:
    """RESAMPLED of one account, as it went."""
    r = metrics.returns(equity)
    return [
        metrics.total_return(equity),
        metrics.cagr(equity, timestamps),
        metrics.volatility(r, periods_per_year),
        metrics.sharpe(r, periods_per_year),
        metrics.sortino(r, periods_per_year),
        metrics.calmar(equity, timestamps),
        metrics.max_drawdown(equity),
    ]


def _influence(r: Array) -> Array:
    """Of each return [n] on the Sharpe ratio per bar, SR: z - SR / 2 (z^2 - 1), z = (r - mean) / std."""
    mean, deviation = np.mean(r), np.std(r, ddof=1)
    z = (r - mean) / deviation
    influence: Array = z - mean / deviation / 2 * (np.square(z) - 1)
    return influence


def _error(influence: Array, block: float) -> float:
    """Standard error of the mean of values [n] under the stationary bootstrap, without drawing.

    sqrt(sum over lags of weight x autocovariance / n): Politis and Romano (1994), lemma 1.
    """
    n, p = len(influence), 1 / block
    centred = influence - np.mean(influence)
    spectrum = np.square(np.abs(np.fft.rfft(centred, 2 * n)))
    autocovariance = np.fft.irfft(spectrum)[:n] / n
    lag = np.arange(n)
    weight = (1 - lag / n) * (1 - p) ** lag + lag / n * (1 - p) ** (n - lag)
    variance = 2 * np.sum(weight * autocovariance) - autocovariance[0]
    return math.sqrt(max(variance, 0.0) / n)


def _net(accounts: Array) -> Array:
    """[K, ...]: the only one, or the first minus the second."""
    net: Array = accounts[0] - accounts[1] if len(accounts) > 1 else accounts[0]
    return net
