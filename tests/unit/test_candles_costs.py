"""Tables of candles: commission, spread, impact, volume, whole units, interest. See `tests.candles.Case`.

Interest of 365.25 % a year is 1 % a day.
"""

from __future__ import annotations

import math

import pytest

from tests.candles import Case, check

FLAT = [(10.0, 10.0)] * 4
HOLD = math.nan
DAILY = 3.6525  # a year
CASES = [
    # ---- commission
    Case(
        "a small order pays the least commission",
        FLAT,
        [0.2, 0, 0, 0],
        [(1, 19.9, 10, 5), (2, -19.9, 10, 5)],  # .2 (1000 - 5) = 199, of which 1 % would be 1.99
        [1000, 796, 990, 990],
        [1000, 995, 990, 990],
        costs={"commission_bps": 100, "minimum_commission": 5},
    ),
    Case(
        "a large order does not notice the least commission",
        FLAT,
        [1, 1, 1, 1],
        [(1, 100, 10, 10)],
        [1010, 0, 0, 0],
        [1010, 1000, 1000, 1000],
        start=1010,
        costs={"commission_bps": 100, "minimum_commission": 5},
    ),
    Case(
        "the most commission beats the least one",
        FLAT,
        [0.1, 0.1, 0, 0],
        [(1, 10, 10, 2), (3, -10, 10, 2)],  # v = .1 (1002 - .02 v) = 100: 2 % of it is below 5
        [1002, 900, 900, 998],
        [1002, 1000, 1000, 998],
        start=1002,
        costs={"commission_bps": 100, "minimum_commission": 5, "commission_cap_bps": 200},
    ),
    Case(
        "the most commission beats the amount per unit",
        FLAT,
        [1, 1, 1, 1],
        [(1, 100, 10, 20)],  # 0.5 a unit would be 50
        [1020, 0, 0, 0],
        [1020, 1000, 1000, 1000],
        start=1020,
        costs={"unit_commission": 0.5, "commission_cap_bps": 200},
    ),
    Case(
        "commission per unit depends on the units and not on their price",
        [(10, 10), (10, 20), (20, 20)],
        [1, 0, 0],
        [(1, 100, 10, 10), (2, -100, 20, 10)],
        [1010, 0, 1990],
        [1010, 2000, 1990],
        start=1010,
        costs={"unit_commission": 0.1},
    ),
    Case(
        "commission per unit and of the value add up",
        FLAT,
        [1, 1, 1, 1],
        [(1, 100, 10, 20)],  # 100 x 0.1 + 1 % of 1000
        [1020, 0, 0, 0],
        [1020, 1000, 1000, 1000],
        start=1020,
        costs={"unit_commission": 0.1, "commission_bps": 100},
    ),
    Case(
        "a fixed amount is paid by every order, in and out",
        FLAT,
        [1, 1, 0, 0],
        [(1, 100, 10, 5), (3, -100, 10, 5)],
        [1005, 0, 0, 995],
        [1005, 1000, 1000, 995],
        start=1005,
        costs={"fixed_per_order": 5},
    ),
    Case(
        "an order through zero pays its fixed amount once",
        FLAT,
        [1, -1, -1, -1],
        [(1, 100, 10, 5), (2, -199.5, 10, 5)],  # 995 are left: short 99.5 units
        [1005, 0, 1990, 1990],
        [1005, 1000, 995, 995],
        start=1005,
        costs={"fixed_per_order": 5},
    ),
    Case(
        "the fixed amount comes on top of the least commission and escapes the most",
        FLAT,
        [0.1, 0.1, 0.1, 0.1],
        [(1, 10, 10, 5)],  # 1 % of 100 is the most commission, and 4 besides: .1 (1005 - 5) = 100
        [1005, 900, 900, 900],
        [1005, 1000, 1000, 1000],
        start=1005,
        costs={"minimum_commission": 3, "commission_cap_bps": 100, "fixed_per_order": 4},
    ),
    Case(
        "a broker that takes 0.005 a share, at least 1 and at most 1 %",
        FLAT,
        [0.05, 0.5, 1, 1],
        # .05 x 999.6 buys 4 whole shares: 1 % of 40. .5 x 998.6 buys 45 more: at least 1, which 1 % of
        # 450 allows. 998.6 - 1 buys 99 in all.
        [(1, 4, 10, 0.4), (2, 45, 10, 1), (3, 50, 10, 1)],
        [1000, 959.6, 508.6, 7.6],
        [1000, 999.6, 998.6, 997.6],
        costs={
            "unit_commission": 0.005,
            "minimum_commission": 1,
            "commission_cap_bps": 100,
            "whole_units": True,
        },
    ),
    # ---- spread and impact
    Case(
        "half the spread is paid to buy and to sell",
        FLAT,
        [1, 0, 0, 0],
        [(1, 100, 10, 10), (2, -100, 10, 10)],
        [1010, 0, 990, 990],
        [1010, 1000, 990, 990],
        start=1010,
        costs={"half_spread_bps": 100},
    ),
    Case(
        "impact grows with the square root of the share of the volume",
        [(10, 10, 400), (10, 10, 400), (10, 10, 10_000), (10, 10, 100)],
        [1, 0, 0, 0],
        # 1 % x sqrt(100 / 400) = .5 % of 1000, then 1 % x sqrt(100 / 10 000) = .1 %
        [(1, 100, 10, 5), (2, -100, 10, 1)],
        [1005, 0, 999, 999],
        [1005, 1000, 999, 999],
        start=1005,
        costs={"impact_bps": 100},
    ),
    Case(
        "spread and impact add up, and commission is paid on the price they make",
        [(10, 10, 400)] * 3,
        [1, 1, 1],
        # Slip .5 % + .5 % = 1 %; 1 % commission on 1010: 10 + 10.1
        [(1, 100, 10, 20.1)],
        [1020.1, 0, 0],
        [1020.1, 1000, 1000],
        start=1020.1,
        costs={"impact_bps": 100, "half_spread_bps": 50, "commission_bps": 100},
    ),
    Case(
        "with impact an order takes at most the volume of its bar",
        [(10, 10, 50)] * 3,
        [1, 1, 1],
        [(1, 50, 10, 5)],  # all of the volume: 1 % of 500
        [1000, 495, 495],
        [1000, 995, 995],
        costs={"impact_bps": 100},
    ),
    Case(
        "nobody pays to sell, however thin the market: what is sold brings nothing",
        [(10, 10, 1_000_000), (10, 10, 1_000_000), (10, 10, 101)],
        [1, 0, 0],
        # Slip 5 % + 99.5 % x sqrt(100 / 1 000 000) = 5.995 %; then 5 % + 99.0 %, of which 100 % count.
        [(1, 100, 10, 59.95), (2, -100, 10, 1000)],
        [1059.95, 0, 0],
        [1059.95, 1000, 0],
        start=1059.95,
        costs={"impact_bps": 9950, "half_spread_bps": 500},
    ),
    # ---- volume
    Case(
        "what the volume leaves of an order is dropped until something else is asked for",
        [(10, 10, 400)] * 5,
        [1, 1, 0.9, 0.9, 0.9],
        [(1, 40, 10, 0), (3, 40, 10, 0)],  # a tenth of 400 a bar, of the 100 and then of the 50 wanted
        [1000, 600, 600, 200, 200],
        [1000] * 5,
        costs={"participation": 0.1},
    ),
    Case(
        "an order that the volume allows is filled whole",
        [(10, 10, 1000)] * 3,
        [1, 1, 1],
        [(1, 100, 10, 0)],
        [1000, 0, 0],
        [1000] * 3,
        costs={"participation": 0.1},
    ),
    Case(
        "what could not be sold is kept, and sold when it is asked for after a hold",
        [(10, 10, 1000)] * 2 + [(10, 10, 400)] * 4,
        [1, 0, 0, HOLD, 0, 0],
        [(1, 100, 10, 0), (2, -40, 10, 0), (5, -40, 10, 0)],
        [1000, 0, 400, 400, 400, 800],
        [1000] * 6,
        costs={"participation": 0.1},
    ),
    Case(
        "of an order through zero the volume may fill only the way to it",
        [(10, 10, 1000), (10, 10, 1000), (10, 10, 800), (10, 10, 800)],
        [1, -1, -1, -1],
        [(1, 100, 10, 0), (2, -80, 10, 0)],
        [1000, 0, 800, 800],
        [1000] * 4,
        costs={"participation": 0.1},
    ),
    Case(
        "rebalancing asks for the rest at every bar",
        [(10, 10, 400)] * 4,
        [1, 1, 1, 1],
        [(1, 40, 10, 0), (2, 40, 10, 0), (3, 20, 10, 0)],
        [1000, 600, 200, 0],
        [1000] * 4,
        costs={"participation": 0.1},
        rules={"rebalance": True},
    ),
    Case(
        "a bar without volume fills nothing and the order is dropped",
        [(10, 10, 1000), (10, 10, 0), (10, 10, 1000), (10, 10, 1000)],
        [1, 1, 0.5, 0.5],
        [(3, 50, 10, 0)],
        [1000, 1000, 1000, 500],
        [1000] * 4,
        costs={"participation": 0.1},
    ),
    # ---- whole units
    Case(
        "whole units are bought from what the fees leave",
        FLAT,
        [1, 1, 1, 1],
        [(1, 99, 10, 9.9)],  # 1000 / 10.1 = 99.01
        [1000, 0.1, 0.1, 0.1],
        [1000, 990.1, 990.1, 990.1],
        costs={"commission_bps": 100, "whole_units": True},
    ),
    Case(
        "half in whole units, and then a quarter",
        [(30, 30)] * 4,
        [0.5, 0.25, 0.25, 0.25],
        [(1, 16, 30, 0), (2, -8, 30, 0)],  # 500 / 30 = 16.7; 250 / 30 = 8.3
        [1000, 520, 760, 760],
        [1000] * 4,
        costs={"whole_units": True},
    ),
    Case(
        "whole units are sold short, rounded toward zero",
        [(30, 30)] * 4,
        [-1, -0.5, 0, 0],
        [(1, -33, 30, 0), (2, 17, 30, 0), (3, 16, 30, 0)],
        [1000, 1990, 1480, 1000],
        [1000] * 4,
        costs={"whole_units": True},
    ),
    Case(
        "rounding does not take a unit from what comes out whole",
        [(0.1, 0.1)] * 3,
        [1, 1, 1],
        [(1, 3, 0.1, 0)],  # 0.3 / 0.1 is a little less than 3 in binary
        [0.3, 0, 0],
        [0.3, 0.3, 0.3],
        start=0.3,
        costs={"whole_units": True},
    ),
    Case(
        "whole units of a share of the volume are whole",
        [(10, 10, 455)] * 3,
        [1, 1, 1],
        [(1, 45, 10, 0)],
        [1000, 550, 550],
        [1000] * 3,
        costs={"whole_units": True, "participation": 0.1},
    ),
    Case(
        "a unit that costs more than there is is not bought",
        [(1500, 1500)] * 3,
        [1, 1, 1],
        [],
        [1000] * 3,
        [1000] * 3,
        costs={"whole_units": True},
    ),
    # ---- interest
    Case(
        "what is sold short costs a fee on its value at the last close",
        [(10, 10), (10, 10), (10, 11), (11, 11)],
        [-1, -1, -1, -1],
        [(1, -100, 10, 0)],
        [1000, 2000, 1990, 1979],  # 1 % of 1000, then of 1100
        [1000, 1000, 890, 879],
        costs={"borrow_rate": DAILY},
    ),
    Case(
        "borrowed cash costs interest, and interest on it",
        FLAT,
        [2, 2, 2, 2],
        [(1, 200, 10, 0)],
        [1000, -1000, -1010, -1020.1],
        [1000, 1000, 990, 979.9],
        costs={"margin_rate": DAILY},
        rules={"leverage": 2},
    ),
    Case(
        "idle cash earns interest",
        FLAT,
        [0, 0, 0, 0],
        [],
        [1000, 1010, 1020.1, 1030.301],
        [1000, 1010, 1020.1, 1030.301],
        costs={"cash_rate": DAILY},
    ),
    Case(
        "interest is there before the trade of its bar",
        FLAT,
        [1, 1, 1, 1],
        [(1, 101, 10, 0)],
        [1000, 0, 0, 0],
        [1000, 1010, 1010, 1010],
        costs={"cash_rate": DAILY},
    ),
    Case(
        "the proceeds of a short sale earn nothing",
        FLAT,
        [-1, -1, -1, -1],
        # 10 for the first day. Short 1010, and 1010 of the cash of 2020 are one's own: 10.1. Then 1020.1.
        [(1, -101, 10, 0)],
        [1000, 2020, 2030.1, 2040.301],
        [1000, 1010, 1020.1, 1030.301],
        costs={"cash_rate": DAILY},
    ),
    Case(
        "who owns all that is held pays no interest",
        FLAT,
        [1, 1, 1, 1],
        [(1, 100, 10, 0)],
        [1000, 0, 0, 0],
        [1000] * 4,
        costs={"margin_rate": DAILY, "borrow_rate": DAILY},
    ),
    Case(
        "a weekend is three days of interest on cash",
        FLAT,
        [0, 0, 0, 0],
        [],
        [1000, 1010, 1040.3, 1050.703],
        [1000, 1010, 1040.3, 1050.703],
        costs={"cash_rate": DAILY},
        days=[0, 1, 4, 5],
    ),
    Case(
        "a weekend is three days of the fee for what is borrowed",
        FLAT,
        [-1, 0, 0, 0],
        [(1, -100, 10, 0), (2, 100, 10, 0)],
        [1000, 2000, 970, 970],
        [1000, 1000, 970, 970],
        costs={"borrow_rate": DAILY},
        days=[0, 1, 4, 5],
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_costs(case: Case) -> None:
    check(case)
