"""A trained population in its folder."""

from __future__ import annotations

from functools import cached_property
from html import escape
from pathlib import Path
from typing import Any

import pandas as pd

from tradebot import runs
from tradebot.api.experiment import of_run
from tradebot.api.picture import Picture
from tradebot.config import counted
from tradebot.core import Agent, Box, InputError, Space
from tradebot.report import plots
from tradebot.rl import checkpoint


class Run:
    """What `train` made. Raises InputError if the folder is not that of a run, or if it is not finished."""

    def __init__(self, folder: str | Path) -> None:
        self.folder = folder = Path(folder)
        self._stored = runs.read(folder)
        toml = self._stored.config
        self.experiment = plan = of_run(self.manifest.agent, toml, str(folder / "config.toml"))
        if self.manifest.status != "finished":
            raise InputError(
                f"{folder} is not finished: go on with tradebot {plan.command} --resume {folder}"
            )
        if self.experiment.is_trading and self.manifest.data is None:
            raise InputError(f"{folder / 'manifest.json'}: does not say what the run was trained on")

    @property
    def manifest(self) -> runs.Manifest:
        return self._stored.manifest

    @property
    def name(self) -> str:
        return self.folder.resolve().name

    @property
    def seeds(self) -> list[int]:
        """[S] one per member, or per team of members that share an environment."""
        return self.experiment.seeds

    @property
    def code(self) -> Path:
        """Where it keeps its features' own code. Raises InputError if that has changed since the training."""
        return runs.code_of(self._stored)

    @property
    def metrics(self) -> dict[str, Any]:
        """How long the training took [s] and, for environments other than trading, what it is worth."""
        keys = {"agent", "seeds", "steps", "seconds", "steps_per_second", "evaluation"}
        return self.manifest.model_dump(include=keys, exclude_none=True)

    @cached_property
    def history(self) -> pd.DataFrame:
        """Training episodes, averaged over short spans of the training.

        Columns: step (transitions of the member so far), member (number from 0), value (mean undiscounted
        return of the episodes that ended in the span). A span in which none ended has no row. Raises
        InputError for a damaged file.
        """
        rows = [
            (event["step"], member, value)
            for event in runs.read_events(self.folder)
            for member, value in enumerate(event.get("return", ()))
            if value is not None
        ]
        return pd.DataFrame(rows, columns=["step", "member", "value"])

    @property
    def has_learned(self) -> bool:
        """Whether the training was long enough for an update. Raises InputError for a damaged file."""
        told = {"step", "episodes", "return"}
        return any(event.keys() - told for event in runs.read_events(self.folder))

    def agent(self, observation_space: Box, action_space: Space, team: int | None = None) -> Agent:
        """The trained population, on the CPU, for an environment with these spaces.

        `team`: only what the seed with this number trained, which acts alone as in company. Raises
        InputError if the weights are damaged or do not fit.
        """
        from tradebot.agents.registry import create  # brings torch: only who asks waits for it

        plan = self.experiment if team is None else self.experiment.of_seeds(team, team + 1)
        agent = create(plan.agent, observation_space, action_space, plan.members, plan.run.steps)
        state = runs.read_state(self._stored)
        try:
            if team is not None:
                state = checkpoint.split(state, len(self.seeds), team, team + 1)
            agent.load_state_dict(state)
        except (KeyError, RuntimeError, ValueError) as error:
            reason = " ".join(str(error).split())
            raise InputError(
                f"{self.folder}: agent.safetensors does not fit config.toml ({reason:.120})"
            ) from None
        return agent

    def plot(self) -> Picture:
        """The learning curve with the spread over members."""
        plan = self.experiment
        kind = plan.market.reward if plan.is_trading else ""
        ylabel = "log return of an episode" if kind == "log-return" else "return of an episode"
        parts = {"walkforward": "folds", "nulltest": "markets"}.get(plan.command, "agents")
        members = f"{counted(len(self.seeds), 'seed')} × {plan.team} {parts}" if plan.team > 1 else ""
        market = range(0, len(plan.members), plan.team) if plan.nulltest else ()
        title = f"{self.name}: learning curve"
        return Picture(
            plots.learning(self.history, ylabel=ylabel, title=title, members=members, market=market)
        )

    def __repr__(self) -> str:
        m = self.manifest
        return f"Run({self.name}: {m.seeds} x {m.agent}, {m.steps:,} steps each, in {self.folder})"

    def _repr_html_(self) -> str:
        m = self.manifest
        facts = {
            "agent": f"{m.agent}, {counted(m.seeds, 'seed')} from {self.seeds[0]}",
            "trained on": trained_on(m),
            "steps": f"{m.steps:,} of each seed, in {m.seconds:,.1f} s",
            "folder": str(self.folder),
        }
        if m.evaluation:
            facts["mean return"] = f"median of the seeds {_shown(m.evaluation.median)}"
        rows = "".join(f"<tr><th>{key}</th><td>{escape(value)}</td></tr>" for key, value in facts.items())
        return f"<table><caption>{escape(self.name)}</caption>{rows}</table>"


def open_run(name: str | Path, root: str | Path = runs.ROOT) -> Run:
    """A run by its folder or by its name under `root`. Raises InputError if it is not one."""
    return Run(runs.find(str(name), Path(root)))


def trained_on(manifest: runs.Manifest) -> str:
    """To be read by a person: symbols and span, or the environment."""
    if manifest.data is None:
        return manifest.env
    data = manifest.data
    return f"{', '.join(data.symbols)}, {data.start:%Y-%m-%d} .. {data.end:%Y-%m-%d}"


def _shown(value: float | None) -> str:
    return "not finite" if value is None else f"{value:,.1f}"
