"""The kernel by hand-worked numbers. `buy` and `sell` are fees per value traded; prices stand at 10 or so."""

from __future__ import annotations

import math

import numpy as np
import pytest

from tradebot.core import Array
from tradebot.market import kernel
from tradebot.market.configs import Broker
from tradebot.market.costs import Costs
from tradebot.market.kernel import (
    CALLED,
    CASH,
    ENTRY,
    EQUITY,
    FEE,
    PEAK,
    PER_ASSET,
    REQUEST,
    TRADED,
    UNITS,
)

FREE = Costs(commission_bps=0, half_spread_bps=0)
BROKER = Broker()


def account(cash: float = 1000.0, n_assets: int = 1) -> Array:
    made = np.empty(kernel.n_columns(n_assets))
    kernel.open_account(made, cash)
    return made


def settle(
    a: Array,
    requests: float | list[float],
    *quotes: tuple[float, ...],  # of each asset: open, close and, where it matters, volume
    costs: Costs = FREE,
    broker: Broker = BROKER,
) -> bool:
    """One account over one bar. Returns whether orders were due."""
    bars = np.array([[(*quote, 0.0)[:3] for quote in quotes]])
    return kernel.settle(a, np.atleast_2d(requests), 0, bars, 0, 0.0, kernel.terms(costs, broker))


def rebalanced(
    cash: float, units: float, price: float, weight: float, buy: float, sell: float
) -> tuple[float, float, float, float]:
    """Cash and units after the trade, signed units traded and the fee."""
    terms = np.zeros(20)
    terms[[kernel.BUY, kernel.SELL]] = buy, sell
    traded, fee = kernel.rebalance(float(cash), float(units), float(price), float(weight), terms)
    return cash - traded * price - fee, units + traded, traded, fee


# ---- rebalance


@pytest.mark.parametrize(
    ("cash", "units", "price", "weight", "expected"),
    [
        # All in: 1010 buys 1000 worth and pays 10 for it; nothing is left.
        pytest.param(1010, 0, 10, 1, (0, 100, 100, 10), id="buy all"),
        # Half: v' = .5 (E - .01 v') -> v' = .5 x 1005 / 1.005 = 500, fee 5, equity 1000.
        pytest.param(1005, 0, 10, 0.5, (500, 50, 50, 5), id="buy half"),
        # All out: 100 units at 10 bring 1000 less a fee of 10.
        pytest.param(0, 100, 10, 0, (990, 0, -100, 10), id="sell all"),
        # v' = .5 (1990 - .01 (1990 - v')) -> v' = .5 x 1970.1 / .995 = 990, so 100 of 199 units go, fee 10.
        pytest.param(0, 199, 10, 0.5, (990, 99, -100, 10), id="sell half"),
        # Short 1000 worth: the equity after the fee is 1000.
        pytest.param(1010, 0, 10, -1, (2000, -100, -100, 10), id="go short"),
        # Cover: 100 units at 8 cost 800 and a fee of 8.
        pytest.param(2000, -100, 8, 0, (1192, 0, 100, 8), id="cover"),
        # Through zero: E = 1010 -> 990 after a fee of 20 on 2000 worth.
        pytest.param(0, 101, 10, -1, (1980, -99, -200, 20), id="long to short"),
        pytest.param(2020, -101, 10, 1, (0, 99, 200, 20), id="short to long"),
        # The price has carried 1000 of 1501 beyond .6: 100 worth go at a fee of 1, 900 of 1500 stay.
        pytest.param(501, 50, 20, 0.6, (600, 45, -5, 1), id="a drifted weight"),
        pytest.param(1000, 0, 10, 0, (1000, 0, 0, 0), id="nothing to close"),
    ],
)
def test_rebalance_by_hand(
    cash: float, units: float, price: float, weight: float, expected: tuple[float, ...]
) -> None:
    assert rebalanced(cash, units, price, weight, 0.01, 0.01) == pytest.approx(expected, abs=1e-11)


def test_selling_everything_leaves_exactly_nothing() -> None:
    _, units, traded, _ = rebalanced(0.1, 0.1 + 0.2, 0.7, 0.0, 0.01, 0.01)
    assert units == 0.0 and traded == -(0.1 + 0.2)


@pytest.mark.parametrize("weight", [-1.0, -0.3, 0.2, 0.9, 1.0])
@pytest.mark.parametrize("units", [-30.0, 0.0, 55.0])
def test_the_weight_after_the_trade_is_the_target_of_the_equity_after_the_fee(
    weight: float, units: float
) -> None:
    cash, held, traded, fee = rebalanced(1000.0, units, 7.0, weight, 0.02, 0.03)
    equity = cash + held * 7.0
    assert held * 7.0 == pytest.approx(weight * equity, abs=1e-9)
    assert equity == pytest.approx(1000.0 + units * 7.0 - fee, abs=1e-9)
    assert fee == pytest.approx(abs(traded) * 7.0 * (0.02 if traded > 0 else 0.03), abs=1e-12)


@pytest.mark.parametrize("weight", [-1.0, 0.0, 0.5, 1.0])
@pytest.mark.parametrize("debt", [1000.0, 1200.0])
def test_without_equity_every_request_closes(weight: float, debt: float) -> None:
    # Short 100 units at 10 (or 12) with 1000 in cash: nothing is left, or a debt.
    cash, units, traded, fee = rebalanced(1000.0, -100.0, debt / 100, weight, 0.01, 0.01)
    assert (units, traded) == (0.0, 100.0)
    assert cash == pytest.approx(1000.0 - 1.01 * debt) and fee == pytest.approx(0.01 * debt)


@pytest.mark.parametrize("weight", [-0.01, 1.0])
def test_where_the_fee_would_eat_up_the_equity_the_position_is_closed(weight: float) -> None:
    # Equity 10 behind a short position of 1990: covering costs 5 %, 99.50.
    cash, units, traded, fee = rebalanced(2000.0, -100.0, 19.9, weight, 0.05, 0.05)
    assert (units, traded) == (0.0, 100.0)
    assert (cash, fee) == pytest.approx((-89.5, 99.5))


@pytest.mark.parametrize(("units", "weight"), [(-30.0, -20.0), (30.0, 20.0)])
def test_where_every_trade_costs_more_than_its_share_of_the_equity_the_position_is_closed(
    units: float, weight: float
) -> None:
    # Equity 10, 300 held either way, which is 30 times that. To trade 10 of it costs 1 and with that 20 of
    # what may be held: the weight only grows, until nothing is left.
    assert rebalanced(10.0 - units * 10, units, 10.0, weight, 0.1, 0.1)[1] == 0.0
    a = account()
    a[[CASH, UNITS]] = 10.0 - units * 10, units
    costs = Costs(commission_bps=0, half_spread_bps=999.9, fixed_per_order=1e-9)  # not proportional
    settle(a, weight, (10, 10), costs=costs, broker=Broker(leverage=20, maintenance=0))
    assert a[UNITS] == 0.0 and a[TRADED] == -units


# ---- settle


def test_a_repeated_request_holds_the_units() -> None:
    a = account()
    settle(a, 0.5, (10, 20))
    assert (a[CASH], a[UNITS], a[EQUITY]) == (500.0, 50.0, 1500.0)
    assert not settle(a, 0.5, (30, 40))
    assert (a[CASH], a[UNITS], a[EQUITY]) == (500.0, 50.0, 2500.0)


def test_a_flat_account_does_not_pay_for_staying_flat() -> None:
    a = account()
    costs = Costs(commission_bps=100, fixed_per_order=5)
    assert not settle(a, 0.0, (10, 20), costs=costs)
    settle(a, 0.0, (10, 20), costs=costs, broker=Broker(rebalance=True))  # looks, and finds nothing to do
    assert (a[EQUITY], a[TRADED], a[FEE]) == (1000.0, 0.0, 0.0)


def test_the_entry_price_is_the_mean_price_of_what_is_held() -> None:
    a = account()
    settle(a, 0.5, (10, 10))  # 50 units at 10
    assert a[ENTRY] == 10.0
    settle(a, 0.8, (20, 20))  # 1200 of 1500 is 60 units: 10 more at 20
    assert a[ENTRY] == pytest.approx((50 * 10 + 10 * 20) / 60)
    settle(a, 0.2, (30, 30))  # a part is sold: what remains was bought at the same mean
    assert a[ENTRY] == pytest.approx((50 * 10 + 10 * 20) / 60)
    settle(a, -0.5, (25, 25))  # through zero: sold short at 25
    assert a[ENTRY] == 25.0


def test_every_asset_has_an_entry_price_of_its_own() -> None:
    a = account(n_assets=2)
    settle(a, [0.2, -0.5], (10, 10), (20, 20))
    settle(a, [0.2, -0.8], (10, 10), (16, 16))  # E = 1100: 880 short is 55 units, 30 more at 16
    assert a[ENTRY::PER_ASSET].tolist() == pytest.approx([10.0, (25 * 20 + 30 * 16) / 55])


def test_the_peak_remembers_the_best_mark() -> None:
    a = account()
    for close in (20.0, 15.0, 18.0):
        settle(a, 1.0, (10, close))
    assert (a[PEAK], a[EQUITY]) == (2000.0, 1800.0)


def test_a_hold_is_remembered_as_such() -> None:
    a = account()
    settle(a, 0.5, (10, 10))
    settle(a, math.nan, (20, 20))
    assert np.isnan(a[REQUEST]) and a[UNITS] == 50.0
    settle(a, 0.5, (20, 20))
    assert (a[REQUEST], a[UNITS]) == (0.5, 37.5)


def test_a_request_at_a_missing_bar_is_due_at_the_next() -> None:
    a = account(n_assets=2)
    settle(a, [0.5, 0.2], (10, 10), (20, 20))
    settle(a, [0.4, 0.4], (10, 10), (math.nan, 20))
    assert a[UNITS::PER_ASSET].tolist() == [40.0, 10.0]
    assert settle(a, [0.4, 0.4], (10, 10), (20, 20))
    assert a[UNITS::PER_ASSET].tolist() == [40.0, 20.0]


def test_a_call_is_answered_once_and_resets_the_request() -> None:
    a = account()
    settle(a, -1.0, (10, 17))
    assert (a[CALLED], a[UNITS], a[REQUEST]) == (1.0, -100.0, -1.0)
    settle(a, -1.0, (17, 17))
    assert (a[CALLED], a[UNITS], a[REQUEST]) == (0.0, 0.0, 0.0)


@pytest.mark.parametrize("weight", [-1.0, -0.3, 0.0, 0.7, 1.0])
@pytest.mark.parametrize("before", [-1.0, -0.5, 0.5, 1.0])
def test_a_plan_for_one_asset_is_what_the_closed_form_gives(before: float, weight: float) -> None:
    costs = Costs(commission_bps=100, half_spread_bps=200)
    general = costs.model_copy(update={"fixed_per_order": 1e-300})  # no fee of its own, but not proportional
    one, other = account(), account()
    settle(one, before, (10, 12), costs=costs)
    settle(other, before, (10, 12), costs=general)
    settle(one, weight, (13, 14), costs=costs)
    settle(other, weight, (13, 14), costs=general)
    columns = [CASH, EQUITY, UNITS, REQUEST, ENTRY, TRADED, FEE]
    assert other[columns].tolist() == pytest.approx(one[columns].tolist(), abs=1e-9)


@pytest.mark.parametrize(
    "changes",
    [
        {"commission_bps": 100.0},
        {"fixed_per_order": 7.0},
        {"minimum_commission": 5.0, "commission_bps": 100.0},
        {"unit_commission": 0.3, "commission_cap_bps": 200.0},
        {"impact_bps": 500.0},
    ],
    ids=lambda changes: next(iter(changes)),
)
@pytest.mark.parametrize("target", [[0.6, 0.3], [-0.4, 0.5], [0.2, 0.0], [0.9, -0.1]])
def test_weights_are_those_of_the_equity_after_all_fees(
    changes: dict[str, float], target: list[float]
) -> None:
    costs = Costs(**{"commission_bps": 0.0, "half_spread_bps": 50.0} | changes)
    a = account(n_assets=2)
    settle(a, [0.1, 0.9], (10, 11, 1000), (20, 21, 1000), costs=costs)
    before = a[CASH] + a[UNITS] * 12 + a[UNITS + PER_ASSET] * 19
    settle(a, target, (12, 12, 1000), (19, 19, 1000), costs=costs)
    fees = a[FEE] + a[FEE + PER_ASSET]
    assert fees > 0 and a[EQUITY] == pytest.approx(before - fees, abs=1e-9)
    held = a[[UNITS, UNITS + PER_ASSET]] * [12, 19]
    assert held.tolist() == pytest.approx((np.array(target) * a[EQUITY]).tolist(), abs=1e-9)


# ---- ruin


def test_what_is_left_after_ruin_is_cash() -> None:
    a = account(n_assets=2)
    settle(a, [1.0, -1.0], (10, 4), (20, 38), broker=Broker(leverage=2))
    assert a[EQUITY] == 1000 - 600 - 900 and a[CALLED] == 1.0
    kernel.close_out(a)
    assert (a[CASH], a[EQUITY], a[CALLED]) == (-500.0, -500.0, 0.0)
    assert a[UNITS::PER_ASSET].tolist() == a[REQUEST::PER_ASSET].tolist() == [0.0, 0.0]


def test_a_squeezed_short_is_closed_out_and_never_trades_again() -> None:
    close = np.array([10.0, 10.0, 25.0, 5.0, 50.0])
    bars = np.stack([np.append(10.0, close[:-1]), close, np.zeros(5)], axis=1)[:, None]
    requests = np.array([-1.0, -1.0, 1.0, 1.0, 0.0])[None, :, None]
    found = kernel.simulate(bars, np.zeros(5), requests, 1000.0, kernel.terms(FREE, BROKER), 10.0)
    # Short 100 units at 10: cash 2000, worth 2000 - 2500 = -500 at the second close.
    assert found.ruined.tolist() == [2] and not found.called.any()
    assert found.equity.tolist() == [[1000.0, 1000.0, -500.0, -500.0, -500.0]]
    assert found.cash.tolist() == [[1000.0, 2000.0, -500.0, -500.0, -500.0]]
    assert found.units[0, :, 0].tolist() == found.traded[0, :, 0].tolist() == [0.0, -100.0, 0.0, 0.0, 0.0]
