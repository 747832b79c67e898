"""Text with a table in it: its encoding, what parts its cells, lines before the header, or no header."""

from __future__ import annotations

import io
import re
from collections import Counter
from typing import NamedTuple

import pandas as pd

from tradebot.core import InputError
from tradebot.prices.columns import SPELLINGS, canonical

CELLS = 200_000_000  # that a table may have
_COLUMNS = 40_000
_NAMESAKES = 1_000  # columns of one name; the time to tell them apart grows with their square
_SEPARATORS = ";\t|,"  # where as many are in the header, the first: commas part digits too
_NAMED = {";": "';'", "\t": "tabs", "|": "'|'", ",": "','"}
_MARKUP = re.compile(r"\s*<(!doctype|html|head|body|\?xml)\b", re.IGNORECASE)
_EXCEL = re.compile(r"sep=(.)", re.IGNORECASE)  # a first line that tells Excel the separator
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0e-\x1f\x7f-\x9f]")
_MOMENT = re.compile(
    r"\d{4}[-/.]?\d\d[-/.]?\d\d([ T].*)?|\d\d?[-/.]\d\d?[-/.]\d{4}.*|\d{10}|\d{13}|\d{16}|\d{19}"
)
_CLOCK = re.compile(r"\d\d?:\d\d(:\d\d)?")
_NUMBER = re.compile(r"[-+]?[\d.,]*\d[\d.,]*(e[-+]?\d+)?", re.IGNORECASE)
_UNNAMED = ("open", "high", "low", "close", "volume")  # the order of tables without a header
_ENOUGH = 4  # separators in a line of a table: date, open, high, low, close
_LOOKED_AT = 20  # lines in which a table must begin


class Delimited(NamedTuple):
    frame: pd.DataFrame  # every cell as text, so that a symbol "TRUE" or "000001" stays what it is
    note: str  # how the text was read, to be read by a person


def parse(content: bytes) -> Delimited:
    """The table in `content`; empty cells are missing. Raises InputError if there is none."""
    text, notes = _decoded(content)
    lines = text.split("\n", _LOOKED_AT)[:_LOOKED_AT]
    start, separator = _start(lines)
    notes += [f"parted by {_NAMED.get(separator, repr(separator))}"]
    notes += [f"{start} line{'s' * (start > 1)} before the header left out"] if start else []
    lines, text = lines[start:], text.split("\n", start)[-1]
    has_two_headers = _has_two_headers(lines, separator)
    names = None if has_two_headers else _names(lines[0], separator)
    notes += [f"no header: taken for {', '.join(names)}"] if names else []
    _check_size(text, lines[:2], separator)
    try:
        frame = pd.read_csv(
            io.StringIO(text),
            sep=separator,
            header=[0, 1] if has_two_headers else None if names else 0,
            names=names,
            index_col=0 if has_two_headers else False if names else None,
            dtype="str",
            keep_default_na=False,
            na_values=[""],
            skipinitialspace=True,
        )
    except (ValueError, LookupError, TypeError) as error:  # ParserError and EmptyDataError are ValueErrors
        reason = " ".join(str(error).split())[:150]
        raise InputError(f"not a readable CSV table ({reason})") from None
    return Delimited(frame, ", ".join(notes))


def _decoded(content: bytes) -> tuple[str, list[str]]:
    if not content.strip():
        raise InputError("the file is empty")
    text, notes = None, []
    encodings = (
        ["utf-16"] if content[:2] in (b"\xff\xfe", b"\xfe\xff") else ["utf-8-sig", "cp1252", "latin-1"]
    )
    for encoding in encodings:
        try:
            text = content.decode(encoding)
        except UnicodeDecodeError:
            continue
        notes = [] if encoding == "utf-8-sig" else [encoding.upper()]
        break
    if text is None or (notes and _CONTROL.search(text)):
        raise InputError("neither Parquet nor text in UTF-8; prices are read from CSV and Parquet files")
    if "\0" in text:
        raise InputError("a binary file, not Parquet; prices are read from CSV and Parquet files")
    if _MARKUP.match(text):
        raise InputError("a web page, not a table; download the CSV or Parquet file itself")
    return text.replace("\r\n", "\n").replace("\r", "\n"), notes


def _start(lines: list[str]) -> tuple[int, str]:
    """Number of the header's line, and the separator."""
    told = _EXCEL.fullmatch(lines[0].strip())
    if told and len(lines) > 1:
        return 1, told[1]
    is_table = [max(line.count(s) for s in _SEPARATORS) >= _ENOUGH and line[0] != "#" for line in lines]
    start = is_table.index(True) if True in is_table else 0
    has_title = all(line.count(",") < 2 or line.startswith("#") for line in lines[:start])
    start = start if has_title else 0
    return start, max(_SEPARATORS, key=lines[start].count)


def _names(first: str, separator: str) -> list[str] | None:
    """Names for a table whose first line holds a bar already; None if it has names."""
    cells = [cell.strip().strip('"') for cell in first.split(separator)]
    has_clock = len(cells) > 1 and bool(_CLOCK.fullmatch(cells[1]))
    others = cells[1 + has_clock :]
    if not _MOMENT.fullmatch(cells[0]) or len(others) < _ENOUGH or not all(map(_NUMBER.fullmatch, others)):
        return None
    known = [*_UNNAMED, *(f"column {1 + has_clock + i}" for i in range(6, len(others) + 1))]
    return ["date", *["time"] * has_clock, *known[: len(others)]]


def _has_two_headers(lines: list[str], separator: str) -> bool:
    """yfinance writes a line of fields, a line of symbols and a line with nothing but `Date`."""
    first, *others = lines[2].split(separator) if len(lines) > 2 else [""]
    return canonical(first) in SPELLINGS["date"] and not "".join(others).strip()


def _check_size(text: str, heads: list[str], separator: str) -> None:
    """A header of a million cells over lines of none would fill the memory with missing cells."""
    columns = heads[0].count(separator) + 1
    if columns > _COLUMNS:
        raise InputError(f"a table of {columns:,} columns, which no table of prices has")
    if columns > _NAMESAKES:
        pairs = Counter(
            zip(*(f"{line}{separator * columns}".split(separator)[:columns] for line in heads), strict=True)
        )
        if (most := pairs.most_common(1)[0][1]) > _NAMESAKES:
            raise InputError(f"{most:,} columns of one name, which no table of prices has")
    cells = columns * (text.count("\n") + 1)
    written = text.count(separator) + text.count("\n") + 1
    if cells > CELLS or cells > max(10 * written, CELLS // 100):
        raise InputError(f"a table of {cells:,} cells, of which {written:,} are written: no table of prices")
