"""What the command line and notebooks call: fetch, load, train, backtest, report; results show themselves.

The only place that sees every part, and where a name (`AAPL`, `synthetic:...`, a path) becomes Bars.
"""

from __future__ import annotations

from tradebot.api.backtesting import backtest
from tradebot.api.demonstration import demo
from tradebot.api.evaluating import evaluate
from tradebot.api.fetching import FetchResult, fetch
from tradebot.api.prices import load
from tradebot.api.reporting import report
from tradebot.api.result import BacktestResult
from tradebot.api.run import Run, open_run
from tradebot.api.signalling import Signal, signal
from tradebot.api.training import resume, train
from tradebot.core import InputError

__all__ = [
    "BacktestResult",
    "FetchResult",
    "InputError",
    "Run",
    "Signal",
    "backtest",
    "demo",
    "evaluate",
    "fetch",
    "load",
    "open_run",
    "report",
    "resume",
    "signal",
    "train",
]
