"""`tradebot demo`: the main job on the shipped sample."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tradebot.cli import console

OUT = typer.Option(help="New folder to write to; demo-2, demo-3 ... if it is there already")


def demo(out: Annotated[Path, OUT] = Path("demo")) -> None:
    """Train DQN, PPO and A2C on AAPL until 2009, test them on 2010-2013 beside the baselines, write a report.

    Example: tradebot demo
    """
    from tradebot import api

    with console.progress_bar() as progress:
        made = api.demo(out, progress)
    from rich.console import Console

    from tradebot.report import tables, verdict

    for result in made.results:
        if result.verdict:
            print(verdict.paragraph(result.backtest, result.verdict) + "\n")
    Console().print(tables.summary([result.backtest for result in made.results]))
    print(f"Report: {made.page}")
