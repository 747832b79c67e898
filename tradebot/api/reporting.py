"""The report of a run: the page of its latest backtest, which is made first if there is none."""

from __future__ import annotations

from pathlib import Path

from tradebot.api.backtesting import backtest
from tradebot.api.run import Run, open_run
from tradebot.core import InputError


def report(run: str | Path | Run) -> Path:
    """Where the page lies. Raises InputError if it is not a run that can be backtested."""
    run = run if isinstance(run, Run) else open_run(run)
    pages = run.folder.glob("backtests/*/report.html")
    finished = [page for page in pages if not page.parent.name.startswith(".")]
    latest = max(finished, key=lambda page: page.stat().st_mtime_ns, default=None)
    if not latest and (study := run.experiment.command) != "train":
        raise InputError(f"{run.name} was not tested yet: tradebot {study} --resume {run.folder} does it")
    return latest or backtest(run, command=f"tradebot backtest {run.folder}").files["report.html"]
