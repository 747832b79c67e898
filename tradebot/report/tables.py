"""The numbers of backtests as tables, for the terminal (rich) and for a page (HTML).

Fractions become percent here. All figures are after costs; what has no value (NaN) is shown as a dash.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from html import escape
from typing import NamedTuple

import numpy as np
from rich import box
from rich.table import Table
from rich.text import Text

from tradebot.backtest.engine import Backtest, Track
from tradebot.core import InputError
from tradebot.stats.metrics import METRICS, spread

HEADLINE = ("total_return", "cagr", "sharpe", "max_drawdown", "exposure", "trades", "fees")
MISSING = "—"

_PERCENT = {"total_return": 1, "cagr": 1, "volatility": 1, "max_drawdown": 1, "exposure": 1, "win_rate": 1}
_PERCENT |= {"alpha": 1, "var_95": 2, "cvar_95": 2}  # metric -> decimals
_COUNTS = frozenset({"trades", "max_drawdown_days"})
_CURRENCY = frozenset({"fees"})


class Row(NamedTuple):
    """One account, or the spread over several."""

    label: str
    values: dict[str, tuple[str, ...]]  # metric -> (value,) or (median, lower quartile, upper quartile)


def show(metric: str, value: float) -> str:
    """A metric as a person reads it: fractions as percent, whole counts, small sums with cents."""
    if math.isnan(value):
        return MISSING
    if metric in _PERCENT:
        return f"{100 * value:z,.{_PERCENT[metric]}f}%"
    if metric in _COUNTS:
        return f"{value:z,.1f}".removesuffix(".0")  # the median of an even number of counts may be a half
    if metric in _CURRENCY and abs(value) >= 1000:
        return f"{value:z,.0f}"
    return f"{value:z,.2f}"


def rows(backtests: Sequence[Backtest], metrics: Iterable[str]) -> list[Row]:
    """Each backtest's ensemble and the spread over its members, then every baseline once."""
    metrics = tuple(metrics)
    table = []
    for backtest in backtests:
        name = f"{backtest.name}: " if len(backtests) > 1 else ""
        seeds = len(backtest.members)
        ensemble = f"{name}ensemble of {seeds}" if seeds > 1 else backtest.name
        table.append(
            Row(f"{ensemble}{' (in-sample)' * backtest.in_sample}", _single(backtest.ensemble, metrics))
        )
        if seeds > 1:
            values = {metric: _spread(backtest.members, metric) for metric in metrics}
            table.append(Row(f"{name}median of {seeds}", values))
    table += [Row(name, _single(track, metrics)) for name, track in baselines(backtests).items()]
    return table


def summary(backtests: Sequence[Backtest]) -> Table:
    """The headline metrics, for a terminal of 80 columns.

    Raises InputError if the backtests are of different bars.
    """
    table = Table(
        title=Text(
            f"{f'{backtests[0].name}: ' if len(backtests) == 1 else ''}{span(backtests)}, after costs"
        ),
        title_justify="left",
        box=box.SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
    )
    table.add_column("", overflow="fold")
    for metric in HEADLINE:
        table.add_column(metric.replace("_", "\n"), justify="right", no_wrap=True, vertical="bottom")
    for row in rows(backtests, HEADLINE):
        of_several = len(row.values[HEADLINE[0]]) > 1
        name = f"{row.label}\n    lower quartile\n    upper quartile" if of_several else row.label
        table.add_row(Text(name), *("\n".join(row.values[metric]) for metric in HEADLINE))
    return table


def summary_html(backtests: Sequence[Backtest]) -> str:
    """Every metric as an HTML table: a line per metric, the headline first; a column per account.

    Raises InputError if the backtests are of different bars.
    """
    title = escape(span(backtests))
    metrics = (*HEADLINE, *(metric for metric in METRICS if metric not in HEADLINE))
    columns = rows(backtests, metrics)
    head = "".join(f'<th scope="col">{escape(row.label)}</th>' for row in columns)
    lines = [
        f'<tr><th scope="row">{readable(metric)}</th>'
        + "".join(f"<td>{_html(row.values[metric])}</td>" for row in columns)
        + "</tr>"
        for metric in metrics
    ]
    return (
        f"<table><caption>{title}, after costs</caption>\n"
        f"<thead><tr><td></td>{head}</tr></thead>\n<tbody>\n" + "\n".join(lines) + "\n</tbody></table>\n"
        "<p><small>Several seeds: the median, and the quartiles that hold the middle half.</small></p>"
    )


def label(backtest: Backtest) -> str:
    """How a backtest's ensemble is called in every table and figure."""
    several = f": ensemble of {len(backtest.members)} seeds" if len(backtest.members) > 1 else ""
    return f"{backtest.name}{several}{' (in-sample)' if backtest.in_sample else ''}"


def readable(metric: str) -> str:
    return metric.replace("_", " ")


def baselines(backtests: Sequence[Backtest]) -> dict[str, Track]:
    """Name -> account, each once, in the order in which they come."""
    merged: dict[str, Track] = {}
    for backtest in backtests:
        for name, track in backtest.baselines.items():
            merged.setdefault(name, track)
    return merged


def span(backtests: Sequence[Backtest]) -> str:
    """'AAPL, 2010-01-04 .. 2013-03-01': the bars that all of them share.

    Raises InputError if they don't: numbers from different bars say nothing about each other.
    """
    spans = {f"{', '.join(backtest.bars.symbols)}, {backtest.bars.span}" for backtest in backtests}
    if len(spans) != 1:
        raise InputError(
            f"only backtests of the same bars can be compared (got {'; '.join(sorted(spans)) or 'none'}): "
            "backtest them on one symbol and span"
        )
    return spans.pop()


def _single(track: Track, metrics: Iterable[str]) -> dict[str, tuple[str, ...]]:
    return {metric: (show(metric, track.metrics[metric]),) for metric in metrics}


def _spread(members: Sequence[Track], metric: str) -> tuple[str, ...]:
    over = spread(np.array([track.metrics[metric] for track in members]))
    return tuple(show(metric, over[key]) for key in ("median", "q25", "q75"))


def _html(values: tuple[str, ...]) -> str:
    if len(values) == 1:
        return values[0]
    median, low, high = values
    return f"{median}<br><small>{low} to {high}</small>"
