"""The features that an agent sees, a person's own among them: loaded, and refused if they look ahead."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import NamedTuple

from tradebot import plugins
from tradebot.evidence.audit import check_causal
from tradebot.market import features
from tradebot.market.configs import TradingConfig
from tradebot.prices.bars import Bars


class Observed(NamedTuple):
    """The market as an agent sees it."""

    table: features.FeatureTable
    code: dict[str, bytes]  # what a run keeps of a person's own code: file under `code/` -> content


def observe(bars: Bars, market: TradingConfig, code: Path | None = None) -> Observed:
    """The features of `market` for these bars; a person's own are those of the folder `code`, if it is given.

    Raises InputError for features that cannot be had or look ahead, and for too few bars.
    """
    own: dict[str, plugins.Plugin] = {}
    kept: dict[str, bytes] = {}
    for name, place in plugins.places(market.features).items():
        plugin = plugins.load(name, code / place if code else None)
        check_causal(name, partial(features.own_values, name, plugin), bars)
        own[name] = plugin
        kept |= {f"{place}/{file}": content for file, content in plugin.sources.items()}
    return Observed(features.table(bars, market.features, market.lookback, own=own), kept)
