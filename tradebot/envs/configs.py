"""The settings of our environments, free of numba: `--env NAME?key=value` and its help are read from here."""

from __future__ import annotations

from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator

from tradebot.config import Config

MOST_STATES = 10**9  # that a grid may number


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


class GameConfig(Config):
    """A matrix game of two that is played once an episode."""

    agents: ClassVar[int] = 2


class PenaltyConfig(GameConfig):
    """The penalty game: 10, 2 or 10 for those who agree, k for those who miss each other at the tens."""

    k: float = Field(-100.0, le=0, description="What the two are paid who choose different tens")


class MultiAgentConfig(Config):
    """Agents that meet on a square, or spread over landmarks (the setting of simple_spread_v3)."""

    task: Literal["rendezvous", "spread"] = Field(
        "rendezvous", description="rendezvous: come together; spread: cover as many landmarks, do not collide"
    )
    form: Literal["plane", "grid"] = Field(
        "plane", description="plane, or grid: cells with numbered states, for learners by table"
    )
    agents: int = Field(2, ge=2, le=64, description="How many there are")
    limit: int = Field(25, ge=1, description="Steps after which an episode is cut off")
    speed: float = Field(
        0.1, gt=0, le=2, description="Longest step of a rendezvous in each direction; a side is 2 long"
    )
    width: int = Field(5, ge=2, le=1000, description="Cells on a side of the grid")

    @model_validator(mode="after")
    def _check_form(self) -> Self:
        if self.form == "grid" and self.task == "spread":
            raise ValueError("task=spread has no form=grid: take form=plane, or task=rendezvous")
        own = {"plane": "speed", "grid": "width"}
        for form, name in own.items():
            is_default = getattr(self, name) == type(self).model_fields[name].default
            if form != self.form and not is_default:
                raise ValueError(f"{name} belongs to form={form}: leave it out, or take form={form}")
        if self.form == "grid" and self.states > MOST_STATES:
            raise ValueError(
                f"{self.agents} agents on a grid {self.width} wide see too many states: take fewer"
            )
        return self

    @property
    def states(self) -> int:
        """What one agent can see of the others on a grid: the offsets to each of them."""
        return int((2 * self.width - 1) ** (2 * (self.agents - 1)))
