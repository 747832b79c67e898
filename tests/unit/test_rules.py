"""Rules against plain loops over the closes."""

from __future__ import annotations

import numpy as np
import pytest

from tests.candles import bars, walk
from tradebot.strategies import rules

MARKET = walk(500, seed=8, move=0.02)
CLOSE = MARKET.close[:, 0]


def test_the_rules_by_name() -> None:
    names = ["buy_and_hold", "flat", "sma_cross", "momentum", "mean_reversion", "random"]
    assert list(rules.RULES) == names
    assert all(rules.RULES[name] is getattr(rules, name) for name in names)


@pytest.mark.parametrize("rule", rules.RULES.values())
def test_a_rule_asks_for_a_weight_at_every_bar(rule: rules.Rule) -> None:
    requests = rule(MARKET)
    assert requests.shape == (500,) and requests.dtype == np.float64
    assert set(np.unique(requests)) <= {0.0, 1.0}


def test_buy_and_hold_and_flat() -> None:
    assert rules.buy_and_hold(MARKET).all() and not rules.flat(MARKET).any()


def test_sma_cross_is_long_while_the_fast_mean_is_above_the_slow() -> None:
    found = rules.sma_cross(MARKET, fast=5, slow=30)
    expected = [t >= 29 and CLOSE[t - 4 : t + 1].mean() > CLOSE[t - 29 : t + 1].mean() for t in range(500)]
    assert found.tolist() == expected
    assert 0.2 < found.mean() < 0.8


def test_momentum_is_long_while_the_past_return_is_positive() -> None:
    found = rules.momentum(MARKET, lookback=40)
    assert found.tolist() == [t >= 40 and CLOSE[t] > CLOSE[t - 40] for t in range(500)]
    assert 0.2 < found.mean() < 0.8


def test_mean_reversion_buys_low_and_waits_for_the_mean() -> None:
    held, expected = 0.0, []
    for t in range(500):
        window = CLOSE[max(t - 19, 0) : t + 1]
        if len(window) == 20:
            z = (CLOSE[t] - window.mean()) / window.std(ddof=1)
            held = 1.0 if z < -1 else 0.0 if z > 0 else held
        expected.append(held)
    found = rules.mean_reversion(MARKET)
    assert found.tolist() == expected
    assert 0.2 < found.mean() < 0.8


def test_mean_reversion_stays_out_of_a_market_that_does_not_move() -> None:
    assert not rules.mean_reversion(bars([7.0] * 50, [7.0] * 50)).any()


def test_random_tosses_the_same_coins_for_a_seed() -> None:
    assert np.array_equal(rules.random(MARKET), rules.random(MARKET))
    assert not np.array_equal(rules.random(MARKET), rules.random(MARKET, seed=1))


def test_random_is_long_half_the_time_and_rarely_changes() -> None:
    found = rules.random(bars(np.ones(100_000), np.ones(100_000)))
    # About 5000 coins, of which every second changes something: spells of 40 bars.
    assert found.mean() == pytest.approx(0.5, abs=4 * 0.5 / np.sqrt(5000))
    assert np.abs(np.diff(found)).sum() == pytest.approx(2500, abs=4 * np.sqrt(2500))
