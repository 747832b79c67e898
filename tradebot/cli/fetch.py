"""`tradebot fetch SYMBOL...`: get prices and keep them for the other commands."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tradebot.cli import console
from tradebot.cli.flags import with_flags
from tradebot.config import counted
from tradebot.prices.reading import ReadConfig, told

if TYPE_CHECKING:
    from tradebot.api import FetchResult
    from tradebot.api.fetching import Fetched

PARTIAL = 3
SHOWN = 10  # symbols with the same fault that are named
SYMBOLS = typer.Argument(
    help="Symbols as the source spells them: AAPL MSFT ^GSPC BTC-USD (a file: default all of its symbols)",
    metavar="SYMBOL",
    show_default=False,
)
START = typer.Option(help="First date, month or year (default: the first that there is)")
END = typer.Option(help="Last date, month or year, included (default: today)")
INTERVAL = typer.Option(
    help="Time between bars: 1m 2m 5m 15m 30m 90m 1h 1d 5d 1wk 1mo 3mo (default: 1d; of a file or the sample:"
    " its own). Yahoo keeps 1m for a week, 1h for two years, the others within the day for 60 days"
)
SOURCE = typer.Option(help="yahoo, sample (what is shipped), or file (with --file)")
FILE = typer.Option(help="The price file (CSV or Parquet) of --source file")
REFRESH = typer.Option("--refresh", help="Replace what is stored instead of extending it")
CACHE = typer.Option(
    help="Folder to keep prices in; other commands find it through TRADEBOT_CACHE"
    " (default: that variable, else the system's cache)"
)
TIMEOUT = typer.Option(help="Seconds to wait for each answer, and before it is asked for again at the most")
JOBS = typer.Option(help="Symbols to ask for at once (default: 4 of yahoo)", show_default=False)


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
    jobs: Annotated[int | None, JOBS] = None,
    json: console.Json = False,
    *,
    settings: dict[str, Any],
) -> None:
    """Get prices and keep them: --symbols of the other commands finds them, before the shipped sample.

    What is stored already is extended by what is missing, replaced if the
    source adjusted its prices anew (after a dividend or split), and stays
    when something fails.
    Exit code: 0 all symbols are stored, 3 some are, 1 none because of the
    network, the server or the disk, 2 wrong use or no such prices.

    Example: tradebot fetch AAPL MSFT --start 2015
    """
    from tradebot import api

    done = []  # after each symbol: how many are done, of how many

    with console.progress_bar("fetching") as progress:

        def tell(*news: Any) -> None:
            done.append(news[:2])
            progress(*news)

        try:
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
                jobs=jobs,
                progress=tell,
                **settings,
            )
        except KeyboardInterrupt:
            if not done:
                raise
            count = f"{done[-1][0]:,} of {done[-1][1]:,} symbols"
            raise console.Stopped(
                f"stopped after {count}, which are kept: the same command goes on"
            ) from None
    if json:
        console.print_json(result.to_dict())
    else:
        _print(result)
    for error, who in _by_error(result).items():
        more = f" and {len(who) - SHOWN:,} more" if len(who) > SHOWN else ""
        console.complain(f"{', '.join(who[:SHOWN])}{more}: {error}")
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
    parts = [
        f"dropped {counted(one.dropped, 'row')} without prices"
        if one.dropped and one.status != "failed"
        else "",
        f"asked again {one.retries} x" if one.retries else "",
        "what is stored stays" if one.status == "failed" and one.rows else "",
        one.note,
    ]
    return "; ".join(part for part in parts if part)


def _by_error(result: FetchResult) -> dict[str, list[str]]:
    """What went wrong -> whose it is."""
    found: dict[str, list[str]] = {}
    for one in result.failed:
        found.setdefault(one.error, []).append(one.symbol)
    return found


def _code(result: FetchResult) -> int:
    failed = result.failed
    if not failed:
        return 0
    if len(failed) < len(result.symbols):
        return PARTIAL
    return 2 if all(one.is_input for one in failed) else 1
