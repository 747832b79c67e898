"""Columns of numbers, however written: $1,234.50, 1.234,50, 1'234.5, 1.23M. A file writes all in one way."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa  # type: ignore[import-untyped]

from tradebot.core import Array, InputError

Sign = Literal["point", "comma"]
Key = tuple[str, str]  # symbol (or blank) and column
_CURRENCY = "$€£¥"
_EMPTY = r"(?i)|nan|n/a|--?"  # what some write into a cell that has nothing; an empty one is missing already
_POWERS = {"k": "e3", "m": "e6", "b": "e9", "t": "e12"}
_BLANKS = " \u00a0\u202f'\u2019_"  # what parts thousands besides the sign that is not the decimal one


class Parsed(NamedTuple):
    """Columns of numbers as float64, NaN where a cell is empty, and where a text is no number."""

    values: dict[Key, Array]
    wrong: dict[Key, Array]  # bool: cells with a text that is no number
    notes: dict[Key, str]  # how they were written, where that is not plain
    texts: dict[Key, pd.Series]  # the cells of columns that were text


def parse(columns: Mapping[Key, pd.Series], decimal: Sign | None, place: str) -> Parsed:
    """Read columns that use the same decimal sign. Raises InputError where it could be either.

    A sign is the decimal one if a cell cannot be read otherwise: 1,5 and 0,123 and 1.234,5 have decimal
    commas, 1,234 may have one. Points alone are decimal ones unless a cell tells otherwise.
    """
    texts = {name: column.astype("str").str.strip() for name, column in columns.items() if _is_text(column)}
    made = Parsed({}, {}, {}, texts)
    plain = {name: _plain(text) for name, text in texts.items()}
    has_comma = any(text.str.contains(",", regex=False).any() for text in texts.values())
    is_odd = any(_wrong(plain[name], text).any() for name, text in texts.items())
    is_plain = decimal != "comma" and not has_comma and not is_odd
    sign: Sign = "point" if is_plain else decimal or _sign(texts, place)
    for name, column in columns.items():
        if name not in texts:
            made.values[name] = column.to_numpy(dtype="float64", na_value=np.nan)
        elif is_plain:
            made.values[name] = plain[name]
        else:
            made.values[name], made.notes[name] = _written(texts[name], sign)
        text = texts.get(name)
        made.wrong[name] = np.zeros(len(column), bool) if text is None else _wrong(made.values[name], text)
    return made


def _is_text(column: pd.Series) -> bool:
    return not pd.api.types.is_any_real_numeric_dtype(column)


def _plain(text: pd.Series) -> Array:
    try:  # ten times as fast, and right where every cell is a number
        cells = pa.array(text, type=pa.string(), from_pandas=True)
        return np.asarray(cells.cast(pa.float64()), dtype="float64")
    except (pa.ArrowInvalid, pa.ArrowTypeError, UnicodeError):
        return pd.to_numeric(text, errors="coerce").to_numpy(dtype="float64", na_value=np.nan)


def _wrong(values: Array, text: pd.Series) -> Array:
    suspects = np.isnan(values) & text.notna().to_numpy()
    if suspects.any():
        suspects[suspects] = ~text[suspects].str.fullmatch(_EMPTY).to_numpy(dtype=bool)
    return suspects


def _sign(texts: Mapping[Key, pd.Series], place: str) -> Sign:
    """The decimal sign that all cells leave. InputError names one that leaves both, or two that differ."""
    found: dict[str, str] = {}
    for name, text in texts.items():
        core = text.str.replace(rf"^[+-]|[{_CURRENCY}{_BLANKS}]|[kKmMbBtT]$|[eE][+-]?\d+$", "", regex=True)
        for what, pattern in _EVIDENCE.items():
            if what not in found and (hits := core.str.fullmatch(pattern, na=False)).any():
                found[what] = f"{text[hits].iloc[0][:40]!r} ({' '.join(name).strip()})"
    if "point" in found and "comma" in found:
        raise InputError(
            f"{place}{found['point']} has a decimal point and {found['comma']} a decimal comma: write all"
            " numbers alike, or say what is right with --decimal point or --decimal comma"
        )
    if "comma" in found:
        return "comma"
    if "either" in found and "point" not in found:
        raise InputError(
            f"{place}{found['either']} may be a thousand or a fraction: say --decimal point if its comma"
            " parts thousands, or --decimal comma if it begins the fraction"
        )
    return "point"


def _evidence(point: str, comma: str) -> str:
    """Cells that can only be read with this sign before the fraction and that one between thousands."""
    fraction = rf"\d*{point}(?!\d{{3}}$)\d*|(?:0\d*|\d{{4,}})?{point}\d{{3}}"
    groups = rf"\d{{1,3}}(?:{comma}\d{{2,3}})"  # 12,34,567: in India thousands go by two
    return rf"{fraction}|{groups}*{comma}\d{{3}}{point}\d*|{groups}+{comma}\d{{3}}"


_EVIDENCE = {
    "point": _evidence(r"\.", ","),
    "comma": _evidence(",", r"\."),
    "either": r"[1-9]\d{0,2},\d{3}",
}


def _written(text: pd.Series, sign: Sign) -> tuple[Array, str]:
    """The numbers, NaN where there is none, and how they were written."""
    point, comma = ("\\.", ",") if sign == "point" else (",", "\\.")
    groups = rf"\d{{1,3}}(?:[{comma}{_BLANKS}]\d{{2,3}})*[{comma}{_BLANKS}]\d{{3}}"
    power, currency = r"(?:[eE][+-]?\d+|\s*[kKmMbBtT])?", rf"\s*[{_CURRENCY}]?"
    pattern = rf"[+-]?{currency}\s*(?:{groups}|\d+)?(?:{point}\d*)?{power}{currency}"
    is_number = text.str.fullmatch(pattern, na=False) & text.str.contains(r"\d", na=False)
    cells = text[is_number]
    notes = [c for c in _CURRENCY if cells.str.contains(c, regex=False).any()]
    notes += ["decimal comma"] if sign == "comma" else []
    notes += [
        f"thousands {c!r}" for c in ".,'" if c != point[-1] and cells.str.contains(c, regex=False).any()
    ]
    cells = cells.str.replace(rf"[{comma}{_BLANKS}{_CURRENCY}]", "", regex=True).str.lower()
    if sign == "comma":
        cells = cells.str.replace(",", ".", regex=False)
    for letter, power in _POWERS.items():
        if (is_scaled := cells.str.endswith(letter)).any():
            notes.append(f"in {letter.upper()}")
            cells = cells.where(~is_scaled, cells.str[:-1] + power)
    values = np.full(len(text), np.nan)
    values[is_number.to_numpy()] = _plain(cells)
    others = ~is_number & ~text.str.contains(
        r"[.,]", na=True
    )  # inf, 1e999: what they are is for others to judge
    values[others.to_numpy()] = _plain(text[others])
    return values, ", ".join(notes)
