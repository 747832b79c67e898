"""Frozen pydantic models <-> TOML <-> keyword arguments. Precedence: default < TOML < flag.

A config is written once, beside its user; each field carries its default, help, unit and bounds. The command
line flags, the keys of `config.toml` and the documentation are all read from it.
"""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar, get_origin
from urllib.parse import parse_qsl

import tomli_w
from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic_core import ErrorDetails

from tradebot.core import InputError


class Config(BaseModel):
    """Immutable settings of finite numbers; unknown keys are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


C = TypeVar("C", bound=Config)


def build(model: type[C], values: object, where: str = "", spelled: Callable[[str], str] = str) -> C:
    """The model with these values; a text becomes a tuple by its commas where the field wants one.

    Raises InputError that names every wrong value in one line. `where` says where they were written,
    `spelled` how a key was written, e.g. as a flag.
    """
    if not isinstance(values, Mapping):
        raise InputError(f"{where or 'settings'}: should be a table of keys and values (got {values!r:.80})")
    check_keys(values, model.model_fields, where)
    try:
        return model(**{key: _as_wanted(model, key, value) for key, value in values.items()})
    except ValidationError as error:
        raise InputError("; ".join(_problem(item, where, spelled) for item in error.errors())) from None


def from_query(model: type[C], query: str, where: str) -> C:
    """The model with the values of `key=value&key=value`. Raises InputError; `where` is where they stand."""
    try:
        pairs = parse_qsl(query, strict_parsing=True, keep_blank_values=True) if query else []
    except ValueError:
        raise InputError(f"{where!r}: write the parameters as key=value&key=value") from None
    values = dict(pairs)
    if len(values) < len(pairs):
        raise InputError(f"{where!r}: a parameter is given twice")
    return build(model, values, where)


def check_keys(given: Iterable[str], known: Iterable[str], where: str = "") -> None:
    """Raise InputError for the first key that is not known, with the nearest one that is."""
    known = list(known)
    for key in given:
        if key not in known:
            place = f" in {where}" if where else ""
            raise InputError(
                f"unknown setting {key!r}{place}{suggestion(key, known) if known else ': there are none'}"
            )


def suggestion(word: str, known: Iterable[str], most: int | None = None) -> str:
    """`: did you mean 'x'?`, or the choice when nothing is near: all, or the first `most` `and 4 more`."""
    known = list(known)
    if near := difflib.get_close_matches(word, known, n=1):
        return f": did you mean {near[0]!r}?"
    rest = len(known[most:]) if most else 0
    return f": choose from {', '.join(known[:most])}" + f" and {rest} more" * bool(rest)


def listed(text: str | Iterable[str]) -> tuple[str, ...]:
    """The parts of "a, b"; what is no text is taken as it is."""
    return (
        tuple(part.strip() for part in text.split(",") if part.strip())
        if isinstance(text, str)
        else tuple(text)
    )


def counted(number: int, what: str) -> str:
    """'1 bar', '2,000 bars'."""
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def distribute(values: Mapping[str, Any], models: Mapping[str, type[Config]]) -> dict[str, dict[str, Any]]:
    """Flat keyword arguments -> {section: {key: value}}: each goes to the first model with such a field."""
    owners: dict[str, str] = {}
    for section, model in models.items():
        for key in model.model_fields:
            owners.setdefault(key, section)
    check_keys(values, owners)
    return {
        section: {key: value for key, value in values.items() if owners[key] == section} for section in models
    }


def read_toml(path: Path) -> dict[str, Any]:
    """Raises InputError if the file cannot be read or is not TOML."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from None
    except (ValueError, RecursionError) as error:  # TOMLDecodeError and UnicodeDecodeError are ValueErrors
        raise InputError(f"{path}: not valid TOML ({error})") from None


def to_toml(sections: Mapping[str, Config]) -> str:
    """One table a section; None is left out, for TOML has none."""
    return tomli_w.dumps(
        {name: config.model_dump(mode="json", exclude_none=True) for name, config in sections.items()}
    )


def _as_wanted(model: type[Config], key: str, value: Any) -> Any:
    is_list = get_origin(model.model_fields[key].annotation) is tuple
    return listed(value) if is_list and isinstance(value, str) else value


def _problem(item: ErrorDetails, where: str, spelled: Callable[[str], str]) -> str:
    """`--learning-rate: should be less than or equal to 1 (got 3.0)`"""
    path, value = [str(part) for part in item["loc"]], item["input"]
    key = ".".join([spelled(path[0]), *path[1:]]) if path else where
    message = (
        item["msg"].removeprefix("Value error, ").removeprefix("Input ").partition(", unable to parse")[0]
    )
    if item["type"] == "too_short":
        message = f"needs at least {item['ctx']['min_length']} value(s)"
    is_telling = isinstance(value, str | int | float) and item["type"] != "value_error"
    notes = [f"got {value!r:.80}"] if is_telling else []
    notes += [f"in {where}"] if where and path else []
    return f"{key}: {message}" + (f" ({', '.join(notes)})" if notes else "")
