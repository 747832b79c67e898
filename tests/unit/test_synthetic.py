"""Synthetic markets: their laws within Monte Carlo error, and how a specification is read."""

from __future__ import annotations

import math

import numpy as np
import pytest

from tradebot.core import Array, InputError
from tradebot.market import synthetic
from tradebot.market.configs import TradingConfig

N = 400_000


def returns(spec: str) -> Array:
    return np.diff(np.log(synthetic.read(spec).close[:, 0]))


@pytest.mark.parametrize(("phi", "sigma"), [(0.2, 0.001), (-0.5, 0.01)])
def test_ar1_has_its_autocorrelation_and_its_stationary_deviation(phi: float, sigma: float) -> None:
    r = returns(f"synthetic:ar1?phi={phi}&sigma={sigma}&n={N}")
    # Bartlett: the estimate of phi has a deviation of sqrt((1 - phi^2) / n); that of the standard deviation
    # is sigma sqrt((1 + phi^2) / (1 - phi^2) / 2n). Four of them.
    assert np.corrcoef(r[:-1], r[1:])[0, 1] == pytest.approx(phi, abs=4 * math.sqrt((1 - phi**2) / N))
    spread = sigma * math.sqrt((1 + phi**2) / (1 - phi**2) / (2 * N))
    assert np.std(r) == pytest.approx(sigma, abs=4 * spread)
    assert np.mean(r) == pytest.approx(0, abs=4 * sigma * math.sqrt((1 + phi) / (1 - phi) / N))


def test_ar1_is_of_first_order_and_normal() -> None:
    r = returns(f"synthetic:ar1?phi=0.2&n={N}")
    rest = r[1:] - 0.2 * r[:-1]
    assert np.corrcoef(rest[:-2], rest[2:])[0, 1] == pytest.approx(0, abs=4 / math.sqrt(N))
    z = rest / rest.std()
    assert np.mean(z**3) == pytest.approx(0, abs=4 * math.sqrt(6 / N))
    assert np.mean(z**4) == pytest.approx(3, abs=4 * math.sqrt(24 / N))


def test_ar1_starts_in_its_stationary_law() -> None:
    first = [returns(f"synthetic:ar1?phi=0.9&sigma=0.01&n=2&seed={seed}")[0] for seed in range(2000)]
    # Without that it would be sqrt(1 - .81) = .44 of it. The deviation of a deviation is sigma / sqrt(2n).
    assert np.std(first) == pytest.approx(0.01, abs=4 * 0.01 / math.sqrt(4000))


def test_gbm_without_drift_is_a_martingale() -> None:
    growth = np.exp(returns(f"synthetic:gbm?sigma=0.05&n={N}"))
    assert np.mean(growth) == pytest.approx(1, abs=4 * 0.05 / math.sqrt(N))
    assert np.std(growth) == pytest.approx(0.05, rel=0.01)
    assert np.corrcoef(growth[:-1], growth[1:])[0, 1] == pytest.approx(0, abs=4 / math.sqrt(N))


def test_ou_returns_to_its_mean_with_its_stationary_deviation() -> None:
    x = np.log(synthetic.read(f"synthetic:ou?kappa=0.2&sigma=0.01&n={N}").close[:, 0] / 100)
    a = math.exp(-0.2)
    assert np.corrcoef(x[:-1], x[1:])[0, 1] == pytest.approx(a, abs=4 * math.sqrt((1 - a**2) / N))
    # sigma / sqrt(2 kappa), as of the process in continuous time.
    assert np.std(x) == pytest.approx(
        0.01 / math.sqrt(0.4), rel=4 * math.sqrt((1 + a**2) / (1 - a**2) / (2 * N))
    )
    assert np.mean(x) == pytest.approx(0, abs=4 * np.std(x) * math.sqrt((1 + a) / (1 - a) / N))


def test_regimes_last_and_show() -> None:
    moves = np.expm1(returns(f"synthetic:regime?mu=0.002&q=0.1&n={N}"))
    same = np.mean(np.sign(moves[1:]) == np.sign(moves[:-1]))
    assert same == pytest.approx(0.9, abs=4 * 0.3 / math.sqrt(N))
    low, high = 0.5 * 0.002 / 0.8, 1.5 * 0.002 / 0.8
    assert low - 1e-9 <= np.abs(moves).min() < np.abs(moves).max() <= high + 1e-9
    # The deviation of a uniform number on an interval of the width w is w / sqrt(12).
    error = (high - low) / math.sqrt(12 * N)
    assert np.mean(np.abs(moves)) == pytest.approx(0.002 / 0.8, abs=4 * error)


def test_the_volume_of_a_leak_is_its_next_return() -> None:
    bars = synthetic.read("synthetic:leak?sigma=0.002&n=1000")
    shown = np.log(bars.volume[:-1, 0] / synthetic.VOLUME)
    r = np.diff(np.log(bars.close[:, 0]))
    assert shown - synthetic.GAP * np.sign(shown) == pytest.approx(r / 0.002)
    assert np.std(r) == pytest.approx(0.002, abs=4 * 0.002 / math.sqrt(2000))


def test_a_coin_doubles_or_halves() -> None:
    factors = np.exp(returns("synthetic:coin?n=10000"))
    doubled = np.isclose(factors, 2)
    assert (doubled | np.isclose(factors, 0.5)).all()
    assert doubled.mean() == pytest.approx(0.5, abs=4 * 0.5 / math.sqrt(10_000))


@pytest.mark.parametrize("name", ["ar1", "coin", "gbm", "ou", "regime"])
def test_a_volume_that_says_nothing_never_changes(name: str) -> None:
    assert (synthetic.read(f"synthetic:{name}?n=50").volume == synthetic.VOLUME).all()


def test_help_names_every_market() -> None:
    description = TradingConfig.model_fields["data"].description or ""
    assert all(name in description for name in synthetic.MARKETS)


def test_gbm_drifts_by_mu_per_bar() -> None:
    growth = np.exp(returns("synthetic:gbm?mu=0.01&sigma=0.05&n=50_000"))
    assert np.mean(growth) == pytest.approx(math.exp(0.01), abs=4 * 0.05 / math.sqrt(50_000))


@pytest.mark.parametrize("name", synthetic.MARKETS)
def test_bars_open_at_the_previous_close_and_start_at_100(name: str) -> None:
    bars = synthetic.read(f"synthetic:{name}?n=50&seed=3")
    assert bars.open[0] == bars.close[0] == 100
    assert np.array_equal(bars.open[1:], bars.close[:-1])
    assert np.array_equal(bars.high, np.maximum(bars.open, bars.close))
    assert np.array_equal(bars.low, np.minimum(bars.open, bars.close))
    assert bars.symbols == (f"{name.upper()}#3",) and bars.source == f"synthetic:{name}?n=50&seed=3"
    assert bars.periods_per_year == 8760


@pytest.mark.parametrize("name", synthetic.MARKETS)
def test_a_seed_is_a_path(name: str) -> None:
    def path(seed: int) -> Array:
        return synthetic.read(f"synthetic:{name}?n=50&seed={seed}").close

    assert np.array_equal(path(1), path(1))
    assert not np.array_equal(path(1), path(2))


def test_defaults_are_those_of_the_model() -> None:
    bars = synthetic.read("synthetic:ar1?n=100")
    assert np.array_equal(bars.close, synthetic.read("synthetic:ar1?phi=0.2&sigma=0.001&seed=0&n=100").close)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("synthetic:ar2", "unknown synthetic market 'ar2': did you mean 'ar1'?"),
        (
            "synthetic:",
            "unknown synthetic market '': choose from ar1, coin, gbm, leak, ou, regime",
        ),
        ("synthetic:coin?n=10001", "n: "),
        ("synthetic:regime?q=0.5", "q: "),
        ("synthetic:ou?kappa=0", "kappa: "),
        ("synthetic:ar1?ph=0.2", "unknown setting 'ph' in synthetic:ar1?ph=0.2: did you mean 'phi'?"),
        ("synthetic:ar1?phi=1", "phi: "),
        ("synthetic:ar1?phi=nan", "phi: "),
        ("synthetic:ar1?n=1", "n: "),
        ("synthetic:ar1?sigma=x", "sigma: "),
        ("synthetic:ar1?phi", "'synthetic:ar1?phi': write the parameters as key=value&key=value"),
        ("synthetic:ar1?phi=.1&phi=.2", "'synthetic:ar1?phi=.1&phi=.2': a parameter is given twice"),
        (
            "synthetic:gbm?mu=0.09&n=10000",
            "'synthetic:gbm?mu=0.09&n=10000': the price leaves the range of numbers",
        ),
        ("synthetic:gbm?mu=-0.09&n=10000", "'synthetic:gbm?mu=-0.09&n=10000': the price leaves the range"),
    ],
)
def test_a_wrong_specification_is_refused(spec: str, message: str) -> None:
    with pytest.raises(InputError) as caught:
        synthetic.read(spec)
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)
