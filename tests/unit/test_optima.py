"""The optimal rules of the synthetic markets: the values as computed, and as earned in the simulator."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from tradebot.backtest import engine
from tradebot.core import Array
from tradebot.market import features, optima, synthetic
from tradebot.market.configs import TradingConfig
from tradebot.market.costs import Costs
from tradebot.market.optima import Optimum
from tradebot.market.synthetic import AR1, GBM, OU, Leak, Regime
from tradebot.prices.bars import Bars

N = 1_000_000
BP = 1e-4


def wealth(bars: Bars, requests: Array, cost: float = 0.0) -> Array:
    """[T] equity of the account that makes these requests, per unit of cash at the start."""
    costs = Costs(commission_bps=cost / BP, half_spread_bps=0)
    market = TradingConfig(cash=1.0, rebalance=True)
    test = engine.run("x", bars, {"rule": requests}, {}, market=market, costs=costs, in_sample=False)
    return test.ensemble.equity


def mean_and_error(gains: Array, batches: int = 100) -> tuple[float, float]:
    """Mean of a stationary sequence and its standard error, from batches so long that they hardly depend."""
    means = np.array([part.mean() for part in np.array_split(gains, batches)])
    return float(means.mean()), float(means.std(ddof=1) / np.sqrt(batches))


def check(gains: Array, value: float, precision: float) -> None:
    """That the mean gain is `value`, within four standard errors that are below `precision` x value."""
    mean, error = mean_and_error(gains)
    assert error < precision * value
    assert abs(mean - value) < 4 * error


def gains(equity: Array) -> Array:
    """Additive: gain of each bar as a fraction of the wealth before."""
    return np.asarray(np.diff(equity) / equity[:-1])


# Value in bp per bar at 0, 2, 5 and 10 bp of cost where the stationary deviation is 1 %.
AR1_VALUES = {0.2: (15.96, 14.30, 12.07, 9.01), 0.1: (7.98, 6.27, 4.23, 2.02)}
AR1_CASES = [
    (phi, cost, value)
    for phi, values in AR1_VALUES.items()
    for cost, value in zip((0, 2, 5, 10), values, strict=True)
]


@pytest.mark.parametrize(("phi", "cost", "value"), AR1_CASES)
def test_the_values_on_autocorrelated_returns(phi: float, cost: float, value: float) -> None:
    best = optima.ar1(AR1(phi=phi, sigma=0.01), cost * BP)
    assert best.value / BP == pytest.approx(value, abs=0.01)
    # Deviation and cost scale together.
    assert optima.ar1(AR1(phi=phi, sigma=0.001), cost * BP / 10).value == pytest.approx(best.value / 10)


@pytest.mark.parametrize(("phi", "cost", "value"), AR1_CASES)
def test_the_band_earns_its_value_on_autocorrelated_returns(phi: float, cost: float, value: float) -> None:
    bars = synthetic.read(f"synthetic:ar1?phi={phi}&sigma=0.001&seed=1&n={N}")
    best = optima.ar1(AR1(phi=phi, sigma=0.001), cost * BP / 10)
    check(gains(wealth(bars, best.requests(bars), cost * BP / 10)), best.value, precision=0.06)


def test_without_costs_the_band_earns_the_mean_absolute_forecast() -> None:
    root = np.sqrt(2 / np.pi)
    assert optima.ar1(AR1(phi=-0.3, sigma=0.01), 0.0).value == pytest.approx(0.003 * root, rel=1e-3)
    market = OU(kappa=0.2, sigma=0.01)
    a, s = np.exp(-0.2), market.noise
    expected = (1 - a) * s * root / np.sqrt(1 - a**2)
    assert optima.ou(market, 0.0).value == pytest.approx(expected, rel=1e-3)


def test_what_is_optimal_is_a_band_of_inaction() -> None:
    policy = optima.band(0.2, 0.001, 0.2, 0.5 * BP).policy
    assert (np.diff(policy, axis=0) >= 0).all() and (np.diff(policy, axis=1) >= 0).all()
    assert np.array_equal(policy, -policy[::-1, ::-1])  # the market has no up and no down
    turns_long = (policy == 1).argmax(axis=0)  # the return from which on to be long
    assert turns_long[0] >= turns_long[1] > turns_long[2]


def test_the_value_of_the_euler_form_of_ornstein_uhlenbeck() -> None:
    # x' = (1 - kappa) x + sigma e with kappa 0.1, sigma 2 % and 10 bp. It is 34.325 on grids so fine that it
    # changes no more; 34.34 is what 250 to 300 cells say.
    assert optima.band(0.9, 0.02, -0.1, 10 * BP).value / BP == pytest.approx(34.34, abs=0.01)
    assert optima.band(0.9, 0.02, -0.1, 10 * BP, n=1001).value / BP == pytest.approx(34.325, abs=0.003)


def test_the_exact_form_is_the_euler_form_of_other_constants() -> None:
    # 1 - exp(-kappa) = 0.1, and sigma such that the noise of a bar is 2 %.
    kappa = -np.log(0.9)
    market = OU(kappa=kappa, sigma=0.02 / np.sqrt((1 - 0.81) / (2 * kappa)))
    assert market.noise == pytest.approx(0.02)
    assert optima.ou(market, 10 * BP).value == pytest.approx(optima.band(0.9, 0.02, -0.1, 10 * BP).value)


@pytest.mark.parametrize("cost", [0.0, 0.25, 1.0])
def test_the_band_earns_its_value_on_ornstein_uhlenbeck(cost: float) -> None:
    bars = synthetic.read(f"synthetic:ou?kappa=0.1&sigma=0.0005&seed=1&n={N}")
    best = optima.ou(OU(kappa=0.1, sigma=0.0005), cost * BP)
    check(gains(wealth(bars, best.requests(bars), cost * BP)), best.value, precision=0.02)


@pytest.mark.parametrize(("q", "cost", "value"), [(0.05, 0.05, 0.095), (0.2, 0.1, 0.06), (0.2, 0.2, 0.02)])
def test_following_the_regime_earns_its_drift_without_the_costs(q: float, cost: float, value: float) -> None:
    bars = synthetic.read(f"synthetic:regime?mu=0.00001&q={q}&seed=1&n={N}")
    best = optima.regime(Regime(mu=0.00001, q=q), cost * BP)
    assert best.value / BP == pytest.approx(value)
    check(gains(wealth(bars, best.requests(bars), cost * BP)), best.value, precision=0.1)


@pytest.mark.parametrize("q", [0.05, 0.2, 0.4])
@pytest.mark.parametrize("cost", [0.0, 1.0, 1.2, 1.3, 5.0])
def test_no_policy_of_regime_and_position_is_better(q: float, cost: float) -> None:
    # Value iteration over (regime, position), mu = 1: h(s, p) = max_a [s a - c |a - p| + E h(s', a)].
    s, positions = np.array([-1.0, 1.0]), optima.POSITIONS
    reward = s[:, None, None] * positions - cost * np.abs(positions - positions[:, None])
    change = np.array([[1 - q, q], [q, 1 - q]])
    value = np.zeros((2, 3))
    for _ in range(2000):
        before, value = value, (reward + (change @ value)[:, None, :]).max(axis=2)
    found = optima.regime(Regime(mu=0.001, q=q), cost / 1000).value
    assert found == pytest.approx((value - before).mean() / 1000, abs=1e-9)


def test_where_turning_costs_more_than_the_drift_nothing_is_done() -> None:
    best = optima.regime(Regime(mu=0.001, q=0.2), 0.003)
    bars = synthetic.read("synthetic:regime?mu=0.001&q=0.2&n=100")
    assert best.value == 0 and not best.requests(bars).any()


def test_the_regime_is_seen_before_it_is_traded() -> None:
    bars = synthetic.read(f"synthetic:regime?mu=0.001&q=0.2&n={N}")
    moves = bars.close[1:, 0] / bars.close[:-1, 0] - 1
    same = np.sign(moves[1:]) == np.sign(moves[:-1])
    assert np.mean(same) == pytest.approx(0.8, abs=4 * 0.4 / np.sqrt(N))
    assert np.mean(np.sign(moves[:-1]) * moves[1:]) == pytest.approx(0.001, rel=0.01)
    assert np.abs(moves).min() >= 0.5 * 0.001 / 0.6 - 1e-12


def test_who_sees_the_next_return_earns_all_of_it() -> None:
    bars = synthetic.read(f"synthetic:leak?sigma=0.0005&seed=1&n={N}")
    best = optima.leak(Leak(sigma=0.0005))
    assert best.value == pytest.approx(0.0005 * np.sqrt(2 / np.pi))
    # A short position that is not kept at -1 loses one part in 2500.
    check(gains(wealth(bars, best.requests(bars))), best.value, precision=0.001)


def test_the_feature_volume_sees_the_leak() -> None:
    bars = synthetic.read("synthetic:leak?seed=1&n=100000")
    table = features.table(bars, ("volume",), 20)
    seen = np.sign(table.market[table.warmup : -1, 0])
    coming = np.diff(np.log(bars.close[table.warmup :, 0]))
    assert np.mean(seen == np.sign(coming)) > 0.998
    assert np.mean(seen * coming) / optima.leak(Leak()).value > 0.99


@pytest.mark.parametrize("mu", [0.00003, 0.00005, -0.00005])
def test_the_kelly_weight_grows_by_half_the_squared_ratio(mu: float) -> None:
    market = GBM(mu=mu, sigma=0.01)
    best = optima.gbm(market)
    assert best.value == pytest.approx(mu**2 / (2 * 0.01**2))
    bars = synthetic.read(f"synthetic:gbm?mu={mu}&sigma=0.01&seed=1&n={N}")
    requests = best.requests(bars)
    growth = np.diff(np.log(wealth(bars, requests)))
    # Nearly all of what a bar adds is luck of known mean zero, which would drown a growth of 0.1 bp.
    luck = requests[:-1] * (np.diff(bars.close[:, 0]) / bars.close[:-1, 0] - np.expm1(mu))
    check(growth - luck, best.value, precision=0.01)


def test_less_and_more_than_the_kelly_weight_grow_less() -> None:
    bars = synthetic.read(f"synthetic:gbm?mu=0.00005&sigma=0.01&seed=1&n={N}")
    moves = np.diff(bars.close[:, 0]) / bars.close[:-1, 0] - np.expm1(0.00005)

    def growth(weight: float) -> float:
        requests = np.full(len(bars), weight)
        return float(np.mean(np.diff(np.log(wealth(bars, requests))) - requests[:-1] * moves))

    assert growth(0.5) > max(growth(0.3), growth(0.7))


def test_a_drift_above_the_variance_is_held_without_debt() -> None:
    best = optima.gbm(GBM(mu=0.001, sigma=0.01))
    assert best.value == pytest.approx(0.001 - 0.01**2 / 2)


def test_on_a_martingale_nothing_is_best_and_all_else_only_costs() -> None:
    n = 10_000  # more would ruin who trades
    bars = synthetic.read(f"synthetic:gbm?sigma=0.001&seed=1&n={n}")
    best = optima.gbm(GBM(sigma=0.001))
    assert best.value == 0 and not best.requests(bars).any()
    assert (wealth(bars, best.requests(bars), 2 * BP) == 1).all()
    trend = np.sign(optima.last_returns(bars))
    paid = 2 * BP * np.abs(np.diff(trend, prepend=0.0)).mean()
    mean, error = mean_and_error(gains(wealth(bars, trend, 2 * BP)))
    assert abs(mean + paid) < 4 * error and error < 0.1 * paid


def test_half_in_a_coin_that_goes_nowhere_grows() -> None:
    best = optima.coin()
    assert best.value == pytest.approx(np.log(9 / 8) / 2)
    paths = [synthetic.read(f"synthetic:coin?n=10000&seed={seed}") for seed in range(20)]
    growth = [np.diff(np.log(wealth(bars, best.requests(bars)))) for bars in paths]
    check(np.concatenate(growth), best.value, precision=0.015)


def test_the_coin_by_hand() -> None:
    bars = synthetic.read("synthetic:coin?n=200")
    steps = np.diff(np.log(wealth(bars, optima.coin().requests(bars))))
    doubled = np.diff(bars.close[:, 0]) > 0
    assert steps == pytest.approx(np.where(doubled, np.log(1.5), np.log(0.75)))


RULES = [
    ("ar1", optima.ar1(AR1(), 0.5 * BP)),
    ("ou", optima.ou(OU(), 5 * BP)),
    ("regime", optima.regime(Regime(), 5 * BP)),
    ("leak", optima.leak(Leak())),
    ("gbm", optima.gbm(GBM())),
    ("coin", optima.coin()),
]


@pytest.mark.parametrize(("name", "best"), RULES)
def test_the_rules_do_not_look_ahead(name: str, best: Optimum) -> None:
    bars = synthetic.read(f"synthetic:{name}?n=500")
    requests = best.requests(bars)
    for t in (1, 100, 498):
        assert np.array_equal(best.requests(bars.rows(0, t)), requests[: t + 1])


def test_every_market_has_a_rule() -> None:
    assert {name for name, _ in RULES} == set(synthetic.MARKETS)


def test_no_two_markets_share_their_draws() -> None:
    paths = {
        name: optima.last_returns(synthetic.read(f"synthetic:{name}?n=10000")) for name in synthetic.MARKETS
    }
    for one, other in itertools.combinations(paths.values(), 2):
        assert abs(np.corrcoef(one, other)[0, 1]) < 4 / np.sqrt(10000)
