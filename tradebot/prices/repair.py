"""Repairs of prices that leave no doubt, each with a sentence that says what was done."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd

from tradebot.core import Array
from tradebot.prices import quality
from tradebot.prices.validity import PRICES

_CLIP = 1e-4  # relative: as far may a high or low be off by rounding
_UNIT = 100.0  # pence for a pound
_NEAR = 1.5  # factor by which a price may be off the bars around it, to be taken for one of another unit
_UNITS = (*PRICES, "adj_close")


class Repaired(NamedTuple):
    """Rows sorted by symbol and date, and what was done to them: nothing, if that is empty."""

    table: pd.DataFrame
    done: tuple[str, ...]


def repair(table: pd.DataFrame, exchange: str = "") -> Repaired:
    """Drop rows that are there twice and fills of days without a session, clip highs and lows that rounding
    has put inside, and divide single bars of another unit by a hundred. All else stays as it is."""
    done: list[str] = []
    order = pd.factorize(table["symbol"])[0]
    ordered = table.iloc[np.lexsort((table["date"].to_numpy(), order))].reset_index(drop=True)
    if not ordered.equals(table.reset_index(drop=True)):
        done.append("sorted the rows by date")
    twice = ordered.duplicated().to_numpy()
    done += _counted(twice, ordered, "dropped {n}, there twice")
    ordered = ordered[~twice].reset_index(drop=True)
    filled = _found(ordered, "forward_fill", exchange)
    done += _counted(filled, ordered, "dropped {n} of days without a session, filled from the day before")
    ordered = ordered[~filled].reset_index(drop=True)
    clipped = _clip(ordered)
    done += _counted(clipped, ordered, "moved the high or low of {n} by less than 0.01 %")
    scaled = _rescale(ordered, _found(ordered, "hundredfold", exchange))
    done += _counted(scaled, ordered, "divided or multiplied the prices of {n} by 100")
    return Repaired(ordered, tuple(done))


def _counted(which: Array, rows: pd.DataFrame, what: str) -> list[str]:
    """What was done, with the number of rows and the first; nothing for none."""
    if not (count := int(which.sum())):
        return []
    first = rows[which].iloc[0]
    noun = "row" if count == 1 else "rows"
    return [f"{what.format(n=f'{count:,} {noun}')} (the first: {first['symbol']} {str(first['date'])[:19]})"]


def _found(rows: pd.DataFrame, check: str, exchange: str) -> Array:
    """[R] bool: what the check finds an error in."""
    which = np.zeros(len(rows), bool)
    for one in quality.errors(quality.check(rows, exchange)):
        if one.check == check:
            which |= ((rows["symbol"] == one.symbol) & rows["date"].isin(one.moments)).to_numpy()
    return which


def _clip(rows: pd.DataFrame) -> Array:
    """Change highs and lows in place: [R] bool where."""
    body = rows[["open", "close"]]
    top, bottom = body.max(axis=1), body.min(axis=1)
    is_high = (top > rows["high"]) & (top <= rows["high"] * (1 + _CLIP))
    is_low = (bottom < rows["low"]) & (bottom >= rows["low"] * (1 - _CLIP))
    rows.loc[is_high, "high"] = top[is_high]
    rows.loc[is_low, "low"] = bottom[is_low]
    which: Array = (is_high | is_low).to_numpy()
    return which


def _rescale(rows: pd.DataFrame, candidates: Array) -> Array:
    """Change in place single bars, all of whose prices are a hundred times off their neighbours: [R] bool."""
    which = np.zeros(len(rows), bool)
    for r in map(int, np.flatnonzero(candidates[1:-1]) + 1):
        around = rows.iloc[[r - 1, r + 1]]
        if candidates[r - 1] or candidates[r + 1] or (around["symbol"] != rows["symbol"].iloc[r]).any():
            continue
        usual = float(around["close"].mean())
        ratios = rows.loc[r, list(PRICES)].to_numpy("float64") / usual
        for unit in (_UNIT, 1 / _UNIT):
            if (ratios < unit * _NEAR).all() and (ratios > unit / _NEAR).all():
                names = [name for name in _UNITS if name in rows and _is_off(rows, r, name, unit)]
                rows.loc[r, names] = rows.loc[r, names].astype("float64") / unit
                which[r] = True
    return which


def _is_off(rows: pd.DataFrame, r: int, name: str, unit: float) -> bool:
    """adj_close may be right where the others are wrong."""
    ratio = rows[name].iloc[r] / rows[name].iloc[[r - 1, r + 1]].mean()
    return bool(unit / _NEAR < ratio < unit * _NEAR)
