"""What environments other than trading have beside `tradebot.core.Env`."""

from __future__ import annotations

from typing import Protocol

from tradebot.core import Env


class World(Env, Protocol):
    """It ends its episodes itself, by its task or after a time."""

    @property
    def time_limit(self) -> int | None: ...  # steps after which an episode is cut off; None: unknown
