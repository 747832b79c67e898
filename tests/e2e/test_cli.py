"""The command line: what each command prints for a person and for a program; names and flags stay."""

import json
import math
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from typer.main import get_command

import tradebot
from tests.e2e.conftest import APPLE, Cli
from tradebot.agents.configs import CONFIGS
from tradebot.agents.registry import create
from tradebot.api import demonstration
from tradebot.cli import app
from tradebot.core import Box, Discrete
from tradebot.market.costs import Costs
from tradebot.stats.bootstrap import RESAMPLED
from tradebot.stats.metrics import METRICS

GROUPS = ([], ["train"], ["runs"], ["prices"])
SMALL = ("--symbols", "AAPL", "--end", "2009-12-31", "--steps", 200, "--seeds", 2)
CONTRACT = """
    --env --symbols --data --start --end --steps --seeds --seed --per --no-per --actions --features --window
    --cash --commission-bps --half-spread-bps --config --out --name --device --json
"""
HEAVY = {"torch", "pandas", "matplotlib", "numba", "yfinance", "numpy", "scipy", "gymnasium", "safetensors"}


def commands(command: Any, words: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Every command with the words that call it, groups included."""
    yield words
    for name, inner in getattr(command, "commands", {}).items():
        yield from commands(inner, (*words, name))


def strict(text: str) -> Any:
    """What a program reads: one object, and no NaN or Infinity, which are not JSON."""

    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is not JSON")

    return json.loads(text, parse_constant=refuse)


@pytest.mark.parametrize("words", GROUPS, ids=" ".join)
def test_a_group_without_a_command_prints_its_help_and_leaves_with_2(cli: Cli, words: list[str]) -> None:
    code, out, err = cli(*words)
    assert (code, err) == (2, "")
    assert out == cli(*words, "--help").out
    assert len(out.splitlines()) > 10


@pytest.mark.parametrize("words", list(commands(get_command(app))), ids=" ".join)
def test_every_help_has_an_example_and_fits_80_columns(cli: Cli, words: tuple[str, ...]) -> None:
    code, out, err = cli(*words, "--help")
    assert (code, err) == (0, "")
    assert "Example: tradebot" in out
    assert max(map(len, out.splitlines())) <= 80
    assert "[bold]" not in out


@pytest.mark.parametrize("agent", CONFIGS)
def test_training_takes_the_flags_of_the_contract_and_the_agents_own_alone(cli: Cli, agent: str) -> None:
    words = cli("train", agent, "--help").out.split()
    assert set(CONTRACT.split()) <= set(words)
    own = set(CONFIGS[agent].model_fields) - {"name"}
    foreign = {name for model in CONFIGS.values() for name in model.model_fields} - own - {"name", "start"}
    assert {f"--{name.replace('_', '-')}" for name in own} <= set(words)
    assert not {f"--{name.replace('_', '-')}" for name in foreign} & set(words)


def test_backtests_take_the_flags_of_the_contract(cli: Cli) -> None:
    flags = (
        "--strategy --symbols --data --start --end --cash --commission-bps --half-spread-bps --baselines"
        " --out --json"
    )
    assert set(flags.split(" ")) <= set(cli("backtest", "--help").out.split())


def test_the_version_is_printed(cli: Cli) -> None:
    code, out, _ = cli("--version")
    assert code == 0
    assert out.startswith("tradebot ") and out[9].isdigit()


@pytest.mark.parametrize(
    "words", [["--help"], ["train", "ppo", "--help"], ["fetch", "--help"], ["agents"]], ids=" ".join
)
def test_help_loads_nothing_heavy(words: list[str]) -> None:
    program = f"""
import sys
from tradebot.cli import main
sys.argv = ["tradebot", *{words}]
try:
    main()
finally:
    print("LOADED", *({HEAVY} & sys.modules.keys()))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1].strip() == "LOADED"


def test_a_run_is_trained_tested_reported_and_listed(cli: Cli) -> None:
    trained = cli("train", "a2c", *SMALL, "--name", "mine")
    assert (trained.code, trained.err) == (0, APPLE)
    assert "Next: tradebot backtest runs/mine" in trained.out

    tested = cli("backtest", "runs/mine")
    assert (tested.code, tested.err) == (0, APPLE)
    assert "mine: AAPL, 2010-01-04 .. 2013-03-01, after costs" in tested.out
    assert "ensemble of 2" in tested.out and "buy_and_hold" in tested.out
    page = Path(tested.out.splitlines()[-1].removeprefix("Report: "))
    assert page.read_text().startswith("<!DOCTYPE html>")

    assert Path(cli("report", "mine").out.strip()) == page
    listed = cli("runs", "list").out
    assert [word for word in ("mine", "a2c", "AAPL", "2009-12-31") if word not in listed] == []
    shown = cli("runs", "show", "mine").out
    assert "command: tradebot train a2c --symbols AAPL" in shown and str(page.parent) in shown


def test_the_json_of_training_has_the_promised_keys(cli: Cli) -> None:
    code, out, err = cli("train", "dqn", *SMALL, "--learning-starts", 100, "--json")
    answer = strict(out)
    assert (code, err) == (0, APPLE)
    assert {"run", "agent", "seeds", "steps", "seconds", "steps_per_second"} <= answer.keys()
    assert (answer["agent"], answer["seeds"], answer["steps"]) == ("dqn", 2, 200)
    assert (Path(answer["run"]) / "manifest.json").is_file()
    assert "evaluation" not in answer


def test_a_training_that_ends_before_its_first_update_says_so(cli: Cli) -> None:
    for where in (SMALL, ("--env", "navigation?limit=5", "--seeds", 1, "--steps", 20)):
        answer = cli("train", "dqn" if where is SMALL else "ppo", *where)
        assert answer.code == 0
        assert "nothing was learned" in answer.err and "--steps" in answer.err
        assert answer.out.splitlines()[-1].startswith("Run: runs/")  # no advice to test it, no evaluation


def test_the_json_of_training_elsewhere_has_an_evaluation(cli: Cli) -> None:
    code, out, err = cli("train", "a2c", "--env", "gym:CartPole-v1", "--steps", 64, "--seeds", 2, "--json")
    evaluation = strict(out)["evaluation"]
    assert (code, err) == (0, "")
    assert len(evaluation["members"]) == 2
    assert evaluation["median"] == pytest.approx(sum(evaluation["members"]) / 2)
    assert evaluation["iqr"] >= 0
    name = strict(cli("runs", "list", "--json").out)["runs"][0]["name"]
    refused = cli("report", name)
    assert refused.code == 2
    assert f"{name} was trained on gym:CartPole-v1" in refused.err


def test_the_json_of_a_backtest_has_the_promised_keys(cli: Cli, run: tradebot.Run) -> None:
    code, out, err = cli(
        "backtest", run.folder, "--baselines", "buy_and_hold, flat", "--out", "new", "--json"
    )
    answer = strict(out)
    assert (code, err) == (0, APPLE)
    assert {"ensemble", "members", "baselines", "span", "in_sample", "files"} <= answer.keys()
    assert list(answer["baselines"]) == ["buy_and_hold", "flat"]
    for account in (answer["ensemble"], *answer["members"], *answer["baselines"].values()):
        assert account.keys() >= METRICS.keys()
        assert list(account["ci"]) == list(RESAMPLED)
    low, high = answer["baselines"]["buy_and_hold"]["ci"]["sharpe"]
    assert low < answer["baselines"]["buy_and_hold"]["sharpe"] < high
    assert answer["baselines"]["flat"]["ci"]["total_return"] == [None, None]
    assert list(answer["difference"]) == list(RESAMPLED) and list(answer["iqm"]) == list(METRICS)
    assert answer["difference"]["cagr"]["value"] == pytest.approx(
        answer["ensemble"]["cagr"] - answer["baselines"]["buy_and_hold"]["cagr"]
    )
    assert answer["iqm"]["cagr"] == {
        "value": pytest.approx(sum(member["cagr"] for member in answer["members"]) / 2),
        "ci": [None, None],  # two seeds are too few
    }
    wealth = math.log1p(answer["ensemble"]["total_return"]) / math.log1p(answer["oracle_return"])
    assert answer["captured"] == pytest.approx(wealth)
    assert [member["name"] for member in answer["members"]] == ["seed 0", "seed 1"]
    assert answer["name"] == "small"
    assert answer["span"] == {"start": "2010-01-04T00:00:00", "end": "2013-03-01T00:00:00", "bars": 795}
    assert answer["in_sample"] is False
    assert answer["baselines"]["flat"]["sharpe"] is None  # NaN is not JSON
    assert all(Path(path).is_file() for path in answer["files"].values())
    assert strict(Path("new/metrics.json").read_text()) == answer


@pytest.mark.parametrize(
    ("words", "key"),
    [
        (("runs", "list"), "runs"),
        (("prices", "list"), "symbols"),
        (("prices", "show", "AAPL"), "fingerprint"),
        (("prices", "check", "AAPL"), "ok"),
        (("ledger",), "trials"),
        (("agents",), "agents"),
        (("envs",), "environments"),
    ],
)
def test_commands_that_a_program_might_read_print_one_json_object(
    cli: Cli, words: tuple[str, ...], key: str
) -> None:
    code, out, err = cli(*words, "--json")
    assert (code, err) == (0, "")
    assert key in strict(out)
    assert cli(*words).out != out


def test_agents_say_what_they_need_and_where_they_come_from(cli: Cli) -> None:
    agents = strict(cli("agents", "--json").out)["agents"]
    assert [agent["name"] for agent in agents] == list(CONFIGS)
    observed, acted = (
        Box(np.zeros(1), np.ones(1)),
        {"discrete": Discrete(2), "continuous": Box(*2 * [np.ones(1)])},
    )
    for told in agents:
        config = CONFIGS[told["name"]]()
        for actions in told["actions"].split(", "):
            feed = create(config, observed, acted[actions], [0], 1).feed
            assert told["feed"] == type(feed).__name__.lower()
        assert told["source"].split()[-1].isdigit() and told["source"] in told["summary"]
        assert told["hyperparameters"].keys() == type(config).model_fields.keys() - {"name"}


def test_a_rule_is_tested_with_costs_from_the_flags(cli: Cli) -> None:
    words = ("backtest", "sma_cross", "--symbols", "AAPL", "--start", 2010, "--json", "--cash", 5000)
    free = strict(cli(*words, "--commission-bps", 0, "--half-spread-bps", 0).out)
    paid = strict(cli(*words, "--commission-bps", 50).out)
    assert (free["cash"], free["ensemble"]["fees"]) == (5000, 0)
    assert paid["costs"] == Costs(commission_bps=50).model_dump()
    assert paid["ensemble"]["fees"] > 0
    assert sorted(path.name for path in Path("backtests").iterdir()) == [
        "sma_cross-AAPL-20100104-20130301",
        "sma_cross-AAPL-20100104-20130301-2",
    ]


def test_prices_are_checked_for_bars_that_a_symbol_lacks(cli: Cli) -> None:
    rows = [
        f"2020-01-0{day},{name},1,2,1,1.{day}"
        for name, days in (("A", (2, 3, 6)), ("B", (2, 6)))
        for day in days
    ]
    Path("both.csv").write_text("\n".join(["date,symbol,open,high,low,close", *rows]))
    code, out, err = cli("prices", "check", "both.csv")
    assert (code, err) == (0, "")
    read, *told = out.splitlines()
    assert read.startswith("Read as text, parted by ',': date <- 'date'; symbol <- 'symbol'; open <- 'open'")
    assert told[:2] == [
        "both.csv: 3 bars of A, B, 2020-01-02 .. 2020-01-06: usable",
        "Missing, so held at the last close: 1 of B",
    ]
    answer = strict(cli("prices", "check", "both.csv", "--json").out)
    assert answer["missing"] == {"B": 1} and answer["ok"] is True
    (one,) = answer["findings"]
    assert (one["check"], one["severity"], one["symbol"]) == ("missing_sessions", "warning", "B")
    assert (one["count"], one["first"], one["examples"]) == (1, "2020-01-03", ["2020-01-03"])


@pytest.fixture
def unadjusted(cli: Cli, prices: pd.DataFrame) -> pd.DataFrame:
    """mine.csv: a split at row 100 that nobody adjusted for, one row twice."""
    table = prices.assign(date=prices["date"])
    table.loc[100:, ["open", "high", "low", "close"]] /= 2
    table = pd.concat([table, table.iloc[[7]]])
    table.to_csv("mine.csv", index=False)
    return table


def test_errors_in_prices_stop_what_would_be_wrong_and_say_where_to_look(
    cli: Cli, unadjusted: pd.DataFrame
) -> None:
    unadjusted.drop_duplicates().to_csv("mine.csv", index=False)
    when = unadjusted["date"][100]
    for words in (("backtest", "flat"), ("train", "a2c", "--steps", 10)):
        code, out, err = cli(*words, "--data", "mine.csv")
        assert (code, out) == (2, "") and len(err.splitlines()) == 1
        assert f"MINE: {when}" in err and "split of 2 for 1" in err
        assert "`tradebot prices check mine.csv` shows all" in err
    assert not Path("runs").exists() and not Path("backtests").exists()


def test_prices_with_errors_are_shown_drawn_and_repaired_where_there_is_no_doubt(
    cli: Cli, unadjusted: pd.DataFrame
) -> None:
    before = Path("mine.csv").read_bytes()
    code, out, err = cli("prices", "check", "mine.csv", "--repair", "new.parquet", "--picture", "new.png")
    assert code == 2 and "splits (1)" in err and "duplicates" not in err
    assert "dropped 1 row, there twice" in out and "Written: new.parquet" in out
    assert Path("new.png").read_bytes().startswith(b"\x89PNG")
    assert Path("mine.csv").read_bytes() == before
    answer = cli("prices", "check", "mine.csv", "--json")
    found = {(one["check"], one["severity"]) for one in strict(answer.out)["findings"]}
    assert answer.code == 2 and {("duplicates", "error"), ("splits", "error")} <= found
    assert strict(answer.out)["ok"] is False
    again = cli("prices", "check", "mine.csv", "--repair", "mine.csv")
    assert again.code == 2 and "exists already" in again.err and Path("mine.csv").read_bytes() == before
    assert "must end in .png" in cli("prices", "check", "AAPL", "--picture", "x.pdf").err
    assert "unknown exchange 'XNIS'" in cli("prices", "check", "AAPL", "--exchange", "XNIS").err


def test_a_runs_own_config_gives_the_same_weights_again(cli: Cli) -> None:
    assert cli("train", "a2c", *SMALL, "--seed", 3, "--hidden", "8,4", "--name", "one").code == 0
    assert cli("train", "a2c", "--config", "runs/one/config.toml", "--name", "two").code == 0
    one, two = Path("runs/one"), Path("runs/two")
    for name in ("agent.safetensors", "config.toml", "events.jsonl"):
        assert (one / name).read_bytes() == (two / name).read_bytes()
    assert cli("train", "a2c", *SMALL, "--seed", 4, "--hidden", "8,4", "--name", "three").code == 0
    assert Path("runs/three/agent.safetensors").read_bytes() != (one / "agent.safetensors").read_bytes()


def test_a_flag_goes_before_the_file_and_the_file_before_the_default(cli: Cli) -> None:
    Path("my.toml").write_text('[run]\nsteps = 40\nseeds = 2\n[market]\nsymbols = ["AAPL"]\ndata = ""\n')
    assert cli("train", "a2c", "--config", "my.toml", "--seeds", 1, "--name", "x").code == 0
    config = strict(cli("runs", "show", "x", "--json").out)["config"]
    assert (config["run"]["steps"], config["run"]["seeds"], config["run"]["seed"]) == (40, 1, 0)


def test_names_are_never_cut_and_a_pipe_has_no_width(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    name = "a-name-that-is-longer-than-most-" + "x" * 80
    assert cli("train", "a2c", *SMALL, "--name", name).code == 0
    folded = cli("runs", "list").out
    assert max(map(len, folded.splitlines())) <= 80
    assert "…" not in folded and folded.count("x") == 80
    monkeypatch.delenv("COLUMNS")
    assert name in cli("runs", "list").out


def test_one_damaged_run_does_not_hide_the_others(cli: Cli) -> None:
    assert cli("train", "a2c", *SMALL, "--name", "good").code == 0
    Path("runs/bad").mkdir()
    Path("runs/bad/manifest.json").write_text("{}")
    code, out, err = cli("runs", "list", "--json")
    assert code == 0
    assert [item["name"] for item in strict(out)["runs"]] == ["good"]
    assert "runs/bad" in err and err.count("\n") == 1


def test_the_demo_compares_three_agents_and_never_overwrites(
    cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(demonstration, "STEPS", 64)
    monkeypatch.setattr(demonstration, "SEEDS", 2)
    Path("demo").mkdir()
    code, out, err = cli("demo")
    assert (code, err) == (0, "")
    assert out.splitlines()[-1] == "Report: demo-2/report.html"
    assert all(f"{agent}: ensemble of 2" in out for agent in ("dqn", "ppo", "a2c"))
    assert all(rule in out for rule in ("buy_and_hold", "flat", "sma_cross", "momentum"))
    made = {path.name for path in Path("demo-2").iterdir()}
    assert {"dqn", "ppo", "a2c", "comparison.png", "report.html", "metrics.json", "a2c-trades.csv"} <= made
    page = Path("demo-2/report.html").read_text()
    assert "a2c-trades.csv</caption>" in page
    for command in ("demo", "train dqn --symbols AAPL", "backtest demo-2/ppo"):
        assert f"<pre>tradebot {command}" in page
    told = strict(Path("demo-2/metrics.json").read_text())
    assert told.keys() == {"dqn", "ppo", "a2c"}
    assert len({each["verdict"]["trials"] for each in told.values()}) == 1
    again = cli("backtest", "demo-2/dqn", "--json")
    assert again.code == 0
    assert {path.name for path in Path().iterdir()} == {"demo", "demo-2"}
