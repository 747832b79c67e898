"""Get prices and keep them, symbol by symbol: a fault of one does not cost the others theirs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, Literal, NamedTuple, Protocol

import pandas as pd

from tradebot.api.prices import unknown
from tradebot.config import build, check_keys, listed
from tradebot.core import InputError
from tradebot.prices import store
from tradebot.prices.bars import Bars
from tradebot.prices.dates import first_and_last_day, spelled
from tradebot.prices.reading import ReadConfig
from tradebot.prices.sources import file, sample
from tradebot.prices.sources.table import Table

Progress = Callable[[int, int, str], None]  # (symbols done, of how many, which one is next)
Status = Literal["new", "extended", "replaced", "unchanged", "failed"]


class Fetched(NamedTuple):
    """What became of one symbol. Rows, span and path are those of what is stored now, if anything is."""

    symbol: str
    status: Status
    rows: int = 0
    start: str = ""  # first and last bar
    end: str = ""
    dropped: int = 0  # rows of the source without prices
    path: str = ""
    error: str = ""
    is_input: bool = False  # the error: what was asked for is wrong, rather than the network, server or disk


class FetchResult(NamedTuple):
    """What became of each symbol."""

    source: str
    symbols: tuple[Fetched, ...]
    columns: dict[str, str] | None = None  # of a price file: what -> the column it was read from and how

    @property
    def failed(self) -> list[Fetched]:
        """Those with an error; what was stored of them before is as it was."""
        return [one for one in self.symbols if one.status == "failed"]

    @property
    def frame(self) -> pd.DataFrame:
        """A row for each symbol."""
        return pd.DataFrame([one._asdict() for one in self.symbols]).drop(columns="is_input")

    def to_dict(self) -> dict[str, Any]:
        """To be read by programs: null where there is nothing to say."""
        return {
            "source": self.source,
            "columns": self.columns,
            "symbols": [
                {
                    name: None if value == "" else value
                    for name, value in one._asdict().items()
                    if name != "is_input"
                }
                for one in self.symbols
            ],
        }

    def __repr__(self) -> str:
        return self.frame.to_string(index=False)

    def _repr_html_(self) -> str:
        return self.frame.to_html(index=False)


class Source(Protocol):
    """Where prices come from."""

    @property
    def oldest(self) -> date: ...  # that it can be asked for
    def interval(self, symbol: str) -> str: ...
    def read(self, symbol: str, start: date | None, end: date) -> tuple[pd.DataFrame, int]: ...


def fetch(
    symbols: str | Sequence[str] = (),
    *,
    source: str = "yahoo",
    start: str | None = None,
    end: str | None = None,
    interval: str | None = None,
    path: str | Path | None = None,
    refresh: bool = False,
    cache_dir: str | Path | None = None,
    timeout: float = 10.0,
    progress: Progress | None = None,
    **reading: Any,
) -> FetchResult:
    """Get prices from `yahoo`, a price `file` (at `path`) or the `sample`, and keep them for `load`.

    start and end are dates, months or years, both included; without them all that there is. What is stored is
    extended: the source is asked for the stored and the new span in one, and if it adjusted its prices anew
    since then its answer replaces what was stored. `refresh` lets the answer replace it in any case. What
    fails leaves what is stored as it is; look at `failed` of the result. `timeout` [s] bounds each request,
    `cache_dir` goes before $TRADEBOT_CACHE and the system's cache. `reading` answers what the text of a price
    file leaves open, see `ReadConfig`. Raises InputError for wrong arguments.

    >>> fetch("AAPL, MSFT", start="2015").failed
    []
    """
    if source not in store.SOURCES:
        raise unknown("source", source, store.SOURCES)
    first, last = _span(start, end)
    supply = _supply(source, interval, path, timeout, reading)
    wanted = [symbol.upper() if source == "yahoo" else symbol for symbol in listed(symbols)]
    if not wanted and isinstance(supply, Table) and source == "file":
        wanted = supply.symbols
    if not wanted:
        raise InputError("say which symbols to fetch, e.g. tradebot fetch AAPL MSFT")
    cache = store.root(cache_dir)
    made = []
    for i, symbol in enumerate(wanted := list(dict.fromkeys(wanted))):
        if progress:
            progress(i, len(wanted), f"fetching {symbol}")
        made.append(_one(cache, source, supply, symbol, first, last, refresh))
    return FetchResult(source, tuple(made), supply.columns if isinstance(supply, Table) else None)


def _supply(
    source: str, interval: str | None, path: str | Path | None, timeout: float, reading: dict[str, Any]
) -> Source:
    check_keys(reading, ReadConfig.model_fields)
    if reading and source != "file":
        raise InputError(
            f"{', '.join(reading)}: only a price file is read so, with --source file --file PATH"
        )
    if (path is not None) != (source == "file"):
        raise InputError("a price file is fetched with both: --source file --file PATH")
    if source == "file":
        rows, columns = file.tidy(str(path), build(ReadConfig, reading))
        return Table(str(path), rows, interval, columns)
    if source == "sample":
        return Table("sample", sample.table(), interval)
    from tradebot.prices.sources import yahoo  # takes half a second to load

    if interval not in (None, *yahoo.INTERVALS):
        raise unknown("interval", str(interval), yahoo.INTERVALS)
    if not 0 < timeout < float("inf"):
        raise InputError(f"--timeout: should be seconds above 0 (got {timeout:g})")
    return yahoo.Yahoo(interval or store.DAILY, timeout)


def _span(start: str | None, end: str | None) -> tuple[date | None, date]:
    """First day (None: the first that there is) and last day; InputError if they are none."""
    today = datetime.now(UTC).date()
    first = first_and_last_day(start)[0] if start else None
    last = min(first_and_last_day(end)[1], today) if end else today
    if first and first > last:
        raise InputError(f"nothing lies between {start} and {end or 'today'}")
    return first, last


def _one(
    cache: Path, source: str, supply: Source, symbol: str, first: date | None, last: date, refresh: bool
) -> Fetched:
    """One symbol; a fault of the source or the disk is its result."""
    old, path = None, None
    try:
        path = store.path_of(cache, source, supply.interval(symbol), symbol)
        old = store.read(path) if path.exists() and not refresh else None
        if old and not isinstance(supply, Table) and old.covers(first, last):
            return _described(path, old, "unchanged")
        start, end = _hull(old, first, last, supply.oldest) if old else (first, last)
        new = _asked(source, supply, symbol, start, end)
        status: Status = "replaced" if path.exists() else "new"
        kept = new
        if old:
            kept, status = store.merged(old, new)
        Bars.from_frame(kept.frame, symbol=symbol)  # what is stored can be loaded
        store.write(cache, kept)
        return _described(path, kept, status, new.dropped)
    except (InputError, OSError) as error:
        where = f"{error.filename}: " if isinstance(error, OSError) and error.filename else ""
        text = f"{where}{(error.strerror if isinstance(error, OSError) else None) or error}"
        held = _described(path, old, "failed") if path and old else Fetched(symbol, "failed")
        return held._replace(error=text, is_input=isinstance(error, InputError))


def _asked(source: str, supply: Source, symbol: str, first: date | None, last: date) -> store.Stored:
    """What the source answers. Of today nothing is complete yet."""
    now = datetime.now(UTC).replace(microsecond=0)
    frame, dropped = supply.read(symbol, first, last)
    until = min(last, now.date() - timedelta(days=1))
    return store.Stored(symbol, source, supply.interval(symbol), now, first, until, dropped, frame)


def _hull(old: store.Stored, first: date | None, last: date, oldest: date) -> tuple[date | None, date]:
    """The span that holds the stored one and first .. last, so that all prices are adjusted alike.

    It begins where the source can begin, unless what was asked for is older itself.
    """
    end = max(last, old.until)
    if first is None or old.start is None:
        return None, end
    return max(min(first, old.start), min(first, oldest)), end


def _described(path: Path, stored: store.Stored, status: Status, dropped: int = 0) -> Fetched:
    first, last = (spelled(stored.frame["date"].iloc[i]) for i in (0, -1))
    return Fetched(stored.symbol, status, len(stored.frame), first, last, dropped, str(path))
