"""`tradebot signal RUN`: what the agent would hold at the next open."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from tradebot.cli import console

if TYPE_CHECKING:
    from tradebot.api import Signal
    from tradebot.api.signalling import Standing

RUN = typer.Argument(help="A run: its folder, or its name under runs/", metavar="RUN")
SYMBOLS = typer.Option(help="Symbol to decide on (default: the run's)", show_default=False)
DATA = typer.Option(
    help="'sample', a price file or a synthetic market (default: the run's)", show_default=False
)
START = typer.Option(help="Date at which the accounts begin (default: the bar after the run's training)")


def signal(
    run: Annotated[str, RUN],
    symbols: Annotated[str, SYMBOLS] = "",
    data: Annotated[str, DATA] = "",
    start: Annotated[str | None, START] = None,
    json: console.Json = False,
) -> None:
    """What a run would hold at the next open, given the latest bar.

    Example: tradebot signal my-run
    """
    from tradebot import api

    with console.progress_bar("deciding"):
        found = api.signal(run, symbols=symbols, data=data, start=start)
    if found.warning:
        console.complain(found.warning)
    if json:
        console.print_json(found.to_dict())
    else:
        _print(found)


def _print(found: Signal) -> None:
    from tradebot.prices.dates import spelled

    accounts = [found.ensemble, *found.members] if len(found.members) > 1 else found.members
    rows = [_row(account) for account in accounts]
    console.print_table(f"{found.run} on {found.symbol}", ["account", "asks for", "holds", "order"], rows)
    print(f"Orders would be filled at the next open after {spelled(found.as_of)}.")
    where = f"{found.origin}{' (in-sample)' * found.in_sample}"
    print(f"The accounts began flat on {spelled(found.start)}, {where}.")


def _row(account: Standing) -> list[str]:
    """Weights in percent of equity."""
    asked = "nothing" if account.request is None else f"{100 * account.request:z.1f}%"
    return [account.name, asked, f"{100 * account.weight:z.1f}%", account.order]
