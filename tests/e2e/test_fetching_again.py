"""Fetching again: only what is missing, at most once each, whatever the others do; and what it survives."""

import json
import os
import re
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import tradebot
from tests.e2e.conftest import Cli
from tests.e2e.fetching import contents, stored
from tests.fake_yahoo import FakeYahoo
from tradebot.api import fetching
from tradebot.prices import store
from tradebot.prices.sources.yahoo import INTERVALS, REACH

ROOT = Path(__file__).parents[2]


def at(monkeypatch: pytest.MonkeyPatch, moment: str) -> None:
    """Fetch as if it were `moment` (UTC)."""
    now = datetime.fromisoformat(moment).replace(tzinfo=UTC)
    monkeypatch.setattr(fetching, "_now", lambda: now)


def fetched(symbol: str = "AAPL", **words: Any) -> fetching.Fetched:
    (one,) = tradebot.fetch(symbol, **words).symbols
    return one


def test_only_what_is_missing_is_asked_for_with_some_days_before_it(
    cache: Path, yahoo: FakeYahoo, monkeypatch: pytest.MonkeyPatch
) -> None:
    at(monkeypatch, "2020-06-10T15:00")
    assert fetched(start="2010").status == "new"
    del yahoo.spans[:]
    at(monkeypatch, "2020-06-18T15:00")
    one = fetched(start="2010")
    assert (one.status, one.end) == ("extended", "2020-06-18")
    assert yahoo.spans == [("AAPL", "2020-06-03", "2020-06-19")]
    whole = fetched(start="2010", refresh=True)
    assert (whole.status, whole.rows) == ("replaced", one.rows)
    assert yahoo.spans[-1] == ("AAPL", "2010-01-01", "2020-06-19")


@pytest.mark.parametrize("kind", ["dividends", "splits"])
def test_an_event_since_then_has_all_asked_for_anew(
    cache: Path, yahoo: FakeYahoo, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    at(monkeypatch, "2020-06-10T15:00")
    fetched(start="2019")
    del yahoo.spans[:]
    at(monkeypatch, "2020-06-18T15:00")
    getattr(yahoo, kind)["AAPL"] = {"2020-06-15": 2.0}
    one = fetched(start="2019")
    assert (one.status, one.note) == ("replaced", f"adjusted anew after {kind}")
    assert [span[1] for span in yahoo.spans] == ["2020-06-03", "2019-01-01"]
    fresh = fetched(start="2019", refresh=True, cache_dir=cache / "fresh")
    pd.testing.assert_frame_equal(stored(cache, "AAPL").frame, stored(cache / "fresh", "AAPL").frame)
    assert fresh.rows == one.rows


@pytest.mark.parametrize(
    ("symbol", "before", "after", "asks"),
    [
        ("AAPL", "2020-06-12T23:00", "2020-06-13T00:10", True),  # the Friday was not over in UTC
        ("AAPL", "2020-06-13T00:10", "2020-06-15T16:00", False),  # Saturday to Monday before the close
        ("AAPL", "2020-06-13T00:10", "2020-06-15T21:00", True),
        ("AAPL", "2020-07-03T01:00", "2020-07-06T12:00", False),  # Independence Day
        ("VOD.L", "2020-07-03T01:00", "2020-07-04T01:00", True),  # not in London
        ("VOD.L", "2020-07-04T01:00", "2020-07-05T20:00", False),
        ("BTC-USD", "2020-06-13T00:10", "2020-06-13T23:00", True),  # stocks only, in this Yahoo
    ],
)
def test_an_up_to_date_store_makes_no_request(
    cache: Path,
    yahoo: FakeYahoo,
    monkeypatch: pytest.MonkeyPatch,
    symbol: str,
    before: str,
    after: str,
    asks: bool,
) -> None:
    yahoo.always = {"BTC-USD"}
    at(monkeypatch, before)
    assert fetched(symbol, start="2020").status == "new"
    at(monkeypatch, after)
    yahoo.asked.clear()
    one = fetched(symbol, start="2020")
    assert bool(yahoo.asked) == (asks and symbol != "BTC-USD")
    assert one.status in (("extended", "unchanged") if asks else ("unchanged",))


def test_holes_are_asked_for_twice_and_then_believed(cache: Path, yahoo: FakeYahoo) -> None:
    yahoo.faults["AAPL"] = "null"
    statuses = []
    for _ in range(4):
        yahoo.asked.clear()
        statuses.append((fetched(start="2010", end="2010").status, bool(yahoo.asked)))
    assert statuses == [("new", True), ("unchanged", True), ("unchanged", False), ("unchanged", False)]
    yahoo.faults.clear()
    assert fetched(start="2010", end="2010", refresh=True).rows == 261


@pytest.mark.parametrize("interval", [*INTERVALS, "60m"])
def test_every_interval_of_yahoo_is_fetched_and_extended(cache: Path, interval: str) -> None:
    one = fetched(interval=interval)
    assert (one.status, one.error) == ("new", "")
    name = "1h" if interval == "60m" else interval
    frame = stored(cache, "AAPL", name).frame
    steps = {"1d": 1, "5d": 7, "1wk": 7, "1mo": 30, "3mo": 91}
    step = pd.Timedelta(days=steps[name]) if name in steps else pd.Timedelta(name.replace("m", "min"))
    assert abs(frame["date"].diff().median() - step) <= pd.Timedelta(days=2 if name in steps else 0)
    assert fetched(interval=interval).status in ("unchanged", "extended")


@pytest.mark.parametrize("interval", REACH)
def test_more_than_yahoo_keeps_is_refused_with_what_there_is(
    cli: Cli, cache: Path, yahoo: FakeYahoo, interval: str
) -> None:
    code, _, err = cli("fetch", "AAPL", "--interval", interval, "--start", 2015)
    assert code == 2 and f"bars of {interval} for {REACH[interval] + 1} days only" in err
    found = re.search(r"--start (\S+)", err)
    assert found and not yahoo.asked
    assert cli("fetch", "AAPL", "--interval", interval, "--start", found[1]).code == 0


def test_a_hundred_symbols_with_faults_at_random_end_complete(cache: Path, yahoo: FakeYahoo) -> None:
    yahoo.rate = 0.3
    symbols = [f"S{i:02}" for i in range(100)]
    result = tradebot.fetch(symbols, start="2020", end="2020")
    assert [(one.symbol, one.error) for one in result.symbols] == [(symbol, "") for symbol in symbols]
    assert {one.rows for one in result.symbols} == {262}
    assert sum(one.retries for one in result.symbols) > 50
    yahoo.rate = 0.0
    alone = cache / "alone"
    tradebot.fetch(symbols[:3], start="2020", end="2020", cache_dir=alone)
    for symbol in symbols[:3]:
        pd.testing.assert_frame_equal(stored(cache, symbol).frame, stored(alone, symbol).frame)


def test_refusals_of_all_end_early_and_say_so(cli: Cli, cache: Path, yahoo: FakeYahoo) -> None:
    symbols = [f"S{i:02}" for i in range(100)]
    yahoo.faults.update(dict.fromkeys(symbols, "429"))
    code, _, err = cli("fetch", *symbols)
    assert code == 1 and sum(yahoo.asked.values()) < 50
    assert err.count("\n") == 2 and "more: not asked for, because all before it failed" in err
    assert not cache.exists()


def test_jobs_are_asked_at_once_and_no_more(cache: Path, yahoo: FakeYahoo) -> None:
    yahoo.delay = 0.02
    for jobs in (1, 3):
        yahoo.most = 0
        tradebot.fetch([f"J{i}" for i in range(6)], start="2020", end="2020", jobs=jobs, refresh=True)
        assert yahoo.most == jobs


def test_the_progress_is_told_after_each_symbol(cache: Path) -> None:
    told: list[tuple[int, int, str]] = []
    tradebot.fetch("A,B,C", start="2020", end="2020", progress=lambda *news: told.append(news))
    assert [news[:2] for news in told] == [(0, 3), (1, 3), (2, 3), (3, 3)]
    assert {news[2] for news in told[1:]} == {"fetched A", "fetched B", "fetched C"}


def test_two_processes_that_fetch_at_once_leave_one_whole_store(cache: Path, yahoo: FakeYahoo) -> None:
    yahoo.delay = 0.01
    symbols = [f"S{i}" for i in range(12)]
    both = [
        subprocess.Popen(
            [
                sys.executable,
                "-m",
                "tradebot",
                "fetch",
                *symbols,
                "--start",
                start,
                "--end",
                "2020",
                "--json",
            ],
            env=os.environ | yahoo.environment | {"TRADEBOT_CACHE": str(cache)},
            stdout=subprocess.PIPE,
        )
        for start in ("2019", "2020")
    ]
    answers = [json.loads(process.communicate()[0]) for process in both]
    assert [process.returncode for process in both] == [0, 0]
    assert all(one["error"] is None for answer in answers for one in answer["symbols"])
    for symbol in symbols:
        assert str(stored(cache, symbol).frame["date"].iloc[0])[:10] == "2019-01-01"
        assert len(stored(cache, symbol).frame) == 523
    assert len(contents(cache)) == len(symbols)


def test_a_fetch_that_is_stopped_keeps_what_has_come_and_says_how_to_go_on(
    cache: Path, yahoo: FakeYahoo
) -> None:
    yahoo.faults["HANG"] = "hang"
    process = subprocess.Popen(
        [sys.executable, "-m", "tradebot", "fetch", "AAPL", "HANG", "--start", "2020", "--end", "2020"],
        env=os.environ | yahoo.environment | {"TRADEBOT_CACHE": str(cache)},
        stderr=subprocess.PIPE,
        text=True,
    )
    path = store.path_of(cache, "yahoo", "1d", "AAPL")
    wait_for(lambda: path.exists() and "HANG" in yahoo.asked)
    time.sleep(0.3)
    process.terminate()  # as Ctrl-C, which a shell lets its background jobs ignore
    try:
        _, err = process.communicate(timeout=20)
    finally:
        process.kill()
    assert process.returncode == 130
    assert err == "tradebot: stopped after 1 of 2 symbols, which are kept: the same command goes on\n"
    assert len(stored(cache, "AAPL").frame) == 262


def wait_for(condition: Any, seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        threading.Event().wait(0.02)


def test_a_fetch_that_is_killed_leaves_a_readable_store(cache: Path, yahoo: FakeYahoo) -> None:
    yahoo.delay = 0.002
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", "tests.e2e.killed_fetch", str(cache)],
        env=os.environ | yahoo.environment | {"PYTHONPATH": str(ROOT)},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    kills, inside, middle = map(int, re.findall(r"\d+", done.stdout))
    assert kills == 50 and inside >= 25 and middle >= 25
