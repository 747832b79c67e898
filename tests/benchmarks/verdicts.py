"""Is there an edge in the shipped stocks? Every agent and every rule, after costs, with its verdict.

Agents are trained until the end of 2009 and tested on the years after it; rules need no training. All are
put on a record of their own first and judged after that, so that each verdict knows of all trials.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from rich.table import Table

import tradebot
from tradebot.evidence import ledger
from tradebot.strategies import rules

STOCKS = ("AAPL", "GOOG", "IBM", "MSFT")
END, START = "2009-12-31", "2010"
SEEDS, STEPS = 8, 50_000
AGENTS: dict[str, dict[str, Any]] = {
    "dqn": {"per": True},
    "ppo": {},
    "a2c": {},
    "sac": {"actions": "weights"},
}


def table() -> Table:
    shown = Table(title=f"Tested from {START} on after {STEPS:,} steps of {SEEDS} seeds, after costs")
    for column in ("stock", "agent or rule", "return", "Sharpe ratio [95 % interval]", "verdict"):
        shown.add_column(column, justify="right" if column == "return" else "left")
    with TemporaryDirectory() as folder:
        os.environ[ledger.VARIABLE] = str(Path(folder) / "ledger.sqlite")
        for stock in STOCKS:
            for row in _rows(stock, Path(folder)):
                shown.add_row(*row)
        portfolios = [name for name in rules.RULES if name not in rules.baselines(1)]
        for row in _judged("all four", _of_rules(portfolios, ",".join(STOCKS))):
            shown.add_row(*row)
    return shown


def _rows(stock: str, folder: Path) -> Iterator[tuple[str, ...]]:
    runs = {
        f"{name} --per" if settings.get("per") else name: tradebot.train(
            name,
            symbols=stock,
            data="sample",
            end=END,
            seeds=SEEDS,
            steps=STEPS,
            out=folder,
            workers=1,
            **settings,
        )
        for name, settings in AGENTS.items()
    }
    tests: dict[str, dict[str, Any]] = {name: {"run_or_rule": run} for name, run in runs.items()}
    yield from _judged(stock, tests | _of_rules(rules.baselines(1), stock))


def _of_rules(names: Iterable[str], symbols: str) -> dict[str, dict[str, Any]]:
    return {
        name: {"run_or_rule": name, "symbols": symbols, "data": "sample", "start": START} for name in names
    }


def _judged(who: str, tests: dict[str, dict[str, Any]]) -> Iterator[tuple[str, ...]]:
    for test in tests.values():
        tradebot.backtest(**test, save=False)
    for name, test in tests.items():
        yield who, name, *_told(tradebot.backtest(**test, save=False))


def _told(result: tradebot.BacktestResult) -> tuple[str, str, str]:
    of = result.verdict
    assert of is not None
    ratio = of.over_cash
    interval = "-" if math.isnan(ratio.value) else f"{ratio.value:.2f} [{ratio.low:.2f}, {ratio.high:.2f}]"
    return f"{result.metrics['total_return']:.1%}", interval, of.verdict
