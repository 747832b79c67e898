"""`tradebot ledger`: what was tried is listed for a person and a program, and what is sealed stays closed."""

import dataclasses
import json
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import tradebot
from tests.e2e.conftest import APPLE, Cli
from tradebot.api.bookkeeping import note
from tradebot.plugins import load

Note = Callable[..., object]


@pytest.fixture(autouse=True)
def own_ledger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "kept" / "ledger.sqlite"
    monkeypatch.setenv("TRADEBOT_LEDGER", str(path))
    return path


def backtested(rule: str | tradebot.Run | None = "sma_cross", **settings: object) -> tradebot.BacktestResult:
    """On no record but one of its own, so that a test can put it on record by itself."""
    settings = {"symbols": "AAPL", "start": "2010", **settings}
    with pytest.MonkeyPatch.context() as environment, tempfile.TemporaryDirectory() as aside:
        environment.setenv("TRADEBOT_LEDGER", str(Path(aside) / "ledger.sqlite"))
        return tradebot.backtest(rule, save=False, **settings)


def test_an_empty_ledger_says_so_and_is_not_made(cli: Cli, own_ledger: Path) -> None:
    assert cli("ledger").out.splitlines() == ["Nothing on record yet", f"Ledger: {own_ledger}"]
    assert json.loads(cli("ledger", "--json").out) == {
        "ledger": str(own_ledger),
        "looks": 0,
        "trials": [],
        "seals": [],
    }
    assert not own_ledger.exists()
    assert tradebot.ledger().frame.empty


def test_a_place_where_no_ledger_can_be_is_refused(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("file").touch()
    monkeypatch.setenv("TRADEBOT_LEDGER", "file/below/ledger.sqlite")
    code, out, err = cli("ledger")
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert "file/below/ledger.sqlite cannot be written: file is a file" in err


def test_trials_are_listed_with_how_often_they_were_looked_at(cli: Cli, own_ledger: Path) -> None:
    result = backtested()
    for test in (result, backtested("flat", symbols="IBM"), result):
        note(test.backtest)
    code, out, err = cli("ledger")
    assert (code, err) == (0, "")
    lines = [line.split() for line in out.splitlines()]
    assert max(map(len, out.splitlines()[:-1])) <= 80
    assert out.startswith("2 trials, 3 looks")
    assert lines[4][1:] == ["flat", "IBM", "2010-01-04", "2013-03-01", "1", "-"]
    assert lines[5][1:] == [
        *("sma_cross", "AAPL", "2010-01-04", "2013-03-01", "2"),
        f"{result.metrics['sharpe']:.2f}",
    ]
    answer = json.loads(cli("ledger", "--symbols", "AAPL", "--json").out)
    assert (len(answer["trials"]), answer["looks"]) == (1, 2)
    trial = answer["trials"][0]
    assert (trial["name"], trial["symbols"], trial["looks"], trial["seeds"]) == ("sma_cross", ["AAPL"], 2, [])
    assert trial["sharpe"] == pytest.approx(result.metrics["sharpe"], rel=1e-12)
    assert trial["sharpe_per_bar"] == pytest.approx(trial["sharpe"] / np.sqrt(252), rel=1e-12)


def test_a_run_is_one_trial_with_its_seeds_and_none_on_the_bars_of_its_training(run: tradebot.Run) -> None:
    result = backtested(run, symbols=(), start=None)
    assert note(result.backtest, run) == (1, 1, 1, 0, ())
    dearer = backtested(run, symbols=(), start=None, commission_bps=50)
    assert note(dearer.backtest, run) == (2, 1, 2, 1, ())
    shorter = backtested(run, symbols=(), start=None, end="2011")
    assert note(shorter.backtest, run) == (3, 2, 3, 0, ())
    assert note(tradebot.backtest(run, save=False, start="2009").backtest, run) is None
    kept = tradebot.ledger()
    assert (len(kept.trials), kept.looks) == (2, 3)
    of = kept.trials[0][0].evaluation
    assert of.seeds == (0, 1) and of.members.shape == (2, 794) and of.costs["commission_bps"] == 50
    assert list(kept.frame["name"]) == ["small", "small"]
    assert repr(kept).startswith("LedgerResult(2 trials, 3 looks, in ") and "<table" in kept._repr_html_()


def test_a_trial_keeps_the_name_of_its_first_look(cli: Cli, run: tradebot.Run) -> None:
    result = backtested(run, symbols=(), start=None)
    note(result.backtest, run)
    renamed = dataclasses.replace(result.backtest, name="nulltest-a2c-AAPL")
    note(renamed, run, kind="nulltest")
    (trial,) = json.loads(cli("ledger", "--json").out)["trials"]
    assert (trial["name"], trial["kind"], trial["looks"]) == ("small", "backtest", 2)


def test_a_config_is_what_was_chosen(tmp_path: Path) -> None:
    """The same rule on other cash, and the same strategy with other code, are other trials."""
    file = tmp_path / "mine.py"
    for weight in (1, 0.5, 1):
        file.write_text(f"def f(bars):\n    return 0 * bars.close + {weight}\n")
        strategy = f"{file}:f"
        result = backtested(None, strategy=strategy)
        again = note(result.backtest, strategy=load(strategy))
    note(backtested().backtest)
    note(backtested(cash=5000.0).backtest)
    assert again is not None and again.again == 1
    assert len(tradebot.ledger().trials) == 4


def test_a_seal_opens_once_and_says_by_whom(cli: Cli) -> None:
    result = backtested("flat")
    note(result.backtest)
    assert cli("ledger", "seal", "2012", "--symbols", "AAPL").out.splitlines() == [
        "Sealed: AAPL from 2012-01-01 on",
        "Not fresh any more: 1 test on record saw some of these prices",
    ]
    with pytest.raises(tradebot.InputError, match="--end 2011-12-31"):
        note(result.backtest)
    assert "AAPL from 2012-01-01 on; not opened" in cli("ledger").out
    note(result.backtest, open_seal=True)
    assert "opened by flat (backtest) on 20" in cli("ledger").out
    with pytest.raises(tradebot.InputError, match="opens once"):
        note(result.backtest, open_seal=True)
    note(backtested("flat", end="2011").backtest)
    answer = json.loads(cli("ledger", "seal", "2013-02", "--json").out)
    assert answer == {"start": "2013-02-01", "symbols": [], "looks": 2}


@pytest.mark.parametrize(
    ("words", "mentions"),
    [
        (("seal",), "DATE"),
        (("seal", "soon"), "'soon' is not a date"),
        (("seal", "2012-13-01"), "'2012-13-01' is not a date"),
        (("sael", "2012"), "did you mean 'seal'"),
        (("--symbol", "AAPL"), "did you mean --symbols"),
    ],
)
def test_wrong_use_is_refused_in_one_line(
    cli: Cli, own_ledger: Path, words: tuple[str, ...], mentions: str
) -> None:
    code, out, err = cli("ledger", *words)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert mentions in err
    assert not own_ledger.exists()


def test_a_damaged_ledger_is_refused_and_stays(cli: Cli, own_ledger: Path) -> None:
    note(backtested("flat").backtest)
    own_ledger.write_bytes(own_ledger.read_bytes()[:5000])
    for words in ((), ("seal", "2012")):
        code, out, err = cli("ledger", *words)
        assert (code, out, err.count("\n")) == (2, "", 1)
        assert str(own_ledger) in err and "damaged" in err
    assert own_ledger.stat().st_size == 5000


def test_a_backtest_is_on_record_before_it_is_shown_and_looks_are_counted(cli: Cli, tmp_path: Path) -> None:
    words = ("backtest", "sma_cross", "--symbols", "AAPL", "--start", "2010", "--baselines", "flat")
    first, again = (
        json.loads(cli(*words, "--json", "--out", str(tmp_path / name)).out) for name in ("a", "b")
    )
    assert (first["verdict"]["trials"], first["verdict"]["looks"], first["verdict"]["again"]) == (1, 1, 0)
    assert (again["verdict"]["trials"], again["verdict"]["looks"], again["verdict"]["again"]) == (1, 2, 1)
    for one in (first, again):
        del one["verdict"], one["files"]
    assert first == again
    out = cli(*words, "--out", str(tmp_path / "c")).out
    assert out.startswith("Verdict: ")
    assert "1 trial and 3 looks" in out
    page = (tmp_path / "c" / "report.html").read_text()
    assert '<p class="verdict"><strong>Verdict: ' in page
    assert "Commission and half spread" in page
    assert json.loads((tmp_path / "c" / "metrics.json").read_text())["verdict"]["looks"] == 3


def test_a_report_of_what_was_never_tested_is_a_look_and_says_so(cli: Cli, run: tradebot.Run) -> None:
    shutil.copytree(run.folder, "mine", ignore=shutil.ignore_patterns("backtests"))
    code, out, err = cli("report", "mine")
    assert (code, err) == (0, APPLE)
    verdict, _, page = out.splitlines()
    assert verdict.startswith("Verdict: ") and "On record: 1 trial and 1 look" in verdict
    assert cli("report", "mine") == (0, f"{page}\n", "")
    assert tradebot.ledger().looks == 1


def test_sealed_bars_are_refused_before_they_are_traded_and_open_once(cli: Cli, tmp_path: Path) -> None:
    sealed = cli("ledger", "--seal", "2012-01-01", "--symbols", "AAPL")
    assert sealed.out == "Sealed: AAPL from 2012-01-01 on\n"
    words = ("backtest", "flat", "--symbols", "AAPL", "--start", "2010")
    code, out, err = cli(*words)
    assert (code, out) == (2, "")
    assert "--open-seal" in err and "--end 2011-12-31" in err
    assert cli(*words, "--open-seal").code == 0
    code, _, err = cli(*words, "--open-seal")
    assert code == 2
    assert "it opens once" in err


def test_sealed_bars_are_not_trained_on_before_they_were_opened(cli: Cli) -> None:
    assert cli("ledger", "seal", "2012-01-01", "--symbols", "AAPL").code == 0
    words = ("train", "a2c", "--steps", 40, "--seeds", 1, "--window", 50)
    code, out, err = cli(*words, "--symbols", "AAPL")
    assert (code, out, err.count("\n")) == (2, "", 1) and "--end 2011-12-31" in err
    assert not Path("runs").exists()
    assert cli(*words, "--symbols", "AAPL", "--end", "2011-12-31", "--name", "before").code == 0
    assert cli(*words, "--symbols", "IBM", "--name", "another").code == 0
    assert cli("backtest", "before", "--open-seal").code == 0
    assert cli(*words, "--symbols", "AAPL", "--name", "afterwards").code == 0


def test_a_result_that_cannot_be_put_on_record_is_not_shown(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("TRADEBOT_LEDGER", str(tmp_path / "file" / "ledger.sqlite"))
    code, out, err = cli("backtest", "flat", "--symbols", "AAPL", "--out", str(tmp_path / "out"))
    assert (code, out) == (1, "")
    assert str(tmp_path / "file") in err
    assert not (tmp_path / "out").exists()
