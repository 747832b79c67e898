"""Rules as causal pure functions Bars -> requested weights [T] of the first symbol.

Row t knows the bars up to t alone. A rule that has not seen enough bars yet stays flat.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd

from tradebot.core import Array
from tradebot.prices.bars import Bars

Rule = Callable[[Bars], Array]


def buy_and_hold(bars: Bars) -> Array:
    """Everything in at the first open, and never a trade again."""
    return np.ones(len(bars))


def flat(bars: Bars) -> Array:
    """Cash."""
    return np.zeros(len(bars))


def sma_cross(bars: Bars, fast: int = 50, slow: int = 200) -> Array:
    """Long while the mean close of `fast` bars is above that of `slow` bars (Brock et al. 1992)."""
    close = pd.Series(bars.close[:, 0])
    return _where(close.rolling(fast).mean() > close.rolling(slow).mean())


def momentum(bars: Bars, lookback: int = 120) -> Array:
    """Long while the return over `lookback` bars is positive (Moskowitz, Ooi and Pedersen 2012)."""
    close = pd.Series(bars.close[:, 0])
    return _where(close > close.shift(lookback))


def mean_reversion(bars: Bars, lookback: int = 20, enter: float = -1.0) -> Array:
    """Buy when the close is `enter` deviations from its mean of `lookback` bars, sell when it is above it."""
    close = pd.Series(bars.close[:, 0])
    z = (close - close.rolling(lookback).mean()) / close.rolling(lookback).std()
    state = pd.Series(np.nan, index=close.index).mask(z < enter, 1.0).mask(z > 0, 0.0)
    return np.asarray(state.ffill().fillna(0.0))


def random(bars: Bars, every: int = 20, seed: int = 0) -> Array:
    """A coin decides between long and flat, anew about every `every` bars; the same coins for a seed."""
    generator = np.random.default_rng(seed)
    draws = generator.random((len(bars), 2))
    coin = pd.Series(np.where(draws[:, 0] < 1 / every, draws[:, 1] < 0.5, np.nan))
    return np.asarray(coin.ffill().fillna(0.0))


RULES: dict[str, Rule] = {
    "buy_and_hold": buy_and_hold,
    "flat": flat,
    "sma_cross": sma_cross,
    "momentum": momentum,
    "mean_reversion": mean_reversion,
    "random": random,
}


def _where(condition: pd.Series) -> Array:
    return np.asarray(condition, dtype=np.float64)
