"""Folds: where they are cut, that no bar of a test is trained on, and the account that goes through them."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any, cast

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from tests.candles import walk
from tradebot.backtest import engine, walkforward
from tradebot.backtest.configs import Length, WalkForwardConfig, length
from tradebot.backtest.walkforward import Fold, folds
from tradebot.core import Agent, Array, InputError
from tradebot.market import kernel
from tradebot.market.configs import TradingConfig
from tradebot.market.costs import Costs
from tradebot.market.env import TradingEnv
from tradebot.prices.bars import Bars

CONFIG = TradingConfig(features=("last_return", "position"), actions="long-short", lookback=5)
COSTS = Costs(commission_bps=10.0)


def daily(n: int, start: str = "2000-01-01") -> Bars:
    """A bar for each day of the calendar."""
    stamps = np.datetime64(start, "us") + np.arange(n) * np.timedelta64(1, "D")
    return replace(walk(n, seed=1), timestamps=stamps)


def of(**settings: Any) -> WalkForwardConfig:
    return WalkForwardConfig(**settings)


def test_folds_of_bars_end_with_the_last_bar_and_step_by_their_tests() -> None:
    # 100 bars from 0: tests of 10 begin at 70, 80, 90; trainings of 20 end two bars before.
    assert folds(daily(100), of(folds=3, train="20bars", test="10"), 0, 99) == (
        Fold((50, 68), (70, 79)),
        Fold((60, 78), (80, 89)),
        Fold((70, 88), (90, 99)),
    )


def test_expanding_folds_begin_with_the_first_bar() -> None:
    made = folds(daily(100), of(folds=2, train="20bars", test="10bars", expanding=True), 7, 99)
    assert [fold.train for fold in made] == [(7, 78), (7, 88)]


def test_an_embargo_takes_bars_from_the_training() -> None:
    (fold,) = folds(daily(100), of(folds=1, train="20bars", test="10bars", embargo=5), 0, 99)
    assert fold == Fold((70, 83), (90, 99))


def test_folds_of_years_begin_on_the_same_day_of_each_year() -> None:
    bars = daily(366 + 365 * 3 + 366)  # 2000 .. 2004
    made = folds(bars, of(folds=3, train="2y", test="1y"), 0, len(bars) - 1)
    days = [[str(bars.timestamps[bar])[:10] for bar in (*fold.train, *fold.test)] for fold in made]
    assert days == [
        ["2000-01-01", "2001-12-30", "2002-01-01", "2002-12-31"],
        ["2001-01-01", "2002-12-30", "2003-01-01", "2003-12-31"],
        ["2002-01-01", "2003-12-30", "2004-01-01", "2004-12-31"],
    ]


def test_months_keep_the_day_of_the_last_bar() -> None:
    bars = daily(366, "2003-08-01").rows(0, 212)  # .. 2004-02-29
    made = folds(bars, of(folds=3, train="2mo", test="1mo"), 0, len(bars) - 1)
    # February's last day, three months back, is the 29th of November, not the end of it.
    assert [str(bars.timestamps[fold.test[0]])[:10] for fold in made] == [
        "2003-11-30",
        "2003-12-30",
        "2004-01-30",
    ]


@pytest.mark.parametrize("expanding", [False, True])
@pytest.mark.parametrize("embargo", [0, 3])
@pytest.mark.parametrize(
    ("train", "test"), [("90d", "30d"), ("3mo", "20bars"), ("60bars", "1mo"), ("10w", "2w")]
)
def test_no_return_of_a_test_is_one_of_its_training_and_the_tests_are_one_span(
    train: str, test: str, embargo: int, expanding: bool
) -> None:
    bars = daily(500)
    made = folds(bars, of(folds=5, train=train, test=test, embargo=embargo, expanding=expanding), 20, 499)
    assert len(made) == 5 and made[-1].test[1] == 499
    for fold in made:
        assert 20 <= fold.train[0] < fold.train[1] == fold.test[0] - 2 - embargo
    for one, other in itertools.pairwise(made):
        assert other.test[0] == one.test[1] + 1


def test_a_first_training_may_lack_a_tenth_but_no_more() -> None:
    settings = of(folds=1, train="100bars", test="10bars")
    (fold,) = folds(daily(100), settings, 0, 99)
    assert fold.train == (0, 88)
    with pytest.raises(InputError, match="0 do"):
        folds(daily(99), settings, 0, 98)
    (fold,) = folds(daily(730), of(folds=1, train="1y", test="1y"), 34, 729)
    assert fold.train[0] == 34
    with pytest.raises(InputError, match="0 do"):
        folds(daily(730), of(folds=1, train="1y", test="1y"), 36, 729)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"folds": 9, "train": "1y", "test": "1y"},
            "9 folds of 1 year of training and 1 year of test .* 2 do",
        ),
        ({"folds": 9, "train": "365bars", "test": "300bars"}, " 2 do"),
        ({"folds": 1, "train": "9999y", "test": "1y"}, " 0 do"),
        ({"folds": 500, "train": "1y", "test": "999999y"}, " 0 do"),
        ({"folds": 1, "train": "1y", "test": "1d"}, "364 bars of training and 1 of test is too short"),
        ({"folds": 1, "train": "50bars", "test": "10d", "embargo": 48}, "1 bars of training"),
    ],
)
def test_too_short_a_history_is_told_with_the_folds_that_fit(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        folds(daily(1100), of(**settings), 0, 1099)


def test_lengths_are_read_as_they_are_written() -> None:
    assert length(" 5Y ") == Length(5, "years")
    assert length("6months") == length("6 mo") == Length(6, "months")
    assert length("250") == length("250bars") == Length(250, "bars")
    assert (str(length("1y")), str(length("30d"))) == ("1 year", "30 days")


@pytest.mark.parametrize("text", ["", "y", "0d", "-1y", "1.5y", "5 parsecs", "1y6mo"])
def test_what_is_no_length_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="write it as 5y"):
        length(text)


class Stubborn:
    """Members s x K + k of S seeds and K folds that always choose the action (s + k) % 3."""

    def __init__(self, parts: int) -> None:
        self.parts = parts

    def act(self, obs: Array, *, explore: bool) -> tuple[Array, dict[str, Array]]:
        assert not explore
        seed, fold = np.divmod(np.arange(len(obs)), self.parts)
        return ((seed + fold) % 3)[:, None], {}


def parts_of(bars: Bars, cuts: list[int], seeds: int) -> list[TradingEnv]:
    return [
        TradingEnv(bars, CONFIG, COSTS, first=first, last=last, seeds=range(seeds))
        for first, last in itertools.pairwise(cuts)
    ]


@pytest.mark.parametrize("seams", ["carried", "closed"])
def test_the_account_of_a_seed_goes_through_all_folds_as_the_backtest_replays_it(seams: Any) -> None:
    bars, cuts = walk(120, seed=3), [40, 60, 80, 119]
    envs = parts_of(bars, cuts, 2)
    requests = walkforward.stitched(cast(Agent, Stubborn(3)), envs, seams)
    assert requests.shape == (2, 80, 1)
    # Actions 0, 1, 2 are short, flat, long: seed 0 is that in the folds, seed 1 flat, long, short.
    wanted = np.repeat([[-1.0, 0.0, 1.0], [0.0, 1.0, -1.0]], [20, 20, 40], axis=1)
    if seams == "closed":
        wanted[:, [19, 39]] = 0.0
    assert_array_equal(requests[:, :, 0], wanted)
    tested = engine.run(
        "x",
        bars.rows(40, 119),
        {f"seed {s}": requests[s] for s in range(2)},
        {},
        market=CONFIG,
        costs=COSTS,
        in_sample=False,
    )
    for s, member in enumerate(tested.members):
        assert member.equity[-1] == envs[-1].accounts_left[s, kernel.EQUITY]  # to the last bit


def test_a_fold_is_told_from_its_first_decision_to_what_its_last_one_became() -> None:
    bars, cuts = walk(120, seed=3), [40, 60, 119]
    requests = walkforward.stitched(cast(Agent, Stubborn(2)), parts_of(bars, cuts, 1), "carried")
    tested = engine.run(
        "x", bars.rows(40, 119), {"seed 0": requests[0]}, {}, market=CONFIG, costs=COSTS, in_sample=False
    )
    cut = (Fold((10, 38), (40, 59)), Fold((30, 58), (60, 119)))
    first, last = walkforward.results(bars, cut, tested)
    equity = tested.ensemble.equity
    assert first.total_return == pytest.approx(equity[20] / equity[0] - 1)
    assert last.total_return == pytest.approx(equity[79] / equity[20] - 1)
    assert (1 + first.total_return) * (1 + last.total_return) == pytest.approx(equity[-1] / equity[0])
    assert (first.test_start, last.test_end) == tuple(
        str(bars.timestamps[bar])[: len(first.test_start)].replace("T", " ") for bar in (40, 119)
    )


def test_a_ruined_seed_asks_for_nothing_in_later_folds() -> None:
    bars, cuts = walk(120, seed=3), [40, 60, 119]
    wild = bars.close.copy()
    wild[50:] = wild[50:] * 3.0  # a short account is ruined
    opened = np.where(np.arange(120)[:, None] >= 50, bars.open * 3.0, bars.open)
    ruin = replace(
        bars,
        open=opened,
        close=wild,
        high=np.maximum(opened, wild),
        low=np.minimum(opened, wild),
    )
    requests = walkforward.stitched(cast(Agent, Stubborn(2)), parts_of(ruin, cuts, 2), "carried")
    assert (requests[0, :10] == -1).all() and (requests[0, 10:] == 0).all()
    assert (requests[1, 20:, 0] == 1).all()
