"""What an account's equity says of it: fractions, currency, years; NaN, not 0, where a metric is undefined.

Equity [T] is marked at every bar, equity[0] is the initial cash, and r_t = equity[t] / equity[t-1] - 1 are
the n = T - 1 returns. No risk-free rate is taken off. Rounding is not risk: a return is a ratio near 1 and
carries some rounding errors of 2e-16, so a deviation up to NOISE * (1 + the largest |r|) and a drawdown up to
NOISE count as none, and what would be divided by them is undefined.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any, ParamSpec

import numpy as np

from tradebot.core import Array

NOISE = 1e-14
DAYS_PER_YEAR = 365.25  # calendar time

METRICS: dict[str, str] = {
    "total_return": "last equity over initial cash, minus 1",
    "cagr": "yearly growth of the equity over calendar time (years of 365.25 days)",
    "volatility": "standard deviation of the returns (ddof 1), per year",
    "sharpe": "mean over standard deviation (ddof 1) of the returns, times sqrt(periods per year)",
    "sortino": "mean over downside deviation (over all n) of the returns, times sqrt(periods per year)",
    "calmar": "cagr over the size of the maximum drawdown",
    "max_drawdown": "deepest fall of the equity below its running peak, initial cash included (0 or less)",
    "max_drawdown_days": "longest time in calendar days from a peak until it is regained, or the end",
    "var_95": "5 % quantile of the returns per bar, as a signed return",
    "cvar_95": "mean of the worst 5 % of the returns per bar, as a signed return",
    "skew": "skewness of the returns (biased)",
    "kurtosis": "excess kurtosis of the returns (biased; 0 for a normal distribution)",
    "exposure": "mean gross weight of the positions",
    "turnover": "traded value per year over mean equity",
    "trades": "closed round trips",
    "win_rate": "share of the closed round trips with a profit after costs",
    "profit_factor": "profits of the winning over losses of the losing round trips",
    "fees": "everything paid to trade or to hold, in currency",
    "dividends": "cash dividends received less those paid for short positions, in currency (raw prices)",
    "alpha": "yearly return that beta times the benchmark does not explain",
    "beta": "covariance of the returns with the benchmark's over the variance of the benchmark's",
}

_P = ParamSpec("_P")
Number = float | np.floating[Any]


def _metric(formula: Callable[_P, Number]) -> Callable[_P, float]:
    """The metric of a formula that is written plainly: NaN, without a warning, where that is not finite."""

    @functools.wraps(formula)
    def metric(*args: _P.args, **kwargs: _P.kwargs) -> float:
        with np.errstate(all="ignore"):
            value = float(formula(*args, **kwargs))
        return value if math.isfinite(value) else math.nan

    return metric


def summarize(
    equity: Array,
    timestamps: Array,
    periods_per_year: float,
    *,
    weight: Array,
    traded: Array,
    fees: Array,
    dividends: Array,
    profits: Array,
    benchmark: Array | None,
) -> dict[str, float]:
    """All METRICS of one account, in their order.

    `equity` [T] currency, `timestamps` [T] datetime64; `weight` [T] gross weight held at each mark;
    `traded`, `fees` and `dividends` [T] currency per bar; `profits` [K] net profit of each closed round trip,
    currency; `benchmark` [T] equity of buy-and-hold over the same bars, or None, which makes alpha and beta
    NaN.
    """
    equity = np.asarray(equity, dtype=np.float64)
    r, ppy = returns(equity), periods_per_year
    b = np.full_like(r, np.nan) if benchmark is None else returns(np.asarray(benchmark, dtype=np.float64))
    values = {
        "total_return": total_return(equity),
        "cagr": cagr(equity, timestamps),
        "volatility": volatility(r, ppy),
        "sharpe": sharpe(r, ppy),
        "sortino": sortino(r, ppy),
        "calmar": calmar(equity, timestamps),
        "max_drawdown": max_drawdown(equity),
        "max_drawdown_days": max_drawdown_days(equity, timestamps),
        "var_95": var_95(r),
        "cvar_95": cvar_95(r),
        "skew": skew(r),
        "kurtosis": kurtosis(r),
        "exposure": exposure(weight),
        "turnover": turnover(traded, equity, ppy),
        "trades": float(len(profits)),
        "win_rate": win_rate(profits),
        "profit_factor": profit_factor(profits),
        "fees": float(np.sum(fees)),
        "dividends": float(np.sum(dividends)),
        "alpha": alpha(r, b, ppy),
        "beta": beta(r, b),
    }
    return {name: values[name] for name in METRICS}


def returns(equity: Array) -> Array:
    """r_t = equity[t] / equity[t-1] - 1, [T-1] fractions per bar; NaN after a bar without positive equity."""
    before, after = equity[:-1], equity[1:]
    with np.errstate(over="ignore"):
        r = np.divide(after, before, out=np.full(len(before), np.nan), where=before > 0) - 1
    return np.where(np.isfinite(r), r, np.nan)


@_metric
def total_return(equity: Array) -> Number:
    """equity[-1] / equity[0] - 1, a fraction."""
    return equity[-1] / equity[0] - 1 if len(equity) > 1 and equity[0] > 0 else np.nan


@_metric
def cagr(equity: Array, timestamps: Array) -> Number:
    """(equity[-1] / equity[0]) ** (1 / years) - 1, a fraction per year; years = calendar days / 365.25.

    The days are those from the first bar to the last. -1 if nothing is left, NaN if less than nothing is.
    """
    if len(equity) < 2 or equity[0] <= 0 or equity[-1] < 0:
        return np.nan
    years = _days(timestamps[-1] - timestamps[0]) / DAYS_PER_YEAR
    return float(np.power(equity[-1] / equity[0], 1 / years)) - 1 if years > 0 else np.nan


@_metric
def volatility(r: Array, periods_per_year: float) -> Number:
    """std(r, ddof 1) * sqrt(periods per year), a fraction per year."""
    return float(np.std(r, ddof=1)) * math.sqrt(periods_per_year) if len(r) > 1 else np.nan


@_metric
def sharpe(r: Array, periods_per_year: float) -> Number:
    """mean(r) / std(r, ddof 1) * sqrt(periods per year): Sharpe (1994), with a risk-free rate of 0."""
    if len(r) < 2:
        return np.nan
    return float(np.mean(r)) / _above_noise(np.std(r, ddof=1), r) * math.sqrt(periods_per_year)


@_metric
def sortino(r: Array, periods_per_year: float) -> Number:
    """mean(r) / sqrt(mean(min(r, 0)^2)) * sqrt(periods per year): Sortino and Price (1994), target 0.

    The mean of squares goes over all n returns, not over the negative ones only. NaN without a loss.
    """
    if len(r) < 2:
        return np.nan
    downside = np.sqrt(np.mean(np.square(np.minimum(r, 0))))
    return float(np.mean(r)) / _above_noise(downside, r) * math.sqrt(periods_per_year)


@_metric
def calmar(equity: Array, timestamps: Array) -> Number:
    """cagr / |max_drawdown|: Young (1991), here over the whole span. NaN without a drawdown."""
    deepest = max_drawdown(equity)
    return cagr(equity, timestamps) / -deepest if deepest < -NOISE else np.nan


def drawdown(equity: Array) -> Array:
    """equity[t] / max(equity[0..t]) - 1, [T] fractions, 0 or less; the first peak is the initial cash."""
    peak = np.maximum.accumulate(equity)
    below: Array = np.divide(equity, peak, out=np.full(len(equity), np.nan), where=peak > 0) - 1
    return below


@_metric
def max_drawdown(equity: Array) -> Number:
    """min(drawdown), a fraction, 0 or less (below -1 if the account owes money)."""
    return np.min(drawdown(equity)) if len(equity) > 1 else np.nan


@_metric
def max_drawdown_days(equity: Array, timestamps: Array) -> Number:
    """Longest time under water, calendar days: from the last bar at a peak until it is regained, or the end.

    0 if the equity never falls.
    """
    below = drawdown(equity)
    if len(equity) < 2 or np.isnan(below).any():
        return np.nan
    at_peak = np.flatnonzero(below >= -NOISE)
    ends = np.append(at_peak[1:], len(equity) - 1)
    under_water = (ends - at_peak > 1) | (below[ends] < -NOISE)
    return float(np.max(np.where(under_water, _days(timestamps[ends] - timestamps[at_peak]), 0.0)))


@_metric
def var_95(r: Array) -> Number:
    """Historical value at risk: the 5 % quantile of r (linear between them), per bar; a loss is negative."""
    return np.quantile(r, 0.05) if len(r) else np.nan


@_metric
def cvar_95(r: Array) -> Number:
    """Historical expected shortfall: mean of the floor(0.05 (n-1)) + 1 lowest r, per bar; a loss is negative.

    Rockafellar and Uryasev (2000); the size of the tail is empyrical's.
    """
    if not len(r) or np.isnan(r).any():
        return np.nan
    return float(np.mean(np.sort(r)[: int((len(r) - 1) * 0.05) + 1]))


@_metric
def skew(r: Array) -> Number:
    """m3 / m2^1.5 with the central moments m of r (biased, as scipy.stats.skew)."""
    return _standardized_moment(r, 3) if _varies(r) else np.nan


@_metric
def kurtosis(r: Array) -> Number:
    """m4 / m2^2 - 3 with the central moments m of r (biased, excess, as scipy.stats.kurtosis)."""
    return _standardized_moment(r, 4) - 3 if _varies(r) else np.nan


@_metric
def exposure(weight: Array) -> Number:
    """mean(weight) of the gross weights [T] held at the marks, a fraction of equity."""
    return np.mean(weight) if len(weight) else np.nan


@_metric
def turnover(traded: Array, equity: Array, periods_per_year: float) -> Number:
    """sum(traded) / years / mean(equity), equities per year; years by the bars, n / periods per year.

    A buy counts and a sale counts, so a portfolio that is replaced once a year has a turnover of 2.
    """
    if len(equity) < 2 or not np.mean(equity) > 0:
        return np.nan
    return float(np.sum(traded)) / ((len(equity) - 1) / periods_per_year) / float(np.mean(equity))


@_metric
def win_rate(profits: Array) -> Number:
    """Share of profits [K] above zero. NaN without a trade."""
    return np.mean(np.asarray(profits) > 0) if len(profits) else np.nan


@_metric
def profit_factor(profits: Array) -> Number:
    """sum(profits above zero) / -sum(profits below zero). NaN without a loss."""
    profits = np.asarray(profits, dtype=np.float64)
    return float(np.sum(profits[profits > 0]) / -np.sum(profits[profits < 0]))


@_metric
def alpha(r: Array, b: Array, periods_per_year: float) -> Number:
    """(1 + mean(r - beta b)) ** periods per year - 1, a fraction per year; b [n] are the benchmark's returns.

    Jensen (1968) with a risk-free rate of 0, compounded to a year as empyrical does.
    """
    growth = 1 + float(np.mean(r - beta(r, b) * b)) if len(r) > 1 else np.nan
    return float(np.power(growth, periods_per_year)) - 1 if growth >= 0 else np.nan


@_metric
def beta(r: Array, b: Array) -> Number:
    """cov(r, b) / var(b): Sharpe (1964); b [n] are the benchmark's returns. NaN if they do not vary."""
    if not _varies(b):
        return np.nan
    centred = b - np.mean(b)
    return float(np.mean(centred * (r - np.mean(r))) / np.mean(np.square(centred)))


def spread(values: Array) -> dict[str, float]:
    """Median, quartiles and their distance of values [M], finite or NaN; NaN are left out."""
    values = np.asarray(values, dtype=np.float64)
    present = values[~np.isnan(values)]
    q25, median, q75 = np.quantile(present, (0.25, 0.5, 0.75)) if len(present) else np.full(3, np.nan)
    return {"median": float(median), "q25": float(q25), "q75": float(q75), "iqr": float(q75 - q25)}


def _above_noise(deviation: Number, r: Array) -> float:
    return float(deviation) if deviation > NOISE * (1 + np.max(np.abs(r))) else np.nan


def _standardized_moment(r: Array, order: int) -> float:
    return float(np.mean(((r - np.mean(r)) / np.std(r)) ** order))


def _varies(r: Array) -> bool:
    return len(r) > 1 and not math.isnan(_above_noise(np.std(r, ddof=1), r))


def _days(duration: Array) -> Array:
    return duration / np.timedelta64(1, "D")
