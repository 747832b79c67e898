"""The kernel by hand-worked numbers. cash, units, price; `buy` and `sell` are fees per value traded."""

from __future__ import annotations

import math

import numpy as np
import pytest

from tradebot.core import Array
from tradebot.market import kernel
from tradebot.market.kernel import CASH, ENTRY, EQUITY, PEAK, REQUEST, UNITS

ALL = np.arange(len(kernel.ACCOUNT_FEATURES))


def account(cash: float = 1000.0) -> Array:
    made = np.empty(kernel.N_COLUMNS)
    kernel.open_account(made, cash)
    return made


# ---- rebalance


@pytest.mark.parametrize(
    ("cash", "units", "price", "weight", "expected"),
    [
        # All in: 1010 buys 1000 worth and pays 10 for it; nothing is left.
        pytest.param(1010, 0, 10, 1, (0, 100, 100, 10), id="buy all"),
        # Half: v' = .5 (E - .01 v') -> v' = .5 x 1005 / 1.005 = 500, fee 5, equity 1000.
        pytest.param(1005, 0, 10, 0.5, (500, 50, 50, 5), id="buy half"),
        # All out: 100 units at 10 bring 1000 less a fee of 10.
        pytest.param(0, 100, 10, 0, (990, 0, -100, 10), id="sell all"),
        # v' = .5 (1990 - .01 (1990 - v')) -> v' = .5 x 1970.1 / .995 = 990, so 100 of 199 units go, fee 10.
        pytest.param(0, 199, 10, 0.5, (990, 99, -100, 10), id="sell half"),
        # Short 1000 worth: the equity after the fee is 1000.
        pytest.param(1010, 0, 10, -1, (2000, -100, -100, 10), id="go short"),
        # Cover: 100 units at 8 cost 800 and a fee of 8.
        pytest.param(2000, -100, 8, 0, (1192, 0, 100, 8), id="cover"),
        # Through zero: E = 1010 -> 990 after a fee of 20 on 2000 worth.
        pytest.param(0, 101, 10, -1, (1980, -99, -200, 20), id="long to short"),
        pytest.param(2020, -101, 10, 1, (0, 99, 200, 20), id="short to long"),
        # The price rose, so a lower weight than before is bought for, a higher one sold for.
        pytest.param(500, 50, 20, 0.6, None, id="a drifted weight"),
        pytest.param(1000, 0, 10, 0, (1000, 0, 0, 0), id="nothing to close"),
    ],
)
def test_rebalance_by_hand(
    cash: float, units: float, price: float, weight: float, expected: tuple[float, ...] | None
) -> None:
    found = kernel.rebalance(float(cash), float(units), float(price), float(weight), 0.01, 0.01)
    if expected is None:  # E = 1500 -> v' = .6 (1500 - .01 (1000 - v')) = 894 / .994, below the 1000 held
        expected = (500 + 1000 - 894 / 0.994 - 0.01 * (1000 - 894 / 0.994), 44.7 / 0.994, 44.7 / 0.994 - 50)
        found = found[:3]
    assert found == pytest.approx(expected, abs=1e-11)


def test_selling_everything_leaves_exactly_nothing() -> None:
    _, units, traded, _ = kernel.rebalance(0.1, 0.1 + 0.2, 0.7, 0.0, 0.01, 0.01)
    assert units == 0.0 and traded == -(0.1 + 0.2)


@pytest.mark.parametrize("weight", [-1.0, -0.3, 0.2, 0.9, 1.0])
@pytest.mark.parametrize("units", [-30.0, 0.0, 55.0])
def test_the_weight_after_the_trade_is_the_target_of_the_equity_after_the_fee(
    weight: float, units: float
) -> None:
    cash, held, traded, fee = kernel.rebalance(1000.0, units, 7.0, weight, 0.02, 0.03)
    equity = cash + held * 7.0
    assert held * 7.0 == pytest.approx(weight * equity, abs=1e-9)
    assert equity == pytest.approx(1000.0 + units * 7.0 - fee, abs=1e-9)
    assert fee == pytest.approx(abs(traded) * 7.0 * (0.02 if traded > 0 else 0.03), abs=1e-12)


@pytest.mark.parametrize("weight", [-1.0, 0.0, 0.5, 1.0])
@pytest.mark.parametrize("debt", [1000.0, 1200.0])
def test_without_equity_every_request_closes(weight: float, debt: float) -> None:
    # Short 100 units at 10 (or 12) with 1000 in cash: nothing is left, or a debt.
    cash, units, traded, fee = kernel.rebalance(1000.0, -100.0, debt / 100, weight, 0.01, 0.01)
    assert (units, traded) == (0.0, 100.0)
    assert cash == pytest.approx(1000.0 - 1.01 * debt) and fee == pytest.approx(0.01 * debt)


@pytest.mark.parametrize("weight", [-0.01, 1.0])
def test_where_the_fee_would_eat_up_the_equity_the_position_is_closed(weight: float) -> None:
    # Equity 10 behind a short position of 1990: covering costs 5 %, 99.50.
    cash, units, traded, fee = kernel.rebalance(2000.0, -100.0, 19.9, weight, 0.05, 0.05)
    assert (units, traded) == (0.0, 100.0)
    assert (cash, fee) == pytest.approx((-89.5, 99.5))


# ---- settle


def test_a_repeated_request_holds_the_units() -> None:
    a = account()
    kernel.settle(a, 0.5, 10.0, 20.0, 0.0, 0.0)
    assert (a[CASH], a[UNITS], a[EQUITY]) == (500.0, 50.0, 1500.0)
    assert kernel.settle(a, 0.5, 30.0, 40.0, 0.0, 0.0) == (0.0, 0.0)
    assert (a[CASH], a[UNITS], a[EQUITY]) == (500.0, 50.0, 2500.0)


def test_a_flat_account_does_not_pay_for_staying_flat() -> None:
    a = account()
    assert kernel.settle(a, 0.0, 10.0, 20.0, 0.5, 0.5) == (0.0, 0.0)
    assert a[EQUITY] == 1000.0


def test_the_entry_price_is_the_mean_price_of_what_is_held() -> None:
    a = account()
    kernel.settle(a, 0.5, 10.0, 10.0, 0.0, 0.0)  # 50 units at 10
    assert a[ENTRY] == 10.0
    kernel.settle(a, 0.8, 20.0, 20.0, 0.0, 0.0)  # 1200 of 1500 is 60 units: 10 more at 20
    assert a[ENTRY] == pytest.approx((50 * 10 + 10 * 20) / 60)
    kernel.settle(a, 0.2, 30.0, 30.0, 0.0, 0.0)  # a part is sold: what remains was bought at the same mean
    assert a[ENTRY] == pytest.approx((50 * 10 + 10 * 20) / 60)
    kernel.settle(a, -0.5, 25.0, 25.0, 0.0, 0.0)  # through zero: sold short at 25
    assert a[ENTRY] == 25.0


def test_the_peak_remembers_the_best_mark() -> None:
    a = account()
    for close in (20.0, 15.0, 18.0):
        kernel.settle(a, 1.0, 10.0, close, 0.0, 0.0)
    assert (a[PEAK], a[EQUITY]) == (2000.0, 1800.0)


# ---- ruin


def squeezed(closes: list[float], requests: list[float]) -> tuple[Array, ...]:
    """1000 in cash; opens are the closes before; ruin at 10."""
    close = np.array([10.0, *closes])
    open_ = np.append(close[:1], close[:-1])
    return kernel.simulate(open_, close, np.array([*requests, 0.0])[:, None], 1000.0, 0.0, 0.0, 10.0)


def test_a_squeezed_short_is_closed_out_and_never_trades_again() -> None:
    cash, units, equity, traded, _, ruined = squeezed([10.0, 25.0, 5.0, 50.0], [-1.0, -1.0, 1.0, 1.0])
    # Short 100 units at 10: cash 2000, worth 2000 - 2500 = -500 at the second close.
    assert ruined.tolist() == [2]
    assert equity[:, 0].tolist() == [1000.0, 1000.0, -500.0, -500.0, -500.0]
    assert cash[2:, 0].tolist() == [-500.0] * 3
    assert units[:, 0].tolist() == [0.0, -100.0, 0.0, 0.0, 0.0]
    assert traded[:, 0].tolist() == [0.0, -100.0, 0.0, 0.0, 0.0]


def step(accounts: Array, request: float, open_: float, close: float) -> tuple[float, bool, bool, Array]:
    """One account over one bar, which is not the last, with rewards x 100 and ruin at 10."""
    obs = np.empty((1, len(ALL)), np.float32)
    reward, terminated, truncated = np.empty(1), np.empty(1, bool), np.empty(1, bool)
    bar = np.zeros(1, np.int64)
    ended = kernel.step_accounts(
        np.array([0.0, open_]),
        np.array([0.0, close]),
        np.empty((2, 0), np.float32),
        ALL,
        accounts,
        bar,
        np.array([9]),  # last
        0,  # first
        3,  # window
        np.array([request]),
        0.0,
        0.0,
        1000.0,
        10.0,  # floor
        100.0,  # scale
        obs,
        reward,
        terminated,
        truncated,
        np.empty(1, np.int64),
    )
    assert ended == (terminated[0] or truncated[0]) and bar[0] == 1
    return reward[0], terminated[0], truncated[0], obs[0]


def test_the_reward_is_the_scaled_log_return_of_equity() -> None:
    accounts = account()[None]
    assert step(accounts, 1.0, 10.0, 11.0)[0] == pytest.approx(100 * math.log(1.1))
    assert step(accounts, 0.0, 12.0, 13.0)[0] == pytest.approx(
        100 * math.log(12 / 11)
    )  # the gap is still its own
    assert step(accounts, 0.0, 13.0, 14.0)[0] == 0.0


@pytest.mark.parametrize("close", [19.95, 20.0, 25.0])
def test_ruin_terminates_with_the_reward_of_the_floor(close: float) -> None:
    accounts = account()[None]
    reward, terminated, truncated, obs = step(accounts, -1.0, 10.0, close)  # 5, 0 or -500 are left
    assert terminated and not truncated
    assert reward == pytest.approx(100 * math.log(10 / 1000))
    assert np.isfinite(obs).all()
    left = 2000 - 100 * close
    assert accounts[0, [CASH, UNITS, REQUEST, EQUITY]].tolist() == pytest.approx([left, 0, 0, left])


def test_an_equity_at_the_floor_is_ruin() -> None:
    assert step(account()[None], 1.0, 10.0, 0.1)[1]  # 100 units, 10 are left


def test_an_equity_just_above_the_floor_is_not_ruin() -> None:
    reward, terminated, _, _ = step(account()[None], -1.0, 10.0, 19.89)  # 11 are left
    assert not terminated and reward == pytest.approx(100 * math.log(11 / 1000))


# ---- observe


def observed(a: Array, close: float) -> dict[str, float]:
    obs = np.full((2, 2 + len(ALL)), np.nan, np.float32)
    kernel.observe(obs, 1, np.array([[7.0, 8.0], [0.25, -0.5]], np.float32), 1, a, close, 1000.0, ALL)
    assert np.isnan(obs[0]).all() and obs[1, :2].tolist() == [0.25, -0.5]
    return dict(zip(kernel.ACCOUNT_FEATURES, obs[1, 2:].tolist(), strict=True))


def test_what_an_account_shows() -> None:
    a = account()
    kernel.settle(a, 0.5, 10.0, 30.0, 0.0, 0.0)  # 50 units at 10, worth 2000
    kernel.settle(a, 0.5, 30.0, 20.0, 0.0, 0.0)  # worth 1500
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


def test_a_fresh_account_shows_zeros() -> None:
    assert set(observed(account(), 20.0).values()) == {0.0}


def test_features_come_in_the_order_that_was_asked_for() -> None:
    a = account()
    kernel.settle(a, -1.0, 10.0, 10.0, 0.0, 0.0)
    obs = np.empty((1, 2), np.float32)
    kernel.observe(obs, 0, np.empty((1, 0), np.float32), 0, a, 10.0, 1000.0, np.array([2, 0]))
    assert obs[0].tolist() == [-1.0, 0.0]


def test_observations_stay_within_their_bound_whatever_the_account() -> None:
    for equity in (-1e9, 0.0, 1e-300, 1e300):
        a = account()
        a[[UNITS, EQUITY, ENTRY]] = -1e6, equity, 1e-3
        values = np.array(list(observed(a, 1e3).values()))
        assert np.isfinite(values).all() and (np.abs(values) <= kernel.BOUND).all()


# ---- random starts


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
