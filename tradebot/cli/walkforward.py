"""`tradebot walkforward AGENT`: train on every fold's past, test on what came next, as one account."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tradebot.backtest.configs import WalkForwardConfig
from tradebot.cli import console, study
from tradebot.cli.train import resumable

if TYPE_CHECKING:
    from tradebot.api import BacktestResult

EXAMPLE = "tradebot walkforward {agent} --symbols AAPL --folds 8 --train 5y --test 1y --seeds 8"


def work(agent: str = "", *, json: bool, **words: Any) -> None:
    from tradebot import api

    with console.progress_bar() as progress, resumable():
        result = api.walk_forward(agent, progress=progress, command=console.command_line(), **words)
    if result.doubts:
        console.complain(result.doubts)
    if json:
        console.print_json(result.to_dict())
    else:
        _print(result)


def _print(result: BacktestResult) -> None:
    from rich.console import Console

    from tradebot.report import folds, sensitivity, tables, verdict

    assert result.run is not None
    walk = result.run.experiment.walkforward
    assert walk is not None
    if result.verdict:
        print(verdict.paragraph(result.backtest, result.verdict) + "\n")
    Console().print(folds.table(result.folds, walk.seams))
    print()
    Console().print(tables.summary([result.backtest]))
    print(sensitivity.line(result.sensitivity))
    print(f"Report: {result.files['report.html']}")


app = study.group(
    "Train an agent on every fold's past, all folds as one population, and test each on the bars after.",
    EXAMPLE.format(agent="ppo"),
    "walkforward",
    work,
    console.Commands,
)
study.add_agents(app, "Folds", WalkForwardConfig, EXAMPLE, work)
