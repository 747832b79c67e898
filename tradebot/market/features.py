"""What an agent sees of the market: causal pure functions Bars -> [T, A], bounded, with a declared warm-up.

Every value at bar t is computed from the bars up to t alone. Features are computed on the full history and
then sliced, because recursive indicators depend on where the series starts. Scales are causal too: returns
are measured in units of their own exponentially weighted volatility. The unit of the prices cancels. Of raw
prices they see those of `Bars.reinvested`, in which a split or a dividend is no return.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
import talib

from tradebot.config import suggestion
from tradebot.core import Array, InputError
from tradebot.market.kernel import ACCOUNT_FEATURES, BOUND, OF_THE_WHOLE
from tradebot.plugins import SUFFIX
from tradebot.prices.bars import Bars
from tradebot.prices.dates import spelled

VOLATILITY_SPAN = 252  # bars of the exponential window that returns are scaled by


class Feature(NamedTuple):
    """A named column of the observation."""

    compute: Callable[
        [Bars, int], Array
    ]  # (bars, lookback) -> [T, A]; NaN before the warm-up, bounded or not
    warmup: Callable[[int], int]  # lookback -> first bar at which the value is defined
    description: str


class FeatureTable(NamedTuple):
    """The observation, split into what the market gives, symbol by symbol, and what the account adds."""

    market: Array  # [T, F] float32; rows before `warmup` are zero and must not be used
    account: Array  # [K, 2] int: number in ACCOUNT_FEATURES, asset
    names: tuple[str, ...]  # [F + K] in the order of the observation
    warmup: int  # first usable bar


Own = Callable[[Bars], Array]  # a person's feature(s): bars -> [T, A] or [T, A, F], NaN while it warms up


def table(
    bars: Bars, names: Sequence[str], lookback: int, own: Mapping[str, Own] | None = None
) -> FeatureTable:
    """The features by name (none: all of ours) of every symbol, clipped to +-BOUND.

    `own` are a person's, by the names under which they stand in `names`; one that returns F > 1 columns has
    the names `name[0]` .. in the observation. Of several symbols each name begins with its symbol. Raises
    InputError for a name that is unknown or given twice, for too few bars and for what `own` cannot return.
    """
    own, bars = own or {}, bars.reinvested()
    known = (*MARKET_FEATURES, *own, *ACCOUNT_FEATURES)
    names = tuple(names) or (*MARKET_FEATURES, *ACCOUNT_FEATURES)
    for name in names:
        if name not in known:
            raise InputError(f"unknown feature {name!r}{_meant(name, known)}")
        if names.count(name) > 1:
            raise InputError(f"feature {name!r} is given twice")
    market = [name for name in names if name not in ACCOUNT_FEATURES]
    account = [name for name in names if name in ACCOUNT_FEATURES]
    theirs = {name: own_values(name, own[name], bars) for name in market if name in own}
    warmups = [_warmup_of(name, values, bars) for name, values in theirs.items()]
    warmup = max(
        [*warmups, *(MARKET_FEATURES[name].warmup(lookback) for name in market if name not in own), 0]
    )
    if len(bars) < warmup + 2:
        raise InputError(
            f"{bars.who}: {len(bars)} bars are too few: these features need {warmup} to warm up"
            " and 2 to trade (take fewer features, a shorter --lookback or more prices)"
        )
    values: dict[str, Array] = {}  # name -> [T, A]
    for name in market:
        if name in theirs:
            n = theirs[name].shape[2]
            values |= {f"{name}[{i}]" if n > 1 else name: theirs[name][:, :, i] for i in range(n)}
        else:
            values[name] = MARKET_FEATURES[name].compute(bars, lookback)
    n_assets = len(bars.symbols)
    prefix = [f"{symbol}: " if n_assets > 1 else "" for symbol in bars.symbols]
    seen = [(f"{prefix[a]}{name}", column[:, a]) for a in range(n_assets) for name, column in values.items()]
    kept = [
        (f"{'' if name in OF_THE_WHOLE else prefix[a]}{name}", (ACCOUNT_FEATURES.index(name), a))
        for name in account
        for a in range(1 if name in OF_THE_WHOLE else n_assets)
    ]
    stacked = np.stack([column for _, column in seen], axis=1) if seen else np.empty((len(bars), 0))
    stacked = np.clip(stacked, -BOUND, BOUND)
    stacked[:warmup] = 0.0
    return FeatureTable(
        np.ascontiguousarray(stacked, dtype=np.float32),
        np.array([place for _, place in kept], dtype=np.int64).reshape(-1, 2),
        (*(name for name, _ in seen), *(name for name, _ in kept)),
        warmup,
    )


def own_values(name: str, feature: Own, bars: Bars) -> Array:
    """What a person's feature returns for `Bars.reinvested`, [T, A, F]. InputError for another shape."""
    values = feature(bars.reinvested())
    expected = bars.close.shape
    if values.shape[:2] != expected or values.ndim > 3 or 0 in values.shape:
        t, a = expected
        raise InputError(
            f"{name}: returned the shape {values.shape}, expected ({t}, {a}) or ({t}, {a}, F):"
            " a row a bar, a column a symbol, as bars.close has them"
        )
    return values.reshape(*expected, -1)


def _warmup_of(name: str, values: Array, bars: Bars) -> int:
    """The first row without NaN. Raises InputError if there is none, or if NaN comes back after it."""
    lacking: Array = np.asarray(np.isnan(values).any(axis=(1, 2)))
    if lacking.all():
        raise InputError(f"{name}: none of the {len(bars)} rows is without NaN (are these bars too few?)")
    first = int(np.argmin(lacking))
    if lacking[first:].any():
        t = first + int(np.argmax(lacking[first:]))
        raise InputError(
            f"{name}: is NaN on {spelled(bars.timestamps[t])}: only while it warms up, in the first rows, may"
            " a value be missing"
        )
    return first


def _meant(name: str, known: Sequence[str]) -> str:
    """What to write instead of an unknown name."""
    if SUFFIX in name:
        return ": a function of a file is taken by `train` alone, which checks that it does not look ahead"
    files = [other.rpartition(":")[0] for other in known if SUFFIX in other]
    return f": a function of a file is written {files[0]}:{name}" if files else suggestion(name, known)


def log_returns(bars: Bars, horizon: int = 1) -> Array:
    """ln(close[t] / close[t-h]), [T, A]; NaN in the first h rows."""
    returns = np.full(bars.close.shape, np.nan)
    returns[horizon:] = np.log(bars.close[horizon:] / bars.close[:-horizon])
    return returns


def volatility(bars: Bars, lookback: int) -> Array:
    """Root of the exponentially weighted mean squared log return, per bar, [T, A].

    NaN until there are `lookback` returns: the mean of fewer is no scale to measure by.
    """
    squares = pd.DataFrame(log_returns(bars) ** 2)
    mean = squares.ewm(span=VOLATILITY_SPAN, ignore_na=True, min_periods=lookback).mean()
    return np.asarray(np.sqrt(mean))


def _scaled_return(horizon: int) -> Feature:
    def compute(bars: Bars, lookback: int) -> Array:
        return _ratio(log_returns(bars, horizon), volatility(bars, lookback) * np.sqrt(horizon))

    return Feature(
        compute,
        lambda lookback: max(horizon, lookback),
        f"log return over {horizon} bar{'s' * (horizon > 1)} / its volatility",
    )


def _volatility(bars: Bars, lookback: int) -> Array:
    recent = np.asarray(pd.DataFrame(log_returns(bars)).rolling(lookback).std())
    return _log_ratio(recent, volatility(bars, lookback))


def _rsi(bars: Bars, lookback: int) -> Array:
    return _per_asset(lambda close: talib.RSI(close, 14), _unitless(bars, bars.close)) / 50.0 - 1.0


def _macd(bars: Bars, lookback: int) -> Array:
    histogram = _per_asset(lambda close: talib.MACD(close, 12, 26, 9)[2], bars.close)
    return _ratio(histogram, bars.close * volatility(bars, lookback))


def _atr(bars: Bars, lookback: int) -> Array:
    atr = _per_asset(
        lambda high, low, close: talib.ATR(high, low, close, 14), bars.high, bars.low, bars.close
    )
    return _log_ratio(atr, bars.close * volatility(bars, lookback))


def _bollinger(bars: Bars, lookback: int) -> Array:
    def position(close: Array) -> Array:
        upper, middle, lower = talib.BBANDS(close, lookback, 2.0, 2.0)
        return 2.0 * _ratio(close - middle, upper - lower)

    return _per_asset(position, _unitless(bars, bars.close))


def _volume(bars: Bars, lookback: int) -> Array:
    def zscore(volume: Array) -> Array:
        return _ratio(volume - talib.SMA(volume, lookback), talib.STDDEV(volume, lookback))

    return _per_asset(zscore, np.log1p(bars.volume))


def _unitless(bars: Bars, price: Array) -> Array:
    """Price / first close: TA-Lib takes a variance or a gain below 1e-14 for none, as cheap coins have it."""
    return np.asarray(price / bars.close[0])


def _per_asset(indicator: Callable[..., Array], *columns: Array) -> Array:
    """The indicator of each column [T] of [T, A] arrays, stacked to [T, A]."""
    assets = range(columns[0].shape[1])
    return np.stack(
        [indicator(*(np.ascontiguousarray(column[:, a]) for column in columns)) for a in assets], axis=1
    )


def _ratio(value: Array, scale: Array) -> Array:
    """value / scale, and 0 where the scale is 0: a market that does not move says nothing."""
    return np.divide(value, scale, out=np.where(np.isnan(scale), np.nan, 0.0), where=scale > 0)


def _log_ratio(value: Array, scale: Array) -> Array:
    """ln(value / scale) of two ranges or volatilities; -inf where there is none."""
    with np.errstate(divide="ignore"):
        return np.asarray(np.log(_ratio(value, scale)))


MARKET_FEATURES: dict[str, Feature] = {
    "last_return": _scaled_return(1),
    "return_5": _scaled_return(5),
    "return_20": _scaled_return(20),
    "return_60": _scaled_return(60),
    "volatility": Feature(
        _volatility,
        lambda lookback: lookback,
        "log ratio of the last window's volatility to the long-run one",
    ),
    "rsi": Feature(_rsi, lambda lookback: 14, "relative strength index of 14 bars / 50 - 1"),
    "macd": Feature(
        _macd, lambda lookback: max(33, lookback), "MACD(12, 26, 9) histogram / (price x volatility)"
    ),
    "atr": Feature(
        _atr, lambda lookback: max(14, lookback), "log of the average true range / (price x volatility)"
    ),
    "bollinger": Feature(
        _bollinger, lambda lookback: lookback - 1, "position in the Bollinger bands: +-1 at 2 deviations"
    ),
    "volume": Feature(_volume, lambda lookback: lookback - 1, "z-score of the log volume in the last window"),
}
