"""What the command line and notebooks call: fetch, load, train, backtest, report; results show themselves.

The only place that sees every part, and where a name (`AAPL`, `synthetic:...`, a path) becomes Bars.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

import tradebot.envs  # noqa: F401 (registers them)

if TYPE_CHECKING:
    from tradebot.api.backtesting import backtest
    from tradebot.api.demonstration import demo
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
    "fetch",
    "load",
    "open_run",
    "report",
    "resume",
    "signal",
    "train",
]
_PLACES = {
    "BacktestResult": "tradebot.api.result",
    "FetchResult": "tradebot.api.fetching",
    "InputError": "tradebot.core",
    "Run": "tradebot.api.run",
    "Signal": "tradebot.api.signalling",
    "backtest": "tradebot.api.backtesting",
    "demo": "tradebot.api.demonstration",
    "fetch": "tradebot.api.fetching",
    "load": "tradebot.api.prices",
    "open_run": "tradebot.api.run",
    "report": "tradebot.api.reporting",
    "resume": "tradebot.api.training",
    "signal": "tradebot.api.signalling",
    "train": "tradebot.api.training",
}


def __getattr__(name: str) -> Any:
    """Load what is used: a process that only trains needs nothing of what draws."""
    if name in _PLACES:
        return getattr(import_module(_PLACES[name]), name)
    raise AttributeError(f"module 'tradebot.api' has no attribute {name!r}")
