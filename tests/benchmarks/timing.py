"""Medians: what one run of a piece of work takes."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping

ENOUGH = 0.1  # seconds that a timed stretch lasts at least


def seconds(
    works: Mapping[str, Callable[[], object]],
    repetitions: int = 9,
    clock: Callable[[], float] = time.perf_counter,
) -> dict[str, float]:
    """Median time of each piece of work. They take turns, so that a busy moment hits all of them alike."""
    counts = {name: _enough(work, clock) for name, work in works.items()}
    taken: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(repetitions):
        for name, work in works.items():
            taken[name].append(_stretch(work, counts[name], clock) / counts[name])
    return {name: statistics.median(times) for name, times in taken.items()}


def _enough(work: Callable[[], object], clock: Callable[[], float]) -> int:
    """How often the work must be done to fill a stretch."""
    work()  # once unmeasured, so that whatever compiles is compiled
    count = 1
    while (taken := _stretch(work, count, clock)) < ENOUGH:
        count = max(count + 1, round(count * min(10.0, 1.2 * ENOUGH / max(taken, 1e-9))))
    return count


def _stretch(work: Callable[[], object], count: int, clock: Callable[[], float]) -> float:
    start = clock()
    for _ in range(count):
        work()
    return clock() - start
