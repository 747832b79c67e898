"""Members that are split over processes learn bit for bit what they learn in one, whatever happens."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import tradebot
from tests.e2e.conftest import Cli
from tests.e2e.killed import FILES
from tradebot import runs
from tradebot.api import training, workers
from tradebot.api.workers import Workers

ROOT = Path(__file__).parents[2]
SETTINGS: dict[str, dict[str, Any]] = {
    "dqn": {"per": True, "steps": 1_200, "capacity": 400, "learning_starts": 200, "batch": 16},
    "ppo": {"per": True, "steps": 4_000, "n_steps": 64, "epochs": 2},
    "a2c": {"steps": 4_000},
}
MARKET: dict[str, Any] = {"symbols": "AAPL", "end": "2003", "window": 50, "actions": "long-short"}
TRAIN = ("train", "a2c", "--steps", 4_000, "--seeds", 3, "--symbols", "AAPL", "--end", "2003")


def train(agent: str, name: str, **settings: Any) -> tradebot.Run:
    return tradebot.train(agent, name=name, seeds=3, **MARKET, **SETTINGS[agent], **settings)


def same(one: str, other: str) -> bool:
    return all(Path("runs", one, f).read_bytes() == Path("runs", other, f).read_bytes() for f in FILES)


@pytest.fixture(autouse=True)
def in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture(autouse=True)
def often_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "PACE", 0.02)


@pytest.fixture
def taken_over(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """By default two processes take over as soon as they can. Gives the step of each time that they did."""
    steps: list[int] = []
    enter = Workers.__enter__

    def entered(team: Workers) -> Workers:
        steps.append(team._step)
        return enter(team)

    monkeypatch.setattr(Workers, "__enter__", entered)
    monkeypatch.setattr(workers, "_cores", lambda: 2)
    monkeypatch.setattr(training, "pays", lambda *_: True)
    return steps


def meanwhile(act: Callable[[Workers], None]) -> Callable[[Workers], Iterator[tuple[int, bool]]]:
    """Their training, but something happens when a third of it is done."""
    train = Workers.train

    def disturbed(team: Workers) -> Iterator[tuple[int, bool]]:
        has_happened = False
        for step, is_told in train(team):
            if step > team._plan.run.steps / 3 and not has_happened:
                has_happened = True
                act(team)
            yield step, is_told

    return disturbed


@pytest.mark.parametrize(("agent", "then"), [("dqn", 1), ("ppo", 3)])
def test_stopped_and_split_otherwise_they_write_what_one_process_writes(
    agent: str, then: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    train(agent, "one", workers=1)
    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(Workers, "train", meanwhile(lambda _: signal.raise_signal(signal.SIGTERM)))
        train(agent, "mine", workers=2)
    saved = runs.read_checkpoint(Path("runs/mine"))
    assert saved is not None and 0 < saved["loop"]["step"] < SETTINGS[agent]["steps"]
    tradebot.resume("runs/mine", workers=then)
    assert same("mine", "one")


def test_ctrl_c_prints_the_command_that_goes_on_in_one_process(
    cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert cli(*TRAIN, "--name", "one", "--workers", 1).code == 0
    with monkeypatch.context() as patched:
        patched.setattr(Workers, "train", meanwhile(lambda _: signal.raise_signal(signal.SIGINT)))
        answer = cli(*TRAIN, "--name", "mine", "--workers", 2)
    assert (answer.code, answer.out, answer.err.count("\n")) == (130, "", 1)
    assert answer.err.startswith("tradebot: interrupted at step ")
    assert answer.err.endswith("; go on with: tradebot train --resume runs/mine\n")
    assert cli("train", "--resume", "mine").code == 0
    assert same("mine", "one")


def test_a_process_that_is_killed_is_told_and_nothing_is_lost(
    cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    def kill(team: Workers) -> None:
        team._processes[1].kill()

    assert cli(*TRAIN, "--name", "one", "--workers", 1).code == 0
    with monkeypatch.context() as patched:
        patched.setattr(Workers, "train", meanwhile(kill))
        answer = cli(*TRAIN, "--name", "mine", "--workers", 2, "--checkpoint-every", 0)
    assert (answer.code, answer.out) == (1, "")
    assert answer.err == (
        "tradebot: the process that trained members 1..2 was killed by signal 9 (which the system does when"
        " memory runs out); go on with: tradebot train --resume runs/mine\n"
    )
    assert cli("train", "--resume", "mine", "--workers", 1).code == 0
    for file in ("agent.safetensors", "events.jsonl"):  # config.toml knows --checkpoint-every
        assert Path("runs/mine", file).read_bytes() == Path("runs/one", file).read_bytes()


def test_by_default_processes_take_over_from_this_one_once_that_pays(taken_over: list[int]) -> None:
    shown: list[int] = []
    train("a2c", "one", workers=1)
    train("a2c", "mine", progress=lambda step, total, what: shown.append(step))
    assert same("mine", "one")
    assert taken_over == [8]  # one step of 8 environments
    assert shown == sorted(shown) and shown[-1] == 4_000


def test_a_foreign_environment_begins_anew_in_the_processes_that_take_over(
    taken_over: list[int],
) -> None:
    settings: dict[str, Any] = {"env": "gym:CartPole-v1", "steps": 800, "seeds": 2, "envs": 4}
    one, mine = (
        tradebot.train("a2c", name=name, workers=count, **settings)
        for name, count in [("one", 1), ("mine", None)]
    )
    assert same("mine", "one")
    assert mine.manifest.evaluation == one.manifest.evaluation
    assert taken_over == [0]


def test_a_script_may_train_without_a_guard_and_in_an_environment_of_a_file_beside_it() -> None:
    Path("mine.py").write_text(
        "import gymnasium\n"
        "class Mine(gymnasium.Wrapper):\n"
        "    def __init__(self):\n"
        "        super().__init__(gymnasium.make('CartPole-v1').unwrapped)\n"
        "    def step(self, action):\n"
        "        print('from the environment')\n"
        "        return self.env.step(action)\n"
    )
    Path("script.py").write_text(
        "import gymnasium, mine, tradebot\n"
        "gymnasium.register('Mine-v0', mine.Mine, max_episode_steps=20)\n"
        "print('once')\n"
        "run = tradebot.train('a2c', env='gym:Mine-v0', steps=8, n_steps=1, seeds=2, workers=2,\n"
        "    name='mine')\n"
    )
    done = subprocess.run(
        [sys.executable, "script.py"],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("once\n")
    assert done.stdout.count("once") == 1
    assert done.stderr.count("from the environment") == 16  # 8 steps of 2 members, in the processes
    assert tradebot.open_run("mine").manifest.evaluation is not None
