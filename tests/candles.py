"""Hand-made bars for tests: given opens and closes, daily, with a range that just holds them.

And `Case`: a table of candles, what is asked for at each, and the fills and the money that must come out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from string import ascii_uppercase
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
import pytest

from tradebot.backtest import engine
from tradebot.core import Array
from tradebot.market.configs import TradingConfig
from tradebot.market.costs import Costs
from tradebot.prices.bars import Bars


def bars(open_: Sequence[float] | Array, close: Sequence[float] | Array, volume: Array | None = None) -> Bars:
    """One symbol, TEST."""
    o, c = np.asarray(open_, dtype=np.float64), np.asarray(close, dtype=np.float64)
    v = np.ones(len(o)) if volume is None else volume
    return Bars(
        timestamps=np.datetime64("2020-01-01", "us") + np.arange(len(o)) * np.timedelta64(1, "D"),
        symbols=("TEST",),
        open=o[:, None],
        high=np.maximum(o, c)[:, None],
        low=np.minimum(o, c)[:, None],
        close=c[:, None],
        volume=v[:, None],
    )


def walk(n: int, seed: int = 0, move: float = 0.01, gap: float = 0.003) -> Bars:
    """A random walk with gaps and changing volume; `move` and `gap` are deviations of log returns."""
    generator = np.random.default_rng(seed)
    gaps, moves = gap * generator.standard_normal(n), move * generator.standard_normal(n)
    close = 50.0 * np.exp(np.cumsum(gaps + moves))
    return bars(close * np.exp(-moves), close, 1e6 * np.exp(generator.standard_normal(n)))


def side_by_side(*markets: Bars) -> Bars:
    """Markets of as many bars as one, at the times of the first, whose symbols are A, B, C ..."""
    columns: dict[str, Any] = {
        name: np.hstack([getattr(one, name) for one in markets])
        for name in ("open", "high", "low", "close", "volume", "missing", "dividends", "splits")
    }
    columns["adjusted"] = all(one.adjusted for one in markets)
    return Bars(markets[0].timestamps, tuple(ascii_uppercase[: len(markets)]), **columns)


def wild_market(n_assets: int, n_bars: int, seed: int) -> Bars:
    """Raw bars 1 to 30 days apart, whose gaps and moves are anything up to a factor of four.

    Of the bars after the first a tenth is missing and another has no volume. Prices are of order 50 and
    volumes of order 30 units, which 1000 in cash may or may not exceed.
    """
    generator = np.random.default_rng(seed)
    shape = n_bars, n_assets
    widest = generator.choice([0.01, 0.1, np.log(4.0)], (2, 1, n_assets))  # of some assets little
    gaps, moves = widest * generator.uniform(-1, 1, (2, *shape)) * (generator.random((2, *shape)) < 0.9)
    absent = generator.random(shape) < 0.1
    absent[0] = False
    absent[absent.all(axis=1), 0] = False  # every bar is somebody's
    logs = np.cumsum(np.where(absent, 0.0, gaps + moves), axis=0)
    close = 50.0 * np.exp(logs - logs.mean(axis=0))
    for t in np.flatnonzero(absent.any(axis=1)):  # to the last bit
        close[t, absent[t]] = close[t - 1, absent[t]]
    open_ = np.where(absent, close, close * np.exp(-moves))
    volume = 30.0 * np.exp(2.0 * generator.standard_normal(shape))
    volume[1:][generator.random(shape)[1:] < 0.1] = 0.0
    days = np.cumsum(generator.integers(1, 31, n_bars))
    return Bars(
        timestamps=np.datetime64("2020-01-01", "us") + days * np.timedelta64(1, "D"),
        symbols=tuple(ascii_uppercase[:n_assets]),
        open=open_,
        high=np.maximum(open_, close),
        low=np.minimum(open_, close),
        close=close,
        volume=np.where(absent, 0.0, volume),
        missing=absent,
        adjusted=False,
    )


def with_actions(market: Bars, seed: int) -> Bars:
    """Raw bars with dividends up to the last close and splits of any ratio, some of both in one bar.

    The prices stay: they move by whatever else they move by.
    """
    generator = np.random.default_rng(seed)
    shape = market.close.shape
    acts, pays = (~market.missing & (generator.random(shape) < 0.15) for _ in range(2))
    splits = np.where(acts, generator.choice([0.1, 1 / 3, 0.5, 1.5, 2.0, 3.0, 7.0], shape), 1.0)
    last = np.concatenate([market.close[:1], market.close[:-1]]) / splits
    dividends = np.where(pays, generator.uniform(0.001, 0.9, shape) * last, 0.0)
    return replace(market, splits=splits, dividends=dividends, adjusted=False)


Candle = tuple[float, ...]  # open, close and, where it matters, volume


class Case(NamedTuple):
    """What happens to an account of 1000 at no costs, unless the case says otherwise.

    One asset: a candle and a request a bar, fills (bar, signed units, price, fee). Several: the candles of
    each (None where it lacks the bar), a request for each a bar, fills (bar, "B", signed units, price, fee).
    """

    name: str
    candles: Sequence[Any]  # Candle, or Candle | None of each asset
    requests: Sequence[float] | Sequence[Sequence[float]]
    fills: Sequence[tuple[Any, ...]]
    cash: Sequence[float]
    equity: Sequence[float]
    start: float = 1000.0
    costs: Mapping[str, Any] = MappingProxyType({})
    rules: Mapping[str, Any] = MappingProxyType({})  # of the broker
    called: Sequence[int] = ()  # bars at whose close the broker called
    days: Sequence[int] = ()  # of the bars, one after the other unless given


def _columns(candles: Sequence[Candle | None]) -> tuple[Array, Array, Array, Array]:
    """Open, close, volume and what is missing [T] of one asset."""
    missing = np.array([candle is None for candle in candles])
    table = np.ones((len(candles), 3))
    for t, candle in enumerate(candles):
        filled = candle or (table[t - 1, 1], table[t - 1, 1], 0.0)
        table[t, : len(filled)] = filled
    return table[:, 0], table[:, 1], table[:, 2], missing


def check(case: Case) -> None:
    """Run the case through the backtest: its fills, the units they add up to, cash, equity and calls."""
    several = isinstance(case.requests[0], Sequence)
    assets: Any = case.candles if several else [case.candles]
    columns = zip(*map(_columns, assets), strict=True)
    open_, close, volume, missing = (np.stack(each, axis=1) for each in columns)
    days = np.array(case.days or list(range(len(open_))))
    costs = Costs(**{"commission_bps": 0, "half_spread_bps": 0, **case.costs})
    market = Bars(
        timestamps=np.datetime64("2020-01-01", "us") + days * np.timedelta64(1, "D"),
        symbols=tuple(ascii_uppercase[: len(assets)]),
        open=open_,
        high=np.maximum(open_, close),
        low=np.minimum(open_, close),
        close=close,
        volume=volume,
        missing=missing,
        adjusted=False,
    )
    requests = np.array(case.requests, dtype=np.float64).reshape(open_.shape)
    config = TradingConfig(cash=case.start, **case.rules)
    test = engine.run("x", market, {"m": requests}, {}, market=config, costs=costs, in_sample=False)
    track, fills = test.members[0], test.members[0].fills
    signed = fills["units"].where(fills["side"] == "buy", -fills["units"])
    found = list(zip(fills["bar"], fills["symbol"], signed, fills["price"], fills["fee"], strict=True))
    wanted = [fill if several else (fill[0], "A", *fill[1:]) for fill in case.fills]
    assert [fill[:2] for fill in found] == [fill[:2] for fill in wanted]
    assert [fill[2:] for fill in found] == [pytest.approx(fill[2:], abs=1e-9) for fill in wanted]
    assert fills["time"].tolist() == [market.timestamps[bar] for bar in fills["bar"]]
    units = np.zeros(open_.shape)
    for bar, symbol, size, *_ in wanted:
        units[bar:, market.symbols.index(symbol)] += size
    assert track.units.tolist() == [pytest.approx(list(row), abs=1e-9) for row in units]
    assert track.cash.tolist() == pytest.approx(list(case.cash), abs=1e-9)
    assert track.equity.tolist() == pytest.approx(list(case.equity), abs=1e-9)
    assert np.flatnonzero(track.called).tolist() == list(case.called)
