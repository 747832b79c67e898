"""Intervals: what is resampled equals what is measured, degenerate accounts have none, hand-worked means."""

import math
from typing import Any

import numpy as np
import pytest
from scipy.stats import trim_mean

from tradebot.core import Array
from tradebot.stats import bootstrap, metrics
from tradebot.stats.bootstrap import RESAMPLED, Interval, interquartile_interval, interquartile_mean

N = 300
STAMPS = np.datetime64("2020-01-01", "us") + np.arange(N + 1) * np.timedelta64(1, "D")


def equity(seed: int = 1, n: int = N, mean: float = 0.001) -> Array:
    return 100 * np.cumprod(np.append(1.0, 1 + np.random.default_rng(seed).normal(mean, 0.01, n)))


def intervals(account: Array, seed: int = 0, **settings: Any) -> dict[str, Interval]:
    settings = {"resamples": 200, **settings}
    return bootstrap.intervals(account, STAMPS[: len(account)], 252, np.random.default_rng(seed), **settings)


def without(made: dict[str, Interval]) -> set[str]:
    """The metrics that have no interval; nothing has one end only."""
    assert all(math.isnan(over.low) == math.isnan(over.high) for over in made.values())
    return {name for name, over in made.items() if math.isnan(over.low)}


@pytest.mark.parametrize("seed", range(5))
def test_a_resample_is_measured_as_the_metrics_measure_an_account(seed: int) -> None:
    rng = np.random.default_rng(seed)
    r = rng.standard_t(3, (2, 500)) * 0.01
    drawn = rng.integers(500, size=500)
    out = np.empty((2, 5))
    bootstrap._measure(r, np.log1p(r), drawn, out)
    stamps = STAMPS[0] + np.arange(501) * np.timedelta64(7, "h")
    years = 500 * 7 / 24 / 365.25
    for k in range(2):
        redrawn = np.cumprod(np.append(1.0, 1 + r[k, drawn]))
        np.testing.assert_allclose(
            bootstrap._metrics(out[k : k + 1], years, 252)[:, 0],
            bootstrap._values(redrawn, stamps, 252),
            rtol=1e-12,
            atol=1e-12,
        )


def test_the_value_is_that_of_the_summary() -> None:
    nothing = np.zeros(0)
    account = equity()
    summary = metrics.summarize(
        account,
        STAMPS,
        252,
        weight=nothing,
        traded=nothing,
        fees=nothing,
        dividends=nothing,
        profits=nothing,
        benchmark=None,
    )
    assert {name: over.value for name, over in intervals(account).items()} == {
        name: summary[name] for name in RESAMPLED
    }


def test_the_error_of_a_sharpe_ratio_is_the_spread_of_its_resamples() -> None:
    """In closed form for the account, from the blocks of each resample, and seen between resamples."""
    r = np.random.default_rng(0).normal(0.05, 1.0, (1, 2000))
    r[0, 1:] += 0.4 * r[0, :-1]  # neighbours have something in common
    closed = bootstrap._error(bootstrap._influence(r[0]), 10)
    measured, errors = bootstrap._resample(r / 100, 10, np.random.default_rng(0), 1000)
    seen = np.std(measured[0, :, 1] / measured[0, :, 2])
    assert closed == pytest.approx(seen, rel=0.1)
    assert np.sqrt(np.mean(np.square(errors))) == pytest.approx(closed, rel=0.1)
    assert closed > 1.2 * bootstrap._error(bootstrap._influence(r[0]), 1)


def test_the_error_of_a_mean_of_single_draws_is_the_textbook_one() -> None:
    x = np.random.default_rng(3).normal(size=100)
    assert bootstrap._error(x, 1) == pytest.approx(np.std(x) / 10, rel=1e-12)


def test_blocks_are_as_long_as_the_dependence() -> None:
    rng = np.random.default_rng(4)
    noise = rng.normal(size=3000)
    persistent = np.convolve(noise, np.ones(20), "valid")
    clusters = noise * np.repeat(rng.choice([0.3, 2.0], 30), 100)
    assert bootstrap.block_length(noise) <= 3
    assert bootstrap.block_length(persistent) > 15
    assert bootstrap.block_length(clusters) > 15
    assert bootstrap.block_length(noise, persistent) == bootstrap.block_length(persistent)
    assert bootstrap.block_length(np.resize([0.01, -0.01], 100)) >= 1  # whose squares do not vary


def test_the_block_length_of_a_long_history_grows_with_the_cube_root() -> None:
    persistent = np.convolve(np.random.default_rng(5).normal(size=80_000), np.ones(20), "valid")[-80_000:]
    short = bootstrap.block_length(persistent[-10_000:])
    assert bootstrap.block_length(persistent) == pytest.approx(2 * short, abs=2)


# ---- what an interval must be


def test_the_same_generator_gives_the_same_interval_and_another_one_another() -> None:
    assert intervals(equity()) == intervals(equity()) != intervals(equity(), seed=1)


def test_an_interval_holds_its_value_and_narrows_with_the_level() -> None:
    wide, narrow = intervals(equity()), intervals(equity(), level=0.5)
    for name in set(RESAMPLED) - {"max_drawdown", "calmar"}:
        assert wide[name].low < narrow[name].low < wide[name].value < narrow[name].high < wide[name].high


def test_a_difference_is_of_the_same_bars_so_that_what_is_shared_cancels() -> None:
    """Half the position and 0.02 % more a bar: the lead in Sharpe is far surer than either ratio."""
    r = metrics.returns(equity())
    mine = 100 * np.cumprod(np.append(1.0, 1 + 0.5 * r + 0.0002))
    lead = intervals(mine, benchmark=equity())
    alone = intervals(mine)
    assert lead["sharpe"].value == alone["sharpe"].value - intervals(equity())["sharpe"].value
    assert lead["sharpe"].low > 0
    assert lead["sharpe"].high - lead["sharpe"].low < 0.1 * (alone["sharpe"].high - alone["sharpe"].low)
    half = -0.5 * metrics.volatility(r, 252)
    assert lead["volatility"].value == pytest.approx(half) and lead["volatility"].high < 0


def test_the_difference_changes_its_sign_with_the_order() -> None:
    one, two = intervals(equity(1), benchmark=equity(2)), intervals(equity(2), benchmark=equity(1))
    for name in RESAMPLED:
        assert one[name] == pytest.approx((-two[name].value, -two[name].high, -two[name].low))


# ---- where chance cannot be told


@pytest.mark.parametrize(
    "account",
    [
        np.full(N + 1, 100.0),
        100 * 1.001 ** np.arange(N + 1),
        equity()[: bootstrap.FEWEST_RETURNS],
        equity()[:1],
        np.append(equity()[:-1], 0.0),
        np.append(equity()[:-1], -5.0),
        np.where(np.arange(N + 1) > 200, 0.0, equity()),
    ],
    ids=["flat", "a bank account", "too few bars", "no return", "ruined", "owing", "ruined for long"],
)
def test_a_degenerate_account_has_values_but_no_interval(account: Array) -> None:
    made = intervals(account)
    assert without(made) == set(RESAMPLED)
    assert len(account) == 1 or made["total_return"].value == account[-1] / account[0] - 1


def test_an_account_that_was_closed_out_at_the_floor_has_no_interval() -> None:
    account = equity() * np.where(np.arange(N + 1) > 200, 0.009, 1.0)
    assert without(intervals(account)) == set()
    assert without(intervals(account, floor=1.0)) == set(RESAMPLED)
    assert without(intervals(equity(), benchmark=account, floor=1.0)) == set(RESAMPLED)


def test_the_shortest_history_with_an_interval_is_the_stated_one() -> None:
    assert without(intervals(equity()[: bootstrap.FEWEST_RETURNS + 1])) == set()


def test_an_account_has_no_lead_over_itself_but_one_over_a_flat_one() -> None:
    assert without(intervals(equity(), benchmark=equity())) == set(RESAMPLED)
    flat = np.full(N + 1, 100.0)
    assert without(intervals(equity(), benchmark=flat)) == {"sharpe", "sortino", "calmar"}


def test_a_ratio_that_some_resamples_do_not_have_has_no_interval() -> None:
    """One bar of loss: a third of the resamples miss it, and the others are no fair sample."""
    account = equity()[-1] * np.cumprod(
        np.append(1.0, 1 + np.abs(np.random.default_rng(0).normal(0, 0.01, N)))
    )
    account[150:] *= 0.97
    assert without(intervals(account)) == {"sortino", "calmar"}
    once = np.where(np.arange(N + 1) > 150, 99.0, 100.0)
    assert without(intervals(once)) == {"sharpe", "sortino", "calmar"}


# ---- over seeds


@pytest.mark.parametrize(
    ("values", "mean"),
    [
        ([1, 2, 3, 4], 2.5),  # 1 and 4 are cut
        ([8, 1, 2, 3, 4, 5, 6, 1000], 4.5),  # 1, 2, 8 and 1000 are cut
        ([5, 1, 100], 106 / 3),  # floor(3 / 4) = 0
        ([1, 2, 3, 4, 5], 3.0),  # floor(5 / 4) = 1
        ([7], 7.0),
        ([1, math.nan, 2, 3, 4], 2.5),
        ([[1, 10], [2, 20], [3, 30], [4, 40]], 9.25),  # 3, 4, 10 and 20 are left
    ],
)
def test_the_interquartile_mean_by_hand(values: list[Any], mean: float) -> None:
    assert interquartile_mean(np.array(values, dtype=float)) == pytest.approx(mean, rel=1e-15)


@pytest.mark.parametrize("n", [1, 2, 3, 4, 5, 7, 8, 16, 33])
def test_the_interquartile_mean_is_the_trimmed_mean_of_scipy(n: int) -> None:
    values = np.random.default_rng(n).standard_t(2, n)
    assert interquartile_mean(values) == pytest.approx(trim_mean(values, 0.25), rel=1e-14)


def test_an_interquartile_mean_of_nothing_is_nan() -> None:
    assert math.isnan(interquartile_mean(np.array([math.nan, math.nan])))
    assert all(math.isnan(end) for end in interquartile_interval(np.zeros(0), np.random.default_rng(0)))


def test_the_interval_over_seeds_holds_the_mean_and_is_the_same_every_time() -> None:
    values = np.random.default_rng(0).normal(1.0, 1.0, 16)
    one, two = (interquartile_interval(values, np.random.default_rng(5)) for _ in range(2))
    assert one == two
    assert values.min() < one.low < one.value < one.high < values.max()
    assert one.value == interquartile_mean(values)


def test_seeds_are_redrawn_within_their_task() -> None:
    """Tasks of very different scale whose seeds agree: pooled seeds would move the mean, strata cannot."""
    values = np.column_stack([np.full(4, 0.0), np.full(4, 100.0)])
    assert interquartile_interval(values, np.random.default_rng(0)) == (50.0, 50.0, 50.0)
    pooled = interquartile_interval(values.ravel(), np.random.default_rng(0))
    assert pooled.low < 50.0 < pooled.high


@pytest.mark.parametrize("values", [[1.0, 2.0, 3.0], [5.0] * 8, [1.0, 2.0, 3.0, math.nan]])
def test_few_seeds_or_equal_ones_have_no_interval(values: list[float]) -> None:
    made = interquartile_interval(np.array(values), np.random.default_rng(0))
    assert made.value == interquartile_mean(np.array(values))
    assert math.isnan(made.low) and math.isnan(made.high)
