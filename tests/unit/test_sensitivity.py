"""Break-even costs, regimes and start dates with answers that are known."""

import math

import numpy as np
import pytest

from tests.backtests import backtest, bars
from tradebot.backtest import engine
from tradebot.evidence.sensitivity import Sensitivity, break_even, regimes, sensitivity, starts
from tradebot.market.configs import TradingConfig
from tradebot.market.costs import Costs
from tradebot.report.sensitivity import line


def round_trip(bps: float = 1.0) -> engine.Backtest:
    """Bought at 100, sold at 110, and then the price falls to 99."""
    market = bars(close=np.array([100.0, 100.0, 110.0, 110.0, 99.0]))
    return engine.run(
        "one",
        market,
        {"one": np.array([1.0, 1.0, 0.0, 0.0, 0.0])},
        {},
        market=TradingConfig(cash=1000.0),
        costs=Costs(commission_bps=bps, half_spread_bps=0.0),
        in_sample=False,
    )


def test_a_round_trip_breaks_even_where_both_fees_eat_the_gain() -> None:
    """110 (1 - x) = 100 (1 + x): x = 10 / 210, 476 bp."""
    cash, hold = break_even(round_trip())
    assert cash == pytest.approx(1e4 * 10 / 210, abs=0.1)
    assert math.isinf(hold)


def test_the_break_even_cost_does_not_depend_on_what_was_paid() -> None:
    assert break_even(round_trip(1.0)) == break_even(round_trip(30.0))


def test_who_never_trades_has_no_break_even_cost() -> None:
    market = bars(n=60)
    idle = engine.run(
        "idle", market, {"idle": np.zeros(60)}, {}, market=TradingConfig(), costs=Costs(), in_sample=False
    )
    assert all(map(math.isnan, break_even(idle)))


@pytest.mark.parametrize(
    ("cash", "hold", "told"),
    [
        (
            12.3,
            math.inf,
            "Commission and half spread, 4 bp here, may come to 12.3 bp until nothing is left over cash, and"
            " to more than 500 bp until buy_and_hold ends as high.",
        ),
        (
            12.3,
            0.0,
            "Commission and half spread, 4 bp here, may come to 12.3 bp until nothing is left over cash. Even"
            " without commission and half spread it ends no higher than buy_and_hold.",
        ),
        (0.0, 0.0, "Even without commission and half spread it ends no higher than cash and buy_and_hold."),
        (math.nan, math.nan, "It never traded, so that no cost changes anything."),
    ],
)
def test_what_is_behind_without_costs_has_no_room_for_any(cash: float, hold: float, told: str) -> None:
    assert line(Sensitivity(4.0, cash, hold, (), None)) == told


def test_a_rise_is_bull_and_a_fall_bear() -> None:
    market = 100 * np.exp(np.concatenate([np.linspace(0, 1, 300), np.linspace(1, 0, 300)]))
    found = {regime.name: regime for regime in regimes(market, market, 252.0)}
    assert found["bull"].share == pytest.approx(0.5, abs=0.1)
    assert found["bear"].share == pytest.approx(0.5, abs=0.1)
    assert found["bull"].total_return > 1 > 0 > found["bear"].total_return
    assert found["bull"].total_return == found["bull"].buy_and_hold


def test_regimes_of_volatility_share_the_bars() -> None:
    test = backtest()
    found = {r.name: r for r in regimes(test.ensemble.equity, test.ensemble.benchmark, 252.0)}
    assert found["high volatility"].share + found["low volatility"].share == pytest.approx(1.0)


def test_every_year_counts_from_every_start() -> None:
    equity = np.array([100.0, 110.0, 99.0, 121.0])
    found = starts(equity, np.full(4, 100.0), 2.0)
    assert found is not None
    assert (found.windows, found.positive, found.ahead) == (2, 0.5, 0.5)
    assert found.worst == pytest.approx(-0.01)
    assert starts(equity, equity, 4.0) is None


def test_all_of_it_is_plain_data() -> None:
    told = sensitivity(backtest()).to_dict()
    assert told["cost"] == 4.0
    assert {"name", "share", "sharpe"} <= told["regimes"][0].keys()
