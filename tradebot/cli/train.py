"""`tradebot train AGENT`: one command per agent, each with the flags of its own hyperparameters."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from tradebot.agents.configs import CONFIGS
from tradebot.cli import console
from tradebot.cli.flags import with_flags
from tradebot.market.configs import TradingConfig
from tradebot.market.costs import Costs
from tradebot.runs import RunConfig

app = typer.Typer(
    help="Train a population of agents and keep it as a run.\n\n"
    "Example: [bold]tradebot train ppo --symbols AAPL --end 2009-12-31 --steps 50000 --seeds 4[/bold]",
    no_args_is_help=True,
    rich_markup_mode="rich",
)


def _train(
    agent: str, config: Path | None, out: Path, name: str | None, json: bool, settings: dict[str, Any]
) -> None:
    from tradebot import api

    with console.progress_bar() as progress:
        run = api.train(
            agent,
            config=config,
            out=out,
            name=name,
            progress=progress,
            command=console.command_line(),
            **settings,
        )
    answer = {"run": str(run.folder), **run.metrics}
    if json:
        console.print_json(answer)
        return
    m = run.manifest
    print(f"Trained {m['seeds']} x {agent}, {m['steps']:,} steps each, in {m['seconds']:.1f} s ({m['steps_per_second']:,.0f} steps/s).")
    if "evaluation" in m:
        e = m["evaluation"]
        print(f"Mean return over 100 episodes, per seed: {', '.join(f'{value:.1f}' for value in e['members'])}")
        print(f"Median {e['median']:.1f}, interquartile range {e['iqr']:.1f}.")
        print(f"Run: {run.folder}")
    else:
        print(f"Run: {run.folder}")
        print(f"Next: tradebot backtest {run.folder}")


def _command_for(agent: str) -> None:
    def command(
        config: Annotated[Path | None, typer.Option(help="TOML file with settings, e.g. a run's config.toml")] = None,
        out: Annotated[Path, typer.Option(help="Folder in which the run's folder is made")] = Path("runs"),
        name: Annotated[str | None, typer.Option(help="Name of the run (default: agent, symbol and time)")] = None,
        json: Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else")] = False,
        *,
        settings: dict[str, Any],
    ) -> None:
        _train(agent, config, out, name, json, settings)

    model = CONFIGS[agent]
    example = f"tradebot train {agent} --symbols AAPL --end 2009-12-31"
    command.__doc__ = f"{(model.__doc__ or '').strip()}\n\nExample: [bold]{example}[/bold]"
    panels = {"Training": RunConfig, "Market": TradingConfig, "Costs": Costs, f"Hyperparameters of {agent}": model}
    app.command(agent)(with_flags(command, panels, hidden=("name",)))


for _agent in CONFIGS:
    _command_for(_agent)
