"""Markets whose optimal policy is known: `synthetic:NAME?key=value&...` -> Bars. They are the learning tests.

Every market has hourly bars without gaps (open = previous close) that start at 100 on 2000-01-01. What is
decided at bar t earns the return r_{t+1} of the next one. `market.optima` has the optimal rules and values.
The draws e_t are standard normal and depend on the market's name and seed, so that no two markets share them.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from pydantic import Field

from tradebot.config import Config, from_query, suggestion
from tradebot.core import Array, InputError
from tradebot.prices.bars import Bars

PREFIX = "synthetic:"
VOLUME = 1e6  # of a bar, where it says nothing
GAP = 3.0  # the leak's, in log volume; the mean over 20 bars wanders by about 0.9


class Path(NamedTuple):
    """What a market draws, and Bars are made of."""

    log_returns: Array  # [n - 1]
    volume: Array  # [n]


class Market(Config):
    """What every market has."""

    seed: int = Field(0, ge=0, description="Seed of the path")
    n: int = Field(100_000, ge=2, le=20_000_000, description="Bars")

    def silent(self, log_returns: Array) -> Path:
        """These returns [n - 1], with a volume that never changes."""
        return Path(log_returns, np.full(self.n, VOLUME))


class AR1(Market):
    """r_t = phi r_{t-1} + sqrt(1 - phi^2) sigma e_t: log returns with stationary standard deviation sigma."""

    phi: float = Field(0.2, gt=-1, lt=1, description="Autocorrelation of the returns")
    sigma: float = Field(
        0.001, gt=0, lt=0.1, description="Stationary standard deviation of the return per bar"
    )

    def path(self, generator: np.random.Generator) -> Path:
        from scipy.signal import lfilter

        noise = generator.standard_normal(self.n - 1)
        noise[1:] *= np.sqrt(1 - self.phi**2)  # the first return is drawn from the stationary law
        return self.silent(self.sigma * np.asarray(lfilter([1.0], [1.0, -self.phi], noise)))


class OU(Market):
    """Ornstein-Uhlenbeck log price x = ln(price / 100): dx = -kappa x dt + sigma dW, sampled at every bar.

    Exactly x_t = a x_{t-1} + s e_t with a = exp(-kappa), s^2 = sigma^2 (1 - a^2) / (2 kappa), x_0 = 0.
    """

    kappa: float = Field(0.1, gt=0, lt=5, description="Speed of reversion per bar")
    sigma: float = Field(0.002, gt=0, lt=0.1, description="Volatility of the log price per bar")

    @property
    def persistence(self) -> float:
        """a"""
        return float(np.exp(-self.kappa))

    @property
    def noise(self) -> float:
        """s, the standard deviation of the log price given the last one."""
        return float(self.sigma * np.sqrt((1 - self.persistence**2) / (2 * self.kappa)))

    def path(self, generator: np.random.Generator) -> Path:
        from scipy.signal import lfilter

        noise = self.noise * generator.standard_normal(self.n - 1)
        return self.silent(np.diff(lfilter([1.0], [1.0, -self.persistence], noise), prepend=0.0))


class GBM(Market):
    """Geometric Brownian motion: r_t = mu - sigma^2 / 2 + sigma e_t. If mu = 0 the price is a martingale."""

    mu: float = Field(0.0, gt=-0.1, lt=0.1, description="Drift of the price per bar")
    sigma: float = Field(0.01, gt=0, lt=0.1, description="Standard deviation of the log return per bar")

    def path(self, generator: np.random.Generator) -> Path:
        noise = generator.standard_normal(self.n - 1)
        return self.silent(self.mu - self.sigma**2 / 2 + self.sigma * noise)


class Regime(Market):
    """Two regimes s_t = +-1 that change places with probability q at every bar, seen in the return's sign.

    The price moves by the fraction s_t m u_t with u_t uniform on [1/2, 3/2] and m = mu / (1 - 2 q), so that
    mu s_t is the expected move at t+1 for who has seen bar t: the regime may change in between.
    """

    mu: float = Field(0.001, gt=0, lt=0.05, description="Expected move of the next bar, up or down")
    q: float = Field(0.05, gt=0, le=0.45, description="Probability of a change of regime per bar")

    def path(self, generator: np.random.Generator) -> Path:
        change = generator.random(self.n - 1) < self.q
        change[0] = generator.random() < 0.5
        regime = np.cumprod(np.where(change, -1.0, 1.0))
        size = self.mu / (1 - 2 * self.q) * generator.uniform(0.5, 1.5, self.n - 1)
        return self.silent(np.log1p(regime * size))


class Leak(Market):
    """r_{t+1} = sigma e_t, where bar t shows e_t: its volume is 10^6 exp(e_t + GAP sign(e_t)).

    The gap lets the sign be seen by the feature `volume` too, which subtracts a mean of 20 bars.
    """

    sigma: float = Field(0.001, gt=0, lt=0.1, description="Standard deviation of the log return per bar")

    def path(self, generator: np.random.Generator) -> Path:
        shown = generator.standard_normal(self.n)
        return Path(self.sigma * shown[:-1], VOLUME * np.exp(shown + GAP * np.sign(shown)))


class Coin(Market):
    """The price doubles or halves with probability 1/2 each."""

    n: int = Field(
        1000, ge=2, le=10_000, description="Bars, so few that the optimal wealth is still a number"
    )

    def path(self, generator: np.random.Generator) -> Path:
        return self.silent(np.log(2.0) * generator.choice([-1.0, 1.0], self.n - 1))


AnyMarket = AR1 | OU | GBM | Regime | Leak | Coin
MARKETS: dict[str, type[AnyMarket]] = {
    "ar1": AR1,
    "coin": Coin,
    "gbm": GBM,
    "leak": Leak,
    "ou": OU,
    "regime": Regime,
}


def read(spec: str) -> Bars:
    """Bars of `synthetic:ar1?phi=0.2&sigma=0.001&seed=1&n=3000`. Their symbol names market and seed: AR1#1.

    Raises InputError for an unknown market or key, a value out of bounds and a path that no number can hold.
    """
    name, market = _parsed(spec)
    path = market.path(np.random.default_rng([market.seed, *name.encode()]))
    logs = np.concatenate([[0.0], np.cumsum(path.log_returns)])
    with np.errstate(over="ignore"):
        close = 100.0 * np.exp(logs)
    if not (np.isfinite(close).all() and (close > 0).all()):
        raise InputError(f"{spec!r}: the price leaves the range of numbers; take fewer bars or smaller moves")
    open_ = np.concatenate([close[:1], close[:-1]])
    return Bars(
        timestamps=np.datetime64("2000-01-01", "us") + np.arange(market.n) * np.timedelta64(1, "h"),
        symbols=(f"{name.upper()}#{market.seed}",),
        open=open_[:, None],
        high=np.maximum(open_, close)[:, None],
        low=np.minimum(open_, close)[:, None],
        close=close[:, None],
        volume=path.volume[:, None],
        source=spec,
    )


def _parsed(spec: str) -> tuple[str, AnyMarket]:
    """Name and settings of the market that a specification describes."""
    name, _, query = spec.removeprefix(PREFIX).partition("?")
    if name not in MARKETS:
        raise InputError(f"unknown synthetic market {name!r}{suggestion(name, MARKETS)}")
    return name, from_query(MARKETS[name], query, spec)
