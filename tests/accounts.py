"""Whatever may happen to an account: strategies that draw it, and the ways to look at it that tests share."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from hypothesis import strategies as st

from tests.candles import bars, wild_market, with_actions
from tradebot.backtest import engine
from tradebot.backtest.engine import Track
from tradebot.core import Array
from tradebot.market.configs import TradingConfig
from tradebot.market.costs import PRESETS, Costs
from tradebot.prices.bars import Bars

CASH = 1000.0


class Case(NamedTuple):
    """One account: what it asks for, of which market, at which costs, under which rules."""

    bars: Bars
    requests: Array  # [T, A]
    costs: Costs
    market: TradingConfig


def any_requests(shape: tuple[int, int], seed: int, leverage: float) -> Array:
    """[T, A] weights within the leverage that repeat, turn, rest (NaN) and now and then are all in one."""
    generator = np.random.default_rng(seed)
    n_bars, n_assets = shape
    most = leverage / n_assets
    choice = np.array([-most, 0.0, most, *(most * generator.uniform(-1, 1, 2)), np.nan])
    weights = generator.choice(choice, shape)
    for t in range(n_bars):
        if generator.random() < 0.2:
            weights[t] = generator.choice([-leverage, leverage]) * np.eye(n_assets)[t % n_assets]
        elif t:
            weights[t] = np.where(generator.random(n_assets) < 0.4, weights[t - 1], weights[t])
    return np.asarray(
        weights * leverage / np.fmax(np.nansum(np.abs(weights), axis=1, keepdims=True), leverage)
    )


PROPORTIONAL = {name: st.floats(0.1, 500) for name in ("commission_bps", "half_spread_bps")}
RATES = {name: st.floats(0.01, 3) for name in ("borrow_rate", "margin_rate", "cash_rate")}
ORDERS = {
    "minimum_commission": st.floats(0.01, 50),
    "commission_cap_bps": st.floats(1, 10_000),
    "fixed_per_order": st.floats(0.01, 50),
}
VOLUMES = {"impact_bps": st.floats(1, 5000), "participation": st.floats(0.001, 1)}
UNITS = {"unit_commission": st.floats(0.001, 5)}
EVERY = PROPORTIONAL | RATES | ORDERS | VOLUMES | UNITS


def some(amounts: dict[str, st.SearchStrategy[float]]) -> st.SearchStrategy[Costs]:
    """Some of these costs."""
    return st.fixed_dictionaries({}, optional=amounts).map(lambda given: Costs(fees="free", **given))


fractional_costs = some(EVERY)
any_costs = (
    fractional_costs
    | fractional_costs.map(lambda costs: changed(costs, whole_units=True))
    | st.sampled_from([Costs(fees=name) for name in PRESETS])
)
any_rules = st.builds(
    TradingConfig,
    cash=st.just(CASH),
    leverage=st.sampled_from([1.0, 1.5, 2.0, 3.0, 20.0]),
    maintenance=st.sampled_from([0.0, 0.04, 0.25, 0.5]),
    band=st.sampled_from([0.0, 0.03, 0.2]),
    rebalance=st.booleans(),
).filter(lambda rules: rules.leverage * rules.maintenance < 1)
plain_rules = any_rules.map(lambda rules: rules.model_copy(update={"band": 0.0}))
plentiful = any_rules.map(lambda rules: rules.model_copy(update={"leverage": 20.0, "maintenance": 0.04}))
seeds = st.integers(0, 2**32 - 1)


@st.composite
def cases(
    draw: st.DrawFn,
    costs: st.SearchStrategy[Costs] = any_costs,
    rules: st.SearchStrategy[TradingConfig] = any_rules,
    assets: tuple[int, int] = (1, 4),
    actions: bool = False,
) -> Case:
    market, seed = draw(rules), draw(seeds)
    prices = wild_market(draw(st.integers(*assets)), draw(st.integers(2, 30)), seed)
    if actions:
        prices = with_actions(prices, seed + 2)
    return Case(prices, any_requests(prices.close.shape, seed + 1, market.leverage), draw(costs), market)


def changed(costs: Costs, **values: float) -> Costs:
    return Costs(**{**costs.model_dump(), **values})


def simulated(case: Case) -> Track:
    test = engine.run(
        "x", case.bars, {"m": case.requests}, {}, market=case.market, costs=case.costs, in_sample=False
    )
    return test.members[0]


def scale(track: Track) -> float:
    """The largest sum that moved: what rounding is relative to."""
    return float(max(np.abs(track.equity).max(), np.abs(track.traded * track.bars.open).sum(axis=1).max()))


def columns(market: Bars, which: Iterable[int]) -> Bars:
    """These assets of a market under the names A, B, C ..."""
    which = list(which)
    names = ("open", "high", "low", "close", "volume", "missing", "dividends", "splits")
    return replace(
        market, symbols=tuple("ABCD"[: len(which)]), **{n: getattr(market, n)[:, which] for n in names}
    )


def at_open(track: Track) -> list[tuple[Array, Array]]:
    """Equity and gross value [T] at each open: before its orders are filled, and after."""
    open_ = track.bars.open
    units, cash = np.zeros_like(track.units), np.full(len(open_), CASH)
    units[1:], cash[1:] = track.opened[1:], track.cash[:-1] - track.financing[1:]
    cash += (track.dividends + track.fractions * open_).sum(axis=1)
    after = cash - (track.traded * open_ + track.fees).sum(axis=1)
    return [
        (money + (held * open_).sum(axis=1), np.abs(held * open_).sum(axis=1))
        for money, held in ((cash, units), (after, units + track.traded))
    ]


# A short position that the price runs away from: 100 at 10 bring 1000, at 30 the account owes 1000.
SQUEEZE = Case(
    bars([10, 10, 10, 30, 20, 20], [10, 10, 30, 20, 20, 20]),
    np.array([[-1.0], [-1.0], [1.0], [0.5], [-1.0], [0.0]]),
    Costs(),
    TradingConfig(cash=CASH),
)


STILL = bars([10.0] * 4, [10.0] * 4)
# One is closed while the other is bought: at 10 all that was in A is in B, and A is sold once.
SWITCH = Case(columns(STILL, [0, 0]), np.array([[1.0, 0], [0, 1], [0, 0], [0, 0]]), Costs(), SQUEEZE.market)
# Orders so small that the least commission takes all they bring: 4 to sell 4 worth of A.
SMALL = Case(
    columns(STILL, [0, 0]),
    np.array([[0.6, -0.6], [0.596, -0.596], [0, 0], [0, 0]]),
    Costs(fees="free", minimum_commission=50),
    TradingConfig(cash=CASH, leverage=2.0),
)
