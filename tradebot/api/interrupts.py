"""Ctrl-C and SIGTERM while something long goes on: stop where nothing is half done."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interrupted(KeyboardInterrupt):
    """A training was asked to stop, and the message says how to go on."""


@contextmanager
def stop_requests() -> Iterator[Callable[[], bool]]:
    """Yields a function that tells whether one has come. The second one interrupts at once.

    Only the main thread hears signals: in another one the function is always False.
    """
    if threading.current_thread() is not threading.main_thread():
        yield lambda: False
        return
    before = {number: signal.getsignal(number) for number in SIGNALS}
    asked = threading.Event()

    def note(number: int, frame: FrameType | None) -> None:
        asked.set()
        for each in SIGNALS:
            signal.signal(each, signal.default_int_handler)

    for number in SIGNALS:
        signal.signal(number, note)
    try:
        yield asked.is_set
    finally:
        for number, handler in before.items():
            signal.signal(number, handler or signal.SIG_DFL)
