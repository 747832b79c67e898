"""The command line called in this process, and one small run that the tests share."""

import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import pytest

import tradebot
from tests.e2e.fetching import lead_to
from tests.fake_yahoo import FakeYahoo, fake_yahoo
from tradebot.cli import main
from tradebot.prices.sources import retrying


class Answer(NamedTuple):
    code: int
    out: str
    err: str


Cli = Callable[..., Answer]
APPLE = (  # what every command says that trades AAPL of the sample
    "tradebot: prices of sample are worth a look: stale (1), splits (1); the first: AAPL: 2003-01-29: 2 bars"
    " of the same prices, close 14.58 (`tradebot prices check AAPL --data sample` shows all)\n"
)


@pytest.fixture
def cli(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Iterator[Cli]:
    """`tradebot WORDS` in an empty folder, on a terminal of 80 columns."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    before = signal.getsignal(signal.SIGTERM)

    def call(*words: object) -> Answer:
        monkeypatch.setattr(sys, "argv", ["tradebot", *map(str, words)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as left:
            main()
        return Answer(int(left.value.code or 0), *capsys.readouterr())

    yield call
    signal.signal(signal.SIGTERM, before)


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory) -> tradebot.Run:
    """Two members of A2C, hardly trained, on AAPL until 2009. Copy its folder before you change it."""
    out = tmp_path_factory.mktemp("runs")
    return tradebot.train(
        "a2c", symbols="AAPL", end="2009-12-31", steps=400, seeds=2, window=20, out=out, name="small"
    )


@pytest.fixture(scope="session")
def prices() -> pd.DataFrame:
    """300 daily bars of a random walk, as a table that can be damaged."""
    close = 100 * np.exp(np.cumsum(np.random.default_rng(3).normal(0, 0.01, 300)))
    open_ = np.append(close[:1], close[:-1])
    return pd.DataFrame(
        {
            "date": pd.bdate_range("2001-01-01", periods=300).strftime("%Y-%m-%d"),
            "open": open_,
            "high": np.maximum(open_, close),
            "low": np.minimum(open_, close),
            "close": close,
            "volume": 1000.0,
        }
    )


@pytest.fixture(scope="session")
def yahoo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FakeYahoo]:
    """A Yahoo on the loopback. What it does wrong is settled by `cache`."""
    with fake_yahoo(tmp_path_factory.mktemp("certificates")) as made:
        yield made


@pytest.fixture
def cache(yahoo: FakeYahoo, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """An empty one, in a process that is led to the fake Yahoo and does not wait before it asks again."""
    lead_to(yahoo, monkeypatch)
    monkeypatch.setenv("TRADEBOT_CACHE", str(tmp_path / "cache"))
    yahoo.settle()
    monkeypatch.setattr(retrying, "FIRST", 0.0)
    return tmp_path / "cache"
