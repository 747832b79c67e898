"""Strategies and features of one's own: tested, kept with the run, refused if they look ahead."""

import inspect
import json
import signal
import textwrap
from functools import partial
from pathlib import Path

import numpy as np
import pytest

import tradebot
from tests.candles import side_by_side, walk
from tests.e2e.conftest import APPLE, Answer, Cli
from tests.e2e.killed import FILES
from tests.e2e.test_resume import interrupted_at
from tradebot import plugins
from tradebot.api import members
from tradebot.evidence.audit import check_causal
from tradebot.market import features
from tradebot.strategies import own

EXAMPLE = Path(__file__).parents[2] / "examples" / "own.py"
IBM = ("--symbols", "IBM", "--start", "2010")
TRAIN = ("train", "a2c", "--symbols", "AAPL", "--end", "2009", "--steps", 400, "--seeds", 2, "--window", 20)


def write(body: str, *, name: str = "own.py", before: str = "") -> None:
    """A file with f(bars), which may use np and pd."""
    Path(name).write_text(
        f"import numpy as np\nimport pandas as pd\n{before}\ndef f(bars):\n    {body}\n", encoding="utf-8"
    )


def refusal(answer: Answer) -> str:
    """The one line on stderr; nothing else was said, and nothing was written."""
    assert (answer.code, answer.out, answer.err.count("\n")) == (2, "", 1)
    assert not Path("backtests").exists() and not Path("runs").exists()
    return answer.err.removeprefix("tradebot: ").strip()


# ---- strategies


@pytest.mark.parametrize(
    "body",
    [
        "return np.ones(len(bars))",
        "return np.ones(bars.close.shape)",
        "return pd.DataFrame(np.nan, range(len(bars)), bars.symbols).mask(bars.close > 0)"
        ".where(np.arange(len(bars))[:, None] > 0, 1.0)",
    ],
    ids=["[T]", "[T, A]", "one, and then NaN holds"],
)
def test_all_in_and_hold_is_buy_and_hold_to_the_last_digit(cli: Cli, body: str) -> None:
    write(body)
    told = json.loads(cli("backtest", "--strategy", "own.py:f", *IBM, "--json").out)
    (member,) = told["members"]
    assert told["name"] == member.pop("name") == "own.py:f"
    assert member == told["baselines"]["buy_and_hold"] and member["total_return"] > 0.5


def test_the_page_says_which_file_it_was(cli: Cli) -> None:
    answer = cli("backtest", "--strategy", f"{EXAMPLE}:breakout", *IBM)
    assert (answer.code, answer.err) == (0, "")
    assert "own.py:breakout: IBM, 2010-01-04 .. 2013-03-01, after costs" in answer.out
    page = Path(answer.out.splitlines()[-1].removeprefix("Report: "))
    assert page.parent.name == "own-breakout-IBM-20100104-20130301"
    assert f"{EXAMPLE}:breakout (SHA-256 of the file " in page.read_text()


def test_python_takes_a_strategy_too(cli: Cli) -> None:
    result = tradebot.backtest(strategy=f"{EXAMPLE}:breakout", symbols="IBM", start="2010", save=False)
    assert result.backtest.name == "own.py:breakout" and result.metrics["trades"] > 0


def test_what_it_prints_does_not_spoil_the_json(cli: Cli) -> None:
    write("print('thinking'); return np.ones(len(bars))")
    answer = cli("backtest", "--strategy", "own.py:f", *IBM, "--json")
    assert json.loads(answer.out) and "thinking" in answer.err


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("return np.append(bars.close[1:, 0] > bars.close[:-1, 0], 0)", "own.py:f looks ahead: its row for "),
        (
            "return bars.close / bars.close.max()",
            "own.py:f looks ahead: its row for 2000-03-01 changes when later prices change",
        ),
        ("return np.linspace(0, 1, len(bars))", "changes when later bars are left out"),
        ("return np.random.random(len(bars))", "seed its random numbers"),
        ("return np.ones(3)", "own.py:f: returned the shape (3,), expected (3270,) or (3270, 1): a target"),
        ("return np.ones((len(bars), 2))", "own.py:f: returned the shape (3270, 2)"),
        ("return None / 2", "own.py:f: TypeError: unsupported operand type(s) for /: 'NoneType' and 'in"),
        ("return None", "own.py:f: returned nothing: does it lack a `return`?"),
        ("return 'all in'", "own.py:f: should return an array of numbers, not 'all in'"),
        ("bars.close[0] = 1", "own.py:f: ValueError: assignment destination is read-only (own.py, line 5)"),
        ("return np.full(len(bars), 2.0)", "own.py:f asks for 2 on 2010-01-04: the weights must not"),
        ("return np.full(len(bars), np.inf)", "own.py:f asks for inf on 2010-01-04"),
    ],
)  # fmt: skip
def test_a_strategy_that_will_not_do_is_refused(cli: Cli, body: str, message: str) -> None:
    write(body)
    assert message in refusal(cli("backtest", "--strategy", "own.py:f", *IBM))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--strategy", "own.py:g"), "own.py:g: no function 'g' in own.py: choose from f"),
        (("--strategy", "other.py:f"), "other.py:f: other.py cannot be read (No such file or directory)"),
        (("--strategy", "momentum"), "'momentum' is no function of a file: write it as file.py:name"),
        (("flat", "--strategy", "own.py:f"), "either flat or the strategy own.py:f can be tested, not both"),
        (("own.py:f",), "a strategy of your own goes behind a flag: --strategy own.py:f"),
        ((), "say what to test: a run or a rule (RUN_OR_RULE), or --strategy file.py:name"),
    ],
)
def test_what_is_no_strategy_is_refused(cli: Cli, words: tuple[str, ...], message: str) -> None:
    write("return np.ones(len(bars))")
    assert message in refusal(cli("backtest", *words, *IBM))


# ---- features


def test_a_run_keeps_the_code_of_its_features_and_needs_the_file_no_more(cli: Cli) -> None:
    Path("beside.py").write_text("SPAN = 7\n")
    write("return pd.DataFrame(bars.close).pct_change(beside.SPAN)", before="import beside")
    trained = cli(*TRAIN, "--features", f"own.py:f,{EXAMPLE}:trend,position", "--name", "mine")
    assert (trained.code, trained.err) == (0, APPLE)
    run = tradebot.open_run("mine")
    assert run.manifest.features == ("own.py:f", f"{EXAMPLE}:trend", "position")
    assert sorted(run.manifest.code or ()) == ["0/beside.py", "0/own.py", "1/own.py"]
    assert Path("runs/mine/code/1/own.py").read_bytes() == EXAMPLE.read_bytes()

    before = json.loads(cli("backtest", "mine", "--json").out)
    write("return 1 / 0")
    Path("beside.py").unlink()
    after = json.loads(cli("backtest", "mine", "--json").out)
    assert before.pop("files") != after.pop("files")
    assert after.pop("verdict")["again"] == before.pop("verdict")["again"] + 1  # the same trial
    assert before == after
    assert cli("signal", "mine", "--json").code == 0


def test_a_run_whose_code_was_changed_is_refused_and_still_listed(cli: Cli) -> None:
    assert cli(*TRAIN, "--features", f"{EXAMPLE}:trend", "--name", "mine").code == 0
    with Path("runs/mine/code/0/own.py").open("a") as file:
        file.write("print('changed')\n")
    for command in ("backtest", "signal"):
        answer = cli(command, "mine")
        assert (answer.code, answer.out, answer.err.count("\n")) == (2, "", 1)
        assert "runs/mine/code/0/own.py: changed since the training" in answer.err
    assert "mine" in cli("runs", "list").out and cli("runs", "show", "mine").code == 0
    Path("runs/mine/code/0/own.py").unlink()
    assert "runs/mine/code/0/own.py: cannot be read" in cli("backtest", "mine").err


def test_an_interrupted_training_goes_on_with_the_code_that_it_began_with(
    cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    write("return pd.DataFrame(bars.close).pct_change()")
    words = (*TRAIN, "--features", "own.py:f,position", "--name")
    assert cli(*words, "whole").code == 0
    with monkeypatch.context() as patched:
        patched.setattr(members, "train_loop", interrupted_at(200, signal.SIGINT))
        assert cli(*words, "mine").code == 130
    Path("own.py").unlink()
    assert cli("train", "--resume", "mine").code == 0
    for file in FILES:
        assert Path("runs/mine", file).read_bytes() == Path("runs/whole", file).read_bytes()


def test_a_run_without_code_of_its_own_keeps_none(run: tradebot.Run) -> None:
    assert run.manifest.code is None and not (run.folder / "code").exists()


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("return np.roll(bars.close, -1, axis=0)", "own.py:f looks ahead: its row for 20"),
        ("return (bars.close - bars.close.mean()) / bars.close.std()", "for 2000-03-01 changes when later p"),
        ("return bars.close[:, 0]", "own.py:f: returned the shape (3270,), expected (3270, 1) or (3270, 1,"),
        ("x = bars.close * 1; x[99] = np.nan; return x", "own.py:f: is NaN on 2000-07-21: only while it wa"),
        ("return bars.closes", "own.py:f: AttributeError: 'Bars' object has no attribute 'closes' (own.py, "),
    ],
)  # fmt: skip
def test_a_feature_that_will_not_do_is_refused_before_the_training(cli: Cli, body: str, message: str) -> None:
    write(body)
    assert message in refusal(cli(*TRAIN, "--features", "own.py:f,position"))


def test_each_function_is_written_with_its_file(cli: Cli) -> None:
    told = refusal(cli(*TRAIN, "--features", f"{EXAMPLE}:trend,breakout"))
    assert told == f"unknown feature 'breakout': a function of a file is written {EXAMPLE}:breakout"


# ---- the example


def test_the_readme_shows_it_as_it_is() -> None:
    source = inspect.getsource(plugins.load(f"{EXAMPLE}:breakout").function)
    assert textwrap.indent(source, "    ") in (EXAMPLE.parents[1] / "README.md").read_text()


@pytest.mark.parametrize("name", ["breakout", "trend"])
def test_the_example_treats_each_of_several_symbols_as_if_it_were_alone(name: str) -> None:
    one, other = walk(400, seed=1), walk(400, seed=2)
    both = side_by_side(one, other)
    plugin = plugins.load(f"{EXAMPLE}:{name}")
    rows = own.requests if name == "breakout" else features.own_values
    check_causal(name, partial(rows, name, plugin), both)
    parts = 2.0 if name == "breakout" else 1.0  # of the money, for each symbol
    for a, alone in enumerate((one, other)):
        np.testing.assert_array_equal(parts * rows(name, plugin, both)[:, a], rows(name, plugin, alone)[:, 0])
