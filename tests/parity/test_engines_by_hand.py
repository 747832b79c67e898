"""The other engines by hand-worked numbers: that they do what the parity tests take them to do."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from vectorbt.portfolio.enums import RejectedOrderError  # type: ignore[import-untyped]

from tests.candles import bars
from tests.parity import against_engines as engines
from tests.parity.against_engines import Account
from tradebot.core import Array
from tradebot.market import kernel
from tradebot.market.configs import Broker
from tradebot.market.costs import Costs
from tradebot.prices.bars import Bars

#               0   1   2   3   4
BARS = bars([10, 10, 12, 20, 25], [10, 12, 15, 25, 20])
CLOSE: dict[str, Any] = {"rel": 1e-12, "abs": 1e-9}


def same(found: Account, cash: list[float], units: Array, equity: list[float]) -> None:
    assert found.cash == pytest.approx(np.array(cash), **CLOSE)
    assert found.units == pytest.approx(np.array(units, dtype=float), **CLOSE)
    assert found.equity == pytest.approx(np.array(equity), **CLOSE)


# ---- backtesting.py


def test_backtesting_pays_commission_at_both_ends_and_turns_in_one_order() -> None:
    # 1: buys 50 at 10 for 500 + 5                      cash  495, equity  495 + 50 x 12 = 1095
    # 2: holds                                                     equity  495 + 50 x 15 = 1245
    # 3: sells 70 at 20 for 1400 - 14, the row of bar 2 cash 1881, equity 1881 - 20 x 25 = 1381
    # 4: buys 20 at 25 for 500 + 5                      cash 1376; the row of bar 4 is never filled
    found, trades = engines.backtesting_units(BARS, np.array([50, 50, -20, 0, 7]), cash=1000, commission=0.01)
    same(
        found,
        [1000, 495, 495, 1881, 1376],
        np.array([[0, 50, 50, -20, 0]]).T,
        [1000, 1095, 1245, 1381, 1376],
    )
    # 50 x (20 - 10) - 5 - 10, and 20 x (20 - 25) - 4 - 5
    assert trades["profit"].to_list() == pytest.approx([485, -109])
    assert trades["commission"].to_list() == pytest.approx([15, 9])
    assert trades[["units", "entry_bar", "exit_bar"]].to_numpy().tolist() == [[50, 1, 3], [-20, 3, 4]]


def test_backtesting_pays_the_spread_at_the_entry_only() -> None:
    # 1: buys 50 at 10.20 for 510 + 5.10                 cash  484.90, equity 1084.90
    # 3: sells 50 at 20 for 1000 - 10                    cash 1474.90
    # 4: sells 20 short at 24.50 for 490 - 4.90          cash 1960.00, equity 1960 - 20 x 20 = 1560
    found, trades = engines.backtesting_units(
        BARS, np.array([50, 50, 0, -20, 0]), cash=1000, commission=0.01, spread=0.02
    )
    assert found.equity == pytest.approx([1000, 1084.9, 1234.9, 1474.9, 1560], **CLOSE)
    assert trades["entry_price"].to_list() == pytest.approx([10.2])
    assert trades["exit_price"].to_list() == [20]


def test_backtesting_adds_to_a_position_though_all_cash_is_spent() -> None:
    # Its margin is valued at a close that is not known at the fill: the leverage lets it never decide.
    # 1: buys 100 at 10, cash 0. 2: buys 50 at 12 on credit, cash -600, equity -600 + 150 x 15
    found, _ = engines.backtesting_units(BARS, np.array([100, 150, 150, 150, 0]), cash=1000)
    same(
        found,
        [1000, 0, -600, -600, -600],
        np.array([[0, 100, 150, 150, 150]]).T,
        [1000, 1200, 1650, 3150, 2400],
    )


def test_backtesting_pays_a_fixed_commission_twice_in_a_turn() -> None:
    # 1: buys 1, pays 3. 2: sells 2, closes one and opens one: 3 + 3. 3: covers, 3.
    found, _ = engines.backtesting_units(
        bars([10] * 4, [10] * 4), np.array([1, -1, 0, 0]), cash=100, commission=lambda units, price: 3.0
    )
    assert found.equity.tolist() == [100, 97, 91, 88]


def test_backtesting_stops_at_nothing_where_equity_is_gone() -> None:
    # Short 100 at 10, cash 2000. At the close of 20 the equity is 0, for good.
    found, _ = engines.backtesting_units(
        bars([10, 10, 10, 5], [10, 10, 20, 5]), np.array([-100, -100, -100, 0]), cash=1000
    )
    assert found.equity.tolist() == [1000, 1000, 0, 0]


def test_backtesting_goes_in_with_9999_of_ten_thousand_before_the_commission() -> None:
    # 1: .9999 x 1010 / (10 x 1.01) = 99.99: buys 99 for 990 + 9.90   cash   10.10, equity  10.10 + 99 x 12
    # 2: holds                                                                      equity  10.10 + 99 x 15
    # 3: sells 99 at 20 for 1980 - 19.80                              cash 1970.30
    #    .9999 x 1970.30 / (20 x 1.01) = 97.5: shorts 97, 1940 - 19.40 cash 3890.90, equity less 97 x 25
    # 4: covers 97 at 25 for 2425 + 24.25                             cash 1441.65
    found, _ = engines.backtesting_signals(BARS, np.array([1, 1, -1, 0, 1]), cash=1010, commission=0.01)
    same(
        found,
        [1010, 10.1, 10.1, 3890.9, 1441.65],
        np.array([[0, 99, 99, -97, 0]]).T,
        [1010, 1198.1, 1495.1, 1465.9, 1441.65],
    )


def test_backtestings_cents_count() -> None:
    # .9999 x 100.6 = 100.58994 buys 201 at .5, though int() would leave it 100, which buys 200.
    found, _ = engines.backtesting_signals(bars([0.5, 0.5, 0.5], [0.5, 0.5, 0.5]), np.ones(3), cash=100.6)
    assert found.units[:, 0].tolist() == [0, 201, 201]


@pytest.mark.parametrize(("spread", "side"), [(0.0, 1), (0.0, -1), (0.03, 1), (0.03, -1)])
def test_all_in_makes_the_kernel_go_in_with_as_much(spread: float, side: int) -> None:
    """In ten-thousands of a unit, so that what is cut off is little."""
    fee = spread + 0.01 * (1 + side * spread)
    weight = side * engines.all_in(0.01, spread, side)
    terms = kernel.terms(Costs(), Broker())
    terms[[kernel.BUY, kernel.SELL]] = fee
    units, _ = kernel.rebalance(1e6, 0.0, 10.0, weight, terms)
    market = bars([10, 10, 10], [10, 10, 10])
    found, _ = engines.backtesting_signals(market, np.full(3, side), cash=1e6, commission=0.01, spread=spread)
    assert found.units[1, 0] == np.trunc(units)


# ---- vectorbt


def five(open_: Array, close: Array) -> Bars:
    """Bars [T, 5] of five assets from opens and closes."""
    single = bars(open_[:, 0], close[:, 0])
    return Bars(
        timestamps=single.timestamps,
        symbols=("A", "B", "C", "D", "E"),
        open=open_,
        high=np.maximum(open_, close),
        low=np.minimum(open_, close),
        close=close,
        volume=np.ones(open_.shape),
    )


FIVE = five(
    np.array([[10, 10, 10, 20, 5], [10, 10, 10, 20, 5], [10, 12, 9, 20, 5], [11, 10, 9, 21, 5.0]]),
    np.array([[10, 10, 10, 20, 5], [10, 11, 9, 20, 5], [11, 13, 10, 22, 5], [12, 10, 8, 19, 6.0]]),
)


def test_vectorbt_sells_first_and_shares_one_cash() -> None:
    # 1: buys 40 B and 40 C at 10 for 800 + 8     cash 192;    40 x 11 + 40 x 9 = 800, equity 992
    # 2: sells 40 B at 12 for 480 - 4.80, shorts 10 D at 20 for 200 - 2, then buys 60 A at 10 for 600 + 6,
    #    which 192 would not have paid            cash 259.20; 60 x 11 + 40 x 10 - 10 x 22 = 840, 1099.20
    # 3: covers 10 D at 21 for 210 + 2.10         cash  47.10; 60 x 12 + 40 x 8 = 1040, equity 1087.10
    orders = np.array([[0, 40, 40, 0, 0], [60, -40, 0, -10, 0], [0, 0, 0, 10, 0], [0, 0, 0, 0, 9.0]])
    found = engines.vectorbt_orders(FIVE, orders, cash=1000, commission=0.01)
    same(
        found,
        [1000, 192, 259.2, 47.1],
        np.vstack([np.zeros(5), np.cumsum(orders[:3], axis=0)]),
        [1000, 992, 1099.2, 1087.1],
    )


def test_vectorbt_pays_half_the_spread_in_the_price_and_a_fixed_fee_an_order() -> None:
    # 1: buys 10 at 10.20, 1 % of it and 3: 102 + 1.02 + 3 = 106.02
    # 3: sells 20 at 19.60, a turn is one order: 392 - 3.92 - 3 = 385.08
    orders = np.array([[10, 0, -20, 0, 0.0]]).T
    found = engines.vectorbt_orders(BARS, orders, cash=1000, commission=0.01, half_spread=0.02, fixed=3)
    same(
        found,
        [1000, 893.98, 893.98, 1279.06, 1279.06],
        np.array([[0, 10, 10, -10, -10]]).T,
        [1000, 1013.98, 1043.98, 1029.06, 1079.06],
    )


def test_vectorbt_refuses_what_cash_cannot_pay() -> None:
    with pytest.raises(RejectedOrderError, match="Final size is less than requested"):
        engines.vectorbt_orders(BARS, np.array([[100, 0, 0, 0, 0.0]]).T, cash=1000, commission=0.01)


def test_vectorbts_weights_are_of_the_equity_before_fees() -> None:
    # 1: .5 x 1000 = 500, 50 A, and .25 x 1000, 50 E; 750 + 7.50       cash 242.50, equity 500 + 250 + 242.50
    # 2: at the open 242.50 + 50 x 10 + 50 x 5 = 992.50 whatever follows; all into A is 99.25, 49.25 more.
    #    Once E is sold, cash is 242.50 + 250 - 2.50 = 490 and pays 490 / 10.10 = 48.51 A
    weights = np.full((4, 5), np.nan)
    weights[0, [0, 4]] = 0.5, 0.25
    weights[1, [0, 4]] = 1, 0
    found = engines.vectorbt_weights(FIVE, weights, cash=1000, commission=0.01)
    a = 50 + 490 / 10.1
    same(
        found,
        [1000, 242.5, 0, 0],
        np.array([[0] * 5, [50, 0, 0, 0, 50], [a, 0, 0, 0, 0], [a, 0, 0, 0, 0]]),
        [1000, 992.5, 11 * a, 12 * a],
    )
