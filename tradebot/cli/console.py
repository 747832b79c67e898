"""What commands print: tables for people or one JSON object for programs on stdout, progress on stderr."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from tradebot.config import suggestion
from tradebot.core import InputError

_UNLIMITED = 10_000  # columns of what is no terminal

Progress = Callable[[int, int, str], None]  # (done, of how many, what is going on)
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else")]


class Stopped(Exception):
    """Interrupted, with something to go on with: the message says how."""


class Commands(TyperGroup):
    """A group of commands that names the choice when one is unknown."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        check_resume(ctx, args)
        if args[0] not in self.commands:
            what = self.subcommand_metavar.split()[0].lower()  # command, or agent
            if what == "agent" and (run := _run(args[0])):
                raise InputError(
                    f"{args[0]} is a run, and tradebot {ctx.info_name} takes an agent; the run's settings are"
                    f" in its file: --config {run / 'config.toml'}"
                )
            raise InputError(f"unknown {what} {args[0]!r}{suggestion(args[0], self.list_commands(ctx))}")
        return super().resolve_command(ctx, args)


def check_resume(ctx: Any, args: list[str]) -> None:
    """Raise InputError for `--resume` behind an agent, where the group is what takes it."""
    words = [part for word in args for part in word.split("=", 1)]
    if "--resume" in words and any(param.name == "resume" for param in ctx.command.params):
        run = [*words, "RUN"][words.index("--resume") + 1]
        raise InputError(
            f"--resume takes no agent, a run goes on with its own: tradebot {ctx.info_name} --resume {run}"
        )


def _run(name: str) -> Path | None:
    """The folder of a run, by its path or its name."""
    places = (Path(name), Path("runs") / name)
    return next((folder for folder in places if (folder / "manifest.json").is_file()), None)


def group(
    about: str,
    example: str,
    *,
    what: str = "COMMAND",
    cls: type[Commands] = Commands,
    callback: Callable[..., None] | None = None,
) -> typer.Typer:
    """A group of commands; by default it prints its help when it is called without one."""
    return typer.Typer(
        help=f"{about}\n\nExample: {example}",
        cls=cls,
        callback=callback or help_without_command,
        invoke_without_command=True,
        options_metavar="[OPTIONS]",
        subcommand_metavar=f"{what} [OPTIONS]",
        add_completion=False,
        pretty_exceptions_enable=False,
    )


def help_without_command(ctx: typer.Context) -> None:
    """Print the help and leave with exit code 2."""
    if ctx.invoked_subcommand is None:
        typer.echo(ctx.get_help())
        raise typer.Exit(2)


def command_line() -> str:
    """What was typed."""
    return shlex.join(["tradebot", *sys.argv[1:]])


def complain(message: str) -> None:
    """One line on stderr."""
    print(f"tradebot: {' '.join(message.split())}", file=sys.stderr)


def print_json(value: Any) -> None:
    from tradebot.files import to_json

    print(to_json(value, indent=2))


@contextmanager
def progress_bar(description: str = "getting ready") -> Iterator[Progress]:
    """A bar with time left on stderr; silent where stderr is not a terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    console = Console(stderr=True)
    percentage = TextColumn("{task.percentage:>3.0f} %")
    columns = (TextColumn("{task.description}"), BarColumn(), percentage, TimeRemainingColumn())
    with Bar(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(description, total=None)
        yield lambda done, total, what: bar.update(task, completed=done, total=total, description=what)


def print_table(title: str, header: list[str], rows: list[list[str]]) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(title=Text(title), title_justify="left", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for column in header:
        table.add_column(column, overflow="fold")  # names are typed again: none is cut
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    is_limited = sys.stdout.isatty() or "COLUMNS" in os.environ
    Console(width=None if is_limited else _UNLIMITED).print(table)
