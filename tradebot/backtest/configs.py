"""How a walk-forward is cut into folds.

Free of numba and pandas, so that flags can be read from it.
"""

from __future__ import annotations

import re
from typing import Literal, NamedTuple

from pydantic import Field, field_validator

from tradebot.config import Config
from tradebot.core import InputError

_UNITS = {  # as it is written -> the unit
    **dict.fromkeys(("y", "year", "years"), "years"),
    **dict.fromkeys(("mo", "month", "months"), "months"),
    **dict.fromkeys(("w", "week", "weeks"), "weeks"),
    **dict.fromkeys(("d", "day", "days"), "days"),
    **dict.fromkeys(("", "b", "bar", "bars"), "bars"),
}


class Length(NamedTuple):
    """A stretch of time: so many years, months, weeks or days of the calendar, or bars."""

    n: int
    unit: str

    def __str__(self) -> str:
        return f"{self.n} {self.unit.removesuffix('s') if self.n == 1 else self.unit}"


def length(text: str) -> Length:
    """Of "5y", "6mo", "3w", "30d", "250bars" or "250". Raises InputError."""
    found = re.fullmatch(r"(\d{1,6})\s*([a-z]*)", text.strip().lower())
    if not found or found[2] not in _UNITS or int(found[1]) == 0:
        raise InputError(f"{text!r} is not a length of time: write it as 5y, 6mo, 3w, 30d or 250bars")
    return Length(int(found[1]), _UNITS[found[2]])


class WalkForwardConfig(Config):
    """Folds that follow each other: each is trained on the past of the bars that it is tested on."""

    folds: int = Field(5, ge=1, le=500, description="Folds, each trained anew and tested on the bars after")
    train: str = Field("5y", description="What a fold is trained on: 5y, 6mo, 3w, 30d or 250bars")
    test: str = Field("1y", description="What it is tested on; the next fold's test follows at once")
    expanding: bool = Field(
        False,
        description="Train each fold on all bars before its test, of which --train is the least; rolling: on"
        " those of --train alone",
        json_schema_extra={"off": "rolling"},
    )
    embargo: int = Field(
        0,
        ge=0,
        le=100_000,
        description="Bars left out between training and test, beside the one that always is",
    )
    seams: Literal["carried", "closed"] = Field(
        "carried",
        description="Positions at the end of a fold's test: carried to the next fold, or closed at its first"
        " open, for which is paid",
    )

    @field_validator("train", "test")
    @classmethod
    def _is_a_length(cls, text: str) -> str:
        length(text)
        return text
