"""Tuned settings, shipped as AGENT/ENVIRONMENT.toml in the form of a run's config.toml.

For Gymnasium's environments they are those of rl-baselines3-zoo (Raffin 2020), with the defaults of
stable-baselines3 where it says nothing; each file says which of its options we lack, and where ours do
something else. For environments of ours they were found by trials.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tradebot.config import read_toml, suggestion
from tradebot.core import InputError

FOLDER = Path(__file__).parent


def names(agent: str) -> list[str]:
    """The environments for which an agent has settings."""
    return sorted(path.stem for path in FOLDER.glob(f"{agent}/*.toml"))


def read(agent: str, name: str) -> dict[str, Any]:
    """Section -> key -> value. Raises InputError for an environment without settings."""
    if name in (known := names(agent)):
        return read_toml(FOLDER / agent / f"{name}.toml")
    if not known:
        raise InputError(f"there are no presets for {agent}: leave --preset out, and say --env and --steps")
    raise InputError(f"no preset {name!r} for {agent}{suggestion(name, known)}")
