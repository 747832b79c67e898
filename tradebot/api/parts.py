"""The markets in which the members of a seed learn: one, the folds of a walk-forward, or shuffled copies."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from tradebot.api.experiment import Experiment
from tradebot.api.observing import Observed, observe
from tradebot.api.prices import resolve
from tradebot.backtest import walkforward
from tradebot.backtest.walkforward import Fold
from tradebot.core import Array, Env, InputError
from tradebot.envs.joined import JoinedEnv
from tradebot.market import permuted
from tradebot.market.env import TradingEnv, reward_scale, span
from tradebot.market.features import FeatureTable
from tradebot.prices.bars import Bars
from tradebot.prices.dates import spelled


class Part(NamedTuple):
    """A market, and where in it is learned. Nothing that is fitted sees another bar."""

    bars: Bars  # the full history
    table: FeatureTable
    first: int  # first bar that may be observed
    last: int  # last bar that earns a reward


class Prepared(NamedTuple):
    """What an experiment is made on."""

    bars: Bars  # the full history, until the test ends
    observed: Observed
    parts: tuple[Part, ...]  # one for each member of a seed
    folds: tuple[Fold, ...] = ()  # of a walk-forward


def prepared(plan: Experiment, code: Path | None = None) -> Prepared:
    """The prices of an experiment that trades, as all its members see them. Raises InputError.

    A person's own features are taken from the folder `code`, if one is given.
    """
    market = plan.market
    bars = resolve(market.symbols, market.data, market.prices, market)
    if plan.nulltest and plan.nulltest.until:
        bars = bars.rows(0, len(bars.between(None, plan.nulltest.until)) - 1)
    observed = observe(bars, market, code)
    first, last = span(bars, market.start or None, market.end or None, observed.table.warmup)
    if plan.walkforward:
        folds = walkforward.folds(bars, plan.walkforward, first, last)
        parts = tuple(Part(bars, observed.table, *fold.train) for fold in folds)
        return Prepared(bars, observed, parts, folds)
    if plan.nulltest:
        if len(bars) - 1 - last < 2:
            raise InputError(
                f"{bars.who}: fewer than 2 bars to test on after {spelled(bars.timestamps[last])}: say with"
                " --end where the training ends"
            )
        return Prepared(bars, observed, shuffled(plan, bars, first, last, observed, code))
    return Prepared(bars, observed, (Part(bars, observed.table, first, last),))


def shuffled(
    plan: Experiment, bars: Bars, first: int, last: int, observed: Observed, code: Path | None = None
) -> tuple[Part, ...]:
    """The market and its copies, in which bars before, in and after first .. last stay among themselves."""
    assert plan.nulltest is not None
    parts = [Part(bars, observed.table, first, last)]
    for k in range(plan.nulltest.markets):
        generator = np.random.default_rng([plan.nulltest.shuffle, k])
        copy = permuted.permuted(bars, (first + 1, last + 1), generator, block=plan.nulltest.block)
        parts.append(Part(copy, observe(copy, plan.market, code).table, first, last))
    return tuple(parts)


def learning_env(plan: Experiment, parts: Sequence[Part], observed: Observed) -> tuple[Env, Array]:
    """Where the members learn, seed by seed and part by part, and the scale of the reward of each [M]."""
    scales = [
        reward_scale(part.bars, part.first, part.last) if observed.reward.is_return else 1.0 for part in parts
    ]
    envs = [
        TradingEnv(
            part.bars,
            plan.market,
            plan.costs,
            first=part.first,
            last=part.last,
            seeds=plan.seeds,
            envs=plan.agent.envs,
            window=plan.market.window,
            reward=observed.reward,
            reward_scale=scale,
            table=part.table,
        )
        for part, scale in zip(parts, scales, strict=True)
    ]
    env = envs[0] if len(envs) == 1 else JoinedEnv(envs, len(plan.seeds))
    return env, np.tile(scales, len(plan.seeds))
