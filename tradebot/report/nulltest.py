"""The picture of a null test."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from tradebot.colours import BLUE, GREY, PALE
from tradebot.evidence.nulltest import STATISTIC, NullTest
from tradebot.report.plots import frame

BINS = 12


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
    axes.set_title(f"Null test: p = {test.p_value:.3g}", loc="left")
    axes.legend(frameon=False)
    frame(axes)
    return drawn
