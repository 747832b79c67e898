"""Frozen config models as command line flags: name, type, help, default and bounds come from the field."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, Literal, get_args, get_origin

import typer
from pydantic.fields import FieldInfo

from tradebot.config import Config, build

Command = Callable[..., None]


def with_flags(command: Command, models: Mapping[str, type[Config]], hidden: Sequence[str] = ()) -> Command:
    """The command with one flag for each field of the models (panel title -> model).

    The command takes them as the dict `settings`, in which only the flags are found that were given. They are
    checked by the models before the command starts. A field of an earlier model goes before one of the same
    name, and one that a model declares before one that another inherits.
    """
    own = [p for p in inspect.signature(command, eval_str=True).parameters.values() if p.name != "settings"]
    fields: dict[str, tuple[FieldInfo, str]] = {}
    declared = {name for model in models.values() for name in model.__annotations__}
    for panel, model in models.items():
        for name, field in model.model_fields.items():
            if name not in hidden and (name in model.__annotations__ or name not in declared):
                fields.setdefault(name, (field, panel))

    def run(**values: Any) -> None:
        settings: dict[str, Any] = {}
        given = {name: value for name in fields if (value := values.pop(name)) is not None}
        for panel, model in models.items():
            mine = {name: value for name, value in given.items() if fields[name][1] == panel}
            checked = build(model, mine, spelled=_spelled)
            settings |= {name: getattr(checked, name) for name in mine}
        command(**values, settings=settings)

    flags = [_parameter(name, field, panel) for name, (field, panel) in fields.items()]
    run.__signature__ = inspect.Signature([*own, *flags])  # type: ignore[attr-defined]  # what typer reads
    run.__annotations__ = {p.name: p.annotation for p in (*own, *flags)}
    run.__doc__ = command.__doc__
    return run


def _parameter(name: str, field: FieldInfo, panel: str) -> inspect.Parameter:
    """Of text, so that the model alone judges what is written; of bool where --x and --no-x say it all."""
    flag, is_switch = _spelled(name), field.annotation is bool
    option = typer.Option(
        f"{flag}/{_off(flag, field)}" if is_switch else flag,
        help=f"{field.description}{_details(field, flag)}",
        metavar=None if is_switch else _kind(field.annotation),
        show_default=False,
        rich_help_panel=panel,
    )
    annotation = Annotated[bool | None, option] if is_switch else Annotated[str | None, option]
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotation)


def _off(flag: str, field: FieldInfo) -> str:
    """What turns a switch off: --no-x, unless the field has a word for it."""
    extra = field.json_schema_extra
    word = extra.get("off") if isinstance(extra, dict) else None
    return f"--{word}" if word else f"--no-{flag.removeprefix('--')}"


def _spelled(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def _kind(annotation: Any) -> str:
    """What to write behind the flag, for the help."""
    if get_origin(annotation) is Annotated:  # an element with bounds of its own
        return _kind(get_args(annotation)[0])
    if get_origin(annotation) is tuple:
        return f"<{_kind(get_args(annotation)[0]).strip('<>')},...>"
    if get_origin(annotation) is Literal:
        return "<choice>"
    parts = [part for part in get_args(annotation) if part is not type(None)]
    return _kind(parts[0]) if parts else f"<{annotation.__name__}>"


def _details(field: FieldInfo, flag: str) -> str:
    """The default and the bounds: ` (default 8; >= 1, <= 4096)`."""
    signs = {"ge": ">=", "gt": ">", "le": "<=", "lt": "<"}
    bounds = [
        f"{sign} {_shown(getattr(limit, key), flag)}"
        for limit in field.metadata
        for key, sign in signs.items()
        if isinstance(getattr(limit, key, None), int | float)
    ]
    default = _off(flag, field) if field.default is False else _shown(field.default, flag)
    shown = [f"default {default}"] if default else []
    parts = "; ".join(shown + ([", ".join(bounds)] if bounds else []))
    return f" ({parts})" if parts else ""


def _shown(value: Any, flag: str) -> str:
    """A default or a bound as it would be typed; empty for None."""
    match value:
        case None:
            return ""
        case bool():
            return flag if value else f"--no-{flag.removeprefix('--')}"
        case float():
            return f"{value:g}"
        case tuple():
            return ",".join(map(str, value))
        case _:
            return str(value)
