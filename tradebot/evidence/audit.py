"""Causality: nothing up to bar t knows the bars after it. Change them, and the past must not change.

`check_causal` is the quick look that refuses a person's function before it is used. `audit` is the thorough
one: at many bars, whatever has a value at each bar is computed anew with several other futures, see
`evidence.futures`, and the first bar of each column that changes is told.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from tradebot.core import Array, InputError
from tradebot.evidence import futures
from tradebot.prices.bars import Bars
from tradebot.prices.dates import spelled

POINTS = 8  # bars at which `check_causal` changes the future
MANY = 64  # with so many points `audit` looks after each of the first and last bars too
EARLY, LATE = 16, 8
ROUNDING = 1e-9  # relative: sums over all bars may round otherwise when some of them change

LOOKS_AHEAD = "looks ahead"
UNSTEADY = "is another one when it is computed again from the same bars"
FAILS = "can never be computed when later prices are others"
FITTED = "is fitted on bars after the training"
OVERLAPS = "was trained on bars that it is tested on"

Rows = Callable[[Bars], Array]  # bars -> [T, ...], row t for the bar t
Columns = Callable[[Bars], Mapping[str, Array]]  # bars -> name -> [n, ...], row i for the bar `first` + i


@dataclass(frozen=True)
class Subject:
    """Something that has values at each bar, from bar `first` on."""

    what: str  # features, observations, actions ..., to be read by a person
    columns: Columns
    first: int = 0
    points: int = 64  # bars after which the future is changed
    exact: bool = True  # to the bit; a person's sums may round otherwise, see ROUNDING
    bears_nan: bool = False  # whether it may be given later prices that are no numbers


class Finding(NamedTuple):
    """A column that is not causal."""

    what: str  # the subject's
    column: str
    fault: str  # LOOKS_AHEAD ...
    bar: str  # the first one at which it is so, to be read by a person; empty: none in particular
    ahead: int  # bars that it looks ahead, at the least; 0 where that is not the fault
    how: str  # what showed it

    def __str__(self) -> str:
        column = f"{self.column} " if self.column else ""
        at = f" at {self.bar}" if self.bar else ""
        far = f" by {self.ahead:,} bar{'s' * (self.ahead > 1)} or more" if self.ahead else ""
        return f"{self.what}: {column}{self.fault}{far}{at}{f', {self.how}' if self.how else ''}"


def audit(
    subject: Subject, bars: Bars, seed: int = 0, told: Callable[[], object] = lambda: None
) -> list[Finding]:
    """What of the subject is not causal: for each column the first bar at which that shows.

    `told` is called after each of the points. What looks ahead on rare bars only is found where the future of
    one of them is changed: more points find more.
    """
    before = subject.columns(bars)
    again = subject.columns(bars)
    last = len(bars) - 1
    unsteady = [
        Finding(subject.what, name, UNSTEADY, _when(bars, subject.first + row), 0, "")
        for name in before
        if (row := _changed(before[name], again[name], last - subject.first, subject.exact)) is not None
    ]
    if unsteady:
        return unsteady
    found: dict[str, _Seen] = {}
    failed: dict[str, Finding] = {}
    worked = set(futures.HARD)  # those may fail
    for t, future in _points(subject, last, seed):
        kinds = list(futures.others(bars, t, future))
        kinds += [(futures.UNKNOWN, futures.unknown(bars, t))] if subject.bears_nan else []
        for how, other in kinds:
            try:
                after = subject.columns(other)
            except InputError as error:
                failed.setdefault(how, Finding(subject.what, "", FAILS, _when(bars, t), 0, str(error)))
                continue
            worked.add(how)
            for name in before:
                row = _changed(before[name], after[name], t - subject.first, subject.exact)
                if row is not None:
                    seen = _Seen(subject.first + row, t + 1 - subject.first - row, how)
                    found[name] = seen if name not in found else found[name].and_also(seen)
        told()
    ahead = [
        Finding(subject.what, name, LOOKS_AHEAD, _when(bars, seen.bar), seen.ahead, seen.how)
        for name, seen in found.items()
    ]
    return ahead or [finding for how, finding in failed.items() if how not in worked][:1]


class _Seen(NamedTuple):
    """A column that changed: the first bar, how far ahead it looks, and what showed it there."""

    bar: int
    ahead: int
    how: str

    def and_also(self, other: _Seen) -> _Seen:
        first = min(self, other, key=lambda seen: seen.bar)
        return first._replace(ahead=max(self.ahead, other.ahead))


def _points(subject: Subject, last: int, seed: int) -> Iterator[tuple[int, int]]:
    """Bars t with a future, spread over all of them, the last such among them; and a seed for each."""
    generator = np.random.default_rng(seed)
    begin = max(subject.first, 1)
    edges = np.unique(np.linspace(begin, last, subject.points + 1).astype(int))
    chosen = {int(generator.integers(start, stop)) for start, stop in pairwise(edges)} | {last - 1}
    if subject.points >= MANY:  # so that the first bar is named where all bars look ahead
        chosen |= {*range(begin, begin + EARLY), *range(last - LATE, last)}
    for t in sorted(t for t in chosen if begin <= t < last):
        yield t, int(generator.integers(2**32))


def _changed(before: Array, after: Array, t: int, exact: bool) -> int | None:
    """The first of the rows 0 .. t that is not the same in both; None: all are."""
    if not exact:
        return first_change(before, after, t)
    if before.shape[1:] != after.shape[1:]:
        return 0
    one, other = before[: t + 1], after[: t + 1]
    same = (one == other) | (np.isnan(one) & np.isnan(other))
    changed = np.flatnonzero(~same.reshape(len(same), -1).all(axis=1))
    return int(changed[0]) if len(changed) else None


def first_change(before: Array, after: Array, t: int) -> int | None:
    """The first of the rows 0 .. t that is not the same in both, but for rounding; None: all are."""
    if before.shape[1:] != after.shape[1:]:
        return 0
    same = np.isclose(before[: t + 1], after[: t + 1], rtol=ROUNDING, atol=1e-12, equal_nan=True)
    changed = np.flatnonzero(~same.reshape(t + 1, -1).all(axis=1))
    return int(changed[0]) if len(changed) else None


def check_causal(name: str, rows: Rows, bars: Bars, seed: int = 0) -> None:
    """Raise InputError, which names the first bar that changes, for rows that know later bars.

    It can miss: who looks ahead on rare bars only may not do so at the POINTS that are drawn. Functions that
    answer otherwise when asked again are refused too, for then nothing can be said of them.
    """
    generator = np.random.default_rng(seed)
    before, last = rows(bars), len(bars) - 1
    if (row := first_change(before, rows(bars), last)) is not None:
        raise InputError(
            f"{name}: its row for {_when(bars, row)} is another one when it is computed again from the same"
            " bars: seed its random numbers and let it remember nothing"
        )
    edges = np.linspace(last // 2, last, POINTS + 1).astype(int)  # later bars: nothing warms up there
    for start, stop in pairwise(edges):
        if start == stop or start == 0:
            continue
        t, future = int(generator.integers(start, stop)), int(generator.integers(2**32))
        others = {
            futures.CHANGED: [futures.corrupted(bars, t, future, sign) for sign in (1.0, -1.0)],
            futures.SHORTER: [bars.rows(0, t)],
        }
        for what, changed in others.items():
            for other in changed:
                if (row := first_change(before, rows(other), t)) is not None:
                    raise InputError(f"{name} looks ahead: its row for {_when(bars, row)} changes {what}")


def _when(bars: Bars, t: int) -> str:
    return spelled(bars.timestamps[t])
