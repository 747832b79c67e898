"""What an agent sees and is rewarded by, a person's own among it: loaded, and refused if it looks ahead."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import NamedTuple

from tradebot import plugins
from tradebot.evidence.audit import check_causal
from tradebot.market import features
from tradebot.market.configs import TradingConfig
from tradebot.market.rewards import REWARDS, Reward, of_plugin
from tradebot.prices.bars import Bars


class Observed(NamedTuple):
    """The market as an agent sees it, and what it wants."""

    table: features.FeatureTable
    reward: Reward
    code: dict[str, bytes]  # what a run keeps of a person's own code: file under `code/` -> content


def observe(bars: Bars, market: TradingConfig, code: Path | None = None) -> Observed:
    """The features and the reward of `market`; a person's own are those of the folder `code`, if it is given.

    Raises InputError for those that cannot be had, features that look ahead, and too few bars.
    """
    reward = REWARDS.get(market.reward)
    own: dict[str, plugins.Plugin] = {}
    kept: dict[str, bytes] = {}
    for name, place in plugins.places([*market.features, market.reward]).items():
        plugin = plugins.load(name, code / place if code else None)
        if name == market.reward:
            reward = of_plugin(plugin)
        else:
            check_causal(name, partial(features.own_values, name, plugin), bars)
            own[name] = plugin
        kept |= {f"{place}/{file}": content for file, content in plugin.sources.items()}
    assert reward is not None  # TradingConfig has checked the name
    return Observed(features.table(bars, market.features, market.lookback, own=own), reward, kept)
