"""The only place where money moves: one account of A assets, one bar, one request for each.

Convention: a request is decided on the data up to bar t, filled at the open of bar t+1 and marked at its
close. It is a target weight (position value / equity after all fees); one that repeats the asset's last
request holds the units, and so does NaN, after which any number trades. Training runs `settle` over
environments, the backtest runs it over bars. No fastmath: bit for bit the same.

Within a bar: interest since the last one; the splits and dividends of what is held; the broker's liquidation,
from the open after the close that called for it until nothing is left, and then no other order; orders that
bring positions toward zero; the others, in the order of the assets, as far as the leverage limit allows; the
mark. What a bar cannot fill (volume, leverage) is dropped. A bar that an asset lacks (open = NaN) fills
nothing and leaves the request standing for the next; NaN does not recall it.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any, NamedTuple, TypeVar

import numpy as np
from numba import njit
from numba.extending import register_jitable

from tradebot.core import Array, InputError
from tradebot.market.configs import Broker
from tradebot.market.costs import BPS, Costs

# Columns of an account: five, then seven for each asset. FINANCING is of the last bar.
CASH, EQUITY, PEAK, CALLED, FINANCING = range(5)
# Of asset 0; asset a has them 7 a further on. ANSWERED: the last request that the asset had a bar for; ORDER:
# signed units still to be traded at this open; TRADED and FEE: what came of it, at the last bar with orders.
UNITS, REQUEST, ANSWERED, ENTRY, ORDER, TRADED, FEE = range(5, 12)
FIXED, PER_ASSET = 5, 7

OPEN, CLOSE, VOLUME, DIVIDEND, SPLIT = range(5)  # of a bar; the last two only of bars that have any
QUOTED = 3

# What an observation can say of an account; all but two of them there is one of for each asset.
ACCOUNT_FEATURES = ("equity", "position", "request", "drawdown", "unrealized")
OF_THE_WHOLE = ("equity", "drawdown")
BOUND = 5.0  # every observation lies within +-BOUND

# What the kernel knows of costs and rules, see `terms`.
(
    BUY,
    SELL,
    COMMISSION,
    PER_UNIT,
    MINIMUM,
    MAXIMUM,
    PER_ORDER,
    HALF_SPREAD,
    IMPACT,
    PARTICIPATION,
    WHOLE,
    BORROW,
    MARGIN,
    INTEREST,
    LEVERAGE,
    MAINTENANCE,
    BAND,
    ALWAYS,
    PLAIN,
    FINANCED,
) = range(20)

DUST = 1e-12  # an order of less than this share of the equity is rounding
ROUNDS = 20  # in which the sides and sizes of orders are settled; two do where costs are proportional

F = TypeVar("F", bound=Callable[..., Any])

# numpy's error model: a check for a zero divisor at every division would halve the speed. No counts of
# references: what makes no arrays would spend more time on counting those it is given than on its work.
inner: Callable[[F], F] = njit(cache=True, error_model="numpy", _nrt=False)  # type: ignore[call-overload]
inlined: Callable[[F], F] = njit(cache=True, error_model="numpy", _nrt=False, forceinline=True)  # type: ignore[call-overload]


def n_columns(n_assets: int) -> int:
    """Of an account."""
    return FIXED + PER_ASSET * n_assets


def terms(costs: Costs, rules: Broker) -> Array:
    """[20] numbers: rates as fractions, amounts in currency, rates of interest per year.

    Raises InputError for a leverage at which the broker would liquidate whatever is bought with it.
    """
    if rules.leverage * rules.maintenance >= 1:
        raise InputError(
            f"leverage {rules.leverage:g} x maintenance {rules.maintenance:g} should be less than 1, else the"
            " broker liquidates whatever is bought: --leverage or --maintenance"
        )
    made = np.zeros(20)
    made[[BUY, SELL]] = costs.buy, costs.sell
    made[COMMISSION] = BPS * costs.commission_bps
    made[PER_UNIT] = costs.unit_commission
    made[[MINIMUM, MAXIMUM]] = costs.minimum_commission, BPS * costs.commission_cap_bps
    made[PER_ORDER] = costs.fixed_per_order
    made[HALF_SPREAD] = BPS * costs.half_spread_bps
    made[[IMPACT, PARTICIPATION]] = BPS * costs.impact_bps, costs.participation
    made[WHOLE] = costs.whole_units
    made[[BORROW, MARGIN, INTEREST]] = costs.borrow_rate, costs.margin_rate, costs.cash_rate
    made[[LEVERAGE, MAINTENANCE]] = rules.leverage, rules.maintenance
    made[[BAND, ALWAYS]] = rules.band, rules.rebalance
    made[[PLAIN, FINANCED]] = costs.is_proportional and not rules.band, costs.is_financed
    return made


@inner
def open_account(account: Array, cash: float) -> None:
    """A flat account that holds `cash`."""
    for c in range(len(account)):
        account[c] = 0.0
    account[CASH] = account[EQUITY] = account[PEAK] = cash


@inner
def close_out(account: Array) -> None:
    """Ruin: the broker closes all at the mark, for free. What is left, perhaps a debt, is cash."""
    account[CASH] = account[EQUITY]
    account[CALLED] = 0.0
    for c in range(FIXED, len(account), PER_ASSET):
        account[c] = account[c + REQUEST - UNITS] = account[c + ANSWERED - UNITS] = 0.0


@inlined
def fee_terms(size: float, price: float, volume: float, terms: Array) -> tuple[float, float]:
    """(fixed, rate) of an order of signed `size` units: its fee is fixed + rate |size| price.

    With the slip s, the commission is the rate or the amount per unit, on the value at price (1 +- s),
    between its least and its most; the latter is a share of that value and goes first.
    """
    slip = terms[HALF_SPREAD]
    if terms[IMPACT] > 0.0:
        slip += terms[IMPACT] * np.sqrt(abs(size) / volume)
    if size < 0.0:
        slip = min(slip, 1.0)  # nobody pays to sell
    filled = 1.0 + slip if size > 0.0 else 1.0 - slip
    rate = min(terms[COMMISSION] * filled + terms[PER_UNIT] / price, terms[MAXIMUM] * filled)
    value = abs(size) * price
    if rate * value < terms[MINIMUM]:
        if terms[MINIMUM] < terms[MAXIMUM] * filled * value:
            return terms[PER_ORDER] + terms[MINIMUM], slip
        rate = terms[MAXIMUM] * filled
    return terms[PER_ORDER], slip + rate


@inlined
def fillable(size: float, units: float, volume: float, terms: Array) -> float:
    """The part of an order of signed `size` that its bar can fill, to a whole position if it must be one."""
    if terms[WHOLE] > 0.0:
        size = np.trunc((units + size) * (1.0 + DUST)) - units  # 99.999... is 100
    if terms[PARTICIPATION] > 0.0 or terms[IMPACT] > 0.0:
        most = volume * (terms[PARTICIPATION] if terms[PARTICIPATION] > 0.0 else 1.0)
        if terms[WHOLE] > 0.0:
            most = np.floor(most)
        size = min(max(size, -most), most)
    return size


@inlined
def rebalance(cash: float, units: float, price: float, weight: float, terms: Array) -> tuple[float, float]:
    """Of one asset whose fees are shares of the value: (signed units to trade, fee in currency).

    The position becomes `weight` x equity *after* the fee of this very trade. With v the value held,
    E = cash + v and c the fee per signed value traded (positive to buy, negative to sell),
    v' = w (E - c (v' - v)) gives v' = w (E + c v) / (1 + w c). Where no equity would be left: close.
    """
    held = units * price
    equity = cash + held
    cost = terms[BUY] if weight * equity > held else -terms[SELL]
    target = weight * (equity + cost * held) / (1.0 + weight * cost)
    closes = (target * weight <= 0.0) | (weight * cost <= -1.0)
    is_dust = not closes and abs(target - held) <= DUST * equity
    size = 0.0 if is_dust else (0.0 if closes else target / price) - units
    return size, abs(size) * price * (terms[BUY] if size > 0.0 else terms[SELL])


@inner
def plan(account: Array, bars: Array, t: int, terms: Array) -> None:
    """Write in ORDER what brings all that is asked for to its weight of the equity after all fees.

    The equity left is E' = E - sum of (fixed + rate side (w E' - v)) over the orders, hence
    E' = (E - sum fixed + sum rate side v) / (1 + sum rate side w): exact once sides and fee terms are those
    of the orders. They are found by rounds: with proportional costs the second finds what the first did.
    """
    equity = left = account[EQUITY]
    for _ in range(ROUNDS):
        above, below = equity, 1.0
        for a in range(bars.shape[1]):
            c = PER_ASSET * a
            account[ORDER + c] = 0.0
            if not is_asked(account, c, bars[t, a, OPEN], terms):
                continue
            units, price, volume = account[UNITS + c], bars[t, a, OPEN], bars[t, a, VOLUME]
            weight = min(max(account[REQUEST + c], -terms[LEVERAGE]), terms[LEVERAGE])
            held, target = units * price, weight * left
            if target * weight <= 0.0:
                target = 0.0
            elif abs(target - held) <= max(DUST, terms[BAND]) * equity:
                continue
            wanted = target / price - units
            size = fillable(wanted, units, volume, terms)
            if size == 0.0:
                continue
            account[ORDER + c] = size
            fixed, rate = fee_terms(size, price, volume, terms)
            side = rate if size > 0.0 else -rate
            above -= fixed
            if size == wanted:
                above += side * held
                below += side * weight
            else:
                above -= side * size * price
        found = above / below if below > 0.0 else 0.0  # where each trade costs more than its share: close
        if found == left:
            return
        left = found


@inner
def affordable(
    account: Array, c: int, size: float, price: float, volume: float, gross: float, terms: Array
) -> float:
    """The part of an order beyond zero that keeps `gross`, the value of all positions, within the leverage.

    It closes the value v and opens x; left are E - fees: gross - v + x <= L (E - fixed - rate (v + x))
    """
    units = account[UNITS + c]
    closed = abs(units) * price if units * size < 0.0 else 0.0
    for _ in range(2):  # the smaller order has fee terms of its own
        fixed, rate = fee_terms(size, price, volume, terms)
        opened = abs(size) * price - closed
        room = terms[LEVERAGE] * (account[EQUITY] - fixed - rate * closed) - gross + closed
        most = room / (1.0 + terms[LEVERAGE] * rate)
        if opened <= most + DUST * abs(account[EQUITY]):
            return size
        if most <= 0.0:
            return -units if closed > 0.0 else 0.0
        most = (closed + most) / price
        if terms[WHOLE] > 0.0:
            most = np.floor(most * (1.0 + DUST))
        size = np.copysign(most, size)
    return size


@inlined
def fill(account: Array, c: int, size: float, price: float, fee: float) -> None:
    """Book an order of signed `size`. The units held are the sum of the units traded to the last bit."""
    before = account[UNITS + c]
    after = before + size
    account[CASH] = account[CASH] - size * price - fee
    account[UNITS + c] = after
    account[TRADED + c] = size
    account[FEE + c] = fee
    if before * after <= 0.0:  # opened, closed or turned
        account[ENTRY + c] = price
    elif abs(after) > abs(before):  # added: average cost
        account[ENTRY + c] += (price - account[ENTRY + c]) * (size / after)


@inlined
def execute(account: Array, c: int, size: float, price: float, volume: float, terms: Array) -> None:
    """Fill an order of signed `size` and take its fee off the equity."""
    fixed, rate = fee_terms(size, price, volume, terms)
    fee = fixed + rate * abs(size) * price
    fill(account, c, size, price, fee)
    account[EQUITY] -= fee


@inner
def trade(account: Array, bars: Array, t: int, terms: Array) -> None:
    """Bring the account to what is asked for, or to nothing where the broker calls."""
    n = bars.shape[1]
    equity, gross = account[CASH], 0.0
    for a in range(n):
        price = bars[t, a, CLOSE] if np.isnan(bars[t, a, OPEN]) else bars[t, a, OPEN]
        equity += account[UNITS + PER_ASSET * a] * price
        gross += abs(account[UNITS + PER_ASSET * a]) * price
    account[EQUITY] = equity
    if account[CALLED] == 0.0:
        plan(account, bars, t, terms)
    else:
        for c in range(0, PER_ASSET * n, PER_ASSET):
            units, volume = account[UNITS + c], bars[t, c // PER_ASSET, VOLUME]
            lacks = np.isnan(bars[t, c // PER_ASSET, OPEN])
            account[ORDER + c] = 0.0 if lacks else fillable(-units, units, volume, terms)
    for a in range(n):  # toward zero
        c = PER_ASSET * a
        size, before = account[ORDER + c], account[UNITS + c]
        if before * size < 0.0:
            price, volume = bars[t, a, OPEN], bars[t, a, VOLUME]
            gross -= min(abs(size), abs(before)) * price
            if abs(size) <= abs(before):
                execute(account, c, size, price, volume, terms)
                account[ORDER + c] = 0.0
            else:  # it will turn, and does close: that makes room for those before it
                fixed, rate = fee_terms(size, price, volume, terms)
                account[EQUITY] -= fixed + rate * abs(before) * price
    for a in range(n):  # away from it
        c = PER_ASSET * a
        size, before = account[ORDER + c], account[UNITS + c]
        if size == 0.0:
            continue
        price, volume = bars[t, a, OPEN], bars[t, a, VOLUME]
        if before * size < 0.0:
            fixed, rate = fee_terms(size, price, volume, terms)
            account[EQUITY] += fixed + rate * abs(before) * price
            gross += abs(before) * price
        size = affordable(account, c, size, price, volume, gross, terms)
        if size != 0.0:
            execute(account, c, size, price, volume, terms)
            gross += (abs(before + size) - abs(before)) * price


@inlined
def interest(
    cash: float, short: float, years: float, rates: tuple[float, float, float]
) -> tuple[float, float]:
    """(cost of the shares on loan, what idle cash earns: negative where it is borrowed), both in currency.

    The proceeds of short sales, `short` at the last mark, are the lender's security: they earn nothing and
    need not be borrowed.
    """
    borrow, margin, earn = rates
    idle = cash - short
    return years * borrow * short, years * earn * idle if idle > 0.0 else years * margin * idle


@inlined
def finance(account: Array, bars: Array, t: int, years: float, terms: Array) -> None:
    """Pay for what was borrowed since the last mark, shares or cash; FINANCING is negative for earnings."""
    short = 0.0
    for a in range(bars.shape[1]):
        short -= min(account[UNITS + PER_ASSET * a] * bars[t - 1, a, CLOSE], 0.0)
    rates = terms[BORROW], terms[MARGIN], terms[INTEREST]
    cost, earned = interest(account[CASH], short, years, rates)
    account[FINANCING] = cost - earned
    account[CASH] = account[CASH] - cost + earned


@register_jitable
def after_split(units: Any, split: Any, whole: bool) -> Any:
    """The units that are left of some, numbers or arrays. A part of a whole one is paid out at the open."""
    held = units * split
    return np.trunc(held * (1.0 + DUST)) if whole else held


@inlined
def act(account: Array, bars: Array, t: int, terms: Array) -> None:
    """Book the splits and dividends of what is held, before any order: no fee, no trade, shorts pay.

    The price of entry is that of a share as it is now, less its dividends, so that the unrealized gain counts
    them.
    """
    for a in range(bars.shape[1]):
        c = PER_ASSET * a
        units, split, dividend = account[UNITS + c], bars[t, a, SPLIT], bars[t, a, DIVIDEND]
        if units == 0.0 or not (split != 1.0 or dividend != 0.0):
            continue
        account[CASH] += units * split * dividend
        account[ENTRY + c] = account[ENTRY + c] / split - dividend
        if split != 1.0:
            held = after_split(units, split, terms[WHOLE] > 0.0)
            account[CASH] += (units * split - held) * bars[t, a, OPEN]
            account[UNITS + c] = held


@inlined
def is_asked(account: Array, c: int, price: float, terms: Array) -> bool:
    """Whether the asset with columns from c is to be brought to its requested weight at this open."""
    weight = account[REQUEST + c]
    changed = weight != account[ANSWERED + c] or terms[ALWAYS] > 0.0
    return changed and not np.isnan(weight) and not np.isnan(price)


@inlined
def take_down(account: Array, c: int, request: float) -> None:
    """Remember what is asked for. Who asks for nothing new lets stand what could not be answered."""
    account[TRADED + c] = account[FEE + c] = 0.0
    last = account[REQUEST + c]
    if not np.isnan(request) or np.isnan(last) or last == account[ANSWERED + c]:
        account[REQUEST + c] = request


@inlined
def order_one(account: Array, request: float, price: float, terms: Array) -> None:
    """Of the only asset, whose fees are shares of the value: fill what is asked for at the open."""
    take_down(account, 0, request)
    if is_asked(account, 0, price, terms):
        weight = min(max(account[REQUEST], -terms[LEVERAGE]), terms[LEVERAGE])
        size, fee = rebalance(account[CASH], account[UNITS], price, weight, terms)
        if size != 0.0:
            fill(account, 0, size, price, fee)
    if not np.isnan(price) or np.isnan(account[REQUEST]):
        account[ANSWERED] = account[REQUEST]


@inner
def order(account: Array, requests: Array, r: int, bars: Array, t: int, terms: Array) -> None:
    """Fill what is asked for at the open, or close all where the broker calls."""
    n, called, asked = bars.shape[1], account[CALLED] > 0.0, False
    for a in range(n):
        take_down(account, PER_ASSET * a, requests[r, a])
        asked |= is_asked(account, PER_ASSET * a, bars[t, a, OPEN], terms)
    if asked or called:
        trade(account, bars, t, terms)
    for a in range(n):
        c = PER_ASSET * a
        if called:
            account[REQUEST + c] = 0.0
        if called or not np.isnan(bars[t, a, OPEN]) or np.isnan(account[REQUEST + c]):
            account[ANSWERED + c] = account[REQUEST + c]


@inlined
def is_due(account: Array, c: int, request: float) -> bool:
    """Whether something new is asked for, or stands unanswered. NaN differs from all, itself too."""
    due: bool = request != account[REQUEST + c] or account[REQUEST + c] != account[ANSWERED + c]
    return due


@inlined
def settle(
    account: Array,  # [C], changed in place
    requests: Array,  # [R, A] target weights
    r: int,  # the account's row of them
    # [T, A, 3] OPEN, CLOSE, VOLUME; where an asset lacks a bar NaN, the last close, 0. Or [T, A, 5], with
    # DIVIDEND and SPLIT too: 0 and 1 where there is none.
    bars: Array,
    t: int,  # the bar
    years: float,  # since the last bar
    terms: Array,
) -> bool:
    """Carry one account over one bar. Returns whether orders were due; if not, TRADED and FEE are old."""
    n = bars.shape[1]
    if terms[FINANCED] > 0.0:
        finance(account, bars, t, years, terms)
    if bars.shape[2] > QUOTED:
        act(account, bars, t, terms)
    due: bool = account[CALLED] > 0.0 or terms[ALWAYS] > 0.0
    for a in range(n):
        due |= is_due(account, PER_ASSET * a, requests[r, a])
    if due and n == 1 and terms[PLAIN] > 0.0 and account[CALLED] == 0.0:
        order_one(account, requests[r, 0], bars[t, 0, OPEN], terms)
    elif due:
        order(account, requests, r, bars, t, terms)
    equity, gross = account[CASH], 0.0
    for a in range(n):
        value = account[UNITS + PER_ASSET * a] * bars[t, a, CLOSE]
        equity += value
        gross += abs(value)
    account[EQUITY] = equity
    account[PEAK] = max(account[PEAK], equity)
    unfinished = account[CALLED] > 0.0 and gross > 0.0  # a liquidation goes on until nothing is left
    account[CALLED] = 1.0 if unfinished or equity < terms[MAINTENANCE] * gross else 0.0
    return due


class Simulated(NamedTuple):
    """K accounts of A assets over T bars. Bar 0 is the start, where nothing can be held yet."""

    shape: tuple[int, int, int]  # K, T, A
    cash: Array  # [K, T] currency
    equity: Array  # [K, T] currency, at the close
    financing: Array  # [K, T] currency paid since the last bar
    called: Array  # [K, T] bool: the close called for a liquidation at the next open
    # [K] bar at whose close the account was ruined and closed out, never to trade again; 0: none
    ruined: Array
    fill: Array  # [N] int, ascending: (account x T + bar) x A + asset of each order that was filled
    size: Array  # [N] signed units, at the open
    fee: Array  # [N] currency
    splits: Array  # [T, A, 1], or [T, A, 0] where there are none
    whole: bool  # whether a part of a unit is paid out

    @property
    def traded(self) -> Array:
        """[K, T, A] signed units traded at each open."""
        return self._spread(self.size)

    @property
    def fees(self) -> Array:
        """[K, T, A] currency."""
        return self._spread(self.fee)

    @property
    def units(self) -> Array:
        """[K, T, A] held at the close: the sum of the units traded, to the last bit, and none after ruin.

        A split makes others of those held before it.
        """
        held = self.traded
        acts = np.flatnonzero((self.splits != 1.0).any(axis=(1, 2)))
        for first, last in pairwise([0, *acts[acts > 0], self.shape[1]]):
            if first:
                held[:, first] += self._carried(held[:, first - 1], first)
            np.cumsum(held[:, first:last], axis=1, out=held[:, first:last])
        for k in np.flatnonzero(self.ruined):
            held[k, self.ruined[k] :] = 0.0
        return held

    def opened(self, units: Array) -> Array:
        """[K, T, A] held at each open, after a split and before orders, of `units` held at the closes."""
        held = np.concatenate([np.zeros_like(units[:, :1]), units[:, :-1]], axis=1)
        for t in np.flatnonzero((self.splits != 1.0).any(axis=(1, 2))):
            held[:, t] = self._carried(held[:, t], int(t))
        return held

    def _carried(self, units: Array, t: int) -> Array:
        """[K, A] what the open of bar t leaves of units held at the close before it."""
        split = self.splits[t, :, 0]
        return np.where(split != 1.0, after_split(units, split, self.whole), units)

    def _spread(self, values: Array) -> Array:
        """[N] -> [K, T, A]"""
        all_bars = np.zeros(self.shape)
        all_bars.reshape(-1)[self.fill] = values
        return all_bars


def simulate(
    bars: Array,  # [T, A, 3 or 5], see `settle`
    years: Array,  # [T] since the last bar
    requests: Array,  # [K, T, A] target weights; row t is filled at the open of t+1, the last never
    cash: float,  # at the start, currency
    terms: Array,
    floor: float,  # equity at which an account is ruined, currency
) -> Simulated:
    """Run K accounts through T bars."""
    shape, size = requests.shape, requests.size
    made = Simulated(  # by numpy, whose arrays take no memory and no time until they are written
        shape=shape,
        cash=np.empty(shape[:2]),
        equity=np.empty(shape[:2]),
        financing=np.zeros(shape[:2]),
        called=np.zeros(shape[:2], dtype=bool),
        ruined=np.zeros(shape[0], dtype=np.int64),
        fill=np.empty(size, dtype=np.int64),  # as many as there could be
        size=np.empty(size),
        fee=np.empty(size),
        splits=np.empty((0, 0, 0)),  # of one layout, else `run` would be compiled for each
        whole=bool(terms[WHOLE] > 0.0),
    )
    n = run(np.empty(n_columns(shape[2])), bars, years, requests, cash, terms, floor, made)
    return made._replace(fill=made.fill[:n], size=made.size[:n], fee=made.fee[:n], splits=bars[:, :, SPLIT:])


@inner
def run(
    account: Array,  # [C], written: each account in turn
    bars: Array,
    years: Array,
    requests: Array,
    cash: float,
    terms: Array,
    floor: float,
    made: Simulated,  # written
) -> int:
    """Run the accounts one after the other. Returns the number of fills."""
    n_accounts, n_bars, n_assets = requests.shape
    n = 0
    for k in range(n_accounts):
        open_account(account, cash)
        made.cash[k, 0] = made.equity[k, 0] = cash
        t = 1
        while t < n_bars:
            if account[CALLED] == 0.0 and terms[ALWAYS] == 0.0:
                written = made.cash[k], made.equity[k], made.financing[k]
                t = hold(account, requests[k], bars, t, years, terms, floor, *written)
                if t == n_bars:
                    break
            if settle(account, requests[k], t - 1, bars, t, years[t], terms):
                for a in range(n_assets):
                    if account[TRADED + PER_ASSET * a] != 0.0:
                        made.fill[n] = (k * n_bars + t) * n_assets + a
                        made.size[n] = account[TRADED + PER_ASSET * a]
                        made.fee[n] = account[FEE + PER_ASSET * a]
                        n += 1
            if account[FINANCING] != 0.0:
                made.financing[k, t] = account[FINANCING]
            if account[EQUITY] <= floor:
                made.ruined[k] = t
                made.cash[k, t:] = made.equity[k, t:] = account[EQUITY]
                break
            if account[CALLED] > 0.0:
                made.called[k, t] = True
            made.cash[k, t], made.equity[k, t] = account[CASH], account[EQUITY]
            t += 1
    return n


@inner
def hold(
    account: Array,  # [C], whose cash is changed
    requests: Array,  # [T, A]
    bars: Array,
    t: int,
    years: Array,  # [T]
    terms: Array,
    floor: float,
    cash: Array,  # [T], written
    equity: Array,  # [T], written
    financing: Array,  # [T], written
) -> int:
    """Do no more than finance and mark the account from bar t on. Returns the first bar that asks for more,
    or has a split or a dividend.

    Each bar is what `settle` would make of it, but there are many of them, so the compiler is to know if
    there is a single asset.
    """
    n = bars.shape[1]
    if n == 1:
        return hold_assets(account, requests, bars, t, years, terms, floor, cash, equity, financing, 1)
    return hold_assets(account, requests, bars, t, years, terms, floor, cash, equity, financing, n)


@inlined
def hold_assets(
    account: Array,
    requests: Array,
    bars: Array,
    t: int,
    years: Array,
    terms: Array,
    floor: float,
    out_cash: Array,
    out_equity: Array,
    out_financing: Array,
    n: int,
) -> int:
    n_bars, cash, cost, earned, short = bars.shape[0], account[CASH], 0.0, 0.0, 0.0
    has_actions = bars.shape[2] > QUOTED
    is_financed, maintenance = terms[FINANCED] > 0.0, terms[MAINTENANCE]
    rates = terms[BORROW], terms[MARGIN], terms[INTEREST]
    for a in range(n):
        c = PER_ASSET * a
        if is_due(account, c, account[REQUEST + c]):
            return t
        short -= min(account[UNITS + c] * bars[t - 1, a, CLOSE], 0.0)
    while t < n_bars:
        if is_financed:
            cost, earned = interest(cash, short, years[t], rates)
        left = cash - cost + earned
        equity, gross, short, due = left, 0.0, 0.0, False
        for a in range(n):
            c = PER_ASSET * a
            due |= requests[t - 1, a] != account[REQUEST + c]
            if has_actions:
                due |= bars[t, a, SPLIT] != 1.0 or bars[t, a, DIVIDEND] != 0.0
            value = account[UNITS + c] * bars[t, a, CLOSE]
            equity += value
            gross += abs(value)
            short -= min(value, 0.0)
        if due or equity <= floor or equity < maintenance * gross:
            break
        cash = left
        out_cash[t], out_equity[t] = cash, equity
        if is_financed:
            out_financing[t] = cost - earned
        t += 1
    account[CASH] = cash
    return t


# ---- training: E accounts stepped over their bars, observed, and begun anew


@inlined
def observe(
    obs: Array,  # [E, F + K], row e is written
    e: int,
    market: Array,  # [T, F]
    bars: Array,  # [T, A, 3 or 5] as `settle` takes them
    t: int,
    account: Array,  # [C]
    initial: float,
    features: Array,  # [K, 2] number of ACCOUNT_FEATURES, asset
) -> None:
    """Write one observation: the market's features of bar t, then the account's."""
    n = market.shape[1]
    for k in range(n):
        obs[e, k] = market[t, k]
    equity = max(account[EQUITY], 1e-9 * initial)
    share = 1.0 / equity
    for k in range(features.shape[0]):
        which, a = features[k, 0], features[k, 1]
        c = PER_ASSET * a
        if which == 0:
            value = np.log(equity / initial)
        elif which == 3:
            value = equity / account[PEAK] - 1.0
        elif which == 2 and not np.isnan(account[REQUEST + c]):
            value = account[REQUEST + c]
        elif which == 4:
            value = account[UNITS + c] * (bars[t, a, CLOSE] - account[ENTRY + c]) * share
        else:  # the position, which is also what a request to hold asks for
            value = account[UNITS + c] * bars[t, a, CLOSE] * share
        obs[e, n + k] = min(max(value, -BOUND), BOUND)


@inner
def observe_accounts(
    obs: Array,  # [E, F + K], written
    market: Array,  # [T, F]
    bars: Array,  # [T, A, 3 or 5]
    bar: Array,  # [E] int
    accounts: Array,  # [E, C]
    initial: float,  # currency
    features: Array,  # [K, 2]
) -> None:
    """Write the observation of every account at its bar."""
    for e in range(bar.shape[0]):
        observe(obs, e, market, bars, bar[e], accounts[e], initial, features)


@inner
def step_accounts(
    bars: Array,  # [T, A, 3 or 5]
    years: Array,  # [T] since the last bar
    market: Array,  # [T, F] market features
    features: Array,  # [K, 2] which account features the observation has
    accounts: Array,  # [E, C], changed in place
    bar: Array,  # [E] int: the bar that was observed; advanced by one
    last: Array,  # [E] int: the bar at which the episode is cut off
    requests: Array,  # [E, A] target weights
    terms: Array,
    initial: float,  # cash at the start, currency
    floor: float,  # equity at which an account is ruined, currency
    scale: float,  # of the reward
    obs: Array,  # [E, F + K], written
    reward: Array,  # [E], written: scale x log growth of the equity
    terminated: Array,  # [E] bool, written
    truncated: Array,  # [E] bool, written
) -> bool:
    """Carry E accounts over one bar each. Returns whether any episode ended."""
    ended = False
    for e in range(bar.shape[0]):
        reward[e] = accounts[e, EQUITY]  # before
        bar[e] += 1
        settle(accounts[e], requests, e, bars, bar[e], years[bar[e]], terms)
    for e in range(bar.shape[0]):
        equity = accounts[e, EQUITY]
        reward[e] = 0.0 if equity == reward[e] else scale * np.log(max(equity, floor) / reward[e])
        terminated[e] = equity <= floor
        truncated[e] = not terminated[e] and bar[e] >= last[e]
        if terminated[e]:
            close_out(accounts[e])
        ended |= terminated[e] or truncated[e]
    observe_accounts(obs, market, bars, bar, accounts, initial, features)
    return ended


@inlined
def hash_below(seed: int, environment: int, episode: int, n: int) -> int:
    """0 .. n-1 from (seed, environment, episode): SplitMix64 (Steele et al. 2014), chained over the three."""
    state = np.uint64(0)
    for word in (seed, environment, episode):
        state = (state ^ np.uint64(word)) + np.uint64(0x9E3779B97F4A7C15)
        state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        state = state ^ (state >> np.uint64(31))
    return int(state % np.uint64(n))


@inner
def begin_episodes(
    ended: Array,  # [E] bool: which environments start anew
    seeds: Array,  # [E] int: of the environment's member
    environments: Array,  # [E] int: number of the environment within its member
    episodes: Array,  # [E] int, counted up
    level: Array,  # [E] int: window of the grid in which to start; -1: anywhere
    first: int,  # the earliest bar a window may start at
    n_starts: int,
    window: int,  # decisions in an episode
    bar: Array,  # [E] int, written
    last: Array,  # [E] int, written
    running: Array,  # [E] int, written: the level that the episode starts in
    accounts: Array,  # [E, C], written
    bars: Array,  # [T, A, 3 or 5]
    market: Array,  # [T, F]
    features: Array,  # [K, 2]
    initial: float,  # currency
    obs: Array,  # [E, F + K], written where ended
) -> None:
    """Put the environments that ended at the start of a new window."""
    for e in range(ended.shape[0]):
        if ended[e]:
            low = max(level[e], 0) * window
            choices = n_starts if level[e] < 0 else min(window, n_starts - low)
            bar[e] = first + low + hash_below(seeds[e], environments[e], episodes[e], choices)
            last[e] = bar[e] + window
            running[e] = (bar[e] - first) // window
            episodes[e] += 1
            open_account(accounts[e], initial)
            observe(obs, e, market, bars, bar[e], accounts[e], initial, features)
