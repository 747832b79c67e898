"""The Python API: what the command line does, by function; results show themselves in a notebook."""

import importlib
import inspect
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import tradebot
from tradebot.core import InputError
from tradebot.market.costs import Costs
from tradebot.stats.bootstrap import RESAMPLED
from tradebot.stats.metrics import METRICS

PNG = b"\x89PNG\r\n\x1a\n"


def trained(tmp_path: Path, **settings: object) -> tradebot.Run:
    """One member of A2C, hardly trained."""
    return tradebot.train("a2c", steps=40, seeds=1, out=tmp_path / "runs", **settings)


def test_the_package_offers_what_it_lists_and_nothing_hides_it() -> None:
    assert set(tradebot.__all__) <= set(dir(tradebot))
    for name in ("api", "backtest", "report", "backtest.engine", "report.plots"):
        importlib.import_module(f"tradebot.{name}")
    for name in tradebot.__all__:
        assert callable(getattr(tradebot, name)), name
    with pytest.raises(AttributeError, match="'bactest'"):
        _ = tradebot.bactest


def test_everything_public_says_what_it_is() -> None:
    for name in tradebot.__all__:
        offered = getattr(tradebot, name)
        assert inspect.getdoc(offered)
        if inspect.isclass(offered):
            public = {key: value for key, value in vars(offered).items() if not key.startswith("_")}
            silent = [key for key, value in public.items() if not inspect.getdoc(value)]
            assert silent == [] or set(silent) <= {"manifest", "name"}


def test_prices_are_loaded_by_symbol_by_file_and_by_market(tmp_path: Path, prices: pd.DataFrame) -> None:
    prices.to_csv(tmp_path / "mine.csv", index=False)
    assert len(tradebot.load("AAPL", source="sample")) == 3270
    assert tradebot.load("AAPL,IBM").symbols == tradebot.load(["AAPL", "IBM"]).symbols == ("AAPL", "IBM")
    assert tradebot.load(source=str(tmp_path / "mine.csv")).symbols == ("MINE",)
    assert len(tradebot.load(source="synthetic:gbm?n=50")) == 50
    assert tradebot.load("AAPL", start="2010", end="2010").span == "2010-01-04 .. 2010-12-31"
    with pytest.raises(InputError, match="say which symbol: AAPL"):
        tradebot.load()


def test_a_run_shows_itself(run: tradebot.Run) -> None:
    assert run.name == "small" and run.seeds == [0, 1]
    assert repr(run) == f"Run(small: 2 x a2c, 400 steps each, in {run.folder})"
    assert "AAPL, 2000-05-25 .. 2009-12-31" in run._repr_html_()
    assert run.metrics.keys() == {"agent", "seeds", "steps", "seconds", "steps_per_second"}
    assert run.plot()._repr_png_().startswith(PNG)
    assert list(run.history.columns) == ["step", "member", "value"]
    assert set(run.history["member"]) == {0, 1} and run.history["step"].max() <= 400
    assert tradebot.open_run(run.folder).manifest == run.manifest
    assert tradebot.open_run("small", root=run.folder.parent).folder == run.folder


def test_a_training_shorter_than_an_episode_has_an_empty_curve_that_can_be_drawn(tmp_path: Path) -> None:
    short = trained(tmp_path, symbols="AAPL", end="2009")
    assert short.history.empty
    assert short.plot()._repr_png_().startswith(PNG)
    assert tradebot.report(short).is_file()


def test_the_training_log_is_strict_json_and_does_not_grow_with_the_training(
    tmp_path: Path, run: tradebot.Run
) -> None:
    long = tradebot.train("a2c", symbols="AAPL", window=2, steps=20_000, seeds=2, hidden=(2,), out=tmp_path)
    for each in (run, long):
        lines = (each.folder / "events.jsonl").read_text().splitlines()
        assert 0 < len(lines) <= 200
        events = [json.loads(line, parse_constant=pytest.fail) for line in lines]
        assert all(event["step"] <= each.manifest.steps for event in events)
    episodes = np.array([event["episodes"] for event in events])  # of the longer one: every 2 of 2,500 steps
    assert episodes.sum(axis=0).tolist() == [10_000, 10_000]


def test_a_backtest_shows_itself_and_keeps_what_it_shows(run: tradebot.Run, tmp_path: Path) -> None:
    result = tradebot.backtest(run, baselines=["flat", "momentum"], out=tmp_path / "new")
    accounts = ["ensemble", "seed 0", "seed 1", "flat", "momentum"]
    assert result.metrics.keys() == METRICS.keys()
    assert list(result.frame.index) == list(result.equity.columns) == accounts
    assert result.frame.loc["ensemble"].to_dict() == pytest.approx(result.metrics, nan_ok=True)
    assert repr(result) == "BacktestResult(small: ensemble of 2 seeds on AAPL, 2010-01-04 .. 2013-03-01)"
    assert repr(result) in result._repr_html_() and "<table>" in result._repr_html_()
    assert result.plot()._repr_png_().startswith(PNG)
    assert result.plot_position()._repr_png_().startswith(PNG)

    kept = {path.name: path for path in (tmp_path / "new").iterdir()}
    assert kept == result.files
    pd.testing.assert_frame_equal(pd.read_parquet(kept["equity.parquet"]), result.equity)
    fills, trades = pd.read_csv(kept["fills.csv"]), pd.read_csv(kept["trades.csv"])
    assert (fills["account"] == "ensemble").sum() == len(result.fills)
    assert (trades["account"] == "ensemble").sum() == len(result.trades)
    written = json.loads(kept["metrics.json"].read_text())
    assert written["ensemble"].keys() == METRICS.keys() | {"liquidated", "ruined", "ci"}
    assert written["ensemble"]["ci"].keys() == written["difference"].keys() == set(RESAMPLED)
    assert kept["equity.png"].read_bytes().startswith(PNG)

    result.plot().save(tmp_path / "mine.png")
    assert (tmp_path / "mine.png").read_bytes() == kept["equity.png"].read_bytes()


def test_a_backtest_is_the_same_every_time_and_keeps_nothing_unless_asked(run: tradebot.Run) -> None:
    before = sorted(run.folder.rglob("*"))
    one, two = (tradebot.backtest(run, baselines="", save=False) for _ in range(2))
    pd.testing.assert_frame_equal(one.equity, two.equity)
    assert one.files == {} and sorted(run.folder.rglob("*")) == before


def test_the_report_is_that_of_the_latest_backtest(tmp_path: Path) -> None:
    mine = trained(tmp_path, symbols="AAPL", end="2009")
    first = tradebot.report(mine)
    assert first == tradebot.report(mine)
    second = tradebot.backtest(mine, start="2012", baselines="").files["report.html"]
    assert first != second == tradebot.report(str(mine.folder))


def test_a_run_is_tested_with_its_own_cash_and_costs_unless_others_are_given(tmp_path: Path) -> None:
    mine = trained(tmp_path, symbols="AAPL", end="2009", cash=500, commission_bps=7, half_spread_bps=0)
    own = tradebot.backtest(mine, baselines="", save=False).to_dict()
    assert (own["cash"], own["costs"]) == (500, Costs(commission_bps=7, half_spread_bps=0).model_dump())
    other = tradebot.backtest(mine, baselines="", save=False, cash=9, commission_bps=None, half_spread_bps=2)
    assert (other.to_dict()["cash"], other.to_dict()["costs"]["commission_bps"]) == (9, 7)
    assert other.backtest.costs.half_spread_bps == 2


@pytest.mark.parametrize("symbol", ["AAPL", "IBM", "MSFT"])
def test_raw_prices_with_their_splits_and_dividends_earn_what_adjusted_ones_do(symbol: str) -> None:
    """Two splits of AAPL, a special dividend of MSFT, 52 dividends of IBM.

    Reinvested at each open they buy at other prices than adjusted ones do; held in cash they earn nothing.
    """
    held, still, adjusted = (
        tradebot.backtest("buy_and_hold", symbols=symbol, save=False, baselines="", **terms).metrics
        for terms in ({"prices": "raw"}, {"prices": "raw", "rebalance": True}, {})
    )
    growth = [1 + one["total_return"] for one in (held, still, adjusted)]
    assert growth[1] / growth[2] == pytest.approx(1.0, abs=2e-4)
    assert growth[0] / growth[2] == pytest.approx(1.0, abs=0.15)
    assert held["dividends"] > 0 and adjusted["dividends"] == 0


def test_a_run_finds_its_symbols_in_whatever_order_they_are_given(tmp_path: Path) -> None:
    mine = trained(tmp_path, symbols="AAPL,IBM", end="2009", actions="weights")
    own, other = (tradebot.backtest(mine, symbols=names, save=False) for names in ("", "IBM,AAPL"))
    assert other.backtest.bars.symbols == ("AAPL", "IBM")
    assert other.metrics == own.metrics and own.metrics["trades"] > 0


# What a backtest may call out-of-sample


@pytest.mark.parametrize(
    ("asked", "span", "in_sample"),
    [
        ({}, "2010-01-04 .. 2013-03-01", False),
        ({"end": "2010"}, "2010-01-04 .. 2010-12-31", False),
        ({"start": "2010-01-01"}, "2010-01-04 .. 2013-03-01", False),
        ({"start": "2009-12-31"}, "2009-12-31 .. 2013-03-01", True),
        ({"start": "2008", "end": "2008"}, "2008-01-02 .. 2008-12-31", True),
        ({"symbols": "IBM"}, "2010-01-04 .. 2013-03-01", False),  # markets move together: later bars here too
        ({"symbols": "IBM", "end": "2005"}, "2000-05-25 .. 2005-12-30", False),
        ({"symbols": "BTC-USD", "end": "2017"}, "2017-07-03 23:00:00 .. 2017-12-31 23:00:00", False),
        ({"data": "synthetic:gbm?n=200"}, "2000-01-03 12:00:00 .. 2000-01-09 07:00:00", False),
    ],
)
def test_the_default_span_begins_after_the_training(
    run: tradebot.Run, asked: dict[str, str], span: str, in_sample: bool
) -> None:
    result = tradebot.backtest(run, baselines="", save=False, **asked)
    assert result.backtest.bars.span == span
    assert result.to_dict()["in_sample"] is in_sample
    assert ("in-sample" in result._repr_html_().lower()) is in_sample


def test_a_run_that_was_trained_on_all_there_is_asks_for_a_start(run: tradebot.Run, tmp_path: Path) -> None:
    whole = trained(tmp_path, symbols="AAPL")
    with pytest.raises(InputError, match=r"trained on AAPL, 2000-05-25 \.\. 2013-03-01, .*--start"):
        tradebot.backtest(whole, save=False)
    assert tradebot.backtest(whole, start="2012", baselines="", save=False).backtest.in_sample
    with pytest.raises(InputError, match="after that until 2009: backtest it with --start"):
        tradebot.backtest(run, end="2009", save=False)


def test_a_synthetic_market_is_in_sample_for_its_own_seed_only(tmp_path: Path) -> None:
    mine = trained(tmp_path, data="synthetic:ar1?n=500")
    other = tradebot.backtest(mine, data="synthetic:ar1?n=500&seed=1", baselines="", save=False)
    assert (len(other.backtest.bars), other.backtest.in_sample) == (440, False)
    assert (
        tradebot.backtest(mine, symbols="AAPL", data="sample", baselines="", save=False).backtest.in_sample
        is False
    )
    longer = tradebot.backtest(mine, data="synthetic:ar1?n=600", baselines="", save=False)
    assert (len(longer.backtest.bars), longer.backtest.in_sample) == (100, False)
    own = tradebot.backtest(mine, start="2000", baselines="", save=False)
    assert (len(own.backtest.bars), own.backtest.in_sample) == (440, True)
    with pytest.raises(InputError, match="fewer than 2 bars after that"):
        tradebot.backtest(mine, save=False)


def test_a_run_on_a_file_is_tested_on_other_files_by_their_symbols(
    tmp_path: Path, prices: pd.DataFrame
) -> None:
    def written(name: str, table: pd.DataFrame) -> str:
        table.to_csv(tmp_path / name, index=False)
        return str(tmp_path / name)

    own = written("mine.csv", prices)
    mine = trained(tmp_path, data=own, end="2001-10")
    later = tradebot.backtest(mine, baselines="", save=False).backtest
    assert (later.bars.span, later.in_sample) == ("2001-11-01 .. 2002-02-22", False)

    alone = written("other.csv", prices)
    other = tradebot.backtest(mine, data=alone, baselines="", save=False).backtest
    assert (other.bars.symbols, other.bars.span) == (("OTHER",), later.bars.span)

    both = written("both.csv", pd.concat([prices.assign(symbol="YOURS"), prices.assign(symbol="MINE")]))
    assert tradebot.backtest(mine, data=both, baselines="", save=False).backtest.bars.symbols == ("MINE",)
    yours = tradebot.backtest(mine, data=both, symbols="YOURS", start="2001-05", baselines="", save=False)
    assert (yours.backtest.bars.symbols, yours.backtest.in_sample) == (("YOURS",), False)
    again = tradebot.backtest(mine, data=both, start="2001-05", baselines="", save=False)
    assert again.backtest.in_sample


def test_the_notebook_is_kept_without_what_it_printed() -> None:
    """The tests execute it (see pyproject.toml): outputs in the repository would only be old."""
    for path in (Path(__file__).parents[2] / "notebooks").glob("*.ipynb"):
        cells = json.loads(path.read_text())["cells"]
        assert all(not cell.get("outputs") and cell.get("execution_count") is None for cell in cells)


def test_settings_of_the_wrong_kind_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="unknown setting 'stesp': did you mean 'steps'"):
        tradebot.train("a2c", symbols="AAPL", stesp=3, out=tmp_path / "runs")
    with pytest.raises(InputError, match="unknown agent 'pop': did you mean 'ppo'"):
        tradebot.train("pop", symbols="AAPL", out=tmp_path / "runs")
    with pytest.raises(InputError, match="unknown setting 'comission_bps'"):
        tradebot.backtest("flat", symbols="AAPL", comission_bps=3.0, save=False)
    assert not (tmp_path / "runs").exists()


def test_raw_prices_that_are_asked_for_have_not_changed(run: tradebot.Run) -> None:
    assert tradebot.backtest(run, prices="raw", baselines="", save=False).warning == ""


def test_prices_that_have_changed_since_the_training_are_told(tmp_path: Path, prices: pd.DataFrame) -> None:
    file = tmp_path / "prices.csv"
    prices.to_csv(file, index=False)
    end = str(prices["date"].iloc[-60])[:10]
    run = tradebot.train("a2c", data=str(file), end=end, steps=40, seeds=1, out=tmp_path, name="x")
    assert tradebot.backtest(run, save=False).warning == ""
    later = prices.copy()
    later.loc[later.index[-1], "volume"] += 1  # more, or other, bars after the training are no news
    later.to_csv(file, index=False)
    assert tradebot.backtest(run, save=False).warning == ""
    prices.assign(volume=prices["volume"] + 1).to_csv(file, index=False)
    result = tradebot.backtest(run, save=False)
    assert "have changed since x was trained" in result.warning
    assert result.to_dict()["warning"] == result.warning
