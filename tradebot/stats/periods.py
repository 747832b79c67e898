"""Returns by calendar month or year: fractions, which compound to the total return."""

from __future__ import annotations

from typing import Literal

import numpy as np

from tradebot.core import Array
from tradebot.stats.metrics import returns


def calendar_returns(equity: Array, timestamps: Array, unit: Literal["M", "Y"]) -> tuple[Array, Array]:
    """(periods [K] datetime64[unit], returns [K]) of the months or years that have bars, in order.

    `equity` [T] currency, `timestamps` [T] datetime64, increasing. r_k = last equity in period k over the
    last equity before it (for the first: the initial cash equity[0]), minus 1, hence
    prod(1 + r) = equity[-1] / equity[0]. NaN for a period that starts without positive equity.
    """
    period = timestamps.astype(f"datetime64[{unit}]")
    last = np.flatnonzero(np.append(period[1:] != period[:-1], True))
    return period[last], returns(np.append(equity[:1], equity[last]))
