"""Costs: what a buy and a sale of one unit of value cost."""

from __future__ import annotations

import pytest

from tradebot.config import build
from tradebot.core import InputError
from tradebot.market.costs import Costs


def test_a_buy_pays_the_spread_and_commission_on_the_raised_price() -> None:
    # Mid 100, half spread 1 % -> filled at 101; commission 2 % of that is 2.02: 103.02 for what is worth 100.
    assert Costs(commission_bps=200, half_spread_bps=100).buy == pytest.approx(0.0302, abs=1e-15)


def test_a_sale_pays_the_spread_and_commission_on_the_lowered_price() -> None:
    # Mid 100, half spread 1 % -> filled at 99; commission 2 % of that is 1.98: 97.02 for what is worth 100.
    assert Costs(commission_bps=200, half_spread_bps=100).sell == pytest.approx(0.0298, abs=1e-15)


def test_one_cost_alone_is_the_same_for_buys_and_sales() -> None:
    for costs in (
        Costs(commission_bps=50, half_spread_bps=0),
        Costs(commission_bps=0, half_spread_bps=50),
    ):
        assert costs.buy == pytest.approx(0.005, abs=1e-15)
        assert costs.sell == pytest.approx(0.005, abs=1e-15)


def test_no_costs_are_exactly_none() -> None:
    free = Costs(commission_bps=0, half_spread_bps=0)
    assert (free.buy, free.sell) == (0.0, 0.0)


def test_costs_say_what_they_are() -> None:
    assert repr(Costs(commission_bps=2.5, half_spread_bps=1)) == "Costs(2.5 bp commission + 1 bp half spread)"
    capped = Costs(fees="free", commission_bps=5, commission_cap_bps=100)
    assert repr(capped) == "Costs(5 bp commission + 100 bp at most)"


@pytest.mark.parametrize(
    "values", [{"commission_bps": -1}, {"half_spread_bps": 1000}, {"commission_bps": "nan"}]
)
def test_costs_out_of_bounds_are_refused_by_name(values: dict[str, float | str]) -> None:
    with pytest.raises(InputError, match=f"^{next(iter(values))}: "):
        build(Costs, values)
