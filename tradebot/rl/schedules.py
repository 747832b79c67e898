"""How a hyperparameter changes over a training."""

from __future__ import annotations

from typing import Literal

Schedule = Literal["constant", "linear"]


def scheduled(first: float, schedule: Schedule, seen: int, steps: int) -> float:
    """The value after `seen` of `steps` transitions: always `first`, or falling linearly from it to zero."""
    return first if schedule == "constant" else first * max(0.0, 1 - seen / steps)
