"""What a run does when it plays: episodes that it has never met, as a table, a still and a film."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from tradebot import files
from tradebot.api.evaluating import Progress
from tradebot.api.members import world
from tradebot.api.picture import Picture
from tradebot.api.run import Run, open_run
from tradebot.api.threads import one_thread
from tradebot.core import Array, InputError
from tradebot.envs import drawing
from tradebot.envs.world import Snapshot, World
from tradebot.rl import evaluate as evaluation

EPISODES = 5
GOAL, STILL = "goal", "still going on"
OUTCOMES = {GOAL, "collision", "out of time"}  # where there is a goal
LONGEST = 2_000  # snapshots of an episode that are kept of our worlds


class Episode(NamedTuple):
    """One that was played to its end."""

    number: int  # from 1
    steps: int
    returns: tuple[float, ...]  # undiscounted, of each agent that took part
    ended: (
        str  # goal, collision or what else the world says; terminated, time limit, truncated, still going on
    )

    @property
    def value(self) -> float:
        """The return, or the mean of those of the agents."""
        return sum(self.returns) / len(self.returns)


class Play:
    """Episodes of one seed of a run. It shows itself as a picture in a notebook, if there are any."""

    def __init__(
        self, run: Run, seed: int, episodes: Sequence[Episode], films: Sequence[Sequence[Snapshot]]
    ) -> None:
        self.run = run
        self.seed = seed
        self.episodes = episodes
        self._films = films  # one for each episode, or none

    @property
    def frame(self) -> pd.DataFrame:
        """A row for each episode: steps, return (and that of each agent, where there are several), ended."""
        rows = []
        for episode in self.episodes:
            agents = episode.returns if len(episode.returns) > 1 else ()
            each = {f"return of agent {i}": value for i, value in enumerate(agents)}
            rows.append(
                {"episode": episode.number, "steps": episode.steps, "return": episode.value}
                | each
                | {"ended": episode.ended}
            )
        return pd.DataFrame(rows).set_index("episode")

    @property
    def success(self) -> float | None:
        """Share of the episodes that reached the goal; None where the world does not speak of one."""
        ends = [episode.ended for episode in self.episodes]
        return ends.count(GOAL) / len(ends) if OUTCOMES & {*ends} else None

    def plot(self) -> Picture:
        """How the first episodes ended, with their trajectories. Raises InputError without pictures."""
        titles = [
            f"{one.number}: {one.ended}, {one.steps} step{'s' * (one.steps != 1)}, return {one.value:.4g}"
            for one in self.episodes
        ]
        return Picture(drawing.still(self.run.manifest.env, self._pictures(), titles))

    def save_gif(self, path: str | Path) -> None:
        """All episodes, one after the other. Raises InputError without pictures, OSError if it fails."""
        files.write_bytes(Path(path), drawing.gif(self.run.manifest.env, self._pictures()))

    def to_dict(self) -> dict[str, Any]:
        """What `play --json` prints."""
        m = self.run.manifest
        about = {"run": str(self.run.folder), "agent": m.agent, "env": m.env, "seed": self.seed}
        episodes = [one._asdict() | {"return": one.value} for one in self.episodes]
        return about | {"success": self.success, "episodes": episodes}

    def _pictures(self) -> Sequence[Sequence[Snapshot]]:
        if not self._films:
            raise InputError("no pictures were taken: play with pictures=True")
        return self._films

    def __repr__(self) -> str:
        return f"Play({self.run.name}, seed {self.seed})\n{self.frame.to_string()}"

    def _repr_png_(self) -> bytes | None:
        return self.plot()._repr_png_() if self._films else None


def play(
    run: Run | str | Path,
    episodes: int = EPISODES,
    *,
    seed: int | None = None,
    pictures: bool | None = None,
    progress: Progress | None = None,
) -> Play:
    """Play `episodes` without exploring, from seeds that no training has: the first of those of `evaluate`.

    `seed`: which of the run's seeds plays (or which team of agents), by default the first. `pictures`: by
    default of our worlds alone; Gymnasium's need time, and often a package, to make theirs. Raises InputError
    for a run that trades, which `backtest` tests, for a seed that it does not have, for less than one
    episode, for an environment that is not installed, and for one that makes no pictures but is to.

    >>> play("my-run").frame
    """
    run = run if isinstance(run, Run) else open_run(run)
    plan = run.experiment
    if plan.is_trading:
        raise InputError(f"{run.name} trades: what it did is told by tradebot backtest {run.folder}")
    if episodes < 1:
        raise InputError(f"--episodes: should be at least 1 (got {episodes})")
    seed = run.seeds[0] if seed is None else seed
    if seed not in run.seeds:
        first, last = run.seeds[0], run.seeds[-1]
        raise InputError(f"--seed: {run.name} has the seeds {first} .. {last}, not {seed}")
    pictures = not plan.is_foreign if pictures is None else pictures
    with one_thread():
        env = world(plan, [seed + evaluation.SEED], episodes, pictures=pictures)
        agent = run.agent(env.observation_space, env.action_space, run.seeds.index(seed))
        camera = _Camera(env, episodes, drawing.FRAMES // episodes + 2 if plan.is_foreign else LONGEST)

        def tell(done: int, _: int) -> None:
            if progress:
                progress(done // plan.agents, episodes, f"playing {run.name}")

        played = evaluation.play(
            agent,
            env,
            plan.agents,
            longest=env.time_limit or evaluation.LONGEST,
            progress=tell,
            watch=camera.take if pictures else None,
        )
    films = camera.films if pictures else []
    ended = [(films and films[b][-1].get("outcome")) or _end(played, b, env) for b in range(episodes)]
    return Play(
        run,
        seed,
        [
            Episode(b + 1, int(played.steps[0, b]), tuple(played.returns[:, b].tolist()), ended[b])
            for b in range(episodes)
        ],
        films,
    )


def _end(played: evaluation.Played, b: int, env: World) -> str:
    """How episode b ended where the world has no word for it."""
    if played.cut[0, b]:
        return STILL
    if played.terminated[0, b]:
        return "terminated"
    return "time limit" if played.steps[0, b] == env.time_limit else "truncated"


class _Camera:
    """Films the first `episodes` environments; of one it keeps at most `most` snapshots and its last."""

    def __init__(self, env: World, episodes: int, most: int) -> None:
        self._env, self._most = env, most
        self._kept: list[list[Snapshot]] = [[] for _ in range(episodes)]
        self._last: list[Snapshot] = [{} for _ in range(episodes)]
        self._seen = [0] * episodes
        self._every = [1] * episodes

    def take(self, running: Array) -> None:
        for b, kept in enumerate(self._kept):
            if not running[b]:
                continue
            self._last[b] = {**self._last[b], **self._env.snapshot(b, left=self._seen[b] > 0)}
            if self._seen[b] % self._every[b] == 0:
                kept.append(self._last[b])
            if len(kept) > self._most:
                del kept[1::2]
                self._every[b] *= 2
            self._seen[b] += 1

    @property
    def films(self) -> list[list[Snapshot]]:
        return [
            kept if kept[-1] is last else [*kept, last]
            for kept, last in zip(self._kept, self._last, strict=True)
        ]
