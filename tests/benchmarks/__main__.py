"""Run all benchmarks, or those named on the command line, and print their tables."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Callable
from importlib.metadata import version

from rich.console import Console
from rich.table import Table

from tests.benchmarks import ablation, backtests, learning, priorities, startup, stepping, training

BENCHMARKS: dict[str, Callable[[], Table]] = {
    "stepping": stepping.table,
    "backtests": backtests.table,
    "priorities": priorities.table,
    "training": training.table,
    "startup": startup.table,
    "learning": learning.table,
    "ablation": ablation.table,
}
SLOW = ("learning", "ablation")  # only when named


def main(names: list[str]) -> None:
    console = Console()
    packages = ", ".join(f"{name} {version(name)}" for name in ("numba", "numpy", "typer"))
    console.print(f"{processor()}, {os.cpu_count()} cores, Python {platform.python_version()}, {packages}\n")
    for name in names or [name for name in BENCHMARKS if name not in SLOW]:
        with console.status(f"{name} ..."):
            table = BENCHMARKS[name]()
        console.print(table, "")


def processor() -> str:
    """The name of the processor, where Linux tells it."""
    try:
        with open("/proc/cpuinfo") as file:
            return next(line.split(":")[1].strip() for line in file if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


if __name__ == "__main__":
    wrong = [name for name in sys.argv[1:] if name not in BENCHMARKS]
    if wrong:
        sys.exit(f"no benchmark {', '.join(wrong)}: choose from {', '.join(BENCHMARKS)}")
    main(sys.argv[1:])
