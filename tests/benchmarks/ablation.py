"""Prioritized against uniform: the same sixteen seeds with and without --per, tested on later prices.

Sharpe ratios after costs on bars that no training saw: the interquartile mean over seeds (Agarwal et al.
2021) and the same of the difference by seed, with 95 % intervals over seeds on the one history there is.
"""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from rich.table import Table

import tradebot
from tradebot.core import Array
from tradebot.stats.bootstrap import Interval, interquartile_interval

SEEDS, STEPS = 16, 50_000
MARKETS = {
    "AAPL": "2009-12-31",
    "IBM": "2009-12-31",
    "BTC-USD": "2018-12-31",
}  # symbol -> end of the training
AGENTS = ("dqn", "ppo", "a2c")


def table() -> Table:
    shown = Table(title=f"Sharpe ratio on later prices, {SEEDS} seeds x {STEPS:,} steps: IQM [95 % interval]")
    for column in ("market", "agent", "uniform", "prioritized", "prioritized - uniform"):
        shown.add_column(column, justify="left" if column in ("market", "agent") else "right")
    for market in MARKETS:
        for agent in AGENTS:
            uniform, prioritized = (sharpes(agent, market, per=per) for per in (False, True))
            compared = (uniform, prioritized, prioritized - uniform)
            shown.add_row(market, agent, *(readable(over_seeds(values)) for values in compared))
    return shown


def sharpes(agent: str, market: str, *, per: bool) -> Array:
    """[seeds] of the members, each with an account of its own; 0 for one that never held anything."""
    with TemporaryDirectory() as folder:
        run = tradebot.train(
            agent,
            symbols=market,
            data="sample",
            end=MARKETS[market],
            seeds=SEEDS,
            steps=STEPS,
            per=per,
            out=Path(folder),
        )
        result = tradebot.backtest(run, save=False)
    return np.nan_to_num([member.metrics["sharpe"] for member in result.backtest.members])


def over_seeds(values: Array) -> Interval:
    return interquartile_interval(values, np.random.default_rng(0))


def readable(interval: Interval) -> str:
    return f"{interval.value:.2f} [{interval.low:.2f}, {interval.high:.2f}]"
