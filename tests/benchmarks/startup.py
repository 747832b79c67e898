"""How long the command line takes to answer, beside a bare typer program, and what it loads for that."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from rich.table import Table

from tests.benchmarks.timing import seconds

ROOT = Path(__file__).parents[2]
HEAVY = ("torch", "pandas", "matplotlib", "numba", "yfinance")
COMMANDS = (("--help",), ("train", "ppo", "--help"))
BARE = """
import typer
app = typer.Typer()
@app.command()
def hello(name: str = "you") -> None:
    print(name)
app()
"""
LOADED = f"""
import contextlib, io, runpy, sys
with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(SystemExit):
    runpy.run_module("tradebot", run_name="__main__", alter_sys=True)
print(*[name for name in {HEAVY} if name in sys.modules])
"""


def table() -> Table:
    works = {"a bare typer program": lambda: run("-c", BARE, "--help")}
    for command in COMMANDS:
        works[" ".join(("tradebot", *command))] = lambda command=command: run("-m", "tradebot", *command)
    taken = seconds(works, repetitions=7)
    bare = taken["a bare typer program"]
    shown = Table(title="Start-up (medians of 7)")
    for column in ("command", "time (ms)", "ratio"):
        shown.add_column(column, justify="left" if column == "command" else "right")
    shown.add_column(f"loads of {', '.join(HEAVY)}")
    loads = ["", *(run("-c", LOADED, *command).strip() or "none" for command in COMMANDS)]
    for (name, time), loaded in zip(taken.items(), loads, strict=True):
        shown.add_row(name, f"{1e3 * time:,.0f}", f"{time / bare:.2f} x", loaded)
    return shown


def run(*arguments: str) -> str:
    """What a fresh interpreter prints. Raises RuntimeError with its complaint if it fails."""
    done = subprocess.run([sys.executable, *arguments], cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"python {' '.join(arguments)} failed:\n{done.stderr}")
    return done.stdout
