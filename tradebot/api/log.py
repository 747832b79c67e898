"""What is kept of a training: a line for each of LINES spans of it, however long it is."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tradebot.core import Array, State
from tradebot.rl.loop import Event

LINES = 200


class Log:
    """Per span and member: how many episodes ended, the mean of their returns, the last losses."""

    def __init__(
        self,
        members: int,
        steps: int,  # transitions of each member in the whole training
        scale: Array | float,  # [M] or one for all: what a return is divided by to have its unit
    ) -> None:
        self._span = steps / LINES
        self._scale = np.broadcast_to(scale, members)
        self._total = np.zeros(members)
        self._episodes = np.zeros(members, dtype=np.int64)
        self._losses: Mapping[str, Array] = {}
        self._spans = 0  # completed so far
        self._lines: list[dict[str, Any]] = []

    def add(self, event: Event) -> bool:
        """Whether the event has completed a span."""
        if len(event.member):
            np.add.at(self._total, event.member, event.episode_return / self._scale[event.member])
            np.add.at(self._episodes, event.member, 1)
        if event.metrics is not None:
            self._losses = event.metrics
        spans = int(event.step / self._span)
        if spans == self._spans:
            return False
        self._spans = spans
        self._close(event.step)
        return True

    def lines(self) -> list[dict[str, Any]]:
        """The spans in which something happened: step, episodes [M], return [M] and each loss [M]."""
        return list(self._lines)

    def state_dict(self) -> State:
        return {
            "total": self._total.copy(),
            "episodes": self._episodes.copy(),
            "losses": dict(self._losses),
            "spans": self._spans,
            "lines": json.dumps(self._lines),  # NaN stays what it is
        }

    def load_state_dict(self, state: State) -> None:
        self._total[:] = state["total"]
        self._episodes[:] = state["episodes"]
        self._losses = state.get("losses", {})
        self._spans = state["spans"]
        self._lines = json.loads(state["lines"])

    def _close(self, step: int) -> None:
        line: dict[str, Any] = {}
        if self._episodes.any():
            nothing = np.full_like(self._total, np.nan)
            mean = np.divide(self._total, self._episodes, out=nothing, where=self._episodes > 0)
            line |= {"episodes": self._episodes.tolist(), "return": _rounded(mean)}
        line |= {name: _rounded(values) for name, values in sorted(self._losses.items())}
        if line:
            self._lines.append({"step": step, **line})
        self._total[:], self._episodes[:], self._losses = 0.0, 0, {}


def merged(parts: Sequence[list[dict[str, Any]]], members: Sequence[int]) -> list[dict[str, Any]]:
    """The lines of a population from those of its parts, each of so many members."""
    by_step = [{line["step"]: line for line in part} for part in parts]
    lines = []
    for step in sorted(set().union(*by_step)):
        found = [part.get(step, {}) for part in by_step]
        line: dict[str, Any] = {"step": step}
        if any("episodes" in part for part in found):
            for name, nothing in (("episodes", 0), ("return", math.nan)):
                pairs = zip(found, members, strict=True)
                line[name] = [value for part, m in pairs for value in part.get(name, [nothing] * m)]
        losses = sorted(found[0].keys() - {"step", "episodes", "return"})
        lines.append(line | {name: [value for part in found for value in part[name]] for name in losses})
    return lines


def _rounded(values: Array) -> list[float]:
    """Six digits: more would only make the file larger."""
    return [float(f"{value:.6g}") for value in values]
