"""Asking a server in trouble again: exponential backoff with full jitter, and an end where all of it fails.

After "Exponential Backoff And Jitter" (AWS Architecture Blog, 2015): the pause before retry n is uniform in
0 .. FIRST * 2^n seconds.
"""

from __future__ import annotations

import itertools
import random
import threading
import time
from collections.abc import Callable
from typing import TypeVar

from tradebot.core import InputError

RETRIES = 6  # of one question at the most,
OF_SILENCE = 2  # or so many where nobody answers in time
FIRST = 1.0  # seconds: the longest pause before the first retry
REFUSALS = 12  # in a row, whoever asked, after which nobody is asked any more
FAILURES = 8  # the same for questions whose retries are used up
Answer = TypeVar("Answer")


class Passing(OSError):
    """A fault that may be over soon: a timeout, a connection that was cut, half an answer."""

    retries = 0  # that were made in vain


class Silent(Passing):
    """No answer in time."""


class Busy(Passing):
    """The server cannot answer now (5xx), whoever asks."""


class Refused(Busy):
    """The server thinks that we ask too much (429)."""


class Retries:
    """Asks again what failed with `Passing`; one for all threads that ask the same server.

    No pause is longer than `longest` [s]. A server that is busy gets a pause from everybody; after REFUSALS,
    or FAILURES, in a row without an answer between them every question fails at once. `rng` draws the pauses,
    `wait` and `clock` [s] stand for time itself in tests.
    """

    def __init__(
        self,
        rng: random.Random,
        longest: float,
        wait: Callable[[float], object] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._rng = rng
        self._longest = longest
        self._over = threading.Event()
        self._wait = wait or self._over.wait
        self._clock = clock
        self._lock = threading.Lock()
        self._refusals = self._failures = 0  # in a row
        self._calm = clock()  # when whoever is busy may be asked again
        self._last: Passing | None = None  # the fault after which nobody is asked any more

    def ask(self, question: Callable[[], Answer]) -> tuple[Answer, int]:
        """What `question` returns, and the retries that took. Raises its last fault when they are used up."""
        mine: Passing | None = None
        for retries in itertools.count():
            self._wait_for_calm(mine)
            try:
                answer = question()
            except Passing as fault:
                mine = fault
                mine.retries = retries
                self._wait(self._pause_after(mine))
            except InputError:  # an answer, too
                self._note_answer()
                raise
            else:
                self._note_answer()
                return answer, retries
        raise AssertionError

    def _wait_for_calm(self, mine: Passing | None) -> None:
        with self._lock:
            last, pause = self._last, self._calm - self._clock()
        if last:
            raise mine or Passing(f"not asked for, because all before it failed, the last one so: {last}")
        if pause > 0:
            self._wait(pause)

    def _note_answer(self) -> None:
        with self._lock:
            self._refusals = self._failures = 0

    def _pause_after(self, fault: Passing) -> float:
        """Seconds until the next try; raises the fault if there is none."""
        with self._lock:
            self._refusals += isinstance(fault, Refused)
            is_lost = fault.retries >= (OF_SILENCE if isinstance(fault, Silent) else RETRIES)
            self._failures += is_lost
            if self._refusals >= REFUSALS or self._failures >= FAILURES:
                self._last = self._last or fault
                self._over.set()
            if self._last or is_lost:
                raise fault
            pause = self._rng.uniform(0, min(self._longest, FIRST * 2**fault.retries))
            if isinstance(fault, Busy):
                self._calm = max(self._calm, self._clock() + pause)
            return pause
