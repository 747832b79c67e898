"""The report of a run: the page of its latest backtest, which is made first if there is none."""

from __future__ import annotations

from pathlib import Path

from tradebot.api.backtesting import backtest
from tradebot.api.training import Run, open_run


def report(run: str | Path | Run) -> Path:
    """Where the page lies. Raises InputError if it is not a run that can be backtested."""
    run = run if isinstance(run, Run) else open_run(str(run))
    pages = run.folder.glob("backtests/*/report.html")
    latest = max(pages, key=lambda path: path.stat().st_mtime_ns, default=None)
    return latest or backtest(run, command=f"tradebot backtest {run.folder}").files["report.html"]
