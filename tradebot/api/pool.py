"""Work on many things at once that mostly wait for a network."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def in_threads(
    work: Callable[[Item], Result],
    items: Sequence[Item],
    jobs: int,
    told: Callable[[int, Item], None] = lambda done, item: None,
) -> list[Result]:
    """`work` of each item, in the order of `items`, `jobs` at once; `told` hears (how many are done, which).

    Raises what `work` raised first. Ctrl-C is heard at any moment, which it is not inside of a library in C:
    then, and after an exception, no further item is begun, and nobody waits for those that were.
    """
    waiting: queue.SimpleQueue[tuple[int, Item]] = queue.SimpleQueue()
    ended: queue.SimpleQueue[tuple[int, Any, BaseException | None]] = queue.SimpleQueue()
    for pair in enumerate(items):
        waiting.put(pair)

    def run() -> None:
        while (pair := _next(waiting)) is not None:
            try:
                ended.put((pair[0], work(pair[1]), None))
            except BaseException as error:
                ended.put((pair[0], None, error))

    for _ in range(min(jobs, len(items))):
        threading.Thread(target=run, daemon=True).start()
    results: dict[int, Result] = {}
    try:
        while len(results) < len(items):
            i, result, error = ended.get()
            if error:
                raise error
            results[i] = result
            told(len(results), items[i])
    finally:
        while _next(waiting) is not None:
            pass
    return [results[i] for i in range(len(items))]


def _next(waiting: queue.SimpleQueue[tuple[int, Item]]) -> tuple[int, Item] | None:
    try:
        return waiting.get_nowait()
    except queue.Empty:
        return None
