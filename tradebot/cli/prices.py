"""`tradebot prices list|show|check|resample`: what prices there are, and whether a file can be used."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tradebot.cli import console
from tradebot.cli.flags import with_flags
from tradebot.config import build
from tradebot.core import InputError
from tradebot.prices.reading import ReadConfig, told

if TYPE_CHECKING:
    from tradebot.prices.bars import Bars

app = console.group(
    "Prices: what there is, and whether a file can be used.", "tradebot prices check prices.csv"
)
ROWS = 10  # of which half are the first and half the last bars
SYMBOL = typer.Argument(
    help="A symbol (fetched or of the sample), a price file or a synthetic market", metavar="SYMBOL"
)
PATH = typer.Argument(help="A price file or a symbol (fetched or of the sample)", metavar="PATH_OR_SYMBOL")
INTERVAL = typer.Argument(help="Time between the new bars: 5m, 4h, 1d, 1wk, 1mo, 3mo ...", metavar="INTERVAL")
OUT = typer.Option(help="New file to write: CSV, or Parquet if it is called .parquet")
DAY_ZONE = typer.Option(help="Time zone by whose clock a day ends, e.g. America/New_York")
KEEP_PARTIAL = typer.Option("--keep-partial", help="Keep a first or last bar that the data do not fill")
DATA = typer.Option(help="Where the symbol is from: yahoo, yahoo:1h ..., file or sample", show_default=False)


@app.command("list")
def list_(json: console.Json = False) -> None:
    """What was fetched, and the symbols of the shipped sample.

    Example: tradebot prices list
    """
    from tradebot import api
    from tradebot.prices.sources import sample

    shipped = [_about(api.load(symbol, "sample")) for symbol in sample.symbols()]
    fetched = _fetched()
    if json:
        console.print_json({"fetched": fetched, "symbols": shipped})
        return
    header = ["symbol", "from", "to", "bars", "bars a year"]
    if fetched:
        rows = [[*_cells(row), row["data"], row["fetched"][:10]] for row in fetched]
        console.print_table("Fetched", [*header, "--data", "fetched"], rows)
    console.print_table("The shipped sample", header, [_cells(row) for row in shipped])


def show(
    symbol: Annotated[str, SYMBOL],
    data: Annotated[str, DATA] = "",
    json: console.Json = False,
    *,
    settings: dict[str, Any],
) -> None:
    """What is known of a symbol: its span and its first and last bars.

    Example: tradebot prices show AAPL
    """
    bars, columns = _named(symbol, data, settings)
    if json:
        console.print_json({**_about(bars), "fingerprint": bars.fingerprint, "columns": columns or None})
        return
    if columns:
        print(told(columns))
    print(bars)
    print(bars.to_frame().to_string(max_rows=ROWS))


def check(
    path_or_symbol: Annotated[str, PATH],
    data: Annotated[str, DATA] = "",
    json: console.Json = False,
    *,
    settings: dict[str, Any],
) -> None:
    """Read prices and check them: exit code 2 and the first fault if they cannot be used.

    Example: tradebot prices check prices.csv
    """
    bars, columns = _named(path_or_symbol, data, settings)
    if json:
        console.print_json({"ok": True, **_about(bars), "columns": columns or None})
        return
    if columns:
        print(told(columns))
    print(f"{path_or_symbol}: {len(bars):,} bars of {', '.join(bars.symbols)}, {bars.span}: usable")
    if lacking := _about(bars)["missing"]:
        counts = ", ".join(f"{count:,} of {symbol}" for symbol, count in lacking.items())
        print(f"Missing, so held at the last close: {counts}")


def resample(
    path_or_symbol: Annotated[str, PATH],
    interval: Annotated[str, INTERVAL],
    out: Annotated[Path, OUT],
    data: Annotated[str, DATA] = "",
    day_zone: Annotated[str, DAY_ZONE] = "UTC",
    keep_partial: Annotated[bool, KEEP_PARTIAL] = False,
    json: console.Json = False,
    *,
    settings: dict[str, Any],
) -> None:
    """Make longer bars of shorter ones and write them to a file that --data takes.

    Example: tradebot prices resample BTC-USD 1d --out btc-daily.csv
    """
    from tradebot.prices.resample import resample

    if out.exists():
        raise InputError(f"{out}: is there already, choose another --out")
    bars, columns = _named(path_or_symbol, data, settings)
    made, partial = resample(bars, interval, zone=day_zone, keep_partial=keep_partial)
    _write(made, out)
    if json:
        about = {"path": str(out), "partial": list(partial), "kept_partial": keep_partial}
        console.print_json({**_about(made), **about, "columns": columns or None})
        return
    if columns:
        print(told(columns))
    adjusted = "adjusted" if made.adjusted else "raw"
    print(f"{out}: {len(made):,} {adjusted} bars of {made.who}, {made.span}, out of {len(bars):,}")
    if partial:
        print(
            f"{'Kept' if keep_partial else 'Left out'}, for the data do not fill them: {', '.join(partial)}"
        )


for _command in (show, check, resample):
    app.command(_command.__name__)(with_flags(_command, {"Price file": ReadConfig}))


def _named(name: str, data: str, reading: dict[str, Any]) -> tuple[Bars, dict[str, str]]:
    """What was fetched is a symbol; else what looks like a file or a synthetic market is one.

    With them, of a file, how each column was read.
    """
    from tradebot import api
    from tradebot.market.synthetic import PREFIX
    from tradebot.prices import store
    from tradebot.prices.bars import Bars
    from tradebot.prices.sources import file

    if data or store.holding(store.root(), [name]):
        return api.load((name,), data), {}
    if name.startswith(PREFIX):
        return api.load(source=name), {}
    if not (Path(name).exists() or "/" in name or "." in name):
        return api.load(name), {}
    read = file.tidy(name, build(ReadConfig, reading))
    return Bars.from_frame(read.rows, source=name), read.columns


def _write(bars: Bars, path: Path) -> None:
    from tradebot import files

    frame = bars.to_frame()
    if len(bars.symbols) == 1:
        frame = frame.assign(symbol=bars.symbols[0]).reset_index()
    is_parquet = path.suffix.lower() == ".parquet"
    content = frame.to_parquet(index=False) if is_parquet else frame.to_csv(index=False).encode()
    files.write_bytes(path, content)


def _fetched() -> list[dict[str, Any]]:
    """What is stored; a damaged file must not hide the others."""
    from tradebot.prices import store

    rows = []
    for path in store.entries(store.root()):
        try:
            stored = store.read(path)
            about = _about(store.bars([stored]))
        except InputError as error:
            console.complain(str(error))
            continue
        fetched = stored.fetched.isoformat()
        rows.append({**about, "data": stored.data, "fetched": fetched, "path": str(path)})
    return rows


def _about(bars: Bars) -> dict[str, Any]:
    return {
        "symbol": ", ".join(bars.symbols),
        "start": bars.timestamps[0].item().isoformat(),
        "end": bars.timestamps[-1].item().isoformat(),
        "bars": len(bars),
        "missing": {s: int(n) for s, n in zip(bars.symbols, bars.missing.sum(axis=0), strict=True) if n},
        "periods_per_year": bars.periods_per_year,
        "source": bars.source,
    }


def _cells(row: dict[str, Any]) -> list[str]:
    year = f"{row['periods_per_year']:g}"
    return [row["symbol"], row["start"][:10], row["end"][:10], f"{row['bars']:,}", year]
