"""`tradebot runs list|show`: what has been trained."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tradebot.cli import console
from tradebot.core import InputError

if TYPE_CHECKING:
    from tradebot.runs import StoredRun

app = console.group("What has been trained.", "tradebot runs list")
Root = Annotated[Path, typer.Option(help="Folder in which the runs lie")]
RUN = typer.Argument(help="A run: its folder, or its name under --root", metavar="RUN")


@app.command("list")
def list_(root: Root = Path("runs"), json: console.Json = False) -> None:
    """All runs, oldest first.

    Example: tradebot runs list
    """
    from tradebot import runs

    stored: list[StoredRun] = []
    for name in runs.names(root):
        try:
            stored.append(runs.read(root / name))
        except InputError as error:  # one damaged run must not hide the others
            console.complain(str(error))
    if json:
        console.print_json({"runs": [{"name": run.folder.name, **_about(run)} for run in stored]})
    elif stored:
        header = ["run", "agent", "trained on", "until", "seeds", "steps", "backtests"]
        console.print_table(f"Runs in {root}/", header, [_row(run) for run in stored])
    else:
        print(f"No runs in {root}/ yet: tradebot train --help")


@app.command()
def show(run: Annotated[str, RUN], root: Root = Path("runs"), json: console.Json = False) -> None:
    """One run: its settings and how it was made.

    Example: tradebot runs show my-run
    """
    from tradebot import runs

    stored = runs.read(runs.find(run, root))
    if json:
        backtests = [str(path) for path in _backtests(stored)]
        console.print_json(
            {"run": str(stored.folder), "backtests": backtests, "config": stored.config, **_about(stored)}
        )
        return
    about = _about(stored) | _reached(stored)
    sections = {key: value for key, value in about.items() if isinstance(value, dict)}
    _print("run", {key: value for key, value in about.items() if key not in sections})
    for title, values in (sections | {f"[{key}]": value for key, value in stored.config.items()}).items():
        _print(title, values)
    _print("backtests", dict(enumerate(_backtests(stored), 1)))


def _reached(run: StoredRun) -> dict[str, Any]:
    """How far an unfinished run has come, in place of what is known at the end."""
    if run.manifest.status == "finished":
        return {}
    from tradebot import runs

    kept = runs.checkpoints(run.folder)
    step = f"{runs.step_of(kept[0]):,} of {run.manifest.steps:,}" if kept else "no checkpoint yet"
    return {"seconds": "", "steps_per_second": "", "reached": step}


def _print(title: str, values: dict[Any, Any]) -> None:
    """What is known; no title where that is nothing."""
    values = {key: value for key, value in values.items() if value not in ("", [], {}, [None, None])}
    if not values:
        return
    print(title)
    for key, value in values.items():
        print(f"  {key}: {', '.join(map(str, value)) if isinstance(value, list) else value}")


def _about(run: StoredRun) -> dict[str, Any]:
    return run.manifest.model_dump(mode="json", exclude_none=True)


def _backtests(run: StoredRun) -> list[Path]:
    """The folders of the finished ones."""
    folders = (path.parent for path in run.folder.glob("backtests/*/metrics.json"))
    return sorted(folder for folder in folders if not folder.name.startswith("."))


def _row(run: StoredRun) -> list[str]:
    m = run.manifest
    trained_on, until = (", ".join(m.data.symbols), f"{m.data.end:%Y-%m-%d}") if m.data else (m.env, "")
    return [
        run.folder.name,
        m.agent,
        trained_on,
        until,
        str(m.seeds),
        f"{m.steps:,}" if m.status == "finished" else f"{m.steps:,} (unfinished)",
        str(len(_backtests(run))),
    ]
