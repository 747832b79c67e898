"""`tradebot backtest RUN_OR_RULE`: what it earned, beside the baselines, after costs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from tradebot.cli import console
from tradebot.cli.flags import with_flags
from tradebot.market.costs import Costs


def backtest(
    run_or_rule: Annotated[
        str, typer.Argument(help="A run (folder or name) or a rule: buy_and_hold, flat, sma_cross, momentum, mean_reversion, random")
    ],
    symbols: Annotated[str, typer.Option(help="Symbol to trade (default: the run's)")] = "",
    data: Annotated[str, typer.Option(help="A price file or a synthetic market (default: the run's)")] = "",
    start: Annotated[str | None, typer.Option(help="First date (default: the bar after the run's training)")] = None,
    end: Annotated[str | None, typer.Option(help="Last date, included (default: the last bar)")] = None,
    cash: Annotated[float | None, typer.Option(help="Cash at the start (default: the run's)")] = None,
    baselines: Annotated[str | None, typer.Option(help="Rules to compare with, separated by commas (default: all)")] = None,
    out: Annotated[Path | None, typer.Option(help="Folder to write to (default: in the run's folder)")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else")] = False,
    *,
    settings: dict[str, Any],
) -> None:
    """Backtest a run or a rule, by default on the prices after its training.

    Example: [bold]tradebot backtest runs/my-run --start 2010-01-01[/bold]
    """
    from tradebot import api

    with console.progress_bar("backtesting"):
        result = api.backtest(
            run_or_rule,
            symbols=_names(symbols),
            data=data,
            start=start,
            end=end,
            cash=cash,
            baselines=None if baselines is None else _names(baselines),
            out=out,
            command=console.command_line(),
            **settings,
        )
    if json:
        console.print_json(result.to_dict())
        return
    from rich.console import Console

    from tradebot.report import tables

    Console().print(tables.summary([result.backtest]))
    print(f"Report: {result.files['report.html']}")


def _names(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


command = with_flags(backtest, {"Costs (default: the run's)": Costs})
