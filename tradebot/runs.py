"""The run folder as bytes and plain data: what was asked, what happened, what was learned.

`config.toml` (resolved), `manifest.json` (versions, seeds, data fingerprint, status), `events.jsonl` (episodes and
losses), `agent.safetensors`, `backtests/<id>/`. Nothing that is loaded can run code.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from pydantic import Field
from safetensors import SafetensorError
from safetensors.numpy import load, save

from tradebot import files
from tradebot.config import Config, read_toml, suggestion, to_toml
from tradebot.core import Array, InputError, State

ROOT = Path("runs")


class RunConfig(Config):
    """How a population is trained, whatever the agent and the environment."""

    env: str = Field("trading", description="trading, or gym:ID for a Gymnasium environment")
    steps: int = Field(100_000, ge=1, description="Transitions of each member over all of its environments")
    seeds: int = Field(8, ge=1, le=1024, description="Members: each is the same agent from another seed")
    seed: int = Field(0, ge=0, description="Seed of the first member; the others follow")
    device: str = Field("cpu", description="Where the networks live: cpu, cuda, mps")


class StoredRun(NamedTuple):
    """A run as it lies on the disk."""

    folder: Path
    config: dict[str, Any]  # section -> key -> value
    manifest: dict[str, Any]


def write(
    folder: Path,
    sections: Mapping[str, Config],
    manifest: Mapping[str, Any],
    state: State,
    events: Iterable[Mapping[str, Any]],
) -> None:
    """Write a finished run into an existing, empty folder. Raises OSError if the disk refuses."""
    files.write_text(folder / "config.toml", to_toml(sections))
    files.write_text(folder / "events.jsonl", "".join(files.to_json(event) + "\n" for event in events))
    files.write_bytes(folder / "agent.safetensors", save(flatten(state)))
    files.write_json(folder / "manifest.json", manifest)


def read(folder: Path) -> StoredRun:
    """Raises InputError if the folder is not that of a finished run."""
    if not (folder / "manifest.json").is_file():
        raise InputError(f"{folder} is not a run folder: it has no manifest.json")
    return StoredRun(folder, read_toml(folder / "config.toml"), files.read_json(folder / "manifest.json"))


def read_state(folder: Path) -> State:
    """What `agent.state_dict()` gave."""
    path = folder / "agent.safetensors"
    try:
        return unflatten(load(path.read_bytes()))
    except (OSError, SafetensorError) as error:
        raise InputError(f"{path}: cannot be read ({error})") from None


def read_events(folder: Path) -> list[dict[str, Any]]:
    path = folder / "events.jsonl"
    try:
        return [json.loads(line) for line in path.read_text().splitlines()]
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be read ({error})") from None


def find(name: str, root: Path = ROOT) -> Path:
    """The folder of a run that is given as a path or as the name it has under `root`."""
    for folder in (Path(name), root / name):
        if folder.exists():
            return folder
    known = names(root)
    hint = suggestion(name, known) if known else f" (nothing under {root}/ yet: train one first)"
    raise InputError(f"no run {name!r}{hint}")


def names(root: Path = ROOT) -> list[str]:
    """Runs under `root`, oldest first."""
    if not root.is_dir():
        return []
    manifests = sorted(root.glob("*/manifest.json"), key=lambda path: (path.stat().st_mtime_ns, path))
    return [path.parent.name for path in manifests if not path.parent.name.startswith(".")]


def free_name(root: Path, wanted: str) -> Path:
    """root/wanted, or with -2, -3 ... behind it if that is taken."""
    path, n = root / wanted, 1
    while path.exists():
        n += 1
        path = root / f"{wanted}-{n}"
    return path


def flatten(state: State, prefix: str = "") -> dict[str, Array]:
    """Nested dicts -> `a.b.c` -> array; numbers become arrays without axes."""
    flat: dict[str, Array] = {}
    for key, value in state.items():
        if isinstance(value, dict):
            flat |= flatten(value, f"{prefix}{key}/")
        else:
            flat[prefix + key] = np.ascontiguousarray(value) if np.ndim(value) else np.array(value)
    return flat


def unflatten(flat: Mapping[str, Array]) -> State:
    state: State = {}
    for path, value in flat.items():
        *parents, key = path.split("/")
        inner = state
        for parent in parents:
            inner = inner.setdefault(parent, {})
        inner[key] = value if value.ndim else value.item()
    return state
