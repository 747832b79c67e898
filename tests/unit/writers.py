"""`python -m tests.unit.writers LEDGER PROCESSES LINES [KILLS]`: processes that write into one ledger.

Each adds LINES lines, named after it, and says when one is written. With KILLS each is killed at some moment,
and the next ones begin, that often. Prints the names that were said to be written. A process of its own
because it forks.
"""

from __future__ import annotations

import os
import random
import signal
import sys
import time
from pathlib import Path

import numpy as np

from tradebot.evidence import ledger
from tradebot.evidence.trials import Evaluation

LONGEST = 0.15  # seconds that a process lives that is to be killed


def evaluation(name: str = "x", **changes: object) -> Evaluation:
    """Five days of AAA in January 2020."""
    returns = np.array([0.01, -0.02, 0.03, 0.01, -0.01])
    made = Evaluation(
        kind="backtest",
        name=name,
        symbols=("AAA",),
        timestamps=np.datetime64("2020-01-02", "us") + np.arange(5) * np.timedelta64(1, "D"),
        returns=returns,
        members=np.zeros((0, 5)),
        seeds=(),
        start="2020-01-01T00:00:00",
        end="2020-01-06T00:00:00",
        data="data",
        config=name,
        costs={"commission_bps": 1.0},
        periods=252.0,
    )
    return made._replace(**changes)


def write(path: Path, process: int, lines: int, told: int) -> None:
    for line in range(lines):
        ledger.record(path, evaluation(f"{process}-{line}"))
        os.write(told, f"{process}-{line}\n".encode())


def main(path: Path, processes: int, lines: int, kills: int = 0) -> None:
    chance = random.Random(kills)
    heard, told = os.pipe()
    os.set_blocking(heard, False)
    for number in range(max(kills, 1)):
        children = []
        for process in range(processes):
            if not (child := os.fork()):
                write(path, number * processes + process, lines, told)
                os._exit(0)
            children.append(child)
        for child in children:
            if kills:
                time.sleep(chance.uniform(0, LONGEST / processes))
                os.kill(child, signal.SIGKILL)
            _, status = os.waitpid(child, 0)
            if status and not kills:
                sys.exit(f"a process ended with {status}")
    print(os.read(heard, 1 << 20).decode(), end="")


if __name__ == "__main__":
    main(Path(sys.argv[1]), *map(int, sys.argv[2:]))
