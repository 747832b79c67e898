"""What a run would hold at the next open, decided on the latest bar as the backtest would decide there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from html import escape
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import pandas as pd

from tradebot.api.backtesting import after_training, check_trades, history, overlaps, play
from tradebot.api.prices import approved
from tradebot.api.run import Run, open_run
from tradebot.backtest import engine
from tradebot.backtest.engine import Track
from tradebot.config import build, listed
from tradebot.core import InputError
from tradebot.market import synthetic
from tradebot.market.configs import Broker
from tradebot.prices.bars import Bars
from tradebot.prices.dates import spelled
from tradebot.prices.exchanges import exchange_of
from tradebot.prices.freshness import is_stale
from tradebot.prices.reading import ReadConfig
from tradebot.strategies.rules import named

Order = Literal["buy", "sell", "hold", "liquidation", "ruined"]


class Standing(NamedTuple):
    """One account and symbol at the latest close."""

    name: str
    symbol: str
    request: float | None  # target weight; None for a ruined account, which asks for nothing more
    weight: float  # position / equity
    order: Order  # what follows; a request answered before holds the units, unless all are rebalanced


@dataclass(frozen=True)
class Signal:
    """What the members and their ensemble ask for, and what they hold when they do."""

    run: str
    symbols: tuple[str, ...]
    as_of: datetime  # the latest bar: UTC, or the exchange's date
    start: datetime  # the bar at which the accounts began, flat
    origin: str  # why there
    in_sample: bool  # whether they went through bars of the training, which tells nothing of their worth
    warning: str  # that the prices are old, and what to do; empty if they are not
    doubts: str  # what is worth a look in the prices; empty if nothing is
    members: tuple[Standing, ...]  # by member, then by symbol
    ensemble: tuple[Standing, ...]  # one a symbol

    @property
    def stale(self) -> bool:
        """Whether newer prices should be had."""
        return bool(self.warning)

    @property
    def frame(self) -> pd.DataFrame:
        """request, weight and order: a row for each symbol of the ensemble and of each member."""
        return pd.DataFrame([*self.ensemble, *self.members]).set_index(["name", "symbol"])

    def to_dict(self) -> dict[str, Any]:
        """What `signal --json` prints."""
        return {
            "run": self.run,
            "symbols": list(self.symbols),
            "as_of": self.as_of.isoformat(),
            "stale": self.stale,
            "start": self.start.isoformat(),
            "in_sample": self.in_sample,
            "members": [member._asdict() for member in self.members],
            "ensemble": [standing._asdict() for standing in self.ensemble],
        }

    def __repr__(self) -> str:
        asked = [
            f"{one.symbol} {'ruined' if one.request is None else f'asks for {one.request:.3g}'}"
            for one in self.ensemble
        ]
        return f"Signal({self.run}: {', '.join(asked)}, as of {spelled(self.as_of)})"

    def _repr_html_(self) -> str:
        lines = "".join(f"<p>{escape(line)}</p>" for line in (repr(self), self.warning, self.doubts) if line)
        return f"{lines}{self.frame.to_html(float_format='{:.3f}'.format)}"


def signal(
    run: str | Path | Run,
    *,
    symbols: str | Sequence[str] = (),
    data: str = "",
    start: str | None = None,
    now: datetime | None = None,
    **reading: Any,
) -> Signal:
    """What each member and the ensemble of a run would hold at the next open, given the latest bar.

    A decision depends on the account as well, which is therefore played with the run's cash and costs from
    `start`: by default the first bar after the training, or the first usable one if there are not two after
    it. `now` (with its time zone) judges whether the prices are stale, `reading` are
    fields of `ReadConfig` instead of the run's. Raises InputError for a run that does
    not trade and for prices that cannot be had or are too few.

    >>> signal("my-run").ensemble[0].request
    """
    if not isinstance(run, Run):
        if named(str(run)):
            raise InputError(
                f"{run} is a rule, and signals are of runs; a rule has a backtest: tradebot backtest {run}"
            )
        run = open_run(run)
    check_trades(run, "trade")
    market, costs = run.experiment.market, run.experiment.costs
    how = build(ReadConfig, {name: getattr(market, name) for name in ReadConfig.model_fields} | reading)
    bars = history(run, listed(symbols), data, market.prices, how)
    doubts = approved(bars.symbols, bars.source, how)
    after = start or after_training(run, bars)
    first, last, members = play(run, bars, market, costs, after, None)
    seen = bars.rows(first, last)
    in_sample = overlaps(run, seen)
    played = engine.run(run.name, seen, members, {}, market=market, costs=costs, in_sample=in_sample)
    return Signal(
        run=run.name,
        symbols=bars.symbols,
        as_of=bars.timestamps[last].item(),
        start=bars.timestamps[first].item(),
        origin=_origin(start, after),
        in_sample=played.in_sample,
        warning=_warning(bars, now or datetime.now(UTC)),
        doubts=doubts,
        members=tuple(one for member in played.members for one in _standings(member, market)),
        ensemble=_standings(played.ensemble, market),
    )


def _origin(start: str | None, after: str | None) -> str:
    if start:
        return f"the first usable bar from {start} on"
    return "the first bar after the training" if after else "the first usable bar"


def _standings(track: Track, rules: Broker) -> tuple[Standing, ...]:
    """An account at its last bar, symbol by symbol."""
    made = []
    for a, symbol in enumerate(track.bars.symbols):
        weight, request = float(track.weight[-1, a]), float(track.request[-1, a])
        if track.ruined:
            made.append(Standing(track.name, symbol, None, weight, "ruined"))
        elif track.called[-1]:
            made.append(Standing(track.name, symbol, request, weight, "liquidation"))
        elif (
            request == weight
            or (request * weight > 0 and abs(request - weight) <= rules.band)
            or (request == _answered(track, a) and not rules.rebalance)
        ):
            made.append(Standing(track.name, symbol, request, weight, "hold"))
        else:
            made.append(Standing(track.name, symbol, request, weight, "buy" if request > weight else "sell"))
    return tuple(made)


def _answered(track: Track, a: int) -> float:
    """The last request that the symbol had a bar for; flat after a liquidation, and before there was any."""
    answered = np.flatnonzero(~track.bars.missing[1:, a] | track.called[:-1])
    if not len(answered) or track.called[answered[-1]]:
        return 0.0
    return float(track.request[answered[-1], a])


def _warning(bars: Bars, now: datetime) -> str:
    """That the latest bar is old, unless the market is synthetic: it has no other."""
    moment = np.datetime64(now.astimezone(UTC).replace(tzinfo=None), "us")
    exchange = exchange_of(bars.symbols[0]).name
    if bars.source.startswith(synthetic.PREFIX) or not is_stale(bars.timestamps, moment, exchange):
        return ""
    cure = f"fetch newer prices with `tradebot fetch {' '.join(bars.symbols)}`"
    if Path(bars.source).is_file():
        cure = f"bring {bars.source} up to date"
    last = bars.timestamps[-1]
    return f"the latest bar is of {spelled(last)}, {_spelled_age(moment - last)} ago: {cure}"


def _spelled_age(age: np.timedelta64) -> str:
    """In the largest unit of which there are two or more."""
    minutes = int(age / np.timedelta64(1, "m"))
    counts = {"days": minutes // 1440, "hours": minutes // 60, "minutes": minutes}
    return next((f"{count} {unit}" for unit, count in counts.items() if count > 1), "a minute")
