"""The run folder as bytes and plain data: what was asked, what happened, what was learned.

`config.toml` (resolved), `manifest.json` (versions, seeds, data fingerprint, checksum of the weights),
`events.jsonl` (returns and losses over the training), `agent.safetensors`, `backtests/<id>/`; until it is
finished `checkpoint/`, with the latest state and the one before. Nothing of it that is read can run code, but
for `code/`, copies of the files with a person's own features: they run when the run is backtested, resumed or
asked for a signal, as they did in the training.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
from pydantic import ConfigDict
from safetensors import SafetensorError
from safetensors.numpy import load, save

from tradebot import files
from tradebot.config import Config, build, read_toml, suggestion, to_toml
from tradebot.core import Array, InputError, State

ROOT = Path("runs")
SHOWN = 20  # names, the latest first, where somebody asks for a run that is not there
CODE = "code"
_TEXT = ":text"  # ends the name of an array that holds a text


class TrainingData(Config):
    """The prices that a run was trained on."""

    source: str  # "sample", a path, "synthetic:..."
    symbols: tuple[str, ...]
    start: datetime  # first bar that was observed
    end: datetime  # last bar that was traded
    fingerprint: str  # of the full history, see Bars.fingerprint
    observed: str = ""  # of the history up to `end`


class Evaluation(Config):
    """Mean returns over episodes that were never met in training, without exploring."""

    model_config = ConfigDict(
        allow_inf_nan=True
    )  # a foreign environment may pay anything; JSON then says null
    members: tuple[float | None, ...]  # mean over the episodes of each
    std: tuple[float | None, ...] = ()  # standard deviation over the same
    success: tuple[float, ...] = ()  # share of the same that came to a goal, where the environment knows one
    median: float | None  # over members, or over the means of teams, as all that follow
    iqr: float | None
    iqm: float | None = None  # interquartile mean
    ci: tuple[float | None, float | None] = (None, None)  # its 95 % interval, see stats.bootstrap
    episodes: int = 100  # of each member
    cut: int = 0  # episodes of all members that went on for too long


class Manifest(Config):
    """How a run came about."""

    agent: str
    env: str
    seeds: int
    steps: int  # transitions of each member
    status: Literal["unfinished", "finished"]
    command: str  # what was typed; empty for a call from Python
    versions: dict[str, str]  # package -> version
    seconds: float = 0.0  # wall clock of the training
    steps_per_second: float = 0.0  # of all members together
    finished: datetime | None = None
    weights: str = ""  # checksum of agent.safetensors
    data: TrainingData | None = None  # for the trading environment
    code: dict[str, str] | None = None  # file under `code/` -> checksum, for features of the person's own
    doubts: str = ""  # what is worth a look in the prices, for the trading environment
    features: tuple[str, ...] = ()  # of the observation, in order, for the trading environment
    evaluation: Evaluation | None = None  # for other environments


class StoredRun(NamedTuple):
    """A run as it lies on the disk."""

    folder: Path
    config: dict[str, Any]  # section -> key -> value
    manifest: Manifest


def begin(
    folder: Path, sections: Mapping[str, Config], manifest: Manifest, code: Mapping[str, bytes] | None = None
) -> None:
    """Write what is known before the training into an existing folder; `code` is file -> content.

    Raises OSError if the disk refuses.
    """
    for file, content in (code or {}).items():
        files.write_bytes(folder / CODE / file, content)
    files.write_text(folder / "config.toml", to_toml(sections))
    files.write_json(folder / "manifest.json", manifest.model_dump(mode="json", exclude_none=True))


def finish(folder: Path, manifest: Manifest, weights: bytes, events: Iterable[Mapping[str, Any]]) -> None:
    """Write what has come of it; the manifest, which says so, last. Raises OSError if the disk refuses."""
    files.write_text(folder / "events.jsonl", "".join(files.to_json(event) + "\n" for event in events))
    files.write_bytes(folder / "agent.safetensors", weights)
    files.write_json(folder / "manifest.json", manifest.model_dump(mode="json", exclude_none=True))
    shutil.rmtree(folder / "checkpoint", ignore_errors=True)


def add_evaluation(run: StoredRun, evaluation: Evaluation) -> None:
    """Write into the manifest of a finished run what it is worth. Raises OSError if the disk refuses."""
    manifest = run.manifest.model_copy(update={"evaluation": evaluation})
    files.write_json(run.folder / "manifest.json", manifest.model_dump(mode="json", exclude_none=True))


def write_checkpoint(folder: Path, step: int, state: State) -> None:
    """Keep the state after `step` transitions of each member, and the checkpoint before, but no older one.

    The name of the file tells step and checksum, so that it is whole or known not to be, whatever happens.
    Raises OSError if the disk refuses; then what was there is still there.
    """
    data = packed(state)
    files.write_bytes(folder / "checkpoint" / f"{step:012d}-{files.checksum(data)[:16]}.safetensors", data)
    for path in checkpoints(folder)[2:]:
        path.unlink()


def checkpoints(folder: Path) -> list[Path]:
    """The latest first."""
    return sorted((folder / "checkpoint").glob("[0-9]*.safetensors"), reverse=True)


def step_of(checkpoint: Path) -> int:
    """Transitions of each member until it was kept."""
    return int(checkpoint.name[:12])


def read_checkpoint(folder: Path) -> State | None:
    """The latest state that is whole, or None if there is no checkpoint yet. Leftovers of a kill are removed.

    Raises InputError if all there are are damaged.
    """
    for place in (folder, folder / "checkpoint"):
        files.remove_leftovers(place)
    paths = checkpoints(folder)
    for path in paths:
        try:
            data = path.read_bytes()
            if path.stem.endswith(f"-{files.checksum(data)[:16]}"):
                return _nested(load(data))
        except (OSError, SafetensorError):
            continue
    if paths:
        raise InputError(f"{folder / 'checkpoint'}: damaged: no checkpoint in it is as it was written")
    return None


def read(folder: Path) -> StoredRun:
    """Raises InputError if the folder is not that of a run."""
    path = folder / "manifest.json"
    if not path.is_file():
        raise InputError(f"{folder} is not a run folder: it has no manifest.json")
    return StoredRun(
        folder, read_toml(folder / "config.toml"), build(Manifest, files.read_json(path), str(path))
    )


def read_state(run: StoredRun) -> State:
    """What `agent.state_dict()` gave. Raises InputError if it is not the file that the training wrote."""
    path = run.folder / "agent.safetensors"
    try:
        data = path.read_bytes()
        if files.checksum(data) != run.manifest.weights:
            raise InputError(
                f"{path}: damaged, its checksum is not the one in manifest.json: train the run again"
            )
        return _nested(load(data))
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from None
    except SafetensorError as error:
        raise InputError(f"{path}: cannot be read ({error})") from None


def code_of(run: StoredRun) -> Path:
    """The folder with the person's own code. Raises InputError if a file is not as the training found it."""
    for file, checksum in (run.manifest.code or {}).items():
        path = run.folder / CODE / file
        try:
            content = path.read_bytes()
        except OSError as error:
            raise InputError(f"{path}: cannot be read ({error.strerror})") from None
        if files.checksum(content) != checksum:
            raise InputError(
                f"{path}: changed since the training, its checksum is not the one in manifest.json: what was"
                " learned fits the code as it was; train a new run for new code"
            )
    return run.folder / CODE


def read_events(folder: Path) -> list[dict[str, Any]]:
    """The lines of events.jsonl. Raises InputError if it cannot be read."""
    path = folder / "events.jsonl"
    try:
        events = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from None
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: cannot be read ({error})") from None
    if not all(_is_event(event) for event in events):
        raise InputError(f"{path}: damaged, not every line is one that a training writes")
    return events


def _is_event(event: Any) -> bool:
    """A step, and values by member: what is drawn must not fail on anything else."""
    return (
        isinstance(event, dict)
        and isinstance(event.get("step"), int)
        and all(
            isinstance(values, list) and all(isinstance(x, int | float | None) for x in values)
            for name, values in event.items()
            if name != "step"
        )
    )


def find(name: str, root: Path = ROOT, others: Iterable[str] = ()) -> Path:
    """The folder of a run that is given as a path or as the name it has under `root`.

    Raises InputError if there is none; `others` are what else might have been meant.
    """
    places = (Path(name), root / name)
    runs = [folder for folder in places if (folder / "manifest.json").is_file()]
    for folder in (*runs, *filter(Path.exists, places)):
        return folder
    others = list(others)
    known = [*others, *reversed(names(root))]
    hint = (
        suggestion(name, known, len(others) + SHOWN)
        if known
        else f" (nothing under {root}/ yet: train one first)"
    )
    raise InputError(f"no run {'or rule ' * bool(others)}{name!r}{hint}")


def names(root: Path = ROOT) -> list[str]:
    """Runs under `root`, oldest first."""
    if not root.is_dir():
        return []
    manifests = sorted(root.glob("*/manifest.json"), key=lambda path: (path.stat().st_mtime_ns, path))
    return [path.parent.name for path in manifests if not path.parent.name.startswith(".")]


def packed(state: State) -> bytes:
    """A state as safetensors: nested dicts become `a/b/c` -> array, numbers arrays without axes."""
    return save(_flat(state))


def _flat(state: State, prefix: str = "") -> dict[str, Array]:
    flat: dict[str, Array] = {}
    for key, value in state.items():
        if isinstance(value, dict):
            flat |= _flat(value, f"{prefix}{key}/")
        elif isinstance(value, str):
            flat[f"{prefix}{key}{_TEXT}"] = np.frombuffer(value.encode(), np.uint8)
        else:
            flat[prefix + key] = np.ascontiguousarray(value) if np.ndim(value) else np.array(value)
    return flat


def _nested(flat: Mapping[str, Array]) -> State:
    state: State = {}
    for path, value in flat.items():
        *parents, key = path.split("/")
        inner = state
        for parent in parents:
            inner = inner.setdefault(parent, {})
        if key.endswith(_TEXT):
            inner[key.removesuffix(_TEXT)] = value.tobytes().decode()
        else:
            inner[key] = value if value.ndim else value.item()
    return state
