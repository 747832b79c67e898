"""A picture of checked prices: the close of each symbol on a log axis, with what was found marked on it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullLocator

from tradebot.colours import BLUE, BROWN, GREEN, GREY, INK, ORANGE, PURPLE, SKY, VERMILION
from tradebot.config import counted
from tradebot.core import Array
from tradebot.prices.quality import SEVERITIES, Finding
from tradebot.report.plots import date_axis, frame, log_ticks

PANELS = 6
_COLOURS = (VERMILION, ORANGE, GREEN, PURPLE, BLUE, BROWN, SKY, INK)
_MARKERS = {"error": "X", "warning": "o", "info": "|"}
_LINES = 12  # bars, in which a panel can tell its findings apart


def figure(table: pd.DataFrame, findings: Sequence[Finding]) -> Figure:
    """The symbols of a long table, those with the worst findings first, up to PANELS; errors are crosses."""
    symbols = _worst_first(list(table["symbol"].unique()), findings)
    shown = symbols[:PANELS]
    picture = Figure(figsize=(10, 1.2 + 2.6 * len(shown)), layout="constrained")
    panels = picture.subplots(len(shown), 1, squeeze=False)[:, 0]
    checks = sorted({(SEVERITIES.index(one.severity), one.check) for one in findings})
    colours = {key: _COLOURS[i % len(_COLOURS)] for i, key in enumerate(checks)}
    for axes, symbol in zip(panels, shown, strict=True):
        rows = table[table["symbol"] == symbol].sort_values("date")
        rows = rows[(rows["close"] > 0) & np.isfinite(rows["close"])]
        _panel(axes, symbol, rows, [one for one in findings if one.symbol == symbol], colours)
    more = f"; not shown: {counted(len(symbols) - len(shown), 'symbol')}" if len(symbols) > len(shown) else ""
    errors = sum(one.count for one in findings if one.severity == "error")
    others = sum(one.count for one in findings) - errors
    title = f"Checked prices: {counted(errors, 'bar')} with errors, {others:,} worth a look{more}"
    picture.suptitle(title, x=0.01, ha="left", fontweight="bold")
    return picture


def _worst_first(symbols: list[str], findings: Sequence[Finding]) -> list[str]:
    worst = {symbol: len(SEVERITIES) for symbol in symbols}
    for one in findings:
        worst[one.symbol] = min(worst.get(one.symbol, len(SEVERITIES)), SEVERITIES.index(one.severity))
    return sorted(symbols, key=lambda symbol: worst[symbol])


def _panel(
    axes: Axes,
    symbol: str,
    rows: pd.DataFrame,
    findings: Sequence[Finding],
    colours: dict[tuple[int, str], str],
) -> None:
    axes.plot(rows["date"], rows["close"], color=GREY, linewidth=0.9, zorder=2)
    for one in findings:
        color = colours[SEVERITIES.index(one.severity), one.check]
        heights = _heights(rows, one.moments)
        axes.scatter(
            one.moments,
            heights,
            s=55 if one.count <= _LINES else 22,
            marker=_MARKERS[one.severity],
            color=color,
            edgecolors="white",
            linewidths=0.5,
            zorder=3 + (one.severity == "error"),
            label=f"{one.severity}: {one.check.replace('_', ' ')} ({one.count:,})",
        )
    axes.set_yscale("log")
    low, high = axes.get_ylim()
    axes.yaxis.set_major_locator(log_ticks(high / low))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,g}"))
    date_axis(axes)
    axes.set_ylabel("raw close [currency]")
    axes.set_title(
        symbol.replace("$", r"\$") + ("" if findings else ": nothing found"), loc="left", fontsize=10
    )
    frame(axes)
    axes.margins(y=0.08)
    if findings:
        axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False, fontsize=8)


def _heights(rows: pd.DataFrame, moments: Array) -> Array:
    """The close at each moment, or the last one before it where there is no bar."""
    if not len(rows):
        return np.ones(len(moments))
    place = np.searchsorted(rows["date"].to_numpy(), moments, side="right") - 1
    heights: Array = rows["close"].to_numpy()[place.clip(min=0)]
    return heights
