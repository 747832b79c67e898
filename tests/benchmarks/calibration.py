"""How often the whole pipeline says `edge`, over markets without one and over markets with a planted one.

Each market is learned (STEPS transitions), tested on the TESTED bars behind, put to a null test with COPIES
shuffled copies, and judged. A batch of markets is one population with all copies. On the ledger stands
nothing: each market is the first that is tried. `python -m tests.benchmarks calibrate [MARKETS] [KIND ...]`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from tradebot.api.experiment import Experiment, experiment
from tradebot.api.nulltesting import null_tests
from tradebot.api.prices import load
from tradebot.backtest.engine import Backtest
from tradebot.core import Array
from tradebot.evidence.nulltest import NullTest
from tradebot.evidence.verdict import EDGE, judge
from tradebot.market.permuted import permuted
from tradebot.market.synthetic import read
from tradebot.prices.bars import Bars

LEARNED, TESTED = 3_000, 1_000  # bars
WARMUP = 60  # bars before, enough for the features
COPIES = 19
BATCH = 10  # markets that are one population
STEPS = 30_000
SETTINGS = {  # small, for the work is 20 trainings a market; chosen on AR(1) markets of other seeds
    "steps": STEPS,
    "seeds": 1,
    "actions": "long-short",
    "features": "last_return,position",
    "commission_bps": 5.0,
    "half_spread_bps": 0.0,
    "envs": 16,
    "gamma": 0.8,
    "hidden": "32",
    "learning_rate": 3e-3,
    "markets": COPIES,
}
FALSE_ALARMS, FOUND = 0.09, 0.80  # at most, and at least: shares that the table is judged by


class Kind(NamedTuple):
    """Markets of one law."""

    make: Callable[[int], Bars]  # seed -> bars
    has_edge: bool
    share: float  # of the markets with, or without, an edge


class Count(NamedTuple):
    """What the pipeline said of some markets."""

    markets: int
    edges: int  # how often it said `edge`
    low: int  # how often the null test alone had p <= 0.05


def daily(spec: str) -> Bars:
    """A synthetic market as if its bars were days."""
    bars = read(f"synthetic:{spec}&n={WARMUP + LEARNED + TESTED}")
    return replace(bars, timestamps=_days(len(bars)))


def garch(seed: int) -> Bars:
    """GARCH(1,1) with alpha .1 and beta .88, 1 % a day in the long run; the price is a martingale."""
    generator = np.random.default_rng([seed, 1986])
    noise = generator.standard_normal(WARMUP + LEARNED + TESTED - 1)
    returns, variance = [], 1e-4
    for e in noise:
        returns.append(variance**0.5 * e - variance / 2)
        variance = 0.02 * 1e-4 + 0.1 * variance * e * e + 0.88 * variance
    return _bars(f"GARCH#{seed}", np.array(returns))


def shuffled(seed: int) -> Bars:
    """Real prices in another order."""
    symbol = ("AAPL", "IBM", "MSFT")[seed % 3]
    return permuted(load(symbol, "sample"), (), np.random.default_rng([seed, 2013]))


KINDS = {
    "gbm": Kind(lambda seed: daily(f"gbm?sigma=0.01&mu={(seed % 2) * 3e-4}&seed={1000 + seed}"), False, 0.34),
    "garch": Kind(garch, False, 0.33),
    "shuffled": Kind(shuffled, False, 0.33),
    "ar1": Kind(lambda seed: daily(f"ar1?phi=0.2&sigma=0.01&seed={1000 + seed}"), True, 1 / 2),
    "regime": Kind(lambda seed: daily(f"regime?mu=0.002&q=0.4&seed={1000 + seed}"), True, 1 / 2),
}


def plan(**settings: object) -> Experiment:
    """What is done on each market."""
    return experiment("a2c", {}, SETTINGS | settings, study="nulltest")


def decide(tested: Backtest, null: NullTest) -> bool:
    """Whether the verdict is `edge`."""
    return judge(tested, null=null.p_value).verdict == EDGE


def counted(kind: Kind, seeds: Sequence[int], of: Experiment) -> Count:
    """What the pipeline says of the markets with these seeds, as one population."""
    markets = [kind.make(seed) for seed in seeds]
    last = len(markets[0]) - TESTED - 1
    found = null_tests(of, markets, last)
    edges = sum(decide(tested, null) for null, tested in found)
    return Count(len(found), edges, sum(null.p_value <= 0.05 for null, _ in found))


def lines(without: int, chosen: Sequence[str]) -> Iterator[str]:
    """What is to be told, as it becomes known: `without` markets without an edge, half as many with one."""
    begun = time.process_time()
    totals = {False: Count(0, 0, 0), True: Count(0, 0, 0)}
    for name in chosen or KINDS:
        kind = KINDS[name]
        number = max(1, round(kind.share * (without / 2 if kind.has_edge else without)))
        total = Count(0, 0, 0)
        for first in range(0, number, BATCH):
            seeds = range(first, min(first + BATCH, number))
            total = _sum(total, counted(kind, seeds, plan()))
            yield (
                f"{name}: edge in {total.edges} of {total.markets}, p <= 0.05 in {total.low}"
                f" ({time.process_time() - begun:.0f} s of CPU so far)"
            )
        totals[kind.has_edge] = _sum(totals[kind.has_edge], total)
    for has_edge, words, limit in ((False, "at most", FALSE_ALARMS), (True, "at least", FOUND)):
        total = totals[has_edge]
        if total.markets:
            yield (
                f"markets with{'' if has_edge else 'out'} an edge: `edge` in {total.edges} of {total.markets}"
                f" ({words} {limit * total.markets:.0f} wanted)"
            )
    yield f"{time.process_time() - begun:.0f} s of CPU in all"


def _sum(one: Count, other: Count) -> Count:
    return Count(*(a + b for a, b in zip(one, other, strict=True)))


def _bars(symbol: str, log_returns: Array) -> Bars:
    close = 100.0 * np.exp(np.concatenate([[0.0], np.cumsum(log_returns)]))[:, None]
    open_ = np.concatenate([close[:1], close[:-1]])
    return Bars(
        _days(len(close)),
        (symbol,),
        open_,
        np.maximum(open_, close),
        np.minimum(open_, close),
        close,
        np.full_like(close, 1e6),
    )


def _days(n: int) -> Array:
    return np.busday_offset("2000-01-03", np.arange(n)).astype("datetime64[us]")
