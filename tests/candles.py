"""Hand-made bars for tests: given opens and closes, daily, with a range that just holds them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from hypothesis import strategies as st

from tradebot.core import Array
from tradebot.prices.bars import Bars


def bars(open_: Sequence[float] | Array, close: Sequence[float] | Array, volume: Array | None = None) -> Bars:
    """One symbol, TEST."""
    o, c = np.asarray(open_, dtype=np.float64), np.asarray(close, dtype=np.float64)
    v = np.ones(len(o)) if volume is None else volume
    return Bars(
        timestamps=np.datetime64("2020-01-01", "us") + np.arange(len(o)) * np.timedelta64(1, "D"),
        symbols=("TEST",),
        open=o[:, None],
        high=np.maximum(o, c)[:, None],
        low=np.minimum(o, c)[:, None],
        close=c[:, None],
        volume=v[:, None],
    )


def walk(n: int, seed: int = 0, move: float = 0.01, gap: float = 0.003) -> Bars:
    """A random walk with gaps and changing volume; `move` and `gap` are deviations of log returns."""
    generator = np.random.default_rng(seed)
    gaps, moves = gap * generator.standard_normal(n), move * generator.standard_normal(n)
    close = 50.0 * np.exp(np.cumsum(gaps + moves))
    return bars(close * np.exp(-moves), close, 1e6 * np.exp(generator.standard_normal(n)))


def side_by_side(*markets: Bars) -> Bars:
    """Markets of as many bars as one, whose symbols are A, B, C ..."""
    columns = {
        name: np.hstack([getattr(one, name) for one in markets])
        for name in ("open", "high", "low", "close", "volume", "missing")
    }
    return Bars(markets[0].timestamps, tuple("ABCDEFGH"[: len(markets)]), **columns)


@st.composite
def any_bars(draw: st.DrawFn, most: int = 30) -> Bars:
    """2 .. most bars whose gaps and moves may be anything up to a factor of four."""
    moves = st.tuples(st.floats(-1.4, 1.4), st.floats(-1.4, 1.4))
    gaps, inside = np.array(draw(st.lists(moves, min_size=2, max_size=most))).T
    logs = np.cumsum(gaps + inside)
    logs -= logs.mean()
    return bars(50.0 * np.exp(logs - inside), 50.0 * np.exp(logs))
