"""What the command line and notebooks call: load, train, backtest, report, and results that show themselves.

The only place that sees every part, and where a name (`AAPL`, `synthetic:...`, a path) becomes Bars.
"""

from __future__ import annotations

from tradebot.api.backtesting import BacktestResult, backtest
from tradebot.api.demo import demo
from tradebot.api.prices import load
from tradebot.api.reporting import report
from tradebot.api.training import Run, open_run, train

__all__ = ["BacktestResult", "Run", "backtest", "demo", "load", "open_run", "report", "train"]
