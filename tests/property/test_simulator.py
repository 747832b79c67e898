"""One simulator: whatever the prices, requests, costs and rules, the money adds up in all modes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.candles import bars, wild_market
from tradebot.backtest import engine
from tradebot.backtest.engine import Track
from tradebot.core import Array, Discrete
from tradebot.market import kernel
from tradebot.market.configs import ActionScheme, TradingConfig
from tradebot.market.costs import PRESETS, Costs
from tradebot.market.env import RUIN, TradingEnv, quotes
from tradebot.prices.bars import Bars

CASH = 1000.0
SCHEMES: tuple[ActionScheme, ...] = ("long-flat", "long-short", "weights", "orders")


# ---- whatever may happen


class Case(NamedTuple):
    """One account: what it asks for, of which market, at which costs, under which rules."""

    bars: Bars
    requests: Array  # [T, A]
    costs: Costs
    market: TradingConfig


def any_requests(shape: tuple[int, int], seed: int, leverage: float) -> Array:
    """[T, A] weights within the leverage that repeat, turn, rest (NaN) and now and then are all in one."""
    generator = np.random.default_rng(seed)
    n_bars, n_assets = shape
    most = leverage / n_assets
    choice = np.array([-most, 0.0, most, *(most * generator.uniform(-1, 1, 2)), np.nan])
    weights = generator.choice(choice, shape)
    for t in range(n_bars):
        if generator.random() < 0.2:
            weights[t] = generator.choice([-leverage, leverage]) * np.eye(n_assets)[t % n_assets]
        elif t:
            weights[t] = np.where(generator.random(n_assets) < 0.4, weights[t - 1], weights[t])
    return weights * (leverage / np.fmax(np.nansum(np.abs(weights), axis=1, keepdims=True), leverage))


PROPORTIONAL = {name: st.floats(0.1, 500) for name in ("commission_bps", "half_spread_bps")}
RATES = {name: st.floats(0.01, 3) for name in ("borrow_rate", "margin_rate", "cash_rate")}
ORDERS = {
    "minimum_commission": st.floats(0.01, 50),
    "maximum_commission_bps": st.floats(1, 10_000),
    "fixed_per_order": st.floats(0.01, 50),
}
VOLUMES = {"impact_bps": st.floats(1, 5000), "participation": st.floats(0.001, 1)}
UNITS = {"commission_per_unit": st.floats(0.001, 5)}
EVERY = PROPORTIONAL | RATES | ORDERS | VOLUMES | UNITS


def some(amounts: dict[str, st.SearchStrategy[float]]) -> st.SearchStrategy[Costs]:
    """Some of these costs."""
    return st.fixed_dictionaries({}, optional=amounts).map(lambda given: Costs(fees="free", **given))


fractional_costs = some(EVERY)
any_costs = (
    fractional_costs
    | fractional_costs.map(lambda costs: changed(costs, whole_units=True))
    | st.sampled_from([Costs(fees=name) for name in PRESETS])
)
any_rules = st.builds(
    TradingConfig,
    cash=st.just(CASH),
    leverage=st.sampled_from([1.0, 1.5, 2.0, 3.0, 20.0]),
    maintenance=st.sampled_from([0.0, 0.25, 0.5]),
    band=st.sampled_from([0.0, 0.03, 0.2]),
    rebalance=st.booleans(),
)
plain_rules = any_rules.map(lambda rules: rules.model_copy(update={"band": 0.0}))
seeds = st.integers(0, 2**32 - 1)


@st.composite
def cases(
    draw: st.DrawFn,
    costs: st.SearchStrategy[Costs] = any_costs,
    rules: st.SearchStrategy[TradingConfig] = any_rules,
    assets: tuple[int, int] = (1, 4),
) -> Case:
    market, seed = draw(rules), draw(seeds)
    prices = wild_market(draw(st.integers(*assets)), draw(st.integers(2, 30)), seed)
    return Case(prices, any_requests(prices.close.shape, seed + 1, market.leverage), draw(costs), market)


def changed(costs: Costs, **values: float) -> Costs:
    return Costs(**{**costs.model_dump(), **values})


def simulated(case: Case) -> Track:
    test = engine.run(
        "x", case.bars, {"m": case.requests}, {}, market=case.market, costs=case.costs, in_sample=False
    )
    return test.members[0]


def scale(track: Track) -> float:
    """The largest sum that moved: what rounding is relative to."""
    return float(max(np.abs(track.equity).max(), np.abs(track.traded * track.bars.open).sum(axis=1).max()))


def columns(market: Bars, which: Iterable[int]) -> Bars:
    """These assets of a market under the names A, B, C ..."""
    which = list(which)
    names = ("open", "high", "low", "close", "volume", "missing")
    return replace(
        market, symbols=tuple("ABCD"[: len(which)]), **{n: getattr(market, n)[:, which] for n in names}
    )


# A short position that the price runs away from: 100 at 10 bring 1000, at 30 the account owes 1000.
SQUEEZE = Case(
    bars([10, 10, 10, 30, 20, 20], [10, 10, 30, 20, 20, 20]),
    np.array([[-1.0], [-1.0], [1.0], [0.5], [-1.0], [0.0]]),
    Costs(),
    TradingConfig(cash=CASH),
)


def test_the_example_of_a_squeeze_is_one() -> None:
    """Else nothing below would be sure to go through ruin."""
    assert simulated(SQUEEZE).ruined == 2


STILL = bars([10.0] * 4, [10.0] * 4)
# One is closed while the other is bought: at 10 all that was in A is in B, and A is sold once.
SWITCH = Case(columns(STILL, [0, 0]), np.array([[1.0, 0], [0, 1], [0, 0], [0, 0]]), Costs(), SQUEEZE.market)
# Orders so small that the least commission takes all they bring: 4 to sell 4 worth of A.
SMALL = Case(
    columns(STILL, [0, 0]),
    np.array([[0.6, -0.6], [0.596, -0.596], [0, 0], [0, 0]]),
    Costs(fees="free", minimum_commission=50),
    TradingConfig(cash=CASH, leverage=2.0),
)


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
    bar, asset = fills["bar"].to_numpy(), [case.bars.symbols.index(symbol) for symbol in fills["symbol"]]
    signed = fills["units"].to_numpy() * np.where(fills["side"] == "buy", 1.0, -1.0)
    np.add.at(units, (bar, asset), signed)
    np.add.at(paid, bar, signed * fills["price"].to_numpy() + fills["fee"].to_numpy())
    worth = CASH - np.cumsum(paid) + (np.cumsum(units, axis=0) * case.bars.close).sum(axis=1)
    assert worth == pytest.approx(found.equity, abs=1e-9 * scale(found))


def at_open(track: Track) -> list[tuple[Array, Array]]:
    """Equity and gross value [T] at each open: before its orders are filled, and after."""
    open_ = track.bars.open
    units, cash = np.zeros_like(track.units), np.full(len(open_), CASH)
    units[1:], cash[1:] = track.units[:-1], track.cash[:-1] - track.financing[1:]
    after = cash - (track.traded * open_ + track.fees).sum(axis=1)
    return [
        (money + (held * open_).sum(axis=1), np.abs(held * open_).sum(axis=1))
        for money, held in ((cash, units), (after, units + track.traded))
    ]


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
            costs=changed(case.costs, commission_per_unit=k * case.costs.commission_per_unit),
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


@given(cases(rules=any_rules.map(lambda rules: rules.model_copy(update={"leverage": 20.0})), assets=(2, 4)))
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


# ---- the rules


@given(cases())
@settings(deadline=None, max_examples=300)
def test_no_position_grows_beyond_the_leverage(case: Case) -> None:
    found = simulated(case)
    equity, gross = at_open(found)[1]
    before = np.vstack([found.units[:1], found.units[:-1]])
    after = before + found.traded
    grown = ((np.abs(after) > np.abs(before)) | (after * before < 0)).any(axis=1)
    assert (gross <= case.market.leverage * equity + 1e-9 * scale(found))[grown].all()


@given(cases())
@example(SMALL)
@settings(deadline=None, max_examples=300)
def test_no_order_leads_away_from_the_weight_that_is_asked_for(case: Case) -> None:
    found = simulated(case)
    equity = at_open(found)[0][0][1:, None]
    held, target = found.units[:-1] * case.bars.open[1:], case.requests[:-1] * equity
    beyond = (np.abs(held) > np.abs(target) + 1e-9 * scale(found)) & (held * target >= 0) & (equity > 0)
    assert (found.traded[1:] * held <= 0)[beyond].all()


@given(cases(fractional_costs, assets=(1, 1)))
@settings(deadline=None, max_examples=200)
def test_no_order_goes_past_the_weight_that_is_asked_for(case: Case) -> None:
    """Of the equity after its fee; of several assets the limits of one change the equity of all."""
    found = simulated(case)
    (before, _), (after, _) = at_open(found)
    open_, asked = case.bars.open[1:, 0], case.requests[:-1, 0]
    held, target = found.units[:-1, 0] * open_, asked * after[1:]
    value, traded = held + found.traded[1:, 0] * open_, found.traded[1:, 0] * open_
    free = (traded != 0) & (before[1:] > 0) & (after[1:] > 0) & ~found.called[:-1]
    past = (value - target) * np.sign(traded)
    assert (past <= 1e-9 * scale(found))[free].all()


@given(
    cases(some(PROPORTIONAL | RATES), any_rules.map(lambda rules: rules.model_copy(update={"leverage": 1.0})))
)
@settings(deadline=None, max_examples=200)
def test_without_leverage_and_short_positions_nothing_is_borrowed(case: Case) -> None:
    found = simulated(case._replace(requests=np.abs(case.requests) / case.market.leverage))
    assert (found.cash >= -1e-9 * np.maximum.accumulate(found.equity)).all()
    assert not found.called.any()


@given(cases())
@example(SQUEEZE)
@settings(deadline=None, max_examples=300)
def test_an_account_at_the_floor_is_ruined_flat_and_trades_no_more(case: Case) -> None:
    found = simulated(case)
    end = found.ruined or len(case.bars)
    assert (found.equity[:end] > RUIN * CASH).all()
    assert (found.equity[end:] <= RUIN * CASH).all() and len(set(found.equity[end:])) <= 1
    assert not found.units[end:].any() and np.array_equal(found.cash[end:], found.equity[end:])
    for flow in (found.traded, found.fees, found.financing, found.called):
        assert not flow[end + 1 :].any()


@given(cases())
@settings(deadline=None, max_examples=300)
def test_a_bar_fills_no_more_than_it_has(case: Case) -> None:
    found, costs, market = simulated(case), case.costs, case.bars
    assert not found.traded[market.missing].any()
    if costs.needs_volume:
        assert (np.abs(found.traded) <= (costs.participation or 1.0) * market.volume * (1 + 1e-12)).all()
    if costs.whole_units:
        assert np.array_equal(found.units, np.round(found.units))


@given(cases())
@settings(deadline=None, max_examples=300)
def test_after_a_call_of_the_broker_positions_only_shrink(case: Case) -> None:
    found = simulated(case)
    end = found.ruined or len(case.bars)
    for t in np.flatnonzero(found.called[: end - 1]) + 1:
        before, after = found.units[t - 1], found.units[t - 1] + found.traded[t]
        assert (np.abs(after) <= np.abs(before)).all() and (after * before >= 0).all()
        if not case.costs.needs_volume:
            assert not after[~case.bars.missing[t]].any()


@given(cases(rules=any_rules.map(lambda rules: rules.model_copy(update={"rebalance": False}))))
@settings(deadline=None, max_examples=300)
def test_what_is_asked_for_again_or_is_no_number_holds_the_units(case: Case) -> None:
    found, requests = simulated(case), case.requests
    for t in range(2, len(case.bars)):
        if not found.called[t - 2 : t].any():
            again = (requests[t - 1] == requests[t - 2]) & ~case.bars.missing[t - 1]
            assert not found.traded[t, again | np.isnan(requests[t - 1])].any()


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
        for one, many in zip(single, batch, strict=True):
            assert np.array_equal(one[0], many[k])
