"""What the command line and notebooks call: fetch, load, train, backtest, report; results show themselves.

The only place that sees every part, and where a name (`AAPL`, `synthetic:...`, a path) becomes Bars.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

import tradebot.envs  # noqa: F401 (registers them)

if TYPE_CHECKING:
    from tradebot.api.auditing import AuditResult, audit
    from tradebot.api.backtesting import backtest
    from tradebot.api.bookkeeping import LedgerResult, ledger, seal
    from tradebot.api.demonstration import demo
    from tradebot.api.evaluating import evaluate
    from tradebot.api.fetching import FetchResult, fetch
    from tradebot.api.nulltesting import NullTestResult, null_test
    from tradebot.api.playing import Play, play
    from tradebot.api.prices import load
    from tradebot.api.reporting import report
    from tradebot.api.result import BacktestResult
    from tradebot.api.run import Run, open_run
    from tradebot.api.signalling import Signal, signal
    from tradebot.api.training import resume, train
    from tradebot.api.walking import walk_forward
    from tradebot.core import InputError

__all__ = [
    "AuditResult",
    "BacktestResult",
    "FetchResult",
    "InputError",
    "LedgerResult",
    "NullTestResult",
    "Play",
    "Run",
    "Signal",
    "audit",
    "backtest",
    "demo",
    "evaluate",
    "fetch",
    "ledger",
    "load",
    "null_test",
    "open_run",
    "play",
    "report",
    "resume",
    "seal",
    "signal",
    "train",
    "walk_forward",
]
_PLACES = {
    "AuditResult": "tradebot.api.auditing",
    "BacktestResult": "tradebot.api.result",
    "FetchResult": "tradebot.api.fetching",
    "InputError": "tradebot.core",
    "LedgerResult": "tradebot.api.bookkeeping",
    "NullTestResult": "tradebot.api.nulltesting",
    "Play": "tradebot.api.playing",
    "Run": "tradebot.api.run",
    "Signal": "tradebot.api.signalling",
    "audit": "tradebot.api.auditing",
    "backtest": "tradebot.api.backtesting",
    "demo": "tradebot.api.demonstration",
    "evaluate": "tradebot.api.evaluating",
    "fetch": "tradebot.api.fetching",
    "ledger": "tradebot.api.bookkeeping",
    "load": "tradebot.api.prices",
    "null_test": "tradebot.api.nulltesting",
    "open_run": "tradebot.api.run",
    "play": "tradebot.api.playing",
    "report": "tradebot.api.reporting",
    "resume": "tradebot.api.training",
    "seal": "tradebot.api.bookkeeping",
    "signal": "tradebot.api.signalling",
    "train": "tradebot.api.training",
    "walk_forward": "tradebot.api.walking",
}


def __getattr__(name: str) -> Any:
    """Load what is used: a process that only trains needs nothing of what draws."""
    if name in _PLACES:
        return getattr(import_module(_PLACES[name]), name)
    raise AttributeError(f"module 'tradebot.api' has no attribute {name!r}")
