"""The panels of the interactive chart: bokeh figures over one source of columns and one shared x axis.

Columns are named by what they hold and a number; names that a person gave are only tooltips, which bokeh
writes as text.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from bokeh.models import (
    BasicTickFormatter,
    BoxZoomTool,
    ColumnDataSource,
    CrosshairTool,
    DataRange1d,
    DatetimeTicker,
    HoverTool,
    NumeralTickFormatter,
    PanTool,
    PrintfTickFormatter,
    Range1d,
    ResetTool,
    WheelZoomTool,
    ZoomInTool,
    ZoomOutTool,
)
from bokeh.models.annotations import Span
from bokeh.models.renderers import DataRenderer
from bokeh.plotting import figure

from tradebot import colours
from tradebot.backtest.engine import Backtest
from tradebot.core import Array
from tradebot.report import plots
from tradebot.report.tables import baselines, label

FONT = "system-ui, -apple-system, Segoe UI, Roboto, Helvetica Neue, Arial, sans-serif"
AXIS, GRID = "#6b7680", "#8a949e"  # read on a white page and on a dark one
DARK = {  # the colour on a white page -> that on a dark one; written with alpha, as nobody writes a name
    f"{light}ff": f"{dark}ff"
    for light, dark in (
        (colours.INK, "#f0f3f5"),
        (colours.GREY, "#a3adb6"),
        (colours.BROWN, "#c09a76"),
        (colours.BLUE, "#3f9fe0"),
        (colours.GREEN, "#1fbf92"),
        (colours.VERMILION, "#f07b3a"),
    )
}
_DASHES = {"-": "solid", "--": "dashed", ":": "dotted"}
_MARKERS = {"^": "triangle", "v": "inverted_triangle", "o": "circle"}


class Entry(NamedTuple):
    """A line of the legend, which hides what it names."""

    text: str
    color: str
    night: str  # the colour on a dark page
    style: str  # solid, dashed, dotted or band
    renderers: tuple[str, ...]  # their names in the document


class Axis(NamedTuple):
    """What all charts of the page share: the span that is seen, and the line under the pointer."""

    range: Range1d
    pointer: Span
    clock: str  # how a moment is written: bars of days have no time


def money(
    element: str, tests: Sequence[Backtest], source: ColumnDataSource, axis: Axis
) -> tuple[figure, tuple[Entry, ...]]:
    """Ensembles, the middle half of their members, and baselines; of a single backtest each member too."""
    accounts = [track for test in tests for track in (test.ensemble, *test.members)]
    values = [plots.multiple(track) for track in (*accounts, *baselines(tests).values())]
    low, high = float(np.min(values)), float(np.max(values))
    panel = _panel(
        axis,
        400,
        log=(low, high),
        ylabel=f"multiple of the initial cash{f' (ruin: {plots.FLOOR:g}×)' * (low <= plots.FLOOR)}",
    )
    panel.yaxis.formatter = PrintfTickFormatter(format="%.4g×")
    panel.add_layout(Span(location=1, dimension="width", line_color=GRID))
    line = functools.partial(_line, panel, source, element)
    fans, rivals, ensembles = [], {}, []
    for i, test in enumerate(tests):
        if len(test.members) > 1:
            fans += _seeds(panel, source, element, i, len(test.members) if len(tests) == 1 else 0)
    styled = list(enumerate(plots.styled(tests)))
    for j, (name, _, color, dashes) in sorted(styled, key=lambda item: item[1][0] == "buy_and_hold"):
        # drawn last of them: what the others have to beat stands before them
        rivals[j] = line(f"baseline{j}", name, color, dashes, 1.8 if name == "buy_and_hold" else 1.3)
    for i, test in enumerate(tests):
        band = [f"{element}-band{i}"] if len(tests) > 1 and len(test.members) > 1 else []
        ensembles.append(line(f"ensemble{i}", label(test), _color(i), "-", 2.6, *band))
    _hover(panel, axis, f"{element}-ensemble0", _multiples(tests))
    return panel, (*ensembles, *fans, *(rivals[j] for j, _ in styled))


def _multiples(tests: Sequence[Backtest]) -> list[tuple[str, str]]:
    """The tooltip of `money`: name -> bokeh's template of its value."""
    rows = []
    for i, test in enumerate(tests):
        rows.append((test.name, f"@ensemble{i}{{0,0.000}}×"))
        if len(test.members) > 1:
            rows.append(("middle half of its seeds", f"@low{i}{{0,0.000}} to @high{i}{{0,0.000}}×"))
    return rows + [(name, f"@baseline{j}{{0,0.000}}×") for j, name in enumerate(baselines(tests))]


def _seeds(panel: figure, source: ColumnDataSource, element: str, i: int, members: int) -> list[Entry]:
    """The band of the middle half of backtest i's members; the thin lines of `members` of them."""
    color, band = _color(i), f"{element}-band{i}"
    panel.varea("x", f"low{i}", f"high{i}", source=source, color=color, alpha=0.18, name=band)
    names = [f"{element}-member{m}" for m in range(members)]
    for m, name in enumerate(names):
        panel.line("x", f"member{m}", source=source, color=colours.SKY, line_width=0.9, alpha=0.7, name=name)
    if not members:
        return []
    return [
        _entry("middle half of the seeds", color, "band", band),
        _entry(f"each of the {members} seeds", colours.SKY, "solid", *names),
    ]


def _line(
    panel: figure,
    source: ColumnDataSource,
    element: str,
    column: str,
    text: str,
    color: str,
    dashes: str,
    width: float,
    *others: str,
) -> Entry:
    """Draws it; its name in the legend hides the renderers `others` too."""
    name, style = f"{element}-{column}", _DASHES[dashes]
    panel.line("x", column, source=source, color=f"{color}ff", line_dash=style, line_width=width, name=name)
    return _entry(text, color, style, name, *others)


def _entry(text: str, color: str, style: str, *renderers: str) -> Entry:
    return Entry(text, color, DARK.get(f"{color}ff", color)[:7], style, renderers)


def depth(source: ColumnDataSource, axis: Axis, element: str) -> figure:
    panel = _panel(axis, 150, "drawdown")
    panel.yaxis.formatter = NumeralTickFormatter(format="0%")
    panel.varea("x", y1=0, y2="depth", source=source, color=colours.BLUE, alpha=0.18)
    tooltips = [("ensemble", "@depth{0.0%}")]
    if "hold" in source.data:
        panel.line("x", "hold", source=source, color=f"{colours.INK}ff", line_width=1.2)
        tooltips.append(("buy_and_hold", "@hold{0.0%}"))
    panel.line(
        "x", "depth", source=source, color=f"{colours.BLUE}ff", line_width=1.6, name=f"{element}-depth"
    )
    _hover(panel, axis, f"{element}-depth", tooltips)
    return panel


def price(source: ColumnDataSource, axis: Axis, element: str, marks: pd.DataFrame, kind: str) -> figure:
    panel = _panel(axis, 280, f"{kind} price [currency]")
    panel.yaxis.formatter = BasicTickFormatter(use_scientific=False)
    panel.line(
        "x", "price", source=source, color=f"{colours.GREY}ff", line_width=1.2, name=f"{element}-price"
    )
    _hover(panel, axis, f"{element}-price", [("close", "@price{0,0.00[0000]}")])
    drawn: list[DataRenderer] = []
    size = float(np.clip(150 / max(len(marks), 1) ** 0.5, 6, 11))  # hundreds must not hide the price
    for what, marker, color in reversed(plots.MARKS):  # exits behind: a reversal closes and opens at once
        rows = marks[marks["what"] == what]
        data = ColumnDataSource(
            {
                "x": milliseconds(rows["time"].to_numpy()),
                "y": rows["price"].to_numpy(),
                "return": rows["return"].to_numpy(),
            }
        )
        hollow = marker == "o"
        drawn.append(
            panel.scatter(
                "x",
                "y",
                source=data,
                marker=_MARKERS[marker],
                size=size,
                line_color=f"{color}ff",
                fill_color=None if hollow else f"{color}ff",
                name=what,
            )
        )
    panel.add_tools(
        HoverTool(
            renderers=drawn,
            tooltips=[("", "$name"), ("at", "@y{0,0.00[0000]}"), ("return of the trade", "@return{0.0%}")],
            visible=False,
            attachment="below",
        )
    )
    return panel


def symbols(
    source: ColumnDataSource, axis: Axis, element: str, names: Sequence[str]
) -> tuple[figure, tuple[Entry, ...]]:
    """The weight of each symbol, and their lines of the legend."""
    panel = _panel(axis, 280, "position / equity")
    panel.yaxis.formatter = NumeralTickFormatter(format="0%")
    entries = []
    for i, symbol in enumerate(names):
        color, name = plots.SYMBOLS[i], f"{element}-symbol{i}"
        panel.step(
            "x", f"symbol{i}", source=source, mode="before", color=f"{color}ff", line_width=1.4, name=name
        )
        entries.append(_entry(symbol, color, "solid", name))
    rows = [(name, f"@symbol{i}{{0.0%}}") for i, name in enumerate(names)]
    _hover(panel, axis, f"{element}-symbol0", rows)
    return panel, tuple(entries)


def weight(source: ColumnDataSource, axis: Axis, element: str, ylabel: str) -> figure:
    panel = _panel(axis, 150, ylabel)
    panel.yaxis.formatter = NumeralTickFormatter(format="0%")
    for column, color in (("long", colours.GREEN), ("short", colours.VERMILION)):
        # of the bar that ends at each mark, hence steps to the left
        panel.varea_step(
            "x", y1=0, y2=column, source=source, step_mode="before", color=f"{color}ff", alpha=0.5
        )
    panel.line("x", "weight", source=source, alpha=0, name=f"{element}-weight")  # what the pointer finds
    _hover(panel, axis, f"{element}-weight", [(ylabel, "@weight{0%}")])
    return panel


def _panel(axis: Axis, height: int, ylabel: str, *, log: tuple[float, float] | None = None) -> figure:
    """log: lowest and highest value of a logarithmic axis, which the page's script fits to what is seen."""
    pan, wheel = PanTool(dimensions="width"), WheelZoomTool(dimensions="width", modifiers={"ctrl": True})
    panel = figure(
        height=height,
        sizing_mode="stretch_width",
        x_axis_type="datetime",
        y_axis_type="log" if log else "linear",
        x_range=axis.range,
        y_range=Range1d(start=log[0], end=log[1]) if log else DataRange1d(range_padding=0.05),
        window_axis="x",
        tools=[
            pan,
            BoxZoomTool(dimensions="width"),
            wheel,
            ZoomInTool(dimensions="width"),
            ZoomOutTool(dimensions="width"),
            ResetTool(),
            CrosshairTool(overlay=axis.pointer, visible=False),
        ],
        active_drag=pan,
        active_scroll=wheel,
        background_fill_color=None,
        border_fill_color=None,
        outline_line_color=None,
    )
    panel.grid.grid_line_color, panel.grid.grid_line_alpha = GRID, 0.25
    for side in (panel.xaxis, panel.yaxis):
        side.axis_line_color = side.major_tick_line_color = GRID
        side.minor_tick_line_color = None
        side.major_label_text_color = side.axis_label_text_color = AXIS
        side.major_label_text_font = side.axis_label_text_font = FONT
        side.axis_label_text_font_style = "normal"
    panel.yaxis.axis_label = ylabel
    panel.xaxis.ticker = DatetimeTicker(desired_num_ticks=4)  # what a telephone has room for
    return panel


def _hover(panel: figure, axis: Axis, renderer: str, rows: Sequence[tuple[str, str]]) -> None:
    """The time and these values of the bar under the pointer, wherever it stands above it."""
    panel.add_tools(
        HoverTool(
            renderers=[it for it in panel.renderers if isinstance(it, DataRenderer) and it.name == renderer],
            mode="vline",
            line_policy="nearest",
            tooltips=[("", f"@x{{{axis.clock}}}"), *rows],
            formatters={"@x": "datetime"},
            visible=False,
        )
    )


def _color(i: int) -> str:
    return plots.STRATEGIES[i % len(plots.STRATEGIES)]


def milliseconds(times: Array) -> Array:
    """Since 1970, as bokeh counts them."""
    return times.astype("datetime64[us]").astype(np.float64) / 1e3
