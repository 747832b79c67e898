"""Tables of candles: several assets in one account. See `tests.candles.Case`.

Unless a case says otherwise A stands at 10 and B at 20.
"""

from __future__ import annotations

import math

import pytest

from tests.candles import Candle, Case, check

HOLD = math.nan
A: list[Candle] = [(10.0, 10.0)] * 4
B: list[Candle] = [(20.0, 20.0)] * 4
DAILY = 3.6525  # a year: 1 % a day
TRIPLED: list[Candle] = [(10.0, 10.0), (10.0, 30.0), (30.0, 30.0), (30.0, 30.0)]
CASES = [
    Case(
        "half in each",
        [A, B],
        [(0.5, 0.5)] * 4,
        [(1, "A", 50, 10, 0), (1, "B", 25, 20, 0)],
        [1000, 0, 0, 0],
        [1000] * 4,
    ),
    Case(
        "weights are shares of the equity after all fees",
        [A, B],
        [(0.5, 0.5)] * 4,
        [(1, "A", 50, 10, 5), (1, "B", 25, 20, 5)],  # E = 1010 - .01 E
        [1010, 0, 0, 0],
        [1010, 1000, 1000, 1000],
        start=1010,
        costs={"commission_bps": 100},
    ),
    Case(
        "every order pays the least commission of its own",
        [A, B],
        [(0.5, 0.5)] * 4,
        [(1, "A", 50, 10, 8), (1, "B", 25, 20, 8)],
        [1016, 0, 0, 0],
        [1016, 1000, 1000, 1000],
        start=1016,
        costs={"commission_bps": 100, "minimum_commission": 8},
    ),
    Case(
        "the last asset is sold before the first is bought, within one bar",
        [A, B],
        [(0, 1), (1, 0), (1, 0), (1, 0)],
        [(1, "B", 50, 20, 0), (2, "A", 100, 10, 0), (2, "B", -50, 20, 0)],
        [1000, 0, 0, 0],
        [1000] * 4,
    ),
    Case(
        "both ways from one to the other pay their fees out of what moves",
        [A, B],
        [(0, 1), (1, 0), (1, 0), (1, 0)],
        # 1010 of B at a fee of 10.1; sold it leaves 999.9, which buys 990 of A at a fee of 9.9
        [(1, "B", 50.5, 20, 10.1), (2, "A", 99, 10, 9.9), (2, "B", -50.5, 20, 10.1)],
        [1020.1, 0, 0, 0],
        [1020.1, 1010, 990, 990],
        start=1020.1,
        costs={"commission_bps": 100},
    ),
    Case(
        "half of a position is sold once, for the other asset",
        [A, B],
        [(1, 0), (0.25, 0.75), (0.25, 0.75), (0.25, 0.75)],
        [(1, "A", 100, 10, 0), (2, "A", -75, 10, 0), (2, "B", 37.5, 20, 0)],
        [1000, 0, 0, 0],
        [1000] * 4,
    ),
    Case(
        "one asset is sold and the other keeps its units",
        [A, B],
        [(0.5, 0.5), (0, 0.5), (0, 0.5), (0, 0.5)],
        [(1, "A", 50, 10, 0), (1, "B", 25, 20, 0), (2, "A", -50, 10, 0)],
        [1000, 0, 500, 500],
        [1000] * 4,
    ),
    Case(
        "of two requests the one that changes trades",
        [TRIPLED, B],
        [(0.5, 0.25), (0.5, 0), (0.5, 0), (0.5, 0)],
        [(1, "A", 50, 10, 0), (1, "B", 12.5, 20, 0), (2, "B", -12.5, 20, 0)],
        [1000, 250, 500, 500],
        [1000, 2000, 2000, 2000],
    ),
    Case(
        "rebalancing brings every asset back",
        [TRIPLED, B],
        [(0.5, 0.5)] * 4,
        # 1500 + 500 = 2000: A down to 1000, B up to 1000
        [
            (1, "A", 50, 10, 0),
            (1, "B", 25, 20, 0),
            (2, "A", 1000 / 30 - 50, 30, 0),
            (2, "B", 25, 20, 0),
        ],
        [1000, 0, 0, 0],
        [1000, 2000, 2000, 2000],
        rules={"rebalance": True},
    ),
    Case(
        "rebalancing with a band moves only who has drifted out of it",
        [TRIPLED, B],
        [(0.25, 0.25)] * 4,
        # E = 1500: A weighs .5, B .167, of which only the first is .1 away from .25: 375 / 30 = 12.5
        [(1, "A", 25, 10, 0), (1, "B", 12.5, 20, 0), (2, "A", -12.5, 30, 0)],
        [1000, 500, 875, 875],
        [1000, 1500, 1500, 1500],
        rules={"rebalance": True, "band": 0.1},
    ),
    Case(
        "one asset is held, the other trades",
        [TRIPLED, B],
        [(0.5, HOLD), (HOLD, 0.25), (HOLD, 0.25), (0.5, HOLD)],
        [(1, "A", 50, 10, 0), (2, "B", 25, 20, 0)],  # .25 of 2000
        [1000, 500, 0, 0],
        [1000, 2000, 2000, 2000],
    ),
    Case(
        "whole units of each",
        [[(30, 30)] * 3, [(70, 70)] * 3],
        [(0.5, 0.5)] * 3,
        [(1, "A", 16, 30, 0), (1, "B", 7, 70, 0)],
        [1000, 30, 30],
        [1000] * 3,
        costs={"whole_units": True},
    ),
    # ---- the leverage limit
    Case(
        "what is bought beside a position that has grown is cut to the cash",
        [TRIPLED, B],
        [(0.5, 0), (0.5, 0.5), (0.5, 0.5), (0.5, 0.5)],
        [(1, "A", 50, 10, 0), (2, "B", 25, 20, 0)],  # half of 2000 is wanted, 500 are there
        [1000, 500, 0, 0],
        [1000, 2000, 2000, 2000],
    ),
    Case(
        "and to what its fee leaves of it",
        [TRIPLED, B],
        [(0.5, 0), (0.5, 0.5), (0.5, 0.5), (0.5, 0.5)],
        # 505 of A, and 505 in cash: 500 of B and a fee of 5
        [(1, "A", 50.5, 10, 5.05), (2, "B", 25, 20, 5)],
        [1015.05, 505, 0, 0],
        [1015.05, 2020, 2015, 2015],
        start=1015.05,
        costs={"commission_bps": 100},
    ),
    Case(
        "and to what the least commission leaves of it, which the whole order would not have paid",
        [TRIPLED, B],
        [(0.5, 0), (0.5, 0.5), (0.5, 0.5), (0.5, 0.5)],
        # 1 % of the 1000 or so that are wanted is above 8; 505 less 8 is 497.
        [(1, "A", 50.5, 10, 8), (2, "B", 24.85, 20, 8)],
        [1018, 505, 0, 0],
        [1018, 2020, 2012, 2012],
        start=1018,
        costs={"commission_bps": 100, "minimum_commission": 8},
    ),
    Case(
        "and to whole units of that",
        [TRIPLED, [(70, 70)] * 4],
        [(0.5, 0), (0.5, 0.5), (0.5, 0.5), (0.5, 0.5)],
        [(1, "A", 50, 10, 0), (2, "B", 7, 70, 0)],
        [1000, 500, 10, 10],
        [1000, 2000, 2000, 2000],
        costs={"whole_units": True},
    ),
    Case(
        "who comes first is served first",
        [A, B, TRIPLED],
        [(0, 0, 0.5), (0.25, 0.25, 0.5), (0.25, 0.25, 0.5), (0.25, 0.25, 0.5)],
        [(1, "C", 50, 10, 0), (2, "A", 50, 10, 0)],  # 500 are there for 500 of A and 500 of B
        [1000, 500, 0, 0],
        [1000, 2000, 2000, 2000],
    ),
    Case(
        "who comes second gets the rest",
        [A, B, TRIPLED],
        [(0, 0, 0.5), (0.15, 0.25, 0.5), (0.15, 0.25, 0.5), (0.15, 0.25, 0.5)],
        [(1, "C", 50, 10, 0), (2, "A", 30, 10, 0), (2, "B", 10, 20, 0)],  # 300 and 200
        [1000, 500, 0, 0],
        [1000, 2000, 2000, 2000],
    ),
    Case(
        "what the volume keeps from being sold cannot be spent",
        [[(10, 10, 1000)] * 4, [(20, 20, 1000), (20, 20, 1000), (20, 20, 200), (20, 20, 200)]],
        [(0, 1), (1, 0), (1, 0), (1, 0)],
        [(1, "B", 50, 20, 0), (2, "A", 40, 10, 0), (2, "B", -20, 20, 0)],
        [1000, 0, 0, 0],
        [1000] * 4,
        costs={"participation": 0.1},
    ),
    Case(
        "an order that the volume cuts counts with the fee that it does pay",
        [[(10, 10, 100)] * 3, [(20, 20, 1000)] * 3],
        [(0.5, 0.5)] * 3,
        # 10 of A at a fee of 1. E = 1005 - .01 x .5 E = 1000.
        [(1, "A", 10, 10, 1), (1, "B", 25, 20, 5)],
        [1006, 400, 400],
        [1006, 1000, 1000],
        start=1006,
        costs={"commission_bps": 100, "participation": 0.1},
    ),
    Case(
        "with leverage a fee takes more room than its own",
        [[(10, 10), (10, 8), (8, 8)], B[:3]],
        [(1.5, 0), (1.5, 0.5), (1.5, 0.5)],
        # Twice 700 less 1200 in A: x = 200 - 2 x .01 x
        [(1, "A", 150, 10, 15), (2, "B", 10 / 1.02, 20, 2 / 1.02)],
        [1015, -500, -500 - 202 / 1.02],
        [1015, 700, 700 - 2 / 1.02],
        start=1015,
        costs={"commission_bps": 100},
        rules={"leverage": 2},
    ),
    Case(
        "twice the equity in all",
        [A, B],
        [(1, -1), (1, -1), (1, -1), (1, -1)],
        [(1, "A", 100, 10, 0), (1, "B", -50, 20, 0)],
        [1000] * 4,
        [1000] * 4,
        rules={"leverage": 2},
    ),
    Case(
        "a position that turns makes room for one before it",
        [A, B],
        [(0.1, 0.9), (0.9, -0.1), (0.9, -0.1), (0.9, -0.1)],
        [(1, "A", 10, 10, 0), (1, "B", 45, 20, 0), (2, "A", 80, 10, 0), (2, "B", -50, 20, 0)],
        [1000, 0, 200, 200],
        [1000] * 4,
    ),
    Case(
        "two positions turn at once, after fees",
        [A, B],
        [(0.5, -0.5), (-0.5, 0.5), (-0.5, 0.5), (-0.5, 0.5)],
        # E = 1010 - .01 E = 1000. Then E = 1000 - .01 (500 + 500 + E): 990 / 1.01
        [
            (1, "A", 50, 10, 5),
            (1, "B", -25, 20, 5),
            (2, "A", -50 - 49.5 / 1.01, 10, 5 + 4.95 / 1.01),
            (2, "B", 25 + 24.75 / 1.01, 20, 5 + 4.95 / 1.01),
        ],
        [1010, 1000, 990 / 1.01, 990 / 1.01],
        [1010, 1000, 990 / 1.01, 990 / 1.01],
        start=1010,
        costs={"commission_bps": 100},
    ),
    Case(
        "what turns beside a position that has grown turns as far as the limit",
        [TRIPLED, [(20, 20), (20, 20), (10, 10), (10, 10)]],
        [(0.5, -0.25), (0.5, 0.5), (0.5, 0.5), (0.5, 0.5)],
        # E = 1500 + 750 - 125 = 2125 at the open, 1500 of it in A: B turns to 625 instead of 1062.50.
        [(1, "A", 50, 10, 0), (1, "B", -12.5, 20, 0), (2, "B", 75, 10, 0)],
        [1000, 750, 0, 0],
        [1000, 2000, 2125, 2125],
    ),
    Case(
        "where there is no room beside it, what was to turn is closed",
        [[(10, 10), (10, 30), (30, 60), (60, 60)], [(20, 20), (20, 20), (20, 60), (60, 60)]],
        [(0.5, -0.5), (0.5, -0.5), (0.5, 0.5), (0.5, 0.5)],
        # E = 3000 + 1000 - 1500 = 2500 of which 3000 are in A.
        [(1, "A", 50, 10, 0), (1, "B", -25, 20, 0), (3, "B", 25, 60, 0)],
        [1000, 1000, 1000, -500],
        [1000, 2000, 2500, 2500],
    ),
    Case(
        "who is served first leaves the fee of what turns after it",
        [A[:3], [(20, 20), (20, 40), (40, 40)], TRIPLED[:3]],
        [(0, 0.25, 0.5), (0.4, -0.1, 0.5), (0.4, -0.1, 0.5)],
        # 250 and the 500 of B less its fee of 5 buy A and pay 1 % for that; B finds no room to be short.
        [
            (1, "B", 12.5, 20, 2.5),
            (1, "C", 50, 10, 5),
            (2, "A", 74.5 / 1.01, 10, 7.45 / 1.01),
            (2, "B", -12.5, 40, 5),
        ],
        [1007.5, 250, 0],
        [1007.5, 2250, 2245 - 7.45 / 1.01],
        start=1007.5,
        costs={"commission_bps": 100},
    ),
    # ---- long and short
    Case(
        "long the one that rises and short the one that falls",
        [[(10, 10), (10, 11), (11, 11)], [(20, 20), (20, 18), (18, 18)]],
        [(0.5, -0.5), (0, 0), (0, 0)],
        [(1, "A", 50, 10, 0), (1, "B", -25, 20, 0), (2, "A", -50, 11, 0), (2, "B", 25, 18, 0)],
        [1000, 1000, 1100],
        [1000, 1100, 1100],
    ),
    Case(
        "the fee for what is borrowed is on the short side only",
        [A, B],
        [(0.5, -0.5)] * 4,
        [(1, "A", 50, 10, 0), (1, "B", -25, 20, 0)],
        [1000, 1000, 995, 990],  # 1 % of 500
        [1000, 1000, 995, 990],
        costs={"borrow_rate": DAILY, "margin_rate": DAILY},
    ),
    Case(
        "proceeds of a short sale that buy something else are borrowed",
        [A, B],
        [(1.5, -0.5)] * 4,
        # Cash 1000 - 1500 + 500 = 0, of which 500 are the lender's security: 1 % of 500 twice, then of 510.
        [(1, "A", 150, 10, 0), (1, "B", -25, 20, 0)],
        [1000, 0, -10, -20.1],
        [1000, 1000, 990, 979.9],
        costs={"borrow_rate": DAILY, "margin_rate": DAILY},
        rules={"leverage": 2},
    ),
    # ---- missing bars
    Case(
        "a request waits for the next bar of its asset",
        [A, [(20, 20), None, (25, 25), (25, 25)]],
        [(0.5, 0.5)] * 4,
        [(1, "A", 50, 10, 0), (2, "B", 20, 25, 0)],
        [1000, 500, 0, 0],
        [1000] * 4,
    ),
    Case(
        "a position that lacks a bar is marked at its last close",
        [[(10, 10), (10, 12), (12, 14), (14, 14)], [(20, 20), (20, 22), None, (30, 30)]],
        [(0.5, 0.5)] * 4,
        [(1, "A", 50, 10, 0), (1, "B", 25, 20, 0)],
        [1000, 0, 0, 0],
        [1000, 600 + 550, 700 + 550, 700 + 750],
    ),
    Case(
        "the last close counts for the weights of the others",
        [A, [(20, 20), (20, 40), None, (50, 50)]],
        [(0, 0.5), (0.25, 0.5), (0.25, 0.5), (0.25, 0.5)],
        [(1, "B", 25, 20, 0), (2, "A", 37.5, 10, 0)],  # .25 of 500 + 25 x 40
        [1000, 500, 125, 125],
        [1000, 1500, 1500, 1750],
    ),
    Case(
        "a request at a missing bar gives way to the next one",
        [A, [(20, 20), None, (20, 20), (20, 20)]],
        [(0.5, 0.5), (0.5, 0.25), (0.5, 0.25), (0.5, 0.25)],
        [(1, "A", 50, 10, 0), (2, "B", 12.5, 20, 0)],
        [1000, 500, 250, 250],
        [1000] * 4,
    ),
    Case(
        "a request that is taken back at a missing bar was none",
        [A, [(20, 20), None, (20, 20), (20, 20)]],
        [(0.5, 0.5), (0.5, 0), (0.5, 0), (0.5, 0)],
        [(1, "A", 50, 10, 0)],
        [1000, 500, 500, 500],
        [1000] * 4,
    ),
    Case(
        "a hold does not recall a request that waits",
        [A, [(20, 20), None, (20, 20), (20, 20)]],
        [(0.5, 0.5), (0.5, HOLD), (0.5, HOLD), (0.5, HOLD)],
        [(1, "A", 50, 10, 0), (2, "B", 25, 20, 0)],
        [1000, 500, 0, 0],
        [1000] * 4,
    ),
    Case(
        "after a hold at a missing bar the same number trades again",
        [[(10, 10)] * 5, [(20, 20), (20, 40), None, (40, 40), (40, 40)]],
        [(0, 0.5), (0, HOLD), (0, 0.5), (0, 0.5), (0, 0.5)],
        [(1, "B", 25, 20, 0), (3, "B", -6.25, 40, 0)],  # half of 1500 is 18.75 units
        [1000, 500, 500, 750, 750],
        [1000, 1500, 1500, 1500, 1500],
    ),
    Case(
        "rebalancing leaves out who lacks the bar",
        [TRIPLED, [(20, 20), (20, 20), None, (20, 20)]],
        [(0.5, 0.5)] * 4,
        [(1, "A", 50, 10, 0), (1, "B", 25, 20, 0), (2, "A", 1000 / 30 - 50, 30, 0), (3, "B", 25, 20, 0)],
        [1000, 0, 500, 0],
        [1000, 2000, 2000, 2000],
        rules={"rebalance": True},
    ),
    # ---- calls and ruin
    Case(
        "a call liquidates long and short positions",
        [[(10, 10), (10, 7), (7, 7), (7, 7)], [(20, 20), (20, 26), (26, 26), (26, 26)]],
        [(1, -1), (1, -1), (1, -1), (0, 0)],
        # 1000 + 700 - 1300 = 400 of 2000 is 20 %. Of the 400 left the same request buys and sells 400 each.
        [
            (1, "A", 100, 10, 0),
            (1, "B", -50, 20, 0),
            (2, "A", -100, 7, 0),
            (2, "B", 50, 26, 0),
            (3, "A", 400 / 7, 7, 0),
            (3, "B", -400 / 26, 26, 0),
        ],
        [1000, 1000, 400, 400],
        [1000, 400, 400, 400],
        rules={"leverage": 2},
        called=[1],
    ),
    Case(
        "the liquidation of an asset that lacks the bar waits for it",
        [
            [(10, 10), (10, 6), (5, 5), (5, 5), (5, 5)],
            [(20, 20), (20, 12), None, (11, 11), (11, 11)],
        ],
        [(1, 1)] * 3 + [(0, 0)] * 2,
        # 600 + 600 - 1000 = 200 of 1200 is 17 %; 600 - 500 = 100 of 600 still is
        [
            (1, "A", 100, 10, 0),
            (1, "B", 50, 20, 0),
            (2, "A", -100, 5, 0),
            (3, "B", -50, 11, 0),
        ],
        [1000, -1000, -500, 50, 50],
        [1000, 200, 100, 50, 50],
        rules={"leverage": 2},
        called=[1, 2],
    ),
    Case(
        "what lacks a bar is liquidated when it has one",
        [[(10, 10), (10, 6), (6, 6), (6, 6)], [(20, 20), (20, 12), None, (12, 12)]],
        [(1, 1), (1, 1), (0, 0), (0, 0)],
        [(1, "A", 100, 10, 0), (1, "B", 50, 20, 0), (2, "A", -100, 6, 0), (3, "B", -50, 12, 0)],
        [1000, -1000, -400, 200],
        [1000, 200, 200, 200],
        rules={"leverage": 2},
        called=[1, 2],
    ),
    Case(
        "the long side can carry the squeeze of the short one",
        [[(10, 10), (10, 15), (15, 15)], [(20, 20), (20, 40), (40, 40)]],
        [(0.5, -0.5)] * 3,
        [(1, "A", 50, 10, 0), (1, "B", -25, 20, 0)],
        [1000, 1000, 1000],
        [1000, 750, 750],  # 1000 + 750 - 1000: 43 % of 1750
    ),
    Case(
        "ruin closes out everything",
        [[(10, 10), (10, 10), (10, 4), (4, 4)], [(20, 20), (20, 20), (20, 8), (8, 8)]],
        [(1, 1)] * 4,
        [
            (1, "A", 100, 10, 0),
            (1, "B", 50, 20, 0),
            (2, "A", -100, 4, 0),
            (2, "B", -50, 8, 0),
        ],
        [1000, -1000, -200, -200],
        [1000, 1000, -200, -200],
        rules={"leverage": 2},
    ),
    Case(
        "ruin closes out at its last close what lacks the bar",
        [[(10, 10), (10, 10), (10, 40), (40, 40)], [(20, 20), (20, 20), None, (30, 30)]],
        [(-0.5, 0.5)] * 4,
        [(1, "A", -50, 10, 0), (1, "B", 25, 20, 0), (2, "A", 50, 40, 0), (2, "B", -25, 20, 0)],
        [1000, 1000, -500, -500],
        [1000, 1000, -500, -500],
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_portfolio(case: Case) -> None:
    check(case)
