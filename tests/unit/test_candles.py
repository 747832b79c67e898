"""Tables of candles: gaps, turns, holding, rebalancing and the no-trade band. See `tests.candles.Case`.

A request is filled at the next open. Costs are 1 % of the value traded where a case says so, else nothing.
"""

from __future__ import annotations

import math

import pytest

from tests.candles import Case, check

FLAT = [(10.0, 10.0)] * 4
HOLD = math.nan
PERCENT = {"commission_bps": 100}
CASES = [
    Case(
        "who never asks never trades",
        [(10, 20), (30, 40), (50, 60)],
        [0, 0, 0],
        [],
        [1000, 1000, 1000],
        [1000, 1000, 1000],
        costs=PERCENT,
    ),
    Case(
        "a request is filled at the next open, not at the close it was decided on",
        [(10, 10), (20, 25), (30, 30)],
        [1, 1, 1],
        [(1, 50, 20, 0)],
        [1000, 0, 0],
        [1000, 1250, 1500],
    ),
    Case(
        "buying everything spends everything, the fee included",
        [(10, 10), (10, 11), (11, 12)],
        [1, 1, 1],
        [(1, 100, 10, 10)],
        [1010, 0, 0],
        [1010, 1100, 1200],
        start=1010,
        costs=PERCENT,
    ),
    Case(
        "a round trip pays twice",
        FLAT,
        [1, 0, 0, 0],
        [(1, 100, 10, 10), (2, -100, 10, 10)],
        [1010, 0, 990, 990],
        [1010, 1000, 990, 990],
        start=1010,
        costs=PERCENT,
    ),
    Case(
        "commission is paid on the price with the spread: 2.01 % to buy, 1.99 % to sell",
        FLAT,
        [1, 0, 0, 0],
        [(1, 100, 10, 20.1), (2, -100, 10, 19.9)],
        [1020.1, 0, 980.1, 980.1],
        [1020.1, 1000, 980.1, 980.1],
        start=1020.1,
        costs={"commission_bps": 100, "half_spread_bps": 100},
    ),
    Case(
        "a short position earns when the price falls",
        [(10, 10), (10, 9), (8, 8)],
        [-1, 0, 0],
        [(1, -100, 10, 10), (2, 100, 8, 8)],
        [1010, 2000, 1192],
        [1010, 1100, 1192],
        start=1010,
        costs=PERCENT,
    ),
    Case(
        "long to short goes through zero in one fill",
        FLAT,
        [1, -1, -1, -1],
        [(1, 101, 10, 10.1), (2, -200, 10, 20)],
        [1020.1, 0, 1980, 1980],
        [1020.1, 1010, 990, 990],
        start=1020.1,
        costs=PERCENT,
    ),
    Case(
        "short to long goes through zero in one fill",
        FLAT,
        [-1, 1, 1, 1],
        [(1, -101, 10, 10.1), (2, 200, 10, 20)],
        [1020.1, 2020, 0, 0],
        [1020.1, 1010, 990, 990],
        start=1020.1,
        costs=PERCENT,
    ),
    Case(
        "a repeated request holds the units while the weight drifts",
        [(10, 10), (10, 20), (20, 40), (40, 80)],
        [0.5, 0.5, 0.5, 0.5],
        [(1, 50, 10, 0)],
        [1000, 500, 500, 500],
        [1000, 1500, 2500, 4500],
    ),
    Case(
        "asking for a little more sells if the price has carried the weight beyond it",
        [(10, 10), (10, 20), (20, 20)],
        [0.5, 0.6, 0.6],
        [(1, 50, 10, 0), (2, -5, 20, 0)],  # 60 % of 1500 is 45 units
        [1000, 500, 600],
        [1000, 1500, 1500],
    ),
    Case(
        "the gap to the next open belongs to the old position",
        [(10, 10), (10, 10), (15, 99), (99, 99)],
        [1, 0, 0, 0],
        [(1, 100, 10, 0), (2, -100, 15, 0)],
        [1000, 0, 1500, 1500],
        [1000, 1000, 1500, 1500],
    ),
    Case(
        "the gap before the first fill belongs to nobody",
        [(10, 10), (20, 20)],
        [1, 1],
        [(1, 50, 20, 0)],
        [1000, 0],
        [1000, 1000],
    ),
    Case(
        "what is asked for at the last bar is never filled",
        FLAT,
        [0, 0, 0, 1],
        [],
        [1000, 1000, 1000, 1000],
        [1000, 1000, 1000, 1000],
    ),
    Case(
        "a squeezed short is ruined: closed out at the close, for free, and never traded again",
        [(10, 10), (10, 30), (20, 20), (10, 10)],
        [-1, 1, -1, 1],
        [(1, -100, 10, 10), (1, 100, 30, 0)],
        [1010, -1000, -1000, -1000],
        [1010, -1000, -1000, -1000],
        start=1010,
        costs=PERCENT,
    ),
    Case(
        "a short that a gap ruins while it is being covered is covered once",
        [(10, 10), (10, 10), (30, 5), (5, 5)],
        [-1, 0, 0, 1],
        [(1, -100, 10, 10), (2, 100, 30, 30)],
        [1010, 2000, -1030, -1030],
        [1010, 1000, -1030, -1030],
        start=1010,
        costs=PERCENT,
    ),
    Case(
        "without equity at the open a request to turn only closes",
        [(10, 10), (10, 10), (30, 5), (5, 5)],
        [-1, 1, 1, 1],
        [(1, -100, 10, 10), (2, 100, 30, 30)],
        [1010, 2000, -1030, -1030],
        [1010, 1000, -1030, -1030],
        start=1010,
        costs=PERCENT,
    ),
    Case(
        "a long position is ruined when 1 % of the cash is left",
        [(10, 10), (10, 10), (10, 0.1), (0.1, 10)],
        [1, 1, 1, 1],
        [(1, 100, 10, 0), (2, -100, 0.1, 0)],
        [1000, 0, 10, 10],
        [1000, 1000, 10, 10],
    ),
    Case(
        "a long position survives with a little more than that",
        [(10, 10), (10, 10), (10, 0.125), (0.125, 10)],
        [1, 1, 1, 1],
        [(1, 100, 10, 0)],
        [1000, 0, 0, 0],
        [1000, 1000, 12.5, 1000],
    ),
    Case(
        "a gap down belongs to the position that was held into it",
        [(10, 10), (10, 10), (6, 9), (9, 9)],
        [1, 0, 0, 0],
        [(1, 100, 10, 0), (2, -100, 6, 0)],
        [1000, 0, 600, 600],
        [1000, 1000, 600, 600],
    ),
    Case(
        "a gap down pays the short position that is covered after it",
        [(10, 10), (10, 10), (6, 9), (9, 9)],
        [-1, 0, 0, 0],
        [(1, -100, 10, 0), (2, 100, 6, 0)],
        [1000, 2000, 1400, 1400],
        [1000, 1000, 1400, 1400],
    ),
    Case(
        "a gap down through ruin closes the long position at the close of that bar",
        [(10, 10), (10, 10), (0.05, 0.0625), (10, 10)],
        [1, 1, 1, 1],
        [(1, 100, 10, 0), (2, -100, 0.0625, 0)],  # 100 x 0.0625 is less than 1 % of 1000
        [1000, 0, 6.25, 6.25],
        [1000, 1000, 6.25, 6.25],
    ),
    Case(
        "a gap through ruin that the close takes back ruins nobody",
        [(10, 10), (10, 10), (30, 10), (10, 10)],  # 2000 - 3000 at the open, 2000 - 1000 at the close
        [-1, -1, -1, -1],
        [(1, -100, 10, 0)],
        [1000, 2000, 2000, 2000],
        [1000, 1000, 1000, 1000],
    ),
    Case(
        "part of a position is sold at the weight after the fee",
        FLAT,
        [1, 0.5, 0.5, 0.5],
        # 199 units: 1990 of 1990. v = .5 (1990 - .01 (1990 - v)): .995 v = 985.05, v = 990, fee 10.
        [(1, 199, 10, 19.9), (2, -100, 10, 10)],
        [2009.9, 0, 990, 990],
        [2009.9, 1990, 1980, 1980],
        start=2009.9,
        costs=PERCENT,
    ),
    Case(
        "a hold holds, and the number of before trades again after it",
        [(10, 10), (10, 20), (20, 20), (20, 20), (20, 20)],
        [0.5, HOLD, 0.5, 0.5, 0.5],
        [(1, 50, 10, 0), (3, -12.5, 20, 0)],  # half of 1500 is 37.5 units
        [1000, 500, 500, 750, 750],
        [1000, 1500, 1500, 1500, 1500],
    ),
    Case(
        "who only ever holds never trades",
        [(10, 10), (20, 20), (30, 30)],
        [HOLD, HOLD, HOLD],
        [],
        [1000, 1000, 1000],
        [1000, 1000, 1000],
    ),
    Case(
        "flat after a hold of nothing is no order",
        FLAT,
        [HOLD, 0, HOLD, 0],
        [],
        [1000] * 4,
        [1000] * 4,
        costs=PERCENT,
    ),
    Case(
        "rebalancing trades back to the weight at every open",
        [(10, 10), (10, 20), (20, 40), (40, 40)],
        [0.5, 0.5, 0.5, 0.5],
        # Half of 1500 is 37.5 units at 20; half of 750 + 37.5 x 40 = 2250 is 28.125 units at 40.
        [(1, 50, 10, 0), (2, -12.5, 20, 0), (3, -9.375, 40, 0)],
        [1000, 500, 750, 1125],
        [1000, 1500, 2250, 2250],
        rules={"rebalance": True},
    ),
    Case(
        "rebalancing what has not moved costs nothing",
        FLAT,
        [0.5, 0.5, 0.5, 0.5],
        [(1, 50, 10, 5)],  # v = .5 (1005 - .01 v)
        [1005, 500, 500, 500],
        [1005, 1000, 1000, 1000],
        start=1005,
        costs=PERCENT,
        rules={"rebalance": True},
    ),
    Case(
        "rebalancing holds where it is told to hold",
        [(10, 10), (10, 20), (20, 20), (20, 20)],
        [0.5, HOLD, 0.5, 0.5],
        [(1, 50, 10, 0), (3, -12.5, 20, 0)],
        [1000, 500, 500, 750],
        [1000, 1500, 1500, 1500],
        rules={"rebalance": True},
    ),
    Case(
        "within the band there is no trade, beyond it one to the target itself",
        FLAT,
        [0.5, 0.55, 0.65, 0.65],
        [(1, 50, 10, 0), (3, 15, 10, 0)],
        [1000, 500, 500, 350],
        [1000] * 4,
        rules={"band": 0.1},
    ),
    Case(
        "a position within the band of nothing is not opened, but it is closed",
        [(10, 10), (10, 10), (10, 10), (2, 2)],
        [0.2, 0.5, 0, 0],
        [(2, 50, 10, 0), (3, -50, 2, 0)],  # by then it weighs 100 / 600
        [1000, 1000, 500, 600],
        [1000, 1000, 1000, 600],
        rules={"band": 0.3},
    ),
    Case(
        "rebalancing with a band waits until the weight has drifted out of it",
        [(10, 10), (10, 12), (12, 20), (20, 20)],
        [0.5, 0.5, 0.5, 0.5],
        [(1, 50, 10, 0), (3, -12.5, 20, 0)],  # 600 of 1100 is within 0.1 of a half, 1000 of 1500 is not
        [1000, 500, 500, 750],
        [1000, 1100, 1500, 1500],
        rules={"band": 0.1, "rebalance": True},
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_candles(case: Case) -> None:
    check(case)
