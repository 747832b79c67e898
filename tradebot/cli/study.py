"""What `walkforward` and `nulltest` share: a command for each agent, as `train` has them, and `--resume`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Protocol

import typer

from tradebot.agents.configs import CONFIGS
from tradebot.cli import console, train
from tradebot.cli.flags import with_flags
from tradebot.config import Config
from tradebot.core import InputError
from tradebot.market.configs import Broker, TradingConfig
from tradebot.market.costs import Costs
from tradebot.prices.reading import ReadConfig
from tradebot.rl.configs import RunConfig

OPEN_SEAL = typer.Option(help="Test on sealed bars (`tradebot ledger seal`), once and on the record")
ENV = typer.Option(hidden=True)  # the api says that there are no studies of others than trading


class Work(Protocol):
    """Calls the api with these words, and shows what it answers."""

    def __call__(self, what: str = "", /, *, json: bool, **words: Any) -> None: ...


def group(about: str, example: str, study: str, work: Work, cls: type[console.Commands]) -> typer.Typer:
    """Without an agent it goes on with `--resume`, or prints its help."""

    def resume(
        ctx: typer.Context,
        resume: Annotated[str | None, train.RESUME] = None,
        workers: Annotated[int | None, train.WORKERS] = None,
        open_seal: Annotated[bool, OPEN_SEAL] = False,
        json: console.Json = False,
    ) -> None:
        if resume is not None and ctx.invoked_subcommand:
            raise InputError(f"--resume stands alone: a {study} goes on with the settings that it has")
        if resume is not None:
            work(resume=resume, workers=workers, open_seal=open_seal, json=json)
        elif ctx.invoked_subcommand and (json or open_seal or workers is not None):
            raise InputError(
                f"write flags behind the agent: tradebot {study} {ctx.invoked_subcommand} --json"
            )
        else:
            console.help_without_command(ctx)

    return console.group(about, example, what="AGENT", cls=cls, callback=resume)


def add_agents(app: typer.Typer, title: str, model: type[Config], example: str, work: Work) -> None:
    """A command for each agent, with the flags of `train` and those of `model` under `title`."""
    for agent in CONFIGS:
        _add(app, agent, {title: model}, example, work)


def _add(app: typer.Typer, agent: str, own: dict[str, type[Config]], example: str, work: Work) -> None:
    def command(
        config: Annotated[Path | None, train.FILE] = None,
        out: Annotated[Path, train.OUT] = Path("runs"),
        name: Annotated[str | None, train.NAME] = None,
        workers: Annotated[int | None, train.WORKERS] = None,
        open_seal: Annotated[bool, OPEN_SEAL] = False,
        env: Annotated[str | None, ENV] = None,
        json: console.Json = False,
        *,
        settings: dict[str, Any],
    ) -> None:
        words = {"config": config, "out": out, "name": name, "workers": workers, "open_seal": open_seal}
        work(agent, json=json, **words, **settings, **({"env": env} if env else {}))

    command.__doc__ = f"{CONFIGS[agent].__doc__}\n\nExample: {example.format(agent=agent)}"
    panels: dict[str, type[Config]] = own | {
        "Training": RunConfig,
        "Market": TradingConfig,
        "Price file": ReadConfig,
        "Account": Broker,
        "Costs": Costs,
        f"Hyperparameters of {agent}": CONFIGS[agent],
    }
    app.command(agent)(with_flags(command, panels, hidden=("name", "env")))
