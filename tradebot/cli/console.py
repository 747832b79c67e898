"""What commands print: people read tables on stdout and progress on stderr, programs read one JSON object on stdout."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

Progress = Callable[[int, int, str], None]


def command_line() -> str:
    """What was typed."""
    return shlex.join(["tradebot", *sys.argv[1:]])


def print_json(value: Any) -> None:
    from tradebot.files import to_json

    print(to_json(value, indent=2))


@contextmanager
def progress_bar(description: str = "getting ready") -> Iterator[Progress]:
    """A bar with time left on stderr; silent where stderr is not a terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress as Bar, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:>3.0f} %"), TimeRemainingColumn())
    with Bar(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(description, total=None)
        yield lambda done, total, what: bar.update(task, completed=done, total=total, description=what)


def print_table(title: str, header: list[str], rows: list[list[str]]) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    table = Table(title=title, title_justify="left")
    for column in header:
        table.add_column(column)
    for row in rows:
        table.add_row(*(escape(cell) for cell in row))
    Console().print(table)
