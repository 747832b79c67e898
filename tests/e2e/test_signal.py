"""`tradebot signal`: the decision at the latest bar is the one that a backtest over more bars makes there."""

import json
import re
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import tradebot
from tests.e2e.conftest import Cli
from tradebot.api import signalling
from tradebot.core import Array, InputError

FRIDAY = datetime(2013, 3, 2, tzinfo=UTC)  # the night after the last bar of the sample


@pytest.fixture(scope="module")
def trader(tmp_path_factory: pytest.TempPathFactory, prices: pd.DataFrame) -> tradebot.Run:
    """Three members that draw other weights at every bar, trained until bar 130 of MINE."""
    folder = tmp_path_factory.mktemp("trader")
    prices.to_csv(folder / "mine.csv", index=False)
    settings = {"actions": "weights", "learning_rate": 0.003, "steps": 800, "seeds": 3, "window": 20}
    end = prices["date"][130]
    return tradebot.train(
        "a2c", data=str(folder / "mine.csv"), end=end, out=folder, name="trader", **settings
    )


def cut(prices: pd.DataFrame, folder: Path, bars: int) -> str:
    """A file of the first bars."""
    folder.mkdir(exist_ok=True)
    prices.head(bars).to_csv(folder / "mine.csv", index=False)
    return str(folder / "mine.csv")


@pytest.mark.parametrize("start", [None, "2001-05"])
def test_the_signal_is_what_the_backtest_over_more_bars_asks_for_at_that_bar(
    trader: tradebot.Run, prices: pd.DataFrame, tmp_path: Path, start: str | None
) -> None:
    test = tradebot.backtest(trader, start=start, baselines="", save=False).backtest
    orders = set()
    for bars in np.random.default_rng(5).integers(133, 300, 6):
        found = tradebot.signal(trader, data=cut(prices, tmp_path / "cut", bars), start=start)
        t = int(np.searchsorted(test.bars.timestamps, np.datetime64(found.as_of)))
        assert found.as_of == pd.Timestamp(prices["date"][bars - 1])
        assert found.start == test.bars.timestamps[0].item()
        for account, track in zip(
            (*found.ensemble, *found.members), (test.ensemble, *test.members), strict=True
        ):
            assert (account.name, account.request) == (track.name, track.request[t])
            assert account.weight == track.weight[t]
            if t + 1 < len(test.bars):  # what it leads to
                expected = {"buy": 1, "sell": -1, "hold": 0}[account.order]
                assert np.sign(track.request[t] - track.weight[t]) * (expected != 0) == expected
                assert (track.traded[t + 1] != 0) == (expected != 0)
            orders.add(account.order)
    assert {"buy", "sell"} <= orders


def test_the_ensemble_asks_for_the_mean_of_its_members(trader: tradebot.Run) -> None:
    found = tradebot.signal(trader)
    requests = [member.request for member in found.members]
    assert found.ensemble[0].request == pytest.approx(np.mean(requests)) and len(set(requests)) == 3


@pytest.mark.parametrize(
    ("asked", "start", "origin", "in_sample"),
    [
        ({}, "2010-01-04", "the first bar after the training", False),
        ({"start": "2009-12-31"}, "2009-12-31", "the first usable bar from 2009-12-31 on", True),
        ({"start": "2000"}, "2000-05-25", "the first usable bar from 2000 on", True),
        ({"symbols": "IBM"}, "2010-01-04", "the first bar after the training", False),
        ({"data": "synthetic:gbm?n=100"}, "2000-01-03 12:00", "the first usable bar", False),
    ],
)
def test_the_accounts_begin_after_the_training(
    run: tradebot.Run, asked: dict[str, str], start: str, origin: str, in_sample: bool
) -> None:
    found = tradebot.signal(run, **asked)
    assert found.start == pd.Timestamp(start)
    assert (found.origin, found.in_sample) == (origin, in_sample)


@pytest.mark.parametrize("later", [0, 1, 2])
def test_without_two_bars_after_the_training_they_begin_within_it(
    trader: tradebot.Run, prices: pd.DataFrame, tmp_path: Path, later: int
) -> None:
    found = tradebot.signal(trader, data=cut(prices, tmp_path, 131 + later))
    assert found.start == pd.Timestamp(prices["date"][131 if later == 2 else 60])
    assert found.in_sample is (later < 2)


# What follows of a request, by hand: bars close at the next open, 100 until the last, which is as given.


def played(
    run: tradebot.Run, monkeypatch: pytest.MonkeyPatch, members: list[list[float]], last: float
) -> tradebot.Signal:
    n = 61 + len(members[0])
    close = pd.Series([*[100.0] * (n - 1), last])
    date = pd.date_range("2020-01-01", periods=n).strftime("%Y-%m-%d")
    low = close.clip(upper=100)
    table = {
        "date": date,
        "symbol": "HAND-USD",
        "open": 100.0,
        "high": close.clip(lower=100),
        "low": low,
        "close": close,
    }
    pd.DataFrame(table).to_csv("hand.csv", index=False)

    def scripted(*_: object) -> tuple[int, int, dict[str, Array]]:
        return 61, n - 1, {f"seed {m}": np.array(member) for m, member in enumerate(members)}

    monkeypatch.setattr(signalling, "play", scripted)
    return tradebot.signal(run, data="hand.csv")


@pytest.mark.parametrize(
    ("requests", "order"),
    [
        ([0, 0.5, 0.5], "hold"),  # it weighs more than half by now, but a request that is repeated holds
        ([0, 0.5, 0.6], "sell"),  # it weighs 2/3 already
        ([0, 0.5, 0.7], "buy"),
        ([0, 0.5, 0], "sell"),
        ([0, 0, 0], "hold"),
        ([0, 0, 1], "buy"),
        ([0, 0, -1], "sell"),
    ],
)
def test_the_order_is_what_leads_from_the_weight_to_the_request(
    run: tradebot.Run,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    requests: list[float],
    order: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    found = played(run, monkeypatch, [[0, *requests]], last=200.0).members[0]
    assert (found.request, found.order) == (requests[-1], order)
    assert found.weight == pytest.approx(2 / 3 if requests[1] else 0, abs=1e-3)


def test_a_ruined_member_asks_for_nothing_and_counts_as_flat(
    run: tradebot.Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    found = played(run, monkeypatch, [[0, -1, 0], [0, 0, 1], [0, 0, 0]], last=300.0)
    ruined, alive, _ = found.members
    assert (ruined.request, ruined.weight, ruined.order) == (None, 0, "ruined")
    assert (alive.request, found.ensemble[0].request) == (1, 1 / 3)
    assert found.to_dict()["members"][0]["request"] is None


# Old prices


def test_prices_are_stale_when_a_session_has_gone_by(run: tradebot.Run) -> None:
    assert tradebot.signal(run, now=FRIDAY).warning == ""
    late = tradebot.signal(run, now=datetime(2013, 3, 11, 12, tzinfo=UTC))
    assert late.stale and late.warning == (
        "the latest bar is of 2013-03-01, 10 days ago: fetch newer prices with `tradebot fetch AAPL`"
    )
    hourly = tradebot.signal(run, symbols="BTC-USD", start="2019", now=datetime(2019, 10, 17, 14, tzinfo=UTC))
    assert "the latest bar is of 2019-10-17 09:00:00, 5 hours ago" in hourly.warning


def test_synthetic_prices_are_never_stale_and_files_are_brought_up_to_date(
    run: tradebot.Run, trader: tradebot.Run
) -> None:
    assert not tradebot.signal(run, data="synthetic:gbm?n=100").stale
    assert re.search(
        r"of 2002-02-22, \d+ days ago: bring .*mine.csv up to date$", tradebot.signal(trader).warning
    )


# What is shown


def test_a_signal_shows_itself(run: tradebot.Run) -> None:
    found = tradebot.signal(run.folder)
    assert list(found.frame.index) == [(name, "AAPL") for name in ("ensemble", "seed 0", "seed 1")]
    assert list(found.frame.columns) == ["request", "weight", "order"]
    assert re.fullmatch(r"Signal\(small: AAPL asks for [\d.]+, as of 2013-03-01\)", repr(found))
    assert "tradebot fetch AAPL" in found._repr_html_() and "<table" in found._repr_html_()


def test_the_command_prints_a_table_and_warns_on_stderr(cli: Cli, run: tradebot.Run) -> None:
    code, out, err = cli("signal", run.folder)
    assert code == 0
    assert err.startswith("tradebot: the latest bar is of 2013-03-01, ") and err.count("\n") == 2
    assert "prices of sample are worth a look" in err
    lines = out.splitlines()
    assert max(map(len, lines)) <= 80
    assert [line.split()[0] for line in lines if "%" in line] == ["ensemble", "seed", "seed"]
    assert lines[-2] == "Orders would be filled at the next open after 2013-03-01."
    assert lines[-1] == "The accounts began flat on 2010-01-04, the first bar after the training."
    assert "from 2008 on (in-sample)." in cli("signal", run.folder, "--start", 2008).out


def test_the_command_prints_json_for_programs(cli: Cli, run: tradebot.Run) -> None:
    code, out, err = cli("signal", run.folder, "--json")
    answer = json.loads(out, parse_constant=pytest.fail)
    assert code == 0 and "tradebot fetch AAPL" in err
    assert (answer["run"], answer["symbols"], answer["stale"]) == ("small", ["AAPL"], True)
    assert answer["as_of"] == "2013-03-01T00:00:00"
    assert [member["name"] for member in answer["members"]] == ["seed 0", "seed 1"]
    for account in (*answer["ensemble"], *answer["members"]):
        assert {"request", "weight"} <= account.keys() and -1 <= account["request"] <= 1
    synthetic = cli("signal", run.folder, "--data", "synthetic:gbm?n=100", "--json")
    assert (json.loads(synthetic.out)["stale"], synthetic.err) == (False, "")


def test_a_signal_writes_nothing(run: tradebot.Run) -> None:
    before = sorted(run.folder.rglob("*"))
    assert tradebot.signal(run) == tradebot.signal(run)
    assert sorted(run.folder.rglob("*")) == before


@pytest.mark.parametrize(
    ("words", "mention"),
    [
        (("--symbols", "APPL"), "'APPL'; did you mean AAPL"),
        (("--symbols", "AAPL,IBM"), "1 symbol and cannot trade 2"),
        (("--data", "missing.csv"), "missing.csv: there is no such file"),
        (("--data", "synthetic:gbm?n=50"), "50 bars are too few: these features need 60 to warm up"),
        (("--start", "2013-03-01"), "fewer than 2 bars from 2013-03-01"),
        (("--start", "soon"), "'soon' is not a date"),
    ],
)
def test_what_cannot_be_decided_on_is_refused_in_one_line(
    cli: Cli, run: tradebot.Run, words: tuple[str, ...], mention: str
) -> None:
    code, out, err = cli("signal", run.folder, *words)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert err.startswith("tradebot: ") and mention in err


def test_what_is_no_run_that_trades_is_refused(cli: Cli, tmp_path: Path) -> None:
    tradebot.train("a2c", env="gym:CartPole-v1", steps=40, seeds=1, out=tmp_path, name="cart")
    for name, mention in (
        ("cart", "was trained on gym:CartPole-v1, not for trading: there is nothing to trade"),
        ("flat", "flat is a rule, and signals are of runs"),
    ):
        code, out, err = cli("signal", name if name == "flat" else tmp_path / name)
        assert (code, out, err.count("\n")) == (2, "", 1) and mention in err
    with pytest.raises(InputError, match="no run 'nothing'"):
        tradebot.signal("nothing")
