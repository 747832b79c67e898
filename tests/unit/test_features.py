"""Each feature against a plain computation of the same, and what the table of them promises."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import talib

from tests.candles import bars, side_by_side, walk
from tradebot.core import Array, InputError
from tradebot.market import features
from tradebot.market.features import MARKET_FEATURES
from tradebot.market.kernel import ACCOUNT_FEATURES, BOUND
from tradebot.prices.bars import Bars
from tradebot.prices.validity import PRICES

LOOKBACK = 20
MARKET = walk(400, seed=5)
CLOSE = MARKET.close[:, 0]
RETURN = np.diff(np.log(CLOSE), prepend=np.nan)


def scale(t: int) -> float:
    """Volatility at bar t, from its definition: weights (1 - 2/253)^age, normalised."""
    squares = RETURN[1 : t + 1] ** 2
    weights = (1 - 2 / 253) ** np.arange(len(squares))[::-1]
    return math.sqrt(float(np.sum(weights * squares) / np.sum(weights)))


def scaled_return(h: int) -> Callable[[int], float]:
    return lambda t: math.log(CLOSE[t] / CLOSE[t - h]) / (scale(t) * math.sqrt(h))


def volatility(t: int) -> float:
    return math.log(np.std(RETURN[t - 19 : t + 1], ddof=1) / scale(t))


def rsi(t: int) -> float:
    return float(talib.RSI(CLOSE, 14)[t]) / 50 - 1


def macd(t: int) -> float:
    return float(talib.MACD(CLOSE, 12, 26, 9)[2][t]) / (CLOSE[t] * scale(t))


def atr(t: int) -> float:
    high, low = MARKET.high[:, 0], MARKET.low[:, 0]
    ranges = np.maximum(high[1:], CLOSE[:-1]) - np.minimum(low[1:], CLOSE[:-1])
    smooth = ranges[:14].mean()  # Wilder: the mean of the first 14, then 13/14 of the old and 1/14 of the new
    for value in ranges[14:t]:
        smooth = (13 * smooth + value) / 14
    return math.log(smooth / (CLOSE[t] * scale(t)))


def bollinger(t: int) -> float:
    window = CLOSE[t - 19 : t + 1]
    return (CLOSE[t] - window.mean()) / (2 * window.std())


def volume(t: int) -> float:
    window = np.log(1 + MARKET.volume[t - 19 : t + 1, 0])
    return (window[-1] - window.mean()) / window.std()


PLAIN: dict[str, Callable[[int], float]] = {
    "last_return": scaled_return(1),
    "return_5": scaled_return(5),
    "return_20": scaled_return(20),
    "return_60": scaled_return(60),
    "volatility": volatility,
    "rsi": rsi,
    "macd": macd,
    "atr": atr,
    "bollinger": bollinger,
    "volume": volume,
}


def test_every_feature_is_tested_here() -> None:
    assert list(PLAIN) == list(MARKET_FEATURES)


@pytest.mark.parametrize("name", PLAIN)
def test_a_feature_is_what_its_description_says(name: str) -> None:
    found = MARKET_FEATURES[name].compute(MARKET, LOOKBACK)
    assert found.shape == (400, 1)
    for t in (MARKET_FEATURES[name].warmup(LOOKBACK), 70, 200, 399):
        assert found[t, 0] == pytest.approx(PLAIN[name](t), rel=1e-8, abs=1e-10)


@pytest.mark.parametrize("lookback", [2, 5, 20, 100])
@pytest.mark.parametrize("name", MARKET_FEATURES)
def test_the_declared_warm_up_is_the_first_row_with_a_value(name: str, lookback: int) -> None:
    feature = MARKET_FEATURES[name]
    finite = np.isfinite(feature.compute(MARKET, lookback)[:, 0])
    assert int(finite.argmax()) == feature.warmup(lookback)
    assert finite[feature.warmup(lookback) :].all()


@pytest.mark.parametrize("name", MARKET_FEATURES)
def test_several_symbols_have_the_features_that_each_has_alone(name: str) -> None:
    other = walk(400, seed=6)
    both = side_by_side(MARKET, other)
    found = MARKET_FEATURES[name].compute(both, LOOKBACK)
    for a, alone in enumerate((MARKET, other)):
        assert np.array_equal(
            found[:, a], MARKET_FEATURES[name].compute(alone, LOOKBACK)[:, 0], equal_nan=True
        )
        table, single = (features.table(market, [name], LOOKBACK) for market in (both, alone))
        assert table.names == (f"A: {name}", f"B: {name}")
        assert np.array_equal(table.market[:, a], single.market[:, 0])


def test_the_unit_of_the_prices_does_not_matter() -> None:
    """A coin at a millionth of a dollar looks like any other. A power of two changes no digit."""
    cheap = replace(MARKET, **{column: getattr(MARKET, column) * 2.0**-30 for column in PRICES})
    assert np.array_equal(features.table(MARKET, (), 20).market, features.table(cheap, (), 20).market)


# ---- the table


def test_no_names_mean_all_of_them_and_the_longest_warm_up() -> None:
    table = features.table(MARKET, (), LOOKBACK)
    assert table.names == (*MARKET_FEATURES, *ACCOUNT_FEATURES)
    assert table.market.shape == (400, len(MARKET_FEATURES)) and table.market.dtype == np.float32
    assert table.warmup == 60 and not table.market[:60].any()
    assert table.account.tolist() == [[k, 0] for k in range(len(ACCOUNT_FEATURES))]


def test_the_market_comes_first_then_the_account_each_in_the_order_given() -> None:
    table = features.table(MARKET, ["request", "rsi", "equity", "last_return"], LOOKBACK)
    assert table.names == ("rsi", "last_return", "request", "equity")
    assert table.account.tolist() == [[2, 0], [0, 0]]
    assert table.market[399, 1] == np.float32(PLAIN["last_return"](399))


def test_the_account_alone_needs_no_warm_up() -> None:
    table = features.table(bars([1, 2], [1, 2]), ["position"], LOOKBACK)
    assert table.warmup == 0 and table.market.shape == (2, 0)


@pytest.mark.parametrize("seed", range(3))
def test_values_are_finite_and_bounded_on_wild_prices(seed: int) -> None:
    wild = walk(300, seed, move=1.0, gap=1.0)
    table = features.table(wild, (), 2)
    assert np.isfinite(table.market).all() and np.abs(table.market).max() == BOUND


@pytest.mark.parametrize("price", [1e-6, 1.0, 12345.678])
def test_prices_that_never_move_give_calm_finite_values(price: float) -> None:
    still = bars([price] * 100, [price] * 100, np.full(100, 1e6))
    table = features.table(still, (), LOOKBACK)
    last = dict(zip(table.names, table.market[-1].tolist(), strict=False))
    # No range and no volatility are as little as there can be; RSI 0 is TA-Lib's word for no gains.
    assert last == {name: 0.0 for name in MARKET_FEATURES} | {
        "volatility": -BOUND,
        "atr": -BOUND,
        "rsi": -1.0,
    }


def test_a_market_without_volume_says_nothing_by_it() -> None:
    silent = bars(MARKET.open[:, 0], CLOSE, np.zeros(400))
    assert not features.table(silent, ["volume"], LOOKBACK).market.any()


def test_too_few_bars_are_refused_with_how_many_it_takes() -> None:
    names = ["return_60", "rsi"]
    assert len(features.table(cut(62), names, LOOKBACK).market) == 62
    with pytest.raises(
        InputError, match=r"^TEST: 61 bars are too few: these features need 60 to warm up and 2"
    ):
        features.table(cut(61), names, LOOKBACK)


def cut(n: int) -> Bars:
    return bars(MARKET.open[:n, 0], CLOSE[:n])


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["rsy"], "unknown feature 'rsy': did you mean 'rsi'?"),
        (["rsi", "positon"], "unknown feature 'positon': did you mean 'position'?"),
        (["zzz"], "unknown feature 'zzz': choose from last_return, return_5"),
        (["rsi", "macd", "rsi"], "feature 'rsi' is given twice"),
    ],
)
def test_wrong_names_are_refused(names: list[str], message: str) -> None:
    with pytest.raises(InputError) as caught:
        features.table(MARKET, names, LOOKBACK)
    assert str(caught.value).startswith(message)


# ---- a person's own


def after(n: int, *columns: float | Array) -> Array:
    """[400, 1, F] columns that are NaN in the first n rows."""
    values = np.stack([np.broadcast_to(column, 400) for column in columns], axis=-1)[:, None].astype(float)
    values[:n] = np.nan
    return values


def test_features_of_ones_own_stand_in_their_order_clipped_and_named_by_column() -> None:
    own = {"a.py:f": lambda bars: after(3, np.arange(400.0))[..., 0], "a.py:g": lambda bars: after(0, -1, 2)}
    table = features.table(MARKET, ["position", "a.py:g", "bollinger", "a.py:f"], LOOKBACK, own=own)
    assert table.names == ("a.py:g[0]", "a.py:g[1]", "bollinger", "a.py:f", "position")
    assert table.warmup == 19 and not table.market[:19].any()
    assert table.market[20].tolist() == [-1, 2, np.float32(bollinger(20)), BOUND]


def test_the_first_row_without_nan_ends_the_warm_up_of_ones_own() -> None:
    late = after(5, 1, 1)
    late[:70, 0, 1] = np.nan
    late[70:, 0, 0] = -np.inf  # clipped, as ours are
    table = features.table(MARKET, ["a.py:f", "rsi"], LOOKBACK, own={"a.py:f": lambda bars: late})
    assert table.warmup == 70
    assert table.market[70, :2].tolist() == [-BOUND, 1] and table.market[70, 2] == np.float32(rsi(70))


def test_what_one_must_not_return_is_refused() -> None:
    hole = after(5, 1)
    hole[9] = np.nan  # bar 9 from 2020-01-01
    for returned, message in [
        (hole, r"^a\.py:f: is NaN on 2020-01-10: only while it warms up"),
        (after(400, 1), r"^a\.py:f: none of the 400 rows is without NaN"),
        (np.ones(400), r"^a\.py:f: returned the shape \(400,\), expected \(400, 1\) or \(400, 1, F\)"),
        (np.ones((399, 1)), r"returned the shape \(399, 1\)"),
        (np.ones((400, 1, 0)), r"returned the shape \(400, 1, 0\)"),
        (np.ones((400, 1, 1, 1)), r"returned the shape \(400, 1, 1, 1\)"),
        (after(399, 1), r"^TEST: 400 bars are too few: these features need 399 to warm up"),
    ]:
        with pytest.raises(InputError, match=message):
            features.table(MARKET, ["a.py:f"], LOOKBACK, own={"a.py:f": lambda bars, r=returned: r})


def test_a_function_of_a_file_is_not_taken_unchecked() -> None:
    with pytest.raises(
        InputError, match=r"^unknown feature 'a\.py:f': a function of a file is taken by `train`"
    ):
        features.table(MARKET, ["a.py:f"], LOOKBACK)


def test_the_file_stands_before_each_of_its_functions() -> None:
    with pytest.raises(InputError, match=r"^unknown feature 'g': a function of a file is written a\.py:g$"):
        features.table(MARKET, ["a.py:f", "g"], LOOKBACK, own={"a.py:f": lambda bars: after(0, 1)})
