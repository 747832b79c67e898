"""The report of a run: the page of its latest backtest, which is made first if there is none."""

from __future__ import annotations

from pathlib import Path

from tradebot.api.backtesting import backtest
from tradebot.api.result import BacktestResult
from tradebot.api.run import Run, open_run
from tradebot.core import InputError


def report(run: str | Path | Run) -> Path:
    """Where the page lies. Raises InputError if it is not a run that can be backtested.

    A run that was never tested is tested now, which is a look on record as any backtest.
    """
    run = run if isinstance(run, Run) else open_run(run)
    return latest(run) or first_test(run).files["report.html"]


def latest(run: Run) -> Path | None:
    """The page of the latest backtest; None if there is none yet."""
    pages = run.folder.glob("backtests/*/report.html")
    finished = [page for page in pages if not page.parent.name.startswith(".")]
    return max(finished, key=lambda page: page.stat().st_mtime_ns, default=None)


def first_test(run: Run) -> BacktestResult:
    """The backtest of a run that has none. Raises InputError for what `backtest` cannot test."""
    if (study := run.experiment.command) != "train":
        raise InputError(f"{run.name} was not tested yet: tradebot {study} --resume {run.folder} does it")
    return backtest(run, command=f"tradebot backtest {run.folder}")
