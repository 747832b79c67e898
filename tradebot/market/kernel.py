"""The only place where money moves: one account, one bar, one request.

Convention: a request is decided on the data up to bar t, filled at the open of bar t+1 and marked at its close. A request
is a target weight (position value / equity); repeating the last request holds the units. Training runs `settle` over
environments, the backtest runs it over bars. No fastmath: both must agree to the last bit.
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


@njit(cache=True)
def rebalance(
    cash: float, units: float, price: float, weight: float, buy: float, sell: float
) -> tuple[float, float, float, float]:
    """Trade at `price` until the position is `weight` x equity *after* the fee of this very trade.

    With v the value held, E the equity and c the fee per value, v' = w (E - c |v' - v|) has the closed form below.
    Returns (cash, units, signed traded units, fee in currency).
    """
    held = units * price
    equity = cash + held
    if weight == 0.0 or equity <= 0.0:  # nothing can be sized on no equity: close
        target = 0.0
    elif weight * equity > held:
        target = weight * (equity + buy * held) / (1.0 + weight * buy)
    else:
        target = weight * (equity - sell * held) / (1.0 - weight * sell)
    new_units = target / price
    traded = new_units - units
    fee = traded * price * buy if traded > 0.0 else -traded * price * sell
    return cash - traded * price - fee, new_units, traded, fee


@njit(cache=True)
def settle(
    account: Array, request: float, open_: float, close: float, buy: float, sell: float
) -> tuple[float, float]:
    """Carry one account [N_COLUMNS] over one bar, in place. Returns (signed traded units, fee in currency)."""
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


@njit(cache=True)
def open_account(account: Array, cash: float) -> None:
    """A flat account that holds `cash`."""
    account[:] = 0.0
    account[CASH] = account[EQUITY] = account[PEAK] = cash


@njit(cache=True)
def close_out(account: Array) -> None:
    """Ruin: the broker closes the position at the mark. What is left (it may be a debt) stays as cash."""
    account[CASH] = account[EQUITY]
    account[UNITS] = account[REQUEST] = 0.0


@njit(cache=True)
def observe(
    obs: Array, market: Array, account: Array, close: float, initial: float, features: Array
) -> None:
    """Write one observation [F + len(features)]: the bar's market features [F], then the account's (by their numbers)."""
    n = market.shape[0]
    obs[:n] = market
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
        obs[n + k] = min(max(value, -BOUND), BOUND)


@njit(cache=True)
def step_accounts(
    open_: Array,  # [T] price
    close: Array,  # [T] price
    market: Array,  # [T, F] market features
    features: Array,  # [K] which account features the observation has
    accounts: Array,  # [E, N_COLUMNS], changed in place
    bar: Array,  # [E] int: the bar that was observed; advanced by one
    last: Array,  # [E] int: the bar at which the episode is cut off
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
) -> bool:
    """Carry E accounts over one bar each. Returns whether any episode ended."""
    ended = False
    for e in range(bar.shape[0]):
        account = accounts[e]
        before = account[EQUITY]
        bar[e] += 1
        t = bar[e]
        settle(account, request[e], open_[t], close[t], buy, sell)
        reward[e] = scale * np.log(max(account[EQUITY], floor) / before)
        terminated[e] = account[EQUITY] <= floor
        truncated[e] = not terminated[e] and t >= last[e]
        if terminated[e]:
            close_out(account)
        ended |= terminated[e] or truncated[e]
        observe(obs[e], market[t], account, close[t], initial, features)
    return ended


@njit(cache=True)
def simulate(
    open_: Array, close: Array, requests: Array, cash: float, buy: float, sell: float, floor: float
) -> tuple[Array, Array, Array, Array, Array, Array]:
    """Run K accounts through T bars on given requests [T, K]; requests[t] is filled at the open of t+1, the last never.

    Returns cash, units, equity, signed units traded at the open and fees, each [T, K] (row 0 is the start), and the bar
    [K] at whose close each account was ruined and closed out (0: never).
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


@njit(cache=True)
def hash_below(seed: int, environment: int, episode: int, n: int) -> int:
    """A number in 0 .. n-1 from (seed, environment, episode): SplitMix64 (Steele et al. 2014), chained over the three."""
    state = np.uint64(0)
    for word in (seed, environment, episode):
        state = (state ^ np.uint64(word)) + np.uint64(0x9E3779B97F4A7C15)
        state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        state = state ^ (state >> np.uint64(31))
    return np.int64(state % np.uint64(n))


@njit(cache=True)
def begin_episodes(
    ended: Array,  # [E] bool: which environments start anew
    seeds: Array,  # [E] int: of the environment's member
    environments: Array,  # [E] int: number of the environment within its member
    episodes: Array,  # [E] int, counted up
    first: int,  # the earliest bar a window may start at
    n_starts: int,
    window: int,  # decisions in an episode
    bar: Array,
    last: Array,
    accounts: Array,
    close: Array,
    market: Array,
    features: Array,
    initial: float,
    obs: Array,  # [E, F + K], written where ended
) -> None:
    """Put the environments that ended at the start of a new window."""
    for e in range(ended.shape[0]):
        if ended[e]:
            bar[e] = first + hash_below(seeds[e], environments[e], episodes[e], n_starts)
            last[e] = bar[e] + window
            episodes[e] += 1
            open_account(accounts[e], initial)
            observe(obs[e], market[bar[e]], accounts[e], close[bar[e]], initial, features)
