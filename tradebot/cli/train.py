"""`tradebot train AGENT`: one command per agent, each with the flags of its own hyperparameters."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tradebot.agents import presets
from tradebot.agents.configs import CONFIGS
from tradebot.cli import console, evaluate
from tradebot.cli.flags import with_flags
from tradebot.config import Config
from tradebot.core import InputError
from tradebot.market.configs import Broker, TradingConfig
from tradebot.market.costs import Costs
from tradebot.prices.reading import ReadConfig
from tradebot.rl.configs import RunConfig

if TYPE_CHECKING:
    from tradebot.api import Run

RESUME = typer.Option(
    help="Go on with this run, which was interrupted: its folder, or its name under runs/", metavar="RUN"
)
WORKERS = typer.Option(
    help="Processes over which the members are split; the result is the same (default: one for each core, but"
    " one in all while a training is too short to gain by it, that is, less than about 20 seconds are left)"
)


def resume(
    ctx: typer.Context,
    resume: Annotated[str | None, RESUME] = None,
    workers: Annotated[int | None, WORKERS] = None,
    json: console.Json = False,
) -> None:
    """What `tradebot train` does without an agent."""
    if resume is None:
        if json and ctx.invoked_subcommand:
            raise InputError(f"write --json behind the agent: tradebot train {ctx.invoked_subcommand} --json")
        if workers is not None and ctx.invoked_subcommand:
            raise InputError(
                "write --workers behind the agent:"
                f" tradebot train {ctx.invoked_subcommand} --workers {workers}"
            )
        console.help_without_command(ctx)
        return
    if ctx.invoked_subcommand:
        raise InputError("--resume takes no agent: a run goes on with the agent and the settings that it has")
    from tradebot import api

    with console.progress_bar() as progress, resumable():
        run = api.resume(resume, workers=workers, progress=progress)
    _show(run, json)


app = console.group(
    "Train a population of agents and keep it as a run.",
    "tradebot train ppo --symbols AAPL --end 2009-12-31 --steps 50000 --seeds 4",
    what="AGENT",
    callback=resume,
)
FILE = typer.Option(help="TOML file with settings, e.g. a run's config.toml; flags go before it")
PRESET = typer.Option(
    help="Published tuned settings for an environment, with its --env and --steps; flags go before them",
    metavar="ENVIRONMENT",
)
OUT = typer.Option(help="Folder in which the run's folder is made")
NAME = typer.Option(help="Name of the run (default: agent, symbol and time)")


def _train(
    agent: str,
    config: Path | None,
    preset: str | None,
    out: Path,
    name: str | None,
    workers: int | None,
    json: bool,
    settings: dict[str, Any],
) -> None:
    from tradebot import api

    with console.progress_bar() as progress, resumable():
        run = api.train(
            agent,
            config=config,
            preset=preset,
            out=out,
            name=name,
            workers=workers,
            progress=progress,
            command=console.command_line(),
            **settings,
        )
    _show(run, json)


@contextmanager
def resumable() -> Iterator[None]:
    """Typer would keep a KeyboardInterrupt to itself, and with it how to go on."""
    from tradebot.api.interrupts import Interrupted

    try:
        yield
    except Interrupted as interrupt:
        raise console.Stopped(str(interrupt)) from None


def _show(run: Run, json: bool) -> None:
    if run.manifest.doubts:
        console.complain(run.manifest.doubts)
    if not run.has_learned:
        console.complain("nothing was learned: the training ended before the first update; raise --steps")
    if json:
        console.print_json({"run": str(run.folder), **run.metrics})
    else:
        _print(run)


def _print(run: Run) -> None:
    m = run.manifest
    speed = f"{m.seconds:.1f} s ({m.steps_per_second:,.0f} steps/s)"
    print(f"Trained {m.seeds} x {m.agent}, {m.steps:,} steps each, in {speed}.")
    print(f"Run: {run.folder}")
    if not run.has_learned:
        return
    if m.evaluation is None and run.experiment.market.end:
        print(f"Next: tradebot backtest {run.folder}")
        return
    if m.evaluation is None:
        print("It was trained on all bars: keep some back with --end to test it on, or test it on others:")
        print(f"Next: tradebot backtest {run.folder} --symbols OTHER (or --data OTHER)")
        return
    evaluate.show(run, m.evaluation)


def _command_for(agent: str) -> None:
    def command(
        config: Annotated[Path | None, FILE] = None,
        preset: Annotated[str | None, PRESET] = None,
        out: Annotated[Path, OUT] = Path("runs"),
        name: Annotated[str | None, NAME] = None,
        workers: Annotated[int | None, WORKERS] = None,
        json: console.Json = False,
        *,
        settings: dict[str, Any],
    ) -> None:
        _train(agent, config, preset, out, name, workers, json, settings)

    model = CONFIGS[agent]
    parts = [
        (model.__doc__ or "").strip(),
        f"Presets: {', '.join(presets.names(agent)) or 'none'}",
        f"Example: tradebot train {agent} --symbols AAPL --end 2009-12-31",
    ]
    command.__doc__ = "\n\n".join(parts)
    panels: dict[str, type[Config]] = {
        "Training": RunConfig,
        "Market": TradingConfig,
        "Price file": ReadConfig,
        "Account": Broker,
        "Costs": Costs,
        f"Hyperparameters of {agent}": model,
    }
    app.command(agent)(with_flags(command, panels, hidden=("name",)))


for _agent in CONFIGS:
    _command_for(_agent)
