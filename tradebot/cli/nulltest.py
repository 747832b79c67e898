"""`tradebot nulltest RUN_OR_AGENT`: does the same agent do as well where nothing can be predicted?"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tradebot.cli import console, study, train
from tradebot.cli.flags import with_flags
from tradebot.cli.train import resumable
from tradebot.evidence.configs import NullTestConfig

if TYPE_CHECKING:
    from tradebot.api.nulltesting import NullTestResult

EXAMPLE = "tradebot nulltest {agent} --symbols AAPL --end 2009-12-31 --markets 19"
RUN = typer.Argument(help="A run: its folder, or its name under runs/", metavar="RUN")
_OF_RUN = "RUN"  # a command for whatever is no agent


class RunOrAgent(console.Commands):
    """The agents are commands; another word is a run."""

    def list_commands(self, ctx: Any) -> list[str]:
        return [_OF_RUN, *(name for name in super().list_commands(ctx) if name != _OF_RUN)]

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        console.check_resume(ctx, args)
        if args[0] in self.commands and args[0] != _OF_RUN:
            return super().resolve_command(ctx, args)
        shown = args[:1] == [_OF_RUN] and "--help" in args
        return _OF_RUN, self.commands[_OF_RUN], args[1:] if shown else args


def work(run_or_agent: str = "", *, json: bool, **words: Any) -> None:
    from tradebot import api

    with console.progress_bar() as progress, resumable():
        result = api.null_test(run_or_agent, progress=progress, command=console.command_line(), **words)
    if result.result.doubts:
        console.complain(result.result.doubts)
    if json:
        console.print_json(result.to_dict())
    else:
        _print(result)


def _print(result: NullTestResult) -> None:
    from tradebot.report import verdict
    from tradebot.report.tables import probability

    if result.result.verdict:
        print(verdict.paragraph(result.result.backtest, result.result.verdict) + "\n")
    test = result.test
    n = len(test.copies)
    print(f"{result.run.name}: {result.result.backtest.bars.who}, {result.result.backtest.bars.span}")
    median, best = sorted(test.copies)[n // 2], max(test.copies)
    of_copies = f"of {n} shuffled copies: median {median:.2f}, best {best:.2f}"
    print(f"Sharpe ratio after costs: {test.real:.2f}; {of_copies}")
    print(f"p = {probability(test.p_value)}: rank {test.rank} of {n + 1}. {_meaning(test.p_value, n)}")
    print(f"Picture: {result.files['nulltest.png']}")
    print(f"Report: {result.files['report.html']}")


def _meaning(p: float, n: int) -> str:
    from tradebot.report.tables import probability

    if n < 19:
        return f"With {n} copies p cannot be below {probability(1 / (n + 1))}: take --markets 19 or more."
    if p <= 0.05:
        return "Where nothing can be predicted the agent rarely does as well."
    return "Where nothing can be predicted the agent does as well often enough."


app = study.group(
    "Train and test an agent again on shuffled copies of its market, in which nothing can be predicted.",
    EXAMPLE.format(agent="ppo"),
    "nulltest",
    work,
    RunOrAgent,
)
study.add_agents(app, "Null test", NullTestConfig, EXAMPLE, work)


def of_run(
    run: Annotated[str, RUN],
    out: Annotated[Path, train.OUT] = Path("runs"),
    name: Annotated[str | None, train.NAME] = None,
    workers: Annotated[int | None, train.WORKERS] = None,
    open_seal: Annotated[bool, study.OPEN_SEAL] = False,
    json: console.Json = False,
    *,
    settings: dict[str, Any],
) -> None:
    """Any run: with the settings, prices and training span that it has, tested on the bars after.

    Example: tradebot nulltest my-run --markets 19
    """
    work(run, json=json, out=out, name=name, workers=workers, open_seal=open_seal, **settings)


app.command(_OF_RUN)(with_flags(of_run, {"Null test": NullTestConfig}))
