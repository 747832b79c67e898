"""A name becomes Bars: a symbol of the sample, a price file, or a synthetic market."""

from __future__ import annotations

from collections.abc import Sequence

from tradebot.config import listed, suggestion
from tradebot.core import InputError
from tradebot.market import synthetic
from tradebot.prices.bars import Bars
from tradebot.prices.sources import file, sample


def load(
    symbols: str | Sequence[str] = (),
    source: str = "sample",
    *,
    start: str | None = None,
    end: str | None = None,
    adjusted: bool = True,
) -> Bars:
    """Prices of one or more symbols from `sample`, a price file, or `synthetic:NAME?key=value&...`.

    Prices are in the currency of the source; `adjusted` ones are scaled for splits and dividends where the
    source says how. start and end are dates, months or years, both included. Raises InputError for what
    cannot be found or read.

    >>> load("AAPL").close[-1, 0]        # the shipped sample
    >>> load(source="prices.csv")        # every symbol of the file
    """
    wanted = listed(symbols)
    if source == "sample":
        if not wanted:
            raise InputError(f"say which symbol: {', '.join(sample.symbols())}")
        bars = sample.read(wanted, adjusted=adjusted)
    else:
        if source.startswith(synthetic.PREFIX):
            bars = synthetic.read(source)
        else:
            bars = file.read(source, adjusted=adjusted)
        bars = bars.select(wanted) if wanted else bars
    return bars.between(start, end) if start or end else bars


def resolve(symbols: Sequence[str], data: str) -> Bars:
    """The full history of the one symbol that --symbols and --data name."""
    if not symbols and not data:
        raise InputError("say which prices: --symbols AAPL (the sample) or --data FILE")
    bars = load(symbols, data or "sample")
    if len(bars.symbols) > 1:
        raise InputError(
            f"one symbol can be traded at a time, not {', '.join(bars.symbols)}: choose one with --symbols"
        )
    return bars


def unknown(kind: str, name: str, known: Sequence[str]) -> InputError:
    """The error for a name that is not in a list."""
    return InputError(f"unknown {kind} {name!r}{suggestion(name, known)}")
