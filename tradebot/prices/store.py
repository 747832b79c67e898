"""Fetched prices on the disk: a Parquet file per source, interval and symbol, checked whenever it is read.

`CACHE/prices/SOURCE/INTERVAL/SYMBOL-HASH.parquet` holds raw prices beside adj_close, and in its schema what
they are, when they were fetched, and a checksum over both. One file: a write is whole or has not happened.
A damaged one is set aside as `*.damaged` when the symbol is fetched again.
"""

from __future__ import annotations

import io
import json
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import pandas as pd
import platformdirs
import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.parquet as pq  # type: ignore[import-untyped]
from filelock import FileLock, Timeout

from tradebot import files
from tradebot.core import Array, InputError
from tradebot.prices import actions
from tradebot.prices.bars import Bars
from tradebot.prices.stacking import stacked

SOURCES = ("yahoo", "file", "sample")
VARIABLE = "TRADEBOT_CACHE"  # environment variable with the folder
DAILY = "1d"
PRICES = ("open", "high", "low", "close", "adj_close")
COLUMNS = ("date", *PRICES, "volume", *actions.NONE)
SCHEMA = 2  # of the files; 1 had no dividends and splits
ADJUSTED = {"yahoo": "for splits"}  # what open .. close and dividends of a source are; others: as they came
PATIENCE = 60.0  # seconds to wait for another process that writes the same symbol
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
    schema: int = SCHEMA
    confirmed: bool = False  # asked again, the source had no prices for the same number of rows

    @property
    def data(self) -> str:
        """What --data calls it: yahoo for daily bars, yahoo:1h for others."""
        return data_name(self.source, self.interval)

    def covers(self, start: date | None, end: date) -> bool:
        """Whether asking for start .. end again could bring nothing new."""
        return self.reaches_back_to(start) and end <= self.until and self.is_whole

    def reaches_back_to(self, start: date | None) -> bool:
        return self.start is None or (start is not None and self.start <= start)

    @property
    def is_whole(self) -> bool:
        """Whether between start and until nothing is left to ask for."""
        return self.schema == SCHEMA and (self.confirmed or not self.dropped)


class Damaged(InputError):
    """A file is not what `write` wrote."""


def data_name(source: str, interval: str) -> str:
    return source if interval == DAILY else f"{source}:{interval}"


def root(folder: str | Path | None = None) -> Path:
    """The cache: `folder`, else $TRADEBOT_CACHE, else where the system keeps caches."""
    return Path(
        folder or os.environ.get(VARIABLE) or platformdirs.user_cache_path("tradebot", appauthor=False)
    )


def path_of(cache: Path, source: str, interval: str, symbol: str) -> Path:
    """Whatever the symbol is: inside the cache, of bounded length, and not that of any other symbol.

    The hash also tells apart what a disk that ignores case would take for one. Raises InputError for what
    cannot be an interval.
    """
    if not re.fullmatch(r"\d{1,4}[a-z]{1,2}", interval):
        raise InputError(f"{interval!r} is not an interval: write it as 1d or 1h")
    readable = re.sub(r"[^A-Za-z0-9-]", "_", symbol)[:40]
    name = f"{readable}-{files.checksum(symbol.encode('utf-8', 'surrogatepass'))[:12]}.parquet"
    return cache / "prices" / source / interval / name


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Within the block no other thread or process is in one for this path. Raises OSError if that takes long.

    The system frees the lock of a process that was killed, and what it had half written is removed here. The
    lock's file stays: who removed it could remove another one's.
    """
    folder = path.parent / ".locks"
    try:
        files.make_parents(folder / "file")
        with FileLock(folder / f"{path.stem}.lock", timeout=PATIENCE):
            files.remove_leftovers(path.parent, path.name)
            yield
    except Timeout:
        raise OSError(f"{path}: another process writes it all the time: try again later") from None


def write(cache: Path, stored: Stored) -> Path:
    """Replace what is stored of this symbol. Raises OSError, and the old stays, if the disk refuses."""
    path = path_of(cache, stored.source, stored.interval, stored.symbol)
    about = _about(stored)
    frame = with_events(stored.frame)[list(_columns(stored.schema))]
    columns = {str(name): frame[name].to_numpy() for name in frame}
    about["checksum"] = _checksum(about, columns)
    table = pa.table(columns)
    table = table.replace_schema_metadata({_KEY: json.dumps(about).encode()})
    buffer = io.BytesIO()
    # Prices hardly ever repeat and hardly become smaller: plain ones are read twice as fast.
    pq.write_table(
        table, buffer, write_page_checksum=True, compression="none", use_dictionary=list(actions.NONE)
    )
    files.write_bytes(path, buffer.getvalue())
    return path


def read(path: Path) -> Stored:
    """Raises Damaged, which says what to do, if the file is not what `write` wrote for this path.

    InputError if it cannot be read at all, or was written by a later tradebot.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from None
    try:
        file = pq.ParquetFile(pa.BufferReader(content), page_checksum_verification=True)
        table = file.read(use_threads=False)
        about = json.loads(table.schema.metadata[_KEY])
        checksum = about.pop("checksum")
        schema = about.get("schema", 1)
        if schema > SCHEMA:
            raise InputError(f"{path}: written by a later tradebot, which this one cannot read: update it")
        columns = {name: table[name].to_numpy() for name in _columns(schema)}
        is_whole = checksum == _checksum(about, columns)
        frame = pd.DataFrame(columns, copy=False)
        stored = _stored(about | {"schema": schema}, frame)
        is_whole &= path.name == path_of(path, stored.source, stored.interval, stored.symbol).name
    except InputError:
        raise
    except Exception:  # a damaged file fails anywhere inside the reader, in any way
        is_whole = False
    if not is_whole:
        raise Damaged(
            f"{path}: damaged, so it is not used: fetch it again, which sets it aside, or remove it"
        )
    return stored


def set_aside(path: Path) -> Path:
    """Give a damaged file a name under which nobody looks for prices; returns it. Raises OSError."""
    aside = path.with_name(f"{path.name}.damaged")
    os.replace(path, aside)
    return aside


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
    source = f"{stored[0].data} (fetched {when})"
    symbols = tuple(one.symbol for one in stored)
    names = (*PRICES, "volume") if adjusted else COLUMNS[1:]
    tables = dict(zip(symbols, frames, strict=True))
    arrays = stacked(tables, names, f"{source}: ") if len(tables) == len(symbols) else None
    if arrays:
        return Bars.from_columns(arrays[0], symbols, arrays[1], source=source, adjusted=adjusted)
    named = [frame.assign(symbol=symbol) for frame, symbol in zip(frames, symbols, strict=True)]
    table = pd.concat(named, ignore_index=True)
    return Bars.from_frame(table, source=source, adjusted=adjusted).select(symbols)


def merged(old: Stored, new: Stored) -> tuple[Stored, Merge]:
    """What is stored after a fetch, and how: never two adjustments in one series, and never fewer rows.

    A split or dividend since the old fetch changes all earlier prices of the source. So old rows are kept
    beside new ones only where the rows that both have agree. Where they disagree the new ones must replace
    all old ones. Raises InputError if they do not.
    """
    before, after = old.frame.set_index("date"), new.frame.set_index("date")
    lacking = before.index.difference(after.index)
    if _agree(before, after, _known(old, new)):
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


def continues(old: Stored, new: Stored) -> bool:
    """Whether new rows can be put behind the old ones: where both have rows they agree, and no event came.

    A dividend or split since then has made the source restate all prices before it.
    """
    known = _known(old, new)
    if not _agree(old.frame.set_index("date"), new.frame.set_index("date"), known):
        return False
    return not events_since(old, new)


def events_since(old: Stored, new: Stored) -> str:
    """ "dividends", "splits", "dividends and splits" or "": what came after the finished bars of the old."""
    later = new.frame[new.frame["date"] > _finished(old).max()]
    return " and ".join(name for name, nothing in actions.NONE.items() if (later[name] != nothing).any())


def _known(old: Stored, new: Stored) -> pd.DatetimeIndex:
    return _finished(old).intersection(pd.DatetimeIndex(new.frame["date"]))


def _finished(old: Stored) -> pd.DatetimeIndex:
    """The bars that were over when they were fetched: not after `old.until` and not the last."""
    dates = old.frame["date"]
    is_finished = dates < min(pd.Timestamp(old.until) + pd.Timedelta(days=1), dates.iloc[-1])
    return pd.DatetimeIndex(dates[is_finished])


def _agree(before: pd.DataFrame, after: pd.DataFrame, known: pd.DatetimeIndex) -> bool:
    columns = list(PRICES)
    return len(known) > 0 and bool(
        np.allclose(before.loc[known, columns], after.loc[known, columns], rtol=_SAME, atol=0)
    )


def with_events(frame: pd.DataFrame) -> pd.DataFrame:
    """The table with columns of dividends and splits: of none, where it lacks them."""
    lacking = {name: nothing for name, nothing in actions.NONE.items() if name not in frame}
    return frame.assign(**lacking) if lacking else frame


def _about(stored: Stored) -> dict[str, Any]:
    start = stored.start.isoformat() if stored.start else None
    plain = {
        "fetched": stored.fetched.astimezone(UTC).isoformat(timespec="seconds"),
        "start": start,
        "until": stored.until.isoformat(),
    }
    about = {name: value for name, value in stored._asdict().items() if name != "frame"}
    return about | plain | {"adjusted": ADJUSTED.get(stored.source, "as they came")}


def _stored(about: dict[str, Any], frame: pd.DataFrame) -> Stored:
    read = about | {
        "fetched": datetime.fromisoformat(about["fetched"]),
        "start": date.fromisoformat(about["start"]) if about["start"] else None,
        "until": date.fromisoformat(about["until"]),
    }
    read.pop("adjusted", None)
    return Stored(**read, frame=with_events(frame))


def _checksum(about: dict[str, Any], columns: dict[str, Array]) -> str:
    """Over what is known of the prices and the prices themselves."""
    parts = [json.dumps(about, sort_keys=True).encode()]
    types = {name: "datetime64[us]" if name == "date" else "float64" for name in columns}
    parts += [values.astype(types[name], copy=False).tobytes() for name, values in columns.items()]
    return files.checksum(b"\n".join(parts))


def _columns(schema: int) -> tuple[str, ...]:
    return COLUMNS if schema > 1 else COLUMNS[: -len(actions.NONE)]
