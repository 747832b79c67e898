"""Pictures of worlds, from the plain facts that they give of themselves (`World.snapshot`).

A film is the snapshots of one episode so far: the last one is drawn, those before it are the trail. Where a
film was kept whole, so is the trail.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.animation import PillowWriter
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.registry import BackendFilter, backend_registry
from matplotlib.collections import LineCollection, PatchCollection
from matplotlib.figure import Figure
from matplotlib.patches import Circle, FancyArrowPatch, Rectangle

from tradebot.colours import BLUE, GREEN, GREY, INK, ORANGE, PALE, PURPLE, SKY, VERMILION
from tradebot.core import Array, InputError
from tradebot.envs.world import Snapshot

Film = Sequence[Snapshot]
PIXELS = 500  # of a side
PAUSE = 0.05  # seconds that a window shows each step at least
AGENTS = (BLUE, VERMILION, GREEN, ORANGE, PURPLE, SKY)
LABELLED = 24  # states of a ring that still have room for a number each
DOTS = 120  # states of a ring that still have room for a dot each
FRAMES, FPS, REST = 200, 10, 5  # of a GIF: pictures at the most, those of a second, repetitions of an end
PANELS = 6  # films that share a still, at the most


def figure(world: str, film: Film) -> Figure:
    """One picture of PIXELS x PIXELS; that of a foreign environment has its own proportions."""
    sides = (1.0, 1.0)
    if (frame := film[-1].get("frame")) is not None:
        sides = (frame.shape[1] / max(frame.shape), frame.shape[0] / max(frame.shape))
    made = Figure(figsize=(PIXELS / 100 * sides[0], PIXELS / 100 * sides[1]), dpi=100)
    draw(made.add_axes((0.0, 0.0, 1.0, 1.0)), world, film)
    return made


def rgb(world: str, film: Film) -> Array:
    """The same as an array [H, W, 3] of bytes."""
    canvas = FigureCanvasAgg(figure(world, film))
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()


def still(world: str, films: Sequence[Film], titles: Sequence[str]) -> Figure:
    """The ends of the first PANELS episodes with their trajectories, each under its title."""
    shown = list(zip(films, titles, strict=True))[:PANELS]
    columns = min(3, len(shown))
    rows = -(-len(shown) // columns)
    made = Figure(figsize=(4 * columns, 4.3 * rows), layout="constrained")
    panels = made.subplots(rows, columns, squeeze=False).ravel()
    for axes in panels[len(shown) :]:
        axes.set_axis_off()
    for axes, (film, title) in zip(panels, shown, strict=False):
        draw(axes, world, film)
        axes.set_title(title.replace("$", r"\$"), loc="left", fontsize=10, color=INK)
    return made


def gif(world: str, films: Sequence[Film]) -> bytes:
    """One episode after the other, in about FRAMES pictures; the end of each stands still for a while."""
    every = max(1, -(-sum(map(len, films)) // FRAMES))
    made = figure(world, films[0])
    with tempfile.TemporaryDirectory() as folder:  # the writer takes no open file
        path, writer = Path(folder) / "film.gif", PillowWriter(fps=FPS)
        with writer.saving(made, str(path), made.dpi):
            for film in films:
                ends = range(1, len(film), every)
                for end in (*ends, *[len(film)] * REST):
                    made.clear()
                    draw(made.add_axes((0.0, 0.0, 1.0, 1.0)), world, film[:end])
                    writer.grab_frame()
        return path.read_bytes()


def draw(axes: Axes, world: str, film: Film) -> None:
    """The world that `--env` calls so; `film` has at least one snapshot."""
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines[:].set_color(PALE)
    if "frame" in film[-1]:
        axes.imshow(film[-1]["frame"])
        return
    axes.set_aspect("equal")
    DRAWN[world.partition("?")[0].partition(":")[0]](axes, film)


class Window:
    """A window that shows a film as it grows. Raises InputError where there is no display."""

    def __init__(self, world: str) -> None:
        try:
            from matplotlib import pyplot

            interactive = {name.lower() for name in backend_registry.list_builtin(BackendFilter.INTERACTIVE)}
            pyplot.switch_backend(matplotlib.get_backend())
            is_shown = matplotlib.get_backend().lower() in interactive
        except ImportError:  # a backend was named that cannot be had here
            is_shown = False
        if not is_shown:
            raise InputError(
                "render_mode='human' needs a display and a matplotlib that opens windows (tk, Qt, gtk, wx,"
                " macosx): take render_mode='rgb_array'"
            )
        self._world = world
        self._pyplot = pyplot
        self._figure = pyplot.figure(f"tradebot {world}", figsize=(PIXELS / 100, PIXELS / 100))

    def show(self, film: Film) -> None:
        self._figure.clear()
        draw(self._figure.add_axes((0.0, 0.0, 1.0, 1.0)), self._world, film)
        self._pyplot.pause(PAUSE)

    def close(self) -> None:
        self._pyplot.close(self._figure)


def draw_ring(axes: Axes, film: Film) -> None:
    """`state` of so many `states`; the more often a state was met, the darker it is."""
    now, n = film[-1]["state"], film[-1]["states"]
    angle = np.pi / 2 - 2 * np.pi * np.arange(n) / n  # clockwise from the top, as a clock counts
    x, y = np.cos(angle), np.sin(angle)
    around = np.linspace(0, 2 * np.pi, 400)
    axes.plot(np.cos(around), np.sin(around), color=PALE, linewidth=2, zorder=1)
    met = np.bincount([snapshot["state"] for snapshot in film], minlength=n)
    if n <= DOTS:
        size = float(np.clip(9_000 / n, 30, 900))
        axes.scatter(x, y, s=size, color="white", edgecolors=GREY, linewidths=1.2, zorder=2)
        axes.scatter(x, y, s=size, color=SKY, alpha=0.65 * met / met.max(), linewidths=0, zorder=3)
    else:
        size = 150.0
        axes.scatter(x[met > 0], y[met > 0], s=12, color=SKY, linewidths=0, zorder=3)
    axes.scatter(x[now], y[now], s=size, color=BLUE, edgecolors="white", linewidths=1.5, zorder=4)
    if n <= LABELLED:
        for k in range(n):
            axes.text(
                *(x[k], y[k], str(k)),
                ha="center",
                va="center",
                fontsize=float(np.clip(200 / n, 9, 15)),
                color="white" if k == now else INK,
                fontweight="bold" if k == now else "normal",
                zorder=5,
            )
    _rising(axes, 0.62)
    seam = np.pi / 2 + np.pi / n  # the one step upwards around the ring that does not pay
    axes.text(1.2 * np.cos(seam), 1.2 * np.sin(seam), "-1", ha="center", fontsize=13, color=VERMILION)
    axes.text(0, 0, f"state {now}", ha="center", va="center", fontsize=16, color=INK)
    axes.set(xlim=(-1.3, 1.3), ylim=(-1.3, 1.3))
    axes.set_axis_off()


def _rising(axes: Axes, radius: float) -> None:
    """An arrow around the middle, the way that the numbers rise, and what that pays."""
    start, end = ((radius * np.cos(a), radius * np.sin(a)) for a in np.radians([125, 55]))
    axes.add_patch(
        FancyArrowPatch(
            start,
            end,
            connectionstyle="arc3,rad=-0.3",
            arrowstyle="-|>",
            mutation_scale=18,
            color=GREEN,
            linewidth=2,
        )
    )
    axes.text(0, radius - 0.12, "+1", ha="center", va="center", fontsize=13, color=GREEN)


def draw_navigation(axes: Axes, film: Film) -> None:
    """`obstacles` [K, 4] x0 y0 x1 y1, `position` [2], `goal` [2] of a `radius`, `rays` [R] as long as they
    reach, counterclockwise from the x axis, in a square of a `size`; `outcome` of what has ended.
    """
    now, size = film[-1], float(film[-1]["size"])
    boxes = [Rectangle((x0, y0), x1 - x0, y1 - y0) for x0, y0, x1, y1 in np.asarray(now["obstacles"])]
    axes.add_collection(PatchCollection(boxes, facecolor=GREY, edgecolor=INK, alpha=0.55, linewidth=0.8))
    goal = tuple(now["goal"])
    axes.add_patch(Circle(goal, float(now["radius"]), facecolor=GREEN, alpha=0.25, zorder=1))
    axes.add_patch(Circle(goal, float(now["radius"]), fill=False, edgecolor=GREEN, linewidth=1.6, zorder=3))
    axes.plot(*goal, marker="*", color=GREEN, markersize=10, markeredgewidth=0, zorder=3)
    path = np.array([snapshot["position"] for snapshot in film])
    here, rays = path[-1], np.asarray(now.get("rays", ()), dtype=float)
    if len(rays):
        angle = 2 * np.pi * np.arange(len(rays)) / len(rays)
        ends = here + rays[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1)
        lines = [(tuple(here), tuple(end)) for end in ends]
        axes.add_collection(LineCollection(lines, colors=SKY, linewidths=0.7, alpha=0.5, zorder=2))
        axes.scatter(ends[:, 0], ends[:, 1], s=9, color=SKY, linewidths=0, zorder=2)
    axes.plot(*path.T, color=BLUE, linewidth=2, solid_capstyle="round", zorder=4)
    axes.plot(*path[0], marker="o", markersize=9, color="white", markeredgecolor=BLUE, zorder=4)
    if now.get("outcome") == "collision":
        axes.plot(*here, marker="X", markersize=15, color=VERMILION, markeredgecolor="white", zorder=6)
    else:
        axes.plot(*here, marker="o", markersize=12, color=BLUE, markeredgecolor="white", zorder=5)
    axes.set(xlim=(0, size), ylim=(0, size))
    axes.spines[:].set(color=INK, linewidth=2)


def draw_plane(axes: Axes, film: Film) -> None:
    """`positions` [n, 2] of agents and `landmarks` [L, 2], in a square of a `size` around `center` (or from
    0); with `cells` it is a grid, whose positions are the numbers of its columns and rows."""
    now = film[-1]
    paths = np.array([snapshot["positions"] for snapshot in film], dtype=float)  # [T, n, 2]
    low, high = _square(now)
    if now.get("cells"):
        lines = np.arange(low, high + 0.5)
        axes.hlines(lines, low, high, color=PALE, linewidth=0.8, zorder=0)
        axes.vlines(lines, low, high, color=PALE, linewidth=0.8, zorder=0)
    for place in np.asarray(now.get("landmarks", ())).reshape(-1, 2):
        axes.plot(*place, marker="D", markersize=13, color=PALE, markeredgecolor=INK, zorder=1)
    for i in range(paths.shape[1]):
        color = AGENTS[i % len(AGENTS)]
        axes.plot(*paths[:, i].T, color=color, linewidth=2, alpha=0.6, solid_capstyle="round", zorder=2)
        axes.plot(*paths[0, i], marker="o", markersize=8, color="white", markeredgecolor=color, zorder=3)
        size = max(20 - 6 * i, 8)  # so that those who have met are all seen
        axes.plot(*paths[-1, i], marker="o", markersize=size, color=color, markeredgecolor="white", zorder=4)
    side = high - low
    axes.add_patch(Rectangle((low, low), side, side, fill=False, edgecolor=INK, linewidth=2, zorder=1))
    margin = 0.05 * side  # for who stands at a wall
    axes.set(xlim=(low - margin, high + margin), ylim=(low - margin, high + margin))
    axes.set_axis_off()


def _square(now: Snapshot) -> tuple[float, float]:
    size = float(now["size"])
    return (-0.5, size - 0.5) if now.get("cells") else (-size, size) if now.get("centred") else (0.0, size)


def draw_game(axes: Axes, film: Film) -> None:
    """`payoff` [A, A, 2] of row and column player; `action` [2] is what they did last, -1 for nothing.

    The more often a cell was played, the darker it is.
    """
    payoff = np.asarray(film[-1]["payoff"])
    n = len(payoff)
    played = np.zeros((n, n))
    actions = [tuple(map(int, snapshot["action"])) for snapshot in film if min(snapshot["action"]) >= 0]
    for action in actions:
        played[action] += 1
    for i in range(n):
        for j in range(n):
            is_last = bool(actions) and (i, j) == actions[-1]
            shade = 0.7 * played[i, j] / max(played.max(), 1)
            axes.add_patch(Rectangle((j, n - 1 - i), 1, 1, facecolor=SKY, alpha=shade, linewidth=0))
            axes.add_patch(
                Rectangle(
                    (j + 0.03, n - 0.97 - i),
                    *(0.94, 0.94),
                    fill=False,
                    edgecolor=INK if is_last else PALE,
                    linewidth=3 if is_last else 1,
                    zorder=3 if is_last else 1,
                )
            )
            for k, (dx, color) in enumerate(((-0.22, BLUE), (0.22, VERMILION))):
                axes.text(
                    *(j + 0.5 + dx, n - 0.5 - i, f"{payoff[i, j, k]:g}"),
                    ha="center",
                    va="center",
                    fontsize=48 / n,
                    color=color,
                    fontweight="bold" if is_last else "normal",
                )
    for k in range(n):
        axes.text(-0.12, n - 0.5 - k, str(k), ha="center", va="center", fontsize=13, color=BLUE)
        axes.text(k + 0.5, n + 0.12, str(k), ha="center", va="center", fontsize=13, color=VERMILION)
    axes.set(xlim=(-0.3, n + 0.1), ylim=(-0.1, n + 0.3))
    axes.set_axis_off()


DRAWN: dict[str, Callable[[Axes, Any], None]] = {
    "ring": draw_ring,
    "navigation": draw_navigation,
    "multiagent": draw_plane,
    "game": draw_game,
}
