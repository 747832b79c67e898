"""Bars from a CSV or Parquet file of prices. What the file is, its content says, not its name."""

from __future__ import annotations

import io
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq  # type: ignore[import-untyped]

from tradebot.core import InputError
from tradebot.prices import layouts
from tradebot.prices.bars import Bars
from tradebot.prices.layouts import Tidy
from tradebot.prices.reading import AS_WRITTEN, ReadConfig
from tradebot.prices.sources import delimited
from tradebot.prices.sources.unpack import content

_PARQUET = b"PAR1"


def read(path: str | Path, *, adjusted: bool = True, how: ReadConfig = AS_WRITTEN) -> Bars:
    """The bars in a CSV (parted by , ; | or tabs, perhaps in a gzip or zip) or Parquet file of any layout.

    A table without a symbol column is named after the file: aapl.csv holds AAPL. With an adj_close column and
    `adjusted` prices are scaled by adj_close / close, see `Bars.from_frame`. `how` answers what the text
    leaves open. InputError says what is wrong, and where.
    """
    path = Path(path)
    frame, symbol, _ = _frame(path)
    return Bars.from_frame(frame, source=str(path), symbol=symbol, adjusted=adjusted, how=how)


def table(path: str | Path, how: ReadConfig = AS_WRITTEN) -> pd.DataFrame:
    """All rows of the file as a long table, raw: date, symbol, open .. volume, adj_close if it is there."""
    return tidy(path, how).rows


def tidy(path: str | Path, how: ReadConfig = AS_WRITTEN) -> Tidy:
    """`table`, and how each of its columns was read, the `file` itself first."""
    path = Path(path)
    frame, symbol, note = _frame(path)
    try:
        made = layouts.tidy(frame, symbol=symbol, place=f"{path}: ", how=how)
    except UnicodeError as error:
        raise InputError(f"{path}: cells must be numbers, dates or text in UTF-8 ({error})") from None
    return made._replace(columns={"file": note, **made.columns})


def _frame(path: Path) -> tuple[pd.DataFrame, str, str]:
    """The table, whose prices it holds where it does not say so, and how it was read."""
    data, name, note = content(path)
    symbol = Path(name.removesuffix(".gz")).stem.upper()
    try:
        if data.startswith(_PARQUET):
            return _parquet(data), symbol, ", ".join(filter(None, ["Parquet", note]))
        made = delimited.parse(data)
        return made.frame, symbol, ", ".join(filter(None, ["text", note, made.note]))
    except InputError as error:
        raise InputError(f"{path}: {error}") from None


def _parquet(data: bytes) -> pd.DataFrame:
    try:
        about = pq.ParquetFile(io.BytesIO(data)).metadata
        cells = about.num_rows * about.num_columns
        frame = pd.read_parquet(io.BytesIO(data)) if cells <= delimited.CELLS else None
    except Exception as error:  # a damaged file fails anywhere inside the reader, in any way
        reason = " ".join(str(error).split())[:150]
        raise InputError(f"not a readable Parquet file ({reason})") from None
    if frame is None:
        raise InputError(f"a table of {cells:,} cells, which no table of prices has")
    return frame
