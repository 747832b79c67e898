"""A figure that shows itself in a notebook."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from matplotlib.figure import Figure

from tradebot import files
from tradebot.report import plots


@dataclass(frozen=True)
class Picture:
    """A matplotlib figure; `figure` is there to be changed, `save` writes a PNG."""

    figure: Figure

    def save(self, path: str | Path) -> None:
        files.write_bytes(Path(path), plots.png(self.figure))

    def _repr_png_(self) -> bytes:
        return plots.png(self.figure)
