"""What a result hangs on: the costs, the kind of market, and the day on which it began.

All in hindsight: regimes are told from the whole span, later bars included. None of it is a test.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from tradebot.backtest import engine
from tradebot.backtest.engine import Backtest
from tradebot.core import Array
from tradebot.market.configs import TradingConfig
from tradebot.stats import metrics

MOST_BPS = 500.0  # beyond which a break-even cost is not looked for
_STEPS = 14  # halvings: 500 bps / 2^14 is a thirtieth of a basis point


@dataclass(frozen=True)
class Regime:
    """The account and buy-and-hold on some of the bars."""

    name: str
    share: float  # of the bars
    total_return: float  # of these bars strung together, a fraction
    sharpe: float  # per year
    buy_and_hold: float  # total return, a fraction


@dataclass(frozen=True)
class Starts:
    """One year from every bar on which one can begin."""

    windows: int
    positive: float  # share of the windows with a gain
    ahead: float  # share that beat buy-and-hold
    worst: float  # return, a fraction
    median: float


@dataclass(frozen=True)
class Sensitivity:
    """Of the ensemble. Costs are commission and half spread together, in bps of what is traded."""

    cost: float  # that were paid
    break_even_cash: float  # at which nothing is left of the gain: 0: none, inf: beyond MOST_BPS
    break_even_hold: float  # at which buy-and-hold, which pays as much, ends as high
    regimes: tuple[Regime, ...]
    starts: Starts | None  # None for less than a year

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return asdict(self) | {"regimes": [asdict(regime) for regime in self.regimes]}


def sensitivity(tested: Backtest) -> Sensitivity:
    """By the ensemble's requests as they were: an agent that knew other costs might trade otherwise."""
    cash, hold = break_even(tested)
    return Sensitivity(
        cost=tested.costs.commission_bps + tested.costs.half_spread_bps,
        break_even_cash=cash,
        break_even_hold=hold,
        regimes=regimes(tested.ensemble.equity, tested.ensemble.benchmark, tested.bars.periods_per_year),
        starts=starts(tested.ensemble.equity, tested.ensemble.benchmark, tested.bars.periods_per_year),
    )


def break_even(tested: Backtest) -> tuple[float, float]:
    """Costs [bps] at which the ensemble ends as idle cash does, and as buy-and-hold at the same costs.

    By bisection: 0 if it is behind without costs, inf if it is ahead at MOST_BPS, NaN if it never trades.
    Everything else that is paid (impact, interest) stays as it is.
    """
    account = tested.ensemble
    if not account.traded.any():
        return math.nan, math.nan
    requests = account.request[None]
    hold = np.full_like(requests, 1.0 / len(tested.bars.symbols))
    still = tested.market.model_copy(update={"rebalance": False, "band": 0.0})

    def final(requests: Array, bps: float, market: TradingConfig | None = None) -> float:
        costs = tested.costs.model_copy(update={"commission_bps": bps, "half_spread_bps": 0.0})
        return float(engine.replay(tested, requests, costs, market)[0, -1])

    idle = final(np.zeros_like(requests), 0.0)
    return (
        _crossing(lambda bps: final(requests, bps) - idle),
        _crossing(lambda bps: final(requests, bps) - final(hold, bps, still)),
    )


def regimes(equity: Array, market: Array, periods: float) -> tuple[Regime, ...]:
    """Equity and buy-and-hold [T] by the kind of market.

    Over a quarter of a year around a bar, the log return of buy-and-hold is held against its volatility
    there: more than one deviation up is bull, more than one down bear, the rest sideways. Volatility, over a
    month around it, is high above the median of all bars.
    """
    growth = np.diff(np.log(np.maximum(market, np.finfo(float).tiny)))
    if len(growth) < 2:
        return ()
    moved, deviation, width = _around(growth, periods / 4)
    usual = deviation * np.sqrt(width)
    wild = _around(growth, periods / 12)[1]
    chosen = {
        "bull": moved > usual,
        "bear": moved < -usual,
        "sideways": np.abs(moved) <= usual,
        "high volatility": wild > np.median(wild),
        "low volatility": wild <= np.median(wild),
    }
    r, b = metrics.returns(equity), metrics.returns(market)
    return tuple(
        Regime(
            name,
            float(bars.mean()),
            float(np.prod(1 + r[bars])) - 1,
            metrics.sharpe(r[bars], periods),
            float(np.prod(1 + b[bars])) - 1,
        )
        for name, bars in chosen.items()
        if bars.any()
    )


def starts(equity: Array, market: Array, periods: float) -> Starts | None:
    """Every window of a year of equity and buy-and-hold [T]; None if there is none."""
    year = round(periods)
    if len(equity) <= year or equity.min() <= 0:
        return None
    earned, held = equity[year:] / equity[:-year] - 1, market[year:] / market[:-year] - 1
    return Starts(
        windows=len(earned),
        positive=float(np.mean(earned > 0)),
        ahead=float(np.mean(earned > held)),
        worst=float(earned.min()),
        median=float(np.median(earned)),
    )


def _crossing(lead: Callable[[float], float]) -> float:
    """Where a lead that costs eat up ends."""
    low, high = 0.0, MOST_BPS
    if lead(low) <= 0:
        return 0.0
    if lead(high) > 0:
        return math.inf
    for _ in range(_STEPS):
        middle = (low + high) / 2
        low, high = (middle, high) if lead(middle) > 0 else (low, middle)
    return (low + high) / 2


def _around(growth: Array, width: float) -> tuple[Array, Array, Array]:
    """Sum, deviation and number of the values within half of `width` of each, which the ends cut short."""
    n, half = len(growth), max(1, round(width / 2))
    first, last = np.maximum(np.arange(n) - half, 0), np.minimum(np.arange(n) + half + 1, n)
    total, square = (np.concatenate([[0.0], np.cumsum(x)]) for x in (growth, np.square(growth)))
    number, moved = last - first, total[last] - total[first]
    variance = (square[last] - square[first]) / number - np.square(moved / number)
    return moved, np.sqrt(np.maximum(variance, 0.0)), number
