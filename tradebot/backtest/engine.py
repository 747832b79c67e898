"""The backtest: requests of agents and rules -> accounts, fills, trades and metrics, through `market.kernel`.

Every member has an account of its own; the ensemble is one more account, which is given the mean of the
members' requests and trades only when that mean changes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from tradebot.backtest.trades import round_trips
from tradebot.core import Agent, Array, InputError
from tradebot.market import kernel, oracle
from tradebot.market.configs import TradingConfig
from tradebot.market.costs import Costs
from tradebot.market.env import RUIN, TradingEnv, quotes
from tradebot.prices.bars import Bars
from tradebot.prices.dates import spelled
from tradebot.stats import bootstrap
from tradebot.stats.bootstrap import Interval
from tradebot.stats.metrics import METRICS, summarize


@dataclass(frozen=True, eq=False)
class Track:
    """One account through a span of T bars. Row 0 is the start: nothing can be held before the second bar."""

    name: str
    bars: Bars  # exactly the span
    request: Array  # [T, A] target weights asked for at each bar, filled at the next open; NaN holds
    cash: Array  # [T] currency
    units: Array  # [T, A]
    equity: Array  # [T] currency, marked at each close
    opened: Array  # [T, A] units at each open, after a split and before orders
    traded: Array  # [T, A] signed units traded at each open
    fees: Array  # [T, A] currency paid to trade
    financing: Array  # [T] currency paid to borrow since the last bar; interest earned is negative
    called: Array  # [T] bool: the broker called at this close and liquidated at the next open
    ruined: int  # bar at whose close the account was ruined and closed out; 0: never
    benchmark: Array  # [T] equity of buy-and-hold with the same cash and costs

    @property
    def weight(self) -> Array:
        """[T, A] position / equity at each close."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(self.units == 0, 0.0, self.units * self.bars.close / self.equity[:, None])

    @property
    def gross(self) -> Array:
        """[T] value of all positions, long and short, / equity."""
        return np.asarray(np.abs(self.weight).sum(axis=1))

    @property
    def dividends(self) -> Array:
        """[T, A] currency received at each open; negative where a short position pays."""
        return self._before_open * self.bars.splits * self.bars.dividends

    @property
    def fractions(self) -> Array:
        """[T, A] units that a split left of a whole one, and that were paid out at the open."""
        return np.where(self.bars.splits != 1.0, self._before_open * self.bars.splits - self.opened, 0.0)

    @property
    def _before_open(self) -> Array:
        """[T, A] units held since the last close."""
        return np.concatenate([np.zeros_like(self.units[:1]), self.units[:-1]])

    @property
    def liquidations(self) -> Array:
        """Bars at whose close the broker called. Calls in a row are one: it sells until nothing is left."""
        return np.flatnonzero(self.called & ~np.append(False, self.called[:-1]))

    @cached_property
    def fills(self) -> pd.DataFrame:
        """One row a fill, at the mid price; `fee` is commission, spread and slippage.

        What a split leaves of a whole unit is a sale at the open, without a fee. Replayed (cash -= signed
        units x price + fee, the units times each split, their dividends into the cash), they give the equity
        back, but for the financing.
        """
        orders, fractions = np.nonzero(self.traded), np.nonzero(self.fractions)
        bar, asset = (np.concatenate(pair) for pair in zip(fractions, orders, strict=True))
        units = np.concatenate([-self.fractions[fractions], self.traded[orders]])
        fee = np.concatenate([np.zeros(len(fractions[0])), self.fees[orders]])
        price = self.bars.open[bar, asset]
        if self.ruined:  # what was held then was closed out at the mark
            left = self.opened[self.ruined] + self.traded[self.ruined]
            held = np.flatnonzero(left)
            bar = np.append(bar, np.full(len(held), self.ruined))
            asset = np.append(asset, held)
            units, fee = np.append(units, -left[held]), np.append(fee, np.zeros(len(held)))
            price = np.append(price, self.bars.close[self.ruined, held])
        made = pd.DataFrame(
            {
                "time": self.bars.timestamps[bar],
                "symbol": np.array(self.bars.symbols)[asset],
                "side": np.where(units > 0, "buy", "sell"),
                "units": np.abs(units),
                "price": price,
                "fee": fee,
                "bar": bar,
            }
        )
        return made.sort_values("bar", kind="stable", ignore_index=True)

    @cached_property
    def trades(self) -> pd.DataFrame:
        """One row a round trip of a symbol, from flat to flat or through zero, in the order of their entries;
        the last of a symbol may be open (no exit time).

        `units` is all that was entered, prices are means over units, an open trade is valued at the last
        close, `profit` is after fees but not financing, `return` profit over the value entered, `bars` from
        first to last fill. Units and prices are those of the shares at its end, where there was a split;
        `dividends` are part of the profit.
        """
        tables = [self._trades_of(a) for a in range(len(self.bars.symbols))]
        return pd.concat(tables).sort_values("entry_time", kind="stable", ignore_index=True)

    def _trades_of(self, a: int) -> pd.DataFrame:
        symbol = self.bars.symbols[a]
        fills = self.fills[self.fills["symbol"] == symbol]
        signed = fills["units"].to_numpy() * np.where(fills["side"] == "buy", 1.0, -1.0)
        bar, price, cost = (fills[name].to_numpy() for name in ("bar", "price", "fee"))
        splits, dividends = self.bars.splits[:, a], self.bars.dividends[:, a]
        acts = np.flatnonzero((splits != 1.0) | (dividends != 0.0))
        trips = round_trips(
            bar, signed, price, cost, acts, splits[acts], dividends[acts], self.bars.close[-1, a]
        )
        first, last, closed, units, entry, exit_, profit, fee, received = trips
        entry_bar, exit_bar = bar[first], np.where(closed, bar[last], len(self.bars) - 1)
        times = self.bars.timestamps
        return pd.DataFrame(
            {
                "symbol": np.full(len(first), symbol),
                "side": np.where(units > 0, "long", "short"),
                "entry_time": times[entry_bar],
                "exit_time": np.where(closed, times[exit_bar], np.datetime64("NaT", "us")),
                "units": np.abs(units),
                "entry_price": entry,
                "exit_price": exit_,
                "profit": profit,
                "fees": fee,
                "dividends": received,
                "return": profit / (np.abs(units) * entry),
                "bars": exit_bar - entry_bar,
            }
        )

    @cached_property
    def metrics(self) -> dict[str, float]:
        """All of `stats.metrics.METRICS`."""
        fills = self.fills
        traded = np.bincount(fills["bar"], fills["units"] * fills["price"], minlength=len(self.bars))
        closed = self.trades[self.trades["exit_time"].notna()]
        return summarize(
            self.equity,
            self.bars.timestamps,
            self.bars.periods_per_year,
            weight=self.gross,
            traded=traded,
            fees=self.fees.sum(axis=1) + np.maximum(self.financing, 0.0),
            dividends=self.dividends.sum(axis=1),
            profits=closed["profit"].to_numpy(),
            benchmark=self.benchmark,
        )

    @cached_property
    def intervals(self) -> dict[str, Interval]:
        """How far chance carries each of `stats.bootstrap.RESAMPLED`; no interval after ruin."""
        return self._resampled(None)

    @cached_property
    def difference(self) -> dict[str, Interval]:
        """The same of this account minus buy-and-hold, resampled with the same bars."""
        return self._resampled(self.benchmark)

    def _resampled(self, benchmark: Array | None) -> dict[str, Interval]:
        return bootstrap.intervals(
            self.equity,
            self.bars.timestamps,
            self.bars.periods_per_year,
            np.random.default_rng(bootstrap.SEED),  # one of its own: other accounts change nothing
            benchmark=benchmark,
            floor=RUIN * float(self.equity[0]),
        )


@dataclass(frozen=True, eq=False)
class Backtest:
    """Members, their ensemble and the baselines over the same bars with the same cash and costs."""

    name: str
    bars: Bars  # exactly the span
    costs: Costs
    market: TradingConfig  # whose cash and rules the accounts had
    members: tuple[Track, ...]
    ensemble: Track
    baselines: Mapping[str, Track]
    in_sample: bool
    short: bool = False  # whether short positions were allowed

    @property
    def has_oracle(self) -> bool:
        """Whether the hindsight optimum is known: for one symbol, and costs that are a share of the value."""
        return len(self.bars.symbols) == 1 and self.costs.is_proportional and not self.costs.is_financed

    @cached_property
    def oracle_log_wealth(self) -> float:
        """ln(final / initial equity) of the hindsight optimum of 0/1 or, if `short`, -1/0/1 requests, or NaN.

        An account may earn more than that by leverage, by weights in between and by rebalancing. Dividends
        of raw prices count as if they bought at the open of the ex-date, at no cost; an account leaves them
        in cash until its next order.
        """
        if not self.has_oracle:
            return np.nan
        bars = self.bars
        grown = np.cumprod(bars.splits[:, 0] * (1.0 + bars.dividends[:, 0] / bars.open[:, 0]))
        open_, close = bars.open[:, 0] * grown, bars.close[:, 0] * grown
        return float(oracle.optimum(open_, close, self.costs.buy, self.costs.sell, self.short)[0])

    @property
    def oracle_return(self) -> float:
        """Total return of the hindsight optimum after the same costs; NaN if unknown, inf beyond numbers."""
        with np.errstate(over="ignore"):
            return float(np.expm1(self.oracle_log_wealth))

    def captured(self, track: Track) -> float:
        """Share of the hindsight optimum's log wealth that an account earned; NaN where there is none."""
        if track.equity[-1] <= 0 or self.oracle_log_wealth == 0:
            return np.nan
        return float(np.log(track.equity[-1] / track.equity[0]) / self.oracle_log_wealth)

    @property
    def metrics(self) -> dict[str, float]:
        """Of the ensemble."""
        return self.ensemble.metrics

    @cached_property
    def iqm(self) -> dict[str, Interval]:
        """Interquartile mean over members of each of METRICS; its interval is one over seeds, not bars."""
        values = {name: np.array([member.metrics[name] for member in self.members]) for name in METRICS}
        return {
            name: bootstrap.interquartile_interval(values[name], np.random.default_rng(bootstrap.SEED))
            for name in METRICS
        }

    @property
    def frame(self) -> pd.DataFrame:
        """Metrics: one row for the ensemble, each member and each baseline."""
        tracks = (self.ensemble, *self.members, *self.baselines.values())
        return pd.DataFrame({track.name: track.metrics for track in tracks}).T

    @property
    def equity(self) -> pd.DataFrame:
        """[currency] by time: one column for the ensemble, each member and each baseline."""
        tracks = (self.ensemble, *self.members, *self.baselines.values())
        index = pd.DatetimeIndex(self.bars.timestamps, name="time")
        return pd.DataFrame({track.name: track.equity for track in tracks}, index=index)


def run(
    name: str,
    bars: Bars,  # exactly the span
    members: Mapping[str, Array],  # name -> requests [T, A], or [T] of the only symbol
    baselines: Mapping[str, Array],  # the same
    *,
    market: TradingConfig,  # cash, leverage, margin, when to rebalance
    costs: Costs,
    in_sample: bool,
    short: bool = False,
) -> Backtest:
    """Simulate everything at once; `short` says whether the members could be short, should none have been.

    Raises InputError for requests that are no weights within the leverage and for costs that these bars
    cannot tell.
    """
    if both := {"ensemble", *members} & baselines.keys():
        raise ValueError(f"{', '.join(sorted(both))}: a name stands for one account")
    rows = {
        account: _checked(account, request, bars, market.leverage)
        for account, request in (*members.items(), *baselines.items())
    }
    requests = np.stack([rows[account] for account in members])  # [M, T, A]
    hold = np.full(bars.close.shape, 1.0 / len(bars.symbols))
    still = market.model_copy(update={"rebalance": False, "band": 0.0})  # whatever the others do
    (benchmark,) = _tracks(bars, {"buy_and_hold": hold}, still, costs)
    accounts = {"ensemble": requests.mean(axis=0), **rows}
    ensemble, *tracks = _tracks(bars, accounts, market, costs, benchmark.equity)
    rivals = dict(zip(baselines, tracks[len(members) :], strict=True))
    return Backtest(
        name,
        bars,
        costs,
        market,
        tuple(tracks[: len(members)]),
        ensemble,
        {rival: benchmark if rival == benchmark.name else track for rival, track in rivals.items()},
        in_sample,
        short or bool((requests < 0).any()),
    )


def replay(of: Backtest, requests: Array, costs: Costs, market: TradingConfig | None = None) -> Array:
    """Equity [K, T] of requests [K, T, A] on the bars of a backtest, at other costs."""
    terms = kernel.terms(costs, market or of.market)
    cash = of.market.cash
    return kernel.simulate(*quotes(of.bars, costs), requests, cash, terms, RUIN * cash).equity


def policy_requests(agent: Agent, env: TradingEnv) -> Array:
    """What each member asks for at every bar of the environment's span, without exploring: [M, T, A].

    The environment has one account per member and a window over the whole span. A ruined member asks for
    nothing more. The last request is a decision like the others, which no bar is left to fill.
    """
    (requests,) = requests_by_part(agent, [env])
    return requests


def requests_by_part(agent: Agent, envs: Sequence[TradingEnv]) -> list[Array]:
    """The same of a population of S seeds x K environments, which are of as many bars: K arrays [S, T, A].

    Each environment has an account per seed; member s x K + k acts in environment k.
    """
    parts, n_bars, n = len(envs), envs[0].n_bars, envs[0].n_envs
    seen = [env.reset() for env in envs]
    requests = [np.zeros((n, n_bars, len(env.bars.symbols))) for env in envs]
    alive = np.ones((parts, n), dtype=bool)
    for t in range(n_bars):
        obs = np.stack(seen, axis=1)
        action, _ = agent.act(obs.reshape(n * parts, 1, *obs.shape[2:]), explore=False)
        action = action.reshape(n, parts, *action.shape[2:])
        for k, env in enumerate(envs):
            asked = env.requests(action[:, k], env.accounts_left)
            requests[k][alive[k], t] = asked[alive[k]]
            if t < n_bars - 1:
                step = env.step(action[:, k])
                alive[k] &= ~step.terminated
                seen[k] = step.next_obs  # at the last bar `obs` is that of a fresh episode already
    return requests


def _checked(account: str, requests: Array, bars: Bars, leverage: float) -> Array:
    """Requests as [T, A]. Raises InputError for the first row of more weights than the leverage allows."""
    request = np.asarray(requests, dtype=np.float64).reshape(bars.close.shape)
    gross = np.nansum(np.abs(request), axis=1)
    bad = np.flatnonzero(~(gross <= leverage * (1 + 1e-9)))
    if len(bad):
        asked = ", ".join(f"{weight:g}" for weight in request[bad[0]])
        raise InputError(
            f"{account} asks for {asked} on {spelled(bars.timestamps[bad[0]])}: the weights must not exceed"
            f" {leverage:g} in all (--leverage)"
        )
    return request


def _tracks(
    bars: Bars,
    requests: Mapping[str, Array],  # name -> [T, A]
    market: TradingConfig,
    costs: Costs,
    benchmark: Array | None = None,  # [T] equity; None: that of the first account
) -> list[Track]:
    """One account for each name."""
    rows = np.stack(list(requests.values()))
    terms = kernel.terms(costs, market)
    made = kernel.simulate(*quotes(bars, costs), rows, market.cash, terms, RUIN * market.cash)
    units, traded, fees = made.units, made.traded, made.fees
    opened = made.opened(units)
    return [
        Track(
            name=name,
            bars=bars,
            request=rows[k],
            cash=made.cash[k],
            units=units[k],
            opened=opened[k],
            equity=made.equity[k],
            traded=traded[k],
            fees=fees[k],
            financing=made.financing[k],
            called=made.called[k],
            ruined=int(made.ruined[k]),
            benchmark=made.equity[0] if benchmark is None else benchmark,
        )
        for k, name in enumerate(requests)
    ]
