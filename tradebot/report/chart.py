"""The interactive chart of the page: bokeh models of every backtest as one JSON document, one shared x axis.

What is drawn is that of `plots`: multiples of the initial cash on a log axis, drawdown, price with entries
and exits, weight. Long series are thinned without losing an extreme.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from bokeh.document import Document
from bokeh.layouts import gridplot
from bokeh.models import ColumnDataSource, GridPlot, Range1d
from bokeh.models.annotations import Span
from bokeh.plotting import figure

from tradebot.backtest.engine import Backtest
from tradebot.core import Array
from tradebot.prices.bars import Bars
from tradebot.report import panels, plots
from tradebot.report.panels import Axis, Entry, milliseconds
from tradebot.report.tables import span
from tradebot.stats.metrics import drawdown

POINTS = 3_000  # bars drawn at the most, per chart
VALUES = 90_000  # numbers drawn at the most, over all charts: what keeps the page small
MARKED = 1_000  # trades marked at the most, per backtest


class Block(NamedTuple):
    """Charts above each other that are drawn into one element of the page."""

    element: str  # its id
    entries: tuple[Entry, ...]
    note: str  # what was left out of the drawing, if anything


class Charts(NamedTuple):
    """All charts of a page."""

    document: str  # JSON for `Bokeh.embed.embed_items`: documents, items and the colours of a dark page
    blocks: tuple[Block, ...]  # the comparison, where there are several backtests; then one per backtest


def charts(backtests: Sequence[Backtest]) -> Charts:
    """The same backtests give the same characters. Raises InputError if they are of different bars."""
    span(backtests)
    x = milliseconds(backtests[0].bars.timestamps)
    margin = 0.01 * (x[-1] - x[0])
    axis = Axis(
        Range1d(x[0] - margin, x[-1] + margin),
        Span(dimension="height", line_color=panels.AXIS),
        "%F %H:%M" if np.any(x % 86_400_000) else "%F",
    )
    columns = sum(len(test.members) + len(test.baselines) + 8 for test in backtests)
    points = int(np.clip(VALUES // columns, 200, POINTS))
    drawn = [_comparison("chart-all", backtests, axis, points)] if len(backtests) > 1 else []
    drawn += [_single(f"chart-{i}", test, axis, points) for i, test in enumerate(backtests)]
    roots, blocks = zip(*drawn, strict=True)
    return Charts(_document(roots, [block.element for block in blocks]), blocks)


def kept(series: Array, points: int) -> Array:
    """Which of T bars to draw so that at most `points` are left (and a few, if that is less than 2K + 2).

    series: [K, T], what must not lose an extreme: the first and the last bar are kept and, of each of as many
    equal spans as there is room for, the lowest and the highest bar of each series. Returns [N] indices,
    increasing; all where T <= points.
    """
    n_bars = series.shape[1]
    rows, spans = np.arange(n_bars), points // 2
    while len(rows) > points and spans > 0:
        edges = np.linspace(0, n_bars, spans + 1).astype(int)
        found = [
            low + extreme(series[:, low:high], axis=1)
            for low, high in itertools.pairwise(edges)
            for extreme in (np.argmin, np.argmax)
        ]
        rows = np.unique(np.concatenate([[0, n_bars - 1], *found]))
        spans = min(spans - 1, spans * points // len(rows))
    return rows


def _single(element: str, test: Backtest, axis: Axis, points: int) -> tuple[GridPlot, Block]:
    """Equity, drawdown, price with entries and exits or the weight of each symbol, and weight of them all."""
    long, short = plots.long_and_short(test.ensemble)
    symbols = plots.largest(test.ensemble) if len(test.bars.symbols) > 1 else {}
    columns = {
        **_fan([test]),
        **{f"member{i}": plots.multiple(member) for i, member in enumerate(test.members)},
        "depth": drawdown(test.ensemble.equity),
        **(
            {f"symbol{i}": held for i, held in enumerate(symbols.values())}
            or {"price": test.bars.close[:, 0]}
        ),
        "weight": long + short,
        "long": long,
        "short": short,
    }
    if hold := test.baselines.get("buy_and_hold"):
        columns["hold"] = drawdown(hold.equity)
    leading = [name for name in ("ensemble0", "depth", "hold", "price", "weight") if name in columns]
    source, note = _source(test.bars, columns, leading, points)
    equity, entries = panels.money(element, [test], source, axis)
    if symbols:
        middle, lines = panels.symbols(source, axis, element, list(symbols))
        entries += lines
        if len(symbols) < len(test.bars.symbols):
            note += f"Of {len(test.bars.symbols)} symbols those are drawn that were held most. "
    else:
        marks = plots.marks(test.ensemble)
        shown = marks.loc[marks["return"].abs().groupby(level=0).first().nlargest(MARKED).index]
        if len(shown) < len(marks):
            note += (
                f"Marked are the {MARKED:,} trades that won or lost most, of {len(test.ensemble.trades):,}. "
            )
        note += "▲ opens a long position, ▼ a short one, ○ closes one. "
        middle = panels.price(source, axis, element, shown, test.bars.kind)
    stacked = [
        equity,
        panels.depth(source, axis, element),
        middle,
        panels.weight(source, axis, element, "total / equity" if symbols else "position / equity"),
    ]
    return _grid(stacked), Block(element, entries, note)


def _comparison(element: str, tests: Sequence[Backtest], axis: Axis, points: int) -> tuple[GridPlot, Block]:
    """The equity of all ensembles and baselines."""
    columns = _fan(tests)
    source, note = _source(tests[0].bars, columns, list(columns), points)
    equity, entries = panels.money(element, tests, source, axis)
    bands = "Bands: the middle half of the seeds. " if any(len(test.members) > 1 for test in tests) else ""
    return _grid([equity]), Block(element, entries, f"{note}{bands}")


def _fan(tests: Sequence[Backtest]) -> dict[str, Array]:
    """Column -> [T] multiples: each ensemble, the quartiles of its members, and each baseline once."""
    columns = {}
    for i, test in enumerate(tests):
        columns[f"ensemble{i}"] = plots.multiple(test.ensemble)
        if len(test.members) > 1:
            members = [plots.multiple(member) for member in test.members]
            columns[f"low{i}"], columns[f"high{i}"] = np.quantile(members, [0.25, 0.75], axis=0)
    for j, (_, track, _, _) in enumerate(plots.styled(tests)):
        columns[f"baseline{j}"] = plots.multiple(track)
    return columns


def _source(
    bars: Bars, columns: Mapping[str, Array], leading: Sequence[str], points: int
) -> tuple[ColumnDataSource, str]:
    """The columns at the bars that are kept, and what to say of the others.

    All extremes of the `leading` columns are kept, of the others the lowest and the highest value.
    """
    ends = [extreme(values) for values in columns.values() for extreme in (np.argmin, np.argmax)]
    rows = kept(np.stack([columns[name] for name in leading]), points)
    if len(rows) < len(bars):
        rows = np.union1d(rows, ends)
    data = {name: values[rows].astype(np.float32) for name, values in columns.items()}
    source = ColumnDataSource({"x": milliseconds(bars.timestamps[rows]), **data})
    if len(rows) == len(bars):
        return source, ""
    return source, f"Drawn from {len(rows):,} of {len(bars):,} bars, chosen so that highs and lows stay. "


def _grid(stacked: Sequence[figure]) -> GridPlot:
    """One under the other with one toolbar."""
    for panel in stacked[:-1]:
        panel.xaxis.major_label_text_font_size = "0px"
    grid = gridplot([[panel] for panel in stacked], sizing_mode="stretch_width", toolbar_location="above")
    grid.toolbar.logo = None
    return grid


def _document(roots: Sequence[GridPlot], elements: Sequence[str]) -> str:
    """As JSON that may stand in a script element."""
    document = Document()
    for root in roots:
        document.add_root(root)
    numbers: dict[str, str] = {}
    content = _renumbered(document.to_json(deferred=False), numbers)
    where = {numbers[root.id]: element for root, element in zip(roots, elements, strict=True)}
    items = [{"docid": "page", "roots": where, "root_ids": list(where)}]
    text = json.dumps(
        {"documents": {"page": content}, "items": items, "dark": panels.DARK}, separators=(",", ":")
    )
    return text.replace("<", "\\u003c")  # no end of the element, no comment


def _renumbered(value: Any, numbers: dict[str, str]) -> Any:
    """The same with ids in the order in which they come: bokeh counts on through the whole process."""
    if isinstance(value, dict):
        return {
            key: numbers.setdefault(item, f"m{len(numbers)}") if key == "id" else _renumbered(item, numbers)
            for key, item in value.items()
        }
    if isinstance(value, list):
        return [_renumbered(item, numbers) for item in value]
    return value
