"""`tradebot ledger [seal]`: what was tried on unseen prices, and what is kept for the end."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated

import typer

from tradebot.cli import console

if TYPE_CHECKING:
    from tradebot.api import LedgerResult

SYMBOLS = typer.Option(help="Only these symbols, separated by commas (default: all)", show_default=False)
SEAL = typer.Option("--seal", help="Seal all prices from this day on, as `ledger seal` does", metavar="DATE")
DATE = typer.Argument(help="First day that is sealed", metavar="DATE")


def ledger(
    ctx: typer.Context,
    symbols: Annotated[str, SYMBOLS] = "",
    first_sealed: Annotated[str, SEAL] = "",
    json: console.Json = False,
) -> None:
    if ctx.invoked_subcommand:
        return
    if first_sealed:
        seal(first_sealed, symbols, json)
        return
    from tradebot import api

    found = api.ledger(symbols)
    if json:
        console.print_json(found.to_dict())
        return
    if found.trials:
        title = f"{len(found.trials):,} trials, {found.looks:,} looks"
        header = ["latest look", "what", "symbols", "from", "to", "seeds", "looks", "Sharpe"]
        console.print_table(title, header, _rows(found))
    else:
        print(f"Nothing on record{f' of {symbols}' * bool(symbols)} yet")
    for kept in found.seals:
        state = f"opened by {kept.opened}" if kept.opened else "not opened"
        print(f"Sealed on {kept.time[:10]}: {kept}; {state}")
    print(f"Ledger: {found.path}")


app = console.group(
    "Every test on prices that were not trained on, for the best of many is no surprise."
    " The same trial looked at again counts as another look; Sharpe ratios are per year.",
    "tradebot ledger --symbols AAPL",
    callback=ledger,
)


@app.command()
def seal(
    date: Annotated[str, DATE], symbols: Annotated[str, SYMBOLS] = "", json: console.Json = False
) -> None:
    """Keep all prices from a day on for the end: tests on them are refused, but for one, which is recorded.

    Example: tradebot ledger seal 2012-01-01 --symbols AAPL
    """
    from tradebot import api

    made, looks = api.seal(date, symbols)
    if json:
        console.print_json({"start": made.start, "symbols": list(made.symbols), "looks": looks})
        return
    print(f"Sealed: {made}")
    if looks:
        print(f"Not fresh any more: {looks:,} test{'s' * (looks > 1)} on record saw some of these prices")


def _rows(found: LedgerResult) -> list[list[str]]:
    return [
        [
            trial["date"][:10],
            trial["name"] if trial["kind"] == "backtest" else f"{trial['name']} ({trial['kind']})",
            ", ".join(trial["symbols"]),
            trial["start"][:10],
            trial["end"][:10],
            str(len(trial["seeds"]) or ""),
            f"{trial['looks']:,}",
            "-" if math.isnan(trial["sharpe"]) else f"{trial['sharpe']:.2f}",
        ]
        for trial in found.to_dict()["trials"]
    ]
