"""The page: what it says and shows of backtests read as text; in e2e a browser reads it."""

import base64
import hashlib
import re
from dataclasses import replace
from html.parser import HTMLParser
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tests.backtests import backtest, bars
from tradebot.backtest import engine
from tradebot.backtest.engine import Backtest, Track
from tradebot.evidence.sensitivity import sensitivity
from tradebot.market.configs import TradingConfig
from tradebot.market.costs import Costs
from tradebot.report import page, plots, tables
from tradebot.stats.bootstrap import Interval
from tradebot.stats.metrics import METRICS

PNG = b"\x89PNG\r\n\x1a\n"
ATTACK = "<script>alert(1)</script>"
FREE = Costs(commission_bps=0, half_spread_bps=0)


class Tags(HTMLParser):
    """The tags of a page with their attributes, and its text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


def render(*backtests: Backtest, **changes: Any) -> str:
    given = {"title": "dqn on AAPL", "facts": {"command": "tradebot train dqn"}} | changes
    return page.render(backtests, **given)


def policy(page_: Tags) -> dict[str, str]:
    """Directive -> what it allows."""
    (content,) = [
        attributes["content"] or ""
        for _, attributes in page_.tags
        if attributes.get("http-equiv") == "Content-Security-Policy"
    ]
    return dict(directive.strip().split(" ", 1) for directive in content.split(";"))


def test_the_page_asks_for_nothing_and_runs_only_its_own_scripts() -> None:
    html = render(backtest(), still=("Equity", PNG), learning={"Reward": PNG})
    page_ = Tags(html)
    assert not {"link", "iframe", "object", "form", "a"} & {tag for tag, _ in page_.tags}
    links = [
        value or ""
        for _, attributes in page_.tags
        for key, value in attributes.items()
        if key in ("src", "href")
    ]
    assert len(links) == 2
    assert all(link.startswith("data:image/png;base64,") for link in links)
    scripts = re.findall(r"<script>(.*?)</script>", html, re.DOTALL)
    hashes = [base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in scripts]
    assert len(hashes) == 2
    assert policy(page_) == {
        "default-src": "'none'",
        "script-src": " ".join(f"'sha256-{digest}'" for digest in hashes),
        "style-src": "'unsafe-inline'",
        "img-src": "data:",
        "base-uri": "'none'",
        "form-action": "'none'",
    }


def test_no_string_that_is_given_becomes_part_of_the_page() -> None:
    market = bars(ATTACK)
    hold = {ATTACK: np.ones(len(market))}
    result = engine.run(
        ATTACK,
        market,
        hold,
        {f"{ATTACK} again": np.ones(len(market))},
        market=TradingConfig(cash=1e4),
        costs=Costs(),
        in_sample=True,
    )
    html = render(result, title=ATTACK, still=(ATTACK + '"', PNG), facts={ATTACK: ATTACK, "command": ATTACK})
    page_ = Tags(html)
    assert [attributes for tag, attributes in page_.tags if tag == "script"] == [
        {"type": "application/json", "id": "chart-data"},
        {},
        {},
    ]
    assert html.count("<script>alert") == 0
    assert page_.text.count(ATTACK) >= 9  # shown, as it was written: title, heading, span, names, facts ...
    images = [attributes for tag, attributes in page_.tags if tag == "img"]
    assert images[0]["alt"] == ATTACK + '"'


def test_the_same_backtest_gives_the_same_page() -> None:
    assert render(backtest(), backtest("ppo")) == render(backtest(), backtest("ppo"))


def test_a_page_of_twenty_thousand_bars_and_sixteen_seeds_stays_below_three_megabytes() -> None:
    assert len(render(backtest(market=bars(n=20_000), seeds=16)).encode()) < 3e6


def test_the_months_and_the_year_are_in_a_table() -> None:
    # held from the open of the second bar at 100; January ends at 110, February at 99, 2011 at 198
    days = np.array(["2010-01-28", "2010-01-29", "2010-02-26", "2011-02-01"], "datetime64[us]")
    market = replace(bars(close=np.array([100.0, 110, 99, 198])), timestamps=days)
    result = engine.run(
        "rule",
        market,
        {"rule": np.ones(4)},
        {"buy_and_hold": np.ones(4)},
        market=TradingConfig(cash=1e3),
        costs=FREE,
        in_sample=False,
    )
    rows = re.findall(r'<tr><th scope="row">(201\d)</th>(.*?)</tr>', render(result))
    cells = {
        year: re.sub("<[^>]+>", " ", row.replace("<td></td>", "<td>.</td>")).split() for year, row in rows
    }
    assert cells["2010"] == ["10.0", "-10.0", *"." * 10, "-1.0", "-1.0"]
    assert cells["2011"] == [".", "100.0", *"." * 10, "100.0", "100.0"]


def test_the_trades_are_in_a_table_and_the_rest_is_counted() -> None:
    n = 1300
    by_turns = np.tile([1.0, 0.0], n // 2)  # enters at every even bar, leaves at the next
    result = engine.run(
        "rule", bars(n=n), {"rule": by_turns}, {}, market=TradingConfig(cash=1e4), costs=FREE, in_sample=False
    )
    assert len(result.ensemble.trades) == 650
    html = render(result)
    assert result.metrics["trades"] == 649  # the last one is still open
    assert "649 closed round trips and 1 open of the ensemble" in html
    assert "the latest 300 are shown, all are in trades.csv" in html
    assert html.count("<tr><td>long</td>") == 300
    last = result.ensemble.trades.iloc[-1]
    assert f"<td>{100 * last['return']:z.2f}%</td><td>{last['profit']:z,.2f}</td>" in html
    assert "<td>open</td>" in html and last["exit_time"] is pd.NaT


def test_the_page_explains_every_metric() -> None:
    text = Tags(render(backtest())).text
    for metric, definition in METRICS.items():
        assert metric in text
        assert definition in text


def test_the_page_shows_the_numbers_that_the_backtest_has() -> None:
    result = backtest()
    html = render(result)
    assert tables.summary_html([result]) in html
    text = Tags(html).text
    hold = result.baselines["buy_and_hold"].metrics["total_return"]
    above = sum(member.metrics["total_return"] > hold for member in result.members)
    assert above == 1
    assert f"{above} of 4 ended above buy_and_hold" in text
    assert (
        f"returned {100 * result.metrics['total_return']:.1f}% (Sharpe {result.metrics['sharpe']:.2f})"
        in text
    )
    assert f"buy_and_hold {100 * hold:.1f}%" in text


def test_what_a_result_hangs_on_has_a_section_of_its_own() -> None:
    test = backtest("first")
    html = render(test, hinges=[sensitivity(test)])
    metrics, rest = html.split("<h2>All metrics</h2>")[1].split("<h2>What ‘first’ hangs on</h2>")
    assert metrics.count("<div") == metrics.count("</div>") == 1
    assert rest.split("<h2>")[0].count("<table>") == 1


def test_the_page_says_how_the_result_was_made_and_what_it_cost() -> None:
    facts = {"command": "tradebot train dqn --symbols 'A&B'", "Seeds": "0 to 3"}
    html = render(backtest(), facts=facts)
    assert "<pre>tradebot train dqn --symbols &#x27;A&amp;B&#x27;</pre>" in html
    text = Tags(html).text
    assert "0 to 3" in text
    assert "2.5 (Commission, in basis points of the traded value)" in text
    assert "1.5 (Half of the bid-ask spread, in basis points of the price)" in text
    assert "AAPL, 2010-01-04 .. 2010-10-30" in text
    assert "300 bars, adjusted prices, source: sample" in text


def test_costs_that_differ_are_told_apart() -> None:
    cheap = replace(backtest("ppo"), costs=Costs(commission_bps=0, half_spread_bps=0))
    text = Tags(render(backtest("dqn"), cheap)).text
    assert "dqn: commission_bps2.5" in text
    assert "ppo: commission_bps0.0" in text


def test_the_page_warns_of_an_in_sample_result_and_only_then() -> None:
    assert "used to train ppo." in Tags(render(backtest("dqn"), backtest("ppo", in_sample=True))).text
    assert 'class="warning"' not in render(backtest())


def test_one_account_is_not_said_to_have_a_spread() -> None:
    text = Tags(render(backtest(seeds=1))).text
    assert "no spread over seeds to judge it by" in text
    assert "median returned" not in text


def test_a_reader_without_javascript_has_a_picture() -> None:
    image = plots.png(plots.equity(backtest()))
    html = render(backtest(), still=("Equity of 4 seeds", image))
    (inside,) = re.findall(r"<noscript>(.*?)</noscript>", html, re.DOTALL)
    (source,) = re.findall(r'src="data:image/png;base64,([^"]+)"', inside)
    assert base64.b64decode(source) == image
    assert "<figcaption>Equity of 4 seeds</figcaption>" in inside


def test_every_command_is_shown_as_one() -> None:
    html = render(backtest(), facts={"dqn: trained by": "tradebot train dqn", "dqn: took": "3 s"})
    assert "<dd><pre>tradebot train dqn</pre></dd>" in html
    assert "<dd>3 s</dd>" in html


def test_a_learning_curve_is_not_offered_as_evidence() -> None:
    assert "not that it earns on other prices" in " ".join(
        Tags(render(backtest(), learning={"x": PNG})).text.split()
    )
    assert "Measured while it trained" not in render(backtest())


def test_the_page_fits_a_telephone() -> None:
    html = render(backtest())
    assert '<meta name="viewport" content="width=device-width, initial-scale=1">' in html
    before, _, _ = html.partition("<table>")
    assert before.rstrip().endswith(
        '<div class="scroll" tabindex="0" role="region" aria-label="All metrics">'
    )
    assert "prefers-color-scheme: dark" in html


@pytest.mark.parametrize(
    ("lead", "words"),
    [
        (
            Interval(0.27, -0.21, 0.76),
            "by 0.27 (95 % interval -0.21 to 0.76), which chance alone may have made.",
        ),
        (
            Interval(0.9, 0.1, 1.7),
            "by 0.90 (95 % interval 0.10 to 1.70), which chance alone would rarely make.",
        ),
        (Interval(np.nan, np.nan, np.nan), None),
    ],
)
def test_the_page_says_whether_chance_may_have_made_the_lead(
    monkeypatch: pytest.MonkeyPatch, lead: Interval, words: str | None
) -> None:
    monkeypatch.setattr(Track, "difference", {"sharpe": lead})
    html = page.render([backtest()], title="x", facts={})
    assert (words in html) if words else ("chance alone" not in html)
