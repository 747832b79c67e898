"""Figures of backtests and of learning: `Figure` objects without pyplot and without global state.

Equity is drawn as a multiple of the initial cash. Strategies are bold, baselines thin and of other colours;
buy-and-hold is black.
"""

from __future__ import annotations

import io
import itertools
from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.figure import Figure
from matplotlib.ticker import (
    EngFormatter,
    FuncFormatter,
    Locator,
    LogLocator,
    MaxNLocator,
    NullLocator,
    PercentFormatter,
)

from tradebot.backtest.engine import Backtest, Track
from tradebot.colours import BLUE, BROWN, GREEN, GREY, INK, ORANGE, PALE, PURPLE, SKY, VERMILION
from tradebot.core import Array
from tradebot.report.tables import baselines, label, span
from tradebot.stats.metrics import drawdown

STRATEGIES = (BLUE, VERMILION, GREEN, SKY)
SYMBOLS = (BLUE, VERMILION, GREEN, SKY, ORANGE, PURPLE, BROWN, GREY)
BASELINES = tuple((color, dashes) for dashes in ("-", "--", ":") for color in (ORANGE, PURPLE, GREY, BROWN))

MARKS = (  # what happens, its marker and its colour
    ("opens a long position", "^", GREEN),
    ("opens a short position", "v", VERMILION),
    ("closes a position", "o", INK),
)
FLOOR = 0.01  # multiples at or below this are drawn here: a logarithm has no place for ruin


def equity(backtest: Backtest) -> Figure:
    """Every member, the ensemble and the baselines; under them the drawdown of ensemble and buy-and-hold."""
    figure = Figure(figsize=(10, 6.5), layout="constrained")
    money, loss = figure.subplots(2, 1, sharex=True, height_ratios=[3, 1])
    times = backtest.bars.timestamps
    money.plot(
        times,
        multiple(backtest.ensemble),
        color=BLUE,
        linewidth=2.4,
        zorder=4,
        label=_plain(label(backtest)),
    )
    for i, member in enumerate(backtest.members):
        name = f"each of the {len(backtest.members)} seeds" if i == 0 and len(backtest.members) > 1 else None
        money.plot(times, multiple(member), color=SKY, linewidth=0.8, alpha=0.7, label=name)
    _draw_baselines(money, [backtest])
    _money_axis(money)

    depth = drawdown(backtest.ensemble.equity)
    loss.fill_between(times, depth, 0, color=BLUE, alpha=0.15, linewidth=0)
    loss.plot(times, depth, color=BLUE, linewidth=1.2)
    if "buy_and_hold" in backtest.baselines:
        loss.plot(times, drawdown(backtest.baselines["buy_and_hold"].equity), color=INK, linewidth=1.0)
    loss.set_ylabel("drawdown")
    loss.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    date_axis(loss)
    _finish(figure, f"Equity of ‘{backtest.name}’ and what it is compared with", [backtest])
    return figure


def position(backtest: Backtest) -> Figure:
    """The price with the ensemble's entries and exits, or the weight of each symbol where there are several;
    under it the weight of all that it held."""
    figure = Figure(figsize=(10, 6), layout="constrained")
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=[3, 1])
    times, track = backtest.bars.timestamps, backtest.ensemble
    if len(backtest.bars.symbols) == 1:
        upper.plot(times, backtest.bars.close[:, 0], color=GREY, linewidth=1.0, label="close")
        made = marks(track)
        for what, marker, color in MARKS:
            rows = made[made["what"] == what]
            _mark(upper, rows["time"], rows["price"], marker, color, what)
        upper.set_ylabel(f"{backtest.bars.kind} price [currency]")
        upper.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,g}"))
    else:
        for (symbol, weight), color in zip(largest(track).items(), SYMBOLS, strict=False):
            upper.step(times, weight, color=color, linewidth=1.2, label=_plain(symbol))
        _weights(upper, "position / equity")

    long, short = long_and_short(track)  # of the bar that ends at each mark, hence steps to the left
    lower.fill_between(times, long, 0, step="pre", color=GREEN, alpha=0.5, linewidth=0)
    lower.fill_between(times, short, 0, step="pre", color=VERMILION, alpha=0.5, linewidth=0)
    _weights(lower, "position / equity" if len(backtest.bars.symbols) == 1 else "total / equity")
    date_axis(lower)
    _finish(figure, f"What ‘{backtest.name}’ held, and when it traded", [backtest])
    return figure


def learning(
    history: pd.DataFrame,
    *,
    ylabel: str,
    title: str = "Learning curve",
    members: str = "",
    market: Sequence[int] = (),
) -> Figure:
    """A value over training: each member, their median and the band of their middle half.

    history: one line per measurement, columns step (transitions of one member), member, value.
    ylabel: what the value is, with its unit. members: who they are where a seed has several, as "8 seeds x 5
    folds". market: those of a null test that learn in no shuffled copy, whose median is drawn beside.
    """
    figure = Figure(figsize=(10, 5), layout="constrained")
    axes = figure.subplots()
    if history.empty:  # a training shorter than its episodes
        figure.text(0.5, 0.5, "no episode ended during the training", ha="center", color=GREY)
        axes.set_axis_off()
        axes.set_title(_plain(title), loc="left", fontweight="bold")
        return figure
    table = history.pivot_table(index="step", columns="member", values="value").sort_index()
    # Episodes end at different steps in each member.
    table = table.interpolate(method="index", limit_area="inside")
    n, who = table.shape[1], "members" if members else "seeds"
    if n > 1:
        low, high = table.quantile(0.25, axis=1), table.quantile(0.75, axis=1)
        axes.fill_between(
            table.index, low, high, color=BLUE, alpha=0.2, linewidth=0, label=f"middle half of the {who}"
        )
        each = f"each member ({members})" if members else f"each of the {n} seeds"
        for i, member in enumerate(table):
            name = each if i == 0 else None
            axes.plot(table.index, table[member], color=SKY, linewidth=0.8, alpha=0.7, label=name)
    name = f"median of the {who}" if n > 1 else "the only seed"
    axes.plot(table.index, table.median(axis=1), color=BLUE, linewidth=2.2, label=name)
    if real := [member for member in table if member in market]:
        name = "median on the market itself"
        axes.plot(table.index, table[real].median(axis=1), color=VERMILION, linewidth=1.5, label=name)
    axes.set_xlabel(f"transitions of each {who.removesuffix('s')}")
    axes.xaxis.set_major_formatter(EngFormatter(sep=""))
    axes.set_ylabel(_plain(ylabel))
    axes.set_title(_plain(title), loc="left", fontweight="bold")
    frame(axes)
    figure.legend(loc="outside lower center", ncols=3, frameon=False)
    return figure


def comparison(backtests: Sequence[Backtest]) -> Figure:
    """The ensemble of each backtest with the band of the middle half of its members, and the baselines.

    Raises InputError if the backtests are of different bars.
    """
    figure = Figure(figsize=(10, 5.5), layout="constrained")
    axes = figure.subplots()
    for i, backtest in enumerate(backtests):
        color, times = STRATEGIES[i % len(STRATEGIES)], backtest.bars.timestamps
        low, high = np.quantile([multiple(member) for member in backtest.members], [0.25, 0.75], axis=0)
        axes.fill_between(times, low, high, color=color, alpha=0.15, linewidth=0)
        axes.plot(
            times,
            multiple(backtest.ensemble),
            color=color,
            linewidth=2.2,
            zorder=4,
            label=_plain(label(backtest)),
        )
    _draw_baselines(axes, backtests)
    _money_axis(axes)
    date_axis(axes)
    _finish(
        figure, "Equity of the ensembles (bands: middle half of their seeds) and of the baselines", backtests
    )
    return figure


def multiple(track: Track) -> Array:
    """[T] equity over the initial cash; ruin at FLOOR."""
    found: Array = np.maximum(track.equity / track.equity[0], FLOOR)
    return found


def long_and_short(track: Track) -> tuple[Array, Array]:
    """[T] value of all long positions / equity, and of all short ones, which is negative."""
    held = track.weight
    return np.maximum(held, 0.0).sum(axis=1), np.minimum(held, 0.0).sum(axis=1)


def largest(track: Track) -> dict[str, Array]:
    """Symbol -> weight [T] of as many as there are colours for: those that it held most, in their order."""
    held = track.weight
    kept = np.sort(np.argsort(-np.abs(held).mean(axis=0), kind="stable")[: len(SYMBOLS)])
    return {track.bars.symbols[a]: held[:, a] for a in kept}


def marks(track: Track) -> pd.DataFrame:
    """Each entry and each exit: time, price [currency], what (of MARKS), return of its trade."""
    trades = track.trades
    fills = track.fills.groupby("time")["price"]  # not the trade's price, which is the mean over its fills
    opened, closed = trades, trades[trades["exit_time"].notna()]
    return pd.DataFrame(
        {
            "time": pd.concat([opened["entry_time"], closed["exit_time"]]),
            "price": pd.concat(
                [opened["entry_time"].map(fills.first()), closed["exit_time"].map(fills.last())]
            ),
            "what": [*("opens a " + opened["side"] + " position"), *["closes a position"] * len(closed)],
            "return": pd.concat([opened["return"], closed["return"]]),
        }
    )


def styled(backtests: Sequence[Backtest]) -> list[tuple[str, Track, str, str]]:
    """Each baseline once: name, account, colour, dashes."""
    styles = itertools.cycle(BASELINES)
    return [
        (name, track, *((INK, "-") if name == "buy_and_hold" else next(styles)))
        for name, track in baselines(backtests).items()
    ]


def png(figure: Figure) -> bytes:
    file = io.BytesIO()
    # Without matplotlib's version the same figure gives the same bytes.
    figure.savefig(file, format="png", dpi=120, metadata={"Software": None})
    return file.getvalue()


def _draw_baselines(axes: Axes, backtests: Sequence[Backtest]) -> None:
    for name, track, color, dashes in styled(backtests):
        is_market = name == "buy_and_hold"  # what the others have to beat stands before them
        axes.plot(
            backtests[0].bars.timestamps,
            multiple(track),
            dashes,
            color=color,
            linewidth=1.5 if is_market else 1.2,
            zorder=3.5 if is_market else 3,
            label=_plain(name),
        )


def _mark(axes: Axes, times: pd.Series, prices: pd.Series, marker: str, color: str, name: str) -> None:
    if len(times) == 0:  # no entry in the legend for what never happened
        return
    size = float(np.clip(4000 / len(times), 12, 45))  # hundreds of trades must not hide the price
    closing = marker == "o"  # hollow and behind: a reversal closes and opens at the same place
    axes.scatter(
        times,
        prices,
        s=size,
        marker=marker,
        label=name,
        facecolors="none" if closing else color,
        edgecolors=color if closing else "white",
        linewidths=1.0 if closing else 0.4,
        zorder=3 if closing else 4,
    )


def _money_axis(axes: Axes) -> None:
    """Multiples of the initial cash on a log axis that is labelled in plain numbers, whatever its range."""
    axes.set_yscale("log")
    low, high = axes.get_ylim()
    low, high = axes.set_ylim(min(low, 0.98), max(high, 1.02))  # rounding must not look like a move
    axes.axhline(1, color=GREY, linewidth=0.6, zorder=1)
    axes.yaxis.set_major_locator(log_ticks(high / low))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.10g}×"))
    ruined = any(np.min(line.get_ydata()) <= FLOOR for line in axes.get_lines())
    axes.set_ylabel("multiple of the initial cash" + (f"\n(ruin is drawn at {FLOOR:g}×)" if ruined else ""))


def log_ticks(ratio: float) -> Locator:
    if ratio < 5:
        return MaxNLocator(nbins=8, steps=[1, 2, 2.5, 5, 10])
    return LogLocator(subs=(1, 1.5, 2, 3, 5, 7) if ratio < 20 else (1, 2, 5) if ratio < 200 else (1,))


def _weights(axes: Axes, ylabel: str) -> None:
    axes.axhline(0, color=GREY, linewidth=0.6)
    axes.set_ylabel(ylabel)
    axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))


def date_axis(axes: Axes) -> None:
    locator = AutoDateLocator()
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))


def _finish(figure: Figure, title: str, backtests: Sequence[Backtest]) -> None:
    """Title, the bars and whether they were trained on, and a legend under the axes, off the lines."""
    for axes in figure.axes:
        frame(axes)
    top = figure.axes[0]
    top.set_title(_plain(title), loc="left", fontweight="bold", pad=24)
    in_sample = any(backtest.in_sample for backtest in backtests)
    warning = ". IN-SAMPLE: some or all of these bars were trained on" if in_sample else ""
    top.annotate(
        _plain(f"{span(backtests)}, after costs{warning}"),
        (0, 1),
        xycoords="axes fraction",
        xytext=(0, 8),
        textcoords="offset points",
        fontsize=9,
        color=VERMILION if in_sample else GREY,
    )
    figure.legend(*top.get_legend_handles_labels(), loc="outside lower center", ncols=4, frameon=False)


def frame(axes: Axes) -> None:
    axes.grid(color=PALE, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.margins(x=0.01)


def _plain(text: str) -> str:
    """Text in which matplotlib finds no formula."""
    return text.replace("$", r"\$")
