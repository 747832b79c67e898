"""`tradebot signal RUN`: what the agent would hold at the next open."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from tradebot.cli import console
from tradebot.cli.flags import with_flags
from tradebot.prices.reading import ReadConfig

if TYPE_CHECKING:
    from tradebot.api import Signal
    from tradebot.api.signalling import Standing

RUN = typer.Argument(help="A run: its folder, or its name under runs/", metavar="RUN")
SYMBOLS = typer.Option(help="Symbols to decide on (default: the run's)", show_default=False)
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
    *,
    settings: dict[str, Any],
) -> None:
    """What a run would hold at the next open, given the latest bar.

    Example: tradebot signal my-run
    """
    from tradebot import api

    with console.progress_bar("deciding"):
        found = api.signal(run, symbols=symbols, data=data, start=start, **settings)
    for line in filter(None, (found.warning, found.doubts)):
        console.complain(line)
    if json:
        console.print_json(found.to_dict())
    else:
        _print(found)


command = with_flags(signal, {"Price file (default: as the run read its own)": ReadConfig})


def _print(found: Signal) -> None:
    from tradebot.prices.dates import spelled

    several = len(found.symbols) > 1
    alone = len(found.members) == len(found.ensemble)
    rows = [_row(account, several) for account in (*(() if alone else found.ensemble), *found.members)]
    columns = ["account", *["symbol"] * several, "asks for", "holds", "order"]
    console.print_table(f"{found.run} on {', '.join(found.symbols)}", columns, rows)
    print(f"Orders would be filled at the next open after {spelled(found.as_of)}.")
    where = f"{found.origin}{' (in-sample)' * found.in_sample}"
    print(f"The accounts began flat on {spelled(found.start)}, {where}.")


def _row(account: Standing, with_symbol: bool) -> list[str]:
    """Weights in percent of equity."""
    asked = "nothing" if account.request is None else f"{100 * account.request:z.1f}%"
    symbol = [account.symbol] * with_symbol
    return [account.name, *symbol, asked, f"{100 * account.weight:z.1f}%", account.order]
