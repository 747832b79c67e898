"""Checks of single bars and of bars that repeat: numbers that are none, and prices that do not move."""

from __future__ import annotations

import numpy as np

from tradebot.core import Array
from tradebot.prices.series import DAILY, Mark, Series, mark
from tradebot.prices.validity import PRICES

ROUNDING = 1e-9  # relative; adjusted prices carry the rounding of their factor
_REPEATS, _FLAT_REPEATS = 2, 4  # bars like the one before; flat bars within the day are often alike
_WIDE = 0.01  # of the price, between high and low: where four prices are so far apart chance repeats none


def usable(rows: Series) -> Array:
    """[R] bool: four prices above zero."""
    prices = np.stack([rows[name] for name in PRICES])
    good: Array = (np.isfinite(prices) & (prices > 0)).all(axis=0)
    return good


def check_numbers(rows: Series) -> list[Mark]:
    """`nan`: no number, or an infinite one. `non_positive`: a price of zero or less, a volume below zero."""
    names = [*PRICES, "volume", *(["adj_close"] if "adj_close" in rows.columns else [])]
    values = np.stack([rows[name] for name in names])
    is_nan = ~np.isfinite(values)
    limit = np.array([[name == "volume"] for name in names])
    is_low = ~is_nan & np.where(limit, values < 0, values <= 0)

    def about(bad: Array, fault: str) -> list[Mark]:
        def say(r: int) -> str:
            k = int(bad[:, r].argmax())
            return f"{names[k]} is {values[k, r]}, {fault.format(what='volume' if limit[k] else 'price')}"

        check = "nan" if bad is is_nan else "non_positive"
        return mark(check, "error", rows, np.asarray(bad.any(axis=0)), say)

    return about(is_nan, "not a finite number") + about(is_low, "not a {what} above zero")


def check_range(rows: Series) -> list[Mark]:
    """`high_low`: open or close outside of low .. high, by more than a rounding."""
    body = np.stack([rows["open"], rows["close"]])
    high, low = rows["high"], rows["low"]
    top, bottom = np.maximum(body.max(axis=0), low), body.min(axis=0)
    is_above, is_below = top - high > ROUNDING * high, low - bottom > ROUNDING * bottom

    def say(r: int) -> str:
        limit, value = ("high", high[r]) if is_above[r] else ("low", low[r])
        for name in ("low", "open", "close") if is_above[r] else ("open", "close"):
            if (rows[name][r] > value) if is_above[r] else (rows[name][r] < value):
                return (
                    f"{name} is {rows[name][r]}, {'above' if is_above[r] else 'below'} the {limit} of {value}"
                )
        return f"{limit} is {value}"

    return mark("high_low", "error", rows, is_above | is_below, say)


def check_duplicates(rows: Series) -> list[Mark]:
    """`duplicates`: a date that a symbol has twice."""
    twice = repeated_dates(rows)
    is_same = equal_rows(rows)
    return mark(
        "duplicates",
        "error",
        rows,
        twice,
        lambda r: f"comes more than once, {'the same again' if is_same[r] else 'with other numbers'}",
    )


def repeated_dates(rows: Series) -> Array:
    """[R] bool: the row before has the same symbol and date."""
    same: Array = rows.follows & (rows.date == rows.before(rows.date))
    return same


def equal_rows(rows: Series) -> Array:
    """[R] bool: the row before has the same symbol, date and numbers."""
    same = repeated_dates(rows)
    for values in rows.columns.values():
        other = rows.before(values)
        same &= (values == other) | (np.isnan(values) & np.isnan(other))
    return same


def check_volume(rows: Series) -> list[Mark]:
    """`zero_volume`: no trade, of a symbol that has a volume at all."""
    has_volume = np.zeros(len(rows.symbols), bool)
    has_volume[rows.code[rows["volume"] > 0]] = True
    is_zero = (rows["volume"] == 0) & has_volume[rows.code]
    return mark("zero_volume", "warning", rows, is_zero, lambda r: f"volume is 0, close {rows['close'][r]:g}")


def repeats(rows: Series) -> Array:
    """[R] bool: open, high, low and close are those of the row before."""
    same = rows.follows
    for name in PRICES:
        same = same & (rows[name] == rows.before(rows[name]))
    return same


def check_stale(rows: Series) -> list[Mark]:
    """`stale`: bars that repeat the open, high, low and close of the one before, which chance seldom does.

    One is enough where the four differ by much, two elsewhere, four within the day where they are one price.
    """
    same = repeats(rows)
    number = np.cumsum(~same)  # of the run
    length = np.bincount(number, minlength=number[-1] + 1 if len(number) else 0)[number] - 1
    is_thin = (rows["high"] == rows["low"]) & (rows.step < DAILY)[rows.code]
    open_, high, low, close = (rows[name] for name in PRICES)
    is_wide = (
        (high - low >= _WIDE * low) & (np.maximum(open_, close) < high) & (np.minimum(open_, close) > low)
    )
    enough = np.where(is_thin, _FLAT_REPEATS, np.where(is_wide & (open_ != close), 1, _REPEATS))
    is_stale = same & (length >= enough)
    return mark(
        "stale",
        "warning",
        rows,
        is_stale,
        lambda r: f"{length[r] + 1} bars of the same prices, close {rows['close'][r]:g}",
    )
