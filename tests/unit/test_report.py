"""The report: what its tables and figures show of backtests made by the engine."""

import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.collections import PathCollection
from matplotlib.figure import Figure
from rich.console import Console

from tests.backtests import backtest, bars, portfolio
from tradebot.api.result import BacktestResult
from tradebot.backtest import engine
from tradebot.backtest.engine import Backtest
from tradebot.core import Array, InputError
from tradebot.evidence.nulltest import NullTest
from tradebot.market.configs import TradingConfig
from tradebot.market.costs import Costs
from tradebot.report import nulltest, plots, tables
from tradebot.report.tables import readable
from tradebot.stats.bootstrap import RESAMPLED, Interval
from tradebot.stats.metrics import METRICS

PNG = b"\x89PNG\r\n\x1a\n"


def printed(*backtests: Backtest, width: int = 80) -> str:
    console = Console(width=width)
    with console.capture() as capture:
        console.print(tables.summary(backtests))
    return capture.get()


def cells(html: str) -> dict[str, list[str]]:
    """The rows of the one table in it: header -> texts of its cells."""
    found = {}
    for row in re.findall(r"<tr>(.*?)</tr>", html):
        head, *rest = re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row)
        found[head] = rest
    return found


# ---- tables


@pytest.mark.parametrize(
    ("metric", "value", "text"),
    [
        ("total_return", 0.12345, "12.3%"),
        ("total_return", 12.5, "1,250.0%"),
        ("max_drawdown", -0.0004, "0.0%"),  # not "-0.0%"
        ("var_95", 0.02341, "2.34%"),
        ("sharpe", -1.236, "-1.24"),
        ("sharpe", float("nan"), "—"),
        ("trades", 17.0, "17"),
        ("trades", 1234.5, "1,234.5"),
        ("fees", 1234.56, "1,235"),
        ("fees", 12.344, "12.34"),
    ],
)
def test_a_metric_is_shown_in_the_unit_that_people_read(metric: str, value: float, text: str) -> None:
    assert tables.show(metric, value) == text


def test_the_summary_has_the_ensemble_the_spread_over_seeds_and_the_baselines() -> None:
    result = backtest()
    cells = [re.split(r"\s{2,}", line.strip()) for line in printed(result).splitlines()]
    lines = {name: values for name, *values in cells}
    low, median, high = np.quantile(
        [member.metrics["total_return"] for member in result.members], [0.25, 0.5, 0.75]
    )
    assert lines["ensemble of 4"][0] == f"{100 * result.metrics['total_return']:.1f}%"
    assert lines["median of 4"][0] == f"{100 * median:.1f}%"
    assert lines["lower quartile"][0] == f"{100 * low:.1f}%"
    assert lines["upper quartile"][0] == f"{100 * high:.1f}%"
    hold = result.bars.close[-1, 0] / result.bars.open[1, 0] / (1 + result.costs.buy) - 1
    assert lines["buy_and_hold"][0] == f"{100 * hold:.1f}%"
    assert lines["flat"] == ["0.0%", "0.0%", "—", "0.0%", "0.0%", "0", "0.00"]


def test_the_summary_says_which_bars_and_that_costs_are_taken_off() -> None:
    assert printed(backtest()).splitlines()[0].strip() == "dqn: AAPL, 2010-01-04 .. 2010-10-30, after costs"


def test_the_summary_fits_80_columns_whatever_the_run_is_called() -> None:
    text = printed(backtest("2026-11-23-dqn-with-a-name-longer-than-its-column-is-wide", in_sample=True))
    assert max(map(len, text.splitlines())) <= 80
    assert "…" not in text  # nothing was cut off


def test_brackets_in_a_name_are_not_markup() -> None:
    assert "[bold]x[/]" in printed(backtest("[bold]x[/]"))


def test_one_seed_has_no_spread() -> None:
    text = printed(backtest(seeds=1))
    assert "median" not in text
    assert "quartile" not in text


def test_an_in_sample_result_is_called_so_in_the_table() -> None:
    assert "(in-sample)" in printed(backtest(in_sample=True))
    assert "in-sample" not in printed(backtest())


def test_a_baseline_that_two_backtests_share_is_listed_once() -> None:
    text = printed(backtest("dqn"), backtest("ppo", first_seed=9))
    assert len(re.findall(r"^buy_and_hold", text, re.MULTILINE)) == 1
    assert text.count("vs buy_and_hold") == 2  # each has its own lead
    assert text.count("ensemble") == 2


@pytest.mark.parametrize("show", [tables.summary, tables.summary_html, plots.comparison])
def test_backtests_of_different_bars_are_not_compared(show: Callable[[list[Backtest]], object]) -> None:
    with pytest.raises(InputError, match=r"AAPL, 2010-01-04 \.\. 2010-10-30; IBM"):
        show([backtest(), backtest(market=bars("IBM"))])


def test_the_html_table_has_every_metric_and_the_terminal_shows_the_same_text() -> None:
    result = backtest()
    found = cells(tables.summary_html([result]))
    assert set(found) - {""} == {metric.replace("_", " ") for metric in METRICS}
    terminal = printed(result)
    for metric in tables.HEADLINE:
        assert all(text in terminal for text in re.findall(r"[-\d][\d.,%]*", found[readable(metric)][0]))
    assert found["skew"][0] == f"{result.metrics['skew']:.2f}"
    low, median, high = np.quantile([member.metrics["skew"] for member in result.members], [0.25, 0.5, 0.75])
    assert found["skew"][2] == f"{median:.2f}<br><small>{low:.2f} to {high:.2f}</small>"


# ---- intervals in the tables


def small(metric: str, over: Interval) -> str:
    """A figure with its interval as a cell of the HTML table has it."""
    value, low, high = (tables.show(metric, number) for number in over)
    return f"{value}<br><small>{low} to {high}</small>"


def test_the_html_table_has_the_interval_under_every_figure_that_has_one() -> None:
    result = backtest()
    found = cells(tables.summary_html([result]))
    assert found[""] == [
        "ensemble of 4",
        "vs buy_and_hold",
        "median of 4",
        "IQM of 4",
        "buy_and_hold",
        "flat",
    ]
    hold = result.baselines["buy_and_hold"]
    for metric in RESAMPLED:
        ensemble, lead, _, iqm, held, flat = found[readable(metric)]
        assert ensemble == small(metric, result.ensemble.intervals[metric])
        assert lead == small(metric, result.ensemble.difference[metric])
        assert iqm == small(metric, result.iqm[metric])
        assert held == small(metric, hold.intervals[metric])
        assert flat in (tables.MISSING, "0.0%")
    assert found["fees"][0] == tables.show("fees", result.metrics["fees"]) and found["fees"][1] == ""


def test_the_terminal_has_the_interval_of_the_ensemble_and_of_its_lead_over_buy_and_hold() -> None:
    result = backtest()
    lines = [re.split(r"\s{2,}", line.strip()) for line in printed(result).splitlines()]
    first = [name for name, *_ in lines].index("ensemble of 4")
    shown = ("total_return", "cagr", "sharpe", "max_drawdown")
    for row, made in ((first, result.ensemble.intervals), (first + 3, result.ensemble.difference)):
        for line, end in ((row, "value"), (row + 1, "low"), (row + 2, "high")):
            expected = [tables.show(metric, getattr(made[metric], end)) for metric in shown]
            assert lines[line][1:5] == expected
    assert [lines[first + k][0] for k in range(1, 4)] == ["95 % from", "95 % to", "vs buy_and_hold"]
    assert "It says nothing about another market regime." in " ".join(printed(result).split())


def test_a_backtest_that_is_too_short_shows_no_interval_and_no_words_about_it() -> None:
    result = backtest(market=bars(n=30))
    assert "95 %" not in printed(result)
    assert cells(tables.summary_html([result]))["sharpe"][0] == f"{result.metrics['sharpe']:.2f}"


def test_hindsight_is_told_once_with_what_each_backtest_captured_of_it() -> None:
    both = [backtest("dqn"), backtest("ppo", first_seed=4)]
    (sentence,) = tables.regrets(both)
    shares = [100 * test.captured(test.ensemble) for test in both]
    assert sentence.startswith("In hindsight, long, flat or short at every bar could have earned ")
    assert f"; dqn captured {shares[0]:z.1f}%, ppo captured {shares[1]:z.1f}% of its log wealth." in sentence


def test_buy_and_hold_is_not_compared_with_itself() -> None:
    market = bars()
    held = engine.run(
        "x", market, {"x": np.ones(300)}, {}, market=TradingConfig(cash=1e4), costs=Costs(), in_sample=False
    )
    assert "vs buy_and_hold" not in printed(held)
    assert "95 % from" in printed(held)


# ---- figures


def curves(axes: Axes) -> dict[str, Array]:
    """Label -> values of the lines that are in the legend."""
    return {
        str(line.get_label()): np.asarray(line.get_ydata())
        for line in axes.get_lines()
        if not str(line.get_label()).startswith("_")
    }


def markers(axes: Axes) -> dict[str, int]:
    """Label -> how many points are marked."""
    marked = [collection for collection in axes.collections if isinstance(collection, PathCollection)]
    return {str(collection.get_label()): len(np.asarray(collection.get_offsets())) for collection in marked}


def test_the_equity_figure_shows_every_account_as_a_multiple_of_the_initial_cash() -> None:
    result = backtest(seeds=5)
    money, loss = plots.equity(result).axes
    assert money.get_yscale() == "log"
    assert money.get_ylabel() == "multiple of the initial cash"
    assert (
        len(money.get_lines()) == 1 + 5 + 2 + 1
    )  # ensemble, members, baselines, the level of the initial cash
    lines = curves(money)
    assert set(lines) == {"dqn: ensemble of 5 seeds", "each of the 5 seeds", "buy_and_hold", "flat"}
    np.testing.assert_allclose(lines["dqn: ensemble of 5 seeds"], result.ensemble.equity / 10_000, rtol=1e-12)
    deepest = [np.asarray(line.get_ydata()).min() for line in loss.get_lines()]
    assert deepest == [
        result.metrics["max_drawdown"],
        result.baselines["buy_and_hold"].metrics["max_drawdown"],
    ]


def test_a_ruined_account_is_drawn_at_the_floor_of_the_log_axis() -> None:
    jump = np.append(np.full(50, 100.0), np.full(50, 250.0))  # a short position loses 150 % of its value
    market = bars(close=jump)
    result = engine.run(
        "dqn",
        market,
        {"seed 0": -np.ones(100)},
        {},
        market=TradingConfig(cash=1e4),
        costs=Costs(),
        in_sample=False,
    )
    assert result.ensemble.equity.min() < plots.FLOOR * 1e4
    figure = plots.equity(result)
    assert curves(figure.axes[0])["dqn"].min() == plots.FLOOR
    assert "ruin is drawn at 0.01×" in figure.axes[0].get_ylabel()
    assert plots.png(figure).startswith(PNG)


@pytest.mark.parametrize("growth", [1.0, 1.001, 1.5, 10.0, 1e3, 1e6])
def test_the_log_axis_has_a_few_ticks_in_plain_numbers_whatever_the_growth(growth: float) -> None:
    market = bars(close=np.geomspace(100, 100 * growth, 50))
    result = engine.run(
        "rule",
        market,
        {"seed 0": np.ones(50)},
        {},
        market=TradingConfig(cash=1e4),
        costs=Costs(),
        in_sample=False,
    )
    figure = plots.equity(result)
    plots.png(figure)  # ticks are placed when it is drawn
    axes = figure.axes[0]
    low, high = axes.get_ylim()
    shown = [text.get_text() for text in axes.get_yticklabels() if low <= text.get_position()[1] <= high]
    assert 2 <= len(shown) <= 12
    assert len(set(shown)) == len(shown)
    assert all(re.fullmatch(r"[\d,.]+×", text) for text in shown)


@pytest.mark.parametrize("draw", [plots.equity, plots.position, lambda result: plots.comparison([result])])
def test_the_legend_covers_no_axes(draw: Callable[[Backtest], Figure]) -> None:
    figure = draw(backtest())
    plots.png(figure)
    (legend,) = figure.legends
    assert not any(legend.get_window_extent().overlaps(axes.get_window_extent()) for axes in figure.axes)


@pytest.mark.parametrize("draw", [plots.equity, plots.position, lambda result: plots.comparison([result])])
def test_an_in_sample_figure_says_so(draw: Callable[[Backtest], Figure]) -> None:
    def text(figure: Figure) -> str:
        return " ".join(text.get_text() for text in figure.axes[0].texts)

    assert "IN-SAMPLE" in text(draw(backtest(in_sample=True)))
    assert "IN-SAMPLE" not in text(draw(backtest()))
    assert "AAPL, 2010-01-04 .. 2010-10-30, after costs" in text(draw(backtest()))


def test_the_position_figure_marks_every_entry_and_every_exit() -> None:
    result = backtest(market=bars(n=900), seeds=1)
    trades = result.ensemble.trades
    price, weight = plots.position(result).axes
    assert markers(price) == {
        "opens a long position": (trades["side"] == "long").sum(),
        "opens a short position": (trades["side"] == "short").sum(),
        "closes a position": trades["exit_time"].notna().sum(),
    }
    assert min(markers(price).values()) > 1
    np.testing.assert_array_equal(curves(price)["close"], result.bars.close[:, 0])
    long, short = (collection.get_paths()[0].get_extents() for collection in weight.collections)
    held = result.ensemble.weight
    np.testing.assert_allclose([long.ymin, long.ymax], [0, held.max()])
    np.testing.assert_allclose([short.ymin, short.ymax], [held.min(), 0])


def test_a_rule_that_never_trades_has_no_marks() -> None:
    market = bars()
    flat = {"flat": np.zeros(len(market))}
    result = engine.run(
        "flat", market, flat, {}, market=TradingConfig(cash=1e4), costs=Costs(), in_sample=False
    )
    figure = plots.position(result)
    assert markers(figure.axes[0]) == {}
    assert plots.png(figure).startswith(PNG)


def test_the_learning_curve_shows_the_median_and_the_middle_half_of_the_seeds() -> None:
    # at each of three steps five seeds measure 0, 1, 2, 3, 10 times the number of the step
    rows = [
        {"step": 1000 * k, "member": member, "value": k * value}
        for k in (1, 2, 3)
        for member, value in enumerate([0.0, 1.0, 2.0, 3.0, 10.0])
    ]
    (axes,) = plots.learning(pd.DataFrame(rows), ylabel="reward per step [bp]").axes
    assert axes.get_ylabel() == "reward per step [bp]"
    assert len(axes.get_lines()) == 5 + 1
    np.testing.assert_array_equal(curves(axes)["median of the seeds"], [2, 4, 6])
    band = axes.collections[0].get_paths()[0].get_extents()
    assert (band.x0, band.x1, band.y0, band.y1) == (1000, 3000, 1, 9)


def test_seeds_that_measure_at_different_steps_are_joined_by_lines_between_their_points() -> None:
    history = pd.DataFrame(
        {"step": [0, 10, 20, 0, 20], "member": [0, 0, 0, 1, 1], "value": [0.0, 0.0, 0.0, 0.0, 4.0]}
    )
    (axes,) = plots.learning(history, ylabel="return").axes
    np.testing.assert_array_equal(
        curves(axes)["median of the seeds"], [0, 1, 2]
    )  # seed 1 passes 2 at step 10


def test_members_that_are_no_seeds_are_not_called_so() -> None:
    # two seeds on the market (members 0 and 2) and on one copy: the market's learn 3, those of the copy 1
    rows = [{"step": k, "member": m, "value": 1.0 if m % 2 else 3.0} for k in (1, 2) for m in range(4)]
    (axes,) = plots.learning(
        pd.DataFrame(rows), ylabel="return", members="2 seeds × 2 markets", market=range(0, 4, 2)
    ).axes
    lines = curves(axes)
    assert list(lines) == [
        *("each member (2 seeds × 2 markets)", "median of the members", "median on the market itself")
    ]
    np.testing.assert_array_equal(lines["median on the market itself"], [3, 3])
    assert axes.get_xlabel() == "transitions of each member"


@pytest.mark.parametrize("test", [NullTest(0.0, (0.0,) * 9), NullTest(1.2, (0.1, 0.2, 0.2, 0.4))])
def test_no_bar_and_no_line_of_a_null_test_touches_the_frame(test: NullTest) -> None:
    (axes,) = nulltest.figure(test).axes
    (left, right), (_, top) = axes.get_xlim(), axes.get_ylim()
    bars = [bar for bar in axes.patches if bar.get_height()]
    assert top > 1.05 * max(bar.get_height() for bar in bars)
    edge = 0.03 * (right - left)
    assert left + edge < min([test.real, *(bar.get_x() for bar in bars)])
    assert right - edge > max([test.real, *(bar.get_x() + bar.get_width() for bar in bars)])
    if set(test.copies) == {test.real}:
        (bar,) = bars
        assert test.real == pytest.approx(bar.get_x() + bar.get_width() / 2)


def test_one_seed_learns_without_a_band() -> None:
    history = pd.DataFrame({"step": [0, 10], "member": [3, 3], "value": [1.0, 2.0]})
    (axes,) = plots.learning(history, ylabel="return").axes
    assert list(curves(axes)) == ["the only seed"]
    assert len(axes.collections) == 0


def test_the_comparison_has_each_ensemble_with_its_band_and_each_baseline_once() -> None:
    first, second = backtest("dqn"), backtest("ppo", first_seed=9)
    (axes,) = plots.comparison([first, second]).axes
    lines = curves(axes)
    assert list(lines) == ["dqn: ensemble of 4 seeds", "ppo: ensemble of 4 seeds", "buy_and_hold", "flat"]
    np.testing.assert_allclose(lines["ppo: ensemble of 4 seeds"], second.ensemble.equity / 10_000, rtol=1e-12)
    assert len(axes.collections) == 2
    low, high = np.quantile([member.equity / 10_000 for member in first.members], [0.25, 0.75], axis=0)
    band = axes.collections[0].get_paths()[0].get_extents()
    assert (band.y0, band.y1) == (pytest.approx(low.min()), pytest.approx(high.max()))


def test_a_title_tells_a_name_from_its_own_words() -> None:
    titles = [
        draw(backtest("first")).axes[0].get_title(loc="left") for draw in (plots.equity, plots.position)
    ]
    assert titles == [
        "Equity of ‘first’ and what it is compared with",
        "What ‘first’ held, and when it traded",
    ]


def test_a_name_with_dollars_is_not_a_formula() -> None:
    figure = plots.equity(backtest("$x_{$", market=bars("$A$")))
    assert plots.png(figure).startswith(PNG)  # as a formula it would not parse


def test_the_same_figure_gives_the_same_bytes() -> None:
    assert plots.png(plots.equity(backtest())) == plots.png(plots.equity(backtest()))


def test_figures_need_no_pyplot() -> None:
    code = "import sys, tradebot.report.plots; assert 'matplotlib.pyplot' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


# ---- several symbols


def test_of_several_symbols_the_figure_shows_the_weight_of_each() -> None:
    test = portfolio()
    figure = plots.position(test)
    lines = {line.get_label(): line.get_ydata() for line in figure.axes[0].get_lines()}
    for a, symbol in enumerate(test.bars.symbols):
        assert np.array_equal(lines[symbol], test.ensemble.weight[:, a])


def test_of_many_symbols_those_are_drawn_that_were_held_most() -> None:
    test = portfolio(12)
    drawn = plots.largest(test.ensemble)
    held = np.abs(test.ensemble.weight).mean(axis=0)
    assert len(drawn) == 8 and list(drawn) == sorted(drawn, key=test.bars.symbols.index)
    assert min(np.abs(weight).mean() for weight in drawn.values()) >= np.sort(held)[-8]


def test_no_hindsight_is_told_where_it_is_not_known() -> None:
    test = portfolio()
    assert np.isnan(test.oracle_return) and np.isnan(test.captured(test.ensemble))
    (sentence,) = tables.regrets([test])
    assert sentence.startswith("What could have been earned in hindsight is known for one symbol")
    assert "A, B, C, 2010-01-04 .. 2010-10-30" in printed(test)


def test_a_long_name_breaks_behind_an_underscore_or_a_comma() -> None:
    names = ("cross_sectional_momentum", "fixed:AAPL=.25,MSFT=.75")
    test = replace(portfolio(), baselines=dict.fromkeys(names, portfolio().ensemble))
    lines = [line.split()[0] for line in printed(test).splitlines() if line.strip()]
    assert {"cross_sectional_", "momentum", "fixed:AAPL=.25,", "MSFT=.75"} <= set(lines)


def test_ruin_and_what_the_broker_liquidated_are_told() -> None:
    """Short 100 at 100: 1,000 are left at 190, less than a quarter of 19,000. Short 4 at 250: -400 at 600."""
    test = engine.run(
        "dqn",
        bars(close=np.array([100.0, 100, 190, 250, 250, 600, 600])),
        {"seed 0": -np.ones(7)},
        {"flat": np.zeros(7)},
        market=TradingConfig(cash=1e4),
        costs=Costs(fees="free"),
        in_sample=False,
    )
    called = "dqn was liquidated by the broker once after the close of 2010-01-06."
    ruined = "dqn was ruined at the close of 2010-01-09 and traded no more."
    assert tables.calls([test]) == [called, ruined]
    assert called in printed(test, width=200) and ruined in tables.summary_html([test])
    assert tables.calls([portfolio(1)]) == []
    told = BacktestResult(test, {}, None).to_dict()
    assert told["ensemble"]["liquidated"] == ["2010-01-06T00:00:00"]
    assert told["ensemble"]["ruined"] == "2010-01-09T00:00:00"
    assert (told["baselines"]["flat"]["liquidated"], told["baselines"]["flat"]["ruined"]) == ([], None)
