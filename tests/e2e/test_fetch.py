"""`tradebot fetch` against a Yahoo on the loopback: what it stores, what it says, that nothing is lost."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import tradebot
from tests.e2e.conftest import Cli
from tests.e2e.fetching import contents, lead_to, stored
from tests.fake_yahoo import FakeYahoo
from tradebot.core import InputError
from tradebot.prices import store

# symbol -> (its fault, what happens to it, what is said of it); those that fail for good stand apart
FAULTS = {
    "AAPL": ("", "extended", ""),
    "BUSY": ("429", "failed", "too many requests from here (429)"),
    "WAIT": ("once 429", "extended", "asked again 1 x"),
    "DOWN": ("500", "failed", "Yahoo's server failed (500)"),
    "ONCE": ("once 503", "extended", "asked again 1 x"),
    "GONE": ("404", "failed", "Yahoo knows no such symbol"),
    "HANG": ("hang", "failed", "did not answer within 0.5 s"),
    "TORN": ("cut", "failed", "broke off in the middle"),
    "HALF": ("null", "extended", "391 rows without"),
    "NONE": ("empty", "failed", "none with prices"),
    "VOID": ("nothing", "failed", "no prices for this symbol and span"),
    "PAGE": ("html", "failed", "damaged or no prices at all"),
    "TRIM": ("truncated", "failed", "damaged or no prices at all"),
    "SHUT": ("reset", "failed", "Yahoo"),
    "TWIN": ("twice", "extended", ""),
    "CENT": ("x100", "replaced", "earlier prices changed without a dividend or split"),
    "PAID": ("", "replaced", "adjusted anew after dividends"),
    "CHOP": ("", "replaced", "adjusted anew after splits"),
}
FAILING = [symbol for symbol, (_, status, _) in FAULTS.items() if status == "failed"]
LASTING = {
    "BUSY": 6,
    "DOWN": 6,
    "HANG": 2,
    "TORN": 6,
    "PAGE": 6,
    "TRIM": 6,
    "SHUT": 6,
}  # asked again so often
DAYS_2010, DAYS_2009_2011 = 261, 782  # weekdays


class Fetching:
    """One cache over two fetches: all well at first, then by the installed program a fault of each kind."""

    def __init__(self, yahoo: FakeYahoo, cache: Path) -> None:
        self.cache = cache
        with pytest.MonkeyPatch.context() as environment:
            lead_to(yahoo, environment)
            self.well = tradebot.fetch(list(FAULTS), start="2010", end="2010", cache_dir=cache)
        self.before = contents(cache)
        yahoo.asked.clear()
        yahoo.faults.update({symbol: fault for symbol, (fault, *_) in FAULTS.items() if fault})
        yahoo.dividends["PAID"] = {"2011-06-01": 1.0}
        yahoo.splits["CHOP"] = {"2011-06-01": 4.0}
        program = [sys.executable, "-W", "error", "-m", "tradebot", "fetch", *FAULTS, "NEW", "../x", "--json"]
        self.ill = subprocess.run(
            [*program, "--start", "2009", "--end", "2011", "--timeout", "0.5"],
            env=os.environ | yahoo.environment | {"TRADEBOT_CACHE": str(cache)},
            capture_output=True,
            text=True,
            check=False,
        )
        self.after = contents(cache)
        self.asked = dict(yahoo.asked)
        yahoo.settle()
        self.answer = {item["symbol"]: item for item in json.loads(self.ill.stdout)["symbols"]}


@pytest.fixture(scope="module")
def fetching(yahoo: FakeYahoo, tmp_path_factory: pytest.TempPathFactory) -> Fetching:
    return Fetching(yahoo, tmp_path_factory.mktemp("cache"))


def test_what_is_well_is_stored_and_nothing_else_is_written(fetching: Fetching) -> None:
    assert [(one.symbol, one.status) for one in fetching.well.symbols] == [(name, "new") for name in FAULTS]
    assert len(fetching.before) == len(FAULTS)
    assert all(name.startswith("prices/yahoo/1d/") for name in fetching.before)


def test_some_faults_are_a_partial_success_with_a_line_for_each(fetching: Fetching) -> None:
    assert fetching.ill.returncode == 3
    reasons = {fetching.answer[symbol]["error"] for symbol in FAILING}
    assert len(fetching.ill.stderr.splitlines()) == len(reasons) + 1
    assert all(line.startswith("tradebot: ") for line in fetching.ill.stderr.splitlines())
    assert "tradebot: ../X: not a symbol of Yahoo" in fetching.ill.stderr


@pytest.mark.parametrize("symbol", FAILING)
def test_a_fault_is_named_and_leaves_what_is_stored(fetching: Fetching, symbol: str) -> None:
    said, words = fetching.answer[symbol], FAULTS[symbol][2]
    assert said["status"] == "failed" and words in said["error"]
    (line,) = (line for line in fetching.ill.stderr.splitlines() if line.endswith(f": {said['error']}"))
    assert symbol in line.removeprefix("tradebot: ").split(": ")[0].split(", ")
    (name,) = (name for name in fetching.before if f"/{symbol}-" in name)
    assert fetching.after[name] == fetching.before[name]
    assert (said["rows"], said["start"], said["end"]) == (DAYS_2010, "2010-01-01", "2010-12-31")
    assert said["path"] == str(fetching.cache / name)


@pytest.mark.parametrize("symbol", [symbol for symbol in FAULTS if symbol not in FAILING])
def test_the_others_are_stored_all_the_same(fetching: Fetching, symbol: str) -> None:
    fault, status, words = FAULTS[symbol]
    said, frame = fetching.answer[symbol], stored(fetching.cache, symbol).frame
    assert (said["status"], said["error"], said["end"]) == (status, None, "2011-12-30")
    assert said["retries"] == fault.startswith("once")
    assert words in " ".join(
        (f"asked again {said['retries']} x", f"{said['dropped']} rows without", said["note"] or "")
    )
    assert said["rows"] == len(frame) == DAYS_2009_2011 - (0 if symbol != "HALF" else 261)
    assert frame["date"].is_monotonic_increasing and frame["date"].is_unique
    events = (frame["dividends"] != 0).sum(), (frame["splits"] != 1).sum()
    assert events == {"PAID": (1, 0), "CHOP": (0, 1)}.get(symbol, (0, 0))


def test_nothing_but_what_was_asked_for_is_written(fetching: Fetching) -> None:
    assert fetching.after.keys() - fetching.before.keys() == {
        str(store.path_of(Path(), "yahoo", "1d", "NEW"))
    }
    assert fetching.answer["NEW"]["status"] == "new"


def test_what_may_pass_is_asked_for_again_and_what_will_not_is_not(fetching: Fetching) -> None:
    assert {symbol: fetching.answer[symbol]["retries"] for symbol in FAILING} == dict.fromkeys(
        FAILING, 0
    ) | LASTING


def test_rows_without_prices_are_counted_and_cost_no_stored_one(fetching: Fetching) -> None:
    said = fetching.answer["HALF"]
    assert (said["status"], said["dropped"]) == ("extended", DAYS_2009_2011 / 2)
    kept = stored(fetching.cache, "HALF").frame["date"]
    assert ((kept >= "2010-01-01") & (kept <= "2010-12-31")).sum() == DAYS_2010
    assert said["rows"] == len(kept) > DAYS_2010 + 200
    assert fetching.answer["AAPL"]["dropped"] == 0


def test_a_server_in_trouble_is_asked_a_few_times_in_all(fetching: Fetching) -> None:
    assert max(fetching.asked.values()) <= 9, fetching.asked
    assert fetching.asked["GONE"] == 2  # yfinance asks for the time zone first


def test_a_server_that_recovers_is_asked_again(cache: Path, yahoo: FakeYahoo) -> None:
    yahoo.faults["AAPL"] = "once 503"
    (one,) = tradebot.fetch("AAPL", start="2010", end="2010").symbols
    assert (one.status, one.rows, one.error) == ("new", DAYS_2010, "")


def test_all_failing_is_1_for_the_servers_fault_and_2_for_an_unknown_symbol(
    cli: Cli, cache: Path, yahoo: FakeYahoo
) -> None:
    yahoo.faults.update(GONE="404", DOWN="500")
    assert cli("fetch", "DOWN").code == 1
    assert cli("fetch", "GONE", "DOWN").code == 1
    code, out, err = cli("fetch", "gone")
    assert (code, err) == (2, "tradebot: GONE: Yahoo knows no such symbol\n")
    assert "GONE" in out and "failed" in out
    assert not cache.exists()
    code, out, err = cli("fetch", "AAPL", "DOWN", "--start", 2010, "--end", 2010)
    assert (code, err.count("\n")) == (3, 1)
    assert all(word in out for word in ("AAPL", "new", str(DAYS_2010), "2010-12-31"))


def test_without_a_network_or_trust_it_says_so(
    cli: Cli, cache: Path, yahoo: FakeYahoo, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("REQUESTS_CA_BUNDLE")
    code, _, err = cli("fetch", "AAPL", "--timeout", 2)
    assert code == 1 and "no trusted connection to Yahoo" in err and "SSL_CERT_FILE" in err
    for name in ("HTTPS_PROXY", "https_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    code, _, err = cli("fetch", "AAPL", "--timeout", 2)
    assert code == 1 and "no " in err and "to Yahoo" in err and "check the network" in err
    assert not cache.exists()


def test_what_is_there_is_not_asked_for_again_and_more_extends_it(cache: Path, yahoo: FakeYahoo) -> None:
    def statuses(**span: Any) -> list[str]:
        return [one.status for one in tradebot.fetch("AAPL", **span).symbols]

    assert statuses(start="2010", end="2011") == ["new"]
    asked = yahoo.asked["AAPL"]
    assert statuses(start="2010-06", end="2010-07") == ["unchanged"]
    assert yahoo.asked["AAPL"] == asked
    assert statuses(start="2013", end="2013") == ["extended"]
    assert len(stored(cache, "AAPL").frame) == len(pd.bdate_range("2010", "2013-12-31"))
    assert statuses(start="2012", end="2012", refresh=True) == ["replaced"]
    assert len(stored(cache, "AAPL").frame) == DAYS_2010


def test_a_dividend_since_then_gives_the_whole_span_anew(cache: Path, yahoo: FakeYahoo) -> None:
    tradebot.fetch("AAPL", start="2010", end="2010")
    yahoo.dividends["AAPL"] = {"2011-03-01": 10.0}
    (one,) = tradebot.fetch("AAPL", start="2011", end="2011").symbols
    assert (one.status, one.start, one.end) == ("replaced", "2010-01-01", "2011-12-30")
    frame = stored(cache, "AAPL").frame.set_index("date")
    before = frame["close"].iloc[frame.index.get_loc(pd.Timestamp("2011-02-28"))]
    ratio = frame["adj_close"] / frame["close"]
    np.testing.assert_allclose(ratio[:"2011-02-28"], 1 - 10 / before, rtol=1e-6)
    np.testing.assert_allclose(ratio["2011-03-01":], 1, rtol=1e-6)
    assert frame["dividends"].to_dict()[pd.Timestamp("2011-03-01")] == 10.0 == frame["dividends"].sum()
    yahoo.dividends["AAPL"]["2012-03-01"], yahoo.faults["AAPL"] = 10.0, "null"
    before = contents(cache)
    (one,) = tradebot.fetch("AAPL", start="2010", end="2012").failed
    assert "nothing was changed" in one.error and one.rows == len(frame)
    assert contents(cache) == before
    assert tradebot.fetch("AAPL", start="2010", end="2012", refresh=True).symbols[0].dropped == 391


def test_a_damaged_file_is_never_used_and_set_aside_by_the_next_fetch(
    cli: Cli, cache: Path, yahoo: FakeYahoo
) -> None:
    words = ("fetch", "AAPL", "--start", 2010, "--end", 2010)
    assert cli(*words).code == 0
    path = store.path_of(cache, "yahoo", "1d", "AAPL")
    path.write_bytes(path.read_bytes()[:-100])
    damaged = path.read_bytes()
    for refused in (("backtest", "flat", "--symbols", "AAPL"), ("prices", "show", "AAPL")):
        code, _, err = cli(*refused)
        assert code == 2 and f"{path}: damaged" in err and "fetch it again" in err
    code, out, err = cli("prices", "list")
    assert code == 0 and "damaged" in err and "The shipped sample" in out
    yahoo.faults["AAPL"] = "404"
    assert cli(*words).code == 2 and path.read_bytes() == damaged
    yahoo.faults.clear()
    code, out, _ = cli(*words)
    assert code == 0 and path.with_name(f"{path.name}.damaged").read_bytes() == damaged
    assert "kept as *.damaged" in " ".join(out.split())
    assert len(tradebot.load("AAPL")) == DAYS_2010


def test_what_was_fetched_goes_before_the_sample_and_says_where_it_is_from(cli: Cli, cache: Path) -> None:
    assert tradebot.load("AAPL").source == "sample"
    trained = cli("train", "a2c", "--symbols", "AAPL", "--steps", 40, "--seeds", 1, "--name", "old")
    assert trained.code == 0
    tradebot.fetch("AAPL, ^GSPC", start="2010", end="2012")
    assert tradebot.load("AAPL").source.startswith("yahoo (fetched 20")
    assert tradebot.load("AAPL", "yahoo").symbols == ("AAPL",)
    assert tradebot.load("AAPL", "sample").source == "sample"
    assert tradebot.load("AAPL,^GSPC").symbols == ("AAPL", "^GSPC")
    assert tradebot.load("AAPL,IBM").source == "sample"  # which has both
    run = tradebot.train("a2c", symbols="^GSPC", steps=40, seeds=1, end="2011", name="new")
    assert run.manifest.data is not None and run.manifest.data.source.startswith("yahoo (fetched 20")
    assert run.experiment.market.data == "yahoo"
    assert len(tradebot.backtest(run, save=False, baselines="").backtest.bars) == DAYS_2010
    old = tradebot.backtest("runs/old", start="2010", save=False, baselines="")
    assert old.backtest.bars.source == "sample"  # as it was trained, whatever was fetched since
    other = tradebot.backtest("runs/old", symbols="^GSPC", start="2012", save=False, baselines="")
    assert other.backtest.bars.source.startswith("yahoo")


def test_bars_within_the_day_stand_beside_daily_ones(cli: Cli, cache: Path) -> None:
    assert cli("fetch", "BTC-USD", "--interval", "1h").code == 0
    hourly = tradebot.load("BTC-USD")
    assert hourly.periods_per_year == 8760
    tradebot.fetch("BTC-USD", start="2010", end="2010")
    assert tradebot.load("BTC-USD").source.startswith("yahoo (")
    assert tradebot.load("BTC-USD", "yahoo:1h").fingerprint == hourly.fingerprint
    rows = json.loads(cli("prices", "list", "--json").out)["fetched"]
    assert [(row["symbol"], row["data"]) for row in rows] == [("BTC-USD", "yahoo"), ("BTC-USD", "yahoo:1h")]
    assert "yahoo:1h" in cli("prices", "show", "BTC-USD", "--data", "yahoo:1h").out


def test_a_file_and_the_sample_are_fetched_too(cli: Cli, cache: Path, prices: pd.DataFrame) -> None:
    both = pd.concat([prices.assign(symbol="AAA"), prices.iloc[5:].assign(symbol="BBB")])
    both.to_csv("mine.csv", index=False)
    code, out, err = cli("fetch", "--source", "file", "--file", "mine.csv", "--json")
    assert (code, err) == (0, "")
    assert [(one["symbol"], one["rows"]) for one in json.loads(out)["symbols"]] == [
        ("AAA", 300),
        ("BBB", 295),
    ]
    Path("mine.csv").unlink()
    assert len(tradebot.load("AAA")) == 300
    assert tradebot.load("AAA").source.startswith("file (fetched 20")
    assert cli("fetch", "IBM", "XXX", "--source", "sample").code == 3
    assert tradebot.load("IBM").source == "sample"
    tradebot.fetch("AAA", start="2010", end="2010")
    with pytest.raises(InputError, match="--data file or --data yahoo"):
        tradebot.load("AAA")


@pytest.mark.parametrize(
    ("words", "mentions"),
    [
        ((), ("say which symbols",)),
        (("AAPL", "--source", "yahu"), ("unknown source 'yahu'", "did you mean 'yahoo'")),
        (("AAPL", "--start", "soon"), ("'soon' is not a date",)),
        (("AAPL", "--start", 2015, "--end", 2014), ("nothing lies between 2015 and 2014",)),
        (("AAPL", "--start", 2900), ("nothing lies between 2900 and today",)),
        (("AAPL", "--interval", "2h"), ("unknown interval '2h'", "1h")),
        (("AAPL", "--timeout", 0), ("--timeout", "above 0")),
        (("AAPL", "--timeout", "nan"), ("--timeout", "above 0")),
        (("AAPL", "--source", "file"), ("--file PATH",)),
        (("AAPL", "--file", "x.csv"), ("--source file",)),
        (("AAPL", "--source", "file", "--file", "x.csv"), ("x.csv", "no such file")),
    ],
    ids=lambda value: " ".join(map(str, value)),
)
def test_wrong_use_is_refused_in_one_line(
    cli: Cli, cache: Path, words: tuple[object, ...], mentions: tuple[str, ...]
) -> None:
    code, out, err = cli("fetch", *words)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert [mention for mention in mentions if mention not in err] == []
    assert not cache.exists()


def test_a_cache_that_cannot_be_written_is_a_failure(cli: Cli, cache: Path) -> None:
    Path("taken").write_text("mine")
    code, _, err = cli("fetch", "IBM", "--source", "sample", "--cache-dir", "taken")
    assert code == 1 and "Not a directory" in err
    assert Path("taken").read_text() == "mine"
