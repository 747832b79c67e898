"""Tables of candles: bars, what is asked for at each, and the fills and the money that must come out.

A request is filled at the next open. Costs are 1 % of the value traded where a case says so, else nothing.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pytest

from tests.candles import bars
from tradebot.backtest import engine
from tradebot.market.configs import TradingConfig
from tradebot.market.costs import Costs


class Case(NamedTuple):
    name: str
    candles: list[tuple[float, float]]  # open, close
    requests: list[float]
    fills: list[tuple[int, float, float, float]]  # bar, signed units, price, fee
    cash: list[float]
    equity: list[float]
    start: float = 1000.0
    commission: float = 0.0  # [bp]
    half_spread: float = 0.0  # [bp]


FLAT = [(10.0, 10.0)] * 4
PERCENT = 100.0  # [bp]
CASES = [
    Case(
        "who never asks never trades",
        [(10, 20), (30, 40), (50, 60)],
        [0, 0, 0],
        [],
        [1000, 1000, 1000],
        [1000, 1000, 1000],
        commission=PERCENT,
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
        commission=PERCENT,
    ),
    Case(
        "a round trip pays twice",
        FLAT,
        [1, 0, 0, 0],
        [(1, 100, 10, 10), (2, -100, 10, 10)],
        [1010, 0, 990, 990],
        [1010, 1000, 990, 990],
        start=1010,
        commission=PERCENT,
    ),
    Case(
        "commission is paid on the price with the spread: 2.01 % to buy, 1.99 % to sell",
        FLAT,
        [1, 0, 0, 0],
        [(1, 100, 10, 20.1), (2, -100, 10, 19.9)],
        [1020.1, 0, 980.1, 980.1],
        [1020.1, 1000, 980.1, 980.1],
        start=1020.1,
        commission=PERCENT,
        half_spread=PERCENT,
    ),
    Case(
        "a short position earns when the price falls",
        [(10, 10), (10, 9), (8, 8)],
        [-1, 0, 0],
        [(1, -100, 10, 10), (2, 100, 8, 8)],
        [1010, 2000, 1192],
        [1010, 1100, 1192],
        start=1010,
        commission=PERCENT,
    ),
    Case(
        "long to short goes through zero in one fill",
        FLAT,
        [1, -1, -1, -1],
        [(1, 101, 10, 10.1), (2, -200, 10, 20)],
        [1020.1, 0, 1980, 1980],
        [1020.1, 1010, 990, 990],
        start=1020.1,
        commission=PERCENT,
    ),
    Case(
        "short to long goes through zero in one fill",
        FLAT,
        [-1, 1, 1, 1],
        [(1, -101, 10, 10.1), (2, 200, 10, 20)],
        [1020.1, 2020, 0, 0],
        [1020.1, 1010, 990, 990],
        start=1020.1,
        commission=PERCENT,
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
        commission=PERCENT,
    ),
    Case(
        "a short that a gap ruins while it is being covered is covered once",
        [(10, 10), (10, 10), (30, 5), (5, 5)],
        [-1, 0, 0, 1],
        [(1, -100, 10, 10), (2, 100, 30, 30)],
        [1010, 2000, -1030, -1030],
        [1010, 1000, -1030, -1030],
        start=1010,
        commission=PERCENT,
    ),
    Case(
        "without equity at the open a request to turn only closes",
        [(10, 10), (10, 10), (30, 5), (5, 5)],
        [-1, 1, 1, 1],
        [(1, -100, 10, 10), (2, 100, 30, 30)],
        [1010, 2000, -1030, -1030],
        [1010, 1000, -1030, -1030],
        start=1010,
        commission=PERCENT,
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
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_candles(case: Case) -> None:
    open_, close = zip(*case.candles, strict=True)
    market = bars(open_, close)
    costs = Costs(commission_bps=case.commission, half_spread_bps=case.half_spread)
    test = engine.run(
        "x",
        market,
        {"m": np.array(case.requests)},
        {},
        market=TradingConfig(cash=case.start),
        costs=costs,
        in_sample=False,
    )
    track, fills = test.members[0], test.members[0].fills
    signed = fills["units"].where(fills["side"] == "buy", -fills["units"])
    found = list(zip(fills["bar"], signed, fills["price"], fills["fee"], strict=True))
    assert found == [pytest.approx(fill, abs=1e-9) for fill in case.fills]
    assert track.cash.tolist() == pytest.approx(case.cash, abs=1e-9)
    assert track.equity.tolist() == pytest.approx(case.equity, abs=1e-9)
    assert fills["time"].tolist() == [market.timestamps[bar] for bar in fills["bar"]]
