"""`tradebot audit RUN_OR_AGENT_OR_RULE`: does anything know later bars?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from tradebot.cli import console
from tradebot.cli.flags import with_flags
from tradebot.market.configs import Broker, TradingConfig
from tradebot.market.costs import Costs
from tradebot.prices.reading import ReadConfig

if TYPE_CHECKING:
    from tradebot.api.auditing import AuditResult

SUBJECT = typer.Argument(
    help="A run, an agent (untrained) or a rule; leave it out for --strategy or --features alone",
    metavar="[RUN_OR_AGENT_OR_RULE]",
    show_default=False,
)
STRATEGY = typer.Option(help="A function of yours, as for `backtest`", metavar="FILE.PY:NAME")
POINTS = typer.Option(
    help="Bars after which the future is changed; what looks ahead on rare bars needs more (an agent acts"
    " after a sixteenth of them)"
)
SEED = typer.Option(help="Of the bars and the futures")


def audit(
    subject: Annotated[str | None, SUBJECT] = None,
    strategy: Annotated[str, STRATEGY] = "",
    points: Annotated[int, POINTS] = 256,
    seed: Annotated[int, SEED] = 0,
    json: console.Json = False,
    *,
    settings: dict[str, Any],
) -> None:
    """Change the future after many bars and see whether anything of the past changes: it must not.

    Exit code 1 if something looks ahead, 0 if nothing does.

    Example: tradebot audit --features mine.py:trend --symbols AAPL
    """
    from tradebot import api

    with console.progress_bar("auditing") as progress:
        result = api.audit(
            subject, strategy=strategy, points=points, seed=seed, progress=progress, **settings
        )
    if json:
        console.print_json(result.to_dict())
    else:
        _print(result)
    if not result.ok:
        raise typer.Exit(1)


def _print(result: AuditResult) -> None:
    print(f"{result.name} on {result.bars.who}, {result.bars.span}")
    for one in result.checked:
        columns = f"{one.columns} column{'s' * (one.columns != 1)}"
        print(f"Checked: {one.what} ({columns}), {one.points} times another future")
    for finding in result.findings:
        print(f"FOUND {finding}")
    for note in result.notes:
        print(f"Note: {note}")
    print(_closing(result))


def _closing(result: AuditResult) -> str:
    from tradebot.evidence.audit import OVERLAPS

    if result.ok:
        return "Nothing looks ahead"
    if all(finding.fault == OVERLAPS for finding in result.findings):
        return "Nothing looks ahead, but the test is in-sample: its result says nothing about unseen bars"
    return "Something looks ahead"


command = with_flags(
    audit,
    {
        "Market": TradingConfig,
        "Price file": ReadConfig,
        "Account": Broker,
        "Costs": Costs,
    },
)
