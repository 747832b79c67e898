"""`tradebot evaluate RUN`: what it earns where there is nothing to backtest."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from tradebot.cli import console
from tradebot.config import counted

if TYPE_CHECKING:
    from tradebot.api import Run
    from tradebot.runs import Evaluation

RUN = typer.Argument(help="A run: its folder, or its name under runs/", metavar="RUN")
EPISODES = typer.Option(help="Episodes of each seed")


def evaluate(
    run: Annotated[str, RUN], episodes: Annotated[int, EPISODES] = 100, json: console.Json = False
) -> None:
    """What a run earns in the Gymnasium environment that it was trained on.

    It plays without exploring, in episodes that it has never met.

    Example: tradebot evaluate my-run --episodes 1000
    """
    from tradebot import api

    opened = api.open_run(run)
    with console.progress_bar("evaluating") as progress:
        evaluation = api.evaluate(opened, episodes, progress=progress)
    if json:
        m = opened.manifest
        about = {"run": str(opened.folder), "agent": m.agent, "env": m.env, "seeds": m.seeds}
        console.print_json({**about, "evaluation": evaluation.model_dump()})
    else:
        show(opened, evaluation)


def show(run: Run, evaluation: Evaluation) -> None:
    """Mean and deviation of each seed, and what the seeds have in common."""
    agents = run.experiment.agents
    names = [
        [str(seed), *([str(agent)] if agents > 1 else [])] for seed in run.seeds for agent in range(agents)
    ]
    rows = [
        [*name, *map(_shown, of_member)]
        for name, *of_member in zip(names, evaluation.members, evaluation.std, strict=True)
    ]
    for row, share in zip(rows, evaluation.success, strict=False):  # none where there is no goal
        row.append(f"{100 * share:.0f} %")
    episodes = counted(evaluation.episodes, "new episode")
    print(f"{episodes} of {run.manifest.env} by each seed, without exploring:")
    header = ["seed", *(["agent"] if agents > 1 else []), "mean", "standard deviation"]
    header += ["success"] * bool(evaluation.success)
    console.print_table("Return", header, rows)
    low, high = map(_shown, evaluation.ci)
    interval = f" (95 % interval {low} .. {high})" if _is_number(evaluation.ci[0]) else ""
    print(f"Interquartile mean of the seeds {_shown(evaluation.iqm)}{interval}")
    print(f"Median {_shown(evaluation.median)}, interquartile range {_shown(evaluation.iqr)}")
    if evaluation.success:
        share = sum(evaluation.success) / len(evaluation.success)
        print(f"Reached the goal in {100 * share:.1f} % of the episodes")
    if evaluation.cut:
        total = evaluation.episodes * len(run.seeds)
        console.complain(f"{evaluation.cut} of {total} episodes found no end and were cut off")


def _is_number(value: float | None) -> bool:
    return value is not None and value == value


def _shown(value: float | None) -> str:
    if value is None or not _is_number(value):
        return "not finite"
    return f"{value:,.1f}" if value == 0 or abs(value) >= 10 else f"{value:.3g}"
