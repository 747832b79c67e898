"""Rules as causal pure functions Bars -> requested weights [T, A].

Row t knows the bars up to t alone. A number is a target weight (position value / equity); one that repeats
the asset's last request holds the units. NaN holds whatever is held, so that a number after it is traded
again, be it the same as before: that is how rules rebalance. A rule that has not seen enough bars stays flat.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import numpy as np
import pandas as pd

from tradebot.config import listed, suggestion
from tradebot.core import Array, InputError
from tradebot.prices.bars import Bars

Rule = Callable[[Bars], Array]
MONTH = 21  # daily bars of stocks in one
FIXED = "fixed:"  # what the name of a rule of fixed weights begins with


# ---- each asset by itself, with a share of 1 / A


def buy_and_hold(bars: Bars) -> Array:
    """Everything in at the first open, in equal parts, and never a trade again."""
    return _shares(np.ones_like(bars.close))


def flat(bars: Bars) -> Array:
    """Cash."""
    return np.zeros_like(bars.close)


def sma_cross(bars: Bars, fast: int = 50, slow: int = 200) -> Array:
    """Long while the mean close of `fast` bars is above that of `slow` bars (Brock et al. 1992)."""
    close = pd.DataFrame(bars.close)
    return _shares(close.rolling(fast).mean() > close.rolling(slow).mean())


def momentum(bars: Bars, lookback: int = 120) -> Array:
    """Long while the return over `lookback` bars is positive (Moskowitz, Ooi and Pedersen 2012)."""
    close = pd.DataFrame(bars.close)
    return _shares(close > close.shift(lookback))


def mean_reversion(bars: Bars, lookback: int = 20, enter: float = -1.0) -> Array:
    """Buy when the close is `enter` deviations from its mean of `lookback` bars, sell when it is above it."""
    close = pd.DataFrame(bars.close)
    z = (close - close.rolling(lookback).mean()) / close.rolling(lookback).std()
    state = (
        pd.DataFrame(np.nan, index=close.index, columns=close.columns).mask(z < enter, 1.0).mask(z > 0, 0.0)
    )
    return _shares(state.ffill().fillna(0.0))


def random(bars: Bars, every: int = 20, seed: int = 0) -> Array:
    """A coin decides between long and flat, anew about every `every` bars; the same coins for a seed."""
    draws = np.random.default_rng(seed).random((*bars.close.shape, 2))
    coin = pd.DataFrame(np.where(draws[..., 0] < 1 / every, draws[..., 1] < 0.5, np.nan))
    return _shares(coin.ffill().fillna(0.0))


# ---- portfolios, rebalanced every so many bars


def equal_weight(bars: Bars, every: int = MONTH) -> Array:
    """1 / A in each asset, whatever they are: hard to beat (DeMiguel, Garlappi and Uppal 2009)."""
    rows = _rows(bars, 0, every)
    return _rebalanced(bars, rows, _shares(np.ones_like(bars.close[rows])))


def inverse_volatility(bars: Bars, lookback: int = 60, every: int = MONTH) -> Array:
    """Weights proportional to 1 / volatility of the log returns of `lookback` bars, 1 in sum.

    Where all correlations are equal each asset adds the same risk then (Maillard, Roncalli and Teiletche
    2010). An asset that has not moved at all gets nothing, for it was not traded.
    """
    rows = _rows(bars, lookback, every)
    if not len(rows):
        return flat(bars)
    returns = np.diff(np.log(bars.close), axis=0)
    windows = np.lib.stride_tricks.sliding_window_view(returns, lookback, axis=0)[rows - lookback]
    volatility = np.ascontiguousarray(windows).std(axis=2)  # in one order, however many windows there are
    inverse = np.divide(1.0, volatility, out=np.zeros_like(volatility), where=volatility > 0)
    total = inverse.sum(axis=1, keepdims=True)
    weights = np.divide(inverse, total, out=np.zeros_like(inverse), where=total > 0)
    return _rebalanced(bars, rows, weights)


def cross_sectional_momentum(
    bars: Bars, lookback: int = 120, top: int | None = None, every: int = MONTH
) -> Array:
    """Equal weights for the `top` assets with the highest return over `lookback` bars.

    By default for half of the assets, rounded down, but one at least. The winners of Jegadeesh and Titman
    (1993) without their losers: long only. Of equal returns the asset that comes first wins. InputError if
    there are not so many assets.
    """
    n_assets = len(bars.symbols)
    top = max(n_assets // 2, 1) if top is None else top
    if not 1 <= top <= n_assets:
        raise InputError(f"top must be from 1 to {n_assets}, the number of assets, not {top}")
    rows = _rows(bars, lookback, every)
    growth = bars.close[rows] / bars.close[rows - lookback]
    winners = np.argsort(-growth, axis=1, kind="stable")[:, :top]
    weights = np.zeros_like(growth)
    np.put_along_axis(weights, winners, 1.0 / top, axis=1)
    return _rebalanced(bars, rows, weights)


def fixed_weights(weights: Mapping[str, float], every: int = MONTH) -> Rule:
    """The rule that rebalances to these weights by symbol; symbols without one get nothing.

    `named` makes one of a text. InputError for a weight that is no finite number; the rule raises it for a
    symbol that its bars do not have.

    >>> fixed_weights({"AAPL": 0.6, "MSFT": 0.4})(bars)
    """
    given = dict(weights)
    for symbol, weight in given.items():
        if not np.isfinite(weight):
            raise InputError(f"the fixed weight of {symbol} is {weight}: it must be a finite number")

    def rule(bars: Bars) -> Array:
        for symbol in given:
            if symbol not in bars.symbols:
                raise InputError(
                    f"no prices for the fixed weight of {symbol!r}{suggestion(symbol, bars.symbols)}"
                )
        rows = _rows(bars, 0, every)
        row = np.array([given.get(symbol, 0.0) for symbol in bars.symbols])
        return _rebalanced(bars, rows, np.broadcast_to(row, (len(rows), len(row))))

    return rule


RULES: dict[str, Rule] = {
    "buy_and_hold": buy_and_hold,
    "flat": flat,
    "sma_cross": sma_cross,
    "momentum": momentum,
    "mean_reversion": mean_reversion,
    "random": random,
    "equal_weight": equal_weight,
    "inverse_volatility": inverse_volatility,
    "cross_sectional_momentum": cross_sectional_momentum,
}
_PORTFOLIOS = ("equal_weight", "inverse_volatility", "cross_sectional_momentum")


def baselines(n_assets: int) -> list[str]:
    """The rules to compare with by default: all, or those that make sense for a single asset."""
    return [name for name in RULES if n_assets > 1 or name not in _PORTFOLIOS]


def named(name: str) -> Rule | None:
    """One of RULES, or fixed weights: `fixed:AAPL=0.6,MSFT=0.4`. None if it is no name of a rule.

    Raises InputError for weights that cannot be read.
    """
    if not name.startswith(FIXED):
        return RULES.get(name)
    weights: dict[str, float] = {}
    for part in name.removeprefix(FIXED).split(","):
        symbol, _, text = (piece.strip() for piece in part.rpartition("="))
        try:
            weight = float(text)
        except ValueError:
            symbol = ""
        if not symbol or symbol in weights:
            raise InputError(f"{part!r} is no weight of one more symbol: write {FIXED}AAPL=0.6,MSFT=0.4")
        weights[symbol] = weight
    return fixed_weights(weights)


def listed_rules(text: str | Iterable[str]) -> tuple[str, ...]:
    """The names in "flat, fixed:AAPL=0.6,MSFT=0.4": a weight belongs to the fixed weights before it."""
    names: list[str] = []
    for part in listed(text):
        if names and names[-1].startswith(FIXED) and "=" in part and not part.startswith(FIXED):
            names[-1] += f",{part}"
        else:
            names.append(part)
    return tuple(names)


def requests(rule: Rule, bars: Bars, first: int, last: int) -> Array:
    """What the rule asks for at the bars first .. last, [last - first + 1, A], to whoever begins at `first`.

    Of raw prices it sees those of `Bars.reinvested`, in which a split or a dividend is no return.
    He holds nothing, so that there the last numbers asked for stand where NaN would keep what is held.
    """
    asked = rule(bars.reinvested())[: last + 1]
    standing: Array = pd.DataFrame(asked[: first + 1]).ffill().to_numpy()
    return np.concatenate([standing[first:], asked[first + 1 :]])


def _shares(states: Array | pd.DataFrame) -> Array:
    """States of assets [rows, A] in 0 .. 1 as weights, of which none gets more than 1 / A."""
    weights: Array = np.asarray(states, dtype=np.float64) / states.shape[1]
    return weights


def _rows(bars: Bars, first: int, every: int) -> Array:
    """The bars at which a portfolio is rebalanced. InputError if none lie in between, to hold at."""
    if every < 2:
        raise InputError(f"every must be 2 bars or more, not {every}: a weight asked for again at once holds")
    return np.arange(first, len(bars), every)


def _rebalanced(bars: Bars, rows: Array, weights: Array) -> Array:
    """`weights` [R, A] at the bars `rows` [R]; flat before the first of them, NaN in between."""
    asked = np.full_like(bars.close, np.nan)
    asked[: rows[0] if len(rows) else None] = 0.0
    asked[rows] = weights
    return asked
