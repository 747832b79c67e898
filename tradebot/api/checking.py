"""Check prices by name, draw what was found, and repair what leaves no doubt."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from tradebot import files
from tradebot.api import prices
from tradebot.config import build
from tradebot.core import InputError
from tradebot.market import synthetic
from tradebot.prices import quality
from tradebot.prices.bars import Bars
from tradebot.prices.layouts import Tidy
from tradebot.prices.quality import Finding
from tradebot.prices.reading import ReadConfig
from tradebot.prices.repair import repair as repaired


class Checked(NamedTuple):
    """Prices and what was found in them."""

    name: str  # as it was given
    table: pd.DataFrame  # long: date, symbol, open .. volume
    findings: tuple[Finding, ...]  # errors first
    bars: Bars | None  # where the errors let there be some
    columns: dict[str, str]  # of a file, how each was read

    @property
    def ok(self) -> bool:
        """Whether no error was found."""
        return not quality.errors(self.findings)

    @property
    def fault(self) -> str:
        """The errors in a line; empty if there are none."""
        wrong = quality.errors(self.findings)
        return f"{self.name}: {quality.summary(wrong)}" if wrong else ""


def check(name: str, source: str = "", exchange: str = "", **reading: Any) -> Checked:
    """Of a price file or a symbol; `reading` as for `load`. InputError for what are no prices at all."""
    symbols, source = prices.named(name, source)
    if source.startswith(synthetic.PREFIX):
        return Checked(name, pd.DataFrame(), (), prices.load(source=source), {})
    return _checked(name, prices.rows(symbols, source, build(ReadConfig, reading)), exchange)


def repair(found: Checked, out: Path, exchange: str = "") -> tuple[tuple[str, ...], Checked]:
    """Write `out`, CSV or Parquet by its suffix: what was done, and what is left. Never over another file.

    Raises InputError for another suffix, and for a file that exists.
    """
    if out.suffix not in (".csv", ".parquet"):
        raise InputError(f"--repair {out}: the name must end in .csv or .parquet")
    if out.exists():
        raise InputError(f"--repair {out}: exists already, and nothing is written over")
    if found.table.empty:
        raise InputError(f"{found.name} is a formula: there is nothing to repair")
    table, done = repaired(found.table, exchange)
    content = io.BytesIO()
    if out.suffix == ".csv":
        table.to_csv(content, index=False)
    else:
        table.to_parquet(content, index=False)
    files.write_bytes(out, content.getvalue())
    return done, _checked(str(out), Tidy(table, found.columns), exchange)


def draw(found: Checked, out: Path) -> None:
    """Write a PNG. Raises InputError for another suffix or without prices."""
    if out.suffix != ".png":
        raise InputError(f"--picture {out}: the name must end in .png")
    if found.table.empty:
        raise InputError(f"{found.name} is a formula: there is nothing to draw")
    from tradebot.report import checked, plots

    files.write_bytes(out, plots.png(checked.figure(found.table, found.findings)))


def about(table: pd.DataFrame) -> dict[str, Any]:
    """What can be said of rows that are no Bars."""
    dates = table["date"]
    return {
        "symbol": ", ".join(table["symbol"].unique()),
        "start": dates.min().isoformat(),
        "end": dates.max().isoformat(),
        "bars": int(dates.nunique()),
        "missing": {},
        "periods_per_year": None,
        "source": "",
    }


def _checked(name: str, read: Tidy, exchange: str) -> Checked:
    findings = tuple(quality.check(read.rows, exchange))
    try:
        bars = Bars.from_frame(read.rows, source=name)
    except InputError:
        if not quality.errors(findings):
            raise
        bars = None
    return Checked(name, read.rows, findings, bars, read.columns)
