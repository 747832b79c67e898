"""`tradebot play RUN`: episodes to look at, as a table, a film or a still."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tradebot.cli import console
from tradebot.core import InputError
from tradebot.files import check_file

if TYPE_CHECKING:
    from tradebot.api import Play

RUN = typer.Argument(help="A run: its folder, or its name under runs/", metavar="RUN")
EPISODES = typer.Option(help="Episodes to play")
SEED = typer.Option(help="Which of the run's seeds plays; by default the first")
GIF = typer.Option(help="Write all episodes as a film", metavar="FILE")
PNG = typer.Option(help="Write how the first episodes ended, with their trajectories", metavar="FILE")


def play(
    run: Annotated[str, RUN],
    episodes: Annotated[int, EPISODES] = 5,
    seed: Annotated[int | None, SEED] = None,
    gif: Annotated[Path | None, GIF] = None,
    png: Annotated[Path | None, PNG] = None,
    json: console.Json = False,
) -> None:
    """Watch a run play in the environment that it was trained on.

    It plays without exploring, in episodes that it has never met. Gymnasium's environments give pictures
    if they have render_mode rgb_array.

    Example: tradebot play my-run --episodes 3 --gif film.gif
    """
    files = {name: path for name, path in (("gif", gif), ("png", png)) if path}
    for name, path in files.items():
        if path.suffix.lower() != f".{name}":
            raise InputError(f"--{name}: the name of the file should end in .{name} (got {str(path)!r})")
        check_file(path)
    os.environ.setdefault("SDL_VIDEODRIVER", "dummy")  # pygame draws pictures here, and looks for no screen
    from tradebot import api

    with console.progress_bar("playing") as progress:
        played = api.play(run, episodes, seed=seed, pictures=True if files else None, progress=progress)
        if gif:
            played.save_gif(gif)
        if png:
            played.plot().save(png)
    written = {name: str(path) for name, path in files.items()}
    if json:
        console.print_json(played.to_dict() | {"files": written})
        return
    show(played)
    for name, place in written.items():
        print(f"{name.upper()}: {place}")


def show(played: Play) -> None:
    """A row for each episode, and the share that reached a goal."""
    rows = [
        [str(one.number), f"{one.steps:,}", ", ".join(f"{value:,.4g}" for value in one.returns), one.ended]
        for one in played.episodes
    ]
    manifest = played.run.manifest
    print(f"New episodes of {manifest.env} by {manifest.agent}, seed {played.seed}, without exploring:")
    console.print_table("Episodes", ["episode", "steps", "return", "ended"], rows)
    mean = sum(one.value for one in played.episodes) / len(played.episodes)
    print(f"Mean return {mean:,.4g}")
    if played.success is not None:
        print(f"Reached the goal in {100 * played.success:.0f} % of the episodes")
