"""The numbers of backtests as tables, for the terminal (rich) and for a page (HTML).

Fractions become percent here. All figures are after costs; what has no value (NaN) is shown as a dash.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from html import escape
from typing import NamedTuple

import numpy as np
from rich import box
from rich.table import Table
from rich.text import Text

from tradebot.backtest.engine import Backtest, Track
from tradebot.core import InputError
from tradebot.prices.dates import spelled
from tradebot.stats.bootstrap import Interval
from tradebot.stats.metrics import METRICS, spread

HEADLINE = ("total_return", "cagr", "sharpe", "max_drawdown", "exposure", "trades", "fees")
WIDEST = 16  # characters of a label in the terminal
MISSING = "—"
BENCHMARK = "buy_and_hold"
INTERVAL = ("95 % from", "95 % to")
QUARTILES = ("lower quartile", "upper quartile")
MEANING = (
    "95 %: how far chance could have carried a figure on bars of this kind (its own "
    "returns, redrawn in blocks). It says nothing about another market regime."
)

_PERCENT = {"total_return": 1, "cagr": 1, "volatility": 1, "max_drawdown": 1, "exposure": 1, "win_rate": 1}
_PERCENT |= {"alpha": 1, "var_95": 2, "cvar_95": 2}  # metric -> decimals
_COUNTS = frozenset({"trades", "max_drawdown_days"})
_CURRENCY = frozenset({"fees", "dividends"})
_NO_HINDSIGHT = (
    "What could have been earned in hindsight is known for one symbol, and for costs that are a share of what"
    " is traded."
)
_NOTES = (
    "Under a figure: its 95 % interval, from redrawing the account's own returns in blocks (stationary"
    " bootstrap). It says how far chance could have carried the figure on bars of this kind, and nothing"
    f" about another market regime. <em>vs {BENCHMARK}</em>: the figure minus {BENCHMARK}'s, both redrawn"
    " with the same bars; where 0 lies inside, chance may be all of the lead. <em>median</em>: under it the"
    " quartiles that hold the middle half of the seeds. <em>IQM</em>: interquartile mean of the seeds; its"
    " interval says how far other seeds would move it on these very bars. No interval: too few bars or seeds,"
    " ruin, a figure that some resamples lack, or one that is not resampled."
)


class Row(NamedTuple):
    """One account, the spread over several, or a difference."""

    label: str
    values: dict[str, tuple[str, ...]]  # metric -> (value,) or (value, low, high) or nothing
    ends: tuple[str, ...] = ()  # what low and high are, where the terminal is to show them


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
    """Each backtest's ensemble, its lead over buy-and-hold and its members, then every baseline once."""
    metrics = tuple(metrics)
    table = []
    for backtest in backtests:
        name = f"{backtest.name}: " if len(backtests) > 1 else ""
        seeds = len(backtest.members)
        ensemble = f"{name}ensemble of {seeds}" if seeds > 1 else backtest.name
        values = _single(backtest.ensemble, metrics)
        table.append(Row(f"{ensemble}{' (in-sample)' * backtest.in_sample}", values, INTERVAL))
        if not np.array_equal(backtest.ensemble.equity, backtest.ensemble.benchmark):
            lead = backtest.ensemble.difference
            values = {metric: _interval(metric, lead[metric]) if metric in lead else () for metric in metrics}
            table.append(Row(f"vs {BENCHMARK}", values, INTERVAL))
        if seeds > 1:
            values = {metric: _spread(backtest.members, metric) for metric in metrics}
            table.append(Row(f"{name}median of {seeds}", values, QUARTILES))
            values = {metric: _interval(metric, backtest.iqm[metric]) for metric in metrics}
            table.append(Row(f"{name}IQM of {seeds}", values))
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
        caption_justify="left",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
        show_edge=False,
        padding=(0, 1, 0, 0),
    )
    table.add_column("", overflow="fold")
    for metric in HEADLINE:
        table.add_column(metric.replace("_", "\n"), justify="right", no_wrap=True, vertical="bottom")
    has_interval = False
    for row in rows(backtests, HEADLINE):
        shown = [row.values[metric][: 1 + len(row.ends)] or ("",) for metric in HEADLINE]
        ends = row.ends if max(map(len, shown)) > 1 else ()
        label = "\n".join((_folded(row.label), *(f"  {end}" for end in ends)))
        table.add_row(
            Text(label), *("\n".join(values) + "\n" * (1 + len(ends) - len(values)) for values in shown)
        )
        has_interval |= ends == INTERVAL
    told = dividends(backtests) + calls(backtests) + regrets(backtests)
    table.caption = Text("\n".join([MEANING] * has_interval + told))
    return table


def summary_html(backtests: Sequence[Backtest]) -> str:
    """Every metric as an HTML table: a line per metric, the headline first; a column per account.

    Raises InputError if the backtests are of different bars.
    """
    title = escape(span(backtests))
    sentences = dividends(backtests) + calls(backtests) + regrets(backtests)
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
        f"<p><small>{_NOTES}</small></p>\n"
        + "\n".join(f"<p><small>{escape(told)}</small></p>" for told in sentences)
    )


def dividends(backtests: Sequence[Backtest]) -> list[str]:
    """What the ensembles received on raw prices, in a sentence; nothing on adjusted ones."""
    if backtests[0].bars.adjusted:
        return []
    got = ((backtest.name, backtest.metrics["dividends"]) for backtest in backtests)
    shares = [
        f"{name} {'received' if sum_ >= 0 else 'paid'} {show('dividends', abs(sum_))}" for name, sum_ in got
    ]
    return [f"Raw prices, with splits and dividends booked on their day: {', '.join(shares)} in dividends."]


def calls(backtests: Sequence[Backtest]) -> list[str]:
    """Which ensembles and baselines the broker liquidated, and which were ruined: a sentence for each."""
    tracks = [(backtest.name, backtest.ensemble) for backtest in backtests]
    return [text for name, track in (*tracks, *baselines(backtests).items()) for text in _called(name, track)]


def regrets(backtests: Sequence[Backtest]) -> list[str]:
    """How far the ensembles stayed behind the best that could have been done: a sentence for each best."""
    if not all(backtest.has_oracle for backtest in backtests):
        return [_NO_HINDSIGHT]
    captured: dict[str, list[str]] = {}
    for backtest in backtests:
        best, share = backtest.oracle_return, backtest.captured(backtest.ensemble)
        positions = "long, flat or short" if backtest.short else "long or flat"
        earned = f"{100 * best:,.0f}%" if best < 1e6 else f"a factor of {1 + best:.1e}"
        text = f"In hindsight, {positions} at every bar could have earned {earned} after these costs"
        shares = captured.setdefault(text, [])
        if not math.isnan(share):
            shares.append(f"{backtest.name} captured {100 * share:z,.1f}%")
    return [
        f"{text}; {', '.join(shares)} of its log wealth." if shares else f"{text}."
        for text, shares in captured.items()
    ]


def label(backtest: Backtest) -> str:
    """How a backtest's ensemble is called in every table and figure."""
    several = f": ensemble of {len(backtest.members)} seeds" if len(backtest.members) > 1 else ""
    return f"{backtest.name}{several}{' (in-sample)' if backtest.in_sample else ''}"


def probability(p: float) -> str:
    return f"{p:.3g}"


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
    spans = {f"{backtest.bars.who}, {backtest.bars.span}" for backtest in backtests}
    if len(spans) != 1:
        raise InputError(
            f"only backtests of the same bars can be compared (got {'; '.join(sorted(spans)) or 'none'}): "
            "backtest them on one symbol and span"
        )
    return spans.pop()


def _called(name: str, track: Track) -> list[str]:
    begun, times, told = track.liquidations, track.bars.timestamps, []
    if len(begun):
        often = "once" if len(begun) == 1 else f"{len(begun)} times, first"
        first = spelled(times[begun[0]])
        told.append(f"{name} was liquidated by the broker {often} after the close of {first}.")
    if track.ruined:
        told.append(f"{name} was ruined at the close of {spelled(times[track.ruined])} and traded no more.")
    return told


def _folded(label: str) -> str:
    """A long name in lines that break behind an underscore or a comma."""
    lines = [""]
    for part in re.split(r"(?<=[_,])", label):
        if lines[-1] and len(lines[-1] + part) > WIDEST:
            lines.append("")
        lines[-1] += part
    return "\n".join(lines)


def _single(track: Track, metrics: Iterable[str]) -> dict[str, tuple[str, ...]]:
    return {
        metric: _interval(metric, track.intervals[metric])
        if metric in track.intervals
        else (show(metric, track.metrics[metric]),)
        for metric in metrics
    }


def _interval(metric: str, over: Interval) -> tuple[str, ...]:
    return tuple(show(metric, value) for value in (over if over.low <= over.high else over[:1]))


def _spread(members: Sequence[Track], metric: str) -> tuple[str, ...]:
    over = spread(np.array([track.metrics[metric] for track in members]))
    return tuple(show(metric, over[key]) for key in ("median", "q25", "q75"))


def _html(values: tuple[str, ...]) -> str:
    if len(values) < 3:
        return "".join(values)
    value, low, high = values
    return f"{value}<br><small>{low} to {high}</small>"
