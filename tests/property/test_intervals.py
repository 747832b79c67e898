"""95 % intervals cover: of 500 simulated accounts whose Sharpe ratio is known, 92 to 98 % have it inside.

And whatever an account did, an interval has two ends in order, or none.
"""

import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.signal import lfilter

from tradebot.core import Array
from tradebot.stats.bootstrap import intervals

SERIES, BARS, EARLIER = 500, 750, 300
SHARPE = 1 / np.sqrt(252)  # per bar: 1 a year
STAMPS = np.datetime64("2020-01-01", "us") + np.arange(BARS + 1) * np.timedelta64(1, "D")


def independent(rng: np.random.Generator) -> Array:
    return rng.normal(size=(SERIES, BARS))


def autoregressive(rng: np.random.Generator) -> Array:
    """AR(1) with phi 0.2, whose deviation is 1 / sqrt(1 - phi^2)."""
    shocks = rng.normal(size=(SERIES, EARLIER + BARS))
    return np.sqrt(1 - 0.2**2) * lfilter([1.0], [1.0, -0.2], shocks)[:, EARLIER:]


def clustered(rng: np.random.Generator) -> Array:
    """GARCH(1, 1) with shocks of Student's t (5 degrees of freedom) and an unconditional variance of 1."""
    shocks = rng.standard_t(5, (EARLIER + BARS, SERIES)) / np.sqrt(5 / 3)
    x, variance = np.zeros_like(shocks), np.ones(SERIES)
    for t in range(1, len(x)):
        variance = 0.05 + 0.1 * np.square(x[t - 1]) + 0.85 * variance
        x[t] = np.sqrt(variance) * shocks[t]
    return x[EARLIER:].T


@pytest.mark.parametrize("simulate", [independent, autoregressive, clustered])
def test_the_interval_of_a_sharpe_ratio_covers_as_often_as_it_says(
    simulate: Callable[[np.random.Generator], Array],
) -> None:
    returns = 0.01 * (SHARPE + simulate(np.random.default_rng(7)))
    covered = 0
    for r in returns:
        equity = np.cumprod(np.append(1.0, 1 + r))
        made = intervals(equity, STAMPS, 1.0, np.random.default_rng(1), resamples=200)["sharpe"]
        covered += made.low <= SHARPE <= made.high
    assert 0.92 <= covered / SERIES <= 0.98


def test_the_interval_of_a_lead_covers_as_often_as_it_says() -> None:
    """Two accounts in one market with one Sharpe ratio: there is no lead, and each depends on the other."""
    rng = np.random.default_rng(8)
    market, own = autoregressive(rng), autoregressive(rng)
    pairs = 0.01 * (SHARPE + np.stack([market, 0.8 * market + 0.6 * own], axis=1))
    covered = 0
    for mine, hold in pairs:
        equity, benchmark = np.cumprod(np.append(1.0, 1 + mine)), np.cumprod(np.append(1.0, 1 + hold))
        lead = intervals(equity, STAMPS, 1.0, np.random.default_rng(1), benchmark=benchmark, resamples=200)[
            "sharpe"
        ]
        covered += lead.low <= 0 <= lead.high
    assert 0.92 <= covered / SERIES <= 0.98


accounts = arrays(
    np.float64,
    st.integers(1, 70),
    elements=st.one_of(st.floats(0.1, 10), st.sampled_from([0.0, 1.0, -1.0, 1e-300, 1e200])),
)


@settings(max_examples=60, deadline=None)
@given(account=accounts, compared=st.booleans())
def test_an_interval_has_two_ends_in_order_or_none(account: Array, compared: bool) -> None:
    equity = np.append(1.0, account)
    made = intervals(
        equity,
        STAMPS[: len(equity)],
        252.0,
        np.random.default_rng(0),
        benchmark=np.linspace(1.0, 2.0, len(equity)) if compared else None,
        resamples=20,
    )
    for _, low, high in made.values():
        assert low <= high or (math.isnan(low) and math.isnan(high))
