"""Backtests made by the engine for the tests of reports: random walks, and members that trade by turns."""

import numpy as np

from tests.candles import side_by_side
from tradebot.backtest import engine
from tradebot.backtest.engine import Backtest
from tradebot.core import Array
from tradebot.market.configs import TradingConfig
from tradebot.market.costs import Costs
from tradebot.prices.bars import Bars


def bars(symbol: str = "AAPL", n: int = 300, close: Array | None = None) -> Bars:
    """Daily bars that open at the last close: a random walk unless closes are given."""
    if close is None:
        close = 100 * np.exp(np.cumsum(np.random.default_rng(9).normal(0.0005, 0.02, n)))
    open_ = np.append(close[:1], close[:-1])
    return Bars(
        timestamps=np.datetime64("2010-01-04", "us") + np.arange(len(close)) * np.timedelta64(1, "D"),
        symbols=(symbol,),
        open=open_[:, None],
        high=np.maximum(open_, close)[:, None],
        low=np.minimum(open_, close)[:, None],
        close=close[:, None],
        volume=np.ones((len(close), 1)),
        source="sample",
    )


def spells(n: int, seed: int) -> Array:
    """Requests that are long, short or flat for 15 bars each."""
    return np.repeat(np.random.default_rng(seed).integers(-1, 2, n // 15 + 1), 15)[:n].astype(float)


def backtest(
    name: str = "dqn",
    *,
    market: Bars | None = None,
    seeds: int = 4,
    first_seed: int = 0,
    in_sample: bool = False,
) -> Backtest:
    """Members that are long, short or flat by turns, beside buy-and-hold and an account that never trades."""
    market = market or bars()
    n = len(market)
    return engine.run(
        name,
        market,
        {f"seed {i}": spells(n, i) for i in range(first_seed, first_seed + seeds)},
        {"buy_and_hold": np.ones(n), "flat": np.zeros(n)},
        market=TradingConfig(cash=10_000.0),
        costs=Costs(commission_bps=2.5, half_spread_bps=1.5),
        in_sample=in_sample,
    )


def portfolio(n_symbols: int = 3) -> Backtest:
    """Two members that hold each symbol long, short or not at all by turns, at costs that count no share."""
    moves = np.random.default_rng(8).normal(0.0005, 0.02, (n_symbols, 300))
    market = side_by_side(*(bars(close=100 * np.exp(np.cumsum(each))) for each in moves))
    members = {
        f"seed {i}": np.stack([spells(300, 10 * i + a) for a in range(n_symbols)], axis=1) / n_symbols
        for i in range(2)
    }
    flat = {"flat": np.zeros((300, n_symbols))}
    config = TradingConfig(cash=10_000.0)
    return engine.run("ppo", market, members, flat, market=config, costs=Costs(), in_sample=False)
