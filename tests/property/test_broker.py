"""The broker's rules hold whatever is asked for: leverage, margin calls, ruin, what a bar can fill."""

from __future__ import annotations

import numpy as np
from hypothesis import example, given, settings

from tests.accounts import (
    CASH,
    PROPORTIONAL,
    RATES,
    SMALL,
    SQUEEZE,
    Case,
    any_rules,
    at_open,
    cases,
    changed,
    fractional_costs,
    scale,
    simulated,
    some,
)
from tradebot.market.env import RUIN


@given(cases())
@settings(deadline=None, max_examples=300)
def test_no_position_grows_beyond_the_leverage(case: Case) -> None:
    found = simulated(case)
    equity, gross = at_open(found)[1]
    before = np.vstack([found.units[:1], found.units[:-1]])
    after = before + found.traded
    grown = ((np.abs(after) > np.abs(before)) | (after * before < 0)).any(axis=1)
    assert (gross <= case.market.leverage * equity + 1e-9 * scale(found))[grown].all()


@given(cases())
@example(SMALL)
@settings(deadline=None, max_examples=300)
def test_no_order_leads_away_from_the_weight_that_is_asked_for(case: Case) -> None:
    found = simulated(case)
    equity = at_open(found)[0][0][1:, None]
    held, target = found.units[:-1] * case.bars.open[1:], case.requests[:-1] * equity
    beyond = (np.abs(held) > np.abs(target) + 1e-9 * scale(found)) & (held * target >= 0) & (equity > 0)
    assert (found.traded[1:] * held <= 0)[beyond].all()


# Any rate is below 1: .3 commission, .05 half spread, .5 impact.
capped_costs = fractional_costs.map(lambda costs: changed(costs, commission_cap_bps=3000))
unlevered = any_rules.map(lambda rules: rules.model_copy(update={"leverage": 1.0}))


@given(cases(capped_costs, unlevered, (1, 1)))
@settings(deadline=None, max_examples=200)
def test_no_order_goes_past_the_weight_that_is_asked_for(case: Case) -> None:
    """Of the equity after its fee. Where rate x weight reaches 1 no order does: the position is closed."""
    found = simulated(case)
    (before, _), (after, _) = at_open(found)
    open_, asked = case.bars.open[1:, 0], case.requests[:-1, 0]
    held, target = found.units[:-1, 0] * open_, asked * after[1:]
    value, traded = held + found.traded[1:, 0] * open_, found.traded[1:, 0] * open_
    free = (traded != 0) & (before[1:] > 0) & (after[1:] > 0) & ~found.called[:-1]
    past = (value - target) * np.sign(traded)
    assert (past <= 1e-9 * scale(found))[free].all()


@given(
    cases(some(PROPORTIONAL | RATES), any_rules.map(lambda rules: rules.model_copy(update={"leverage": 1.0})))
)
@settings(deadline=None, max_examples=200)
def test_without_leverage_and_short_positions_nothing_is_borrowed(case: Case) -> None:
    found = simulated(case._replace(requests=np.abs(case.requests) / case.market.leverage))
    assert (found.cash >= -1e-9 * np.maximum.accumulate(found.equity)).all()
    assert not found.called.any()


@given(cases())
@example(SQUEEZE)
@settings(deadline=None, max_examples=300)
def test_an_account_at_the_floor_is_ruined_flat_and_trades_no_more(case: Case) -> None:
    found = simulated(case)
    end = found.ruined or len(case.bars)
    assert (found.equity[:end] > RUIN * CASH).all()
    assert (found.equity[end:] <= RUIN * CASH).all() and len(set(found.equity[end:])) <= 1
    assert not found.units[end:].any() and np.array_equal(found.cash[end:], found.equity[end:])
    for flow in (found.traded, found.fees, found.financing, found.called):
        assert not flow[end + 1 :].any()


@given(cases())
@settings(deadline=None, max_examples=300)
def test_a_bar_fills_no_more_than_it_has(case: Case) -> None:
    found, costs, market = simulated(case), case.costs, case.bars
    assert not found.traded[market.missing].any()
    if costs.needs_volume:
        assert (np.abs(found.traded) <= (costs.participation or 1.0) * market.volume * (1 + 1e-12)).all()
    if costs.whole_units:
        assert np.array_equal(found.units, np.round(found.units))


@given(cases())
@settings(deadline=None, max_examples=300)
def test_after_a_call_of_the_broker_positions_only_shrink(case: Case) -> None:
    found = simulated(case)
    end = found.ruined or len(case.bars)
    for t in np.flatnonzero(found.called[: end - 1]) + 1:
        before, after = found.units[t - 1], found.units[t - 1] + found.traded[t]
        assert (np.abs(after) <= np.abs(before)).all() and (after * before >= 0).all()
        if not case.costs.needs_volume:
            assert not after[~case.bars.missing[t]].any()


@given(cases(rules=any_rules.map(lambda rules: rules.model_copy(update={"rebalance": False}))))
@settings(deadline=None, max_examples=300)
def test_what_is_asked_for_again_or_is_no_number_holds_the_units(case: Case) -> None:
    found, requests = simulated(case), case.requests
    for t in range(2, len(case.bars)):
        if not found.called[t - 2 : t].any():
            again = (requests[t - 1] == requests[t - 2]) | np.isnan(requests[t - 1])
            answered = ~case.bars.missing[t - 1]  # else the request before may still stand
            assert not found.traded[t, again & answered].any()
