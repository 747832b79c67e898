"""`tradebot report RUN`: where the page is, opened if wished."""

from __future__ import annotations

from typing import Annotated

import typer

from tradebot.cli import backtest, console

RUN = typer.Argument(help="A run: its folder, or its name under runs/", metavar="RUN")
OPEN = typer.Option("--open", help="Open the page in the browser")


def report(run: Annotated[str, RUN], open_: Annotated[bool, OPEN] = False) -> None:
    """Print where the page of a run's latest backtest is.

    A run that was never backtested is tested first, on the prices after its training: that is a look at them,
    and goes on record in the ledger as with `tradebot backtest`.

    Example: tradebot report my-run --open
    """
    from tradebot import api
    from tradebot.api import reporting

    opened = api.open_run(run)
    page = reporting.latest(opened)
    if page is None:
        with console.progress_bar("backtesting"):
            result = reporting.first_test(opened)
        backtest.complain_of(result)
        backtest.print_verdict(result)
        page = result.files["report.html"]
    print(page)
    if open_:
        typer.launch(str(page))
