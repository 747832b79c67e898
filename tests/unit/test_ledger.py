"""The trial ledger: what counts as a trial, what is sealed, and that nothing is lost, doubled or changed."""

import math
import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from tests.unit.writers import evaluation
from tradebot.core import InputError
from tradebot.evidence import ledger, ledger_file, trials
from tradebot.stats import metrics, sharpe

ROOT = Path(__file__).parents[2]
YEAR = np.timedelta64(365, "D")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "new" / "ledger.sqlite"


def later(name: str = "x", **changes: object) -> trials.Evaluation:
    """A year later."""
    of = evaluation(name, data="later", start="2020-12-31T00:00:00", end="2021-01-05T00:00:00")
    return of._replace(timestamps=of.timestamps + YEAR, **changes)


# ---- what is recorded


def test_what_was_written_is_read(path: Path) -> None:
    of = evaluation("mine", seeds=(3, 4), members=np.arange(10.0).reshape(2, 5), symbols=("AAA", "B,Ö"))
    assert ledger.record(path, of) == (1, 1, 1, 0, ())
    (entry,) = ledger.entries(path)
    assert entry.id == 1 and entry.time.endswith("+00:00")
    for name, value in of._asdict().items():
        np.testing.assert_array_equal(getattr(entry.evaluation, name), value)
    assert entry.evaluation.sharpe == metrics.sharpe(of.returns, 1)


def test_where_there_is_no_file_nothing_was_tried_and_none_is_made(path: Path) -> None:
    assert ledger.entries(path) == [] and ledger.seals(path) == [] and ledger.looks(path) == 0
    assert ledger.trials(path).n == 0 and math.isnan(ledger.trials(path).variance(252))
    assert not path.exists()


def test_the_file_is_the_given_one_then_the_variables(monkeypatch: pytest.MonkeyPatch, path: Path) -> None:
    monkeypatch.setenv("TRADEBOT_LEDGER", str(path))
    assert ledger.place("given") == Path("given") and ledger.place() == path
    monkeypatch.delenv("TRADEBOT_LEDGER")
    assert "tradebot" in str(ledger.place())


def test_a_digest_knows_values_but_not_their_order() -> None:
    assert trials.digest({"a": 1, "b": (2, None)}) == trials.digest({"b": [2, None], "a": 1})
    assert trials.digest({"a": 1}) != trials.digest({"a": 2})


# ---- what counts


def test_the_same_again_is_another_look_and_no_other_trial(path: Path) -> None:
    ledger.record(path, evaluation("one"))
    assert ledger.record(path, evaluation("one", costs={"commission_bps": 50.0}))[1:4] == (1, 2, 1)
    assert ledger.record(path, evaluation("two"))[1:4] == (2, 3, 0)
    assert ledger.record(path, evaluation("renamed", config="one"))[1:4] == (2, 4, 2)
    found = ledger.trials(path, ["AAA"])
    assert (found.n, found.looks) == (2, 4) == (2, ledger.looks(path, ["AAA"]))


@pytest.mark.parametrize("other", [{"config": "y"}, {"data": "z"}, {"seeds": (1,)}, {"end": "2020-01-07"}])
def test_another_config_data_span_or_seed_is_another_trial(path: Path, other: dict[str, object]) -> None:
    ledger.record(path, evaluation())
    ledger.record(path, evaluation(**other))
    assert ledger.trials(path).n == 2


def test_picking_a_seed_counts_every_seed_once(path: Path) -> None:
    members = np.arange(15.0).reshape(3, 5)
    ledger.record(path, evaluation("one", seeds=(0, 1, 2), members=members))
    ledger.record(path, evaluation("one", seeds=(1,), members=members[1:2]))
    ledger.record(path, evaluation("rule"))
    assert ledger.trials(path).n == 3
    each = ledger.trials(path, each_seed=True)
    assert [of.name for of in each.candidates] == ["one: seed 0", "one: seed 1", "one: seed 2", "rule"]
    np.testing.assert_array_equal(each.candidates[1].returns, members[1])


def test_trials_are_those_on_overlapping_spans_of_a_shared_symbol(path: Path) -> None:
    ledger.record(path, evaluation("one"))
    ledger.record(path, later("two"))
    ledger.record(path, evaluation("three", symbols=("BBB", "AAA")))
    assert ledger.record(path, evaluation("four", symbols=("CCC",)))[1:3] == (1, 1)

    def names(*span: str, symbols: tuple[str, ...] = ("AAA",)) -> list[str]:
        return [of.name for of in ledger.trials(path, symbols, *span).candidates]

    assert names() == ["one", "two", "three"] and len(names(symbols=())) == 4
    assert names("2020-01-06T00:00:00", "2020-02-01") == ["one", "three"]
    assert names("2020-01-07", "2020-12-30") == []
    assert names("2020-06-01") == ["two"] and names("", "2020-06-01") == ["one", "three"]
    assert names(symbols=("BBB",)) == ["three"]


def test_the_variance_is_that_of_the_ratios_in_the_periods_that_are_asked_for(path: Path) -> None:
    """An hourly trial counts by its annual ratio, and one that stands still by 0."""
    steady = evaluation("two", returns=np.array([0.02, -0.01, 0.03, 0.01, 0.0]), periods=2016.0)
    still = evaluation("three", returns=np.zeros(5))
    for of in (evaluation("one"), steady, still):
        ledger.record(path, of)
    annual = [metrics.sharpe(evaluation().returns, 252), metrics.sharpe(steady.returns, 2016), 0.0]
    found = ledger.trials(path)
    assert found.variance(252) == pytest.approx(np.var(annual, ddof=1) / 252, rel=1e-12)
    assert sharpe.luck(found.n, found.variance(252)) > 0


def test_the_matrix_has_those_who_were_tested_on_all_these_bars(path: Path) -> None:
    shorter = evaluation("short", timestamps=evaluation().timestamps[:4], returns=np.ones(4))
    longer = evaluation("long", timestamps=np.append(evaluation().timestamps, later().timestamps))
    longer = longer._replace(returns=np.arange(10.0))
    for of in (evaluation("one"), shorter, longer, later()):
        ledger.record(path, of)
    made = ledger.trials(path).matrix(evaluation().timestamps)
    np.testing.assert_array_equal(made, np.column_stack([evaluation().returns, np.arange(5.0)]))
    assert ledger.trials(path).matrix(evaluation().timestamps + 3 * YEAR).shape == (5, 0)


# ---- seals


def test_a_seal_opens_once_on_the_record(path: Path) -> None:
    ledger.record(path, evaluation("before"))
    assert ledger.seal(path, "2020-06-01", ["AAA"]).looks == 0
    assert ledger.record(path, evaluation("one")).opened == ()
    with pytest.raises(InputError, match=r"AAA from 2020-06-01 on is sealed .*--end 2020-05-31.*--open-seal"):
        ledger.record(path, later("two"))
    assert ledger.record(path, later("two"), open_seal=True).opened == ("AAA from 2020-06-01 on",)
    (seal,) = ledger.seals(path)
    assert seal.opened.startswith("two (backtest) on 20")
    for flag in (False, True):
        for name in ("two", "three"):
            with pytest.raises(InputError, match=r"opened by two \(backtest\) on 20.*opens once"):
                ledger.record(path, later(name), open_seal=flag)
    assert [entry.evaluation.name for entry in ledger.entries(path)] == ["before", "one", "two"]
    ledger.record(path, later("four", symbols=("BBB",)))


def test_seals_are_checked_before_the_work_as_after_it(path: Path) -> None:
    ledger.check_seals(path, ["AAA"], "2020-01-01", "2030-01-01")
    ledger.seal(path, "2020-06-01")
    ledger.check_seals(path, ["AAA"], "2020-01-01", "2020-05-31T23:00:00")
    ledger.check_seals(path, ["AAA"], "2020-01-01", "2020-06-01T00:00:00", open_seal=True)
    with pytest.raises(InputError, match="everything from 2020-06-01 on is sealed"):
        ledger.check_seals(path, ["AAA"], "2020-01-01", "2020-06-01T00:00:00")


def test_sealing_tells_who_has_looked_already_and_is_not_done_twice(path: Path) -> None:
    for of in (evaluation(), later(), later()):
        ledger.record(path, of)
    made = ledger.seal(path, "2020-06-01", ["AAA", "BBB"])
    assert made.looks == 2 and str(made.seal) == "AAA, BBB from 2020-06-01 on"
    for start, symbols in (("2020-06-01", ["AAA", "BBB"]), ("2021-01-01", ["BBB"])):
        with pytest.raises(InputError, match="sealed already"):
            ledger.seal(path, start, symbols)
    assert ledger.seal(path, "2020-01-01", ["AAA"]).looks == 3
    assert ledger.seal(path, "2020-06-01").looks == 2
    assert len(ledger.seals(path)) == 3


# ---- nothing is changed


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE evaluations SET sharpe = 9",
        "DELETE FROM evaluations WHERE id = 1",
        "INSERT OR REPLACE INTO evaluations SELECT * FROM evaluations",
        "REPLACE INTO seals (id, time, start, symbols) VALUES (1, 'now', '2030-01-01', '[]')",
        "UPDATE seals SET start = '2030-01-01'",
        "DELETE FROM seals",
        "DELETE FROM openings",
        "UPDATE openings SET evaluation = 7",
    ],
)
def test_no_program_changes_or_removes_a_line(path: Path, statement: str) -> None:
    ledger.seal(path, "2020-01-01")
    ledger.record(path, evaluation(), open_seal=True)
    with closing(sqlite3.connect(path)) as connection:
        before = list(connection.iterdump())
        with pytest.raises(sqlite3.IntegrityError, match="only grows"):
            connection.execute(statement)
        connection.commit()
        assert list(connection.iterdump()) == before


def test_a_result_that_cannot_be_written_leaves_the_ledger_as_it_was(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger.record(path, evaluation("one"))
    ledger.seal(path, "2020-01-01")

    def stopped(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(ledger, "identity", stopped)
    monkeypatch.setattr(ledger, "_found", stopped)  # the last thing within the transaction
    with pytest.raises(KeyboardInterrupt):
        ledger.record(path, evaluation("two"), open_seal=True)
    monkeypatch.undo()
    assert [entry.id for entry in ledger.entries(path)] == [1]
    assert ledger.seals(path)[0].opened == ""


# ---- damage


def filled(path: Path) -> bytes:
    for name in "abcdef":
        ledger.record(
            path, evaluation(name, members=np.random.default_rng(0).normal(size=(2, 5)), seeds=(1, 2))
        )
    return path.read_bytes()


def test_a_flipped_bit_is_never_read_as_a_trial(path: Path) -> None:
    content, refused = filled(path), 0
    whole = [str(entry) for entry in ledger.entries(path)]
    for position in range(0, len(content), 331):
        path.write_bytes(content[:position] + bytes([content[position] ^ 0x10]) + content[position + 1 :])
        try:
            read = [str(entry) for entry in ledger.entries(path)]
        except InputError as error:
            refused += 1
            assert str(path) in str(error)
        else:  # a byte that means nothing
            assert read == whole
    assert refused > 10


@pytest.mark.parametrize("damage", [b"", b"SQLite format 3\0", b"what is this?" * 400], ids=len)
def test_what_is_no_ledger_is_refused_and_stays(path: Path, damage: bytes) -> None:
    path.parent.mkdir()
    path.write_bytes(damage)
    for call in (lambda: ledger.entries(path), lambda: ledger.record(path, evaluation())):
        with pytest.raises(InputError, match=r"damaged, or no ledger.*never replaced"):
            call()
    assert path.read_bytes() == damage


def test_the_database_of_another_program_is_refused(path: Path) -> None:
    path.parent.mkdir()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE evaluations (id INTEGER)")
    with pytest.raises(InputError, match="damaged, or no ledger"):
        ledger.record(path, evaluation())


@pytest.mark.parametrize("kept", [0.3, 0.6, 0.8])
def test_a_ledger_that_was_cut_is_refused(path: Path, kept: float) -> None:
    content = filled(path)
    path.write_bytes(content[: int(kept * len(content))])
    with pytest.raises(InputError, match="damaged"):
        ledger.entries(path)


def test_a_line_that_was_removed_by_force_is_missed(path: Path) -> None:
    filled(path)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("DROP TRIGGER no_DELETE_evaluations")
        connection.execute("DELETE FROM evaluations WHERE id = 6")
        connection.commit()
    with pytest.raises(InputError, match="rows of evaluations are missing"):
        ledger.trials(path)


def test_a_ledger_of_a_later_version_is_refused(path: Path) -> None:
    filled(path)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA user_version = 2")
    with pytest.raises(InputError, match=r"version 2.*update tradebot"):
        ledger.trials(path)


def test_a_folder_in_its_place_is_a_failure_with_its_name(path: Path) -> None:
    path.mkdir(parents=True)
    with pytest.raises(OSError) as error:
        ledger.record(path, evaluation())
    assert error.value.filename == str(path)


def test_a_disk_without_hard_links_can_hold_a_ledger(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "link", refuse)
    ledger.record(path, evaluation())
    assert ledger.looks(path) == 1 and os.listdir(path.parent) == [path.name]


def test_who_writes_for_too_long_is_waited_for_and_then_reported(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ledger_file, "WAIT", 0.01)
    ledger.record(path, evaluation())
    with closing(sqlite3.connect(path)) as other:
        other.execute("BEGIN IMMEDIATE")
        assert ledger.looks(path) == 1  # readers do not wait
        with pytest.raises(OSError, match="another process has been writing") as error:
            ledger.record(path, evaluation())
    assert error.value.filename == str(path)


# ---- several processes


def written(path: Path, *words: int) -> list[str]:
    """The names of lines that their processes know to be written."""
    command = [sys.executable, "-m", "tests.unit.writers", str(path), *map(str, words)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.split()


def test_eight_processes_that_begin_a_ledger_lose_and_double_nothing(path: Path) -> None:
    told = written(path, 8, 12)
    names = [entry.evaluation.name for entry in ledger.entries(path)]
    assert sorted(names) == sorted(told) == sorted(f"{p}-{i}" for p in range(8) for i in range(12))
    assert os.listdir(path.parent) == [path.name]


def test_processes_that_are_killed_leave_whole_lines_and_all_that_they_had_told_of(path: Path) -> None:
    """Each may have written one more line than it had time to tell of, its next one."""
    told = written(path, 4, 10_000, 8)
    names = [entry.evaluation.name for entry in ledger.entries(path)]
    assert len(told) > 20
    assert len(set(names)) == len(names)
    assert set(told) <= set(names)
    numbers = [tuple(map(int, name.split("-"))) for name in names]
    for process in range(32):
        lines = [line for who, line in numbers if who == process]
        assert lines == list(range(len(lines)))
        assert len(lines) - sum(name.startswith(f"{process}-") for name in told) in (0, 1)
    assert ledger.record(path, evaluation("after")).id == len(names) + 1
