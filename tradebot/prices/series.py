"""A long table of rows as arrays, sorted by symbol and date: what the checks of prices look at."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise
from typing import Any, Literal, NamedTuple

import numpy as np
import pandas as pd

from tradebot.core import Array
from tradebot.prices.validity import COLUMNS

Severity = Literal["error", "warning", "info"]
LONGER_THAN_DAILY = np.timedelta64(84, "h")
DAILY = np.timedelta64(20, "h")  # bars further apart are daily or longer (there are days of 23 hours)
_DAY = np.timedelta64(1, "D")
_ENOUGH = 3  # bars, to tell how far apart they are


@dataclass(frozen=True, eq=False)
class Series:
    """R rows of A symbols, by symbol and then by date; rows of one symbol and date keep their order."""

    symbols: tuple[str, ...]  # [A]
    code: Array  # [R] int: number of the symbol
    date: Array  # [R] datetime64[us]
    columns: dict[str, Array]  # [R] float64: open .. volume, perhaps adj_close, dividends, splits
    step: Array  # [A] timedelta64[us]: how far apart the bars of a symbol are where none is missing

    def __getitem__(self, column: str) -> Array:
        return self.columns[column]

    @cached_property
    def follows(self) -> Array:
        """[R] bool: the row before is of the same symbol."""
        same: Array = self.code == np.append(-1, self.code[:-1])
        return same

    @property
    def is_daily(self) -> Array:
        """[A] bool: a bar for each session."""
        return (self.step >= DAILY) & (self.step < LONGER_THAN_DAILY)

    def before(self, values: Array) -> Array:
        """[R] what stood in the row before; where there is none of the symbol it is another symbol's."""
        return np.concatenate([values[:1], values[:-1]])

    def where(self, kept: Array) -> Series:
        """The rows of a mask [R]."""
        if kept.all():
            return self
        columns = {name: values[kept] for name, values in self.columns.items()}
        return replace(self, code=self.code[kept], date=self.date[kept], columns=columns)

    def span(self, a: int) -> slice:
        """The rows of symbol number a."""
        return slice(*np.searchsorted(self.code, [a, a + 1]))


class Mark(NamedTuple):
    """Bars that a check found fault with."""

    check: str
    severity: Severity
    code: Array  # [N] int: number of the symbol
    date: Array  # [N] datetime64[us]
    about: Callable[[int], str]  # what to say of the n-th


def series(table: pd.DataFrame) -> Series:
    """Of a long table date, symbol, open .. volume, as `layouts.tidy` makes it."""
    codes, symbols = pd.factorize(table["symbol"])
    dates = table["date"].to_numpy("datetime64[us]")
    order = np.lexsort((dates, codes))
    names = [*COLUMNS, *(name for name in ("adj_close", "dividends", "splits") if name in table)]
    columns = {name: table[name].to_numpy("float64")[order] for name in names}
    codes, dates = codes[order], dates[order]
    first_and_end = np.searchsorted(codes, np.arange(len(symbols) + 1))
    step = np.array(
        [_step(dates[first:end]) for first, end in pairwise(first_and_end)], dtype="timedelta64[us]"
    )
    return Series(tuple(map(str, symbols)), codes, dates, columns, step)


def _step(dates: Array) -> Any:
    """One step in ten is shorter at the most. A day where there are too few bars to tell."""
    steps = np.diff(dates)
    steps = np.sort(steps[steps > np.timedelta64(0, "us")])
    return steps[len(steps) // 10] if len(steps) >= _ENOUGH - 1 else _DAY.astype("timedelta64[us]")


def mark(
    check: str, severity: Severity, rows: Series, which: Array, about: Callable[[int], str]
) -> list[Mark]:
    """The rows of a mask [R], or of their numbers, about(row) being what to say of one; none without rows."""
    numbers = np.flatnonzero(which) if which.dtype == np.bool_ else which
    if not len(numbers):
        return []
    return [Mark(check, severity, rows.code[numbers], rows.date[numbers], lambda n: about(int(numbers[n])))]
