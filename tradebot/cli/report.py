"""`tradebot report RUN`: where the page is, opened if wished."""

from __future__ import annotations

from typing import Annotated

import typer

from tradebot.cli import console

RUN = typer.Argument(help="A run: its folder, or its name under runs/", metavar="RUN")
OPEN = typer.Option("--open", help="Open the page in the browser")


def report(run: Annotated[str, RUN], open_: Annotated[bool, OPEN] = False) -> None:
    """Print where the page of a run's latest backtest is; makes one if there is none.

    Example: tradebot report my-run --open
    """
    from tradebot import api

    with console.progress_bar("reporting"):
        page = api.report(run)
    print(page)
    if open_:
        typer.launch(str(page))
