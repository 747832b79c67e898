"""A table of prices that is here already, as a source to fetch from: the sample, or what a file holds."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from datetime import date

import numpy as np
import pandas as pd

from tradebot.core import InputError
from tradebot.prices.dates import spelled
from tradebot.prices.sources.source import Answer
from tradebot.prices.store import COLUMNS, with_events


class Table:
    """Rows that are here already, of a price file or of the sample. Their interval is what they have."""

    oldest = date.min
    jobs = 1

    def __init__(
        self, name: str, rows: pd.DataFrame, interval: str | None, columns: dict[str, str] | None = None
    ) -> None:
        self.name = name
        self.symbols = list(rows["symbol"].unique())
        self._rows = with_events(rows.assign(adj_close=rows.get("adj_close", rows["close"])))
        self._wanted = interval
        self.columns = columns  # of a file: what -> the column it was read from and how

    def opened(self) -> AbstractContextManager[None]:
        return nullcontext()

    def interval(self, symbol: str) -> str:
        """Raises InputError for an unknown symbol, or if another interval was asked for."""
        if symbol not in self.symbols:
            raise InputError(f"{self.name}: no symbol {symbol!r}; there are {', '.join(self.symbols)}")
        own = _spacing(self._rows.loc[self._rows["symbol"] == symbol, "date"])
        if self._wanted not in (None, own):
            raise InputError(f"{self.name}: has bars of {own}, not of {self._wanted}")
        return own

    def read(self, symbol: str, start: date | None, end: date) -> Answer:
        rows = self._rows[self._rows["symbol"] == symbol][list(COLUMNS)].sort_values("date")
        days = rows["date"].dt.date
        kept = rows[(days <= end) & (True if start is None else days >= start)]
        if kept.empty:
            first, last = (spelled(rows["date"].iloc[i]) for i in (0, -1))
            raise InputError(f"{self.name}: no prices in this span; there are bars for {first} .. {last}")
        return Answer(kept.reset_index(drop=True).astype({name: "float64" for name in COLUMNS[1:]}))


def _spacing(dates: pd.Series) -> str:
    """1d, 1h ...: the usual time between the moments, as an interval is called."""
    steps = np.diff(np.unique(dates.to_numpy("datetime64[m]"))).astype(int)
    minutes = int(np.median(steps)) if len(steps) else 24 * 60
    for name, least in (("1mo", 28 * 24 * 60), ("1wk", 7 * 24 * 60), ("1d", 20 * 60)):
        if minutes >= least:
            return name
    return f"{minutes}m" if minutes % 60 else f"{minutes // 60}h"
