"""Our trading environment as Gymnasium's: alone, and as a batch that one kernel call steps.

>>> gymnasium.make("tradebot/Trading-v0", bars=tradebot.load("AAPL"), end="2009-12-31")
>>> gymnasium.make_vec("tradebot/Trading-v0", num_envs=256, bars=tradebot.load("AAPL"))

Rewards are those of our training: the log return of equity over a bar, scaled to be of order one. `info` has
`equity` [currency] and `position` (its value / equity, signed) at the close of the bar that is observed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tradebot.config import build, distribute
from tradebot.core import Array, InputError
from tradebot.envs.as_gym import BatchEnv, SingleEnv, Source
from tradebot.market import features, kernel
from tradebot.market.configs import TradingConfig
from tradebot.market.costs import Costs
from tradebot.market.env import TradingEnv, reward_scale, span
from tradebot.market.rewards import REWARDS
from tradebot.prices.bars import Bars

Maker = Callable[[Sequence[int]], TradingEnv]  # one environment for each of the seeds


def single(bars: Bars, *, render_mode: str | None = None, **settings: Any) -> SingleEnv:
    """One account. settings: see `maker`. Raises InputError for wrong ones."""
    return SingleEnv(Source(maker(bars, settings), _info), render_mode)


def batch(bars: Bars, num_envs: int = 1, *, render_mode: str | None = None, **settings: Any) -> BatchEnv:
    """A batch of accounts. settings: see `maker`. Raises InputError for wrong ones."""
    return BatchEnv(Source(maker(bars, settings), _info), num_envs, render_mode)


def maker(bars: Bars, settings: dict[str, Any]) -> Maker:
    """From seeds to environments on these bars; what they share is computed once.

    settings: those of TradingConfig and Costs, but `window` may be None for the whole span; `reward_scale`
    (None: that of our training). Raises InputError for wrong ones.
    """
    given = dict(settings)
    scale, whole = given.pop("reward_scale", None), given.get("window", 0) is None
    if whole:
        del given["window"]
    for name in ("symbols", "data"):
        if name in given:
            raise InputError(f"{name}: the prices are those of `bars`")
    sections = distribute(given, {"market": TradingConfig, "costs": Costs})
    config, costs = build(TradingConfig, sections["market"]), build(Costs, sections["costs"])
    table = features.table(bars, config.features, config.lookback)
    first, last = span(bars, config.start, config.end, table.warmup)
    reward = REWARDS.get(config.reward)
    if reward is None:
        raise InputError(f"{config.reward}: own rewards are for tradebot train: wrap this one")
    if scale is None:
        scale = reward_scale(bars, first, last) if reward.is_return else 1.0
    window = None if whole else config.window

    def make(seeds: Sequence[int]) -> TradingEnv:
        return TradingEnv(
            bars,
            config,
            costs,
            first=first,
            last=last,
            seeds=seeds,
            window=window,
            reward=reward,
            reward_scale=scale,
            table=table,
        )

    return make


def _info(env: TradingEnv, left: bool) -> dict[str, Array]:
    """What the accounts are worth, [E] each. Without equity there is no position either."""
    accounts = env.accounts_left if left else env.accounts
    cash, equity = accounts[:, kernel.CASH], accounts[:, kernel.EQUITY]
    position = np.divide(equity - cash, equity, out=np.zeros(len(equity)), where=equity > 0)
    return {"equity": equity, "position": position}
