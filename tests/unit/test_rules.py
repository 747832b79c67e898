"""Rules against plain loops over the closes, and portfolios against hand-worked weights."""

from __future__ import annotations

import numpy as np
import pytest

from tests.candles import bars, side_by_side, walk
from tradebot.core import Array, InputError
from tradebot.prices.bars import Bars
from tradebot.strategies import rules

MARKET = walk(500, seed=8, move=0.02)
CLOSE = MARKET.close[:, 0]
OTHER = walk(500, seed=9, move=0.01)
BOTH = side_by_side(MARKET, OTHER)
ALONE = ["buy_and_hold", "flat", "sma_cross", "momentum", "mean_reversion", "random"]
PORTFOLIOS = ["equal_weight", "inverse_volatility", "cross_sectional_momentum"]
HOLD = np.nan


def closing(*closes: list[float]) -> Bars:
    """Symbols A, B ... that open where they close."""
    return side_by_side(*(bars(close, close) for close in closes))


def same(found: Array, expected: list[list[float]]) -> None:
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-15)


def test_the_rules_by_name() -> None:
    assert list(rules.RULES) == ALONE + PORTFOLIOS
    assert all(rules.RULES[name] is getattr(rules, name) for name in rules.RULES)


def test_portfolios_are_baselines_where_there_are_several_assets() -> None:
    assert rules.baselines(1) == ALONE
    assert rules.baselines(2) == ALONE + PORTFOLIOS


# ---- each asset by itself


@pytest.mark.parametrize("name", ALONE)
def test_a_rule_asks_for_all_or_nothing_of_one_asset_at_every_bar(name: str) -> None:
    found = rules.RULES[name](MARKET)
    assert found.shape == (500, 1) and found.dtype == np.float64
    assert set(np.unique(found)) <= {0.0, 1.0}


@pytest.mark.parametrize("name", sorted(set(ALONE) - {"random"}))
def test_of_two_assets_each_gets_half_of_what_it_gets_alone(name: str) -> None:
    rule = rules.RULES[name]
    np.testing.assert_array_equal(rule(BOTH), np.hstack([rule(MARKET), rule(OTHER)]) / 2)


def test_buy_and_hold_and_flat() -> None:
    assert rules.buy_and_hold(MARKET).all() and not rules.flat(MARKET).any()


def test_sma_cross_is_long_while_the_fast_mean_is_above_the_slow() -> None:
    found = rules.sma_cross(MARKET, fast=5, slow=30)[:, 0]
    expected = [t >= 29 and CLOSE[t - 4 : t + 1].mean() > CLOSE[t - 29 : t + 1].mean() for t in range(500)]
    assert found.tolist() == expected
    assert 0.2 < found.mean() < 0.8


def test_momentum_is_long_while_the_past_return_is_positive() -> None:
    found = rules.momentum(MARKET, lookback=40)[:, 0]
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
    found = rules.mean_reversion(MARKET)[:, 0]
    assert found.tolist() == expected
    assert 0.2 < found.mean() < 0.8


def test_mean_reversion_stays_out_of_a_market_that_does_not_move() -> None:
    assert not rules.mean_reversion(bars([7.0] * 50, [7.0] * 50)).any()


def test_random_tosses_the_same_coins_for_a_seed_and_others_for_each_asset() -> None:
    found = rules.random(BOTH)
    assert np.array_equal(found, rules.random(BOTH))
    assert not np.array_equal(found, rules.random(BOTH, seed=1))
    assert set(np.unique(found)) == {0.0, 0.5} and not np.array_equal(found[:, 0], found[:, 1])


def test_random_is_long_half_the_time_and_rarely_changes() -> None:
    found = rules.random(bars(np.ones(100_000), np.ones(100_000)))[:, 0]
    # About 5000 coins, of which every second changes something: spells of 40 bars.
    assert found.mean() == pytest.approx(0.5, abs=4 * 0.5 / np.sqrt(5000))
    assert np.abs(np.diff(found)).sum() == pytest.approx(2500, abs=4 * np.sqrt(2500))


# ---- portfolios


@pytest.mark.parametrize("name", PORTFOLIOS)
def test_a_portfolio_of_one_asset_is_all_in_it_and_traded_anew_every_21_bars(name: str) -> None:
    found = rules.RULES[name](MARKET)[:, 0]
    first = {"equal_weight": 0, "inverse_volatility": 60, "cross_sectional_momentum": 120}[name]
    asked = np.flatnonzero(~np.isnan(found))
    assert asked.tolist() == [*range(first), *range(first, 500, 21)]
    assert not found[:first].any() and (found[first::21] == 1.0).all()


@pytest.mark.parametrize("name", PORTFOLIOS)
def test_a_portfolio_that_has_not_seen_enough_is_flat(name: str) -> None:
    found = rules.RULES[name](side_by_side(MARKET.rows(0, 59), OTHER.rows(0, 59)))
    assert found.shape == (60, 2)
    assert name == "equal_weight" or not found.any()


def test_equal_weight_is_the_same_in_each_asset_and_holds_in_between() -> None:
    market = closing(*[[1.0, 2.0, 3.0, 4.0]] * 4)
    same(rules.equal_weight(market, every=3), [[0.25] * 4, [HOLD] * 4, [HOLD] * 4, [0.25] * 4])


def test_inverse_volatility_gives_a_calm_asset_more() -> None:
    """Log returns over two bars: A goes +1, -1 (deviation 1), B +3, -3 (deviation 3): 1/1 to 1/3 is 3 to 1.

    Two bars later A goes +2, -2 and B +2, -2.
    """
    a, b = np.exp([0.0, 1.0, 0.0, 2.0, 0.0, 9.0]), np.exp([0.0, 3.0, 0.0, 2.0, 0.0, 1.0])
    found = rules.inverse_volatility(closing(a.tolist(), b.tolist()), lookback=2, every=2)
    same(found, [[0, 0], [0, 0], [0.75, 0.25], [HOLD, HOLD], [0.5, 0.5], [HOLD, HOLD]])


def test_inverse_volatility_gives_nothing_to_what_did_not_move() -> None:
    """C stands still; then all do."""
    moving, still = [1.0, 2.0, 1.0, 1.0, 1.0], [7.0] * 5
    found = rules.inverse_volatility(closing(moving, moving, still), lookback=2, every=2)
    same(found, [[0, 0, 0], [0, 0, 0], [0.5, 0.5, 0], [HOLD] * 3, [0, 0, 0]])


def test_cross_sectional_momentum_holds_the_winners_in_equal_parts() -> None:
    """Growth over two bars at bar 2: A 2, B 3, C 1, D 1.5; at bar 4: A 1/2, B 1/3, C 4, D 2."""
    market = closing(
        [1.0, 9.0, 2.0, 1.0, 1.0],
        [1.0, 1.0, 3.0, 9.0, 1.0],
        [1.0, 1.0, 1.0, 1.0, 4.0],
        [2.0, 8.0, 3.0, 1.0, 6.0],
    )
    held = [HOLD] * 4
    found = rules.cross_sectional_momentum(market, lookback=2, every=2)  # half of four: two
    same(found, [[0] * 4, [0] * 4, [0.5, 0.5, 0, 0], held, [0, 0, 0.5, 0.5]])
    found = rules.cross_sectional_momentum(market, lookback=2, every=2, top=1)
    same(found, [[0] * 4, [0] * 4, [0, 1, 0, 0], held, [0, 0, 1, 0]])
    found = rules.cross_sectional_momentum(market, lookback=2, every=2, top=4)
    same(found, [[0] * 4, [0] * 4, [0.25] * 4, held, [0.25] * 4])


def test_cross_sectional_momentum_takes_one_of_three_and_the_first_of_equals() -> None:
    market = closing([2.0, 2.0, 3.0], [1.0, 1.0, 2.0], [2.0, 3.0, 4.0])  # 1.5, 2, 2
    same(rules.cross_sectional_momentum(market, lookback=2), [[0, 0, 0], [0, 0, 0], [0, 1, 0]])


@pytest.mark.parametrize("top", [0, 3, -1])
def test_a_number_of_winners_that_there_cannot_be_is_refused(top: int) -> None:
    with pytest.raises(InputError, match=f"top must be from 1 to 2, the number of assets, not {top}"):
        rules.cross_sectional_momentum(BOTH, top=top)


@pytest.mark.parametrize("rule", [*(rules.RULES[name] for name in PORTFOLIOS), rules.fixed_weights])
def test_to_rebalance_at_every_bar_is_refused_for_it_would_never_rebalance(rule: object) -> None:
    with pytest.raises(InputError, match="every must be 2 bars or more, not 1"):
        if rule is rules.fixed_weights:
            rules.fixed_weights({"A": 1.0}, every=1)(BOTH)
        else:
            rule(BOTH, every=1)  # type: ignore[operator] # one of the three


def test_fixed_weights_are_those_of_their_symbols() -> None:
    market = closing(*[[1.0, 2.0, 3.0]] * 3)
    found = rules.fixed_weights({"C": 0.3, "A": 0.6}, every=2)(market)
    same(found, [[0.6, 0, 0.3], [HOLD] * 3, [0.6, 0, 0.3]])


def test_fixed_weights_can_be_named() -> None:
    rule = rules.named("fixed:A=0.6, B=-4e-1")
    assert rule is not None
    np.testing.assert_array_equal(rule(BOTH), rules.fixed_weights({"A": 0.6, "B": -0.4})(BOTH))
    assert rules.named("flat") is rules.flat and rules.named("falt") is None


@pytest.mark.parametrize(
    "part", ["A", "A=", "=0.5", "A=x", "", "B=0.5,B=0.5"], ids=lambda part: f"fixed:{part}"
)
def test_fixed_weights_that_cannot_be_read_are_refused(part: str) -> None:
    with pytest.raises(InputError, match=r"is no weight of one more symbol: write fixed:AAPL=0\.6,MSFT=0\.4"):
        rules.named(f"fixed:{part}")


def test_a_list_of_rules_keeps_fixed_weights_together() -> None:
    found = rules.listed_rules("flat, fixed:A=0.6,B=0.4, fixed:B=1, momentum")
    assert found == ("flat", "fixed:A=0.6,B=0.4", "fixed:B=1", "momentum")
    assert rules.listed_rules(["fixed:A=0.6,B=0.4", "flat"]) == ("fixed:A=0.6,B=0.4", "flat")


def test_fixed_weights_that_are_none_or_nobodys_are_refused() -> None:
    with pytest.raises(InputError, match="the fixed weight of A is nan: it must be a finite number"):
        rules.named("fixed:A=nan")
    with pytest.raises(InputError, match="no prices for the fixed weight of 'Z': choose from A, B"):
        rules.fixed_weights({"Z": 1.0})(BOTH)


# ---- a part of the bars


def test_who_begins_between_two_rebalancings_begins_with_the_last_one() -> None:
    market = closing([1.0, 2.0, 3.0, 4.0, 5.0], [1.0, 1.0, 1.0, 1.0, 1.0])
    every = rules.fixed_weights({"A": 0.6, "B": 0.4}, every=3)  # at the bars 0 and 3
    held = [HOLD, HOLD]
    same(rules.requests(every, market, 1, 4), [[0.6, 0.4], held, [0.6, 0.4], held])
    same(rules.requests(every, market, 2, 2), [[0.6, 0.4]])
    same(rules.requests(every, market, 3, 4), [[0.6, 0.4], held])


def test_what_was_asked_for_before_the_part_does_not_reach_into_numbers() -> None:
    np.testing.assert_array_equal(
        rules.requests(rules.momentum, BOTH, 200, 300), rules.momentum(BOTH)[200:301]
    )
