"""What a source of prices is: somebody who can be asked for the rows of one symbol."""

from __future__ import annotations

from contextlib import AbstractContextManager
from datetime import date
from typing import NamedTuple, Protocol

import numpy as np
import pandas as pd

from tradebot.core import Array

NOTHING = np.array([], "datetime64[us]")


class Answer(NamedTuple):
    """Rows of one symbol."""

    frame: pd.DataFrame  # store.COLUMNS, by date
    dropped: Array = NOTHING  # [n] datetime64[us]: when the source had rows without prices
    retries: int = 0  # how often it had to be asked again


class Source(Protocol):
    """Where prices come from. Threads may ask it at once, inside of `opened`."""

    @property
    def oldest(self) -> date: ...  # the first day that it can be asked for
    @property
    def jobs(self) -> int: ...  # how many may ask at once, where nobody says how many
    def opened(self) -> AbstractContextManager[object]: ...
    def interval(self, symbol: str) -> str: ...
    def read(self, symbol: str, start: date | None, end: date) -> Answer: ...
