"""The interactive chart: which bars it draws, and what its document holds."""

import base64
import gzip
import json
from typing import Any

import numpy as np
import pytest

from tests.backtests import backtest, bars, portfolio
from tradebot.backtest import engine
from tradebot.core import Array, InputError
from tradebot.market.configs import TradingConfig
from tradebot.market.costs import Costs
from tradebot.report import chart, plots
from tradebot.stats.metrics import drawdown


def columns(document: str) -> list[dict[str, Array]]:
    """Of each source in it: name -> values."""
    found = []

    def walk(value: Any) -> None:
        if isinstance(value, dict):
            if value.get("name") == "ColumnDataSource":
                entries = dict(value["attributes"]["data"]["entries"])
                found.append({name: decoded(array) for name, array in entries.items()})
            for item in value.values():
                walk(item)
        if isinstance(value, list):
            for item in value:
                walk(item)

    walk(json.loads(document))
    return found


def decoded(array: dict[str, Any]) -> Array:
    return np.frombuffer(gzip.decompress(base64.b64decode(array["array"]["data"])), array["dtype"])


def test_a_short_series_is_drawn_whole() -> None:
    np.testing.assert_array_equal(chart.kept(np.zeros((2, 50)), 50), np.arange(50))


def test_of_a_long_series_the_ends_and_the_extremes_of_each_span_are_drawn() -> None:
    series = np.array([[0, 5, 1, 1, 9, 1, 1, -3, 2, 2]])
    # three spans would need 7 bars: 0 1 | 3 4 | 7 8 and the last; two need 5: 0 4 | 7 8 and the last
    np.testing.assert_array_equal(chart.kept(series, 6), [0, 4, 7, 8, 9])


def test_the_room_is_used_and_the_largest_falls_stay() -> None:
    series = np.exp(np.random.default_rng(2).normal(size=(3, 10_000)).cumsum(axis=1) / 100)
    rows = chart.kept(series, 600)
    assert 450 < len(rows) <= 600
    np.testing.assert_array_equal(series[:, rows].min(axis=1), series.min(axis=1))
    np.testing.assert_array_equal(series[:, rows].max(axis=1), series.max(axis=1))
    for one in series:
        assert drawdown(one[rows]).min() == pytest.approx(drawdown(one).min(), rel=0.02)


def test_the_chart_of_a_long_backtest_has_its_true_drawdown_and_the_ends_of_every_account() -> None:
    result = backtest(market=bars(n=20_000), seeds=3)
    drawn = chart.charts([result])
    (source,) = [found for found in columns(drawn.document) if "depth" in found]
    assert 0.8 * chart.POINTS < len(source["x"]) < 1.05 * chart.POINTS
    assert "of 20,000 bars" in drawn.blocks[0].note
    assert source["depth"].min() == np.float32(result.metrics["max_drawdown"])
    np.testing.assert_allclose(drawdown(source["ensemble0"]).min(), result.metrics["max_drawdown"], rtol=1e-5)
    for i, member in enumerate(result.members):
        values = plots.multiple(member).astype(np.float32)
        drawn_values = source[f"member{i}"]
        assert (drawn_values[0], drawn_values[-1]) == (values[0], values[-1])
        assert (drawn_values.min(), drawn_values.max()) == (values.min(), values.max())


def test_the_chart_of_a_short_backtest_has_every_bar() -> None:
    result = backtest(seeds=5)
    drawn = chart.charts([result])
    source, *_ = (found for found in columns(drawn.document) if "depth" in found)
    assert "Drawn from" not in drawn.blocks[0].note
    np.testing.assert_array_equal(source["x"], result.bars.timestamps.astype(float) / 1e3)
    np.testing.assert_allclose(source["weight"], result.ensemble.weight[:, 0], rtol=1e-6)
    members = [member.equity / 1e4 for member in result.members]
    np.testing.assert_allclose(source["low0"], np.quantile(members, 0.25, axis=0), rtol=1e-6)
    np.testing.assert_allclose(source["high0"], np.quantile(members, 0.75, axis=0), rtol=1e-6)


def test_every_entry_and_every_exit_is_marked() -> None:
    result = backtest(seeds=1)
    marks = [found for found in columns(chart.charts([result]).document) if "return" in found]
    trades = result.ensemble.trades
    assert [len(found["x"]) for found in marks] == [
        trades["exit_time"].notna().sum(),
        (trades["side"] == "short").sum(),
        (trades["side"] == "long").sum(),
    ]


def test_of_very_many_trades_the_largest_are_marked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chart, "MARKED", 5)
    result = backtest(market=bars(n=900), seeds=1)
    drawn = chart.charts([result])
    marks = [found for found in columns(drawn.document) if "return" in found]
    returns = result.ensemble.trades["return"].abs()
    assert len(returns) > 5
    assert sorted({float(value) for found in marks for value in abs(found["return"])}) == sorted(
        returns.nlargest(5)
    )
    assert f"Marked are the 5 trades that won or lost most, of {len(returns)}" in drawn.blocks[0].note


def test_several_backtests_have_a_comparison_and_a_block_each() -> None:
    drawn = chart.charts([backtest("dqn"), backtest("ppo")])
    assert [block.element for block in drawn.blocks] == ["chart-all", "chart-0", "chart-1"]
    assert [entry.text for entry in drawn.blocks[0].entries] == [
        "dqn: ensemble of 4 seeds",
        "ppo: ensemble of 4 seeds",
        "buy_and_hold",
        "flat",
    ]


def test_one_account_has_no_fan() -> None:
    (block,) = chart.charts([backtest(seeds=1)]).blocks
    assert [entry.text for entry in block.entries] == ["dqn", "buy_and_hold", "flat"]


def test_ruin_is_drawn_at_the_floor() -> None:
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
    drawn = chart.charts([result])
    source, *_ = (found for found in columns(drawn.document) if "depth" in found)
    assert source["ensemble0"].min() == np.float32(plots.FLOOR)
    assert "ruin: 0.01" in drawn.document


def test_no_name_can_end_the_element_that_holds_the_document() -> None:
    name = "</script><!--'\"\\"
    document = chart.charts([backtest(name)]).document
    assert "<" not in document
    assert json.dumps(name).replace("<", "\\u003c") in document


def test_charts_of_different_bars_are_refused() -> None:
    with pytest.raises(InputError, match=r"AAPL.*IBM"):
        chart.charts([backtest(), backtest(market=bars("IBM"))])


def test_several_symbols_have_a_line_each_that_the_legend_hides() -> None:
    result = portfolio()
    drawn = chart.charts([result])
    source, *_ = (found for found in columns(drawn.document) if "depth" in found)
    for a in range(3):
        np.testing.assert_allclose(source[f"symbol{a}"], result.ensemble.weight[:, a], rtol=1e-6)
    assert [entry.text for entry in drawn.blocks[0].entries[-3:]] == ["A", "B", "C"]
    assert "price" not in source


def test_many_symbols_are_said_not_to_be_drawn_all() -> None:
    assert (
        "Of 12 symbols those are drawn that were held most." in chart.charts([portfolio(12)]).blocks[0].note
    )
