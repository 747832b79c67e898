"""The run folder: what is written is read back, what is damaged is refused."""

import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tradebot import files, runs
from tradebot.core import InputError
from tradebot.market.costs import Costs

STATE: dict[str, Any] = {
    "nets": {"policy.0.weight": np.arange(6, dtype=np.float32).reshape(2, 3).T, "empty": np.zeros((2, 0))},
    "adam": {"deep": {"count": np.array([[1.0], [2.0]])}},
    "seen": 7,
    "share": 0.5,
}


def manifest(weights: str = "", **changes: Any) -> runs.Manifest:
    facts: dict[str, Any] = {
        "agent": "a2c",
        "env": "gym:CartPole-v1",
        "seeds": 2,
        "steps": 40,
        "seconds": 0.5,
        "steps_per_second": 160.0,
        "status": "finished",
        "finished": datetime(2024, 1, 2, tzinfo=UTC),
        "command": "",
        "versions": {"python": "3"},
        "weights": weights,
    }
    return runs.Manifest(**{**facts, **changes})


def written(folder: Path, **changes: Any) -> Path:
    folder.mkdir(parents=True)
    weights = runs.packed(STATE)
    events = [{"step": 3, "return": [1.0, float("nan")]}, {"step": 6}]
    runs.begin(folder, {"costs": Costs()}, manifest(status="unfinished"))
    runs.write_checkpoint(folder, 3, STATE)
    runs.finish(folder, manifest(files.checksum(weights), **changes), weights, events)
    return folder


def test_a_run_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    stored = runs.read(written(tmp_path / "x"))
    assert stored.config == {"costs": Costs().model_dump(exclude_none=True)}
    assert stored.manifest == manifest(stored.manifest.weights)
    assert runs.read_events(stored.folder) == [{"step": 3, "return": [1.0, None]}, {"step": 6}]

    state = runs.read_state(stored)
    assert state.keys() == STATE.keys()
    assert (state["seen"], state["share"]) == (7, 0.5)
    assert state["nets"]["policy.0.weight"].dtype == np.float32
    np.testing.assert_array_equal(state["nets"]["policy.0.weight"], [[0, 3], [1, 4], [2, 5]])
    assert state["nets"]["empty"].shape == (2, 0)
    np.testing.assert_array_equal(state["adam"]["deep"]["count"], [[1.0], [2.0]])


def test_what_is_on_the_disk_is_strict_and_small(tmp_path: Path) -> None:
    folder = written(tmp_path / "x", evaluation=runs.Evaluation(members=(1.0, float("nan")), median=1, iqr=0))
    assert sorted(path.name for path in folder.iterdir()) == [
        "agent.safetensors",
        "config.toml",
        "events.jsonl",
        "manifest.json",
    ]
    kept = json.loads((folder / "manifest.json").read_text(), parse_constant=pytest.fail)
    assert kept["evaluation"]["members"] == [1.0, None]
    assert "data" not in kept
    again = runs.read(folder).manifest.evaluation
    assert again is not None and again.members == (1.0, None)


def test_a_folder_without_a_manifest_is_no_run(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is not a run folder: it has no manifest"):
        runs.read(tmp_path)


@pytest.mark.parametrize("text", ["", "[]", "{}", "null", '{"agent": 3}', '{"color": "red"}'])
def test_a_damaged_manifest_is_refused(tmp_path: Path, text: str) -> None:
    (written(tmp_path / "x") / "manifest.json").write_text(text)
    with pytest.raises(InputError, match=r"manifest\.json"):
        runs.read(tmp_path / "x")


@pytest.mark.parametrize("data", [b"", b"\0" * 100, runs.packed({"other": np.ones(3)})])
def test_weights_that_are_not_those_of_the_training_are_refused(tmp_path: Path, data: bytes) -> None:
    stored = runs.read(written(tmp_path / "x"))
    (stored.folder / "agent.safetensors").write_bytes(data)
    with pytest.raises(InputError, match=r"agent\.safetensors: damaged"):
        runs.read_state(stored)
    (stored.folder / "agent.safetensors").unlink()
    with pytest.raises(InputError, match=r"agent\.safetensors: cannot be read"):
        runs.read_state(stored)


@pytest.mark.parametrize("text", ["3\n", "{\n", "[" * 100_000, "\0"])
def test_a_damaged_log_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "events.jsonl").write_text(text)
    with pytest.raises(InputError, match=r"events\.jsonl"):
        runs.read_events(tmp_path)


def test_runs_are_listed_by_age_without_what_is_not_finished(tmp_path: Path) -> None:
    assert runs.names(tmp_path / "nowhere") == []
    for name in ("b", "a", ".c.partial"):
        written(tmp_path / name)
    (tmp_path / "other").mkdir()
    for age, name in enumerate(("b", "a")):
        stamp = 1_000_000_000 + age
        os.utime(tmp_path / name / "manifest.json", (stamp, stamp))
    assert runs.names(tmp_path) == ["b", "a"]


def test_a_run_is_found_by_its_folder_or_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written(tmp_path / "runs/mine")
    monkeypatch.chdir(tmp_path)
    assert runs.find("mine") == runs.find("runs/mine") == Path("runs/mine")
    assert runs.find(str(tmp_path / "runs/mine")) == tmp_path / "runs/mine"
    Path("mine").mkdir()  # a folder that is no run must not hide the run
    assert runs.find("mine") == Path("runs/mine")
    with pytest.raises(InputError, match="no run 'mien': did you mean 'mine'"):
        runs.find("mien")
    with pytest.raises(InputError, match="no run or rule 'flt': did you mean 'flat'"):
        runs.find("flt", others=["flat"])
    with pytest.raises(InputError, match="nothing under elsewhere/ yet"):
        runs.find("x", Path("elsewhere"))
    for number in range(22):
        path = Path("many", f"r{number}", "manifest.json")
        path.parent.mkdir(parents=True)
        path.touch()
        os.utime(path, (number, number))
    with pytest.raises(InputError, match=r"choose from flat, r21, r20, .*, r2 and 2 more$"):
        runs.find("zzz", Path("many"), others=["flat"])


# ---- checkpoints


def state(step: int) -> dict[str, Any]:
    return {**STATE, "log": {"lines": f'[{{"step": {step}}}, "é"]'}, "step": step}


def test_a_checkpoint_gives_back_the_state_and_the_one_before_is_kept(tmp_path: Path) -> None:
    assert runs.read_checkpoint(tmp_path) is None
    for step in (8, 16, 24):
        runs.write_checkpoint(tmp_path, step, state(step))
    assert [path.name[:12] for path in runs.checkpoints(tmp_path)] == [f"{24:012d}", f"{16:012d}"]
    read = runs.read_checkpoint(tmp_path)
    assert read is not None
    assert (read["step"], read["log"]) == (24, state(24)["log"])
    np.testing.assert_array_equal(read["nets"]["policy.0.weight"], STATE["nets"]["policy.0.weight"])


@pytest.mark.parametrize("keep", [0, 7, 8, 100, -1])
def test_a_damaged_checkpoint_is_passed_over_for_the_one_before(tmp_path: Path, keep: int) -> None:
    runs.write_checkpoint(tmp_path, 8, state(8))
    runs.write_checkpoint(tmp_path, 16, state(16))
    latest, previous = runs.checkpoints(tmp_path)
    latest.write_bytes(latest.read_bytes()[:keep])
    read = runs.read_checkpoint(tmp_path)
    assert read is not None and read["step"] == 8
    previous.write_bytes(b"")
    with pytest.raises(InputError, match="checkpoint: damaged"):
        runs.read_checkpoint(tmp_path)


def test_what_a_killed_write_left_is_removed_and_nothing_else(tmp_path: Path) -> None:
    runs.write_checkpoint(tmp_path, 8, state(8))
    left = [tmp_path / ".manifest.json.0123abcd", tmp_path / "checkpoint" / ".x.safetensors.89ef0000"]
    others = [tmp_path / ".DS_Store", tmp_path / ".notes.txt"]
    for path in (*left, *others):
        path.write_bytes(b"half")
    runs.read_checkpoint(tmp_path)
    assert [path.exists() for path in (*left, *others)] == [False, False, True, True]
