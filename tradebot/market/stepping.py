"""Training's loops around the kernel: E accounts stepped over their bars, observed, and begun anew."""

from __future__ import annotations

import numpy as np

from tradebot.core import Array
from tradebot.market.kernel import (
    CLOSE,
    ENTRY,
    EQUITY,
    PEAK,
    PER_ASSET,
    REQUEST,
    UNITS,
    close_out,
    inlined,
    inner,
    open_account,
    settle,
)

# What an observation can say of an account; all but two of them there is one of for each asset.
ACCOUNT_FEATURES = ("equity", "position", "request", "drawdown", "unrealized")
OF_THE_WHOLE = ("equity", "drawdown")
BOUND = 5.0  # every observation lies within +-BOUND


@inlined
def observe(
    obs: Array,  # [E, F + K], row e is written
    e: int,
    market: Array,  # [T, F]
    bars: Array,  # [T, A, 3] as the kernel takes them
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
    for k in range(features.shape[0]):
        which, c = features[k, 0], PER_ASSET * features[k, 1]
        units, close = account[UNITS + c], bars[t, features[k, 1], CLOSE]
        if which == 0:
            value = np.log(equity / initial)
        elif which == 2 and not np.isnan(account[REQUEST + c]):
            value = account[REQUEST + c]
        elif which == 3:
            value = equity / account[PEAK] - 1.0
        elif which == 4:
            value = units * (close - account[ENTRY + c]) / equity
        else:  # the position, which is also what a request to hold asks for
            value = units * close / equity
        obs[e, n + k] = min(max(value, -BOUND), BOUND)


@inner
def observe_accounts(
    obs: Array,  # [E, F + K], written
    market: Array,  # [T, F]
    bars: Array,  # [T, A, 3]
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
    bars: Array,  # [T, A, 3]
    years: Array,  # [T] since the last bar
    market: Array,  # [T, F] market features
    features: Array,  # [K, 2] which account features the observation has
    accounts: Array,  # [E, C], changed in place
    bar: Array,  # [E] int: the bar that was observed; advanced by one
    last: Array,  # [E] int: the bar at which the episode is cut off
    first: int,  # the earliest bar a window may start at
    window: int,  # decisions in an episode
    requests: Array,  # [E, A] target weights
    terms: Array,
    initial: float,  # cash at the start, currency
    floor: float,  # equity at which an account is ruined, currency
    scale: float,  # of the reward
    obs: Array,  # [E, F + K], written
    reward: Array,  # [E], written: scale x log growth of the equity
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
        settle(account, requests, e, bars, t, years[t], terms)
        equity = account[EQUITY]
        reward[e] = 0.0 if equity == before else scale * np.log(max(equity, floor) / before)
        terminated[e] = equity <= floor
        truncated[e] = not terminated[e] and t >= last[e]
        level[e] = (last[e] - window - first) // window
        if terminated[e]:
            close_out(account)
        ended |= terminated[e] or truncated[e]
        observe(obs, e, market, bars, t, account, initial, features)
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
    accounts: Array,  # [E, C], written
    bars: Array,  # [T, A, 3]
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
            episodes[e] += 1
            open_account(accounts[e], initial)
            observe(obs, e, market, bars, bar[e], accounts[e], initial, features)
