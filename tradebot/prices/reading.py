"""What the text of a price file leaves open. Free of pandas, so that flags can be read from it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal
from zoneinfo import ZoneInfo, available_timezones

from pydantic import Field, field_validator

from tradebot.config import Config, suggestion


class ReadConfig(Config):
    """Answers to what a price file does not say itself; where it does, they change nothing."""

    dates: Literal["day-first", "month-first"] | None = Field(
        None,
        description="How a price file writes 02/03/2009: day-first or month-first"
        " (default: what all its rows together allow; where that is both, it is asked)",
    )
    decimal: Literal["point", "comma"] | None = Field(
        None,
        description="The decimal sign of a price file, point or comma; the other one parts thousands"
        " (default: what all its numbers together allow; where that is both, it is asked)",
    )
    timezone: str = Field(
        "UTC",
        description="Time zone of times within the day that a price file gives without one, e.g."
        " America/New_York",
    )

    @field_validator("timezone")
    @classmethod
    def _known(cls, name: str) -> str:
        return known_zone(name)


def known_zone(name: str) -> str:
    """The name of a time zone as it is. Raises ValueError, with what was meant, if there is none."""
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):  # KeyError: no such zone; OSError: a folder of zones
        near = suggestion(name, available_timezones()).partition(": choose")[0]
        raise ValueError(
            f"unknown time zone {name!r:.80}{near or ': write it as America/New_York or UTC'}"
        ) from None
    return name


def told(columns: Mapping[str, str]) -> str:
    """How each column of a file was read, in a line: `text: date <- 'Date' (month first); ...`."""
    about = {"ignored", "left out"}
    parts = [
        f"{what}{': ' if what in about else ' <- '}{origin}"
        for what, origin in columns.items()
        if what != "file"
    ]
    return f"Read as {columns['file']}: {'; '.join(parts)}"


AS_WRITTEN = ReadConfig()  # nothing is said, so that the file must say it
