"""Run all benchmarks, or those named on the command line, and print their tables.

`control` and `optima` take hours: they run only when named, and words behind them choose rows, e.g.
`control ppo CartPole-v1` or `optima leak`. So does `calibrate`, of minutes: a number behind it says how many
markets without an edge there are, half as many have one, and words choose kinds, e.g. `calibrate 20 gbm ar1`.
"""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Callable, Sequence
from importlib.metadata import version
from types import ModuleType

from rich.console import Console
from rich.table import Table

from tests.benchmarks import (
    ablation,
    backtests,
    calibration,
    classic_control,
    learning,
    multiagent,
    navigation,
    optima,
    prices,
    priorities,
    spread,
    startup,
    stepping,
    training,
    verdicts,
    walkforward,
)

BENCHMARKS: dict[str, Callable[[], Table]] = {
    "stepping": stepping.table,
    "backtests": backtests.table,
    "prices": prices.table,
    "priorities": priorities.table,
    "training": training.table,
    "startup": startup.table,
    "learning": learning.table,
    "ablation": ablation.table,
    "multiagent": multiagent.table,
    "teams": multiagent.learning,
    "spread": spread.table,
    "navigation": navigation.table,
    "robots": navigation.speed,
    "walkforward": walkforward.table,
    "verdicts": verdicts.table,
}
SLOW = ("learning", "ablation", "navigation", "teams", "spread", "walkforward", "verdicts")  # only when named
WIDTH = 110  # columns of a terminal or file, at least
CALIBRATE = "calibrate"
BY_ROW: dict[str, ModuleType] = {"control": classic_control, "optima": optima}


def main(names: list[str]) -> None:
    console = Console()
    wide = Console(width=max(console.width, WIDTH))
    packages = ", ".join(f"{name} {version(name)}" for name in ("numba", "numpy", "typer"))
    console.print(f"{processor()}, {os.cpu_count()} cores, Python {platform.python_version()}, {packages}\n")
    if names[:1] == [CALIBRATE]:
        calibrate(names[1:], wide)
        return
    if names and names[0] in BY_ROW:
        wide.print(by_row(BY_ROW[names[0]], names[1:], wide), "")
        return
    for name in names or [name for name in BENCHMARKS if name not in SLOW]:
        with console.status(f"{name} ..."):
            table = BENCHMARKS[name]()
        wide.print(table, "")


def calibrate(words: Sequence[str], console: Console) -> None:
    """Each line is told as soon as it is known."""
    numbers = [int(word) for word in words if word.isdecimal()]
    kinds = [word for word in words if not word.isdecimal()]
    if wrong := [kind for kind in kinds if kind not in calibration.KINDS]:
        sys.exit(f"no kind of market {', '.join(wrong)}: choose from {', '.join(calibration.KINDS)}")
    for line in calibration.lines(numbers[0] if numbers else 200, kinds):
        console.print(line, highlight=False)


def by_row(module: ModuleType, words: Sequence[str], console: Console) -> Table:
    """The table of the rows that have all the words. Each line is told as soon as it is known."""
    rows = [row for row in module.available() if set(words) <= set(map(str, row))]
    if not rows:
        sys.exit("no such row: choose from " + ", ".join(f"{row[0]} {row[1]}" for row in module.available()))
    table = Table(title=module.TITLE)
    for i, column in enumerate(module.HEADER):
        table.add_column(column, justify="left" if i < 2 else "right")
    for line in module.lines(rows):
        console.print(" | ".join(line), highlight=False)
        table.add_row(*line)
    return table


def processor() -> str:
    """The name of the processor, where Linux tells it."""
    try:
        with open("/proc/cpuinfo") as file:
            return next(line.split(":")[1].strip() for line in file if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


if __name__ == "__main__":
    asked = sys.argv[1:]
    wrong = (
        []
        if asked[:1] and asked[0] in (*BY_ROW, CALIBRATE)
        else [name for name in asked if name not in BENCHMARKS]
    )
    if wrong:
        sys.exit(
            f"no benchmark {', '.join(wrong)}: choose from {', '.join([*BENCHMARKS, *BY_ROW, CALIBRATE])}"
        )
    main(asked)
