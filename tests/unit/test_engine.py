"""The backtest engine: members, ensemble, benchmark, trades and metrics of hand-made requests."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tests import backtests
from tests.candles import bars, walk
from tradebot.backtest import engine
from tradebot.backtest.engine import Backtest, Track
from tradebot.backtest.trades import round_trips
from tradebot.core import Array, Extras, InputError
from tradebot.market.configs import TradingConfig
from tradebot.market.costs import Costs
from tradebot.market.env import TradingEnv
from tradebot.prices.bars import Bars
from tradebot.stats.metrics import METRICS

FREE = Costs(commission_bps=0, half_spread_bps=0)
PERCENT = Costs(commission_bps=100, half_spread_bps=0)


def run(
    market: Bars, members: dict[str, Any], baselines: dict[str, Any] | None = None, costs: Costs = PERCENT
) -> Backtest:
    return engine.run(
        "x", market, members, baselines or {}, market=TradingConfig(cash=1000.0), costs=costs, in_sample=False
    )


def track(opens: list[float], requests: list[float], costs: Costs = FREE) -> Track:
    """The only member, on bars that close at the next open."""
    return run(bars(opens, [*opens[1:], opens[-1]]), {"m": requests}, costs=costs).members[0]


# ---- members and ensemble


def test_the_ensemble_trades_only_when_the_mean_of_the_requests_changes() -> None:
    members = {"a": [1, 0, 1, 0, 0, 0], "b": [0, 1, 0, 1, 0, 0]}
    test = run(walk(6), members)
    assert test.ensemble.request.tolist() == [[0.5], [0.5], [0.5], [0.5], [0.0], [0.0]]
    assert test.ensemble.fills["bar"].tolist() == [1, 5]
    assert [len(member.fills) for member in test.members] == [4, 4]  # who trade at every bar until they rest


def test_the_ensemble_of_one_is_that_one() -> None:
    test = run(walk(50), {"a": np.random.default_rng(1).uniform(-1, 1, 50)})
    assert np.array_equal(test.ensemble.equity, test.members[0].equity)


def test_every_account_is_on_its_own() -> None:
    generator = np.random.default_rng(2)
    requests = {f"seed {i}": generator.integers(-1, 2, 60).astype(float) for i in range(5)}
    market = walk(60)
    together = run(market, requests)
    for member in together.members:
        alone = run(market, {member.name: requests[member.name]}).members[0]
        for column in ("cash", "units", "equity", "traded", "fees"):
            assert np.array_equal(getattr(member, column), getattr(alone, column))


def test_the_benchmark_is_buy_and_hold_with_the_same_cash_and_costs() -> None:
    market = walk(60)
    test = run(market, {"a": np.zeros(60)}, {"buy_and_hold": np.ones(60)})
    hold = test.baselines["buy_and_hold"]
    assert np.array_equal(test.members[0].benchmark, hold.equity)
    assert hold.metrics["beta"] == pytest.approx(1.0) and hold.metrics["alpha"] == pytest.approx(
        0.0, abs=1e-12
    )


def test_the_tables_have_a_row_or_column_for_every_account() -> None:
    test = run(walk(60), {"seed 0": np.ones(60), "seed 1": np.zeros(60)}, {"flat": np.zeros(60)})
    names = ["ensemble", "seed 0", "seed 1", "flat"]
    assert list(test.frame.index) == names and list(test.frame.columns) == list(METRICS)
    assert list(test.equity.columns) == names and len(test.equity) == 60
    assert test.equity["seed 0"].tolist() == test.members[0].equity.tolist()
    assert test.metrics == test.ensemble.metrics
    assert test.name == "x"


# ---- intervals


def test_the_intervals_of_a_member_do_not_depend_on_its_company() -> None:
    market = walk(200)
    requests = {f"seed {i}": np.resize(np.repeat([1.0, 0.0, -1.0], 5 + i), 200) for i in range(4)}
    whole, alone = run(market, requests), run(market, {"seed 2": requests["seed 2"]})
    assert whole.members[2].intervals == alone.members[0].intervals
    assert whole.members[2].difference == alone.members[0].difference
    assert whole.members[2].intervals != whole.members[1].intervals


def test_the_difference_is_that_to_buy_and_hold_and_is_kept() -> None:
    market = walk(200)
    test = run(market, {"a": np.resize([1.0, 1, 1, 0], 200)}, {"buy_and_hold": np.ones(200)})
    lead, hold = test.ensemble.difference, test.baselines["buy_and_hold"]
    assert lead is test.ensemble.difference
    for name, over in lead.items():
        assert over.value == pytest.approx(test.metrics[name] - hold.metrics[name], abs=1e-15)
        assert over.low < over.high
    assert all(np.isnan(over.low) for over in hold.difference.values())


def test_a_ruined_account_has_no_intervals() -> None:
    falling = np.append(np.full(100, 10.0), np.full(100, 0.05))  # to 0.5 % of the cash
    found = track(falling.tolist(), [1.0] * 200)
    assert found.ruined
    assert all(np.isnan(over.low) and np.isnan(over.high) for over in found.intervals.values())
    assert found.intervals["total_return"].value == found.metrics["total_return"]


def test_the_mean_over_seeds_is_of_the_middle_half() -> None:
    market = walk(60)
    test = run(market, {f"seed {i}": np.full(60, weight) for i, weight in enumerate([0.1, 0.2, 0.4, 1.0])})
    middle = [member.metrics["exposure"] for member in test.members[1:3]]
    assert list(test.iqm) == list(METRICS)
    assert test.iqm["exposure"].value == pytest.approx(np.mean(middle), rel=1e-12)
    assert test.iqm["exposure"].low < np.mean(middle) < test.iqm["exposure"].high


@pytest.mark.parametrize("bad", [np.inf, 1.5, -1.001])
def test_a_request_that_is_no_weight_is_refused_with_its_account_and_date(bad: float) -> None:
    with pytest.raises(InputError, match=r"^mine asks for .* on 2020-01-03: the weights must not exceed 1"):
        run(walk(4), {"other": np.ones(4), "mine": [0, 0, bad, bad]})


@pytest.mark.parametrize("name", ["a", "ensemble"])
def test_two_accounts_of_one_name_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match=f"^{name}: a name stands for one account"):
        run(walk(4), {"a": np.ones(4)}, {name: np.zeros(4)})


# ---- trades


def test_a_round_trip() -> None:
    trade = track([10, 10, 12, 12], [1, 0, 0, 0]).trades.iloc[0]
    assert (trade["side"], trade["units"], trade["entry_price"], trade["exit_price"]) == ("long", 100, 10, 12)
    assert (trade["profit"], trade["fees"], trade["return"], trade["bars"]) == (200, 0, 0.2, 1)
    assert (trade["entry_time"], trade["exit_time"]) == (
        pd.Timestamp("2020-01-02"),
        pd.Timestamp("2020-01-03"),
    )


def test_one_fill_through_zero_ends_a_trade_and_begins_another_and_they_share_its_fee() -> None:
    # Cash 1000 -> 100/1.01 units long; then short with E = 100/1.01 x 10 -> v' = -.99 E / 1.01.
    trades = track([10, 10, 10, 10], [1, -1, -1, -1], PERCENT).trades
    long, short = 100 / 1.01, 100 / 1.01 * 0.99 / 1.01
    assert trades["side"].tolist() == ["long", "short"]
    assert trades["units"].tolist() == pytest.approx([long, short])
    assert trades["fees"].tolist() == pytest.approx([0.1 * 2 * long, 0.1 * short])  # in and out; in
    assert trades["profit"].tolist() == pytest.approx([-0.2 * long, -0.1 * short])
    assert trades["exit_time"].isna().tolist() == [False, True]


def test_a_trade_that_is_added_to_and_sold_in_parts_is_one_trade_at_mean_prices() -> None:
    # Buys 50 at 10, 10 at 20; sells 30 at 20, 30 at 40.
    found = track([10, 10, 20, 20, 40, 40], [0.5, 0.8, 0.4, 0, 0, 0]).trades
    assert len(found) == 1
    trade = found.iloc[0]
    assert trade["units"] == pytest.approx(60) and trade["bars"] == 3
    assert trade["entry_price"] == pytest.approx(700 / 60) and trade["exit_price"] == pytest.approx(30)
    assert trade["profit"] == pytest.approx(1100)


def test_an_open_trade_is_valued_at_the_last_close_and_counts_in_no_metric() -> None:
    found = track([10, 10, 12, 15], [1, 1, 1, 1])
    trade = found.trades.iloc[0]
    assert pd.isna(trade["exit_time"]) and trade["exit_price"] == 15 and trade["profit"] == 500
    assert trade["bars"] == 2
    assert found.metrics["trades"] == 0 and np.isnan(found.metrics["win_rate"])


def test_without_a_fill_there_is_no_trade() -> None:
    found = track([10, 10, 12], [0, 0, 0])
    assert len(found.fills) == len(found.trades) == 0
    assert list(found.trades.columns) == list(track([10, 10, 12], [1, 0, 0]).trades.columns)
    assert found.metrics["trades"] == found.metrics["turnover"] == found.metrics["fees"] == 0


def test_a_ruined_account_ends_its_trade_and_the_metrics_say_so() -> None:
    found = track([10, 10, 30, 5], [-1, 1, 1, 1])
    assert found.trades[["side", "profit"]].values.tolist() == [["short", -2000]]
    assert found.ruined == 1 and not found.weight.any()
    assert found.metrics["trades"] == 1 and found.metrics["win_rate"] == 0
    assert found.metrics["total_return"] == -2


def test_turnover_counts_what_ruin_closed_out() -> None:
    found = track([10, 10, 0.05, 5], [1, 1, 1, 1])  # 1000 bought, 5 sold; equity 1000, 5, 5, 5
    assert found.metrics["turnover"] == pytest.approx(1005 / (3 / 365) / (1015 / 4))


def test_many_partial_fills_close_to_exactly_flat() -> None:
    """Units that were added up in another order would leave dust, and the trades would never end."""
    generator = np.random.default_rng(3)
    weights = np.where(np.arange(400) % 8 == 7, 0.0, generator.uniform(0.1, 0.9, 400))
    found = run(walk(400), {"m": weights}).members[0]
    assert len(found.trades) == 50 and found.trades["exit_time"].notna().sum() == 49


def test_round_trips_by_hand() -> None:
    # Buys 3 at 10 and 1 at 14, sells 6 at 12: closes 4, opens 2 short; buys 1 at 11; 1 is open, marked at 9.
    units, price = np.array([3.0, 1.0, -6.0, 1.0]), np.array([10.0, 14.0, 12.0, 11.0])
    bar, none = np.arange(4), np.empty(0)
    first, last, closed, entered, entry, exit_, profit, fee, received = round_trips(
        bar, units, price, np.array([3.0, 1, 6, 1]), none.astype(np.int64), none, none, 9.0
    )
    assert first.tolist() == [0, 2] and last.tolist() == [2, 3] and closed.tolist() == [True, False]
    assert entered.tolist() == [4, -2] and entry.tolist() == [11, 12] and exit_.tolist() == [12, 10]
    assert fee.tolist() == [3 + 1 + 4, 2 + 1]
    assert profit.tolist() == [4 * (12 - 11) - 8, 2 * (12 - 10) - 3] and not received.any()


def test_round_trips_through_a_split_and_dividends_by_hand() -> None:
    # Buys 4 at 10 and sells 1 at 12; 3 become 6, which receive 0.5 each; sells 7 at 8 (1 of them short),
    # which pays 0.25 after the last fill; 1 is open, marked at 7. The fills were of 8 and 2 of today's units.
    first, last, closed, entered, entry, exit_, profit, fee, received = round_trips(
        np.array([1, 2, 5]),
        np.array([4.0, -1.0, -7.0]),
        np.array([10.0, 12.0, 8.0]),
        np.zeros(3),
        np.array([0, 4, 6]),
        np.array([3.0, 2.0, 1.0]),
        np.array([9.0, 0.5, 0.25]),
        7.0,
    )
    assert first.tolist() == [0, 2] and last.tolist() == [2, 2] and closed.tolist() == [True, False]
    assert entered.tolist() == [8, -1] and entry.tolist() == [5, 8] and not fee.any()
    assert exit_.tolist() == [(12 + 6 * 8) / 8, 7]
    assert received.tolist() == [3.0, -0.25] and profit.tolist() == [12 + 48 - 40 + 3, 8 - 7 - 0.25]


# ---- what agents ask for


class Scripted:
    """A population that does what its script says, whatever it sees."""

    def __init__(self, script: list[list[int]]) -> None:  # per step, per member
        self.script = iter(script)

    def act(self, obs: Array, *, explore: bool) -> tuple[Array, Extras]:
        assert not explore
        return np.array(next(self.script))[:, None], {}


def scripted_requests(opens: list[float], script: list[list[int]]) -> Array:
    config = TradingConfig(actions="long-short", features=("request",))
    market = bars(opens, [*opens[1:], opens[-1]])
    env = TradingEnv(market, config, FREE, first=0, last=len(opens) - 1, seeds=range(len(script[0])))
    return engine.policy_requests(Scripted(script), env)  # type: ignore[arg-type] # it only acts


def test_the_requests_of_every_member_are_the_weights_of_its_actions() -> None:
    requests = scripted_requests([10, 10, 10, 10], [[0, 1, 2], [2, 1, 0], [1, 1, 2], [2, 0, 1]])
    assert requests[:, :, 0].tolist() == [[-1, 1, 0, 1], [0, 0, 0, -1], [1, -1, 1, 0]]


def test_a_ruined_member_asks_for_nothing_more() -> None:
    # Short at 10, the price is 30 at the first close: member 0 is ruined, whatever its script says next.
    requests = scripted_requests([10, 10, 30, 30, 30], [[0, 2], [2, 2], [2, 2], [2, 2], [2, 2]])
    assert requests[:, :, 0].tolist() == [[-1, 0, 0, 0, 0], [1, 1, 1, 1, 1]]


def test_the_last_request_is_decided_on_the_last_bar_and_the_account_as_it_is_there() -> None:
    """Not on the fresh, flat account with which the environment begins its next episode."""
    config = TradingConfig(features=("position", "equity"), cash=1000.0)
    market = bars([10, 10, 10], [10, 10, 20])
    env = TradingEnv(market, config, FREE, first=0, last=2)
    seen: list[Array] = []

    class Watching(Scripted):
        def act(self, obs: Array, *, explore: bool) -> tuple[Array, Extras]:
            seen.append(obs[0, 0].copy())
            return super().act(obs, explore=explore)

    engine.policy_requests(Watching([[1], [1], [0]]), env)  # type: ignore[arg-type] # it only acts
    assert np.array(seen) == pytest.approx(np.array([[0, 0], [1, 0], [1, np.log(2)]]), abs=1e-6)


def test_nothing_fills_the_last_request() -> None:
    market = walk(20)
    requests = np.random.default_rng(4).choice([0.0, 0.5, 1.0], 20)
    other = np.append(requests[:-1], 1.0 - requests[-1])
    one, two = (run(market, {"m": each}).members[0] for each in (requests, other))
    assert np.array_equal(one.equity, two.equity) and one.fills.equals(two.fills)
    assert one.metrics == pytest.approx(two.metrics, nan_ok=True, abs=0, rel=0)


def test_what_was_captured_is_the_share_of_the_log_wealth_of_hindsight() -> None:
    """Opens 100, 100, 100, 200, closes 100, 100, 200, 100: long while it rises, then short while it falls."""
    market = backtests.bars(close=np.array([100.0, 100.0, 200.0, 100.0]))
    hold = run(market, {"x": np.ones(4)}, costs=FREE)
    half = run(market, {"x": np.array([0.0, 0.5, 0.0, 0.0])}, costs=FREE)
    assert hold.oracle_return == pytest.approx(1.0)  # in at 100, out at 200
    assert hold.captured(hold.ensemble) == pytest.approx(0.0)  # back at 100
    assert half.captured(half.ensemble) == pytest.approx(np.log(1.5) / np.log(2))
    assert replace(half, short=True).oracle_return == pytest.approx(2.0)  # 2 x 1.5


def test_where_hindsight_earns_nothing_there_is_nothing_to_capture() -> None:
    calm = run(backtests.bars(close=np.full(4, 100.0)), {"x": np.ones(4)})
    assert calm.oracle_return == 0.0 and np.isnan(calm.captured(calm.ensemble))


def test_who_was_short_is_measured_by_a_hindsight_that_may_be() -> None:
    market = backtests.bars(close=np.array([100.0, 100.0, 50.0, 50.0]))
    test = run(market, {"x": np.array([0.0, -1.0, 0.0, 0.0])}, costs=FREE)
    assert test.short and test.captured(test.ensemble) == pytest.approx(1.0)
