"""`tradebot audit` as a person uses it: leaks are named with exit code 1, and nothing of ours has any."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import tradebot
from tests.candles import side_by_side, walk, with_actions
from tests.e2e.conftest import Cli
from tradebot.agents.configs import CONFIGS, TabularConfig
from tradebot.market.features import MARKET_FEATURES
from tradebot.prices.bars import Bars
from tradebot.strategies import rules

AAPL = ("--symbols", "AAPL", "--data", "sample")
OWN = """
import numpy as np, pandas as pd

def ahead(bars):
    mean = pd.DataFrame(bars.close).rolling(5, center=True).mean()
    return np.asarray(mean.ffill().bfill()) / bars.close - 1

def honest(bars):
    return np.asarray(pd.DataFrame(bars.close).pct_change(3).fillna(0.0))

def tomorrow(bars):
    return (np.asarray(pd.DataFrame(bars.close).shift(-1)) > bars.close).astype(float)

def trend(bars):
    return (np.asarray(pd.DataFrame(bars.close).rolling(20).mean()) < bars.close).astype(float)
"""


@pytest.fixture
def own(tmp_path: Path) -> Path:
    (path := tmp_path / "own.py").write_text(OWN)
    return path


@pytest.fixture
def prices(tmp_path: Path) -> Path:
    """400 days of a coin."""
    frame = walk(400, seed=1).to_frame()
    frame.insert(0, "symbol", "HAND-USD")
    frame.to_csv(path := tmp_path / "prices.csv")
    return path


def test_a_feature_that_looks_ahead_is_named_and_the_others_are_not(
    cli: Cli, own: Path, prices: Path
) -> None:
    names = f"{own}:ahead,{own}:honest,last_return"
    code, out, err = cli("audit", "--features", names, "--data", prices, "--points", 64)
    assert (code, err) == (1, "")
    (found,) = (line for line in out.splitlines() if line.startswith("FOUND"))
    assert "own.py:ahead looks ahead by 4 bars" in found and "2020-01-01" in found
    assert out.splitlines()[-1] == "Something looks ahead"
    code, out, _ = cli("audit", "ppo", "--features", names, "--data", prices, "--points", 64, "--json")
    answer = json.loads(out)
    assert code == 1 and not answer["ok"]
    assert [one["column"].rpartition("/")[2] for one in answer["findings"]] == ["own.py:ahead"]


def test_a_strategy_is_found_or_passes(cli: Cli, own: Path, prices: Path) -> None:
    code, out, _ = cli("audit", "--strategy", f"{own}:tomorrow", "--data", prices, "--points", 64)
    assert code == 1 and "tomorrow looks ahead by 1 bar or more at 2020-01-0" in out
    code, out, _ = cli("audit", "--strategy", f"{own}:trend", "--data", prices, "--points", 64)
    assert code == 0 and out.splitlines()[-1] == "Nothing looks ahead"


def test_a_run_passes_but_for_a_test_on_its_own_training(cli: Cli, own: Path, prices: Path) -> None:
    run = tradebot.train(
        "a2c",
        data=str(prices),
        end="2020-09",
        steps=200,
        seeds=2,
        features=f"{own}:honest,last_return,position",
        name="run",
    )
    code, out, _ = cli("audit", run.folder, "--points", 16)
    assert code == 0 and "Checked: agent" in out, out
    code, out, _ = cli("audit", run.folder, "--points", 16, "--start", "2020-08")
    assert code == 1
    assert "FOUND test: run was trained on bars that it is tested on at 2020-08-01" in out
    assert out.splitlines()[-1].startswith("Nothing looks ahead, but the test is in-sample")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "say what to audit"),
        (["nothing"], "nothing"),
        (["sma_cross", *AAPL, "--features", "rsi"], "only an agent has them"),
        (["ppo", *AAPL, "--features", "rsj"], "did you mean 'rsi'"),
        (["ppo", *AAPL, "--points", 0], "--points: should be 1 or more"),
        (["flat", "--strategy", "own.py:f", *AAPL], "not both at once"),
        (["own.py:f", *AAPL], "--strategy own.py:f"),
    ],
)
def test_what_cannot_be_audited_is_refused_in_one_line(cli: Cli, words: list[object], message: str) -> None:
    code, out, err = cli("audit", *words)
    assert (code, out) == (2, "") and message in err and err.count("\n") == 1


def saved(bars: Bars, path: Path) -> Path:
    bars.to_frame().to_csv(path)
    return path


def test_no_rule_of_ours_looks_ahead(tmp_path: Path) -> None:
    three = saved(side_by_side(walk(300, seed=1), walk(300, seed=2), walk(300, seed=3)), tmp_path / "3.csv")
    for name in rules.RULES:
        assert tradebot.audit(name, data=str(three), points=24).ok, name
    raw = saved(with_actions(walk(300, seed=3), seed=4), tmp_path / "TEST-USD.csv")
    for name in rules.baselines(1):
        assert tradebot.audit(name, data=str(raw), points=24, prices="raw").ok, name


@pytest.mark.parametrize("agent", CONFIGS)
def test_no_agent_of_ours_looks_ahead(agent: str) -> None:
    weights = agent in ("ddpg", "td3", "sac")
    is_tabular = issubclass(CONFIGS[agent], TabularConfig)
    seen = ("last_return", "position") if is_tabular else ()
    found = tradebot.audit(
        agent,
        data="synthetic:ar1?n=320",
        actions="weights" if weights else "long-short",
        features=seen,
        points=16,
    )
    assert found.ok, found.findings
    assert [one.what for one in found.checked] == ["features", "agent"]
    assert found.checked[0].columns == (1 if is_tabular else len(MARKET_FEATURES))


def test_rows_are_compared_to_the_bit() -> None:
    """What an agent sees and does before the last change of the future, on raw prices of several symbols."""
    found = tradebot.audit("ppo", symbols="AAPL,MSFT", data="sample", prices="raw", points=16, end="2003")
    assert found.ok and np.isfinite(found.bars.close).all(), found.findings
