"""The kernel's loops of training by hand-worked numbers: rewards, ends, observations and random starts."""

from __future__ import annotations

import math

import numpy as np
import pytest

from tradebot.core import Array
from tradebot.market import kernel
from tradebot.market.configs import Broker
from tradebot.market.costs import Costs
from tradebot.market.kernel import CASH, ENTRY, EQUITY, PER_ASSET, REQUEST, UNITS

TERMS = kernel.terms(Costs(commission_bps=0, half_spread_bps=0), Broker())
ALL = np.array([[which, 0] for which in range(len(kernel.ACCOUNT_FEATURES))])


def account(cash: float = 1000.0, n_assets: int = 1) -> Array:
    made = np.empty(kernel.n_columns(n_assets))
    kernel.open_account(made, cash)
    return made


def settle(a: Array, requests: list[float], *quotes: tuple[float, float]) -> None:
    """One account over one bar; of each asset open and close."""
    bars = np.array([[(*quote, 0.0) for quote in quotes]])
    kernel.settle(a, np.array([requests]), 0, bars, 0, 0.0, TERMS)


# ---- a step


def step(
    accounts: Array, requests: list[float], open_: float, close: float, last: int = 9
) -> tuple[Array, Array, Array, Array]:
    """Accounts of one asset over one bar with rewards x 100 and ruin at 10."""
    n = len(accounts)
    obs = np.empty((n, len(ALL)), np.float32)
    reward, terminated, truncated = np.empty(n), np.empty(n, bool), np.empty(n, bool)
    bar = np.zeros(n, np.int64)
    ended = kernel.step_accounts(
        np.array([[[0.0, 0.0, 0.0]], [[open_, close, 0.0]]]),
        np.zeros(2),  # years
        np.empty((2, 0), np.float32),
        ALL,
        accounts,
        bar,
        np.full(n, last),
        np.array(requests)[:, None],
        TERMS,
        1000.0,
        10.0,  # floor
        100.0,  # scale
        obs,
        reward,
        terminated,
        truncated,
    )
    assert ended == (terminated | truncated).any() and (bar == 1).all()
    return reward, terminated, truncated, obs


def test_the_reward_is_the_scaled_log_return_of_equity() -> None:
    accounts = account()[None]
    assert step(accounts, [1.0], 10.0, 11.0)[0] == pytest.approx(100 * math.log(1.1))
    reward, *_ = step(accounts, [0.0], 12.0, 13.0)
    assert reward == pytest.approx(100 * math.log(12 / 11))  # the gap is still its own
    assert step(accounts, [0.0], 13.0, 14.0)[0] == 0.0


def test_every_account_has_a_reward_and_an_end_of_its_own() -> None:
    accounts = np.stack([account(), account(), account()])
    reward, terminated, truncated, _ = step(accounts, [1.0, 0.0, -1.0], 10.0, 25.0)
    assert reward.tolist() == pytest.approx([100 * math.log(2.5), 0.0, 100 * math.log(0.01)])
    assert terminated.tolist() == [False, False, True] and not truncated.any()


def test_the_end_of_the_window_is_a_truncation_unless_the_account_is_ruined() -> None:
    accounts = np.stack([account(), account()])
    _, terminated, truncated, _ = step(accounts, [1.0, -1.0], 10.0, 25.0, last=1)
    assert terminated.tolist() == [False, True] and truncated.tolist() == [True, False]


@pytest.mark.parametrize("close", [19.95, 20.0, 25.0])
def test_ruin_terminates_with_the_reward_of_the_floor(close: float) -> None:
    accounts = account()[None]
    reward, terminated, truncated, obs = step(accounts, [-1.0], 10.0, close)  # 5, 0 or -500 are left
    assert terminated.all() and not truncated.any()
    assert reward == pytest.approx(100 * math.log(10 / 1000))
    assert np.isfinite(obs).all()
    left = 2000 - 100 * close
    assert accounts[0, [CASH, UNITS, REQUEST, EQUITY]].tolist() == pytest.approx([left, 0, 0, left])


def test_an_equity_at_the_floor_is_ruin() -> None:
    assert step(account()[None], [1.0], 10.0, 0.1)[1].all()  # 100 units, 10 are left


def test_an_equity_just_above_the_floor_is_not_ruin() -> None:
    reward, terminated, _, _ = step(account()[None], [-1.0], 10.0, 19.89)  # 11 are left
    assert not terminated.any() and reward == pytest.approx(100 * math.log(11 / 1000))


# ---- observe


def observed(a: Array, close: float) -> dict[str, float]:
    obs = np.full((2, 2 + len(ALL)), np.nan, np.float32)
    market = np.array([[7.0, 8.0], [0.25, -0.5]], np.float32)
    bars = np.array([[[99.0, 99.0, 0.0]], [[99.0, close, 0.0]]])
    kernel.observe(obs, 1, market, bars, 1, a, 1000.0, ALL)
    assert np.isnan(obs[0]).all() and obs[1, :2].tolist() == [0.25, -0.5]
    return dict(zip(kernel.ACCOUNT_FEATURES, obs[1, 2:].tolist(), strict=True))


def test_what_an_account_shows() -> None:
    a = account()
    settle(a, [0.5], (10, 30))  # 50 units at 10, worth 2000
    settle(a, [0.5], (30, 20))  # worth 1500
    assert observed(a, 20.0) == pytest.approx(
        {
            "equity": math.log(1.5),
            "position": 1000 / 1500,
            "request": 0.5,
            "drawdown": 1500 / 2000 - 1,
            "unrealized": 500 / 1500,
        },
        rel=1e-6,
    )


def test_a_request_to_hold_shows_as_the_position() -> None:
    a = account()
    settle(a, [0.5], (10, 10))
    settle(a, [math.nan], (20, 20))
    assert observed(a, 20.0)["request"] == pytest.approx(1000 / 1500, rel=1e-6)


def test_a_fresh_account_shows_zeros() -> None:
    assert set(observed(account(), 20.0).values()) == {0.0}


def test_features_come_in_the_order_and_of_the_asset_that_was_asked_for() -> None:
    a = account(n_assets=2)
    settle(a, [0.25, -0.75], (10, 10), (20, 20))
    obs = np.empty((1, 4), np.float32)
    bars = np.array([[[10.0, 12.0, 0.0], [20.0, 20.0, 0.0]]])
    features = np.array([[2, 1], [2, 0], [0, 0], [4, 0]])
    kernel.observe(obs, 0, np.empty((1, 0), np.float32), bars, 0, a, 1000.0, features)
    assert obs[0].tolist() == pytest.approx([-0.75, 0.25, 0.0, 25 * 2 / 1000])


def test_observations_stay_within_their_bound_whatever_the_account() -> None:
    for equity in (-1e9, 0.0, 1e-300, 1e300):
        a = account()
        a[[UNITS, EQUITY, ENTRY]] = -1e6, equity, 1e-3
        values = np.array(list(observed(a, 1e3).values()))
        assert np.isfinite(values).all() and (np.abs(values) <= kernel.BOUND).all()


# ---- random starts


def test_a_new_episode_begins_flat_within_its_level() -> None:
    n = 200
    accounts = np.full((n, kernel.n_columns(2)), np.nan)
    bar, last, running, episodes = np.zeros((4, n), np.int64)
    ended = np.arange(n) > 0
    kernel.begin_episodes(
        ended,
        np.zeros(n, np.int64),
        np.arange(n),
        episodes,
        np.full(n, 2),  # level
        100,  # first
        25,  # n_starts
        10,  # window
        bar,
        last,
        running,
        accounts,
        np.ones((200, 2, 3)),
        np.empty((200, 0), np.float32),
        np.array([[1, 1]]),
        1000.0,
        np.empty((n, 1), np.float32),
    )
    assert set(bar[1:].tolist()) == {120, 121, 122, 123, 124}  # the last level is but five starts wide
    assert (last[1:] == bar[1:] + 10).all() and (running[1:] == 2).all() and (episodes[1:] == 1).all()
    assert (accounts[1:, CASH] == 1000.0).all() and (accounts[1:, UNITS::PER_ASSET] == 0.0).all()
    assert bar[0] == last[0] == episodes[0] == 0 and np.isnan(accounts[0]).all()


def test_starts_are_spread_evenly_and_depend_on_each_of_the_three() -> None:
    draws = np.array(
        [kernel.hash_below(s, e, k, 10) for s in range(20) for e in range(20) for k in range(20)]
    )
    # 8000 draws over 10 bins: a bin holds 800 with a deviation of sqrt(8000 x .1 x .9) = 27.
    assert np.abs(np.bincount(draws, minlength=10) - 800).max() < 4 * 27
    by_key = draws.reshape(20, 20, 20)
    for axis in range(3):
        first, second = by_key.take(0, axis), by_key.take(1, axis)
        assert 0.02 < (first == second).mean() < 0.25  # a tenth agree by chance


def test_two_keys_that_add_up_alike_do_not_draw_alike() -> None:
    assert kernel.hash_below(1, 0, 0, 1 << 40) != kernel.hash_below(0, 1, 0, 1 << 40)
    assert kernel.hash_below(0, 0, 1, 1 << 40) != kernel.hash_below(0, 1, 0, 1 << 40)
