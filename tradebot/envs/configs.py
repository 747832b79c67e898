"""The settings of our environments, free of numba: `--env NAME?key=value` and its help are read from here."""

from __future__ import annotations

from pydantic import Field

from tradebot.config import Config


class RingConfig(Config):
    """States in a circle: +1 for a step to a state with a higher number, -1 for anything else."""

    states: int = Field(10, ge=3, le=10_000, description="How many there are")
    limit: int = Field(100, ge=1, description="Steps after which an episode is cut off")
