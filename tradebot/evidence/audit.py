"""Causality: nothing up to bar t knows the bars after it. Change them, and the past must not change.

At some bars a function is computed anew with another future, with the mirror image of that one (so that
whoever knows but the direction of the next move is caught by one of the two), and with no future at all.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np

from tradebot.core import Array, InputError
from tradebot.prices.bars import Bars
from tradebot.prices.dates import spelled

POINTS = 8  # bars at which the future is changed: 3 calls of the function each
MOVE = 0.2  # deviation of the log returns of another future
ACTS = 0.1  # share of the bars of another future that have a dividend, and that have a split
FARTHEST = 30.0  # a future ends within exp(+-30) of the present, which every price can bear
ROUNDING = 1e-9  # relative: sums over all bars may round otherwise when some of them change

Rows = Callable[[Bars], Array]  # bars -> [T, ...], row t for the bar t


def corrupted(bars: Bars, t: int, seed: int, sign: float = 1.0) -> Bars:
    """Another future: random walks of other size and volume from bar t on; `sign` -1 mirrors the moves.

    Raw prices with dividends or splits get others of those, too.
    """
    generator = np.random.default_rng(seed)
    shape = (len(bars) - t - 1, len(bars.symbols))
    moves = np.clip(np.cumsum(MOVE * generator.standard_normal(shape), axis=0), -FARTHEST, FARTHEST)
    close = bars.close[t] * np.exp(sign * moves)
    open_ = close * np.exp(0.1 * generator.standard_normal(shape))
    future = {
        "open": open_,
        "high": np.maximum(open_, close) * np.exp(0.1 * generator.random(shape)),
        "low": np.minimum(open_, close) * np.exp(-0.1 * generator.random(shape)),
        "close": close,
        "volume": 1e5 * generator.random(shape),
        "missing": np.zeros(shape, dtype=bool),
    }
    if bars.has_actions:
        last = np.concatenate([bars.close[t : t + 1], close[:-1]])
        future["splits"] = np.where(generator.random(shape) < ACTS, 3.0, 1.0)
        future["dividends"] = np.where(generator.random(shape) < ACTS, 0.1 * last / 3.0, 0.0)
    columns: dict[str, Any] = {c: np.concatenate([getattr(bars, c)[: t + 1], future[c]]) for c in future}
    return replace(bars, **columns)


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
            "when later prices change": [corrupted(bars, t, future, sign) for sign in (1.0, -1.0)],
            "when later bars are left out": [bars.rows(0, t)],
        }
        for what, changed in others.items():
            for other in changed:
                if (row := first_change(before, rows(other), t)) is not None:
                    raise InputError(f"{name} looks ahead: its row for {_when(bars, row)} changes {what}")


def _when(bars: Bars, t: int) -> str:
    return spelled(bars.timestamps[t])
