"""Splits and cash dividends: what they do to prices, and how they are found where only adj_close tells them.

Convention: both belong to the bar whose open is the first without them (the ex-date). `splits` are new
shares per old one (1: none), `dividends` currency per share *of that bar*, after a split of the same day
(0: none).
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from tradebot.core import Array

COLUMNS = ("dividends", "splits")
NONE = {"dividends": 0.0, "splits": 1.0}
# What companies do: 5 for 4 .. 50 for 1, and the reverse. What is less earns as much as a dividend.
RATIOS = np.unique(
    [*(n / d for d in (1, 2, 3, 4) for n in range(d + 1, 9) if n / d >= 1.25), 10, 15, 20, 25, 30, 50]
)
_SPLITS = np.concatenate([RATIOS, 1 / np.append(RATIOS, [12, 40, 100])])
_BESIDE = 0.05  # a dividend of the same day as a split, as a part of the price, at the most
_LEAST = (
    1e-5  # a smaller dividend, as a part of the price, is rounding: sources round adj_close anew each time
)


def growth(close: Array, dividends: Array, splits: Array) -> Array:
    """[T, A] the shares that one share of bar t-1 is at bar t, its dividend D put back into it; 1 in row 0.

    g_t = s_t / (1 - D_t s_t / close_{t-1}): the dividend buys at the last close less itself, which is the
    ratio of adj_close to close as Yahoo and CRSP have it, f_t / f_{t-1}. A price that falls by the dividend
    alone is worth the same before and after.
    """
    grown = np.ones_like(close)
    grown[1:] = splits[1:] / (1.0 - dividends[1:] * splits[1:] / close[:-1])
    return grown


def shares(splits: Array) -> Array:
    """[T, A] how many shares of bar t one of the first bar has become by splits alone."""
    return np.asarray(np.cumprod(np.concatenate([np.ones_like(splits[:1]), splits[1:]]), axis=0))


def infer(open_: Array, close: Array, adj_close: Array) -> tuple[Array, Array]:
    """(dividends [T], splits [T]) of one symbol's own bars, from the steps of f = adj_close / close.

    A step r = f_t / f_{t-1} that is a usual split ratio s (or up to 5 % more), and by which the price jumps,
    is a split. What is left of it is a dividend D: r / s = 1 / (1 - D s / close_{t-1}) as Yahoo and CRSP
    adjust, or 1 + D / close_t as Quandl (WIKI) does, whichever makes dividends of whole half cents. Steps
    that rounding explains are none (half a unit of the last decimal of both adj_close, 1e-5 at the least),
    nor are those down that are no reverse split.
    """
    dividends, splits = np.zeros(len(close)), np.ones(len(close))
    factor = adj_close / close
    steps = factor[1:] / factor[:-1]
    noise = np.maximum(0.75 * _unit(adj_close) * (1.0 / adj_close[1:] + 1.0 / adj_close[:-1]), _LEAST)
    for t in np.flatnonzero(np.abs(steps - 1.0) > noise) + 1:
        splits[t] = _split(steps[t - 1], close[t - 1] / open_[t], noise[t - 1])
    rest = steps / splits[1:]
    paid = np.flatnonzero(rest - 1.0 > noise) + 1
    rest, before, after = rest[paid - 1], close[paid - 1] / splits[paid], close[paid]
    of_last, of_ex_date = before * (1.0 - 1.0 / rest), after * (rest - 1.0)
    is_quandl = (of_ex_date < before).all() and _odd(of_ex_date) < 0.25 * _odd(of_last)
    dividends[paid] = of_ex_date if is_quandl else of_last
    return dividends, splits


def _odd(dividends: Array) -> float:
    """How far from whole half cents they are in all."""
    return float(np.abs(dividends - np.rint(200.0 * dividends) / 200.0).sum())


def _split(step: float, fall: float, noise: float) -> float:
    """The usual ratio that is in a step of the factor and explains the fall of the price, or 1."""
    rest = step / _SPLITS - 1.0
    fits = (rest >= -noise) & (rest <= _BESIDE)
    if not fits.any():
        return 1.0
    split = float(_SPLITS[fits][np.argmin(rest[fits])])
    is_jump = abs(np.log(fall / split)) < abs(np.log(fall))
    return split if is_jump else 1.0


def _unit(values: Array) -> float:
    """Of the last decimal that these numbers are rounded to; 0 if they have more than 8."""
    for decimals in range(9):
        scaled = values * 10.0**decimals
        if (np.abs(scaled - np.rint(scaled)) <= 1e-9 * np.maximum(scaled, 1e4)).all():
            return float(10.0**-decimals)
    return 0.0


def before_splits(frame: pd.DataFrame) -> pd.DataFrame:
    """One symbol's rows as they were quoted, from prices and dividends adjusted for all later splits.

    Those splits are known that the rows hold: one after the last row stays in all prices. Without a column
    `splits` there are none.
    """
    if "splits" not in frame or not (frame["splits"] != 1.0).any():
        return frame
    count = shares(frame["splits"].to_numpy())
    later = count[-1] / count
    priced = [name for name in ("open", "high", "low", "close", "dividends") if name in frame]
    quoted = {name: frame[name] * later for name in priced}
    return frame.assign(**quoted, volume=frame["volume"] / later)
