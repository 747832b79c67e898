"""`python -m tests.e2e.killed_fetch CACHE`: kill a fetch fifty times, and read all that is stored each time.

It prints how often it killed and how often in the middle. It is a process of its own because it forks, once
all modules are loaded.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import sys
import time
from pathlib import Path

import tradebot
from tradebot.prices import store
from tradebot.prices.sources import yahoo

KILLS = 50
SYMBOLS = [f"K{i:02}" for i in range(24)]
LONGEST = 0.4  # seconds from the beginning of a fetch to its end by force
assert yahoo.INTERVALS  # loaded before the first fork


def killed(cache: Path, end: str, moment: float) -> None:
    child = os.fork()
    if child == 0:
        tradebot.fetch(SYMBOLS, start="2010", end=end, cache_dir=cache)
        os._exit(0)
    time.sleep(moment)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)


def main(cache: Path) -> None:
    chance = random.Random(7)
    middle = 0
    for kill in range(KILLS):
        if kill % 5 == 0:
            shutil.rmtree(cache, ignore_errors=True)
        before = {path: len(store.read(path).frame) for path in store.entries(cache)}
        killed(cache, str(2011 + kill % 5), chance.uniform(0.02, LONGEST))
        after = {path: len(store.read(path).frame) for path in store.entries(cache)}
        if any(after.get(path, 0) < rows for path, rows in before.items()):
            sys.exit(f"kill {kill}: something was lost")
        middle += before != after and len(set(after.values()) | {len(after)} | {len(SYMBOLS)}) > 2
    tradebot.fetch(SYMBOLS, start="2010", end="2016", cache_dir=cache)
    if len(store.entries(cache)) != len(SYMBOLS):
        sys.exit("the last fetch did not complete the store")
    leftovers = [path.name for path in cache.rglob(".*") if path.is_file()]
    if leftovers:
        sys.exit(f"left behind: {', '.join(leftovers)}")
    print(f"{KILLS} kills, {middle} in the middle")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
