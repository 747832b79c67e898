"""Atomic writes: the only way anything reaches the disk. A reader sees the old or the new, never a half."""

from __future__ import annotations

import errno
import hashlib
import itertools
import json
import math
import os
import re
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from tradebot.core import InputError

_TAKEN = "exists already: choose another name or remove it"


def write_bytes(path: Path, data: bytes) -> None:
    """Write aside, fsync, rename. Raises OSError and leaves nothing behind when the disk refuses."""
    aside = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        make_parents(path)
        with open(aside, "xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(aside, path)
    except BaseException as error:
        with suppress(OSError):
            aside.unlink()
        if isinstance(error, OSError):
            raise OSError(error.errno, error.strerror, str(path)) from None
        raise


def remove_leftovers(folder: Path, of: str | None = None) -> None:
    """Remove what `write_bytes` had written aside in this folder when its process was killed.

    Only `of` the file of that name, if one is given.
    """
    name = ".+" if of is None else re.escape(of)
    for path in folder.glob(".*"):
        if path.is_file() and re.fullmatch(rf"\.{name}\.[0-9a-f]{{8}}", path.name):
            path.unlink()


def write_text(path: Path, text: str) -> None:
    write_bytes(path, text.encode())


def write_json(path: Path, value: Any) -> None:
    write_text(path, to_json(value, indent=2) + "\n")


def to_json(value: Any, indent: int | None = None) -> str:
    """Strict JSON: what is not finite becomes null."""
    return json.dumps(_finite(value), indent=indent, allow_nan=False)


def read_json(path: Path) -> Any:
    """Raises InputError if the file cannot be read or is not JSON."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from None
    except (ValueError, RecursionError) as error:  # JSONDecodeError and UnicodeDecodeError are ValueErrors
        raise InputError(f"{path}: not readable as JSON ({error})") from None


def checksum(data: bytes) -> str:
    """SHA-256 in hex."""
    return hashlib.sha256(data).hexdigest()


@contextmanager
def new_folder(path: Path, *, numbered: bool = False) -> Iterator[tuple[Path, Path]]:
    """Yields (aside, path): what is in `aside` appears whole as `path` when the block ends, or not at all.

    `numbered` takes name-2, name-3 ... if the name is taken; without it that is an InputError. `aside` is
    `.name.partial`: it reserves the name, so that two processes never make the same folder. Raises OSError if
    the disk refuses, at the start if it can be known then.
    """
    with parents_of(path):
        aside, path = _reserved(path, numbered)
        try:
            yield aside, path
            os.rename(aside, path)
        except BaseException:
            shutil.rmtree(aside, ignore_errors=True)
            raise


def check_parents(path: Path) -> None:
    """Raise InputError where a file stands in place of a folder above `path`."""
    nearest = next((parent for parent in path.parents if parent.exists()), path.parent)
    if nearest.exists() and not nearest.is_dir():
        raise InputError(f"{path} cannot be written: {nearest} is a file and no folder, take another place")


def check_file(path: Path) -> None:
    """Raise InputError where no file can be written: a folder is called so, or a file stands above it."""
    check_parents(path)
    if path.is_dir():
        raise InputError(f"{path} cannot be written: it is a folder, take the name of a file")


def check_new_folder(path: Path) -> None:
    """Raise InputError where `new_folder` would, before the work is done."""
    _check_name(path)
    check_parents(path)
    if os.path.lexists(path):
        raise InputError(f"{path} {_TAKEN}")


@contextmanager
def parents_of(path: Path) -> Iterator[None]:
    """Within the block the folders above `path` exist; if it fails, those that were missing go again.

    Raises InputError where a file stands in place of one.
    """
    check_parents(path)
    made = make_parents(path)
    try:
        yield
    except BaseException:
        for parent in made:
            with suppress(OSError):  # somebody else may have put something into it
                parent.rmdir()
        raise


def make_parents(path: Path) -> list[Path]:
    """Make the folders above `path` that are missing. Returns them, the deepest first."""
    missing = list(itertools.takewhile(lambda parent: not parent.exists(), path.parents))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except FileExistsError:  # a file stands there, which "exists already" would not say
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(path.parent)) from None
    return missing


def _check_name(path: Path) -> None:
    if path.name in ("", ".."):
        raise InputError(f"{path} is not a name for a new folder")


def _reserved(wanted: Path, numbered: bool) -> tuple[Path, Path]:
    """(aside, path) of the first name that nobody has or is making."""
    _check_name(wanted)
    path, numbers = wanted, itertools.count(2)
    while True:
        aside = path.with_name(f".{path.name}.partial")
        try:
            aside.mkdir()
        except FileExistsError:
            fault = f"is being made by another process; if there is none, remove {aside}"
        else:
            if not os.path.lexists(path):
                return aside, path
            aside.rmdir()
            fault = _TAKEN
        if not numbered:
            raise InputError(f"{path} {fault}")
        path = wanted.with_name(f"{wanted.name}-{next(numbers)}")


def _finite(value: Any) -> Any:
    match value:
        case dict():
            return {str(key): _finite(item) for key, item in value.items()}
        case list() | tuple():
            return [_finite(item) for item in value]
        case float():
            return value if math.isfinite(value) else None
        case _:
            return value
