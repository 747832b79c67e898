"""A person's own functions, written as `file.py:name`: loaded, called, and kept with what depends on them.

The file runs once, as a script would, with its folder importable while it does. What it imports from that
folder belongs to it: a copy of these files, in any other folder, loads as the original did.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from tradebot.config import suggestion
from tradebot.core import Array, InputError

SUFFIX = ".py:"  # what tells a function of a file from a name of ours


@dataclass(frozen=True)
class Plugin:
    """A function of a file."""

    name: str  # as it was written
    function: Callable[..., Any]
    path: Path  # of the file
    sources: Mapping[str, bytes]  # the file and what it imports beside it: path from its folder -> content

    def __call__(self, *arguments: Any) -> Array:
        """What the function returns, as float64.

        Raises InputError for whatever it raises and for what are no numbers. What it prints goes to stderr:
        stdout belongs to the answer of a command.
        """
        with contextlib.redirect_stdout(sys.stderr):
            try:
                returned = self.function(*arguments)
            except (Exception, SystemExit) as error:
                raise InputError(f"{self.name}: {_told(error, self.path)}") from None
        if returned is None:  # numpy would take it for NaN
            raise InputError(f"{self.name}: returned nothing: does it lack a `return`?")
        try:
            return np.array(returned, dtype=np.float64)
        except (TypeError, ValueError):
            raise InputError(
                f"{self.name}: should return an array of numbers, not {returned!r:.60}"
            ) from None


def is_plugin(name: str) -> bool:
    """Whether it is written as `file.py:name`."""
    return SUFFIX in name


def load(name: str, folder: Path | None = None) -> Plugin:
    """The function `file.py:name`; in `folder`, if one is given, where the file was copied to.

    Raises InputError if there is no such file or function, and for whatever the file raises when it runs.
    """
    written, _, function = name.rpartition(":")
    if not written.endswith(".py") or not function.isidentifier():
        raise InputError(f"{name!r} is no function of a file: write it as file.py:name")
    path = Path(os.path.abspath(folder / Path(written).name if folder else written))
    try:
        source = path.read_bytes()
    except OSError as error:
        raise InputError(f"{name}: {written} cannot be read ({error.strerror})") from None
    module, beside = _executed(name, path, source)
    found = getattr(module, function, None)
    if found is None:
        raise InputError(f"{name}: no function {function!r} in {written}{_offered(function, module)}")
    if not callable(found):
        raise InputError(f"{name}: {function!r} is no function but {found!r:.40}")
    return Plugin(name, found, path, {path.name: source, **beside})


def places(names: Iterable[str]) -> dict[str, str]:
    """Where a run keeps the files of the plugins among these names: name -> folder, one for each file."""
    own = [name for name in names if is_plugin(name)]
    written = list(dict.fromkeys(name.rpartition(":")[0] for name in own))
    return {name: str(written.index(name.rpartition(":")[0])) for name in own}


def _executed(name: str, path: Path, source: bytes) -> tuple[ModuleType, dict[str, bytes]]:
    """The module of the file, and the sources of what it imported from its folder.

    It is compiled here: bytecode on the disk may be older than a file that was changed within the second.
    """
    module = ModuleType(f"tradebot_plugin_{path.stem}")
    module.__file__ = str(path)
    sys.modules[module.__name__] = module  # dataclasses look it up
    with _importable(path.parent) as beside, contextlib.redirect_stdout(sys.stderr):
        try:
            exec(compile(source, str(path), "exec", dont_inherit=True), module.__dict__)
        except (Exception, SystemExit) as error:
            raise InputError(f"{name}: {_told(error, path)}") from None
    return module, beside


@contextlib.contextmanager
def _importable(folder: Path) -> Iterator[dict[str, bytes]]:
    """Within the block modules of the folder can be imported; yields their sources, filled when it ends.

    They are forgotten then: a file in another folder finds its own of the same name.
    """
    before, no_bytecode = set(sys.modules), sys.dont_write_bytecode
    sources: dict[str, bytes] = {}
    sys.path.insert(0, str(folder))
    sys.dont_write_bytecode = True
    importlib.invalidate_caches()  # a file may have been written this second
    try:
        yield sources
    finally:
        sys.dont_write_bytecode = no_bytecode
        with contextlib.suppress(ValueError):  # the file may have removed it
            sys.path.remove(str(folder))
        for name in set(sys.modules) - before:
            top, place = name.partition(".")[0], _place(sys.modules[name])
            if top not in before and place and place.is_relative_to(folder):
                inside = place.relative_to(folder)
                if inside.parts[0] in (top, f"{top}.py"):  # and not in an environment that lies there
                    del sys.modules[name]
                    if inside.suffix == ".py":
                        sources[inside.as_posix()] = place.read_bytes()


def _place(module: ModuleType) -> Path | None:
    """The file of a module, the folder of a package without a file, None for what has neither."""
    place = getattr(module, "__file__", None) or next(iter(getattr(module, "__path__", ())), None)
    return Path(place) if place else None


def _offered(word: str, module: ModuleType) -> str:
    """What might have been meant: the functions that the file defines itself."""
    own = [
        key
        for key, value in vars(module).items()
        if callable(value) and getattr(value, "__module__", None) == module.__name__
    ]
    return suggestion(word, own) if own else ": it has none"


def _told(error: BaseException, path: Path) -> str:
    """Kind, message and line of an error of the file, in one line."""
    message = " ".join(str(error.msg if isinstance(error, SyntaxError) else error).split())
    kind = f"{type(error).__name__}: {message:.200}" if message else type(error).__name__
    if isinstance(error, SyntaxError) and error.filename:
        return f"{kind} ({Path(error.filename).name}, line {error.lineno})"
    own = [f for f in traceback.extract_tb(error.__traceback__) if Path(f.filename).parent == path.parent]
    return f"{kind} ({Path(own[-1].filename).name}, line {own[-1].lineno})" if own else kind
