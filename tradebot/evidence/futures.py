"""Other futures: what might have come after a bar, in the place of what did. The bars up to it stay."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from tradebot.core import Array
from tradebot.market.permuted import permuted
from tradebot.prices import actions
from tradebot.prices.bars import Bars
from tradebot.prices.validity import COLUMNS, PRICES

MOVE = 0.2  # deviation of the log returns of another future
ACTS = 0.1  # share of the bars of another future that have a dividend, and that have a split
FARTHEST = 30.0  # a future ends within exp(+-30) of the present, which every price can bear
SCALE = 7.0  # what later prices are multiplied by

CHANGED = "when later prices change"
SHORTER = "when later bars are left out"
SHUFFLED = "when later bars are shuffled"
SCALED = f"when later prices are {SCALE:g} times as high"
LACKING = "when a symbol lacks all later bars"
UNKNOWN = "when later prices are no numbers"
HARD = (SHORTER, LACKING, UNKNOWN)  # an honest function may need more bars, or prices that move


def others(bars: Bars, t: int, seed: int) -> Iterator[tuple[str, Bars]]:
    """Futures after bar t, each with what was done, to be read behind "... changes".

    Another random walk and its mirror image, so that whoever knows but the direction of the next move is
    caught by one of the two; no future at all; the same bars in another order; the same at another price; of
    several symbols one without later bars.
    """
    yield SHORTER, bars.rows(0, t)
    for sign in (1.0, -1.0):
        yield CHANGED, corrupted(bars, t, seed, sign)
    yield SCALED, _later(bars, t, **{name: SCALE * getattr(bars, name)[t + 1 :] for name in PRICES})
    if not bars.has_actions and len(bars) - t > 2:
        mixed = permuted(bars.rows(t, len(bars) - 1), (), np.random.default_rng(seed))
        yield SHUFFLED, _later(bars, t, **{name: getattr(mixed, name)[1:] for name in COLUMNS})
    if len(bars.symbols) > 1:
        yield LACKING, _without(corrupted(bars, t, seed), t, seed % len(bars.symbols))


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
    }
    if bars.has_actions:
        last = np.concatenate([bars.close[t : t + 1], close[:-1]])
        future["splits"] = np.where(generator.random(shape) < ACTS, 3.0, 1.0)
        future["dividends"] = np.where(generator.random(shape) < ACTS, 0.1 * last / 3.0, 0.0)
    return _later(bars, t, **future)


def unknown(bars: Bars, t: int) -> Bars:
    """Later prices and volumes are NaN, which `Bars` itself refuses: for functions of a person alone."""
    other = copy.copy(bars)
    for name in COLUMNS:
        values = getattr(bars, name).copy()
        values[t + 1 :] = np.nan
        values.setflags(write=False)
        object.__setattr__(other, name, values)
    return other


def _without(bars: Bars, t: int, a: int) -> Bars:
    """Symbol number a has no bar after t: its last close is repeated."""
    changed: dict[str, Any] = {name: getattr(bars, name).copy() for name in PRICES}
    for values in changed.values():
        values[t + 1 :, a] = bars.close[t, a]
    none = {"volume": 0.0, "missing": True, **actions.NONE}
    for name, value in none.items():
        changed[name] = getattr(bars, name).copy()
        changed[name][t + 1 :, a] = value
    return replace(bars, **changed)


def _later(bars: Bars, t: int, **future: Array) -> Bars:
    """The same bars up to t, and other columns [T - t - 1, A] after it, in which no symbol lacks a bar."""
    future["missing"] = np.zeros((len(bars) - t - 1, len(bars.symbols)), dtype=bool)
    columns: dict[str, Any] = {c: np.concatenate([getattr(bars, c)[: t + 1], future[c]]) for c in future}
    return replace(bars, **columns)
