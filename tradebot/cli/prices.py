"""`tradebot prices list|show|check|resample`: what prices there are, and whether a file can be used."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tradebot.cli import console
from tradebot.cli.flags import with_flags
from tradebot.config import build
from tradebot.core import InputError
from tradebot.files import check_file
from tradebot.prices.reading import ReadConfig, told

if TYPE_CHECKING:
    from tradebot.api.checking import Checked
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
EXCHANGE = typer.Option(
    help="Whose sessions there should be: XNYS, XLON, XTKS ..., 24/7 or 24/5 (default: told by the symbol)",
    show_default=False,
)
PICTURE = typer.Option(help="Draw the prices, with what was found, into this PNG file", show_default=False)
REPAIR = typer.Option(
    help="Write the prices to this new CSV or Parquet file, repaired where there is no doubt, and check that",
    show_default=False,
)
FINDINGS = 40  # lines of the table
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
    exchange: Annotated[str, EXCHANGE] = "",
    picture: Annotated[Path | None, PICTURE] = None,
    repair: Annotated[Path | None, REPAIR] = None,
    json: console.Json = False,
    *,
    settings: dict[str, Any],
) -> None:
    """Look for what is wrong in prices: missing sessions, splits that nobody adjusted for, and much more.

    Exit code 2 if there is an error, with which results would be wrong;
    0 if there are only warnings, which are worth a look.

    Example: tradebot prices check prices.csv --picture prices.png
    """
    from tradebot.api import checking

    for path in filter(None, (picture, repair)):
        check_file(path)
    found = checking.check(path_or_symbol, data, exchange, **settings)
    done: tuple[str, ...] = ()
    if repair:
        done, found = checking.repair(found, repair, exchange)
    about = _about(found.bars) if found.bars else checking.about(found.table)
    if picture:
        checking.draw(found, picture)
    if json:
        repaired = {"repaired": str(repair), "done": done} if repair else {}
        findings = [one.to_dict() for one in found.findings]
        columns = {"columns": found.columns or None}
        console.print_json({"ok": found.ok, **about, **columns, **repaired, "findings": findings})
    else:
        _print_check(found, about, done, repair)
    if picture and not json:
        print(f"Picture: {picture}")
    if not found.ok:
        raise InputError(found.fault)


def _print_check(found: Checked, about: dict[str, Any], done: Sequence[str], repair: Path | None) -> None:
    """How it was read, what was repaired, then what there is, then what was found."""
    if found.columns:
        print(told(found.columns))
    if repair:
        for sentence in done or ("nothing could be repaired without doubt",):
            print(f"Repair: {sentence}")
        print(f"Written: {repair}")
    span = f"{about['start'][:10]} .. {about['end'][:10]}"
    names = about["symbol"].split(", ")
    who = ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
    verdict = "usable" if found.ok else "not usable"
    print(f"{found.name}: {about['bars']:,} bars of {who}, {span}: {verdict}")
    if lacking := about["missing"]:
        counts = ", ".join(f"{count:,} of {symbol}" for symbol, count in lacking.items())
        print(f"Missing, so held at the last close: {counts}")
    if not found.findings:
        return
    rows = [
        [one.severity, one.symbol, one.check, f"{one.count:,}", one.first, one.about]
        for one in found.findings[:FINDINGS]
    ]
    console.print_table("Findings", ["severity", "symbol", "check", "bars", "first", "what it is like"], rows)
    if (more := len(found.findings) - FINDINGS) > 0:
        print(f"{more:,} more findings: --json shows all")


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
    check_file(out)
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
    """The bars of a symbol, a file or a synthetic market, and of a file how each column was read."""
    from tradebot import api
    from tradebot.api import prices
    from tradebot.market.synthetic import PREFIX
    from tradebot.prices.bars import Bars

    symbols, source = prices.named(name, data)
    if symbols or source.startswith(PREFIX):
        return api.load(symbols, source), {}
    read = prices.rows((), source, build(ReadConfig, reading))
    return Bars.from_frame(read.rows, source=source), read.columns


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
