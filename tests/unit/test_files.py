"""Atomic writes: a reader sees the old or the new; a disk that refuses leaves nothing behind."""

import errno
import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tradebot import files
from tradebot.core import InputError


def refuse(*_: object) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def everything(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


def test_a_file_is_written_with_the_folders_above_it(tmp_path: Path) -> None:
    files.write_text(tmp_path / "a/b/c.txt", "words")
    assert (tmp_path / "a/b/c.txt").read_text() == "words"
    files.write_text(tmp_path / "a/b/c.txt", "others")
    assert (tmp_path / "a/b/c.txt").read_text() == "others"
    assert everything(tmp_path) == ["a", "a/b", "a/b/c.txt"]


@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_a_disk_that_refuses_leaves_the_old_file_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    path = tmp_path / "x.txt"
    path.write_text("old")
    monkeypatch.setattr(os, call, refuse)
    with pytest.raises(OSError, match="No space left") as error:
        files.write_text(path, "new")
    assert (error.value.errno, error.value.filename) == (errno.ENOSPC, str(path))
    assert path.read_text() == "old"
    assert everything(tmp_path) == ["x.txt"]


def test_an_interrupted_write_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        files.write_text(tmp_path / "x.txt", "new")
    assert everything(tmp_path) == []


def test_files_and_folders_are_as_readable_as_the_umask_says(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        with files.new_folder(tmp_path / "x") as (aside, path):
            files.write_text(aside / "y", "words")
    finally:
        os.umask(before)
    assert (path.stat().st_mode & 0o777, (path / "y").stat().st_mode & 0o777) == (0o750, 0o640)


def test_json_is_strict() -> None:
    value = {"a": [float("nan"), float("inf"), 1.5, True, None], 3: ("x", {"b": float("-inf")})}
    text = files.to_json(value)
    assert json.loads(text) == {"a": [None, None, 1.5, True, None], "3": ["x", {"b": None}]}
    assert "\n" not in text


@pytest.mark.parametrize("content", [b"{", b"\xff\xfe", b"", b"[" * 100_000])
def test_what_is_no_json_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.json").write_bytes(content)
    with pytest.raises(InputError, match=r"x\.json: not readable as JSON"):
        files.read_json(tmp_path / "x.json")


def test_json_that_is_written_is_read_back(tmp_path: Path) -> None:
    files.write_json(tmp_path / "x.json", {"a": 1})
    assert files.read_json(tmp_path / "x.json") == {"a": 1}
    with pytest.raises(InputError, match="No such file"):
        files.read_json(tmp_path / "y.json")


def test_a_folder_appears_whole_when_the_block_ends(tmp_path: Path) -> None:
    with files.new_folder(tmp_path / "deep/x") as (aside, path):
        files.write_text(aside / "y", "words")
        assert path == tmp_path / "deep/x" and not path.exists()
    assert everything(tmp_path) == ["deep", "deep/x", "deep/x/y"]


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, InputError])
def test_a_folder_that_fails_leaves_nothing_behind(tmp_path: Path, error: type[BaseException]) -> None:
    def fail() -> None:
        with files.new_folder(tmp_path / "deep/er/x") as (aside, _):
            files.write_text(aside / "inner/y", "words")
            raise error("no")

    with pytest.raises(error):
        fail()
    assert everything(tmp_path) == []


def test_folders_above_that_somebody_else_uses_stay(tmp_path: Path) -> None:
    def fail() -> None:
        with files.new_folder(tmp_path / "deep/er/x"):
            (tmp_path / "deep/mine").touch()
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert everything(tmp_path) == ["deep", "deep/mine"]


@pytest.mark.parametrize("take", [Path.mkdir, Path.touch, lambda path: path.symlink_to("nowhere")])
def test_a_name_that_is_taken_is_refused_or_numbered(tmp_path: Path, take: Callable[[Path], None]) -> None:
    take(tmp_path / "x")
    with pytest.raises(InputError, match="x exists already"), files.new_folder(tmp_path / "x"):
        raise AssertionError("began")
    for expected in ("x-2", "x-3"):
        with files.new_folder(tmp_path / "x", numbered=True) as (_, path):
            assert path.name == expected
    assert everything(tmp_path) == ["x", "x-2", "x-3"]


def test_two_who_want_one_name_at_once_get_two_or_an_error(tmp_path: Path) -> None:
    wanted = tmp_path / "x"
    with (
        files.new_folder(wanted) as (_, one),
        files.new_folder(wanted, numbered=True) as (_, two),
        files.new_folder(wanted, numbered=True) as (_, three),
        pytest.raises(InputError, match=r"being made by another process.*\.x\.partial"),
    ):
        files.new_folder(wanted).__enter__()
    assert [path.name for path in (one, two, three)] == ["x", "x-2", "x-3"]
    assert everything(tmp_path) == ["x", "x-2", "x-3"]


def test_a_folder_that_is_finished_during_the_reservation_is_seen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another process may rename its folder just before ours is reserved."""
    make = Path.mkdir

    def just_before(path: Path, *args: object, **kwargs: object) -> None:
        if path.name == ".x.partial":
            make(tmp_path / "x", exist_ok=True)
        make(path, *args, **kwargs)  # type: ignore[arg-type]  # handed through

    monkeypatch.setattr(Path, "mkdir", just_before)
    with files.new_folder(tmp_path / "x", numbered=True) as (_, path):
        assert path.name == "x-2"
    assert everything(tmp_path) == ["x", "x-2"]


@pytest.mark.parametrize("name", [".", "..", "a/.."])
def test_what_names_no_folder_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match="is not a name for a new folder"):
        files.new_folder(Path(name), numbered=True).__enter__()
    assert everything(tmp_path) == []


@pytest.mark.parametrize("inside", ["x", "x/y"])
def test_a_folder_below_a_file_is_refused_as_such(tmp_path: Path, inside: str) -> None:
    (tmp_path / "file").write_text("mine")
    with pytest.raises(InputError, match="is a file"), files.new_folder(tmp_path / "file" / inside):
        raise AssertionError("began")
    with pytest.raises(NotADirectoryError):
        files.write_text(tmp_path / "file" / inside, "words")
    assert (tmp_path / "file").read_text() == "mine"
