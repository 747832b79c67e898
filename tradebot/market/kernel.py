"""The only place where money moves: one account, one bar, one request.

Convention: a request is decided on the data up to bar t, filled at the open of bar t+1 and marked at its
close. A request is a target weight (position value / equity, finite); repeating the last one holds the units.
Training runs `settle` over environments, the backtest runs it over bars. No fastmath: bit for bit the same.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from tradebot.core import Array

# Columns of an account.
CASH, UNITS, REQUEST, EQUITY, PEAK, ENTRY = range(6)
N_COLUMNS = 6

# What an observation can say of an account, in the order of ACCOUNT_FEATURES.
ACCOUNT_FEATURES = ("equity", "position", "request", "drawdown", "unrealized")
BOUND = 5.0  # every observation lies within +-BOUND

# numpy's error model: a check for a zero divisor at every division would halve the speed.
compiled = njit(cache=True, error_model="numpy")


@compiled
def rebalance(
    cash: float, units: float, price: float, weight: float, buy: float, sell: float
) -> tuple[float, float, float, float]:
    """Trade at `price` until the position is `weight` x equity *after* the fee of this very trade.

    With v the value held, E = cash + v, and c = `buy` or -`sell` the fee per signed value traded,
    v' = w (E - c (v' - v)) gives v' = w (E + c v) / (1 + w c). Where no equity would be left: close.
    Returns (cash, units, signed traded units, fee in currency).
    """
    held = units * price
    equity = cash + held
    cost = buy if weight * equity > held else -sell
    target = weight * (equity + cost * held) / (1.0 + weight * cost)
    if target * weight <= 0.0:
        target = 0.0
    traded = target / price - units
    fee = abs(traded) * price * (buy if traded > 0.0 else sell)
    # The units held are the sum of the units traded to the last bit, so that fills add up to exactly flat.
    return cash - traded * price - fee, units + traded, traded, fee


@compiled
def settle(
    account: Array, request: float, open_: float, close: float, buy: float, sell: float
) -> tuple[float, float]:
    """Carry one account [N_COLUMNS] over one bar, in place. Returns (signed traded units, fee [currency])."""
    traded = fee = 0.0
    if request != account[REQUEST]:
        before = account[UNITS]
        account[CASH], account[UNITS], traded, fee = rebalance(
            account[CASH], before, open_, request, buy, sell
        )
        after = account[UNITS]
        if before * after <= 0.0:  # opened, closed or turned
            account[ENTRY] = open_
        elif abs(after) > abs(before):  # added: average cost
            account[ENTRY] += (open_ - account[ENTRY]) * (traded / after)
        account[REQUEST] = request
    account[EQUITY] = account[CASH] + account[UNITS] * close
    account[PEAK] = max(account[PEAK], account[EQUITY])
    return traded, fee


@compiled
def open_account(account: Array, cash: float) -> None:
    """A flat account that holds `cash`."""
    account[:] = 0.0
    account[CASH] = account[EQUITY] = account[PEAK] = cash


@compiled
def close_out(account: Array) -> None:
    """Ruin: the broker closes the position at the mark, for free. What is left, perhaps a debt, is cash."""
    account[CASH] = account[EQUITY]
    account[UNITS] = account[REQUEST] = 0.0


@compiled
def observe(
    obs: Array,  # [E, F + K], row e is written
    e: int,
    market: Array,  # [T, F]
    t: int,
    account: Array,  # [N_COLUMNS]
    close: float,
    initial: float,
    features: Array,  # [K] numbers of ACCOUNT_FEATURES
) -> None:
    """Write one observation: the market's features of bar t, then the account's."""
    n = market.shape[1]
    for k in range(n):
        obs[e, k] = market[t, k]
    equity = max(account[EQUITY], 1e-9 * initial)
    for k in range(features.shape[0]):
        which = features[k]
        if which == 0:
            value = np.log(equity / initial)
        elif which == 1:
            value = account[UNITS] * close / equity
        elif which == 2:
            value = account[REQUEST]
        elif which == 3:
            value = equity / account[PEAK] - 1.0
        else:
            value = account[UNITS] * (close - account[ENTRY]) / equity
        obs[e, n + k] = min(max(value, -BOUND), BOUND)


@compiled
def observe_accounts(
    obs: Array,  # [E, F + K], written
    market: Array,  # [T, F]
    bar: Array,  # [E] int
    accounts: Array,  # [E, N_COLUMNS]
    close: Array,  # [T] price
    initial: float,  # currency
    features: Array,  # [K]
) -> None:
    """Write the observation of every account at its bar."""
    for e in range(bar.shape[0]):
        observe(obs, e, market, bar[e], accounts[e], close[bar[e]], initial, features)


@compiled
def step_accounts(
    open_: Array,  # [T] price
    close: Array,  # [T] price
    market: Array,  # [T, F] market features
    features: Array,  # [K] which account features the observation has
    accounts: Array,  # [E, N_COLUMNS], changed in place
    bar: Array,  # [E] int: the bar that was observed; advanced by one
    last: Array,  # [E] int: the bar at which the episode is cut off
    first: int,  # the earliest bar a window may start at
    window: int,  # decisions in an episode
    request: Array,  # [E] target weights
    buy: float,
    sell: float,
    initial: float,  # cash at the start, currency
    floor: float,  # equity at which an account is ruined, currency
    scale: float,  # of the reward
    obs: Array,  # [E, F + K], written
    reward: Array,  # [E], written
    terminated: Array,  # [E] bool, written
    truncated: Array,  # [E] bool, written
    level: Array,  # [E] int, written: the window's start in windows from `first`
) -> bool:
    """Carry E accounts over one bar each. Returns whether any episode ended."""
    ended = False
    for e in range(bar.shape[0]):
        account = accounts[e]
        before = account[EQUITY]
        bar[e] += 1
        t = bar[e]
        settle(account, request[e], open_[t], close[t], buy, sell)
        equity = account[EQUITY]
        reward[e] = 0.0 if equity == before else scale * np.log(max(equity, floor) / before)
        terminated[e] = equity <= floor
        truncated[e] = not terminated[e] and t >= last[e]
        level[e] = (last[e] - window - first) // window
        if terminated[e]:
            close_out(account)
        ended |= terminated[e] or truncated[e]
        observe(obs, e, market, t, account, close[t], initial, features)
    return ended


@compiled
def simulate(
    open_: Array, close: Array, requests: Array, cash: float, buy: float, sell: float, floor: float
) -> tuple[Array, Array, Array, Array, Array, Array]:
    """Run K accounts through T bars. Row t of requests [T, K] is filled at the open of t+1, the last never.

    Returns cash, units, equity, signed units traded at the open and fees, each [T, K] (row 0 is the start),
    and the bar [K] at whose close each account was ruined and closed out (0: never); it never trades again.
    """
    n_bars, n_accounts = requests.shape
    out_cash = np.full((n_bars, n_accounts), cash)
    out_units = np.zeros((n_bars, n_accounts))
    out_equity = np.full((n_bars, n_accounts), cash)
    out_traded = np.zeros((n_bars, n_accounts))
    out_fees = np.zeros((n_bars, n_accounts))
    ruined = np.zeros(n_accounts, dtype=np.int64)
    account = np.empty(N_COLUMNS)
    for k in range(n_accounts):
        open_account(account, cash)
        for t in range(1, n_bars):
            if ruined[k] == 0:
                traded, fee = settle(account, requests[t - 1, k], open_[t], close[t], buy, sell)
                out_traded[t, k] = traded
                out_fees[t, k] = fee
                if account[EQUITY] <= floor:
                    ruined[k] = t
                    close_out(account)
            out_cash[t, k] = account[CASH]
            out_units[t, k] = account[UNITS]
            out_equity[t, k] = account[EQUITY]
    return out_cash, out_units, out_equity, out_traded, out_fees, ruined


@compiled
def hash_below(seed: int, environment: int, episode: int, n: int) -> int:
    """0 .. n-1 from (seed, environment, episode): SplitMix64 (Steele et al. 2014), chained over the three."""
    state = np.uint64(0)
    for word in (seed, environment, episode):
        state = (state ^ np.uint64(word)) + np.uint64(0x9E3779B97F4A7C15)
        state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        state = state ^ (state >> np.uint64(31))
    return int(state % np.uint64(n))


@compiled
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
    accounts: Array,  # [E, N_COLUMNS], written
    close: Array,  # [T] price
    market: Array,  # [T, F]
    features: Array,  # [K]
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
            episodes[e] += 1
            open_account(accounts[e], initial)
            observe(obs, e, market, bar[e], accounts[e], close[bar[e]], initial, features)
