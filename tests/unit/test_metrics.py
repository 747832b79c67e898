"""Metrics of small accounts that were worked out by hand, and of those for which a metric has no meaning."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from tradebot.core import Array
from tradebot.stats import metrics
from tradebot.stats.metrics import METRICS, summarize

# Returns +10 %, -10 %, 0, +20 % over two years; four bars are a year for everything but the CAGR.
EQUITY = np.array([100.0, 110.0, 99.0, 99.0, 118.8])
R = np.array([0.1, -0.1, 0.0, 0.2])
STAMPS = np.datetime64("2020-01-01T00", "h") + (24 * np.array([0.0, 100.0, 200.0, 400.0, 730.5])).astype(int)
# The benchmark's returns b make r = 0.01 + 0.5 b exactly.
BENCHMARK = 50 * np.cumprod([1.0, 1.18, 0.78, 0.98, 1.38])


def summary(equity: Array = EQUITY, **changes: Any) -> dict[str, float]:
    given: dict[str, Any] = {
        "timestamps": STAMPS[: len(equity)],
        "periods_per_year": 4.0,
        "weight": np.array([0.0, 1.0, 1.0, 0.5, 0.0])[: len(equity)],
        "traded": np.array([0.0, 100.0, 50.0, 0.72, 60.0])[: len(equity)],
        "fees": np.array([0.0, 1.0, 2.0, 0.0, 0.5])[: len(equity)],
        "dividends": np.array([0.0, 2.0, -0.5, 0.0, 0.0])[: len(equity)],
        "profits": np.array([30.0, -10.0, 0.0, -5.0]),
        "benchmark": BENCHMARK[: len(equity)],
    }
    return summarize(equity, **{**given, **changes})


WORKED_OUT = {
    "total_return": 0.188,
    "cagr": math.sqrt(1.188) - 1,  # 730.5 days are two years of 365.25
    "volatility": 2 * math.sqrt(0.05 / 3),  # deviations .05 -.15 -.05 .15, squares sum to .05
    "sharpe": math.sqrt(0.6),  # 2 * .05 / sqrt(.05 / 3)
    "sortino": 2.0,  # one loss of .1: sqrt(.01 / 4) = .05; .05 / .05 * 2
    "calmar": (math.sqrt(1.188) - 1) / 0.1,
    "max_drawdown": -0.1,  # 110 -> 99
    "max_drawdown_days": 630.5,  # from day 100 to day 730.5
    "var_95": -0.085,  # 0.05 * 3 = .15 of the way from -.1 to 0
    "cvar_95": -0.1,  # floor(.15) + 1 = the lowest one
    "skew": 0.0,  # the deviations are symmetric
    "kurtosis": -1.36,  # m4 = 2.5625e-4, m2 = .0125: 1.64 - 3
    "exposure": 0.5,
    "turnover": 2.0,  # 210.72 in one year of four bars, over a mean equity of 105.36
    "trades": 4.0,
    "win_rate": 0.25,  # a profit of exactly 0 is no win
    "profit_factor": 2.0,  # 30 / 15
    "fees": 3.5,
    "dividends": 1.5,  # 2 received, 0.5 paid for a short position
    "alpha": 1.01**4 - 1,
    "beta": 0.5,
}


@pytest.mark.parametrize("name", METRICS)
def test_a_metric_is_what_was_worked_out_by_hand(name: str) -> None:
    assert summary()[name] == pytest.approx(WORKED_OUT[name], rel=1e-12, abs=1e-14)


def test_a_summary_has_every_metric_in_the_order_of_their_definitions_as_plain_floats() -> None:
    assert list(summary()) == list(METRICS) == list(WORKED_OUT)
    assert {type(value) for value in summary().values()} == {float}
    assert all(METRICS.values())


def test_returns_are_ratios_of_neighbouring_marks() -> None:
    np.testing.assert_allclose(metrics.returns(EQUITY), R, rtol=0, atol=1e-15)


def test_skew_is_positive_where_the_long_tail_is_one_of_gains() -> None:
    """Deviations -.1 -.1 -.1 .3: m2 = .03, m3 = .006, .006 / .03^1.5 = 2 / sqrt(3)."""
    assert metrics.skew(np.array([0.0, 0.0, 0.0, 0.4])) == pytest.approx(2 / math.sqrt(3), rel=1e-12)


def test_the_tail_of_the_expected_shortfall_grows_with_the_number_of_returns() -> None:
    """21 returns 0 -1 ... -20 (hundredths): floor(.05 * 20) + 1 = 2 of them, -20 and -19."""
    r = -np.arange(21) / 100
    assert metrics.cvar_95(r[:20]) == pytest.approx(-0.19, rel=1e-12)
    assert metrics.cvar_95(r) == pytest.approx(-0.195, rel=1e-12)


# Drawdowns


def test_the_drawdown_is_measured_from_the_running_peak_that_begins_with_the_initial_cash() -> None:
    equity = np.array([100.0, 80.0, 90.0, 120.0, 60.0, 120.0, 108.0])
    np.testing.assert_allclose(
        metrics.drawdown(equity), [0, -0.2, -0.1, 0, -0.5, 0, -0.1], rtol=0, atol=1e-15
    )
    assert metrics.max_drawdown(equity) == -0.5
    assert metrics.max_drawdown(equity[:3]) == pytest.approx(-0.2, rel=1e-12)


@pytest.mark.parametrize(
    ("equity", "days"),
    [
        ([100, 101, 102, 103], 0),
        ([100, 100, 100, 100], 0),
        ([100, 90, 100, 110], 2),  # regained on day 2
        ([100, 90, 95, 99], 3),  # never regained: until the end
        ([100, 99, 100, 99], 2),  # the second one has lasted a day
        ([100, 101, 101, 100], 1),  # from the last bar at the peak
        ([100, 90, 101, 100, 99, 98, 97, 101], 5),  # the second one is longer: day 2 to day 7
        ([100, 90, 80, 99, 110, 109], 4),
    ],
)
def test_the_longest_time_under_water_is_from_a_peak_until_it_is_regained(
    equity: list[float], days: float
) -> None:
    stamps = np.datetime64("2020-01-01", "us") + np.arange(len(equity)) * np.timedelta64(1, "D")
    assert metrics.max_drawdown_days(np.array(equity, dtype=float), stamps) == days


def test_time_under_water_counts_calendar_days_and_parts_of_days() -> None:
    over_a_weekend = np.array(["2020-01-03", "2020-01-06", "2020-01-07"], "datetime64[us]")
    hours = np.array(["2020-01-03T00", "2020-01-03T06", "2020-01-03T12"], "datetime64[us]")
    assert metrics.max_drawdown_days(np.array([100.0, 90.0, 100.0]), over_a_weekend) == 4.0
    assert metrics.max_drawdown_days(np.array([100.0, 90.0, 100.0]), hours) == 0.5


def test_rounding_of_a_constant_equity_is_not_time_under_water() -> None:
    equity = 100 * (1 + np.array([0, -2e-16, 1e-16, -2e-16, 0]))
    assert metrics.max_drawdown_days(equity, STAMPS) == 0.0


# Where a metric has no meaning it is NaN: not 0, not infinite, and without a warning


def undefined(values: dict[str, float]) -> set[str]:
    assert not any(math.isinf(value) for value in values.values())
    return {name for name, value in values.items() if math.isnan(value)}


FROM_RETURNS = {"volatility", "sharpe", "sortino", "var_95", "cvar_95", "skew", "kurtosis", "alpha", "beta"}
RATIOS = {"sharpe", "sortino", "calmar", "skew", "kurtosis"}


def test_an_account_that_never_moves_has_no_ratios() -> None:
    values = summary(np.full(5, 100.0))
    assert undefined(values) == RATIOS
    assert [values[name] for name in ("total_return", "cagr", "volatility", "max_drawdown", "beta")] == [
        0
    ] * 5


@pytest.mark.parametrize("growth", [1.0, 1.001, 0.999, 3.0])
@pytest.mark.parametrize("noise", [0.0, 1e-19, 2e-16, 1e-15])
def test_rounding_is_not_taken_for_risk(growth: float, noise: float) -> None:
    """Equal returns have no deviation, though floating point leaves 1e-16 of it."""
    rng = np.random.default_rng(1)
    equity = 1e5 * growth ** np.arange(300) * (1 + noise * rng.uniform(-1, 1, 300))
    r = metrics.returns(equity)
    assert growth == 1 or np.std(r) > 0
    assert (
        math.isnan(metrics.sharpe(r, 252)) and math.isnan(metrics.skew(r)) and math.isnan(metrics.kurtosis(r))
    )
    assert math.isnan(metrics.beta(R, r[:4])) and math.isnan(metrics.alpha(R, r[:4], 252))
    assert math.isnan(metrics.sortino(r, 252)) == (growth >= 1)


def test_the_rounding_of_large_returns_is_larger() -> None:
    neighbours = np.array([1e6, np.nextafter(1e6, 2e6)])
    assert np.std(neighbours, ddof=1) > 1e-11
    assert math.isnan(metrics.sharpe(neighbours, 252))


def test_the_smallest_real_risk_is_not_taken_for_rounding() -> None:
    """One bar of a hundredth of a millionth in a million bars: mean 1e-14, deviation 1e-11."""
    r = np.zeros(1_000_000)
    r[500_000] = 1e-8
    assert metrics.sharpe(r, 252) == pytest.approx(1e-14 / 1e-11 * math.sqrt(252), rel=1e-5)
    assert math.isfinite(metrics.sortino(-r, 252))


@pytest.mark.parametrize("bars", [0, 1])
def test_without_a_return_only_sums_are_left(bars: int) -> None:
    values = summary(EQUITY[:bars])
    sums = {"trades", "win_rate", "profit_factor", "fees", "dividends"}
    assert set(METRICS) - undefined(values) == sums | ({"exposure"} if bars else set())


def test_one_return_has_a_size_but_no_deviation() -> None:
    assert undefined(summary(np.array([100.0, 90.0]))) == FROM_RETURNS - {"var_95", "cvar_95"}


def test_without_trades_there_is_no_share_of_winners() -> None:
    values = summary(profits=np.array([]))
    assert undefined(values) == {"win_rate", "profit_factor"}
    assert values["trades"] == 0.0


@pytest.mark.parametrize(("profits", "win_rate"), [([5.0, 1.0], 1.0), ([0.0], 0.0)])
def test_without_losses_there_is_no_profit_factor(profits: list[float], win_rate: float) -> None:
    values = summary(profits=np.array(profits))
    assert undefined(values) == {"profit_factor"}
    assert values["win_rate"] == win_rate


def test_only_losses_make_a_profit_factor_of_zero() -> None:
    assert summary(profits=np.array([-1.0]))["profit_factor"] == 0.0


def test_an_account_that_only_gains_has_no_downside() -> None:
    assert undefined(summary(np.array([100.0, 101.0, 103.0, 104.0, 110.0]))) == {"sortino", "calmar"}


def test_without_a_benchmark_or_with_one_that_stands_still_there_is_no_alpha_or_beta() -> None:
    assert undefined(summary(benchmark=None)) == {"alpha", "beta"}
    assert undefined(summary(benchmark=np.full(5, 7.0))) == {"alpha", "beta"}


def test_an_account_that_lost_everything_on_its_last_bar_still_has_a_record() -> None:
    values = summary(np.array([100.0, 110.0, 99.0, 99.0, 0.0]))
    assert undefined(values) == set()
    assert [values[name] for name in ("total_return", "cagr", "max_drawdown", "calmar")] == [-1, -1, -1, -1]


def test_an_account_that_owes_money_in_the_end_has_no_growth_rate() -> None:
    one_year = np.datetime64("2020-01-01", "h") + np.array([0, 24 * 365 + 6]) * np.timedelta64(1, "h")
    assert math.isnan(metrics.cagr(np.array([100.0, -11.0]), one_year))
    values = summary(np.array([100.0, 110.0, 99.0, 99.0, -11.0]))
    assert undefined(values) == {"cagr", "calmar"}
    assert values["total_return"] == pytest.approx(-1.11) and values["max_drawdown"] == pytest.approx(-1.1)


@pytest.mark.parametrize("ruin", [0.0, -5.0])
def test_returns_after_ruin_have_no_meaning(ruin: float) -> None:
    equity = np.array([100.0, 50.0, ruin, ruin, ruin])
    values = summary(equity)
    assert undefined(values) - {"cagr", "calmar"} == FROM_RETURNS
    assert values["max_drawdown"] == ruin / 100 - 1
    assert values["max_drawdown_days"] == 730.5


def test_a_mean_return_below_minus_one_has_no_yearly_alpha() -> None:
    assert math.isnan(metrics.alpha(R - 1.2, np.array([0.1, -0.1, 0.1, -0.1]), 4.0))


def test_turnover_needs_equity_to_be_measured_against() -> None:
    assert math.isnan(metrics.turnover(np.ones(3), np.array([10.0, -20.0, -30.0]), 252))


def test_growth_that_no_float_holds_is_undefined() -> None:
    """Tripling within a minute, every minute of a year."""
    minute = np.array(["2020-01-01T00:00", "2020-01-01T00:01"], "datetime64[us]")
    assert math.isnan(metrics.cagr(np.array([1.0, 3.0]), minute))


# Spread over members


def test_the_spread_is_median_and_quartiles() -> None:
    assert metrics.spread(np.array([4.0, 1.0, 2.0, 3.0, 10.0])) == {"median": 3, "q25": 2, "q75": 4, "iqr": 2}


def test_the_spread_leaves_out_members_without_a_value() -> None:
    assert metrics.spread(np.array([np.nan, 1.0, 3.0])) == {"median": 2, "q25": 1.5, "q75": 2.5, "iqr": 1}
    assert metrics.spread(np.array([5.0])) == {"median": 5, "q25": 5, "q75": 5, "iqr": 0}
    for nothing in ([], [np.nan, np.nan]):
        spread = metrics.spread(np.array(nothing))
        assert list(spread) == ["median", "q25", "q75", "iqr"] and all(map(math.isnan, spread.values()))
