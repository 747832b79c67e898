"""`tradebot walkforward` and `nulltest`: one population, stopped and gone on with, on record."""

from __future__ import annotations

import base64
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import tradebot
from tests.e2e.conftest import Cli
from tests.e2e.killed import FILES
from tests.e2e.test_resume import interrupted_at
from tradebot import runs
from tradebot.api import members
from tradebot.core import State
from tradebot.rl import checkpoint

SMALL = ("--steps", 400, "--seeds", 2, "--window", 20, "--learning-rate", 0.02)
FOLDS = ("--folds", 3, "--train", "100bars", "--test", "40bars", "--features", "last_return,position")
WALK = ("walkforward", "a2c", "--data", "prices.csv", *SMALL, *FOLDS)
NULL = ("nulltest", "a2c", "--data", "prices.csv", *SMALL, "--end", "2001-11-30", "--markets", 3)


@pytest.fixture(autouse=True)
def here(cli: Cli, prices: pd.DataFrame, monkeypatch: pytest.MonkeyPatch) -> None:
    """prices.csv in the folder where all happens, and a ledger of its own."""
    prices.to_csv("prices.csv", index=False)
    monkeypatch.setenv("TRADEBOT_LEDGER", "ledger.sqlite")


def weights(name: str) -> State:
    return runs.read_state(runs.read(Path("runs", name)))


def member(name: str, number: int, of: int) -> State:
    return checkpoint.split(weights(name), of, number, number + 1)


def test_a_walk_forward_tells_its_folds_and_what_they_earned_together(cli: Cli) -> None:
    answer = cli(*WALK, "--name", "walk")
    assert answer.code == 0
    assert "carried" in answer.out and "buy_and_hold" in answer.out
    folder = next(Path("runs/walk/backtests").iterdir())
    told = json.loads((folder / "metrics.json").read_text())
    # 300 bars: the tests begin with bars 180, 220 and 260.
    dates = pd.bdate_range("2001-01-01", periods=300).strftime("%Y-%m-%d")
    assert [(fold["train_start"], fold["train_end"], fold["test_start"]) for fold in told["folds"]] == [
        (dates[cut - 100], dates[cut - 2], dates[cut]) for cut in (180, 220, 260)
    ]
    assert told["span"] == {"start": f"{dates[180]}T00:00:00", "end": f"{dates[299]}T00:00:00", "bars": 120}
    assert told["verdict"]["trials"] == 1 and answer.out.startswith("Verdict: ")
    assert not told["in_sample"] and len(told["members"]) == 2
    growth = np.prod([1 + fold["total_return"] for fold in told["folds"]])
    assert growth - 1 == pytest.approx(told["ensemble"]["total_return"])
    assert {"folds.csv", "report.html", "equity.png", "equity.parquet"} <= {
        path.name for path in folder.iterdir()
    }
    page = (folder / "report.html").read_text()
    assert "trained on 100 bars, tested on 40 bars each; 1 bar left out in between" in page
    assert "<h1>walk: walk-forward of 3 folds</h1>" in page
    assert f'<tr><th scope="row">2</th><td>{dates[120]} .. {dates[218]}</td><td>{dates[220]} .. ' in page
    assert page.index("<h2>Folds</h2>") < page.index("<h2>All metrics</h2>")
    (trial,) = tradebot.ledger().to_dict()["trials"]
    assert (trial["kind"], trial["start"][:10], trial["seeds"]) == ("walkforward", dates[180], [0, 1])


def test_a_fold_alone_learns_what_it_learns_in_company(cli: Cli) -> None:
    """Member s x K + k: the middle fold of the second seed is trained alone on its very bars."""
    assert cli(*WALK, "--name", "walk").code == 0
    dates = pd.bdate_range("2001-01-01", periods=300).strftime("%Y-%m-%d")
    words = ("train", "a2c", "--data", "prices.csv", *SMALL, "--features", "last_return,position")
    alone = ("--seeds", 1, "--seed", 1, "--start", dates[120], "--end", dates[218], "--name", "alone")
    assert cli(*words, *alone).code == 0
    np.testing.assert_equal(member("walk", 1 * 3 + 1, 6), weights("alone"))


def test_no_fold_learns_from_bars_behind_its_training(cli: Cli, prices: pd.DataFrame) -> None:
    assert cli(*WALK, "--name", "walk").code == 0
    for fold, cut in enumerate((180, 220, 260)):
        changed = prices.copy()
        columns = ["open", "high", "low", "close", "volume"]
        changed.loc[cut - 1 :, columns] *= np.linspace(1, 3, 300 - cut + 1)[:, None]
        changed.to_csv("prices.csv", index=False)
        assert cli(*WALK, "--name", f"other-{fold}").code == 0
        for seed in range(2):
            number = 3 * seed + fold
            np.testing.assert_equal(member(f"other-{fold}", number, 6), member("walk", number, 6))
    assert any(
        not np.array_equal(one, other)
        for one, other in zip(leaves(member("walk", 2, 6)), leaves(member("other-0", 2, 6)), strict=True)
    )


def leaves(state: State) -> list[Any]:
    return [
        leaf for value in state.values() for leaf in (leaves(value) if isinstance(value, dict) else [value])
    ]


@pytest.mark.parametrize("words", [WALK, NULL], ids=["walkforward", "nulltest"])
def test_ctrl_c_prints_the_command_that_goes_on(
    cli: Cli, monkeypatch: pytest.MonkeyPatch, words: tuple[Any, ...]
) -> None:
    whole = cli(*words, "--name", "whole", "--json")
    assert whole.code == 0
    with monkeypatch.context() as patched:
        patched.setattr(members, "train_loop", interrupted_at(200, signal.SIGINT))
        answer = cli(*words, "--name", "mine")
    resume = f"tradebot {words[0]} --resume runs/mine"
    assert answer == (130, "", f"tradebot: interrupted at step 200 of 400; go on with: {resume}\n")
    refused = cli("train", "--resume", "mine")
    assert (refused.code, refused.err.count("\n")) == (2, 1) and resume in refused.err
    answer = cli(words[0], "--resume", "mine", "--json")
    assert answer.code == 0
    for file in FILES:
        assert Path("runs/mine", file).read_bytes() == Path("runs/whole", file).read_bytes()
    one, other = (json.loads(each.out) for each in (answer, whole))
    for key in ("ensemble", "folds", "real", "copies"):
        assert one.get(key) == other.get(key)
    again = json.loads(cli(words[0], "--resume", "mine", "--json").out)  # finished: it is tested once more
    assert again.get("ensemble") == one.get("ensemble") and again.get("p_value") == one.get("p_value")
    assert tradebot.ledger().to_dict()["looks"] == 3


def test_killed_and_gone_on_with_it_ends_as_if_nothing_had_happened(cli: Cli) -> None:
    settings = (*WALK, "--steps", 4_000, "--checkpoint-every", 0.01)
    assert cli(*settings, "--name", "whole").code == 0
    root = str(Path(tradebot.__file__).parents[1])
    process = subprocess.Popen(
        [sys.executable, "-m", "tradebot", *map(str, settings), "--name", "mine"],
        env=os.environ | {"PYTHONPATH": root},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    while process.poll() is None and not runs.checkpoints(Path("runs/mine")):
        time.sleep(0.01)
    process.kill()
    process.wait()
    assert runs.read(Path("runs/mine")).manifest.status == "unfinished"
    assert cli("walkforward", "--resume", "mine").code == 0
    for file in FILES:
        assert Path("runs/mine", file).read_bytes() == Path("runs/whole", file).read_bytes()


def test_several_processes_bring_the_same(cli: Cli) -> None:
    assert cli(*WALK, "--name", "one", "--workers", 1).code == 0
    assert cli(*WALK, "--name", "two", "--workers", 2).code == 0
    np.testing.assert_equal(weights("two"), weights("one"))


def test_a_null_test_of_a_run_learns_the_same_on_its_market_and_tests_the_bars_after(cli: Cli) -> None:
    words = ("train", "a2c", "--data", "prices.csv", *SMALL, "--end", "2001-11-30", "--name", "run")
    assert cli(*words).code == 0
    answer = cli("nulltest", "run", "--markets", 3, "--json", "--name", "null")
    assert answer.code == 0
    told = json.loads(answer.out)
    for seed in range(2):
        np.testing.assert_equal(member("null", 4 * seed, 8), member("run", seed, 2))
    assert told["span"]["start"] == "2001-12-03T00:00:00" and told["markets"] == 3
    assert told["p_value"] == (1 + sum(copy >= told["real"] for copy in told["copies"])) / 4
    assert Path("runs/null/nulltest.png").read_bytes().startswith(b"\x89PNG")
    assert json.loads(Path("runs/null/nulltest.json").read_text()) == told
    assert told["verdict"]["null_p"] == told["p_value"] and told["verdict"]["trials"] == 1
    backtest = json.loads(cli("backtest", "run", "--json").out)
    assert (backtest["verdict"]["trials"], backtest["verdict"]["looks"]) == (1, 2)  # it is the same trial
    real = json.loads(next(Path("runs/null/backtests").glob("*/metrics.json")).read_text())
    assert real["ensemble"] == backtest["ensemble"]


def test_a_null_test_prints_where_the_market_stands(cli: Cli) -> None:
    answer = cli(*NULL, "--name", "null")
    assert answer.code == 0
    assert "Verdict: " in answer.out and "Null test: p =" in answer.out
    assert "of 3 shuffled copies" in answer.out and "take --markets 19" in answer.out
    page = Path(cli("report", "null").out.strip()).read_text()
    assert "<h1>null: null test</h1>" in page
    assert page.index("<h2>Null test</h2>") < page.index("<h2>All metrics</h2>")
    picture = base64.b64encode(Path("runs/null/nulltest.png").read_bytes()).decode()
    assert f'src="data:image/png;base64,{picture}"' in page


def test_what_a_study_has_learned_is_no_agent(cli: Cli) -> None:
    assert cli(*WALK, "--name", "walk").code == 0
    for words in (("backtest", "walk"), ("signal", "walk"), ("nulltest", "walk")):
        answer = cli(*words)
        assert (answer.code, answer.out, answer.err.count("\n")) == (2, "", 1)
        assert "walkforward" in answer.err
    assert cli("train", "a2c", "--config", "runs/walk/config.toml", "--name", "plain").code == 0
    shutil.rmtree("runs/walk/backtests")
    assert "tradebot walkforward --resume runs/walk" in cli("report", "walk").err
    assert runs.read(Path("runs/plain")).config.get("walkforward") is None


def test_sealed_bars_are_refused_before_anything_is_trained(cli: Cli) -> None:
    tradebot.seal("2002-01-01")
    for words in (WALK, NULL):
        answer = cli(*words, "--name", "mine")
        assert (answer.code, answer.out) == (2, "") and "--open-seal" in answer.err
        assert not Path("runs/mine").exists()
    assert cli(*WALK, "--open-seal").code == 0
    assert cli(*NULL, "--open-seal").code == 2


@pytest.mark.parametrize(
    ("words", "mention"),
    [
        ((*WALK, "--folds", 9), "do not fit"),
        ((*WALK, "--train", "5 parsecs"), "write it as 5y"),
        (("walkforward", "--resume", "nowhere"), "nowhere"),
        (("walkforward", "sharp", "--symbols", "AAPL"), "unknown agent"),
        (("walkforward", "ppo", "--symbols", "AAPL", "--per"), "--per"),
        (("nulltest", "pro"), "did you mean 'ppo'"),
        ((*NULL, "--end", "2010"), "--end"),
        ((*NULL, "--markets", 0), "--markets"),
        (("nulltest", "--json", "ppo"), "behind the agent"),
    ],
)
def test_what_is_wrong_is_said_in_a_line(cli: Cli, words: tuple[Any, ...], mention: str) -> None:
    answer = cli(*words)
    assert (answer.code, answer.out, answer.err.count("\n")) == (2, "", 1), answer
    assert mention in answer.err


def test_a_run_with_prioritized_windows_is_refused(cli: Cli) -> None:
    words = ("train", "a2c", "--data", "prices.csv", *SMALL, "--end", "2001-11-30", "--per", "--name", "run")
    assert cli(*words).code == 0
    answer = cli("nulltest", "run", "--name", "null")
    assert (answer.code, answer.err.count("\n")) == (2, 1) and "a nulltest has several" in answer.err
    assert not Path("runs/null").exists()


def test_several_symbols_walk_forward_as_one_portfolio(cli: Cli) -> None:
    words = ("--symbols", "AAPL,IBM", "--folds", 2, "--train", "1y", "--test", "6mo", "--actions", "weights")
    small = ("--steps", 300, "--seeds", 2, "--learning-starts", 100, "--batch", 16, "--hidden", 8)
    answer = cli("walkforward", "sac", *words, *small, "--seams", "closed", "--expanding", "--json")
    assert answer.code == 0
    told = json.loads(answer.out)
    assert told["symbols"] == ["AAPL", "IBM"] and len(told["folds"]) == 2
    assert told["folds"][0]["train_start"] == told["folds"][1]["train_start"]


def test_a_null_test_of_a_run_uses_the_code_that_the_run_kept(cli: Cli) -> None:
    Path("mine.py").write_text(
        "import numpy as np\ndef shape(bars):\n    return np.log(bars.close / bars.open)\n"
    )
    words = ("train", "a2c", "--data", "prices.csv", *SMALL, "--end", "2001-11-30", "--name", "run")
    assert cli(*words, "--features", "mine.py:shape,position").code == 0
    Path("mine.py").unlink()
    assert cli("nulltest", "run", "--markets", 1, "--name", "null").code == 0
    np.testing.assert_equal(member("null", 0, 4), member("run", 0, 2))


def learning(run: tradebot.Run) -> set[str]:
    """What the lines of its learning curve are called."""
    return {str(line.get_label()) for line in run.plot().figure.axes[0].get_lines()}


def test_results_show_themselves_in_a_notebook() -> None:
    small: dict[str, Any] = {"steps": 400, "seeds": 1, "window": 20}
    walk = tradebot.walk_forward("a2c", data="prices.csv", folds=2, train="100bars", test="40bars", **small)
    assert len(walk.folds) == len(walk.fold_frame) == 2
    assert repr(walk).startswith("BacktestResult(walk-forward of 2 folds, ")
    assert walk.run is not None
    assert "each member (1 seed × 2 folds)" in learning(walk.run)
    null = tradebot.null_test("a2c", data="prices.csv", end="2001-11-30", markets=2, **small)
    assert {"each member (1 seed × 3 markets)", "median on the market itself"} <= learning(null.run)
    assert f"rank {null.test.rank} of 3, " in repr(null)
    assert null.plot().figure.axes[0].get_title(loc="left") == f"Null test: p = {null.p_value:.3g}"
