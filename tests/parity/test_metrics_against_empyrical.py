"""Metrics beside empyrical-reloaded and scipy: equal to 1e-12 where the convention is, else related."""

from __future__ import annotations

import math
import warnings

import numpy as np
import pytest
from scipy import stats

from tradebot.core import Array
from tradebot.stats import metrics

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # of another library, about its own imports
    import empyrical

CLOSE = {"rel": 1e-12, "abs": 1e-12}
MARKETS = [  # seed, bars, bars per year, deviation per bar, degrees of freedom of Student's t
    (0, 2, 252, 0.01, 30),
    (1, 21, 12, 0.05, 4),
    (2, 252, 252, 0.01, 3),
    (3, 1000, 252, 0.03, 30),
    (4, 3000, 365, 0.04, 5),
    (5, 9000, 8760, 0.005, 3),
]
Market = tuple[
    Array, Array, Array, float
]  # equity [n + 1], returns [n], the benchmark's returns [n], bars per year


def account(seed: int, n: int, deviation: float, freedom: float) -> tuple[Array, Array]:
    """Equity [n + 1] of an account and of its benchmark, correlated, with a drift and fat tails."""
    rng = np.random.default_rng(seed)
    b = np.clip(deviation * (0.05 + rng.standard_t(freedom, n)), -0.5, 0.5)
    r = np.clip(0.4 * b + deviation * (0.02 + 0.5 * rng.standard_t(freedom, n)), -0.5, 0.5)
    return 1e5 * np.cumprod(np.append(1.0, 1 + r)), 50 * np.cumprod(np.append(1.0, 1 + b))


@pytest.fixture(params=MARKETS, ids=lambda market: f"seed{market[0]}-{market[1]}bars")
def market(request: pytest.FixtureRequest) -> Market:
    seed, n, ppy, deviation, freedom = request.param
    equity, benchmark = account(seed, n, deviation, freedom)
    return equity, metrics.returns(equity), metrics.returns(benchmark), float(ppy)


# The same convention


def test_total_return_is_the_same(market: Market) -> None:
    equity, r, _, _ = market
    assert metrics.total_return(equity) == pytest.approx(empyrical.cum_returns_final(r), **CLOSE)


def test_volatility_is_the_same(market: Market) -> None:
    _, r, _, ppy = market
    assert metrics.volatility(r, ppy) == pytest.approx(
        empyrical.annual_volatility(r, annualization=ppy), **CLOSE
    )


def test_sharpe_is_the_same(market: Market) -> None:
    _, r, _, ppy = market
    assert metrics.sharpe(r, ppy) == pytest.approx(empyrical.sharpe_ratio(r, annualization=ppy), **CLOSE)


def test_sortino_is_the_same_because_both_take_the_mean_over_all_returns(market: Market) -> None:
    _, r, _, ppy = market
    theirs = empyrical.sortino_ratio(r, annualization=ppy)
    if (r < 0).any():
        assert metrics.sortino(r, ppy) == pytest.approx(theirs, **CLOSE)
        losses_only = np.mean(r) / np.sqrt(np.mean(r[r < 0] ** 2)) * math.sqrt(ppy)
        assert abs(theirs - losses_only) > 1e-6 or (r < 0).all()  # the other convention is another number
    else:
        assert math.isnan(metrics.sortino(r, ppy))


def test_drawdown_is_the_same_and_begins_a_bar_earlier_with_the_initial_cash(market: Market) -> None:
    equity, r, _, _ = market
    ours = metrics.drawdown(equity)
    assert ours[0] == 0
    np.testing.assert_allclose(ours[1:], empyrical.stats.drawdown_series(r), rtol=0, atol=1e-12)
    assert metrics.max_drawdown(equity) == pytest.approx(empyrical.max_drawdown(r), **CLOSE)


def test_value_at_risk_and_expected_shortfall_are_the_same(market: Market) -> None:
    _, r, _, _ = market
    assert metrics.var_95(r) == pytest.approx(empyrical.value_at_risk(r, 0.05), **CLOSE)
    assert metrics.cvar_95(r) == pytest.approx(empyrical.conditional_value_at_risk(r, 0.05), **CLOSE)


def test_alpha_and_beta_are_the_same(market: Market) -> None:
    _, r, b, ppy = market
    assert metrics.beta(r, b) == pytest.approx(empyrical.beta(r, b), **CLOSE)
    assert metrics.alpha(r, b, ppy) == pytest.approx(empyrical.alpha(r, b, annualization=ppy), **CLOSE)


def test_skew_and_kurtosis_are_scipys_defaults(market: Market) -> None:
    _, r, _, _ = market
    assert metrics.skew(r) == pytest.approx(stats.skew(r), **CLOSE)
    assert metrics.kurtosis(r) == pytest.approx(stats.kurtosis(r), **CLOSE)


# Another convention, and the relation between the two


def calendar(n: int, days: float) -> Array:
    """n + 1 evenly spaced bars over so many days."""
    return np.datetime64("2020-01-01", "us") + np.round(np.arange(n + 1) * (days * 86400e6 / n)).astype(
        "timedelta64[us]"
    )


def test_cagr_goes_by_calendar_time_where_empyrical_counts_bars(market: Market) -> None:
    """(1 + ours) ^ calendar years = (1 + theirs) ^ (bars / bars per year): both are the total growth."""
    equity, r, _, ppy = market
    years_by_bars = len(r) / ppy
    theirs = empyrical.cagr(r, annualization=ppy)
    stamps = calendar(len(r), 365.25 * 3)
    assert (1 + metrics.cagr(equity, stamps)) ** 3 == pytest.approx((1 + theirs) ** years_by_bars, **CLOSE)
    same_time = calendar(len(r), 365.25 * years_by_bars)
    assert metrics.cagr(equity, same_time) == pytest.approx(
        theirs, rel=1e-9, abs=1e-12
    )  # microseconds are rounded


def test_calmar_differs_as_cagr_does(market: Market) -> None:
    equity, r, _, _ = market
    stamps = calendar(len(r), 365.25 * 3)
    if empyrical.max_drawdown(r) < 0:
        ratio = metrics.calmar(equity, stamps) / metrics.cagr(equity, stamps)
        assert ratio == pytest.approx(-1 / empyrical.max_drawdown(r), **CLOSE)
    else:
        assert math.isnan(metrics.calmar(equity, stamps))


def test_where_empyrical_divides_by_zero_the_metric_is_undefined_here() -> None:
    """Theirs is infinite for equal returns and without a loss, and would win every comparison."""
    equal = np.full(10, 0.001)
    assert empyrical.sharpe_ratio(equal) == math.inf and math.isnan(metrics.sharpe(equal, 252))
    assert empyrical.sortino_ratio(equal) == math.inf and math.isnan(metrics.sortino(equal, 252))
    assert math.isnan(empyrical.beta(equal, equal)) and math.isnan(metrics.beta(equal, equal))


def test_where_returns_are_missing_the_metric_is_undefined_here() -> None:
    """They leave missing returns out. Here one is missing only after ruin, which must not be left out."""
    r = np.array([0.1, -0.5, np.nan, 0.2])
    for ours, theirs in (
        (metrics.sharpe(r, 252), empyrical.sharpe_ratio(r)),
        (metrics.volatility(r, 252), empyrical.annual_volatility(r)),
        (metrics.sortino(r, 252), empyrical.sortino_ratio(r)),
        (metrics.cvar_95(r), empyrical.conditional_value_at_risk(r)),
    ):
        assert math.isnan(ours) and math.isfinite(theirs)
