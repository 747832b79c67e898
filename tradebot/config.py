"""Frozen pydantic models <-> TOML <-> keyword arguments. Precedence: default < TOML < flag.

A config is written once, beside its user; each field carries its default, help, unit and bounds. The command line flags,
the keys of `config.toml` and the documentation are all read from it.
"""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import tomli_w
from pydantic import BaseModel, ConfigDict, ValidationError

from tradebot.core import InputError


class Config(BaseModel):
    """Immutable settings; unknown keys are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid")


C = TypeVar("C", bound=Config)


def build(model: type[C], values: Mapping[str, Any], where: str = "") -> C:
    """The model with these values. Raises InputError that names every wrong key in one line."""
    check_keys(values, model.model_fields, where)
    try:
        return model(**values)
    except ValidationError as error:
        problems = [
            f"{'.'.join(str(part) for part in item['loc']) or where}: "
            f"{item['msg'].removeprefix('Value error, ')}{_given(item)}"
            for item in error.errors()
        ]
        raise InputError("; ".join(problems)) from None


def check_keys(given: Iterable[str], known: Iterable[str], where: str = "") -> None:
    """Raise InputError for the first key that is not known, with the nearest one that is."""
    known = list(known)
    for key in given:
        if key not in known:
            place = f" in {where}" if where else ""
            raise InputError(f"unknown setting {key!r}{place}{suggestion(key, known)}")


def suggestion(word: str, known: Iterable[str]) -> str:
    """`: did you mean 'x'?`, or the whole choice when nothing is near."""
    known = list(known)
    near = difflib.get_close_matches(word, known, n=1)
    return f": did you mean {near[0]!r}?" if near else f": choose from {', '.join(known)}"


def distribute(values: Mapping[str, Any], models: Mapping[str, type[Config]]) -> dict[str, dict[str, Any]]:
    """Flat keyword arguments -> {section: {key: value}}, by the names of the models' fields."""
    check_keys(values, [key for model in models.values() for key in model.model_fields])
    return {
        section: {key: value for key, value in values.items() if key in model.model_fields}
        for section, model in models.items()
    }


def read_toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text())
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read ({error})") from None
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"{path}: not valid TOML ({error})") from None


def to_toml(sections: Mapping[str, Config]) -> str:
    """One table a section; None is left out, for TOML has none."""
    return tomli_w.dumps({name: config.model_dump(mode="json", exclude_none=True) for name, config in sections.items()})


def _given(item: Any) -> str:
    value = item.get("input")
    return f" (got {value!r})" if isinstance(value, str | int | float | bool) else ""
