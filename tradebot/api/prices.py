"""A name becomes Bars: a symbol that was fetched or is in the sample, a price file, or a synthetic market."""

from __future__ import annotations

import difflib
import shlex
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd

from tradebot.config import build, listed, suggestion
from tradebot.core import InputError
from tradebot.market import synthetic
from tradebot.prices import quality, store
from tradebot.prices.bars import Bars
from tradebot.prices.layouts import Tidy
from tradebot.prices.reading import AS_WRITTEN, ReadConfig
from tradebot.prices.resample import resample
from tradebot.prices.sources import file, sample

SAMPLE = "sample"
FETCHED = " (fetched "  # in `Bars.source`, between where prices are from and when they came


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
        bars = _of_file(source, adjusted, how)
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


def named(name: str, source: str = "") -> tuple[tuple[str, ...], str]:
    """Symbols and source that one word means: a file or a synthetic market where it looks so, unless it was
    fetched or its source is given; else a symbol."""
    if source or store.holding(store.root(), [name]):
        return (name,), source
    is_source = name.startswith(synthetic.PREFIX) or Path(name).exists() or "/" in name or "." in name
    return ((), name) if is_source else ((name,), "")


def rows(symbols: Sequence[str], source: str, how: ReadConfig = AS_WRITTEN) -> Tidy:
    """A long table of raw prices, as they are stored: what `load` makes Bars of. No symbols: all of a file.

    With it, of a file, how each column was read.

    `source` is one of `load`, or what `Bars.source` says; empty: as for `load`. InputError for a synthetic
    market and for what cannot be found or read.
    """
    source = _plain(source) or source_of(symbols)
    if source.startswith(synthetic.PREFIX):
        raise InputError(f"{source} is a formula: there is nothing to check")
    if source == SAMPLE:
        return Tidy(_of_symbols(sample.table(), symbols, source), {})
    if is_stock(source):
        stored = _stored(symbols, source)
        table = pd.concat([one.frame.assign(symbol=one.symbol) for one in stored], ignore_index=True)
        return Tidy(table, {})
    read = file.tidy(source, how)
    return read._replace(rows=_of_symbols(read.rows, symbols, source))


def approved(symbols: Sequence[str], source: str, how: ReadConfig) -> str:
    """In a line what is worth a look in the rows that Bars of this source were made of, empty if nothing is.

    Raises InputError for errors, with which results would be wrong, and says the command that shows them.
    """
    if source.startswith(synthetic.PREFIX):
        return ""
    found = quality.check(rows(symbols, source, how).rows)
    source = _plain(source)
    if wrong := quality.errors(found):
        show = check_command(wrong[0].symbol, source)
        raise InputError(f"{source}: prices are wrong: {quality.summary(wrong)} ({show} shows all)")
    warnings = [one for one in found if one.severity == "warning"]
    if not warnings:
        return ""
    show = check_command(warnings[0].symbol, source)
    return f"prices of {source} are worth a look: {quality.summary(warnings)} ({show} shows all)"


def check_command(symbol: str, source: str) -> str:
    """What a person types to see all that is wrong."""
    words = ["tradebot", "prices", "check", symbol, "--data", source] if is_stock(source) else []
    return f"`{shlex.join(words or ['tradebot', 'prices', 'check', source])}`"


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


def _of_symbols(table: pd.DataFrame, symbols: Sequence[str], source: str) -> pd.DataFrame:
    """The rows of these symbols, or all. InputError if one is not there."""
    there = list(table["symbol"].unique())
    for symbol in symbols:
        if symbol not in there:
            raise InputError(f"{source}: no symbol {symbol!r}; there are {', '.join(there)}")
    return table[table["symbol"].isin(symbols)].reset_index(drop=True) if symbols else table


def _plain(source: str) -> str:
    """What --data calls the source that Bars name."""
    name = source.partition(FETCHED)[0]
    return name if is_stock(name) else source


def _of_file(path: str, adjusted: bool, how: ReadConfig) -> Bars:
    try:
        return file.read(path, adjusted=adjusted, how=how)
    except InputError as error:
        try:
            file.tidy(path, how)
        except InputError:
            raise error from None
        raise InputError(f"{error}; {check_command('', path)} shows all that is wrong") from None


def _fetched(symbols: Sequence[str], source: str, adjusted: bool) -> Bars:
    return store.bars(_stored(symbols, source), adjusted=adjusted)


def _stored(symbols: Sequence[str], source: str) -> list[store.Stored]:
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
    return [store.read(path) for path in paths]
