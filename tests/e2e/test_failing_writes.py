"""A disk that refuses gives one line and exit code 1, Ctrl-C 130; neither leaves anything half-written."""

import errno
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import Answer, Cli
from tradebot import runs
from tradebot.api import members
from tradebot.core import State
from tradebot.evidence import ledger

AAPL = ("--symbols", "AAPL", "--end", "2009-12-31")
TRAIN = ("train", "a2c", "--steps", 40, "--seeds", 1, *AAPL)


def assert_failed(answer: Answer, *mentions: str) -> None:
    """One line on stderr, nothing on stdout, exit code 1."""
    assert (answer.code, answer.out, answer.err.count("\n")) == (1, "", 1), answer
    assert "Traceback" not in answer.err
    assert [mention for mention in mentions if mention not in answer.err] == []


def full(*_: object, **__: object) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.parametrize("call", ["fsync", "replace", "rename"])
@pytest.mark.parametrize("words", [TRAIN, ("backtest", "flat", *AAPL)], ids=["train", "backtest"])
def test_a_full_disk_leaves_nothing_half_written(
    cli: Cli, monkeypatch: pytest.MonkeyPatch, words: tuple[object, ...], call: str
) -> None:
    with monkeypatch.context() as disk:
        disk.setattr(os, call, full)
        assert_failed(cli(*words, "--out", "new/folder"), "No space left on device")
    assert list(Path().iterdir()) == []
    assert cli(*words, "--out", "new/folder").code == 0


def no_training(*_: object) -> Iterator[Any]:
    raise AssertionError("trained before it was known whether the result can be kept")
    yield


def test_a_folder_that_cannot_be_written_is_found_before_the_training(
    cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(members, "train_loop", no_training)
    Path("file").write_text("mine")
    for out in ("file", "file/below", "file/far/below"):
        study = (*TRAIN[1:], "--out", out)
        for words in (
            ("train", *study),
            ("walkforward", *study, "--folds", 2),
            ("nulltest", *study, "--markets", 2),
            ("demo", "--out", f"{out}/demo"),
            ("backtest", "flat", *AAPL, "--out", f"{out}/flat"),
            ("play", "mine", "--gif", f"{out}/x.gif"),
            ("play", "mine", "--png", f"{out}/x.png"),
            ("prices", "check", "AAPL", "--picture", f"{out}/x.png"),
            ("prices", "resample", "AAPL", "1wk", "--out", f"{out}/x.csv"),
        ):
            answer = cli(*words)
            assert (answer.code, answer.out, answer.err.count("\n")) == (2, "", 1), answer
            assert f"{out}" in answer.err and "file is a file and no folder" in answer.err
    assert Path("file").read_text() == "mine"
    assert list(Path().iterdir()) == [Path("file")]


def test_a_read_only_folder_is_found_before_the_training(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not with a real one: root, as which tests may run, writes everywhere."""
    Path("mine").mkdir()

    def read_only(path: Path, mode: int = 0o777) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))

    monkeypatch.setattr(members, "train_loop", no_training)
    monkeypatch.setattr(os, "mkdir", read_only)
    assert_failed(cli(*TRAIN, "--out", "mine"), "mine/", "Permission denied")


def test_files_that_may_not_grow_leave_nothing_half_written(tmp_path: Path) -> None:
    """A real full disk is like this: the write itself fails in the middle."""

    def limited() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))

    words = [sys.executable, "-m", "tradebot", *map(str, TRAIN)]
    done = subprocess.run(
        words,
        cwd=tmp_path,
        env=os.environ | {ledger.VARIABLE: str(tmp_path / "none")},  # to read one SQLite writes beside it
        preexec_fn=limited,
        capture_output=True,
        text=True,
        check=False,
    )
    assert_failed(Answer(done.returncode, done.stdout, done.stderr), "agent.safetensors", "File too large")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("error", "advice"),
    [(MemoryError(), "fewer --seeds"), (FloatingPointError("diverged"), "--learning-rate")],
)
def test_a_training_that_fails_says_what_to_do_and_leaves_nothing(
    cli: Cli, monkeypatch: pytest.MonkeyPatch, error: Exception, advice: str
) -> None:
    def failing(*_: object) -> Iterator[Any]:
        raise error
        yield

    monkeypatch.setattr(members, "train_loop", failing)
    assert_failed(cli(*TRAIN), advice)
    assert list(Path().iterdir()) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_leaves_nothing_half_written(
    cli: Cli, monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    def interrupted(*_: object) -> Iterator[Any]:
        signal.raise_signal(number)
        signal.raise_signal(number)  # the first one only asks for a checkpoint
        raise AssertionError("went on")
        yield

    monkeypatch.setattr(members, "train_loop", interrupted)
    answer = cli(*TRAIN, "--name", "mine")
    assert (answer.code, answer.out, answer.err.count("\n")) == (130, "", 1)
    assert answer.err.startswith("tradebot: interrupted")
    assert list(Path().iterdir()) == []


def test_a_disk_that_fills_up_during_a_training_leaves_what_it_can_go_on_from(
    cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = (*TRAIN, "--name", "mine", "--checkpoint-every", 0)
    write = runs.write_checkpoint

    def filling(folder: Path, step: int, state: State) -> None:
        if step > 16:
            full()
        write(folder, step, state)

    with monkeypatch.context() as disk:
        disk.setattr(runs, "write_checkpoint", filling)
        assert_failed(cli(*words), "No space left on device")
    assert [path.name[:12] for path in runs.checkpoints(Path("runs/mine"))] == [f"{16:012d}", f"{8:012d}"]
    assert cli("train", "--resume", "mine").code == 0
