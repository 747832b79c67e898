"""Bad input gives one clear line on stderr and exit code 2, and leaves nothing behind."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from safetensors.numpy import load, save

import tradebot
from tests.e2e.conftest import Answer, Cli
from tradebot.files import checksum

TRAIN = ("train", "a2c", "--steps", 40, "--seeds", 1)
AAPL = ("--symbols", "AAPL", "--end", "2009-12-31")


def assert_refused(answer: Answer, *mentions: str) -> None:
    """One line on stderr that mentions what was wrong, nothing on stdout, exit code 2, and no runs."""
    assert answer.code == 2, answer
    assert answer.out == ""
    assert answer.err.startswith("tradebot: ")
    assert answer.err.count("\n") == 1
    assert "Traceback" not in answer.err
    assert [mention for mention in mentions if mention not in answer.err] == []
    assert not Path("runs").exists()


def with_cell(column: str, value: object) -> Callable[[pd.DataFrame], pd.DataFrame]:
    """Row 8, of 2001-01-10, says something else."""

    def damaged(prices: pd.DataFrame) -> pd.DataFrame:
        prices = prices.astype({column: object})
        prices.loc[7, column] = value
        return prices

    return damaged


DAMAGES: dict[str, tuple[Callable[[pd.DataFrame], pd.DataFrame], tuple[str, ...]]] = {
    "nan": (with_cell("close", np.nan), ("close", "2001-01-10", "nan")),
    "infinite": (with_cell("close", np.inf), ("close", "2001-01-10", "inf")),
    "zero": (with_cell("open", 0), ("open", "2001-01-10", "0.0")),
    "negative": (with_cell("low", -1), ("low", "2001-01-10", "-1.0")),
    "textual": (with_cell("close", "abc"), ("close", "2001-01-10", "abc")),
    "duplicated": (with_cell("date", "2001-01-09"), ("2001-01-09", "more than once")),
    "high below low": (with_cell("high", 1.0), ("2001-01-10", "above the high")),
    "missing column": (lambda prices: prices.drop(columns="high"), ("no column for high",)),
    "no rows": (lambda prices: prices.head(0), ("no rows",)),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_price_file_is_refused_with_its_first_fault(
    cli: Cli, prices: pd.DataFrame, damage: str
) -> None:
    change, mentions = DAMAGES[damage]
    change(prices).to_csv("mine.csv", index=False)
    assert_refused(cli(*TRAIN, "--data", "mine.csv"), "mine.csv", *mentions)
    checked = cli("prices", "check", "mine.csv")  # which shows a table as well, where there is one
    assert_refused(checked._replace(out=""), "mine.csv", *mentions)
    assert_refused(cli("backtest", "flat", "--data", "mine.csv"), "mine.csv", *mentions)


def test_what_is_no_price_file_is_refused(cli: Cli) -> None:
    Path("binary.csv").write_bytes(bytes(range(256)) * 8)
    Path("empty.csv").touch()
    Path("folder").mkdir()
    for name in ("missing.csv", "binary.csv", "empty.csv", "folder"):
        assert_refused(cli(*TRAIN, "--data", name), name)


def test_too_few_bars_for_the_features_are_refused(cli: Cli, prices: pd.DataFrame) -> None:
    prices.head(30).to_csv("short.csv", index=False)
    assert_refused(cli(*TRAIN, "--data", "short.csv"), "30 bars are too few", "60 to warm up")
    assert cli("prices", "check", "short.csv").code == 0


@pytest.mark.parametrize(
    ("words", "mentions"),
    [
        (("trian",), ("unknown command 'trian'", "did you mean 'train'")),
        (("train", "ppoo"), ("unknown agent 'ppoo'", "did you mean 'ppo'")),
        (("train", "hal"), ("unknown agent 'hal'", "dqn, ppo, a2c")),
        (("prices", "shwo"), ("unknown command 'shwo'", "did you mean 'show'")),
        ((*TRAIN, "--lerning-rate", 1), ("--lerning-rate", "did you mean --learning-rate")),
        (("backtest",), ("RUN_OR_RULE", "--strategy file.py:name")),
        (("agents", "x"), ("unexpected", "tradebot agents --help")),
        ((*TRAIN, "--learning-rate", 3), ("--learning-rate", "less than or equal to 1", "'3'")),
        ((*TRAIN, "--learning-rate", "fast"), ("--learning-rate", "valid number", "'fast'")),
        ((*TRAIN, "--gamma", "nan"), ("--gamma", "finite number")),
        ((*TRAIN, "--entropy", "inf"), ("--entropy", "finite number")),
        ((*TRAIN, "--hidden", "64,x"), ("--hidden", "valid integer", "'x'")),
        ((*TRAIN, "--hidden", ""), ("--hidden", "at least 1")),
        ((*TRAIN, "--seed", -1), ("--seed", "greater than or equal to 0")),
        ((*TRAIN, "--seeds", 2.5), ("--seeds", "integer", "'2.5'")),
        ((*TRAIN, *AAPL, "--cash", 0), ("--cash", "greater than 0")),
        ((*TRAIN, *AAPL, "--actions", "long"), ("--actions", "'long-flat'", "'weights'")),
        ((*TRAIN, "--per", *AAPL, "--window", 5000), ("--per", "shorter --window")),
        (("train", "ppo", "--per", "--env", "gym:CartPole-v1"), ("--per", "dqn")),
        (("train", "dqn", *AAPL, "--actions", "weights"), ("dqn needs discrete actions",)),
        (TRAIN, ("say which prices", "--symbols", "--data")),
        ((*TRAIN, "--symbols", "APPL"), ("'APPL'", "did you mean AAPL")),
        ((*TRAIN, *AAPL, "--fees", "us-stocks-fixed"), ("AAPL", "need raw prices", "--prices raw")),
        ((*TRAIN, "--data", "synthetic:ar1", "--whole-units"), ("AR1#0", "need raw prices", "--prices raw")),
        ((*TRAIN, *AAPL, "--fees", "nasdaq"), ("--fees", "'us-stocks'", "nasdaq")),
        ((*TRAIN, *AAPL, "--leverage", 0.5), ("--leverage", "greater than or equal to 1", "0.5")),
        ((*TRAIN, *AAPL, "--maintenance", 1), ("--maintenance", "less than 1")),
        ((*TRAIN, *AAPL, "--reward", "sharp"), ("--reward", "unknown reward 'sharp'", "file.py:name")),
        (
            ("backtest", "fixed:AAPL=0.9,IBM=0.9", "--symbols", "AAPL,IBM"),
            ("0.9", "must not exceed 1", "--leverage"),
        ),
        ((*TRAIN, *AAPL, "--start", "2010"), ("fewer than 2 bars", "2010", "2009-12-31")),
        ((*TRAIN, "--symbols", "AAPL", "--start", 2030), ("fewer than 2 bars", "2030")),
        ((*TRAIN, *AAPL, "--start", "soon"), ("'soon' is not a date",)),
        ((*TRAIN, *AAPL, "--features", "rsi,macdd"), ("unknown feature 'macdd'", "did you mean 'macd'")),
        ((*TRAIN, *AAPL, "--device", "abacus"), ("device 'abacus' cannot be used",)),
        ((*TRAIN, *AAPL, "--device", "meta"), ("device 'meta' cannot be used",)),
        ((*TRAIN, *AAPL, "--device", "cuda:99"), ("device 'cuda:99' cannot be used",)),
        ((*TRAIN, "--env", "moon"), ("unknown environment 'moon'", "gym:ID")),
        ((*TRAIN, "--env", "gym:Moon-v0"), ("gym:Moon-v0",)),
        ((*TRAIN, "--env", "gym:Blackjack-v1"), ("gym:Blackjack-v1", "observations are Tuple")),
        ((*TRAIN, "--env", "rnig"), ("did you mean 'ring'", "gym:CartPole-v1")),
        ((*TRAIN, "--env", "ring?state=3"), ("did you mean 'states'",)),
        ((*TRAIN, "--env", "trading?x=1"), ("the settings of trading are flags",)),
        ((*TRAIN, "--env", "game:climbing?k=1"), ("'k' in game:climbing?k=1: there are none",)),
        (("train", "dqn", "--env", "navigation"), ("discrete actions: take another agent (ppo, a2c, sac)",)),
        (
            ("train", "sarsa", "--env", "navigation"),
            ("discrete actions: take another agent (ppo, a2c, sac)",),
        ),
        (("train", "sac", "--env", "game:climbing"), ("actions: take another agent (dqn, ppo, a2c)",)),
        (
            ("train", "sac", *AAPL),
            ("sac needs continuous actions: --actions weights, or another agent (dqn",),
        ),
        ((*TRAIN, "--env", "CartPole-v1"), ("did you mean 'gym:CartPole-v1'?",)),
        (("train", "q-learning", "--env", "gym:CartPole-v1"), ("number 1 of the 4", "between bounds")),
        (("train", "q-learning", *AAPL), ("a table of about 10^", "--features last_return,position")),
        (("train", "sarsa", *AAPL, "--actions", "weights"), ("sarsa needs discrete actions",)),
        ((*TRAIN, "--env", "gym:CartPole-v1", *AAPL), ("symbols, end", "only for the trading environment")),
        ((*TRAIN, "--data", "synthetic:ar2"), ("unknown synthetic market 'ar2'", "did you mean 'ar1'")),
        ((*TRAIN, "--data", "synthetic:ar1?pih=.2"), ("'pih'", "did you mean 'phi'")),
        ((*TRAIN, "--data", "synthetic:ar1?phi=2"), ("phi", "less than 1")),
        ((*TRAIN, "--data", "synthetic:ar1?phi"), ("key=value",)),
        ((*TRAIN, *AAPL, "--name", "a/b"), ("'a/b' is not a name",)),
        ((*TRAIN, *AAPL, "--name", ".."), ("'..' is not a name",)),
        ((*TRAIN, *AAPL, "--name", ""), ("'' is not a name",)),
        ((*TRAIN, *AAPL, "--name", "flat"), ("'flat'", "rule")),
        ((*TRAIN, *AAPL, "--name", "fixed:x"), ("'fixed:x'", "rule")),
        (("backtest", "fixed:AAPL=x", *AAPL), ("'AAPL=x'", "write fixed:AAPL=0.6,MSFT=0.4")),
        (("backtest", "fixed:MSFT=1", *AAPL), ("no prices for the fixed weight of 'MSFT'", "AAPL")),
        (("backtest", "buy_and_hol"), ("no run or rule 'buy_and_hol'", "did you mean 'buy_and_hold'")),
        (("backtest", "flat"), ("say which prices",)),
        (("backtest", "flat", *AAPL, "--baselines", "flt"), ("unknown baseline 'flt'", "'flat'")),
        (("backtest", "flat", *AAPL, "--cash", -1), ("cash", "greater than 0")),
        (("backtest", "flat", *AAPL, "--commission-bps", -1), ("--commission-bps", "'-1'")),
        (("backtest", "flat", *AAPL, "--start", 2012), ("fewer than 2 bars", "2012")),
        (("backtest", "flat", *AAPL, "--out", "."), (". is not a name",)),
        (("report", "nothing"), ("no run 'nothing'", "train one first")),
        (("runs", "show", "."), (". is not a run folder",)),
        (("demo", "--out", ".."), (".. is not a name",)),
    ],
    ids=lambda value: " ".join(map(str, value)) if value and value[0] in ("train", "backtest") else None,
)
def test_wrong_use_is_refused_in_one_line(
    cli: Cli, words: tuple[object, ...], mentions: tuple[str, ...]
) -> None:
    assert_refused(cli(*words), *mentions)
    assert list(Path().iterdir()) == []


@pytest.mark.parametrize(
    ("text", "mentions"),
    [
        ("[run]\nstesp = 3", ("'stesp'", "[run] of my.toml", "did you mean 'steps'")),
        ("[rnu]\nsteps = 3", ("'rnu'", "my.toml", "did you mean 'run'")),
        ("run = 3", ("[run] of my.toml", "table")),
        ("agent = 'a2c'", ("[agent] of my.toml", "table")),
        ("[run]\nsteps = 0", ("steps", "got 0", "[run] of my.toml")),
        ("[agent]\nname = 'dqn'", ("'dqn'", "'a2c'")),
        ("[agent]\nlearning_rate = nan", ("learning_rate", "finite", "[agent] of my.toml")),
        ("[run]\nenv = 'gym:CartPole-v1'\n[market]\ncash = 1", ("cash", "only for the trading environment")),
        ("[[[", ("my.toml", "not valid TOML")),
    ],
)
def test_a_wrong_config_file_is_refused(cli: Cli, text: str, mentions: tuple[str, ...]) -> None:
    Path("my.toml").write_text(text)
    assert_refused(cli(*TRAIN, "--config", "my.toml"), *mentions)


def test_what_is_no_config_file_is_refused(cli: Cli) -> None:
    Path("binary.toml").write_bytes(b"\xff\xfe\x00")
    Path("folder").mkdir()
    for name in ("missing.toml", "binary.toml", "folder"):
        assert_refused(cli(*TRAIN, "--config", name), name)


@pytest.mark.parametrize(
    ("words", "mention"),
    [
        (("train", "ppo", "--resume", "mine"), "its own: tradebot train --resume mine"),
        (
            ("walkforward", "ppo", "--seeds", 2, "--resume=mine"),
            "its own: tradebot walkforward --resume mine",
        ),
        (("nulltest", "ppo", "--resume", "mine"), "its own: tradebot nulltest --resume mine"),
        (("walkforward", "ppo", "--env", "ring"), "there is no walkforward of ring: it is for trading"),
        (("walkforward", "copy"), "copy is a run, and tradebot walkforward takes an agent"),
        (("train", "copy"), "--config copy/config.toml"),
        (("nulltest", "sma_cross"), "sma_cross is a rule, and there is nothing to train in it"),
        (("signal", "sma_cross"), "sma_cross is a rule, and signals are of runs"),
    ],
    ids=lambda value: " ".join(map(str, value)) if isinstance(value, tuple) else None,
)
def test_what_belongs_to_another_command_is_sent_there(
    cli: Cli, run: tradebot.Run, words: tuple[object, ...], mention: str
) -> None:
    shutil.copytree(run.folder, "copy")
    assert_refused(cli(*words), mention)


def test_a_name_that_is_taken_is_refused_and_what_has_it_stays(cli: Cli) -> None:
    Path("mine/taken").mkdir(parents=True)
    assert_refused(cli(*TRAIN, *AAPL, "--out", "mine", "--name", "taken"), "mine/taken exists already")
    assert_refused(cli("backtest", "flat", *AAPL, "--out", "mine/taken"), "mine/taken exists already")
    assert list(Path("mine").rglob("*")) == [Path("mine/taken")]


def cut(data: bytes) -> bytes:
    """Half of it; of TOML up to an equals sign, for many a half of TOML is TOML."""
    half = data[: len(data) // 2]
    return half[: half.rfind(b"=") + 1] or half


def noise(data: bytes) -> bytes:
    return np.random.default_rng(0).bytes(len(data))


def renamed(data: bytes) -> bytes:
    return save({f"other/{name}": value for name, value in load(data).items()})


def reshaped(data: bytes) -> bytes:
    return save({name: value[..., None] for name, value in load(data).items()})


@pytest.mark.parametrize(
    ("name", "damage"),
    [
        (name, damage)
        for name in ("agent.safetensors", "config.toml", "manifest.json")
        for damage in (cut, noise)
    ]
    + [("agent.safetensors", damage) for damage in (renamed, reshaped)],
)
def test_a_damaged_run_is_refused(
    cli: Cli, run: tradebot.Run, name: str, damage: Callable[[bytes], bytes]
) -> None:
    shutil.copytree(run.folder, "copy", ignore=shutil.ignore_patterns("backtests"))
    path = Path("copy", name)
    path.write_bytes(damage(path.read_bytes()))
    assert_refused(cli("backtest", "copy"), name)
    assert not Path("copy/backtests").exists()


@pytest.mark.parametrize("damage", [renamed, reshaped])
def test_weights_that_are_whole_but_do_not_fit_are_refused(
    cli: Cli, run: tradebot.Run, damage: Callable[[bytes], bytes]
) -> None:
    shutil.copytree(run.folder, "copy")
    path, manifest = Path("copy/agent.safetensors"), Path("copy/manifest.json")
    path.write_bytes(damage(path.read_bytes()))
    manifest.write_text(manifest.read_text().replace(run.manifest.weights, checksum(path.read_bytes())))
    assert_refused(cli("backtest", "copy"), "agent.safetensors does not fit config.toml")


@pytest.mark.parametrize("text", ["[]", "{}", "3", "null", '{"agent": "ppo"}', "[" * 100_000])
def test_a_manifest_that_is_none_is_refused(cli: Cli, run: tradebot.Run, text: str) -> None:
    shutil.copytree(run.folder, "copy")
    Path("copy/manifest.json").write_text(text)
    for words in (("backtest", "copy"), ("report", "copy"), ("runs", "show", "copy")):
        assert_refused(cli(*words), "copy/manifest.json")


def test_a_damaged_log_of_the_training_is_refused(cli: Cli, run: tradebot.Run) -> None:
    shutil.copytree(run.folder, "copy", ignore=shutil.ignore_patterns("backtests"))
    Path("copy/events.jsonl").write_text("3\n")
    assert_refused(cli("backtest", "copy"), "events.jsonl")
    assert not Path("copy/backtests").exists()
