"""AR(1) returns with costs: the market of the learning tests, and the score to judge agents by.

A position a in {-1, 0, 1} is chosen knowing the last return r and the position p so far; it earns phi r a on
average and costs `cost_bp` per unit of |a - p|. `tradebot.market.optima` has the optimal policy.
"""

from __future__ import annotations

import numpy as np

from tradebot.core import Array
from tradebot.market import optima
from tradebot.market.synthetic import AR1
from tradebot.prices.bars import Bars

PHI, SIGMA, COST_BP = 0.2, 0.001, 0.5
OPTIMUM_BP = 1.207  # per step, additive


def optimum() -> optima.Optimum:
    return optima.ar1(AR1(phi=PHI, sigma=SIGMA), COST_BP / 1e4)


def additive_score(bars: Bars, requests: Array, phi: float = PHI, cost_bp: float = COST_BP) -> Array:
    """What positions held from each bar to the next earn on average: bp per step, [M] for requests [T, M].

    The conditional mean phi r_t of the next return stands for the return itself, which would only add noise.
    """
    changes = np.abs(np.diff(requests, axis=0, prepend=0.0))
    gain = (requests * (phi * optima.last_returns(bars))[:, None]).mean(axis=0)
    return np.asarray(1e4 * gain - cost_bp * changes.mean(axis=0))
