"""A training that was interrupted goes on as if nothing had happened: the same bytes come out."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import tradebot
from tests.e2e.conftest import Cli
from tests.e2e.killed import FILES
from tradebot import runs
from tradebot.api import members
from tradebot.rl import loop

ROOT = Path(__file__).parents[2]
TRAIN = ("train", "a2c", "--steps", 400, "--seeds", 2, "--symbols", "AAPL", "--end", "2009", "--window", 20)


@pytest.mark.parametrize(
    "agent", ["dqn", "ppo", *(pytest.param(name, marks=pytest.mark.learning) for name in ("a2c", "sarsa"))]
)
def test_killed_at_twenty_moments_it_ends_bit_for_bit_where_it_would_have(agent: str, tmp_path: Path) -> None:
    words = [sys.executable, "-m", "tests.e2e.killed", agent]
    done = subprocess.run(
        words, cwd=tmp_path, env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    kills, inside = (int(part.split()[0]) for part in done.stdout.split(",")[:2])
    assert kills == 20
    assert inside > 0


def interrupted_at(step: int, number: signal.Signals) -> Any:
    """The loop, but a signal comes when `step` is reached."""

    def train(*args: Any) -> Iterator[loop.Event]:
        for event in loop.train(*args):
            if event.step == step:
                signal.raise_signal(number)
            yield event

    return train


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_prints_the_command_that_goes_on(
    cli: Cli, monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    assert cli(*TRAIN, "--name", "whole").code == 0
    with monkeypatch.context() as patched:
        patched.setattr(members, "train_loop", interrupted_at(200, number))
        answer = cli(*TRAIN, "--name", "mine")
    told = "tradebot: interrupted at step 200 of 400; go on with: tradebot train --resume runs/mine\n"
    assert (answer.code, answer.out, answer.err) == (130, "", told)

    refused = cli("backtest", "mine")
    assert (refused.code, refused.err.count("\n")) == (2, 1)
    assert "tradebot train --resume runs/mine" in refused.err
    assert "unfinished" in cli("runs", "list").out
    shown = cli("runs", "show", "mine").out
    assert "  reached: 200 of 400\n" in shown
    empty = ("  seconds:", "  steps_per_second:", "  weights:", "\nbacktests")
    assert [word for word in empty if word in shown] == []

    answer = cli("train", "--resume", "mine", "--json")
    assert answer.code == 0 and '"steps": 400' in answer.out
    for file in FILES:
        assert Path("runs/mine", file).read_bytes() == Path("runs/whole", file).read_bytes()
    assert not Path("runs/mine/checkpoint").exists()


def test_a_foreign_environment_goes_on_with_new_episodes(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    words = ("train", "a2c", "--env", "gym:CartPole-v1", "--steps", 400, "--seeds", 1, "--name", "mine")
    with monkeypatch.context() as patched:
        patched.setattr(members, "train_loop", interrupted_at(200, signal.SIGINT))
        assert cli(*words).code == 130
    assert cli("train", "--resume", "mine").code == 0
    assert tradebot.open_run("mine").manifest.evaluation is not None


def test_a_finished_run_and_an_agent_beside_resume_are_refused(cli: Cli) -> None:
    assert cli(*TRAIN, "--name", "mine").code == 0
    for words, mention in [
        (("train", "--resume", "mine"), "is finished"),
        (("train", "--resume", "nothing"), "no run 'nothing'"),
        (("train", "--resume", "mine", "ppo"), "--resume takes no agent"),
        (("train", "--json", "ppo"), "tradebot train ppo --json"),
    ]:
        answer = cli(*words)
        assert (answer.code, answer.out, answer.err.count("\n")) == (2, "", 1)
        assert mention in answer.err


def test_prices_that_have_changed_are_refused(
    cli: Cli, monkeypatch: pytest.MonkeyPatch, prices: pd.DataFrame
) -> None:
    prices.to_csv("prices.csv", index=False)
    words = ("train", "a2c", "--data", "prices.csv", "--steps", 400, "--seeds", 1, "--name", "mine")
    with monkeypatch.context() as patched:
        patched.setattr(members, "train_loop", interrupted_at(200, signal.SIGINT))
        assert cli(*words).code == 130
    prices.assign(volume=prices["volume"] + 1).to_csv("prices.csv", index=False)
    answer = cli("train", "--resume", "mine")
    assert (answer.code, answer.err.count("\n")) == (2, 1)
    assert "prices.csv changed" in answer.err
    assert runs.checkpoints(Path("runs/mine"))


@pytest.mark.parametrize(
    ("old", "new"), [("seeds = 2", "seeds = 3"), ("steps = 400", "steps = 80"), ("64", "32")]
)
def test_settings_that_have_changed_are_refused(
    cli: Cli, monkeypatch: pytest.MonkeyPatch, old: str, new: str
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(members, "train_loop", interrupted_at(200, signal.SIGINT))
        assert cli(*TRAIN, "--name", "mine").code == 130
    config = Path("runs/mine/config.toml")
    assert old in config.read_text()
    config.write_text(config.read_text().replace(old, new))
    answer = cli("train", "--resume", "mine")
    assert (answer.code, answer.err.count("\n")) == (2, 1)
    assert "config.toml" in answer.err
