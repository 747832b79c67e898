"""`tradebot fetch SYMBOL...`: get prices and keep them for the other commands."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tradebot.cli import console
from tradebot.cli.flags import with_flags
from tradebot.prices.reading import ReadConfig, told

if TYPE_CHECKING:
    from tradebot.api import FetchResult
    from tradebot.api.fetching import Fetched

PARTIAL = 3
SYMBOLS = typer.Argument(
    help="Symbols as the source spells them: AAPL MSFT ^GSPC BTC-USD (a file: default all of its symbols)",
    metavar="SYMBOL",
    show_default=False,
)
START = typer.Option(help="First date, month or year (default: the first that there is)")
END = typer.Option(help="Last date, month or year, included (default: today)")
INTERVAL = typer.Option(
    help="Time between bars: 1m 5m 15m 30m 1h 1d 1wk 1mo (default: 1d; of a file or the sample: its own)"
)
SOURCE = typer.Option(help="yahoo, sample (what is shipped), or file (with --file)")
FILE = typer.Option(help="The price file (CSV or Parquet) of --source file")
REFRESH = typer.Option("--refresh", help="Replace what is stored, even if damaged, instead of extending it")
CACHE = typer.Option(
    help="Folder to keep prices in; other commands find it through TRADEBOT_CACHE"
    " (default: that variable, else the system's cache)"
)
TIMEOUT = typer.Option(help="Seconds to wait for each answer")


def fetch(
    symbols: Annotated[list[str] | None, SYMBOLS] = None,
    start: Annotated[str | None, START] = None,
    end: Annotated[str | None, END] = None,
    interval: Annotated[str | None, INTERVAL] = None,
    source: Annotated[str, SOURCE] = "yahoo",
    file: Annotated[Path | None, FILE] = None,
    refresh: Annotated[bool, REFRESH] = False,
    cache_dir: Annotated[Path | None, CACHE] = None,
    timeout: Annotated[float, TIMEOUT] = 10.0,
    json: console.Json = False,
    *,
    settings: dict[str, Any],
) -> None:
    """Get prices and keep them: --symbols of the other commands finds them, before the shipped sample.

    What is stored already is extended, and stays when something fails.
    Exit code: 0 all symbols are stored, 3 some are, 1 none because of the
    network, the server or the disk, 2 wrong use or no such prices.

    Example: tradebot fetch AAPL MSFT --start 2015
    """
    from tradebot import api

    with console.progress_bar("fetching") as progress:
        result = api.fetch(
            [part for word in symbols or () for part in word.split(",")],
            source=source,
            start=start,
            end=end,
            interval=interval,
            path=file,
            refresh=refresh,
            cache_dir=cache_dir,
            timeout=timeout,
            progress=progress,
            **settings,
        )
    if json:
        console.print_json(result.to_dict())
    else:
        _print(result)
    for one in result.failed:
        console.complain(f"{one.symbol}: {one.error}")
    raise typer.Exit(_code(result))


command = with_flags(fetch, {"Price file (--source file)": ReadConfig})


def _print(result: FetchResult) -> None:
    if result.columns:
        print(told(result.columns))
    rows = [
        [one.symbol, one.status, f"{one.rows:,}" if one.rows else "", one.start, one.end, _note(one)]
        for one in result.symbols
    ]
    header = ["symbol", "what happened", "rows stored", "from", "to", "note"]
    console.print_table(f"Prices from {result.source}", header, rows)


def _note(one: Fetched) -> str:
    if one.status == "failed":
        return "what is stored stays" if one.rows else ""
    return f"{one.dropped:,} rows without prices dropped" if one.dropped else ""


def _code(result: FetchResult) -> int:
    failed = result.failed
    if not failed:
        return 0
    if len(failed) < len(result.symbols):
        return PARTIAL
    return 2 if all(one.is_input for one in failed) else 1
