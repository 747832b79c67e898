"""The audit has teeth: functions that look ahead in the ways that people do are found and named."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import signal

from tests.candles import side_by_side, walk
from tradebot.core import Array, InputError
from tradebot.evidence.audit import FAILS, LOOKS_AHEAD, UNSTEADY, Subject, audit
from tradebot.plugins import Plugin
from tradebot.prices.bars import Bars

MARKET = side_by_side(walk(300, seed=4), walk(300, seed=5))
Function = Callable[[Bars], Array]


def frame(b: Bars) -> pd.DataFrame:
    return pd.DataFrame(b.close, pd.DatetimeIndex(b.timestamps))


def future_mean_of_the_week(b: Bars) -> Array:
    """A week is labelled with its first day, so that Monday knows Friday's close."""
    weeks = frame(b).resample("W", label="left").last()
    return np.asarray(weeks.reindex(frame(b).index, method="ffill"))


def rare(b: Bars) -> Array:
    """One bar in fifty takes the next close."""
    known = b.close.copy()
    rows = np.arange(50, len(b) - 1, 50)
    known[rows] = b.close[rows + 1]
    return known


def at_the_end(b: Bars) -> Array:
    """The last ten bars are smoothed with what came after each."""
    known = b.close.copy()
    for t in range(max(len(b) - 10, 0), len(b)):
        known[t] = b.close[t:].mean(axis=0)
    return known


def fitted_line(b: Bars) -> Array:
    time = np.arange(len(b))
    return b.close - np.stack([np.polyval(np.polyfit(time, c, 1), time) for c in b.close.T], axis=1)


def first_component(b: Bars) -> Array:
    r = np.diff(np.log(b.close), axis=0, prepend=0.0)
    _, _, weights = np.linalg.svd(r - r.mean(axis=0))
    return np.stack([r @ weights[0], r @ weights[0]], axis=1)


def scaled_by_the_test(b: Bars) -> Array:
    part = b.close[int(0.8 * len(b)) :]
    return (b.close - part.mean(axis=0)) / part.std(axis=0)


def next_open(b: Bars) -> Array:
    return np.asarray(pd.DataFrame(b.open).shift(-1) / b.close - 1)


LEAKS: dict[str, Function] = {
    "a centred window": lambda b: np.asarray(frame(b).rolling(5, center=True).mean()),
    "a z-score over all bars": lambda b: (b.close - b.close.mean(axis=0)) / b.close.std(axis=0),
    "the next close": lambda b: np.asarray(frame(b).shift(-1)),
    "the next return as a feature": lambda b: np.asarray(frame(b).pct_change().shift(-1).fillna(0.0)),
    "the direction of the next bar": lambda b: np.sign(np.diff(b.close, axis=0, append=b.close[-1:])),
    "the close of the bar that fills": lambda b: np.asarray(frame(b).shift(-1) > pd.DataFrame(b.open).values),
    "the next open": next_open,
    "gaps that are filled from behind": lambda b: np.asarray(frame(b).rolling(20).mean().bfill()),
    "gaps that are filled by lines": lambda b: np.asarray(
        frame(b).iloc[::3].reindex(frame(b).index).interpolate()
    ),
    "a week that is labelled by its first day": future_mean_of_the_week,
    "the volatility to come": lambda b: np.asarray(frame(b).pct_change()[::-1].rolling(10).std()[::-1]),
    "the least and most of all bars": lambda b: (b.close - b.close.min(axis=0)) / np.ptp(b.close, axis=0),
    "the rank among all bars": lambda b: np.asarray(frame(b).rank(pct=True)),
    "the highest close to come": lambda b: np.maximum.accumulate(b.close[::-1])[::-1],
    "a trend through all bars": fitted_line,
    "a component of all bars": first_component,
    "a filter that runs both ways": lambda b: signal.filtfilt(*signal.butter(2, 0.2), b.close, axis=0),
    "a derivative": lambda b: np.gradient(b.close, axis=0),
    "a scale of the last fifth": scaled_by_the_test,
    "the mean of the month": lambda b: np.asarray(
        frame(b).groupby(pd.DatetimeIndex(b.timestamps).to_period("M")).transform("mean")
    ),
    "tomorrow's volume": lambda b: np.log1p(np.roll(b.volume, -1, axis=0)),
    "one bar in fifty": rare,
    "the last ten bars": at_the_end,
    "how many bars there are": lambda b: b.close / len(b),
    "the last close": lambda b: b.close / b.close[-1],
    "an exponential mean from behind": lambda b: np.asarray(frame(b)[::-1].ewm(span=5).mean()[::-1]),
    "a transform of the whole": lambda b: np.fft.irfft(np.fft.rfft(b.close, axis=0)[:20], len(b), axis=0),
    "a trace of the next close": lambda b: b.close + 1e-6 * np.roll(b.close, -1, axis=0),
}


@pytest.mark.parametrize("name", LEAKS)
def test_it_is_found_and_its_column_and_bar_are_named(name: str) -> None:
    points = 300 if name == "one bar in fifty" else 64
    leak = Plugin("own.py:f", LEAKS[name], Path("own.py"), {})  # whose errors are InputErrors

    def columns(b: Bars) -> dict[str, Array]:
        return {"honest": np.asarray(frame(b).rolling(5).mean()), name: leak(b)}

    (found,) = audit(Subject("features", columns, points=points, exact=False), MARKET)
    assert (found.column, found.fault) == (name, LOOKS_AHEAD)
    assert found.ahead >= 1 and found.bar and name in str(found)


def test_the_first_bar_is_named_where_all_look_ahead() -> None:
    (found,) = audit(Subject("features", lambda b: {"next": LEAKS["the next close"](b)}), MARKET)
    assert (found.bar, found.ahead) == (str(MARKET.timestamps[1])[:10], 1)


def test_one_bar_that_looks_ahead_is_named() -> None:
    def known(b: Bars) -> Array:
        values = b.close.copy()
        if len(b) > 203:
            values[200] = b.close[203]
        return values

    (found,) = audit(Subject("features", lambda b: {"one": known(b)}, points=300), MARKET)
    assert (found.bar, found.ahead) == (str(MARKET.timestamps[200])[:10], 3)


HONEST: dict[str, Function] = {
    "a mean": lambda b: np.asarray(frame(b).rolling(20).mean()),
    "an exponential mean": lambda b: np.asarray(frame(b).ewm(span=20).mean()),
    "a z-score so far": lambda b: np.asarray(
        (frame(b) - frame(b).expanding().mean()) / frame(b).expanding().std()
    ),
    "a filter that runs forward": lambda b: signal.lfilter(*signal.butter(2, 0.2), b.close, axis=0),
    "a week that is labelled by its last day": lambda b: np.asarray(
        frame(b).resample("W").last().shift(1).reindex(frame(b).index, method="ffill")
    ),
    "a convolution": lambda b: np.stack([np.convolve(c, np.ones(9))[: len(b)] for c in b.close.T], axis=1),
    "no bars to speak of": lambda b: np.zeros_like(b.close),
}


@pytest.mark.parametrize("name", HONEST)
def test_what_looks_back_alone_is_no_finding(name: str) -> None:
    subject = Subject("features", lambda b: {name: HONEST[name](b)}, exact=False, bears_nan=True)
    assert audit(subject, MARKET) == []


def test_what_answers_otherwise_when_it_is_asked_again_is_told() -> None:
    generator = np.random.default_rng(0)
    subject = Subject("features", lambda b: {"noise": generator.random((len(b), 1))})
    (found,) = audit(subject, MARKET)
    assert (found.column, found.fault, found.ahead) == ("noise", UNSTEADY, 0)


def test_what_cannot_bear_other_prices_is_told_and_what_needs_more_bars_is_not() -> None:
    def stubborn(b: Bars) -> dict[str, Array]:
        if not np.array_equal(b.close[-1], MARKET.close[-1]) and len(b) == len(MARKET):
            raise InputError("these are not my prices")
        return {"close": b.close}

    def hungry(b: Bars) -> dict[str, Array]:
        if len(b) < len(MARKET):
            raise InputError("more")
        return {"close": b.close}

    assert [one.fault for one in audit(Subject("features", stubborn), MARKET)] == [FAILS]
    assert audit(Subject("features", hungry), MARKET) == []
