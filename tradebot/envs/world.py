"""What environments other than trading have beside `tradebot.core.Env`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from tradebot.core import Array, Env

Snapshot = Mapping[str, Any]  # plain facts of one environment, to be drawn: see `drawing`


class World(Env, Protocol):
    """It ends its episodes itself, by its task or after a time."""

    @property
    def time_limit(self) -> int | None: ...  # steps after which an episode is cut off; None: unknown

    @property
    def arrived(self) -> Array | None: ...  # [E] bool: the last step came to a goal; None: there is none

    def snapshot(self, e: int, *, left: bool = False) -> Snapshot:
        """Environment e as it is; `left`: as `Step.next_obs` showed it.

        Where an episode has just ended `left` gives what its last step changed, and perhaps `outcome`, how it
        ended in a word; the rest stands in the snapshot before.
        """
        ...
