"""How long the command line takes to answer, beside a bare typer program, and what it loads for that.

The first backtest after an installation compiles the kernel, the later ones find it in numba's cache.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from rich.table import Table

from tests.benchmarks.timing import seconds

ROOT = Path(__file__).parents[2]
HEAVY = ("torch", "pandas", "matplotlib", "numba", "yfinance")
COMMANDS = (("--help",), ("train", "ppo", "--help"))
BACKTEST = ("backtest", "sma_cross", "--symbols", "AAPL")
LATER = 5  # backtests after the first
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
    works = {"a bare typer program": partial(run, "-c", BARE, "--help")}
    for command in COMMANDS:
        works[" ".join(("tradebot", *command))] = partial(run, "-m", "tradebot", *command)
    taken = seconds(works, repetitions=7)
    bare = taken["a bare typer program"]
    shown = Table(title="Start-up (medians of 7)")
    for column in ("command", "time (ms)", "ratio"):
        shown.add_column(column, justify="left" if column == "command" else "right")
    shown.add_column(f"loads of {', '.join(HEAVY)}")
    loads = ["", *(run("-c", LOADED, *command).strip() or "none" for command in COMMANDS)]
    for (name, took), loaded in zip(taken.items(), loads, strict=True):
        shown.add_row(name, f"{1e3 * took:,.0f}", f"{took / bare:.2f} x", loaded)
    first, later = backtests()
    for name, took in (("first", first), ("later", later)):
        shown.add_row(f"tradebot {' '.join(BACKTEST)}: {name}", f"{1e3 * took:,.0f}", f"{took / bare:.1f} x")
    return shown


def backtests() -> tuple[float, float]:
    """Seconds of a backtest on the sample, report included: with an empty cache, and the median after it."""
    with TemporaryDirectory() as folder:
        settings = {"NUMBA_CACHE_DIR": folder, "TRADEBOT_CACHE": folder, "PYTHONPATH": str(ROOT)}
        took = []
        for _ in range(1 + LATER):
            start = time.perf_counter()
            run("-m", "tradebot", *BACKTEST, folder=folder, **settings)
            took.append(time.perf_counter() - start)
    return took[0], statistics.median(took[1:])


def run(*arguments: str, folder: str | Path = ROOT, **settings: str) -> str:
    """What a fresh interpreter prints, in a folder and with settings of the environment.

    Raises RuntimeError with its complaint if it fails.
    """
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env={**os.environ, **settings},
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise RuntimeError(f"python {' '.join(arguments)} failed:\n{done.stderr}")
    return done.stdout
