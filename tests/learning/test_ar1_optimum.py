"""The yardstick of the learning tests: the optimum on AR(1) returns, as computed and in the simulator."""

from __future__ import annotations

import numpy as np
import pytest

from tests.learning import ar1
from tradebot.backtest import engine
from tradebot.market import synthetic
from tradebot.market.configs import TradingConfig
from tradebot.market.costs import Costs

N = 1_000_000


def test_the_dynamic_programme_finds_the_optimum() -> None:
    # A grid of 301 returns misses the optimum by less than the third decimal that is written.
    assert 1e4 * ar1.optimum().value == pytest.approx(ar1.OPTIMUM_BP, abs=0.0015)


def test_the_optimal_rule_earns_the_optimum_in_the_simulator() -> None:
    bars = synthetic.read(f"synthetic:ar1?phi={ar1.PHI}&sigma={ar1.SIGMA}&seed=1&n={N}")
    requests = ar1.optimum().requests(bars)
    score = ar1.additive_score(bars, requests[:, None])[0]
    # The gains of a step vary by about 1.7 bp, neighbours a little alike: four deviations of the mean.
    assert score == pytest.approx(ar1.OPTIMUM_BP, abs=4 * 2.0 / np.sqrt(N))

    costs = Costs(commission_bps=ar1.COST_BP, half_spread_bps=0)
    test = engine.run(
        "x", bars, {"rule": requests}, {}, market=TradingConfig(cash=1.0), costs=costs, in_sample=False
    )
    growth = 1e4 * np.log(test.ensemble.equity[-1]) / (N - 1)
    r = np.diff(np.log(bars.close[:, 0]))
    luck = 1e4 * np.mean(
        requests[1:-1] * (r[1:] - ar1.PHI * r[:-1])
    )  # 10 bp a step, which the score leaves out
    # A short position whose weight is not kept at -1 loses something of the size of sigma^2 = 0.01 bp.
    assert growth - luck == pytest.approx(score, abs=0.01)


def test_the_score_by_hand() -> None:
    bars = synthetic.read("synthetic:ar1?n=3")
    r = np.log(bars.close[1:, 0] / bars.close[:-1, 0])
    requests = np.array([[1.0, 0.0], [-1.0, 0.0], [-1.0, 1.0]])
    found = ar1.additive_score(bars, requests, phi=0.5, cost_bp=2.0)
    assert found == pytest.approx([1e4 * 0.5 * (-r[0] - r[1]) / 3 - 2 * 3 / 3, 1e4 * 0.5 * r[1] / 3 - 2 / 3])
