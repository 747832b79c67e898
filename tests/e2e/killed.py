"""`python -m tests.e2e.killed AGENT`: kill a training again and again, and go on each time.

What comes of it is compared with a training that was left in peace. It works in the current folder and prints
how often it killed, and how often a checkpoint was being written just then. It is a process of its own
because it forks.
"""

from __future__ import annotations

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
from tradebot import runs

KILLS = 20
SETTINGS: dict[str, dict[str, Any]] = {
    "dqn": {"per": True, "steps": 1_500, "capacity": 1_000, "learning_starts": 200, "batch": 16},
    "ppo": {"per": True, "steps": 8_000, "n_steps": 64, "epochs": 4},
    "a2c": {"steps": 20_000},
    "sarsa": {"steps": 8_000, "features": "last_return,position"},
}


def begin(agent: str, name: str) -> tradebot.Run:
    market: dict[str, Any] = {"symbols": "AAPL", "end": "2003", "window": 50, "actions": "long-short"}
    return tradebot.train(agent, name=name, seeds=2, checkpoint_every=0.01, **market, **SETTINGS[agent])


def killed(agent: str, name: str, moment: float, *, writing: bool) -> bool | None:
    """Begin or go on in a child and kill it after `moment` seconds; None if it came to its end before.

    With `writing` not before it says that a checkpoint is half written. Returns whether one was.
    """
    folder, deadline = runs.ROOT / name, time.monotonic() + moment
    heard, told = os.pipe()
    child = os.fork()
    if child == 0:
        if writing:
            tell_of_writing(folder, deadline, told)
        if folder.exists():
            tradebot.resume(folder)
        else:
            begin(agent, name)
        os._exit(0)
    os.close(told)
    told_or_ended, _, _ = select.select([heard], [], [], None if writing else moment)
    has_ended = bool(told_or_ended) and not os.read(heard, 1)
    os.close(heard)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    if has_ended:
        return None
    shutil.rmtree(runs.ROOT / f".{name}.partial", ignore_errors=True)  # killed before there was a run
    if folder.exists() and runs.read(folder).manifest.status == "finished":
        return None
    return half_written(folder)


def tell_of_writing(folder: Path, deadline: float, told: int) -> None:
    """From the deadline on whoever hears is told as soon as all of a checkpoint but its name is written."""
    fsync = os.fsync

    def telling(fd: Any) -> None:
        if time.monotonic() >= deadline and half_written(folder):
            os.write(told, b"!")
        fsync(fd)

    os.fsync = telling


def half_written(folder: Path) -> bool:
    try:
        return any(name.startswith(".") for name in os.listdir(folder / "checkpoint"))
    except FileNotFoundError:  # there is no checkpoint yet
        return False


def differing(name: str) -> list[str]:
    """Files of a finished run that are not those of the whole one, byte for byte."""
    pairs = {file: [runs.ROOT / run / file for run in (name, "whole")] for file in FILES}
    return [file for file, (one, other) in pairs.items() if one.read_bytes() != other.read_bytes()]


FILES = ("agent.safetensors", "events.jsonl", "config.toml")


def main(agent: str) -> None:
    chance = random.Random(agent)
    begin(agent, "compiled")  # which may take long; what follows is as quick as the children
    length = begin(agent, "whole").manifest.seconds
    kills = inside = number = 0
    while kills < KILLS:
        writing = kills % 2 == 0
        half = killed(agent, f"run-{number}", chance.uniform(0, length / 2), writing=writing)
        if half is None:
            check(f"run-{number}")
            number += 1
        else:
            kills, inside = kills + 1, inside + half
    if (runs.ROOT / f"run-{number}").exists():
        tradebot.resume(runs.ROOT / f"run-{number}")
        check(f"run-{number}")
    print(f"{kills} kills, {inside} inside a write, {number + 1} runs")


def check(name: str) -> None:
    if wrong := differing(name):
        sys.exit(f"{name} differs from a training that was never killed: {', '.join(wrong)}")


if __name__ == "__main__":
    main(sys.argv[1])
