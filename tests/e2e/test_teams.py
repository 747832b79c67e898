"""Learners that share an environment: a team learns the same alone, in company, stopped, and split."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file

import tradebot
from tests.e2e.conftest import Cli
from tests.e2e.killed import FILES
from tradebot.api import members
from tradebot.rl import loop

RUNS: dict[str, tuple[str, dict[str, Any]]] = {
    "grid": ("q-learning", {"env": "multiagent?form=grid", "steps": 800}),
    "plane": ("ppo", {"env": "multiagent?agents=3", "steps": 1_024, "n_steps": 64, "epochs": 2}),
    "spread": ("dqn", {"env": "multiagent?task=spread", "steps": 800, "learning_starts": 200, "batch": 16}),
    "game": ("q-learning", {"env": "game:climbing", "steps": 400}),
}
every = pytest.mark.parametrize("case", RUNS)


@pytest.fixture(autouse=True)
def in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def train(case: str, name: str, workers: int = 1, **settings: Any) -> tradebot.Run:
    agent, chosen = RUNS[case]
    return tradebot.train(agent, name=name, workers=workers, **{"seeds": 3, **chosen, **settings})


def same(one: str, other: str) -> bool:
    return all(Path("runs", one, f).read_bytes() == Path("runs", other, f).read_bytes() for f in FILES)


@every
def test_a_team_alone_is_the_same_as_in_company(case: str) -> None:
    run = train(case, "together")
    train(case, "alone", seed=1, seeds=1)
    together, alone = (load_file(f"runs/{name}/agent.safetensors") for name in ("together", "alone"))
    n, compared = run.experiment.agents, 0
    for name, array in alone.items():
        if array.ndim and len(together[name]) == 3 * n:
            assert np.array_equal(together[name][n : 2 * n], array), name
            compared += 1
    assert compared


@every
def test_teams_that_are_split_over_processes_write_what_one_process_writes(case: str) -> None:
    train(case, "one")
    train(case, "mine", workers=2)
    assert same("mine", "one")


@every
def test_a_team_that_was_interrupted_ends_where_it_would_have(
    case: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    train(case, "one")

    def interrupted(*given: Any) -> Iterator[loop.Event]:
        for event in loop.train(*given):
            if event.step >= RUNS[case][1]["steps"] / 2:
                signal.raise_signal(signal.SIGINT)
            yield event

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(members, "train_loop", interrupted)
        train(case, "mine")
    tradebot.resume("runs/mine", workers=1)
    assert same("mine", "one")


def test_the_evaluation_names_each_agent_of_each_seed(cli: Cli) -> None:
    words = ("train", "q-learning", "--env", "game:climbing", "--steps", 64, "--seeds", 2, "--name", "mine")
    assert cli(*words).code == 0
    code, out, err = cli("evaluate", "mine")
    assert (code, err) == (0, "")
    rows = [line.split()[:2] for line in out.splitlines() if line.strip()[:1].isdigit()]
    assert rows[-4:] == [["0", "0"], ["0", "1"], ["1", "0"], ["1", "1"]]
