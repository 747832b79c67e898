"""The verdict's rules: known answers, and how often they err where nothing, or something, is to be found."""

import math
from dataclasses import replace

import numpy as np
import pytest

from tests.backtests import backtest
from tradebot.core import Array
from tradebot.evidence.trials import Candidate, Trials
from tradebot.evidence.verdict import (
    EDGE,
    FEWEST_ORDERS,
    NO_EVIDENCE,
    TOO_LITTLE,
    WORSE,
    Verdict,
    beyond,
    judge,
    over,
    rule,
)
from tradebot.report.verdict import paragraph
from tradebot.stats import metrics

DAYS = 252.0


def with_ratio(annual: float, n: int, seed: int = 0) -> Array:
    """Returns [n] with exactly this Sharpe ratio per year, of 1 % a day."""
    r = np.random.default_rng(seed).standard_normal(n)
    r = (r - r.mean()) / r.std(ddof=1)
    return 0.01 * (r + annual / math.sqrt(DAYS))


def ruled(annual: float, n: int, sr0: float = 0.0, **terms: object) -> tuple[str, tuple[str, ...], float]:
    ratio = over(with_ratio(annual, n), DAYS, sr0)
    return rule(ratio, ratio, n, DAYS, **{"orders": 100, **terms})


def said(r: Array, market: Array) -> str:
    """Of an account and of buy-and-hold [n], with a plain interval instead of the bootstrap's."""
    cash, beside = over(r, DAYS), over(beyond(r, market), DAYS)
    return rule(cash, beside, len(r), DAYS, orders=100, below_cash=cash.high < 0)[0]


def test_a_ratio_of_two_over_four_years_is_an_edge() -> None:
    assert ruled(2.0, 1000)[0] == EDGE


def test_what_was_trained_on_is_never_an_edge() -> None:
    assert ruled(5.0, 1000, in_sample=True)[:1] == (NO_EVIDENCE,)


def test_what_shuffled_markets_give_as_well_is_no_edge() -> None:
    assert ruled(2.0, 1000, null=0.05)[0] == EDGE
    verdict, reasons, _ = ruled(2.0, 1000, null=0.10)
    assert verdict == NO_EVIDENCE
    assert "shuffled" in " ".join(reasons)


def test_a_lead_that_needs_more_years_says_how_many() -> None:
    """MinTRL of .8 a year: 1 + (1 + .5 SR^2) (1.645 / SR)^2 with SR = .8 / sqrt(252), 4.24 years."""
    verdict, _, years = ruled(0.8, 756)
    assert verdict == TOO_LITTLE
    assert years == pytest.approx(4.24, abs=0.1)


def test_a_short_span_tells_nothing_and_a_long_one_without_a_lead_is_no_evidence() -> None:
    assert ruled(-0.2, 250)[0] == TOO_LITTLE
    assert ruled(-0.2, 250)[2] == pytest.approx(2.73, abs=0.03)
    assert ruled(-0.2, 1000)[0] == NO_EVIDENCE


def test_who_is_behind_has_no_lead_that_luck_may_have_made() -> None:
    behind, ahead = (over(with_ratio(annual, 1000), DAYS) for annual in (-0.2, 0.2))
    _, reasons, _ = rule(ahead, behind, 1000, DAYS, orders=100)
    assert "luck alone may have made its lead over cash" in reasons
    assert "it is behind buy-and-hold at the same exposure" in reasons


def test_few_orders_are_one_lucky_spell() -> None:
    verdict, _, years = ruled(2.0, 1008, orders=5)
    assert (verdict, years) == (TOO_LITTLE, 4.0 * FEWEST_ORDERS / 5)


def test_an_account_clearly_below_cash_is_worse_than_doing_nothing() -> None:
    assert ruled(-2.0, 1000, below_cash=True)[0] == WORSE


def test_the_luck_of_many_trials_takes_an_edge_away() -> None:
    assert ruled(1.2, 1000)[0] == EDGE
    assert ruled(1.2, 1000, sr0=1.0 / math.sqrt(DAYS))[0] != EDGE


def test_half_of_buy_and_hold_earns_the_market_and_nothing_beyond() -> None:
    market = with_ratio(2.0, 1000)
    assert not beyond(0.5 * market, market).any()
    assert said(0.5 * market, market) == NO_EVIDENCE


@pytest.mark.parametrize("drift", [0.0, 1.0])
def test_coins_on_markets_without_an_edge_are_seldom_called_one(drift: float) -> None:
    """Long or flat by a coin: with a drift it earns its share of it, which is no edge."""
    found = []
    for seed in range(400):
        generator = np.random.default_rng([seed, 8])
        market = 0.01 * (generator.standard_normal(1000) + drift / math.sqrt(DAYS))
        held = np.repeat(generator.integers(0, 2, 200), 5)
        found.append(said(held * market, market))
    assert found.count(EDGE) <= 0.09 * len(found)
    assert found.count(WORSE) <= 0.05 * len(found)


def test_a_true_edge_is_found() -> None:
    """A ratio of 1.6 a year over 1,000 days beside a market that it owes nothing: 3.2 errors from 0."""
    found = []
    for seed in range(200):
        generator = np.random.default_rng([seed, 9])
        market, r = 0.01 * generator.standard_normal((2, 1000))
        found.append(said(r + 0.01 * 1.6 / math.sqrt(DAYS), market))
    assert found.count(EDGE) >= 0.8 * len(found)


def judged(**terms: object) -> Verdict:
    return judge(backtest(), **terms)


def test_judging_a_backtest_counts_the_trials_of_the_ledger() -> None:
    test = backtest()
    r, times = metrics.returns(test.ensemble.equity), test.bars.timestamps[1:]
    others = (Candidate("a", times, r, 365.0), Candidate("b", times, -r, 365.0))
    verdict = judge(test, Trials(others, 5), again=3)
    assert (verdict.trials, verdict.looks, verdict.again, verdict.candidates) == (2, 5, 3, 2)
    assert verdict.luck > 0
    assert verdict.over_cash.dsr < verdict.over_cash.psr
    assert 0 <= verdict.pbo <= 1
    assert 0 < verdict.spa_p <= 1
    told = paragraph(test, verdict)
    assert "2 trials and 5 looks" in told
    assert "3 times before" in told
    assert "looked at once before" in paragraph(test, replace(verdict, again=1))
    assert "Of the 2 trials that cover this whole span: SPA" in told
    nothing = replace(verdict.over_cash, value=math.nan)
    assert "Of the 2 trials" not in paragraph(test, replace(verdict, over_cash=nothing))


def test_p_values_have_three_digits_at_the_most() -> None:
    test = backtest()
    for p, told in ((0.05, "p = 0.05."), (0.3, "p = 0.3."), (1.0, "p = 1."), (1 / 19, "p = 0.0526.")):
        assert paragraph(test, judge(test, null=p)).endswith(f"Null test: {told}")


def test_a_verdict_is_plain_data() -> None:
    told = judged(null=0.5).to_dict()
    assert told["null_p"] == 0.5
    assert told["pbo"] is None
    assert told["over_cash"]["value"] == judged().over_cash.value


def test_in_sample_is_said_in_the_paragraph() -> None:
    test = backtest(in_sample=True)
    assert "in-sample, hence not on record" in paragraph(test, judge(test))
