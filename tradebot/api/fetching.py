"""Get prices and keep them, symbol by symbol: a fault of one does not cost the others theirs."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import pandas as pd

from tradebot.api.pool import in_threads
from tradebot.api.prices import check_command, unknown
from tradebot.config import build, check_keys, listed
from tradebot.core import InputError
from tradebot.prices import missing, quality, store
from tradebot.prices.bars import Bars
from tradebot.prices.dates import first_and_last_day, spelled
from tradebot.prices.reading import ReadConfig
from tradebot.prices.sources import file, sample
from tradebot.prices.sources.source import Source
from tradebot.prices.sources.table import Table

TRIES = 3  # of a symbol whose file another process changes meanwhile
Progress = Callable[[int, int, str], None]  # (symbols done, of how many, what is going on)
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
    retries: int = 0  # how often the source had to be asked again
    note: str = ""  # what else there is to know
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
    jobs: int | None = None,
    progress: Progress | None = None,
    **reading: Any,
) -> FetchResult:
    """Get prices from `yahoo`, a price `file` (at `path`) or the `sample`, and keep them for `load`.

    start and end are dates, months or years, both included; without them all that there is. What is stored is
    extended: the source is asked for what is missing and a few days before it. If those have changed, or
    there was a dividend or split, its prices are adjusted anew: it is asked for all, and its answer replaces
    what was stored. `refresh` lets the answer replace it in any case. Where no session can have ended since
    the last fetch nothing is asked for. What fails leaves what is stored as it is; look at `failed` of the
    result. A damaged file is set aside. Several processes may fetch at once.

    `jobs` symbols are asked for at once (default: 4 of yahoo), each again after a passing fault. `timeout`
    [s] bounds each request, `cache_dir` goes before $TRADEBOT_CACHE and the system's cache. `reading` answers
    what the text of a price file leaves open, see `ReadConfig`. Raises InputError for wrong arguments.

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
    if jobs is not None and jobs < 1:
        raise InputError(f"--jobs: should be 1 or more (got {jobs})")
    wanted = list(dict.fromkeys(wanted))
    order = _Order(store.root(cache_dir), source, supply, first, last, refresh)

    def tell(done: int, symbol: str) -> None:
        if progress:
            progress(done, len(wanted), f"fetched {symbol}")

    if progress:
        progress(0, len(wanted), "fetching")
    with supply.opened():
        made = in_threads(order.fetched, wanted, jobs or supply.jobs, tell)
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

    interval = yahoo.ALIASES.get(interval or "", interval)
    if interval not in (None, *yahoo.INTERVALS):
        raise unknown("interval", str(interval), yahoo.INTERVALS)
    if not 0 < timeout < float("inf"):
        raise InputError(f"--timeout: should be seconds above 0 (got {timeout:g})")
    return yahoo.Yahoo(interval or store.DAILY, timeout, random.Random())


def _span(start: str | None, end: str | None) -> tuple[date | None, date]:
    """First day (None: the first that there is) and last day; InputError if they are none."""
    today = _now().date()
    first = first_and_last_day(start)[0] if start else None
    last = min(first_and_last_day(end)[1], today) if end else today
    if first and first > last:
        raise InputError(f"nothing lies between {start} and {end or 'today'}")
    return first, last


def _now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)


class _Order(NamedTuple):
    """What was asked for, of each symbol."""

    cache: Path
    source: str
    supply: Source
    first: date | None
    last: date
    refresh: bool

    def fetched(self, symbol: str) -> Fetched:
        """One symbol; a fault of the source or the disk is its result."""
        path, old = None, None
        try:
            path = store.path_of(self.cache, self.source, self.supply.interval(symbol), symbol)
            for _ in range(TRIES):
                seen = _mark(path)
                old, is_damaged = _held(path)
                base = None if self.refresh else old
                if base and self._is_current(base):
                    return _described(path, base, "unchanged")
                new, retries = self._answer(symbol, base)
                status: Status = "new" if old is None else "replaced"
                kept = new
                if base:
                    kept, status = store.merged(base, new)
                Bars.from_frame(kept.frame, symbol=symbol)  # what is stored can be loaded
                faults = _faults(kept)
                with store.locked(path):
                    if _mark(path) != seen:
                        continue
                    note = _surprise(base, kept, status) or faults
                    if is_damaged:
                        store.set_aside(path)
                        note = "the damaged file is kept as *.damaged"
                    store.write(self.cache, kept)
                return _described(path, kept, status)._replace(retries=retries, note=note)
            raise OSError(f"{path}: another process changes it all the time: try again later")
        except (InputError, OSError) as error:
            where = f"{error.filename}: " if isinstance(error, OSError) and error.filename else ""
            text = f"{where}{(error.strerror if isinstance(error, OSError) else None) or error}"
            held = _described(path, old, "failed") if path and old else Fetched(symbol, "failed")
            return held._replace(
                error=text, retries=getattr(error, "retries", 0), is_input=isinstance(error, InputError)
            )

    def _is_current(self, old: store.Stored) -> bool:
        """Rows that are here already cost nothing, and may have been changed."""
        return not isinstance(self.supply, Table) and missing.is_current(old, self.first, self.last, _now())

    def _answer(self, symbol: str, old: store.Stored | None) -> tuple[store.Stored, int]:
        """What is to be merged with the old, and how many retries that took."""
        if not old:
            return self._asked(symbol, self.first, self.last)
        retries, oldest = 0, self.supply.oldest
        start = None if isinstance(self.supply, Table) else missing.tail(old, self.first, oldest)
        if start:
            new, retries = self._asked(symbol, start, self.last, after=old)
            if store.continues(old, new):
                return new, retries
        whole, more = self._asked(symbol, *missing.hull(old, self.first, self.last, oldest))
        return whole._replace(confirmed=0 < whole.dropped == old.dropped), retries + more

    def _asked(
        self, symbol: str, first: date | None, last: date, after: store.Stored | None = None
    ) -> tuple[store.Stored, int]:
        """What the source answers, to be put `after` something. Of today nothing is complete yet."""
        now = _now()
        answer = self.supply.read(symbol, first, last)
        dropped, confirmed = len(answer.dropped), False
        if after:
            later = int((answer.dropped >= np.datetime64(after.until) + 1).sum())
            dropped, confirmed = after.dropped + later, after.confirmed and not later
        until = min(last, now.date() - timedelta(days=1))
        new = store.Stored(
            symbol=symbol,
            source=self.source,
            interval=self.supply.interval(symbol),
            fetched=now,
            start=first,
            until=until,
            dropped=dropped,
            frame=answer.frame,
            confirmed=confirmed,
        )
        return new, answer.retries


def _held(path: Path) -> tuple[store.Stored | None, bool]:
    """(what is stored, whether it is damaged)."""
    try:
        return (store.read(path) if path.exists() else None), False
    except store.Damaged:
        return None, True


def _surprise(old: store.Stored | None, new: store.Stored, status: Status) -> str:
    """What to say where all prices were replaced."""
    if not old or status != "replaced" or old.source != "yahoo":
        return ""
    what = store.events_since(old, new)
    if what:
        return f"adjusted anew after {what}"
    return f"earlier prices changed without a dividend or split: see tradebot prices check {new.symbol}"


def _faults(stored: store.Stored) -> str:
    """What would make `train` and `backtest` refuse these prices."""
    wrong = quality.errors(quality.check(stored.frame.assign(symbol=stored.symbol)))
    show = check_command(stored.symbol, store.data_name(stored.source, stored.interval))
    return f"wrong prices: {quality.summary(wrong)} ({show} shows all)" if wrong else ""


def _mark(path: Path) -> tuple[int, int, int] | None:
    """Differs for a file that was written anew; None without one."""
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    return status.st_ino, status.st_mtime_ns, status.st_size


def _described(path: Path, stored: store.Stored, status: Status) -> Fetched:
    first, last = (spelled(stored.frame["date"].iloc[i]) for i in (0, -1))
    return Fetched(stored.symbol, status, len(stored.frame), first, last, stored.dropped, str(path))
