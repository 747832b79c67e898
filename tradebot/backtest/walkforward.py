"""Folds by date, and the account that goes through the test of each, one after the other.

A fold decides at the bars `test[0]` .. `test[1]`; what it decided last fills at the first open of the next
fold. Between the last bar that a fold was trained on and the first at which it decides lies one bar at least,
so that no return of the training is one of the test. Features look back over all bars, for they are causal.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np
import pandas as pd

from tradebot.backtest.configs import Length, WalkForwardConfig, length
from tradebot.backtest.engine import Backtest
from tradebot.core import Agent, Array, InputError
from tradebot.market.env import TradingEnv
from tradebot.prices.bars import Bars
from tradebot.prices.dates import spelled
from tradebot.stats import metrics

PURGED = 1  # bars between training and test in which nobody decides or earns
LACKING = 0.1  # share of `train` that the first training may lack: holidays, features that warm up


class Fold(NamedTuple):
    """Numbers of bars in the full history, first and last, both included."""

    train: tuple[int, int]  # first bar that may be observed, last that earns a reward
    test: tuple[int, int]  # first and last bar at which it decides


class FoldResult(NamedTuple):
    """What one fold earned from its first decision to what became of its last one."""

    train_start: str  # bars to be read by a person, first and last of the training and of the decisions
    train_end: str
    test_start: str
    test_end: str
    total_return: float  # of the ensemble, as all that follow
    sharpe: float
    buy_and_hold: float  # total return on the same bars


def folds(bars: Bars, config: WalkForwardConfig, first: int, last: int) -> tuple[Fold, ...]:
    """The folds within the bars first .. last, oldest first; the last test ends with the last bar.

    The calendar counts back from there. Raises InputError where there are not enough bars, and says how many
    folds fit.
    """
    train, test = length(config.train), length(config.test)
    ends = [_before(bars, last + 1, test, k) for k in range(config.folds, -1, -1)]  # of the trainings
    begins = [_before(bars, end.bar, train, 1, end.moment) for end in ends[:-1]]
    if _lacking(begins[0], ends[0], train, bars, first) > LACKING:
        raise InputError(
            f"{bars.who}: {config.folds} folds of {train} of training and {test} of test do not fit between"
            f" {spelled(bars.timestamps[first])}, when the features have warmed up, and"
            f" {spelled(bars.timestamps[last])}: {_fitting(bars, train, test, config.folds, first, last)} do"
            " (--folds), or take a shorter --train or --test"
        )
    made = []
    for begin, end, after in zip(begins, ends, ends[1:], strict=False):
        trained = first if config.expanding else max(begin.bar, first), end.bar - 1 - PURGED - config.embargo
        if after.bar - end.bar < 2 or trained[1] - trained[0] < 1:
            raise InputError(
                f"{bars.who}: a fold of {max(trained[1] - trained[0] + 1, 0)} bars of training and"
                f" {after.bar - end.bar} of test is too short: take a longer --train or --test, or a shorter"
                " --embargo"
            )
        made.append(Fold(trained, (end.bar, after.bar - 1)))
    return tuple(made)


def stitched(agent: Agent, envs: Sequence[TradingEnv], seams: Literal["carried", "closed"]) -> Array:
    """What each of S seeds asks for at every bar of all tests, one after the other: [S, T, A].

    Environment k has an account for each seed, and goes from the first bar of fold k's test to that of the
    next. Member s x K + k of the agent, which was trained for fold k, takes over the account of seed s as
    fold k - 1 has left it. With `closed` seams the last request of a fold is cash. A ruined account asks for
    nothing more.
    """
    n_seeds, n_folds = envs[0].n_envs, len(envs)
    alive = np.ones(n_seeds, dtype=bool)
    parts = []
    for k, env in enumerate(envs):
        obs = env.reset() if k == 0 else env.take_over(envs[k - 1].accounts_left)
        is_last = k == n_folds - 1
        decisions = env.n_bars - (not is_last)  # the last bar is the first of the next fold
        requests = np.zeros((n_seeds, decisions, len(env.bars.symbols)))
        for t in range(decisions):
            seen = np.zeros((n_seeds, n_folds, *obs.shape[1:]), dtype=obs.dtype)
            seen[:, k] = obs
            action, _ = agent.act(seen.reshape(n_seeds * n_folds, 1, *obs.shape[1:]), explore=False)
            action = action.reshape(n_seeds, n_folds, *action.shape[2:])[:, k]
            if seams == "closed" and not is_last and t == decisions - 1:
                action = env.to_cash
            requests[alive, t] = env.requests(action, env.accounts_left)[alive]
            if t < env.n_bars - 1:
                step = env.step(action)
                alive &= ~step.terminated
                obs = step.next_obs  # at the last bar `obs` is that of a fresh episode already
        parts.append(requests)
    return np.concatenate(parts, axis=1)


def results(bars: Bars, cut: Sequence[Fold], tested: Backtest) -> tuple[FoldResult, ...]:
    """What the ensemble earned in each fold; `bars` are the full history.

    A fold's returns reach to the close of the next fold's first bar, where its last decision has filled.
    """
    begin = cut[0].test[0]
    made = []
    for fold in cut:
        rows = slice(fold.test[0] - begin, fold.test[1] + 2 - begin)
        equity, benchmark = (account[rows] for account in (tested.ensemble.equity, tested.ensemble.benchmark))
        train, test = ([spelled(bars.timestamps[bar]) for bar in part] for part in fold)
        made.append(
            FoldResult(
                train_start=train[0],
                train_end=train[1],
                test_start=test[0],
                test_end=test[1],
                total_return=metrics.total_return(equity),
                sharpe=metrics.sharpe(metrics.returns(equity), bars.periods_per_year),
                buy_and_hold=metrics.total_return(benchmark),
            )
        )
    return tuple(made)


class _Cut(NamedTuple):
    """A place between two bars."""

    bar: int  # the first behind it; below 0 where there are too few
    moment: pd.Timestamp | None  # every bar up to here lies before it; None: before all calendars


def _before(bars: Bars, stop: int, back: Length, times: int, moment: pd.Timestamp | None = None) -> _Cut:
    """So many lengths before bar `stop`, or before `moment`, where the calendar was cut there already."""
    stamps = bars.timestamps
    if back.unit == "bars":
        bar = stop - times * back.n
        return _Cut(bar, pd.Timestamp(stamps[max(bar, 1) - 1]))
    try:
        moment = (moment or pd.Timestamp(stamps[max(stop, 1) - 1])) - pd.DateOffset(
            **{back.unit: times * back.n}  # type: ignore[arg-type]
        )
        return _Cut(int(np.searchsorted(stamps, np.datetime64(moment), side="right")), moment)
    except (OverflowError, ValueError):
        return _Cut(-1, None)


def _lacking(begin: _Cut, end: _Cut, wanted: Length, bars: Bars, first: int) -> float:
    """The share of a training that lies before bar `first`."""
    if wanted.unit == "bars":
        return max(first - begin.bar, 0) / wanted.n
    if begin.moment is None or end.moment is None:
        return 1.0
    missing = pd.Timestamp(bars.timestamps[first]) - begin.moment
    return float(max(missing, pd.Timedelta(0)) / (end.moment - begin.moment))


def _fitting(bars: Bars, train: Length, test: Length, below: int, first: int, last: int) -> int:
    """How many folds there are bars for, of fewer than `below`."""
    for k in range(below - 1, 0, -1):
        end = _before(bars, last + 1, test, k)
        if _lacking(_before(bars, end.bar, train, 1, end.moment), end, train, bars, first) <= LACKING:
            return k
    return 0
