"""Copies of a market in which nothing can be predicted: the same bars in another order.

A bar is the tuple open / last close, high / open, low / open, close / open and volume. Their order is drawn
anew, so that each bar keeps its shape and each part its total return, and what one bar told about the next is
lost (after Masters 2018, who shuffles gaps and bodies apart). All symbols follow one order, which keeps what
they have to do with each other. Times stay where they are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np

from tradebot.core import Array, InputError
from tradebot.prices.bars import Bars


def permuted(bars: Bars, cuts: Sequence[int], generator: np.random.Generator, *, block: int = 0) -> Bars:
    """The bars from 1 on in another order, drawn apart in each part: a part begins at each of `cuts`.

    The first bar stays, since it has no last close. With `block` > 0 it is stretches of so many bars that
    change places; where the first begins is drawn too. A part's return is kept to rounding. Raises InputError
    for raw prices with dividends or splits, which belong to a date and a price.
    """
    if bars.has_actions:
        raise InputError(
            f"{bars.who}: bars with dividends and splits beside them cannot be shuffled: --prices adjusted"
        )
    order = np.arange(len(bars))
    bounds = [1, *(cut for cut in cuts if 1 < cut < len(bars)), len(bars)]
    for first, stop in pairwise(bounds):
        order[first:stop] = first + _order(stop - first, block, generator)
    return _in_order(bars, order)


def _order(n: int, block: int, generator: np.random.Generator) -> Array:
    """A permutation of 0 .. n-1, of single numbers or of stretches of `block` on a circle."""
    if block <= 1:
        return generator.permutation(n)
    ring = np.roll(np.arange(n), -int(generator.integers(n)))
    stretches = [ring[i : i + block] for i in range(0, n, block)]
    return np.concatenate([stretches[i] for i in generator.permutation(len(stretches))])


def _in_order(bars: Bars, order: Array) -> Bars:
    """Prices are multiplied up from the first bar. A bar that a symbol misses goes along as one."""
    last = np.concatenate([bars.open[:1], bars.close[:-1]])  # so that the first bar's gap is none
    gap, body = (bars.open / last)[order], (bars.close / bars.open)[order]
    growth = np.cumprod(gap * body, axis=0)
    close = bars.open[:1] * growth
    open_ = np.concatenate([bars.open[:1], close[:-1] * gap[1:]])
    high = open_ * (bars.high / bars.open)[order]
    low = open_ * (bars.low / bars.open)[order]
    return replace(
        bars,
        open=open_,
        close=close,
        high=np.maximum(high, np.maximum(open_, close)),  # they are that but for rounding
        low=np.minimum(low, np.minimum(open_, close)),
        volume=bars.volume[order],
        missing=bars.missing[order],
        source=f"{bars.source} (shuffled)",
    )
