"""`python -m tests.e2e.killed_fetch CACHE`: kill a fetch fifty times, and read all that is stored each time.

It prints how often it killed, how often while a file was being written, and how often with some symbols
fetched and others not. It is a process of its own because it forks, once all modules are loaded.
"""

from __future__ import annotations

import itertools
import os
import random
import select
import shutil
import signal
import sys
import time
from pathlib import Path
from typing import Any

import tradebot
from tradebot.prices import store

KILLS = 50
SYMBOLS = [f"K{i:02}" for i in range(6)]
LONGEST = 0.05  # seconds from a write to the kill
MONTHS = ("2010-01", "2010-02", "2010-03", "2010-04", "2010-05")


def killed(cache: Path, end: str, write: int, moment: float | None) -> None:
    """Kill a fetch in a write, the one of that number, or `moment` seconds after it began."""
    heard, told = os.pipe()
    child = os.fork()
    if child == 0:
        tell_of_writing(write, told, hold=moment is None)
        tradebot.fetch(SYMBOLS, start="2010", end=end, cache_dir=cache)
        os._exit(0)
    os.close(told)
    select.select([heard], [], [])
    time.sleep(moment or 0)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    os.close(heard)


def tell_of_writing(write: int, told: int, *, hold: bool) -> None:
    """Whoever hears is told when all of a file but its name is written; with `hold` it gets none."""
    fsync, numbers = os.fsync, itertools.count()

    def telling(fd: Any) -> None:
        if next(numbers) == write:
            os.write(told, b"!")
            while hold:
                time.sleep(1)
        fsync(fd)

    os.fsync = telling


def rows(cache: Path) -> dict[Path, int]:
    """Of each file, which is read as whoever uses it reads it."""
    return {path: len(store.read(path).frame) for path in store.entries(cache)}


def leftovers(cache: Path) -> list[Path]:
    return [path for path in cache.rglob(".*") if path.is_file()]


def main(cache: Path) -> None:
    chance = random.Random(7)
    inside = middle = 0
    tradebot.fetch(
        "WARM", start="2010", end="2010-01", cache_dir=cache
    )  # so that all is loaded before a fork
    for kill in range(KILLS):
        if kill % 5 == 0:
            shutil.rmtree(cache, ignore_errors=True)
        before = rows(cache)
        moment = None if kill % 2 else chance.uniform(0, LONGEST)
        killed(cache, MONTHS[kill % 5], chance.randrange(len(SYMBOLS)), moment)
        after = rows(cache)
        if any(after.get(path, 0) < had for path, had in before.items()):
            sys.exit(f"kill {kill}: something was lost")
        inside += bool(leftovers(cache))
        middle += 0 < sum(had != before.get(path) for path, had in after.items()) < len(SYMBOLS)
    tradebot.fetch(SYMBOLS, start="2010", end="2010-06", cache_dir=cache)
    if len(set(rows(cache).values())) != 1 or len(rows(cache)) != len(SYMBOLS):
        sys.exit("the last fetch did not complete the store")
    if left := leftovers(cache):
        sys.exit(f"left behind: {', '.join(map(str, left))}")
    print(f"{KILLS} kills, {inside} inside of a write, {middle} in the middle of a fetch")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
