"""AR(1) returns with costs: the optimal policy by dynamic programming, and the score to judge agents by.

Returns follow r' = phi r + sqrt(1 - phi^2) sigma e. A position a in {-1, 0, 1} is chosen knowing the last
return r and the position p so far; it earns phi r a on average and costs `cost_bp` per unit of |a - p|. The
optimum is a band of inaction: no trade unless the return says enough.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit
from scipy.stats import norm

from tradebot.core import Array
from tradebot.prices.bars import Bars

PHI, SIGMA, COST_BP = 0.2, 0.001, 0.5
OPTIMUM_BP = 1.207  # per step, additive
POSITIONS = np.array([-1.0, 0.0, 1.0])


def additive_score(bars: Bars, requests: Array, phi: float = PHI, cost_bp: float = COST_BP) -> Array:
    """What positions held from each bar to the next earn on average: bp per step, [M] for requests [T, M].

    The conditional mean phi r_t of the next return stands for the return itself, which would only add noise.
    """
    last_return = np.diff(np.log(bars.close[:, 0]), prepend=np.log(bars.close[0, 0]))
    changes = np.abs(np.diff(requests, axis=0, prepend=0.0))
    gain = (requests * (phi * last_return)[:, None]).mean(axis=0)
    return np.asarray(1e4 * gain - cost_bp * changes.mean(axis=0))


class Optimum(NamedTuple):
    """The optimal stationary policy on a grid of returns."""

    bp_per_step: float
    returns: Array  # [G]
    policy: Array  # [G, 3] position to take, by return and by position so far (-1, 0, 1)

    def requests(self, bars: Bars) -> Array:
        """[T] positions on these bars, from flat."""
        last_return = np.diff(np.log(bars.close[:, 0]), prepend=np.log(bars.close[0, 0]))
        nearest = np.searchsorted((self.returns[1:] + self.returns[:-1]) / 2, last_return)
        return np.asarray(follow(self.policy[nearest][:, None])[:, 0])


@njit
def follow(choice: Array) -> Array:
    """From choices [T, M, 3], one for each position that may be held, to the positions [T, M] from flat."""
    held = np.empty(choice.shape[:2])
    for m in range(choice.shape[1]):
        position = 0.0
        for t in range(choice.shape[0]):
            position = choice[t, m, int(position) + 1]
            held[t, m] = position
    return held


def optimum(phi: float = PHI, sigma: float = SIGMA, cost_bp: float = COST_BP, n: int = 301) -> Optimum:
    """Relative value iteration for the average reward (Puterman 1994, 8.5.5) over (return, position)."""
    edges = np.linspace(-5 * sigma, 5 * sigma, n + 1)
    returns = (edges[1:] + edges[:-1]) / 2
    noise = np.sqrt(1 - phi**2) * sigma
    inner = norm.cdf((edges[1:-1] - phi * returns[:, None]) / noise)  # [G, G - 1]
    transition = np.diff(inner, axis=1, prepend=0.0, append=1.0)  # the outer cells take the tails
    cost = cost_bp * np.abs(POSITIONS - POSITIONS[:, None])  # [p, a]
    reward = 1e4 * phi * returns[:, None, None] * POSITIONS - cost  # [G, p, a] in bp
    value = np.zeros((n, 3))
    while True:
        q = reward + (transition @ value)[:, None, :]
        gain = q.max(axis=2) - value
        value = value + gain - gain[n // 2, 1]
        if np.ptp(gain) < 1e-9:
            return Optimum(float(gain.mean()), returns, POSITIONS[q.argmax(axis=2)])
