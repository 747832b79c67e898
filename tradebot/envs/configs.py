"""The settings of our environments, free of numba: `--env NAME?key=value` and its help are read from here."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from tradebot.config import Config


class RingConfig(Config):
    """States in a circle: +1 for a step to a state with a higher number, -1 for anything else."""

    states: int = Field(10, ge=3, le=10_000, description="How many there are")
    limit: int = Field(100, ge=1, description="Steps after which an episode is cut off")


class NavigationConfig(Config):
    """A point robot that looks for its goal among rectangular obstacles."""

    size: float = Field(100.0, ge=40, le=1_000, description="Side of the square map")
    obstacles: int = Field(10, ge=0, le=1_000, description="How many there are, with sides of 5 to 15")
    rays: int = Field(16, ge=1, le=360, description="Directions in which the robot sees how far it is free")
    reach: float = Field(25.0, gt=0, le=1_000, description="How far it sees, in units of length")
    limit: int = Field(100, ge=1, description="Steps after which an episode is cut off")
    map: int | None = Field(
        None,
        ge=0,
        description="Number of a map whose obstacles stay; start and goal are still drawn (default: new"
        " obstacles in every episode)",
    )

    @model_validator(mode="after")
    def _leave_room(self) -> Self:
        most = int(
            0.005 * self.size**2
        )  # with 100 units of area each on average, they cover half of it at most
        if self.obstacles > most:
            raise ValueError(f"obstacles: at most {most} on a map of size {self.size:g}")
        return self
