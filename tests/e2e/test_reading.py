"""What a price file leaves open is answered once: the run keeps the answer, and its backtests read alike."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

import tradebot
from tradebot.cli import app
from tradebot.core import InputError


def _file(folder: Path) -> Path:
    """Days of 2020 to the 12th of each month, as 01/02/2020 for the first of February; decimal commas."""
    days = [day for day in pd.bdate_range("2020-01-01", "2021-12-31") if day.day <= 12]
    close = 100 + np.cumsum(np.random.default_rng(0).normal(0, 1, len(days)))
    rows = [
        f"{day:%d/%m/%Y};{price:.2f};{price + 1:.2f};{price - 1:.2f};{price:.2f};1000".replace(".", ",")
        for day, price in zip(days, close, strict=True)
    ]
    path = folder / "aaa.csv"
    path.write_text("\n".join(["Date;Open;High;Low;Close;Volume", *rows]))
    return path


def test_a_run_keeps_the_answer_and_reads_its_file_with_it_again(tmp_path: Path) -> None:
    path = str(_file(tmp_path))
    settings = {"data": path, "end": "2021-03-31", "steps": 200, "seeds": 1, "window": 20, "lookback": 2}
    with pytest.raises(InputError, match="say --dates day-first or --dates month-first"):
        tradebot.train("dqn", out=tmp_path, **settings)
    run = tradebot.train("dqn", out=tmp_path, name="run", dates="day-first", **settings)
    assert 'dates = "day-first"' in (tmp_path / "run" / "config.toml").read_text()
    tested = tradebot.backtest(run, save=False).backtest
    assert str(tested.bars.timestamps[0])[:10] == "2021-04-01"
    assert tradebot.signal(run).as_of.isoformat()[:10] == "2021-12-10"
    other = tradebot.backtest(run, dates="month-first", start="2021-04", save=False)
    assert other.warning.startswith("the prices of AAA have changed since run was trained on them")
    rule = tradebot.backtest("buy_and_hold", data=path, dates="day-first", save=False)
    assert str(rule.backtest.bars.timestamps[0])[:10] == "2020-01-01"


def test_the_commands_that_take_a_file_take_the_answers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = str(_file(tmp_path))
    monkeypatch.setenv("TRADEBOT_CACHE", str(tmp_path / "cache"))
    answer = ["--dates", "day-first"]
    for command in (
        ["prices", "check", path, *answer],
        ["prices", "show", path, *answer],
        ["fetch", "--source", "file", "--file", path, *answer],
        ["prices", "resample", path, "1mo", "--out", str(tmp_path / "new.csv"), "--keep-partial", *answer],
    ):
        result = CliRunner().invoke(app, command, catch_exceptions=False)
        assert result.exit_code == 0
        assert "date <- 'Date' (day first); open <- 'Open' (decimal comma);" in result.output
    with pytest.raises(
        InputError, match="dates: only a price file is read so, with --source file --file PATH"
    ):
        tradebot.fetch("AAPL", source="sample", dates="day-first")


def test_longer_bars_are_written_to_a_file_that_is_read_again_and_to_no_other(tmp_path: Path) -> None:
    for name in ("days.csv", "days.parquet"):
        command = ["prices", "resample", "BTC-USD", "1d", "--out", str(tmp_path / name)]
        result = CliRunner().invoke(app, command, catch_exceptions=False)
        assert "Left out, for the data do not fill them: 2017-07-01, 2019-10-17" in result.output
        read = tradebot.load(source=tmp_path / name)
        assert read.fingerprint == tradebot.load("BTC-USD", "sample", interval="1d").fingerprint
        with pytest.raises(InputError, match="is there already, choose another --out"):
            CliRunner().invoke(app, command, catch_exceptions=False)
