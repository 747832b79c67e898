"""A null test as a picture, and as a section of the page."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from tradebot.colours import BLUE, GREY, PALE
from tradebot.evidence.nulltest import STATISTIC, NullTest
from tradebot.report.page import figure_html
from tradebot.report.plots import frame, png
from tradebot.report.tables import probability

BINS = 13  # an odd number, so that copies that are all alike have a bar in the middle


def figure(test: NullTest) -> Figure:
    """A histogram of what was measured on the shuffled copies, each with a stroke, and the market itself."""
    drawn = Figure(figsize=(7, 3.5), layout="constrained")
    axes = drawn.subplots()
    axes.hist(test.copies, bins=BINS, color=PALE, edgecolor=GREY, label="shuffled")
    axes.plot(test.copies, np.zeros(len(test.copies)), "|", color=GREY, markersize=12)
    axes.axvline(test.real, color=BLUE, linewidth=2.4, label="the market")
    axes.set_xlabel(STATISTIC)
    axes.set_ylabel("copies")
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_title(f"Null test: p = {probability(test.p_value)}", loc="left")
    axes.legend(frameon=False)
    frame(axes)
    axes.margins(x=0.05, y=0.12)
    return drawn


def section(test: NullTest) -> str:
    """HTML."""
    n = len(test.copies)
    copies = f"{n} shuffled cop{'ies' if n > 1 else 'y'} of the market"
    caption = f"What the agent earned on the market, and on {copies}"
    return (
        f"<h2>Null test</h2>\n<p><strong>p = {probability(test.p_value)}</strong>: the agent was trained and"
        f" tested again on {copies}, in which nothing can be predicted. By the {STATISTIC}, the market has"
        f" rank {test.rank} among all {n + 1}.</p>\n{figure_html(caption, png(figure(test)))}"
    )
