"""Train reinforcement-learning agents to trade, and say honestly whether they would have made money.

>>> import tradebot
>>> run = tradebot.train("ppo", symbols="AAPL", end="2009-12-31", steps=50_000, seeds=4)
>>> tradebot.backtest(run)
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tradebot.api import (
        AuditResult,
        BacktestResult,
        FetchResult,
        InputError,
        LedgerResult,
        NullTestResult,
        Play,
        Run,
        Signal,
        audit,
        backtest,
        demo,
        evaluate,
        fetch,
        ledger,
        load,
        null_test,
        open_run,
        play,
        report,
        resume,
        seal,
        signal,
        train,
        walk_forward,
    )

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


def __getattr__(name: str) -> Any:
    """Load the api when it is first used, so that the command line answers at once."""
    if name in __all__:
        from tradebot import api

        return getattr(api, name)
    raise AttributeError(f"module 'tradebot' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__


class _Package(ModuleType):
    """Two functions are called as the packages that they use: the import of a package must not hide them."""

    def __setattr__(self, name: str, value: Any) -> None:
        if not (name in __all__ and isinstance(value, ModuleType)):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package

if "gymnasium" in sys.modules:  # else it learns of our environments when the api is first used
    import tradebot.envs  # noqa: F401 (registers them)
