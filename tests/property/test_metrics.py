"""Metrics of any account at all: a finite number or NaN, within its bounds, whatever the currency."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tradebot.stats.metrics import METRICS, spread, summarize

ANY = st.floats(allow_nan=False, allow_infinity=False)
MONEY = st.floats(-1e9, 1e9)
FUNDED = st.floats(1e-3, 1e9)


def summary(rows: list[tuple[float, ...]], profits: list[float], scale: float = 1.0) -> dict[str, float]:
    """Of rows (equity, weight, traded, fees, benchmark), a day apart."""
    equity, weight, traded, fees, benchmark = np.array(rows, dtype=float).reshape(-1, 5).T
    stamps = np.datetime64("2020-01-01", "us") + np.arange(len(rows)) * np.timedelta64(1, "D")
    given: dict[str, Any] = {
        "weight": weight,
        "traded": scale * traded,
        "fees": scale * fees,
        "dividends": 0.1 * scale * traded,
        "benchmark": benchmark,
    }
    return summarize(scale * equity, stamps, 252.0, profits=scale * np.array(profits), **given)


@given(st.lists(st.tuples(ANY, MONEY, MONEY, MONEY, ANY), max_size=8), st.lists(ANY, max_size=4))
@settings(deadline=None, max_examples=300)
def test_any_account_has_finite_metrics_or_none(rows: list[tuple[float, ...]], profits: list[float]) -> None:
    values = summary(rows, profits)
    assert list(values) == list(METRICS)
    assert not any(math.isinf(value) for value in values.values())


@given(
    st.lists(st.tuples(FUNDED, FUNDED, FUNDED, FUNDED, FUNDED), min_size=3, max_size=20),
    st.lists(MONEY, max_size=4),
)
@settings(deadline=None, max_examples=300)
def test_metrics_of_funded_accounts_keep_their_bounds(
    rows: list[tuple[float, ...]], profits: list[float]
) -> None:
    values = summary(rows, profits)
    assert values["total_return"] > -1 and -1 <= values["max_drawdown"] <= 0 and values["volatility"] >= 0
    assert 0 <= values["max_drawdown_days"] <= len(rows) - 1
    assert values["cvar_95"] <= values["var_95"] + 1e-9 * abs(values["var_95"])
    assert not values["win_rate"] > 1 and not values["profit_factor"] < 0


@given(
    st.lists(st.tuples(FUNDED, FUNDED, FUNDED, FUNDED, FUNDED), min_size=3, max_size=20),
    st.lists(MONEY, max_size=4),
)
@settings(deadline=None, max_examples=100)
def test_only_fees_and_dividends_depend_on_the_currency(
    rows: list[tuple[float, ...]], profits: list[float]
) -> None:
    """1024 to one: a power of two changes no digit."""
    ours, theirs = summary(rows, profits), summary(rows, profits, scale=1024.0)
    for sum_ in ("fees", "dividends"):
        assert theirs.pop(sum_) == 1024 * ours.pop(sum_)
    assert theirs == pytest.approx(ours, rel=0, abs=0, nan_ok=True)


@given(st.lists(st.floats(-1e9, 1e9) | st.just(math.nan), max_size=9))
@settings(deadline=None, max_examples=100)
def test_quartiles_are_in_order(values: list[float]) -> None:
    found = spread(np.array(values))
    if all(map(math.isnan, values)):
        assert all(map(math.isnan, found.values()))
    else:
        assert found["q25"] <= found["median"] <= found["q75"]
        assert found["iqr"] == found["q75"] - found["q25"]
