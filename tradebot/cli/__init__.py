"""The command line: one thin file per command, which parses, calls the api and prints. Heavy imports wait until a command runs."""

from __future__ import annotations

import sys

import typer

from tradebot.cli import agents, backtest, demo, prices, report, runs, train
from tradebot.core import InputError

app = typer.Typer(
    name="tradebot",
    help="Train reinforcement-learning agents to trade, backtest them on prices they never saw, and say honestly whether"
    " they would have made money.\n\nStart with: [bold]tradebot demo[/bold]",
    no_args_is_help=True,
    rich_markup_mode="rich",
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command("demo")(demo.demo)
app.add_typer(train.app, name="train")
app.command("backtest")(backtest.command)
app.command("report")(report.report)
app.add_typer(runs.app, name="runs")
app.add_typer(prices.app, name="prices")
app.command("agents")(agents.agents)


def main() -> None:
    """Exit code 0; 2 for wrong use or input; 1 for a failure such as a full disk; 130 for Ctrl-C."""
    try:
        code = app(standalone_mode=False)
    except InputError as error:
        code = _complain(str(error), 2)
    except typer.TyperException as error:
        code = _complain(error.format_message(), 2)
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        code = _complain(f"{where}{error.strerror or error}", 1)
    except (KeyboardInterrupt, typer.Abort):
        code = _complain("interrupted: nothing was written", 130)
    sys.exit(code)


def _complain(message: str, code: int) -> int:
    print(f"tradebot: {' '.join(message.split())}", file=sys.stderr)
    return code
