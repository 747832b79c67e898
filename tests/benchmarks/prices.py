"""Ten years of daily bars of 500 symbols, from the store and beside plain pandas on the same numbers.

The store verifies the checksum of every file and aligns all symbols on one calendar; pandas does neither.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd
from rich.table import Table

from tests.benchmarks.timing import seconds
from tradebot.prices import store
from tradebot.prices.bars import Bars

SYMBOLS, FIRST, LAST = 500, "2010-01-01", "2019-12-31"


def table() -> Table:
    with TemporaryDirectory() as folder:
        works = prepared(Path(folder))
        taken = seconds(works, repetitions=3)
    own = taken[next(iter(works))]
    rows = SYMBOLS * len(pd.bdate_range(FIRST, LAST))
    shown = Table(title=f"{SYMBOLS} symbols, {rows:,} daily bars (medians of 3)")
    for column in ("what", "time (s)", "rows per second", "beside the store"):
        shown.add_column(column, justify="left" if column == "what" else "right")
    for name, took in taken.items():
        shown.add_row(name, f"{took:.2f}", f"{rows / took:,.0f}", f"{took / own:.2f} x")
    return shown


def prepared(folder: Path) -> dict[str, Callable[[], object]]:
    """Ways to load what is written into `folder` here."""
    frames = {f"S{i:03}": prices(i) for i in range(SYMBOLS)}
    for symbol, frame in frames.items():
        store.write(
            folder,
            store.Stored(
                symbol=symbol,
                source="yahoo",
                interval=store.DAILY,
                fetched=datetime(2020, 1, 2, tzinfo=UTC),
                start=date.fromisoformat(FIRST),
                until=date.fromisoformat(LAST),
                dropped=0,
                frame=frame,
            ),
        )
        frame.to_csv(folder / f"{symbol}.csv", index=False)
        frame.to_parquet(folder / f"{symbol}.parquet", index=False)
    pd.concat([frame.assign(symbol=symbol) for symbol, frame in frames.items()]).to_parquet(
        folder / "all.parquet", index=False
    )
    paths = [store.path_of(folder, "yahoo", store.DAILY, symbol) for symbol in frames]

    def from_store() -> Bars:
        return store.bars([store.read(path) for path in paths])

    return {
        "Bars from the store": from_store,
        "pandas.read_csv of 500 files": lambda: [
            pd.read_csv(folder / f"{symbol}.csv", parse_dates=["date"]) for symbol in frames
        ],
        "pandas.read_parquet of 500 files": lambda: [
            pd.read_parquet(folder / f"{symbol}.parquet") for symbol in frames
        ],
        "pandas.read_parquet of one file": lambda: pd.read_parquet(folder / "all.parquet"),
    }


def prices(seed: int) -> pd.DataFrame:
    """A random walk with a quarterly dividend."""
    rng = np.random.default_rng(seed)
    dates = pd.bdate_range(FIRST, LAST, unit="us")
    close = 50 * np.exp(np.cumsum(rng.normal(0, 0.01, len(dates))))
    open_ = close * np.exp(rng.normal(0, 0.003, len(dates)))
    dividends = np.where(np.arange(len(dates)) % 63 == 40, 0.2, 0.0)
    paid = 1 - dividends / np.append(close[:1], close[:-1])
    later = np.append(np.cumprod(paid[::-1])[::-1][1:], 1.0)
    return pd.DataFrame(
        {
            "date": dates,
            "open": open_,
            "high": np.maximum(open_, close) * 1.002,
            "low": np.minimum(open_, close) * 0.998,
            "close": close,
            "adj_close": close * later,
            "volume": rng.integers(1e5, 1e7, len(dates)).astype(float),
            "dividends": dividends,
            "splits": 1.0,
        }
    )
