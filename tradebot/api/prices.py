"""A name becomes Bars: a symbol that was fetched or is in the sample, a price file, or a synthetic market."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from tradebot.config import build, listed, suggestion
from tradebot.core import InputError
from tradebot.market import synthetic
from tradebot.prices import store
from tradebot.prices.bars import Bars
from tradebot.prices.reading import AS_WRITTEN, ReadConfig
from tradebot.prices.resample import resample
from tradebot.prices.sources import file, sample

SAMPLE = "sample"


def load(
    symbols: str | Sequence[str] = (),
    source: str | Path = "",
    *,
    start: str | None = None,
    end: str | None = None,
    adjusted: bool = True,
    interval: str | None = None,
    day_zone: str = "UTC",
    **reading: Any,
) -> Bars:
    """Prices of one or more symbols.

    `source` is `yahoo` or `file` for what `fetch` stored from there (`yahoo:1h` for bars that are not daily),
    `sample` for what is shipped, a price file, or `synthetic:NAME?key=value&...`. Empty: what was fetched,
    and the sample where nothing was. Prices are in the currency of the source; `adjusted` ones are scaled for
    splits and dividends where the source says how, the others keep those beside them. start and end are
    dates, months or years, both included.
    Several symbols get one calendar, see `Bars.missing`: a stock beside a coin lacks the weekends.
    `interval` makes longer bars of them, such as 4h, 1d or 1wk, by the clock of `day_zone`: see `resample`.
    `reading` answers what the text of a price file leaves open: `dates="day-first"`, `decimal="comma"`,
    `timezone="America/New_York"`, see `ReadConfig`. Raises InputError for what cannot be found or read.

    >>> load("AAPL").close[-1, 0]        # fetched, or from the shipped sample
    >>> load(source="prices.csv")        # every symbol of the file
    """
    bars = _bars(listed(symbols), str(source), adjusted, build(ReadConfig, reading))
    bars = resample(bars, interval, zone=day_zone).bars if interval else bars
    return bars.between(start, end) if start or end else bars


def _bars(wanted: tuple[str, ...], source: str, adjusted: bool, how: ReadConfig) -> Bars:
    source = source or source_of(wanted)
    if source in ("", SAMPLE):
        if not wanted:
            raise InputError(f"say which symbol: {', '.join(sample.symbols())}")
        return sample.read(wanted, adjusted=adjusted)
    if is_stock(source):
        return _fetched(wanted, source, adjusted)
    if source.startswith(synthetic.PREFIX):
        bars = replace(synthetic.read(source), adjusted=adjusted)  # nothing to adjust
    else:
        bars = file.read(source, adjusted=adjusted, how=how)
    return bars.select(wanted) if wanted else bars


def resolve(
    symbols: Sequence[str], data: str, prices: str = "adjusted", how: ReadConfig = AS_WRITTEN
) -> Bars:
    """The full history of the symbols that --symbols and --data name, "raw" or "adjusted".

    `how` reads a file.
    """
    if not symbols and not data:
        raise InputError("say which prices: --symbols AAPL (fetched, or the sample's) or --data FILE")
    return _bars(listed(symbols), data, prices != "raw", how)


def source_of(symbols: Sequence[str]) -> str:
    """The source that is meant where none is named: what holds all symbols, fetched daily bars first.

    Copies of the sample do not count, for the sample itself holds more. Empty without symbols. InputError if
    nothing holds them, or if it is not clear which is meant.
    """
    if not symbols:
        return ""
    held = [pair for pair in store.holding(store.root(), symbols) if pair[0] != SAMPLE]
    daily = [pair for pair in held if pair[1] == store.DAILY]
    names = [store.data_name(*pair) for pair in daily or held]
    if len(names) > 1:
        choice = " or --data ".join(names)
        raise InputError(f"{', '.join(symbols)}: fetched in several ways, choose one: --data {choice}")
    if not names and (unknown := [symbol for symbol in symbols if symbol not in sample.symbols()]):
        near = difflib.get_close_matches(unknown[0].upper(), sample.symbols(), n=1)
        hint = f"; did you mean {near[0]}?" if near else ""
        raise InputError(
            f"no prices of {', '.join(map(repr, unknown))}{hint} (`tradebot fetch {' '.join(unknown)}` gets"
            " them, `tradebot prices list` shows what is here)"
        )
    return names[0] if names else SAMPLE


def is_stock(source: str) -> bool:
    """Whether it names prices that are kept here, the sample's or fetched ones: no file and no formula."""
    return source.partition(":")[0] in store.SOURCES


def unknown(kind: str, name: str, known: Sequence[str]) -> InputError:
    """The error for a name that is not in a list."""
    return InputError(f"unknown {kind} {name!r}{suggestion(name, known)}")


def _fetched(symbols: Sequence[str], source: str, adjusted: bool) -> Bars:
    name, _, interval = source.partition(":")
    cache = store.root()
    if not symbols:
        raise InputError(f"say which symbol from {source} (see `tradebot prices list`)")
    paths = [store.path_of(cache, name, interval or store.DAILY, symbol) for symbol in symbols]
    lacking = [symbol for symbol, path in zip(symbols, paths, strict=True) if not path.exists()]
    if lacking:
        flags = f" --source {name}" * (name != store.SOURCES[0]) + f" --interval {interval}" * bool(interval)
        raise InputError(
            f"{source}: no prices of {', '.join(lacking)}: get them with"
            f" `tradebot fetch {' '.join(lacking)}{flags}`"
        )
    return store.bars([store.read(path) for path in paths], adjusted=adjusted)
