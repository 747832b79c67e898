"""Markets whose optimal policy is known: `synthetic:NAME?key=value&...` -> Bars. They are the learning tests.

Every market has hourly bars without gaps (open = previous close) that start at 100 on 2000-01-01.
"""

from __future__ import annotations

from urllib.parse import parse_qsl

import numpy as np
from pydantic import Field
from scipy.signal import lfilter

from tradebot.config import Config, build, suggestion
from tradebot.core import Array, InputError
from tradebot.prices.bars import Bars

PREFIX = "synthetic:"


class AR1(Config):
    """r_t = phi r_{t-1} + sqrt(1 - phi^2) sigma e_t: log returns with stationary standard deviation sigma."""

    phi: float = Field(0.2, gt=-1, lt=1, description="Autocorrelation of the returns")
    sigma: float = Field(
        0.001, gt=0, lt=0.1, description="Stationary standard deviation of the return per bar"
    )
    seed: int = Field(0, ge=0, description="Seed of the path")
    n: int = Field(100_000, ge=2, le=20_000_000, description="Bars")

    def log_returns(self) -> Array:
        """[n - 1]"""
        noise = np.random.default_rng(self.seed).standard_normal(self.n - 1)
        noise[1:] *= np.sqrt(1 - self.phi**2)  # the first return is drawn from the stationary law
        return self.sigma * np.asarray(lfilter([1.0], [1.0, -self.phi], noise))


class GBM(Config):
    """Geometric Brownian motion: r_t = mu - sigma^2 / 2 + sigma e_t. If mu = 0 the price is a martingale."""

    mu: float = Field(0.0, gt=-0.1, lt=0.1, description="Drift of the price per bar")
    sigma: float = Field(0.01, gt=0, lt=0.1, description="Standard deviation of the log return per bar")
    seed: int = Field(0, ge=0, description="Seed of the path")
    n: int = Field(100_000, ge=2, le=20_000_000, description="Bars")

    def log_returns(self) -> Array:
        """[n - 1]"""
        noise = np.random.default_rng(self.seed).standard_normal(self.n - 1)
        return self.mu - self.sigma**2 / 2 + self.sigma * noise


MARKETS: dict[str, type[AR1] | type[GBM]] = {"ar1": AR1, "gbm": GBM}


def read(spec: str) -> Bars:
    """Bars of `synthetic:ar1?phi=0.2&sigma=0.001&seed=1&n=3000`. Their symbol names market and seed: AR1#1.

    Raises InputError for an unknown market or key, a value out of bounds and a path that no number can hold.
    """
    name, _, query = spec.removeprefix(PREFIX).partition("?")
    if name not in MARKETS:
        raise InputError(f"unknown synthetic market {name!r}{suggestion(name, MARKETS)}")
    try:
        pairs = parse_qsl(query, strict_parsing=True, keep_blank_values=True) if query else []
    except ValueError:
        raise InputError(f"{spec!r}: write the parameters as key=value&key=value") from None
    values = dict(pairs)
    if len(values) < len(pairs):
        raise InputError(f"{spec!r}: a parameter is given twice")
    market = build(MARKETS[name], values, spec)
    logs = np.concatenate([[0.0], np.cumsum(market.log_returns())])
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
        volume=np.ones((market.n, 1)),
        source=spec,
    )
