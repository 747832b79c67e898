"""`tradebot runs list|show`: what has been trained."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from tradebot import runs
from tradebot.cli import console

app = typer.Typer(help="What has been trained.", no_args_is_help=True)
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else")]
Root = Annotated[Path, typer.Option(help="Folder in which the runs lie")]


@app.command("list")
def list_(root: Root = runs.ROOT, json: Json = False) -> None:
    """All runs, oldest first.

    Example: tradebot runs list
    """
    manifests = {name: runs.read(root / name).manifest for name in runs.names(root)}
    if json:
        console.print_json({"runs": [{"name": name, **manifest} for name, manifest in manifests.items()]})
        return
    header = ["run", "agent", "trained on", "until", "seeds", "steps", "backtests"]
    console.print_table(
        f"Runs in {root}/", header, [_row(root, name, m) for name, m in manifests.items()]
    )


@app.command()
def show(run: Annotated[str, typer.Argument(help="A run: its folder or its name")], root: Root = runs.ROOT, json: Json = False) -> None:
    """One run: its settings and how it was made.

    Example: tradebot runs show my-run
    """
    stored = runs.read(runs.find(run, root))
    backtests = sorted(str(path.parent) for path in stored.folder.glob("backtests/*/metrics.json"))
    if json:
        console.print_json({"run": str(stored.folder), "backtests": backtests, "config": stored.config, **stored.manifest})
        return
    print(f"# {stored.folder / 'config.toml'}\n{(stored.folder / 'config.toml').read_text()}")
    for key, value in stored.manifest.items():
        print(f"{key}: {value}")
    print("\n".join(["backtests:", *(f"  {path}" for path in backtests)]) if backtests else "backtests: none yet")


def _row(root: Path, name: str, manifest: dict[str, Any]) -> list[str]:
    data = manifest.get("data")
    trained_on, until = (", ".join(data["symbols"]), data["end"][:10]) if data else (manifest["env"], "")
    tested = len(list((root / name).glob("backtests/*/metrics.json")))
    return [name, manifest["agent"], trained_on, until, str(manifest["seeds"]), f"{manifest['steps']:,}", str(tested)]
