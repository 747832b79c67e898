"""`tradebot report RUN`: where the page is, opened if wished."""

from __future__ import annotations

from typing import Annotated

import typer

from tradebot.cli import console


def report(
    run: Annotated[str, typer.Argument(help="A run: its folder, or its name under runs/")],
    open_: Annotated[bool, typer.Option("--open", help="Open the page in the browser")] = False,
) -> None:
    """The page of a run's latest backtest; makes one if there is none.

    Example: [bold]tradebot report my-run --open[/bold]
    """
    from tradebot import api

    with console.progress_bar("reporting"):
        page = api.report(run)
    print(page)
    if open_:
        typer.launch(str(page))
