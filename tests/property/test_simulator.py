"""One simulator: whatever the prices, requests, costs and rules, the money adds up in all modes."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.accounts import (
    CASH,
    EVERY,
    PROPORTIONAL,
    RATES,
    SQUEEZE,
    SWITCH,
    Case,
    any_requests,
    at_open,
    cases,
    changed,
    columns,
    fractional_costs,
    plain_rules,
    plentiful,
    scale,
    seeds,
    simulated,
    some,
)
from tradebot.backtest.engine import Track
from tradebot.core import Array, Discrete
from tradebot.market import kernel
from tradebot.market.configs import ActionScheme, TradingConfig
from tradebot.market.costs import Costs
from tradebot.market.env import RUIN, TradingEnv, quotes

SCHEMES: tuple[ActionScheme, ...] = ("long-flat", "long-short", "weights", "orders")


def test_the_example_of_a_squeeze_is_one() -> None:
    """Else nothing below would be sure to go through ruin."""
    assert simulated(SQUEEZE).ruined == 2


# ---- the books


@given(cases())
@example(SQUEEZE)
@settings(deadline=None, max_examples=300)
def test_cash_and_holdings_are_the_equity_at_every_bar(case: Case) -> None:
    found = simulated(case)
    worth = found.cash.copy()
    for a in range(len(case.bars.symbols)):
        worth += found.units[:, a] * case.bars.close[:, a]
    assert np.array_equal(worth, found.equity) and found.equity[0] == CASH
    for column in (found.cash, found.units, found.equity, found.traded, found.fees, found.financing):
        assert np.isfinite(column).all()
    assert np.isfinite(found.weight).all()
    assert (found.fees >= 0).all() and (found.fees[found.traded == 0] == 0).all()


@given(cases())
@example(SQUEEZE)
@example(SWITCH)
@settings(deadline=None, max_examples=300)
def test_the_change_of_equity_is_price_gains_less_fees_and_financing_bar_by_bar(case: Case) -> None:
    found = simulated(case)
    open_, close = case.bars.open, case.bars.close
    before = found.units[:-1]
    gains = before * (open_[1:] - close[:-1]) + (before + found.traded[1:]) * (close[1:] - open_[1:])
    change = (gains - found.fees[1:]).sum(axis=1) - found.financing[1:]
    assert np.diff(found.equity) == pytest.approx(change, abs=1e-9 * scale(found))


@given(cases())
@example(SQUEEZE)
@settings(deadline=None, max_examples=200)
def test_profits_of_the_trades_less_financing_add_up_to_the_change_of_equity(case: Case) -> None:
    found = simulated(case)
    trades, rounding = found.trades, 1e-9 * scale(found)
    earned = trades["profit"].sum() - found.financing.sum()
    assert earned == pytest.approx(found.equity[-1] - CASH, abs=rounding)
    assert trades["fees"].sum() == pytest.approx(found.fees.sum(), abs=rounding)
    assert trades["exit_time"].isna().sum() == (found.units[-1] != 0).sum()  # one is open of what is held


@given(cases())
@example(SQUEEZE)
@example(SWITCH)
@settings(deadline=None, max_examples=200)
def test_fills_and_financing_replayed_give_the_equity(case: Case) -> None:
    found = simulated(case)
    fills, paid, units = found.fills, found.financing.copy(), np.zeros_like(found.units)
    bar, asset = fills["bar"].to_numpy(), fills["symbol"].map(case.bars.symbols.index).to_numpy(np.int64)
    signed = fills["units"].to_numpy() * np.where(fills["side"] == "buy", 1.0, -1.0)
    np.add.at(units, (bar, asset), signed)
    np.add.at(paid, bar, signed * fills["price"].to_numpy() + fills["fee"].to_numpy())
    worth = CASH - np.cumsum(paid) + (np.cumsum(units, axis=0) * case.bars.close).sum(axis=1)
    assert worth == pytest.approx(found.equity, abs=1e-9 * scale(found))


# ---- what it costs


def replayed(track: Track, costs: Costs) -> Array:
    """[T] equity of the same fills at these costs, until ruin. Each fill's volume is at least its size."""
    terms, years = kernel.terms(costs, TradingConfig()), quotes(track.bars, costs)[1]
    open_, close, volume = track.bars.open, track.bars.close, np.maximum(track.bars.volume, abs(track.traded))
    cash, units, equity = CASH, np.zeros(len(track.bars.symbols)), np.full(track.ruined or len(open_), CASH)
    for t in range(1, len(equity)):
        short = -np.minimum(units * close[t - 1], 0.0).sum()
        idle = cash - short
        rate = costs.cash_rate if idle > 0 else costs.margin_rate
        cash += years[t] * (rate * idle - costs.borrow_rate * short)
        for a in np.flatnonzero(track.traded[t]):
            size, price = track.traded[t, a], open_[t, a]
            fixed, share = kernel.fee_terms(size, price, volume[t, a], terms)
            cash -= size * price + fixed + share * abs(size) * price
            units[a] += size
        equity[t] = cash + units @ close[t]
    return equity


@given(cases())
@settings(deadline=None, max_examples=200)
def test_every_fill_pays_its_fee_and_every_bar_its_interest(case: Case) -> None:
    found = simulated(case)
    expected = replayed(found, case.costs)
    assert found.equity[: len(expected)] == pytest.approx(expected, abs=1e-9 * scale(found))


@pytest.mark.parametrize("name", [name for name in EVERY if name != "participation"])
@given(case=cases(st.fixed_dictionaries(EVERY).map(lambda given: Costs(**given))))
@settings(deadline=None, max_examples=30)
def test_the_equity_of_the_same_fills_falls_as_any_cost_rises(name: str, case: Case) -> None:
    found = simulated(case)
    factor = 2.0 if name == "cash_rate" else 0.5
    dear = replayed(found, case.costs)
    cheap = replayed(found, changed(case.costs, **{name: factor * getattr(case.costs, name)}))
    assert (dear <= cheap + 1e-12 * scale(found)).all()
    if name in ("half_spread_bps", "impact_bps", "fixed_per_order"):  # of which nothing is the most to buy
        bought = np.cumsum(np.maximum(found.traded * case.bars.open, 0.0).sum(axis=1))[: len(dear)]
        assert (dear < cheap)[bought > 1.0].all()


@given(cases(assets=(1, 1)))
@settings(deadline=None, max_examples=200)
def test_long_and_as_much_short_lose_the_costs_whatever_the_price_does(case: Case) -> None:
    long = 0.4 * np.abs(case.requests)
    found = simulated(case._replace(bars=columns(case.bars, [0, 0]), requests=np.hstack([long, -long])))
    value, rounding = found.units * found.bars.close, 1e-9 * scale(found)
    assert value[:, 0] == pytest.approx(-value[:, 1], abs=rounding)
    paid = np.cumsum(found.fees.sum(axis=1) + found.financing)
    assert found.equity == pytest.approx(CASH - paid, abs=rounding)


# ---- what changes nothing


@given(cases(fractional_costs), st.integers(-6, 6))
@settings(deadline=None, max_examples=200)
def test_another_unit_of_account_of_the_prices_changes_no_equity_bit_for_bit(case: Case, power: int) -> None:
    """Twice the price of half the units, at twice the commission of each. Powers of two round nothing."""
    k = 2.0**power
    prices = {name: k * getattr(case.bars, name) for name in ("open", "high", "low", "close")}
    other = simulated(
        case._replace(
            bars=replace(case.bars, **prices, volume=case.bars.volume / k),
            costs=changed(case.costs, unit_commission=k * case.costs.unit_commission),
        )
    )
    found = simulated(case)
    assert np.array_equal(other.equity, found.equity) and np.array_equal(k * other.units, found.units)
    assert np.array_equal(other.fees, found.fees)


@given(cases(fractional_costs), st.integers(-6, 6))
@settings(deadline=None, max_examples=200)
def test_more_cash_earns_the_same_return_bit_for_bit(case: Case, power: int) -> None:
    """Of as much more volume, where orders cost as much more at least and besides. Powers of two."""
    k = 2.0**power
    amounts = {name: k * getattr(case.costs, name) for name in ("minimum_commission", "fixed_per_order")}
    other = simulated(
        case._replace(
            bars=replace(case.bars, volume=k * case.bars.volume),
            costs=changed(case.costs, **amounts),
            market=case.market.model_copy(update={"cash": k * CASH}),
        )
    )
    found = simulated(case)
    assert np.array_equal(other.equity, k * found.equity) and np.array_equal(other.units, k * found.units)


@given(cases(rules=plentiful, assets=(2, 4)))
@settings(deadline=None, max_examples=200)
def test_the_order_of_the_assets_is_irrelevant_as_long_as_there_is_leverage_for_all(case: Case) -> None:
    case = case._replace(requests=case.requests / 20)
    order = np.roll(np.arange(len(case.bars.symbols)), 1)[::-1]
    found = simulated(case)
    other = simulated(case._replace(bars=columns(case.bars, order), requests=case.requests[:, order]))
    short_of = np.flatnonzero(~np.all([3 * gross < 20 * equity for equity, gross in at_open(found)], axis=0))
    free = slice(short_of[0] if len(short_of) else None)
    assert other.equity[free] == pytest.approx(found.equity[free], abs=1e-9 * scale(found))
    for one, two in ((found.units[:, order], other.units), (found.traded[:, order], other.traded)):
        assert two[free] * other.bars.close[free] == pytest.approx(
            one[free] * other.bars.close[free], abs=1e-9 * scale(found)
        )


@given(cases(some(PROPORTIONAL | RATES), plain_rules, (1, 1)))
@example(SQUEEZE)
@settings(deadline=None, max_examples=200)
def test_an_asset_is_traded_alike_alone_beside_another_and_by_the_way_for_all_costs(case: Case) -> None:
    """Alone at proportional costs it goes a way of its own through the kernel."""
    found = simulated(case)
    beside = simulated(
        case._replace(
            bars=columns(case.bars, [0, 0]),
            requests=np.hstack([case.requests, np.zeros_like(case.requests)]),
        )
    )
    general = simulated(case._replace(market=case.market.model_copy(update={"band": 1e-300})))
    for other in (beside, general):
        assert other.ruined == found.ruined
        assert other.equity == pytest.approx(found.equity, abs=1e-12 * scale(found))


# ---- one account and many, in training and in the backtest


class Stepped(NamedTuple):
    """M accounts side by side in the environment; equity and reward are NaN from the bar after ruin on."""

    requests: Array  # [M, T, A]
    equity: Array  # [M, T]
    reward: Array  # [M, T]


def stepped(case: Case, scheme: ActionScheme, seeds: list[int]) -> Stepped:
    """One account per seed, from which its actions are drawn; rewards x 3."""
    config = case.market.model_copy(update={"actions": scheme, "features": kernel.ACCOUNT_FEATURES})
    n_bars, n_assets = case.bars.close.shape
    env = TradingEnv(case.bars, config, case.costs, first=0, last=n_bars - 1, seeds=seeds, reward_scale=3.0)
    actions = np.stack([any_actions(env, seed) for seed in seeds], axis=1)
    requests = np.zeros((len(seeds), n_bars, n_assets))
    equity, reward = np.full((2, len(seeds), n_bars), np.nan)
    env.reset()
    equity[:, 0] = env.equity
    alive = np.ones(len(seeds), dtype=bool)
    for t in range(n_bars - 1):
        requests[alive, t] = env.requests(actions[t], env.accounts)[alive]
        step = env.step(actions[t])
        equity[alive, t + 1] = env.accounts_left[alive, kernel.EQUITY]
        reward[alive, t + 1] = step.reward[alive]
        assert np.isfinite(step.next_obs).all() and np.isfinite(step.reward).all()
        alive &= ~step.terminated
    return Stepped(requests, equity, reward)


def any_actions(env: TradingEnv, seed: int) -> Array:
    """[T] or [T, A], of which weights may ask for more than the leverage."""
    generator = np.random.default_rng(seed)
    shape = env.bars.close.shape
    if isinstance(space := env.action_space, Discrete):
        return np.repeat(generator.integers(0, space.n, shape[0]), generator.integers(1, 4))[: shape[0]]
    weights = np.nan_to_num(any_requests(shape, seed, float(space.high[0])))
    return (1.5 * weights).astype(np.float32)


@pytest.mark.parametrize("scheme", SCHEMES)
@given(case=cases(), seed=seeds)
@example(case=SQUEEZE, seed=0)
@settings(deadline=None, max_examples=80)
def test_the_environment_and_the_backtest_give_the_same_equity_bit_for_bit(
    scheme: ActionScheme, case: Case, seed: int
) -> None:
    (requests,), (equity,), (reward,) = stepped(case, scheme, [seed])
    found = simulated(case._replace(requests=requests))
    end = (found.ruined or len(case.bars) - 1) + 1
    assert np.array_equal(equity[:end], found.equity[:end])
    assert np.isnan(equity[end:]).all() and np.isnan(reward[end:]).all()
    growth = np.maximum(found.equity[1:end], RUIN * CASH) / found.equity[: end - 1]
    assert reward[1:end] == pytest.approx(3.0 * np.log(growth), rel=1e-12, abs=1e-14)


@pytest.mark.parametrize("scheme", SCHEMES)
@given(case=cases(), seeds=st.lists(seeds, min_size=2, max_size=5))
@settings(deadline=None, max_examples=30)
def test_an_account_in_a_batch_is_the_account_alone_bit_for_bit(
    scheme: ActionScheme, case: Case, seeds: list[int]
) -> None:
    together = stepped(case, scheme, seeds)
    quoted, terms = quotes(case.bars, case.costs), kernel.terms(case.costs, case.market)
    batch = kernel.simulate(*quoted, together.requests, CASH, terms, RUIN * CASH)
    for k, seed in enumerate(seeds):
        alone = stepped(case, scheme, [seed])
        for one, many in zip(alone, together, strict=True):
            assert np.array_equal(one[0], many[k], equal_nan=True)
        single = kernel.simulate(*quoted, alone.requests, CASH, terms, RUIN * CASH)
        for column in ("cash", "equity", "financing", "called", "ruined", "traded", "fees"):
            assert np.array_equal(getattr(single, column)[0], getattr(batch, column)[k])
