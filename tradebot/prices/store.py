"""Fetched prices on the disk: a Parquet file per source, interval and symbol, checked whenever it is read.

`CACHE/prices/SOURCE/INTERVAL/SYMBOL-HASH.parquet` holds raw prices beside adj_close, and in its schema what
they are, when they were fetched, and a checksum over both. One file: a write is whole or has not happened.
"""

from __future__ import annotations

import io
import json
import os
import re
from collections.abc import Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import pandas as pd
import platformdirs
import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.parquet as pq  # type: ignore[import-untyped]

from tradebot import files
from tradebot.core import InputError
from tradebot.prices import actions
from tradebot.prices.bars import Bars

SOURCES = ("yahoo", "file", "sample")
VARIABLE = "TRADEBOT_CACHE"  # environment variable with the folder
DAILY = "1d"
PRICES = ("open", "high", "low", "close", "adj_close")
COLUMNS = ("date", *PRICES, "volume")
Merge = Literal["extended", "replaced", "unchanged"]
_KEY = b"tradebot"  # of our part of the schema's metadata
_SAME = 1e-5  # relative: sources round adj_close anew each time; a dividend moves it by more


class Stored(NamedTuple):
    """The prices of one symbol and how they came here."""

    symbol: str
    source: str  # one of SOURCES
    interval: str  # 1d, 1h ...
    fetched: datetime  # UTC
    start: date | None  # first day that was asked for; None: the first that there is
    until: date  # last day whose bars were asked for and complete
    dropped: int  # rows of the source that had no prices
    frame: pd.DataFrame  # COLUMNS: datetime64[us] and float64, prices not adjusted for dividends

    @property
    def data(self) -> str:
        """What --data calls it: yahoo for daily bars, yahoo:1h for others."""
        return data_name(self.source, self.interval)

    def covers(self, start: date | None, end: date) -> bool:
        """Whether asking for start .. end again could bring nothing new."""
        begins = self.start is None or (start is not None and self.start <= start)
        return begins and end <= self.until and not self.dropped


def data_name(source: str, interval: str) -> str:
    return source if interval == DAILY else f"{source}:{interval}"


def root(folder: str | Path | None = None) -> Path:
    """The cache: `folder`, else $TRADEBOT_CACHE, else where the system keeps caches."""
    return Path(
        folder or os.environ.get(VARIABLE) or platformdirs.user_cache_path("tradebot", appauthor=False)
    )


def path_of(cache: Path, source: str, interval: str, symbol: str) -> Path:
    """Whatever the symbol is: inside the cache, of bounded length, and not that of any other symbol.

    The hash also tells apart what a disk that ignores case would take for one.
    """
    readable = re.sub(r"[^A-Za-z0-9-]", "_", symbol)[:40]
    name = f"{readable}-{files.checksum(symbol.encode())[:12]}.parquet"
    return cache / "prices" / source / interval / name


def write(cache: Path, stored: Stored) -> Path:
    """Replace what is stored of this symbol. Raises OSError, and the old stays, if the disk refuses."""
    path = path_of(cache, stored.source, stored.interval, stored.symbol)
    about = _about(stored)
    frame = stored.frame[list(COLUMNS)]
    table = pa.Table.from_pandas(frame, preserve_index=False)
    about["checksum"] = _checksum(about, frame)
    table = table.replace_schema_metadata({_KEY: json.dumps(about).encode()})
    buffer = io.BytesIO()
    pq.write_table(table, buffer, write_page_checksum=True)
    files.write_bytes(path, buffer.getvalue())
    return path


def read(path: Path) -> Stored:
    """Raises InputError, which says what to do, if the file is not what `write` wrote."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from None
    try:
        table = pq.read_table(pa.BufferReader(content), page_checksum_verification=True)
        about = json.loads(table.schema.metadata[_KEY])
        checksum = about.pop("checksum")
        frame = pd.DataFrame({name: table[name].to_numpy() for name in COLUMNS})
        is_whole = checksum == _checksum(about, frame)
        stored = _stored(about, frame)
    except Exception:  # a damaged file fails anywhere inside the reader, in any way
        is_whole = False
    if not is_whole:
        raise InputError(f"{path}: damaged, so it is not used: fetch it again with --refresh, or remove it")
    return stored


def entries(cache: Path) -> list[Path]:
    """All that is stored, by source, interval and symbol."""
    return sorted(cache.glob("prices/*/*/[!.]*.parquet"))


def holding(cache: Path, symbols: Sequence[str]) -> list[tuple[str, str]]:
    """(source, interval) of everything that has all of these symbols. The files are not opened."""
    folders = sorted(path for path in cache.glob("prices/*/*") if path.is_dir())
    found = [(folder.parent.name, folder.name) for folder in folders]
    return [
        (source, interval)
        for source, interval in found
        if all(path_of(cache, source, interval, symbol).exists() for symbol in symbols)
    ]


def bars(stored: Sequence[Stored], *, adjusted: bool = True) -> Bars:
    """Bars of symbols of one source and interval, on one calendar. InputError for a fault.

    Yahoo adjusts all its prices for splits; raw ones are as they were quoted, see `actions.before_splits`.
    """
    dates = sorted({f"{one.fetched:%Y-%m-%d}" for one in stored})
    when = dates[0] if len(dates) == 1 else f"{dates[0]} .. {dates[-1]}"
    frames = [
        actions.before_splits(one.frame) if one.source == "yahoo" and not adjusted else one.frame
        for one in stored
    ]
    named = [frame.assign(symbol=one.symbol) for frame, one in zip(frames, stored, strict=True)]
    table = pd.concat(named, ignore_index=True)
    source = f"{stored[0].data} (fetched {when})"
    return Bars.from_frame(table, source=source, adjusted=adjusted).select([one.symbol for one in stored])


def merged(old: Stored, new: Stored) -> tuple[Stored, Merge]:
    """What is stored after a fetch, and how: never two adjustments in one series, and never fewer rows.

    A split or dividend since the old fetch changes all earlier prices of the source. So old rows are kept
    beside new ones only where the rows that both have agree; bars that were not finished then (after
    `old.until`, or the last one) do not count. Where they disagree the new ones must replace all old ones.
    Raises InputError if they do not.
    """
    before, after = old.frame.set_index("date"), new.frame.set_index("date")
    lacking = before.index.difference(after.index)
    shared = before.index.intersection(after.index)
    finished = shared < min(pd.Timestamp(old.until) + pd.Timedelta(days=1), before.index[-1])
    is_known = shared[finished]
    columns = list(PRICES)
    is_same = len(is_known) > 0 and np.allclose(
        before.loc[is_known, columns], after.loc[is_known, columns], rtol=_SAME, atol=0
    )
    if is_same:
        rows = pd.concat([before.loc[lacking], after]).sort_index().reset_index()
        start = None if old.start is None or new.start is None else min(old.start, new.start)
        status: Merge = "extended" if len(rows) > len(before) else "unchanged"
        return new._replace(frame=rows, start=start, until=max(old.until, new.until)), status
    if len(lacking):
        raise InputError(
            f"{new.source} answered with prices that do not fit the stored ones (adjusted anew, or no bar in"
            f" common) and lacks {len(lacking):,} of their {len(before):,} rows: nothing was changed;"
            " --refresh takes the answer instead"
        )
    return new, "replaced"


def _about(stored: Stored) -> dict[str, Any]:
    start = stored.start.isoformat() if stored.start else None
    plain = {
        "fetched": stored.fetched.astimezone(UTC).isoformat(timespec="seconds"),
        "start": start,
        "until": stored.until.isoformat(),
    }
    about = {name: value for name, value in stored._asdict().items() if name != "frame"}
    return about | plain


def _stored(about: dict[str, Any], frame: pd.DataFrame) -> Stored:
    read = about | {
        "fetched": datetime.fromisoformat(about["fetched"]),
        "start": date.fromisoformat(about["start"]) if about["start"] else None,
        "until": date.fromisoformat(about["until"]),
    }
    return Stored(**read, frame=frame)


def _checksum(about: dict[str, Any], frame: pd.DataFrame) -> str:
    """Over what is known of the prices and the prices themselves."""
    parts = [json.dumps(about, sort_keys=True).encode(), frame["date"].to_numpy("datetime64[us]").tobytes()]
    parts += [frame[name].to_numpy("float64").tobytes() for name in COLUMNS[1:]]
    return files.checksum(b"\n".join(parts))
