"""What a step is worth to the learner, given the log growth of equity over it: pure functions by name.

g_t = ln(equity[t+1] / equity[t]) is what the kernel gives; R_t = exp(g_t) - 1 is the return. A reward that
remembers keeps K numbers for each of E environments, which start at 0 with each episode.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from tradebot import plugins
from tradebot.core import Array, InputError

ETA = 1 / 252  # rate at which moments forget: a year of daily bars
RISK_AVERSION = 2.0  # log growth itself has a relative risk aversion of 1: both together about 3
LARGEST = 10.0  # a differential Sharpe ratio lies within +-10, as if no move had more than ten deviations
STILL = 1e-12  # a variance up to this share of the mean square is rounding: nothing has moved yet


class Reward(NamedTuple):
    """`memory = np.empty((E, n_memory))`, `begin(memory)`, then `compute(log_growth, memory)` each step."""

    name: str
    n_memory: int  # K
    compute: Callable[[Array, Array], Array]  # (log growth [E], memory [E, K], changed in place) -> [E]
    description: str
    is_return: bool = True  # of the size of a return, which is to be scaled; else of order one

    def begin(self, memory: Array, ended: Array | slice = slice(None)) -> None:
        """Set the rows `ended` [E] bool of the memory [E, K] (default: all) to those of a new episode."""
        memory[ended] = 0.0


def differential_sharpe(eta: float = ETA) -> Reward:
    """Moody and Saffell (1998, 2001): what a return adds to the exponential Sharpe ratio, per `eta`.

    With A and B the moving first and second moments of the returns, dA = R - A and dB = R^2 - B::

        D_t = (B_{t-1} dA_t - A_{t-1} dB_t / 2) / (B_{t-1} - A_{t-1}^2)^(3/2)
        A_t = A_{t-1} + eta dA_t,  B_t = B_{t-1} + eta dB_t

    It has the unit 1, as has z = R / deviation, and is about z where A is small: it needs no scale. It is 0
    while there is no variance and lies within +-LARGEST: few returns make no variance to measure by.
    """

    def compute(log_growth: Array, memory: Array) -> Array:
        returns = np.expm1(log_growth)
        first, second = memory[:, 0].copy(), memory[:, 1].copy()
        d_first, d_second = returns - first, returns**2 - second
        variance = second - first**2
        defined = variance > STILL * second
        gain = np.divide(
            second * d_first - first * d_second / 2,
            np.where(defined, variance, 1.0) ** 1.5,
            out=np.zeros_like(returns),
            where=defined,
        )
        memory[:, 0] += eta * d_first
        memory[:, 1] += eta * d_second
        return np.asarray(np.clip(gain, -LARGEST, LARGEST))

    return Reward(
        "differential-sharpe",
        2,
        compute,
        f"what the return adds to the Sharpe ratio of about the last {1 / eta:.0f} bars (Moody and Saffell)",
        is_return=False,
    )


def volatility_penalised(risk_aversion: float = RISK_AVERSION, eta: float = ETA) -> Reward:
    """Ritter (2017, "Machine learning for trading"): g_t - lambda/2 (g_t - m_{t-1})^2.

    Ritter's increment of wealth is here the log growth g, his estimate of its mean an exponential one,
    m_t = m_{t-1} + eta (g_t - m_{t-1}). Its expectation is mean - lambda/2 variance, as far as m is the mean.
    """

    def compute(log_growth: Array, memory: Array) -> Array:
        surprise = log_growth - memory[:, 0]
        memory[:, 0] += eta * surprise
        return np.asarray(log_growth - risk_aversion / 2 * surprise**2)

    return Reward(
        "volatility-penalised",
        1,
        compute,
        f"log growth - {risk_aversion / 2:g} x its squared deviation from its mean (Ritter)",
    )


_KNOWN = (
    Reward("log-return", 0, lambda growth, memory: growth, "log growth of equity"),
    Reward("return", 0, lambda growth, memory: np.expm1(growth), "growth of equity in parts of it"),
    differential_sharpe(),
    volatility_penalised(),
)
REWARDS: dict[str, Reward] = {reward.name: reward for reward in _KNOWN}


def of_plugin(plugin: plugins.Plugin) -> Reward:
    """The reward of a person's function, log growth [E] -> reward [E].

    It raises InputError for the function's faults: another shape, a reward that is not finite, an exception.
    """
    return Reward(plugin.name, 0, lambda growth, memory: _own(plugin, growth), "a function of a file")


def _own(plugin: plugins.Plugin, log_growth: Array) -> Array:
    reward = plugin(log_growth.copy())
    if reward.shape != log_growth.shape:
        raise InputError(
            f"{plugin.name}: returned the shape {reward.shape}, expected {log_growth.shape}, one an account"
        )
    if not (finite := np.isfinite(reward)).all():
        e = int(np.argmin(finite))
        raise InputError(f"{plugin.name}: the reward of the log growth {log_growth[e]:g} is {reward[e]}")
    return reward
