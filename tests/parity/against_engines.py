"""The same orders through backtesting.py and vectorbt: what the tests compare the simulator with, bar by bar.

Convention, as in the kernel: row t was decided at the close of bar t and is filled at the open of t+1, the
last row never; equity is cash + units x close; row 0 is the initial cash. Both engines are given what makes
them do that; where they cannot, the docstring says what has to be asked of the kernel instead.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import vectorbt as vbt  # type: ignore[import-untyped]
from backtesting import Backtest, Strategy  # type: ignore[import-untyped]

from tradebot.core import Array
from tradebot.prices.bars import Bars

SCALE = 2.0**20  # a power of two: money and prices times it lose no bit
ALL_IN = 0.9999  # what backtesting.py takes as "everything": an order of size 1 is one unit


@dataclass(frozen=True, eq=False)
class Account:
    """What an engine says of its account after every bar."""

    cash: Array  # [T] currency, proceeds of short sales in it
    units: Array  # [T, A]
    equity: Array  # [T] currency


class FollowUnits(Strategy):  # type: ignore[misc]  # the library is not typed
    """One order a change: the difference from what is held, so that a turn is one fill."""

    rows: Array = np.empty(0)  # [T] units that are to be held

    def init(self) -> None:
        self.held: list[float] = []  # units after every bar

    def next(self) -> None:
        t = len(self.held)
        self.held.append(self.position.size)
        order = self.rows[t] - self.held[t]
        if order > 0:
            self.buy(size=order)
        elif order < 0:
            self.sell(size=-order)


class FollowSignals(Strategy):  # type: ignore[misc]  # the library is not typed
    """Where the signal changes: close, then go in with everything. The broker finds the size at the fill."""

    rows: Array = np.empty(0)  # [T] -1, 0 or 1

    def init(self) -> None:
        self.held: list[float] = []  # units after every bar

    def next(self) -> None:
        t = len(self.held)
        self.held.append(self.position.size)
        if self.rows[t] != (self.rows[t - 1] if t else 0):
            self.position.close()
            if self.rows[t] > 0:
                self.buy(size=ALL_IN)
            elif self.rows[t] < 0:
                self.sell(size=ALL_IN)


def backtesting_units(
    bars: Bars,  # of one symbol
    units: Array,  # [T] whole units to hold from the next open on
    *,
    cash: float,
    commission: float | Callable[[float, float], float] = 0.0,  # of the value, or (units, price) -> currency
    spread: float = 0.0,  # fraction of the price
) -> tuple[Account, pd.DataFrame]:
    """backtesting.py (0.6.6) with sizes that are given: its bookkeeping beside ours.

    Its account is one of margin: cash is the initial cash less commissions plus profits of closed trades;
    equity adds the open profit at the close. In exact numbers that is cash + units x close of an account that
    pays for its shares. What it does, and what is done here about it:

    - A bar is: fill the orders at the open, record the equity at the close, then `next` sees the bar and
      orders for the next open. The first `next` comes at bar 1, so bar 0 could not decide: a copy of the
      first bar is put in front, and its row is dropped again. Orders of the last bar stay unfilled.
    - Commission is booked in cash at the fill, of the value filled: at the entry and again at the exit. An
      order against the position closes the oldest trades first and opens the rest, each with its own
      commission: the same as one fill where commission is proportional, twice a fixed or minimum one.
    - The spread is paid once a round trip, at the entry: p (1 + spread) for a buy, p (1 - spread) for a short
      sale; exits are at p. With c the commission the kernel needs buy = spread + c (1 + spread), sell = c for
      long/flat, and sell = spread + c (1 - spread), buy = c for short/flat. Accounts that turn or are both
      cannot be matched with a spread: put half of it into the commission of both engines.
    - An order beyond the available margin is cancelled as a whole, with a warning. The margin in use is
      valued at the *close* of the bar that is being filled, which is not known yet. The leverage here is so
      large that this never decides; commissions and profits do not depend on it.
    - Equity <= 0 at a close: everything is closed there with commission, equity is 0 from then on. The kernel
      closes without a fee at its floor and keeps a debt as negative cash. Compare up to that bar.
    - `finalize_trades` would close at the open of the last bar, after its close was recorded: it stays off.

    Returns the account and the closed trades: units, entry_bar, exit_bar, entry_price (spread included),
    exit_price, profit (after both commissions) and commission.
    """
    return _backtested(bars, FollowUnits, units, 1.0, cash, commission, spread, margin=1e-9)


def backtesting_signals(
    bars: Bars,  # of one symbol
    signals: Array,  # [T] -1: all short, 0: flat, 1: all long, from the next open on
    *,
    cash: float,
    commission: float = 0.0,  # fraction of the traded value
    spread: float = 0.0,  # fraction of the price
) -> tuple[Account, pd.DataFrame]:
    """backtesting.py (0.6.6) with its own sizes: `position.close()`, then `buy` or `sell(size=.9999)`.

    At the open p of the fill the position is closed first and its commission paid; E is what is left in cash.
    Then, with c the commission and s the spread (subtracted for a short sale),

        units = floor(int(.9999 E) / (p (1 +- s) + c p))

    where int() drops the cents first. Prices and cash are therefore given to it times 2^20, which loses no
    bit and leaves units = floor(.9999 E / (p (1 +- s + c))) but for one case in many millions. The commission
    in this sum is of p, the one that is paid of p (1 +- s). A fixed commission would be counted per unit.

    The kernel does the same in whole units for a request of signal x `all_in`. A turn is one fill there and
    two here, for the same money. Otherwise as `backtesting_units`, with a margin of 1: what is bought or sold
    short is worth no more than the cash that is left, and it is never refused, being sized just before.
    """
    return _backtested(bars, FollowSignals, signals, SCALE, cash, commission, spread, margin=1.0)


def all_in(commission: float, spread: float = 0.0, side: int = 1) -> float:
    """The kernel's weight w for which it goes in from flat with what `backtesting_signals` goes in with.

    `side` is 1 for long, -1 for short; without a spread both give the same. The kernel's v' = w (E - f v'),
    f = spread + c (1 +- spread), the fee of the entry, is to be .9999 E / (1 +- spread + c).
    """
    fee = spread + commission * (1 + side * spread)
    return ALL_IN / (1 + side * spread + commission - ALL_IN * fee)


def _backtested(
    bars: Bars,
    strategy: type[FollowUnits | FollowSignals],
    rows: Array,  # [T]
    scale: float,
    cash: float,
    commission: float | Callable[[float, float], float],
    spread: float,
    margin: float,
) -> tuple[Account, pd.DataFrame]:
    prices = {"Open": bars.open, "High": bars.high, "Low": bars.low, "Close": bars.close}
    frame = pd.DataFrame({name: scale * np.append(of[0], of[:, 0]) for name, of in prices.items()})
    money = {"cash": scale * cash, "commission": commission, "spread": spread, "margin": margin}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of its statistics, and that the index has no dates
        warnings.filterwarnings("error", ".*Broker canceled")  # an order that is left out
        stats = Backtest(frame, strategy, **money).run(rows=rows)
    equity = stats["_equity_curve"]["Equity"].to_numpy()[1:] / scale
    units = np.zeros(len(bars))
    held = stats["_strategy"].held  # shorter where it was ruined
    units[: len(held)] = held
    closed = stats["_trades"]
    trades = pd.DataFrame(
        {
            "units": closed["Size"],
            "entry_bar": closed["EntryBar"] - 1,
            "exit_bar": closed["ExitBar"] - 1,
            "entry_price": closed["EntryPrice"] / scale,
            "exit_price": closed["ExitPrice"] / scale,
            "profit": closed["PnL"] / scale,
            "commission": closed["Commission"] / scale,
        }
    )
    return Account(equity - units * bars.close[:, 0], units[:, None], equity), trades


def vectorbt_orders(
    bars: Bars,
    orders: Array,  # [T, A] signed units to trade at the next open, fractions allowed
    *,
    cash: float,
    commission: float | Array = 0.0,  # fraction of the traded value, or [A]
    half_spread: float | Array = 0.0,  # fraction of the price, or [A]
    fixed: float | Array = 0.0,  # currency an order, or [A]
) -> Account:
    """vectorbt (1.2) with sizes that are given, all assets out of one cash: its bookkeeping beside ours.

    - It fills row t at row t of `price`: orders are moved a bar down, `price` is the open, `close` the mark.
    - A buy costs units x p (1 + half spread) (1 + commission) + fixed, a sale mirrors it: `Costs` exactly.
      A turn is one order, so a fixed fee is paid once. A size of 0 or NaN is no order and costs nothing.
    - `call_seq="auto"` fills the sales first (by signed value at the open, the largest sale first), so that
      buys find the cash. There is no credit: what cash cannot pay is cut. Here that raises instead. A sale
      that does not bring in its own fees is refused, and raises here too.
    - Short sales need no collateral (`lock_cash` is off), and there is no ruin: equity goes below zero, but
      a cover that cash cannot pay is cut, which raises.
    - Numbers closer than 1e-9 relative (1e-12 absolute) are equal to it: what is left of cash or of a
      position after spending or selling it to within that is 0. Up to 1e-9 of a cash flow is lost there.
    """
    return _ordered(bars, orders, "amount", cash, commission, half_spread, fixed, cut=False)


def vectorbt_weights(
    bars: Bars,
    weights: Array,  # [T, A] position value / equity before fees; NaN holds the units
    *,
    cash: float,
    commission: float | Array = 0.0,
    half_spread: float | Array = 0.0,
    fixed: float | Array = 0.0,
) -> Account:
    """vectorbt (1.2) with its own sizes, `size_type="targetpercent"`.

    Every order of a bar aims at a position worth weight x E at the open, E = cash + units x open *before* the
    fees and the spread of this bar, the same E for all assets. The kernel's weight is of equity after fees:

        kernel v' = w (E + b v) / (1 + w b), b = buy if it buys, -sell if it sells, v the value held before

    so the two differ by the fees. They are the same without costs, for w = 0, and for w = 1 in one asset:
    theirs is more than cash can pay and is cut to (cash - fixed) / (p (1 + half spread) (1 + commission)).
    Else give it v' / E of the kernel's own fill. It has no memory: where the kernel holds because a request
    is repeated, a repeated weight trades again here, so give NaN. An asset that is not ordered still counts
    in E at its open. Otherwise as `vectorbt_orders`, but what cash cannot pay is cut.
    """
    return _ordered(bars, weights, "targetpercent", cash, commission, half_spread, fixed, cut=True)


def _ordered(
    bars: Bars,
    sizes: Array,  # [T, A]
    size_type: str,
    cash: float,
    commission: float | Array,
    half_spread: float | Array,
    fixed: float | Array,
    cut: bool,
) -> Account:
    costs: dict[str, Any] = {"fees": commission, "slippage": half_spread, "fixed_fees": fixed}
    costs = {name: np.asarray(cost, float) for name, cost in costs.items()}  # other types are compiled anew
    portfolio = vbt.Portfolio.from_orders(
        bars.close,
        np.concatenate([np.full((1, sizes.shape[1]), np.nan), sizes[:-1]]),
        size_type=size_type,
        price=bars.open,
        init_cash=np.array([cash], float),
        cash_sharing=True,
        group_by=True,
        call_seq="auto",
        allow_partial=cut,
        raise_reject=not cut,
        **costs,
    )
    units = portfolio.assets().to_numpy().reshape(bars.close.shape)
    return Account(portfolio.cash().to_numpy(), units, portfolio.value().to_numpy())
