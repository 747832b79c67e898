"""The optimal rule and its value for every market of `market.synthetic`.

Convention: a request at bar t is a target weight that knows the bars up to t and earns the return of bar
t+1; changing it costs `cost` (a fraction) per unit of weight. Weights lie in [-1, 1]. A value is the mean
gain per bar as a fraction of wealth: additive for AR1, OU, Regime and Leak, whose moves are so small that
compounding changes nothing that matters, and the growth of log wealth for GBM and Coin.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numba import njit
from scipy.special import ndtr

from tradebot.core import Array
from tradebot.market.synthetic import AR1, GBM, OU, VOLUME, Leak, Regime
from tradebot.prices.bars import Bars

POSITIONS = np.array([-1.0, 0.0, 1.0])


class Optimum(NamedTuple):
    """What is best to do, and what it earns."""

    value: float  # per bar
    requests: Callable[[Bars], Array]  # [T] target weights, causal


@njit(cache=True)
def follow(choice: Array) -> Array:
    """From choices [T, M, 3], one for each position that may be held, to the positions [T, M] from flat."""
    held = np.empty(choice.shape[:2])
    for m in range(choice.shape[1]):
        position = 0.0
        for t in range(choice.shape[0]):
            position = choice[t, m, int(position) + 1]
            held[t, m] = position
    return held


class Band(NamedTuple):
    """The optimal stationary policy on a grid of the state that is observed."""

    value: float  # per bar
    states: Array  # [G]
    policy: Array  # [G, 3] position to take, by state and by position so far (-1, 0, 1)

    def requests(self, state: Array) -> Array:
        """[T] positions at these states [T], from flat."""
        nearest = np.searchsorted((self.states[1:] + self.states[:-1]) / 2, state)
        return np.asarray(follow(self.policy[nearest][:, None]))[:, 0]


def band(persistence: float, noise: float, forecast: float, cost: float, n: int = 301) -> Band:
    """The optimum where the next return is forecast by a normal AR(1) state: x' = persistence x + noise e.

    Holding a in {-1, 0, 1} earns `forecast` x a on average, changing it from p costs `cost` |a - p|. What is
    optimal is a band of inaction: no trade unless the state says enough. Relative value iteration for the
    average reward (Puterman 1994, 8.5.5) over (state, position), on n cells that span five stationary
    deviations to either side; 301 of them find the value to about one part in 4000.
    """
    width = 5 * noise / np.sqrt(1 - persistence**2)
    edges = np.linspace(-width, width, n + 1)
    states = (edges[1:] + edges[:-1]) / 2
    inner = ndtr((edges[1:-1] - persistence * states[:, None]) / noise)  # [G, G - 1]
    transition = np.diff(inner, axis=1, prepend=0.0, append=1.0)  # the outer cells take the tails
    change = np.abs(POSITIONS - POSITIONS[:, None])  # [p, a]
    reward = forecast * states[:, None, None] * POSITIONS - cost * change  # [G, p, a]
    value = np.zeros((n, 3))
    while True:
        q = reward + (transition @ value)[:, None, :]
        gain = q.max(axis=2) - value
        value = value + gain - gain[n // 2, 1]
        if np.ptp(gain) < 1e-9 * noise:
            return Band(float(gain.mean()), states, POSITIONS[q.argmax(axis=2)])


def ar1(market: AR1, cost: float) -> Optimum:
    """The state is the last return. Without costs the value is E |phi r| = |phi| sigma sqrt(2 / pi)."""
    noise = np.sqrt(1 - market.phi**2) * market.sigma
    best = band(market.phi, noise, market.phi, cost)
    return Optimum(best.value, lambda bars: best.requests(last_returns(bars)))


def ou(market: OU, cost: float) -> Optimum:
    """The state is the log price x. Without costs the value is (1 - a) s sqrt(2 / (pi (1 - a^2)))."""
    a = market.persistence
    best = band(a, market.noise, a - 1, cost)
    return Optimum(best.value, lambda bars: best.requests(np.log(bars.close[:, 0] / 100.0)))


def regime(market: Regime, cost: float) -> Optimum:
    """Long in one regime and short in the other earns mu - 2 c q; where that is negative, nothing is best.

    The regime s_t is seen at bar t, and mu s_t is then the expected move at t+1. Following it turns the
    position over, by two units, with probability q a bar. By symmetry a rule that does so in a share of the
    bars earns that share: long-flat half of it. A position kept for ever earns nothing.
    """
    value = market.mu - 2 * cost * market.q
    sign = np.sign(max(value, 0.0))
    return Optimum(max(value, 0.0), lambda bars: sign * np.sign(last_returns(bars)))


def leak(market: Leak) -> Optimum:
    """Without costs, long or short by the next return's sign: E |r| = sigma sqrt(2 / pi)."""
    value = market.sigma * np.sqrt(2 / np.pi)
    return Optimum(float(value), lambda bars: np.sign(bars.volume[:, 0] - VOLUME))


def gbm(market: GBM) -> Optimum:
    """The weight w that maximises log wealth without costs, and its growth w mu - w^2 sigma^2 / 2.

    That is mu / sigma^2 (Kelly 1956; Merton 1969), which grows by mu^2 / (2 sigma^2), or fully invested
    where it is more. Rebalanced at every bar; exact as bars get short (relative error of order sigma^2). On
    a martingale, where mu = 0, it is never to trade, with costs too.
    """
    weight = float(np.clip(market.mu / market.sigma**2, -1.0, 1.0))
    value = weight * market.mu - (weight * market.sigma) ** 2 / 2
    return Optimum(value, lambda bars: np.full(len(bars), weight))


def coin() -> Optimum:
    """Half of the wealth in the coin at every bar, without costs: growth ln(3/2 x 3/4) / 2 = ln(9/8) / 2.

    E ln(1 + w R) with R = 1 or -1/2 has its maximum where 1 / (1 + w) = 1 / (2 - w). The price itself does
    not grow: Shannon's demon (Poundstone, Fortune's Formula, 2005).
    """
    return Optimum(float(np.log(9 / 8) / 2), lambda bars: np.full(len(bars), 0.5))


def last_returns(bars: Bars) -> Array:
    """[T] log returns of the first symbol, 0 at the first bar."""
    return np.diff(np.log(bars.close[:, 0]), prepend=np.log(bars.close[0, 0]))
