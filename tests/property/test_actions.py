"""Splits and dividends: they are booked as they come, and earn what adjusted prices say they earn."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.accounts import (
    CASH,
    ORDERS,
    PROPORTIONAL,
    RATES,
    VOLUMES,
    Case,
    cases,
    scale,
    seeds,
    simulated,
    some,
)
from tests.candles import bars, side_by_side, walk, wild_market, with_actions
from tests.property.test_simulator import SCHEMES, stepped
from tradebot.core import Array
from tradebot.market.configs import ActionScheme, TradingConfig
from tradebot.market.costs import Costs
from tradebot.market.env import RUIN
from tradebot.prices import actions
from tradebot.prices.bars import Bars

FREE = Costs(fees="free")
TOGETHER = TradingConfig(cash=CASH, rebalance=True, maintenance=0.0)


# ---- the books


@given(cases(actions=True))
@settings(deadline=None, max_examples=300)
def test_cash_and_holdings_are_the_equity_at_every_bar(case: Case) -> None:
    found = simulated(case)
    worth = found.cash.copy()
    for a in range(len(case.bars.symbols)):
        worth += found.units[:, a] * case.bars.close[:, a]
    assert np.array_equal(worth, found.equity)
    if case.costs.whole_units:
        assert np.array_equal(found.units, np.rint(found.units))
    else:
        assert not found.fractions.any()


@given(cases(actions=True))
@settings(deadline=None, max_examples=300)
def test_the_change_of_equity_is_gains_and_dividends_less_fees_and_financing(case: Case) -> None:
    found, market = simulated(case), case.bars
    before = found.units[:-1] * market.splits[1:]
    paid = before * market.dividends[1:]
    assert found.dividends[1:] == pytest.approx(paid, abs=1e-12 * scale(found))
    overnight = before * market.open[1:] - found.units[:-1] * market.close[:-1]
    by_day = (found.opened + found.traded)[1:] * (market.close - market.open)[1:]
    change = (overnight + by_day + paid - found.fees[1:]).sum(axis=1) - found.financing[1:]
    assert np.diff(found.equity) == pytest.approx(change, abs=1e-9 * scale(found))


@given(cases(actions=True))
@settings(deadline=None, max_examples=200)
def test_profits_of_the_trades_less_financing_add_up_to_the_change_of_equity(case: Case) -> None:
    found = simulated(case)
    trades, rounding = found.trades, 1e-9 * scale(found)
    earned = trades["profit"].sum() - found.financing.sum()
    assert earned == pytest.approx(found.equity[-1] - CASH, abs=rounding)
    assert trades["dividends"].sum() == pytest.approx(found.dividends.sum(), abs=rounding)
    assert trades["fees"].sum() == pytest.approx(found.fees.sum(), abs=rounding)
    assert trades["exit_time"].isna().sum() == (found.units[-1] != 0).sum()
    sign = np.where(trades["side"] == "long", 1.0, -1.0)
    gain = sign * trades["units"] * (trades["exit_price"] - trades["entry_price"])
    assert (gain + trades["dividends"] - trades["fees"]).to_numpy() == pytest.approx(
        trades["profit"].to_numpy(), abs=rounding
    )


@given(cases(actions=True))
@settings(deadline=None, max_examples=200)
def test_fills_splits_dividends_and_financing_replayed_give_the_equity(case: Case) -> None:
    found, market = simulated(case), case.bars
    fills = found.fills
    cash, units, equity = CASH, np.zeros(len(market.symbols)), np.full(len(market), CASH)
    for t in range(1, len(market)):
        cash -= found.financing[t]
        units *= market.splits[t]
        cash += units @ market.dividends[t]
        for fill in fills[fills["bar"] == t].to_dict("records"):
            size = fill["units"] * (1.0 if fill["side"] == "buy" else -1.0)
            units[market.symbols.index(fill["symbol"])] += size
            cash -= size * fill["price"] + fill["fee"]
        equity[t] = cash + units @ market.close[t]
    assert equity == pytest.approx(found.equity, abs=1e-9 * scale(found))


@pytest.mark.parametrize("scheme", SCHEMES)
@given(case=cases(actions=True), seed=seeds)
@settings(deadline=None, max_examples=60)
def test_the_environment_and_the_backtest_give_the_same_equity_bit_for_bit(
    scheme: ActionScheme, case: Case, seed: int
) -> None:
    (requests,), (equity,), (reward,) = stepped(case, scheme, [seed])
    found = simulated(case._replace(requests=requests))
    end = (found.ruined or len(case.bars) - 1) + 1
    assert np.array_equal(equity[:end], found.equity[:end])
    growth = np.maximum(found.equity[1:end], RUIN * CASH) / found.equity[: end - 1]
    assert reward[1:end] == pytest.approx(3.0 * np.log(growth), rel=1e-12, abs=1e-14)


@given(cases(actions=True, assets=(1, 1), costs=some(PROPORTIONAL | RATES)))
@settings(deadline=None, max_examples=100)
def test_an_asset_alone_earns_what_it_does_beside_another(case: Case) -> None:
    """Alone at proportional costs it goes a way of its own through the kernel."""
    case = case._replace(market=case.market.model_copy(update={"band": 0.0}))
    one = case.bars
    beside = case._replace(
        bars=side_by_side(one, replace(one, dividends=np.array(0.0), splits=np.array(1.0))),
        requests=np.hstack([case.requests, np.zeros_like(case.requests)]),
    )
    found = simulated(case)
    assert simulated(beside).equity == pytest.approx(found.equity, abs=1e-12 * scale(found))


# ---- what changes nothing


def before(market: Bars, splits: Array) -> Bars:
    """The raw prices of a market that splits so, where its prices are adjusted for them."""
    count = actions.shares(splits)
    later = count[-1] / count
    prices = {name: getattr(market, name) * later for name in ("open", "high", "low", "close")}
    for t, a in np.argwhere(market.missing):  # to the last bit
        for column in prices.values():
            column[t, a] = prices["close"][t - 1, a]
    return replace(market, **prices, volume=market.volume / later, splits=splits)


@given(cases(some(PROPORTIONAL | RATES | ORDERS | VOLUMES)), st.booleans(), seeds)
@settings(deadline=None, max_examples=200)
def test_a_split_changes_no_equity(case: Case, is_power_of_two: bool, seed: int) -> None:
    """Bit for bit where the ratio is a power of two, which rounds nothing."""
    generator = np.random.default_rng(seed)
    ratios = generator.choice(
        [0.25, 0.5, 2.0, 4.0] if is_power_of_two else [1.5, 3.0, 0.1], case.bars.close.shape
    )
    acts = ~case.bars.missing & (generator.random(ratios.shape) < 0.2)
    split = simulated(case._replace(bars=before(case.bars, np.where(acts, ratios, 1.0))))
    found = simulated(case)
    if is_power_of_two:
        assert np.array_equal(split.equity, found.equity) and np.array_equal(split.fees, found.fees)
    else:
        assert split.equity == pytest.approx(found.equity, abs=1e-9 * scale(found))
    assert split.metrics["dividends"] == 0.0


@given(
    st.lists(st.floats(0.01, 0.5), min_size=3, max_size=12),
    st.sampled_from([-1.0, -0.5, 0.5, 1.0]),
    st.booleans(),
    st.sampled_from([1.0, 2.0, 1.5]),
)
@settings(deadline=None, max_examples=100)
def test_a_dividend_by_which_the_price_falls_changes_no_equity(
    parts: list[float], weight: float, rebalance: bool, split: float
) -> None:
    """Whether held or rebalanced, long or short, on the day of a split or another."""
    after = 100.0 * np.cumprod((1.0 - np.array(parts)) / split)
    close = np.concatenate([[100.0, 100.0], after])
    paid = np.concatenate([[0.0, 0.0], np.array(parts) * close[1:-1] / split])
    market = replace(
        bars(close, close),
        dividends=paid[:, None],
        splits=np.where(paid > 0, split, 1.0)[:, None],
        adjusted=False,
    )
    rules = TOGETHER.model_copy(update={"rebalance": rebalance})
    found = simulated(Case(market, np.full((len(close), 1), weight), FREE, rules))
    assert found.equity == pytest.approx(CASH, rel=1e-12)
    assert np.sign(found.metrics["dividends"]) == np.sign(weight)


# ---- total return


def closed_form(market: Bars, a: int) -> Array:
    """[T] adjusted close, going backwards by the formula of Yahoo and CRSP in plain words."""
    factor, adjusted = 1.0, np.empty(len(market))
    for t in range(len(market) - 1, -1, -1):
        adjusted[t] = factor * market.close[t, a]
        if t:
            old_share = market.close[t - 1, a] / market.splits[t, a]  # in new shares
            factor *= (1.0 - market.dividends[t, a] / old_share) / market.splits[t, a]
    return adjusted


@given(st.integers(1, 3), st.integers(2, 40), seeds)
@settings(deadline=None, max_examples=200)
def test_adjusted_from_raw_is_the_closed_form(n_assets: int, n_bars: int, seed: int) -> None:
    raw = with_actions(wild_market(n_assets, n_bars, seed), seed + 1)
    adjusted, forward = raw.adjust(), raw.reinvested()
    assert adjusted.adjusted and not adjusted.has_actions
    for a in range(n_assets):
        assert adjusted.close[:, a] == pytest.approx(closed_form(raw, a), rel=1e-11)
    assert adjusted.close[-1] == pytest.approx(raw.close[-1], rel=1e-12)
    assert forward.close[0] == pytest.approx(raw.close[0], rel=1e-12)
    for name in ("open", "high", "low", "close"):
        ratio = getattr(forward, name) / getattr(adjusted, name)
        assert ratio == pytest.approx(np.broadcast_to(ratio[0], ratio.shape), rel=1e-11)
    turned = adjusted.volume * adjusted.close / np.maximum(raw.volume * raw.close, 1e-300)
    assert ((turned <= 1 + 1e-9) | (raw.volume == 0)).all()  # dividends lower the price, splits nothing


def calm(n_assets: int, n_bars: int, seed: int, widest: float) -> Bars:
    """Raw bars, none missing, with splits and dividends in the prices, which else move by up to `widest`."""
    generator = np.random.default_rng(seed)
    shape = n_bars, n_assets
    splits = np.where(generator.random(shape) < 0.2, generator.choice([0.5, 1.5, 2.0, 3.0], shape), 1.0)
    yields = np.where(generator.random(shape) < 0.3, generator.uniform(0.0, 0.2, shape), 0.0)
    gap, move = 1.0 + widest * generator.uniform(-1, 1, (2, *shape))
    open_, close, dividends = np.full((3, *shape), 50.0)
    for t in range(1, n_bars):
        dividends[t] = yields[t] * close[t - 1] / splits[t]
        open_[t] = (close[t - 1] / splits[t] - dividends[t]) * gap[t]
        close[t] = open_[t] * move[t]
    dividends[0] = 0.0
    market = wild_market(n_assets, n_bars, 0)
    return replace(
        market,
        open=open_,
        high=np.maximum(open_, close),
        low=np.minimum(open_, close),
        close=close,
        volume=np.ones(shape),
        missing=np.array(False),
        dividends=dividends,
        splits=splits,
    )


@given(st.integers(1, 3), st.integers(3, 30), seeds)
@settings(deadline=None, max_examples=200)
def test_an_account_that_reinvests_earns_the_total_return_in_closed_form(
    n_assets: int, n_bars: int, seed: int
) -> None:
    """Brought back to weights w at each open, long and short, several splits and dividends in a bar.

    From open to open an asset returns R = s (O_t + D_t) / O_{t-1}, for a dividend buys at the open of the
    ex-date, and equity grows by 1 + sum of w (R - 1); the last one is marked at the close.
    """
    market = calm(n_assets, n_bars, seed, 0.1)
    weights = np.random.default_rng(seed).uniform(-1, 1, n_assets)
    weights /= np.abs(weights).sum()
    found = simulated(Case(market, np.tile(weights, (n_bars, 1)), FREE, TOGETHER))
    held = market.splits[2:] * (market.open + market.dividends)[2:] / market.open[1:-1]
    growth = np.prod(1.0 + (held - 1.0) @ weights)
    growth *= 1.0 + (market.close[-1] / market.open[-1] - 1.0) @ weights
    assert found.equity[-1] == pytest.approx(CASH * growth, rel=1e-9)


@given(st.integers(3, 30), seeds, st.booleans())
@settings(deadline=None, max_examples=200)
def test_where_the_price_opens_lower_by_the_dividend_it_is_what_adjusted_prices_earn(
    n_bars: int, seed: int, is_short: bool
) -> None:
    """They reinvest at the close before the ex-date less the dividend, which is then the open."""
    market = calm(1, n_bars, seed, 0.0)
    moved = calm(1, n_bars, seed, 0.1)
    asked = np.full((n_bars, 1), -1.0 if is_short else 1.0)
    found, adjusted = (simulated(Case(one, asked, FREE, TOGETHER)) for one in (market, market.adjust()))
    assert found.equity == pytest.approx(adjusted.equity, rel=1e-9)
    # Else they differ by (1 + D / open) / (1 + D / (close before / s - D)) a dividend.
    found, adjusted = (simulated(Case(one, np.abs(asked), FREE, TOGETHER)) for one in (moved, moved.adjust()))
    last = moved.close[1:-1] / moved.splits[2:]
    paid = moved.dividends[2:]
    ratio = np.prod((1 + paid / moved.open[2:]) / (1 + paid / (last - paid)))
    assert found.equity[-1] / adjusted.equity[-1] == pytest.approx(ratio, rel=1e-9)


# ---- found again in adj_close


@pytest.mark.parametrize("formula", ["yahoo", "quandl"])
@given(seed=seeds)
@settings(deadline=None, max_examples=60)
def test_splits_and_dividends_are_found_again_in_a_rounded_adj_close(formula: str, seed: int) -> None:
    """Quarterly dividends in cents and a split now and then, of prices in cents, adj_close of 6 decimals."""
    generator = np.random.default_rng(seed)
    n = 400
    splits, dividends, close = np.ones(n), np.zeros(n), np.empty(n)
    splits[generator.choice(np.arange(10, n - 10), 2, replace=False)] = generator.choice([1.5, 2, 3, 0.5], 2)
    dividends[40::63] = generator.integers(5, 40, len(dividends[40::63])) / 100
    close[0] = 150.0
    for t in range(1, n):
        move = np.exp(0.01 * generator.standard_normal())
        close[t] = np.round((close[t - 1] / splits[t] - dividends[t]) * move, 2)
    last = np.append(np.nan, close[:-1]) / splits
    step = splits / (1 - dividends / last) if formula == "yahoo" else splits * (1 + dividends / close)
    step[0] = 1.0
    factor = np.cumprod(step)
    found = actions.infer(close, close, np.round(close * factor / factor[-1], 6))
    assert np.array_equal(found[1], splits)
    assert np.array_equal(found[0] > 0, dividends > 0)
    assert found[0] == pytest.approx(dividends, abs=2e-3)


@given(st.integers(1, 3), seeds)
@settings(deadline=None, max_examples=20)
def test_a_table_keeps_splits_and_dividends(n_assets: int, seed: int) -> None:
    market = with_actions(side_by_side(*(walk(30, seed + a) for a in range(n_assets))), seed)
    again = Bars.from_frame(market.to_frame(), symbol="A", adjusted=False)
    assert again.fingerprint == market.fingerprint
    assert again.select(["A"]).rows(3, 9).splits.tolist() == market.splits[3:10, :1].tolist()
    assert Bars.from_frame(market.to_frame(), symbol="A").fingerprint == market.adjust().fingerprint
