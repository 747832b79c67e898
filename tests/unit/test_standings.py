"""What `signal` says of the next open is what the kernel does there, one bar later."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from tests.candles import bars, side_by_side
from tradebot.api.signalling import Order, _standings
from tradebot.backtest import engine
from tradebot.market.configs import TradingConfig
from tradebot.market.costs import Costs

DOUBLED = side_by_side(bars([100, 100, 100, 200], [100, 100, 200, 200]), bars([10] * 4, [10] * 4))


def told(requests: list[list[float]], order: Order, lacks: bool = False, **rules: Any) -> None:
    """A doubles over bar 2. At bar 2 `order` is told of it; at bar 3 it must have come so.

    `lacks`: A has no bar 2, and stays at 100 until its next.
    """
    market = DOUBLED
    if lacks:
        a = bars([100, 100, 100, 100], [100, 100, 100, 100], np.array([1.0, 1, 0, 1]))
        missing = np.zeros((4, 2), dtype=bool)
        missing[2, 0] = True
        market = replace(side_by_side(a, bars([10] * 4, [10] * 4)), missing=missing)
    config, costs = TradingConfig(cash=1000.0, **rules), Costs(fees="free")
    tracks = []
    for last in (2, 3):
        asked = {"m": np.array(requests)[: last + 1]}
        seen = market.rows(0, last)
        tracks += engine.run("x", seen, asked, {}, market=config, costs=costs, in_sample=False).members
    standing = _standings(tracks[0], config)[0]
    came = float(np.sign(tracks[1].traded[3, 0]))
    assert standing.symbol == "A" and standing.order == order
    assert came == {"buy": 1, "sell": -1, "hold": 0}[order]


def test_a_request_that_repeats_the_last_one_holds() -> None:
    told([[0.5, 0], [0.5, 0], [0.5, 0], [0, 0]], "hold")


def test_where_all_is_rebalanced_it_sells_what_has_grown() -> None:
    """Bought 5 x 100 of 1000; worth 1000 of 1500 at the close of bar 2, and half is asked for again."""
    told([[0.5, 0], [0.5, 0], [0.5, 0], [0, 0]], "sell", rebalance=True)


def test_within_the_band_nothing_is_traded() -> None:
    """The weight of 2/3 is within .2 of .5."""
    told([[0.5, 0], [0.5, 0], [0.5, 0], [0, 0]], "hold", rebalance=True, band=0.2)


def test_a_request_that_met_no_bar_of_the_symbol_still_stands() -> None:
    """Asked for at bar 1, repeated at bar 2, which A lacks: it is bought at bar 3."""
    told([[0, 0], [0.5, 0], [0.5, 0], [0, 0]], "buy", lacks=True)


def test_after_a_liquidation_the_same_request_opens_anew() -> None:
    """Short 10 x 100, called at 170 (equity 300 < .25 x 1700) at bar 1, liquidated at bar 2: 300 are left."""
    market = bars([100, 100, 170, 170], [100, 170, 170, 170])
    config, costs = TradingConfig(cash=1000.0), Costs(fees="free")
    short = {"m": -np.ones(4)}
    (whole,) = engine.run("x", market, short, {}, market=config, costs=costs, in_sample=False).members
    assert whole.called.tolist() == [False, True, False, False] and whole.units[2, 0] == 0
    (cut,) = engine.run(
        "x", market.rows(0, 2), {"m": -np.ones(3)}, {}, market=config, costs=costs, in_sample=False
    ).members
    assert _standings(cut, config)[0].order == "sell"
    assert whole.traded[3, 0] == pytest.approx(-300 / 170)
