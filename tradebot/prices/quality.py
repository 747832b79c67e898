"""What is wrong with prices, or worth a look: all checks over a long table, before it becomes Bars."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from tradebot.core import Array
from tradebot.prices.dates import spelled
from tradebot.prices.hours import check_intraday
from tradebot.prices.moves import check_adjustment, check_moves
from tradebot.prices.series import Mark, Series, Severity, series
from tradebot.prices.sessions import check_daily, check_gaps_of_long_bars, check_lengths, exchanges_of
from tradebot.prices.values import (
    check_duplicates,
    check_numbers,
    check_range,
    check_stale,
    check_volume,
    repeated_dates,
    usable,
)

SEVERITIES: tuple[Severity, ...] = ("error", "warning", "info")
EXAMPLES = 3
MEANINGS = {  # of each check, for a person
    "nan": "not a number",
    "non_positive": "price of zero or less",
    "high_low": "outside of low .. high",
    "duplicates": "a date twice",
    "zero_volume": "no volume",
    "stale": "the same prices again",
    "calendar": "sessions that are not known",
    "missing_sessions": "a session without a bar",
    "extra_sessions": "a bar without a session",
    "missing_bars": "a bar is missing within a session",
    "gaps": "nothing for long",
    "forward_fill": "a day without a session, filled",
    "time_zone": "at the wrong time",
    "bar_length": "bars of another length",
    "hundredfold": "in another unit",
    "splits": "like a split nobody adjusted for",
    "jumps": "a large move",
    "adjustment": "adj_close does not fit close",
}


@dataclass(frozen=True, eq=False)
class Finding:
    """What one check found in the bars of one symbol."""

    check: str  # a key of MEANINGS
    severity: Severity  # error: results would be wrong; warning: look at it
    symbol: str
    moments: Array  # [count] datetime64[us], of each bar or missing bar, first to last
    about: str  # what the first one is like

    @property
    def count(self) -> int:
        """How many bars."""
        return len(self.moments)

    @property
    def first(self) -> str:
        """The date, and the time if there is one, of the first."""
        return spelled(self.moments[0])

    def to_dict(self) -> dict[str, Any]:
        """To be read by programs."""
        return {
            "check": self.check,
            "severity": self.severity,
            "symbol": self.symbol,
            "count": self.count,
            "first": self.first,
            "about": self.about,
            "examples": [spelled(moment) for moment in self.moments[:EXAMPLES]],
        }


def check(table: pd.DataFrame, exchange: str = "") -> list[Finding]:
    """All findings in a long table date, symbol, open .. volume, perhaps adj_close, dividends and splits.

    Errors come first. `exchange` is a name of exchange_calendars, 24/7 or 24/5; where it is empty each symbol
    tells its own (see `exchanges.exchange_of`). Rows without usable prices count for their own check alone,
    as do all but the first of a date. Raises InputError for an unknown exchange.
    """
    rows = series(table)
    marks = [*check_numbers(rows), *check_duplicates(rows)]
    once = rows.where(~repeated_dates(rows))
    where = exchanges_of(once, exchange)
    marks += [*check_daily(once, where), *check_intraday(once, where)]
    marks += [*check_lengths(once), *check_gaps_of_long_bars(once)]
    marks += check_range(rows.where(usable(rows)))
    priced = once.where(usable(once))
    adjusted = _with_adjustment(priced)
    marks += [
        *check_volume(priced),
        *check_stale(priced),
        *check_moves(adjusted),
        *check_adjustment(adjusted),
    ]
    return _sorted([finding for each in marks for finding in _findings(each, rows.symbols)])


def errors(findings: Sequence[Finding]) -> list[Finding]:
    """Those with which no honest run can go on."""
    return [one for one in findings if one.severity == "error"]


def summary(findings: Sequence[Finding]) -> str:
    """In a line: what the checks found, how often, and the first of all."""
    counts: dict[str, int] = {}
    for one in findings:
        counts[one.check] = counts.get(one.check, 0) + one.count
    first = findings[0]
    return (
        f"{', '.join(f'{name} ({count:,})' for name, count in counts.items())}; the first: {first.symbol}:"
        f" {first.first}: {first.about}"
    )


def _with_adjustment(rows: Series) -> Series:
    if "adj_close" not in rows.columns:
        return rows
    adjusted = rows["adj_close"]
    return rows.where(np.isfinite(adjusted) & (adjusted > 0))


def _findings(each: Mark, symbols: Sequence[str]) -> list[Finding]:
    """A finding per symbol of one mark."""
    order = np.lexsort((each.date, each.code))
    codes = each.code[order]
    starts = np.flatnonzero(np.append(True, codes[1:] != codes[:-1]))
    ends = np.append(starts[1:], len(codes))
    return [
        Finding(
            each.check,
            each.severity,
            symbols[codes[start]],
            each.date[order[start:end]],
            each.about(int(order[start])),
        )
        for start, end in zip(starts, ends, strict=True)
    ]


def _sorted(findings: list[Finding]) -> list[Finding]:
    """By severity, check and symbol; what two marks found is one finding."""
    checks = list(MEANINGS)
    joined: dict[tuple[int, int, str], Finding] = {}
    for one in findings:
        key = (SEVERITIES.index(one.severity), checks.index(one.check), one.symbol)
        if key in joined:
            both = sorted((joined[key], one), key=lambda each: each.moments[0])
            one = replace(both[0], moments=np.unique(np.concatenate([each.moments for each in both])))
        joined[key] = one
    return [joined[key] for key in sorted(joined)]
