"""Sharpe ratios: the published figures, what simulated returns show, and what cannot be told."""

import math
from typing import Any

import numpy as np
import pytest

from tradebot.core import Array
from tradebot.stats import metrics, sharpe
from tradebot.stats.sharpe import Estimate

FUND = Estimate(0.458, 24)  # per month; Bailey and Lopez de Prado (2012)
BEST = Estimate(2.5 / math.sqrt(250), 1250, skew=-3.0, kurtosis=10.0)  # per day; the same (2014)
VARIANCE = 0.5 / 250  # of the trials' annual ratios, per day


# ---- published


def test_the_probabilistic_sharpe_ratio_of_the_paper() -> None:
    assert sharpe.probabilistic(FUND) == pytest.approx(0.982, abs=5e-4)
    assert sharpe.probabilistic(FUND._replace(skew=-2.448, kurtosis=10.164)) == pytest.approx(0.913, abs=5e-4)


def test_the_deflated_sharpe_ratio_of_the_paper() -> None:
    assert sharpe.luck(100, VARIANCE) == pytest.approx(0.1132, abs=5e-5)
    assert sharpe.deflated(BEST, 100, VARIANCE) == pytest.approx(0.9004, abs=5e-5)
    assert sharpe.deflated(BEST, 46, VARIANCE) == pytest.approx(0.9505, abs=5e-5)


@pytest.mark.parametrize(("periods", "years"), [(250, 2.73), (252, 2.73), (52, 2.83), (12, 3.24)])
def test_the_minimum_track_record_of_the_paper(periods: int, years: float) -> None:
    of = Estimate(sharpe.per_period(2.0, periods), 0)
    length = sharpe.minimum_track_record(of, sharpe.per_period(1.0, periods))
    assert length / periods == pytest.approx(years, abs=5e-3)


def test_the_minimum_track_record_of_a_hedge_fund() -> None:
    of = Estimate(sharpe.per_period(2.0, 12), 0, skew=-0.72, kurtosis=5.78)
    assert sharpe.minimum_track_record(of, sharpe.per_period(1.0, 12)) == pytest.approx(59.895, abs=5e-4)


def test_the_expected_maximum_and_the_minimum_backtest_of_the_paper() -> None:
    assert sharpe.expected_maximum(10) == pytest.approx(1.575, abs=5e-4)
    assert sharpe.minimum_backtest(45) == pytest.approx(5.0, abs=5e-2)
    assert sharpe.minimum_backtest(45, sharpe=2.0) == sharpe.minimum_backtest(45) / 4


# ---- true of simulated returns


def test_an_estimate_is_measured_as_the_metrics_measure() -> None:
    r = np.random.default_rng(0).standard_t(5, 400) * 0.01
    of = sharpe.estimate(r)
    assert of.sharpe == metrics.sharpe(r, 1) and of.n == 400
    assert of.skew == metrics.skew(r) and of.kurtosis == metrics.kurtosis(r) + 3
    assert sharpe.per_period(metrics.sharpe(r, 252), 252) == pytest.approx(of.sharpe, rel=1e-14)


@pytest.mark.parametrize("kind", ["normal", "skewed"])
def test_the_error_is_the_spread_of_the_ratio_over_samples(kind: str) -> None:
    """Skewed: a gamma distribution with shape 2 upside down has skew -sqrt(2) and kurtosis 6."""
    rng, n = np.random.default_rng(1), 200
    drawn: Array = rng.normal(size=(20_000, n)) if kind == "normal" else rng.gamma(2.0, size=(20_000, n))
    z = drawn if kind == "normal" else (2.0 - drawn) / math.sqrt(2)
    r = z + 0.3
    seen = np.std(r.mean(axis=1) / r.std(axis=1, ddof=1))
    moments = (0.0, 3.0) if kind == "normal" else (-math.sqrt(2), 6.0)
    assert sharpe.standard_error(Estimate(0.3, n, *moments)) == pytest.approx(seen, rel=0.03)
    if kind == "skewed":
        assert sharpe.standard_error(Estimate(0.3, n)) < 0.9 * seen


def test_a_probability_is_right_as_often_as_it_says() -> None:
    rng = np.random.default_rng(2)
    found = [sharpe.probabilistic(sharpe.estimate(rng.normal(0.1, 1.0, 250)), 0.1) for _ in range(500)]
    assert np.mean(np.array(found) > 0.95) == pytest.approx(0.05, abs=0.03)
    assert np.mean(found) == pytest.approx(0.5, abs=0.04)


def test_the_best_of_trials_without_an_edge_is_what_luck_says() -> None:
    rng = np.random.default_rng(3)
    best = [np.max(rng.normal(0, 0.2, 100)) for _ in range(2000)]
    assert sharpe.luck(100, 0.2**2) == pytest.approx(np.mean(best), rel=0.02)


def test_the_minimum_track_record_is_where_the_probability_is_reached() -> None:
    of = FUND._replace(skew=-1.0, kurtosis=5.0)
    n = sharpe.minimum_track_record(of, 0.2, 0.9)
    assert sharpe.probabilistic(of._replace(n=n), 0.2) == pytest.approx(0.9, abs=1e-12)


def test_more_trials_never_make_a_result_better() -> None:
    found = [sharpe.deflated(BEST, n, VARIANCE) for n in (1, 1.01, 1.2, 2, 3, 10, 100, 1e4, 1e6)]
    assert found == sorted(found, reverse=True)
    assert found[0] == sharpe.probabilistic(BEST)


# ---- where nothing can be told


@pytest.mark.parametrize("r", [[], [0.1], [0.1, 0.1, 0.1], [0.1, math.nan, 0.2]], ids=str)
def test_degenerate_returns_have_no_ratio_and_no_probability(r: list[float]) -> None:
    of = sharpe.estimate(np.array(r))
    assert math.isnan(of.sharpe) and of.n == len(r)
    answers: list[Any] = [
        sharpe.standard_error(of),
        sharpe.probabilistic(of),
        sharpe.deflated(of, 3, 0.1),
        sharpe.minimum_track_record(of),
    ]
    assert all(math.isnan(answer) for answer in answers)


def test_one_trial_is_no_choice_and_less_than_one_is_nothing() -> None:
    assert sharpe.luck(1, math.nan) == sharpe.expected_maximum(1) == 0.0
    assert math.isnan(sharpe.expected_maximum(0.5)) and math.isnan(sharpe.expected_maximum(math.nan))
    assert math.isnan(sharpe.luck(2, math.nan)) and math.isnan(sharpe.luck(2, -1.0))


def test_no_length_shows_what_is_not_there() -> None:
    assert sharpe.minimum_track_record(FUND, 0.458) == sharpe.minimum_track_record(FUND, 1.0) == math.inf
    assert math.isnan(sharpe.minimum_backtest(10, 0.0))


def test_moments_that_no_distribution_has_give_no_error() -> None:
    assert math.isnan(sharpe.standard_error(Estimate(1.0, 100, skew=5.0, kurtosis=3.0)))
    assert math.isnan(sharpe.minimum_track_record(Estimate(1.0, 100, skew=5.0, kurtosis=3.0)))
