"""Frozen config models as typed command line flags: name, type, help, default and bounds all come from the field."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, Literal, get_args, get_origin

import typer
from pydantic.fields import FieldInfo

from tradebot.config import Config
from tradebot.core import InputError

Command = Callable[..., None]


def with_flags(command: Command, models: Mapping[str, type[Config]], hidden: Sequence[str] = ()) -> Command:
    """The command with one flag for each field of the models (panel title -> model).

    The command takes them as the dict `settings`, in which only the flags are found that were given.
    """
    own = [p for p in inspect.signature(command, eval_str=True).parameters.values() if p.name != "settings"]
    fields = {
        name: (field, panel)
        for panel, model in models.items()
        for name, field in model.model_fields.items()
        if name not in hidden
    }

    def run(**values: Any) -> None:
        given = {name: values.pop(name) for name in fields}
        settings = {
            name: _parsed(name, fields[name][0], value) for name, value in given.items() if value is not None
        }
        command(**values, settings=settings)

    flags = [_parameter(name, field, panel) for name, (field, panel) in fields.items()]
    run.__signature__ = inspect.Signature([*own, *flags])  # type: ignore[attr-defined]
    run.__annotations__ = {p.name: p.annotation for p in (*own, *flags)}
    run.__doc__ = command.__doc__
    return run


def _parameter(name: str, field: FieldInfo, panel: str) -> inspect.Parameter:
    option = typer.Option(
        *_spelled(name, field),
        help=f"{field.description}{_details(field)}",
        show_default=False,
        rich_help_panel=panel,
    )
    return inspect.Parameter(
        name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=Annotated[_flag_type(field) | None, option]
    )


def _spelled(name: str, field: FieldInfo) -> list[str]:
    flag = name.replace("_", "-")
    return [f"--{flag}/--no-{flag}"] if field.annotation is bool else [f"--{flag}"]


def _flag_type(field: FieldInfo) -> Any:
    """Tuples are written with commas; all else is what the field says, without its None."""
    kind = field.annotation
    if get_origin(kind) is tuple:
        return str
    if get_origin(kind) is Literal:
        return kind
    return next((part for part in get_args(kind) if part is not type(None)), kind)


def _parsed(name: str, field: FieldInfo, value: Any) -> Any:
    """Split "64,64" as the field's tuple wants it."""
    if get_origin(field.annotation) is not tuple:
        return value
    parts = tuple(part.strip() for part in str(value).split(",") if part.strip())
    element = get_args(field.annotation)[0]
    try:
        return tuple(element(part) for part in parts)
    except ValueError:
        raise InputError(f"--{name.replace('_', '-')}: {value!r} is not a list of {element.__name__}s such as 64,64") from None


def _details(field: FieldInfo) -> str:
    """The default and the bounds: `(default 8; >= 1, <= 4096)`."""
    signs = {"ge": ">=", "gt": ">", "le": "<=", "lt": "<"}
    bounds = [
        f"{sign} {getattr(limit, key):g}"
        for limit in field.metadata
        for key, sign in signs.items()
        if isinstance(getattr(limit, key, None), int | float)
    ]
    default = field.default
    if isinstance(default, tuple):
        default = ",".join(map(str, default))
    shown = [] if default in (None, "") else [f"default {default}"]
    parts = "; ".join(shown + ([", ".join(bounds)] if bounds else []))
    return f" ({parts})" if parts else ""
