"""Returns by month and year, against values worked out by hand."""

import numpy as np
import pytest

from tradebot.stats.metrics import total_return
from tradebot.stats.periods import calendar_returns


def days(*names: str) -> np.ndarray:
    return np.array(names, dtype="datetime64[us]")


def test_a_month_is_measured_from_the_last_bar_before_it() -> None:
    times = days("2010-01-28", "2010-01-29", "2010-02-01", "2010-02-26", "2010-04-01")
    equity = np.array([100.0, 110.0, 121.0, 99.0, 198.0])
    months, values = calendar_returns(equity, times, "M")
    # January 110/100, February 99/110 whatever was between, no bar in March, April 198/99
    assert list(months.astype(str)) == ["2010-01", "2010-02", "2010-04"]
    np.testing.assert_allclose(values, [0.1, -0.1, 1.0], rtol=1e-14)


def test_a_year_is_its_months_compounded_and_the_years_are_the_total() -> None:
    rng = np.random.default_rng(5)
    times = np.datetime64("2008-11-17", "us") + np.cumsum(rng.integers(1, 40, 300)) * np.timedelta64(6, "h")
    equity = 1e4 * np.exp(np.cumsum(rng.normal(0, 0.03, 300)))
    months, by_month = calendar_returns(equity, times, "M")
    years, by_year = calendar_returns(equity, times, "Y")
    for year, value in zip(years, by_year, strict=True):
        inside = by_month[months.astype("datetime64[Y]") == year]
        assert np.prod(1 + inside) - 1 == pytest.approx(value, rel=1e-12)
    assert len(years) >= 3
    assert np.prod(1 + by_year) - 1 == pytest.approx(total_return(equity), rel=1e-12)


def test_a_single_bar_has_returned_nothing() -> None:
    months, values = calendar_returns(np.array([100.0]), days("2010-01-04"), "M")
    assert (list(months.astype(str)), list(values)) == (["2010-01"], [0.0])


def test_after_ruin_a_month_has_no_return() -> None:
    times = days("2010-01-04", "2010-02-01", "2010-03-01")
    _, values = calendar_returns(np.array([100.0, 0.0, 0.0]), times, "M")
    np.testing.assert_array_equal(values, [0.0, -1.0, np.nan])
