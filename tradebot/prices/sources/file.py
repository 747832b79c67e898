"""Bars from a CSV or Parquet file of prices. What the file is, its content says, not its name."""

from __future__ import annotations

import gzip
import io
import re
import zlib
from pathlib import Path

import pandas as pd

from tradebot.core import InputError
from tradebot.prices.bars import Bars
from tradebot.prices.layouts import SPELLINGS, canonical, tidy

_PARQUET, _GZIP = b"PAR1", b"\x1f\x8b"
_MARKUP = re.compile(r"\s*<(!doctype|html|head|body|\?xml)\b", re.IGNORECASE)


def read(path: str | Path, *, adjusted: bool = True) -> Bars:
    """The bars in a CSV (split by , ; or tabs, UTF-8, perhaps gzipped) or Parquet file of any layout.

    A table without a symbol column is named after the file: aapl.csv holds AAPL. With an adj_close column and
    `adjusted` prices are scaled by adj_close / close, see `Bars.from_frame`. InputError says what is wrong,
    and where.
    """
    path = Path(path)
    return Bars.from_frame(_frame(path), source=str(path), symbol=_symbol(path), adjusted=adjusted)


def table(path: str | Path) -> pd.DataFrame:
    """All rows of the file as a long table, raw: date, symbol, open .. volume, adj_close if it is there."""
    path = Path(path)
    try:
        return tidy(_frame(path), symbol=_symbol(path), place=f"{path}: ")
    except UnicodeError as error:
        raise InputError(f"{path}: cells must be numbers, dates or text in UTF-8 ({error})") from None


def _frame(path: Path) -> pd.DataFrame:
    content = _content(path)
    try:
        return _parquet(content) if content.startswith(_PARQUET) else _csv(content)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None


def _symbol(path: Path) -> str:
    """Whose prices these are where the table does not say it."""
    return Path(path.name.removesuffix(".gz")).stem.upper()


def _content(path: Path) -> bytes:
    """What is in the file, unpacked."""
    try:
        content = path.read_bytes()
        return gzip.decompress(content) if content.startswith(_GZIP) else content
    except IsADirectoryError:
        raise InputError(f"{path}: is a folder, give a CSV or Parquet file in it") from None
    except FileNotFoundError:
        raise InputError(f"{path}: there is no such file") from None
    except (OSError, EOFError, ValueError, zlib.error) as error:
        raise InputError(f"{path}: cannot be read ({getattr(error, 'strerror', None) or error})") from None


def _parquet(content: bytes) -> pd.DataFrame:
    try:
        return pd.read_parquet(io.BytesIO(content))
    except Exception as error:  # a damaged file fails anywhere inside the reader, in any way
        raise InputError(f"not a readable Parquet file ({_one_line(error)})") from None


def _csv(content: bytes) -> pd.DataFrame:
    """Every cell as text, so that a symbol "TRUE" or "000001" stays what it is; empty cells are missing."""
    text = _text(content)
    lines = text.split("\n", 3)
    separator = max(",;\t", key=lines[0].count)
    try:
        return pd.read_csv(
            io.StringIO(text),
            sep=separator,
            header=[0, 1] if _has_two_headers(lines, separator) else 0,
            index_col=0 if _has_two_headers(lines, separator) else None,
            dtype="str",
            keep_default_na=False,
            na_values=[""],
            skipinitialspace=True,
        )
    except (ValueError, LookupError, TypeError) as error:  # ParserError and EmptyDataError are ValueErrors
        raise InputError(f"not a readable CSV table ({_one_line(error)})") from None


def _text(content: bytes) -> str:
    if not content.strip():
        raise InputError("the file is empty")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise InputError(
            "neither Parquet nor text in UTF-8; prices are read from CSV and Parquet files"
        ) from None
    if "\0" in text:
        raise InputError("a binary file, not Parquet; prices are read from CSV and Parquet files")
    if _MARKUP.match(text):
        raise InputError("a web page, not a table; download the CSV or Parquet file itself")
    return text


def _has_two_headers(lines: list[str], separator: str) -> bool:
    """yfinance writes a line of fields, a line of symbols and a line with nothing but `Date`."""
    first, *others = lines[2].split(separator) if len(lines) > 2 else [""]
    return canonical(first) in SPELLINGS["date"] and not "".join(others).strip()


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:150]
