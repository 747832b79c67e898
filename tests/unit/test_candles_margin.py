"""Tables of candles: leverage, margin calls and ruin of one asset. See `tests.candles.Case`.

The broker calls at a close where equity < 25 % of the position, and liquidates at the next open.
"""

from __future__ import annotations

import pytest

from tests.candles import Case, check

TWICE = {"leverage": 2}
CASES = [
    Case(
        "twice the equity is bought with as much borrowed",
        [(10, 10), (10, 11), (11, 9)],
        [2, 2, 2],
        [(1, 200, 10, 0)],
        [1000, -1000, -1000],
        [1000, 1200, 800],
        rules=TWICE,
    ),
    Case(
        "twice the equity after the fee",
        [(10, 10)] * 3,
        [2, 2, 2],
        [(1, 200, 10, 20)],  # v = 2 (1020 - .01 v) = 2000
        [1020, -1000, -1000],
        [1020, 1000, 1000],
        start=1020,
        costs={"commission_bps": 100},
        rules=TWICE,
    ),
    Case(
        "twice the equity is sold short",
        [(10, 10), (10, 9), (9, 9)],
        [-2, -1, -1],
        [(1, -200, 10, 0), (2, 200 - 1200 / 9, 9, 0)],  # of 1200
        [1000, 3000, 2400],
        [1000, 1200, 1200],
        rules=TWICE,
    ),
    Case(
        "rebalancing sells into a fall to keep the leverage",
        [(10, 10), (10, 8), (8, 8)],
        [2, 2, 2],
        [(1, 200, 10, 0), (2, -50, 8, 0)],  # 600 are left: 1200 is 150 units
        [1000, -1000, -600],
        [1000, 600, 600],
        rules={"leverage": 2, "rebalance": True},
    ),
    Case(
        "a leveraged position is liquidated at the next open; then the same request trades again",
        [(10, 10), (10, 6.5), (6, 5), (5, 5), (5, 5)],
        [2, 2, 2, 2, 2],
        # 300 of 1300 is 23 %. 200 are left, of which twice is 80 units.
        [(1, 200, 10, 0), (2, -200, 6, 0), (3, 80, 5, 0)],
        [1000, -1000, 200, -200, -200],
        [1000, 300, 200, 200, 200],
        rules=TWICE,
        called=[1],
    ),
    Case(
        "equity of exactly the maintenance is enough",
        [(10, 10), (10, 6.25), (6, 6.25)],
        [2, 2, 2],
        [(1, 200, 10, 0)],
        [1000, -1000, -1000],
        [1000, 250, 250],  # 20 % of 1250
        rules={"leverage": 2, "maintenance": 0.2},
    ),
    Case(
        "a little less than the maintenance is not",
        [(10, 10), (10, 6.24), (6, 6.25)],
        [2, 2, 2],
        [(1, 200, 10, 0), (2, -200, 6, 0)],
        [1000, -1000, 200],
        [1000, 248, 200],  # 20 % of 1248 is 249.6
        rules={"leverage": 2, "maintenance": 0.2},
        called=[1],
    ),
    Case(
        "without maintenance the broker waits for ruin",
        [(10, 10), (10, 5.25), (5.25, 5.25), (6, 5.1)],
        [2, 2, 2, 2],
        [(1, 200, 10, 0)],
        [1000, -1000, -1000, -1000],
        [1000, 50, 50, 20],
        rules={"leverage": 2, "maintenance": 0},
    ),
    Case(
        "a gap up after the call comes too late",
        [(10, 10), (10, 6.5), (20, 30), (30, 30)],
        [2, 2, 0, 0],
        [(1, 200, 10, 0), (2, -200, 20, 0)],
        [1000, -1000, 3000, 3000],
        [1000, 300, 3000, 3000],
        rules=TWICE,
        called=[1],
    ),
    Case(
        "a squeezed short is liquidated at the next open, not at the close of the call",
        [(10, 10), (10, 17), (18, 12), (12, 12)],
        [-1, -1, 0, 0],
        [(1, -100, 10, 0), (2, 100, 18, 0)],  # 300 of 1700 is 18 %
        [1000, 2000, 200, 200],
        [1000, 300, 200, 200],
        called=[1],
    ),
    Case(
        "a squeeze that is over by the close calls nobody",
        [(10, 10), (10, 10), (17, 10), (10, 10)],
        [-1, -1, -1, -1],
        [(1, -100, 10, 0)],
        [1000, 2000, 2000, 2000],
        [1000] * 4,
    ),
    Case(
        "what is asked for at the call is ignored, and trades when it is asked for again",
        [(10, 10), (10, 17), (18, 18), (20, 20)],
        [-1, 1, 1, 1],
        [(1, -100, 10, 0), (2, 100, 18, 0), (3, 10, 20, 0)],
        [1000, 2000, 200, 0],
        [1000, 300, 200, 200],
        called=[1],
    ),
    Case(
        "flat after a liquidation is what the account is already",
        [(10, 10), (10, 17), (18, 18), (18, 18)],
        [-1, -1, 0, 0],
        [(1, -100, 10, 10), (2, 100, 18, 18)],  # the liquidation pays its fee: 1 % of 1800
        [1010, 2000, 182, 182],
        [1010, 300, 182, 182],
        start=1010,
        costs={"commission_bps": 100},
        called=[1],
    ),
    Case(
        "a call at the last close is not executed any more",
        [(10, 10), (10, 10), (10, 17)],
        [-1, -1, -1],
        [(1, -100, 10, 0)],
        [1000, 2000, 2000],
        [1000, 1000, 300],
        called=[2],
    ),
    Case(
        "a thin market takes several bars to liquidate in",
        [(10, 10, 1000), (10, 17, 1000), (17, 18, 400), (18, 19, 400), (19, 19, 400)],
        [-1, -1, -1, -1, -1],
        [(1, -100, 10, 0), (2, 40, 17, 0), (3, 40, 18, 0), (4, 20, 19, 0)],  # 40 a bar
        [1000, 2000, 1320, 600, 220],
        [1000, 300, 240, 220, 220],
        costs={"participation": 0.1},
        called=[1, 2, 3],
    ),
    Case(
        "a liquidation goes on though the account is sound again",
        [(10, 10, 1000), (10, 17, 1000), (17, 17, 400), (17, 17, 400)],
        [-1, 0, 0, 0],
        [(1, -100, 10, 0), (2, 40, 17, 0), (3, 40, 17, 0)],  # 1320 - 1020 = 300 of 1020 is 29 %
        [1000, 2000, 1320, 640],
        [1000, 300, 300, 300],
        costs={"participation": 0.1},
        called=[1, 2, 3],
    ),
    Case(
        "a bar without volume puts the liquidation off",
        [(10, 10, 1000), (10, 17, 1000), (17, 17, 0), (18, 18, 1000)],
        [-1, -1, -1, 0],
        [(1, -100, 10, 0), (3, 100, 18, 0)],
        [1000, 2000, 2000, 200],
        [1000, 300, 300, 200],
        costs={"participation": 0.1},
        called=[1, 2],
    ),
    Case(
        "interest alone can bring the call",
        [(10, 10), (10, 6.75), (6.75, 6.75), (6.75, 6.75)],
        [2, 2, 2, 2],
        # 350 of 1350 is 26 %; less 20 of interest, 2 % of 1000, it is 24 %. The next is 20.40.
        [(1, 200, 10, 0), (3, -200, 6.75, 0)],
        [1000, -1000, -1020, 309.6],
        [1000, 350, 330, 309.6],
        costs={"margin_rate": 7.305},
        rules=TWICE,
        called=[2],
    ),
    Case(
        "a gap that ruins the account at its liquidation leaves a debt, and nothing trades again",
        [(10, 10), (10, 17), (25, 25), (10, 10), (10, 10)],
        [-1, -1, 1, 1, 1],
        [(1, -100, 10, 0), (2, 100, 25, 0)],
        [1000, 2000, -500, -500, -500],
        [1000, 300, -500, -500, -500],
        called=[1],
    ),
    Case(
        "a leveraged position that a gap ruins is closed out at the close",
        [(10, 10), (10, 10), (4, 4.5), (10, 10)],
        [2, 2, 2, 2],
        [(1, 200, 10, 0), (2, -200, 4.5, 0)],
        [1000, -1000, -100, -100],
        [1000, 1000, -100, -100],
        rules=TWICE,
    ),
    Case(
        "without equity at the open a leveraged request closes, and the close does not bring it back",
        [(10, 10), (10, 10), (4, 20), (20, 20)],
        [2, 1, 1, 1],
        [(1, 200, 10, 0), (2, -200, 4, 0)],
        [1000, -1000, -200, -200],
        [1000, 1000, -200, -200],
        rules=TWICE,
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_margin(case: Case) -> None:
    check(case)
