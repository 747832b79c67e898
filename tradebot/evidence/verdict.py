"""The verdict: whether a backtest shows an edge, by rules that are fixed before anything is tested.

Two ways of doing nothing are to be beaten: cash, and buy-and-hold *at the account's own exposure*. The second
is what is left of the returns after the market's part in them, r - beta b (both over cash), so that an
account that is long half the time owes half the drift to the market and must show more than that. Both Sharpe
ratios are held against `luck`, SR0, the best of as many trials without an edge as the ledger has of these
bars (Deflated Sharpe Ratio; Bailey and Lopez de Prado 2014). In this order:

1. `worse than doing nothing`: the account was ruined, or the 95 % interval of its Sharpe ratio over cash lies
   below 0 (`stats.bootstrap`, which knows of dependence and fat tails).
2. `edge`: no bar was trained on; there are FEWEST_RETURNS and FEWEST_ORDERS or more (a lead that one lucky
   spell has made is none); both deflated ratios are CONFIDENCE or more; and p is 1 - CONFIDENCE or less in
   the null test, where there is one.
3. `too little data to tell`: the span is shorter than a Sharpe ratio of WORTH a year needs to be told from 0
   (MinTRL, 2.7 years), or both ratios point upward so far that PATIENCE times the bars, or fewer, would make
   them an edge, or only orders are missing. How many years it takes is said.
4. `no evidence of an edge`: everything else; what was trained on and accounts that never trade included.

Without an edge the second rule errs in one of twenty at the most, for it asks at once for what each of its
tests gives in one of twenty. SPA and PBO are told and decide nothing: SPA asks after bare means, and
candidates that are nearly alike have a PBO of 1/2, be all of them good.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from tradebot.backtest import engine
from tradebot.backtest.engine import Backtest
from tradebot.core import Array
from tradebot.evidence.trials import Trials
from tradebot.market.env import RUIN
from tradebot.stats import bootstrap, metrics, overfit, sharpe
from tradebot.stats.bootstrap import FEWEST_RETURNS, Interval
from tradebot.stats.sharpe import Estimate

EDGE = "edge"
NO_EVIDENCE = "no evidence of an edge"
WORSE = "worse than doing nothing"
TOO_LITTLE = "too little data to tell"

CONFIDENCE = 0.95
FEWEST_ORDERS = 20  # bars with an order: ten round trips
WORTH = 1.0  # Sharpe ratio per year that a span must be able to show
PATIENCE = 4.0  # times the bars for which an account that points upward has the benefit of the doubt

_FEW_ORDERS = f"it traded on fewer than {FEWEST_ORDERS} bars, too few to tell skill from one lucky spell"


@dataclass(frozen=True)
class Ratio:
    """A Sharpe ratio per year and how far it can be believed."""

    value: float  # NaN where the returns do not vary
    low: float  # of the 95 % interval
    high: float
    psr: float  # probability that the true ratio is above 0
    dsr: float  # that it is above `luck`
    years: float  # that it takes until `dsr` is CONFIDENCE; inf: never


@dataclass(frozen=True)
class Verdict:
    """What can be said of a backtest. Ratios are per year; NaN where there is none."""

    verdict: str  # EDGE, NO_EVIDENCE, WORSE or TOO_LITTLE
    reasons: tuple[str, ...]  # plain sentences
    needs_years: float  # of TOO_LITTLE
    years: float  # that were tested
    returns: int
    in_sample: bool
    over_cash: Ratio
    over_market: Ratio  # over buy-and-hold at the same exposure
    trials: int  # on these bars or a part of them, this one included
    looks: int
    again: int  # earlier looks at this very trial
    luck: float  # SR0, per year
    spa_p: float  # of all trials that cover the span against buy-and-hold
    pbo: float
    candidates: int  # that these two are about
    null_p: float | None  # of the null test

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON, where NaN and inf become null."""
        return {key: _plain(value) for key, value in asdict(self).items()}


def judge(
    tested: Backtest, tried: Trials | None = None, *, again: int = 0, null: float | None = None
) -> Verdict:
    """The verdict on the ensemble.

    tried: what the ledger has of these bars, the backtest included; None where nothing is on record, as of
    bars that were trained on. again: earlier looks at the very same. null: p-value of the null test.
    """
    periods, account = tested.bars.periods_per_year, tested.ensemble
    idle = engine.replay(tested, np.zeros((1, *tested.bars.close.shape)), tested.costs)[0]
    r, b, c = (metrics.returns(equity) for equity in (account.equity, account.benchmark, idle))
    sr0 = sharpe.luck(tried.n, tried.variance(periods)) if tried and tried.n else 0.0
    over_cash, over_market = over(r - c, periods, sr0), over(beyond(r - c, b - c), periods, sr0)
    dependent = _interval(tested, r - c)
    ruined = bool(account.ruined)
    verdict, reasons, needed = rule(
        over_cash,
        over_market,
        len(r),
        periods,
        orders=int(account.traded.any(axis=1).sum()),
        below_cash=ruined or dependent.high < 0,
        in_sample=tested.in_sample,
        null=null,
    )
    table = tried.matrix(tested.bars.timestamps[1:]) if tried else np.zeros((len(r), 0))
    several = table.shape[1] > 1
    rng = np.random.default_rng(bootstrap.SEED)
    return Verdict(
        verdict=verdict,
        reasons=("the account was ruined",) if ruined else reasons,
        needs_years=needed,
        years=len(r) / periods,
        returns=len(r),
        in_sample=tested.in_sample,
        over_cash=_with(over_cash, dependent),
        over_market=over_market,
        trials=tried.n if tried else 0,
        looks=tried.looks if tried else 0,
        again=again,
        luck=sr0 * math.sqrt(periods),
        spa_p=overfit.spa(table, b, rng).consistent if several else math.nan,
        pbo=overfit.cscv(table).pbo if several else math.nan,
        candidates=table.shape[1],
        null_p=null,
    )


def beyond(r: Array, market: Array) -> Array:
    """r - beta market, [n]: what buy-and-hold at the same exposure does not explain, its mean included."""
    beta = metrics.beta(r, market)
    left: Array = r - (0.0 if math.isnan(beta) else beta) * market
    # an account that only holds leaves rounding behind, which is no return
    return np.zeros_like(r) if np.std(left) <= 1e-9 * (np.std(r) + np.std(market)) else left


def over(r: Array, periods: float, sr0: float = 0.0) -> Ratio:
    """Of returns [n] over those of doing nothing; `sr0` is the luck of the trials per bar."""
    of, root = sharpe.estimate(r), math.sqrt(periods)
    wide = 1.96 * sharpe.standard_error(of)
    return Ratio(
        value=of.sharpe * root,
        low=(of.sharpe - wide) * root,
        high=(of.sharpe + wide) * root,
        psr=sharpe.probabilistic(of),
        dsr=sharpe.probabilistic(of, sr0),
        years=sharpe.minimum_track_record(of, sr0, CONFIDENCE) / periods,
    )


def rule(
    over_cash: Ratio,
    over_market: Ratio,
    n: int,  # returns
    periods: float,  # of them in a year
    *,
    orders: int,  # bars with one
    below_cash: bool = False,
    in_sample: bool = False,
    null: float | None = None,
) -> tuple[str, tuple[str, ...], float]:
    """The verdict, its reasons, and the years that it needs (NaN unless it is TOO_LITTLE): see above."""
    if below_cash:
        return WORSE, ("its Sharpe ratio lies below that of cash by more than chance would do",), math.nan
    if in_sample:
        return NO_EVIDENCE, ("some of these bars were trained on: they prove nothing",), math.nan
    short = _shortcomings(over_cash, over_market, n, orders, null)
    if not short:
        return (
            EDGE,
            ("it beats cash, and buy-and-hold at its own exposure, by more than luck would",),
            math.nan,
        )
    if math.isnan(over_cash.value) and n >= FEWEST_RETURNS:
        return NO_EVIDENCE, ("its returns do not vary: it did not trade",), math.nan
    if math.isnan(over_market.value) and n >= FEWEST_RETURNS:
        return NO_EVIDENCE, ("it is buy-and-hold at some exposure, and nothing beyond",), math.nan
    least = sharpe.minimum_track_record(Estimate(sharpe.per_period(WORTH, periods), n)) / periods
    needed, years = max(over_cash.years, over_market.years), n / periods
    if years < needed <= PATIENCE * years:
        return TOO_LITTLE, (*short, "it points upward, over too short a time"), needed
    if short == (_FEW_ORDERS,):
        return TOO_LITTLE, short, years * FEWEST_ORDERS / max(orders, 1)
    if years < least or n < FEWEST_RETURNS:
        at_least = max(least, FEWEST_RETURNS / periods)
        return TOO_LITTLE, (*short, "the span is too short to show even a good strategy"), at_least
    return NO_EVIDENCE, short, math.nan


def _shortcomings(
    over_cash: Ratio, over_market: Ratio, n: int, orders: int, null: float | None
) -> tuple[str, ...]:
    """What is missing for an edge."""
    found = []
    if n < FEWEST_RETURNS:
        found.append(f"fewer than {FEWEST_RETURNS} returns")
    if orders < FEWEST_ORDERS:
        found.append(_FEW_ORDERS)
    if not over_cash.dsr >= CONFIDENCE:
        found.append(_doubt(over_cash, "cash"))
    if not over_market.dsr >= CONFIDENCE:
        found.append(_doubt(over_market, "buy-and-hold at the same exposure"))
    if null is not None and not null <= 1 - CONFIDENCE + 1e-9:
        found.append("it does as well where bars are shuffled and nothing can be predicted")
    return tuple(found)


def _doubt(of: Ratio, rival: str) -> str:
    return f"it is behind {rival}" if of.value < 0 else f"luck alone may have made its lead over {rival}"


def _interval(tested: Backtest, excess: Array) -> Interval:
    """Of the Sharpe ratio over cash, per year."""
    if not tested.costs.cash_rate:
        return tested.ensemble.intervals["sharpe"]
    equity = np.concatenate([[1.0], np.cumprod(1 + excess)])
    bars = tested.bars
    rng = np.random.default_rng(bootstrap.SEED)
    return bootstrap.intervals(equity, bars.timestamps, bars.periods_per_year, rng, floor=RUIN)["sharpe"]


def _with(ratio: Ratio, interval: Interval) -> Ratio:
    return Ratio(**{**asdict(ratio), "low": interval.low, "high": interval.high})


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, tuple):
        return list(value)
    return None if isinstance(value, float) and not math.isfinite(value) else value
