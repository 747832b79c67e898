"""Hand-made bars for tests: given opens and closes, daily, with a range that just holds them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

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


def wild_market(n_assets: int, n_bars: int, seed: int) -> Bars:
    """Raw bars 1 to 30 days apart, whose gaps and moves are anything up to a factor of four.

    Of the bars after the first a tenth is missing and another has no volume. Prices are of order 50 and
    volumes of order 30 units, which 1000 in cash may or may not exceed.
    """
    generator = np.random.default_rng(seed)
    shape = n_bars, n_assets
    widest = generator.choice([0.01, 0.1, np.log(4.0)], (2, 1, n_assets))  # of some assets little
    gaps, moves = widest * generator.uniform(-1, 1, (2, *shape)) * (generator.random((2, *shape)) < 0.9)
    absent = generator.random(shape) < 0.1
    absent[0] = False
    absent[absent.all(axis=1), 0] = False  # every bar is somebody's
    logs = np.cumsum(np.where(absent, 0.0, gaps + moves), axis=0)
    close = 50.0 * np.exp(logs - logs.mean(axis=0))
    for t in np.flatnonzero(absent.any(axis=1)):  # to the last bit
        close[t, absent[t]] = close[t - 1, absent[t]]
    open_ = np.where(absent, close, close * np.exp(-moves))
    volume = 30.0 * np.exp(2.0 * generator.standard_normal(shape))
    volume[1:][generator.random(shape)[1:] < 0.1] = 0.0
    days = np.cumsum(generator.integers(1, 31, n_bars))
    return Bars(
        timestamps=np.datetime64("2020-01-01", "us") + days * np.timedelta64(1, "D"),
        symbols=tuple("ABCDEFGH"[:n_assets]),
        open=open_,
        high=np.maximum(open_, close),
        low=np.minimum(open_, close),
        close=close,
        volume=np.where(absent, 0.0, volume),
        missing=absent,
        adjusted=False,
    )
