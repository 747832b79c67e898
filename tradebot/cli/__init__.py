"""The command line: a thin file per command, which parses, calls the api and prints.

Heavy imports wait until a command runs.
"""

from __future__ import annotations

import os
import sys
from signal import SIGTERM, default_int_handler
from signal import signal as handle  # a module called `signal` would be hidden by the command of that name
from typing import Annotated, Any

import typer

from tradebot.cli import (
    agents,
    audit,
    backtest,
    console,
    demo,
    envs,
    evaluate,
    fetch,
    ledger,
    nulltest,
    play,
    prices,
    report,
    runs,
    signal,
    train,
    walkforward,
)
from tradebot.core import InputError

ORDER = (
    *("demo", "fetch", "train", "backtest", "evaluate", "play", "signal", "report"),
    *("walkforward", "nulltest", "audit", "runs", "ledger", "prices", "agents", "envs"),
)
INTERRUPTED = 130
NO_MEMORY = "not enough memory: take fewer --seeds or --envs, or smaller networks or batches"
NOTHING_LEFT = "interrupted: nothing half-written is left"


class InOrder(console.Commands):
    """The commands as they are used, one after the other."""

    def list_commands(self, ctx: Any) -> list[str]:
        return list(ORDER)


def root(
    ctx: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version and leave")] = False,
) -> None:
    """What `tradebot` does before, or without, a command."""
    if version:
        from importlib.metadata import version as installed

        print(f"tradebot {installed('tradebot')}")
        raise typer.Exit()
    console.help_without_command(ctx)


app = console.group(
    "Train reinforcement-learning agents to trade, backtest them on prices they never saw, and say honestly"
    " whether they would have made money.",
    "tradebot demo",
    cls=InOrder,
    callback=root,
)
app.command("demo")(demo.demo)
app.command("fetch")(fetch.command)
app.add_typer(train.app, name="train")
app.command("backtest")(backtest.command)
app.command("evaluate")(evaluate.evaluate)
app.command("play")(play.play)
app.command("signal")(signal.command)
app.command("report")(report.report)
app.add_typer(walkforward.app, name="walkforward")
app.add_typer(nulltest.app, name="nulltest")
app.command("audit")(audit.command)
app.add_typer(runs.app, name="runs")
app.add_typer(ledger.app, name="ledger")
app.add_typer(prices.app, name="prices")
app.command("agents")(agents.agents)
app.command("envs")(envs.envs)


def main() -> None:
    """Exit code 0; 2 for wrong use or input; 1 for a failure such as a full disk; 130 for Ctrl-C.

    A command may have one more: 3 where it succeeded in part.
    """
    handle(SIGTERM, default_int_handler)  # whoever stops it wants it to tidy up
    try:
        code = app(standalone_mode=False) or 0
        sys.stdout.flush()
    except InputError as error:
        code = _failed(str(error), 2)
    except typer.TyperException as error:
        code = _failed(_explained(error), 2)
    except BrokenPipeError:  # whoever reads the output, such as `head`, has had enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 1
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        code = _failed(f"{where}{error.strerror or error}", 1)
    except MemoryError:
        code = _failed(NO_MEMORY, 1)
    except RuntimeError as error:  # torch has no exception of its own for it
        if "allocate memory" not in str(error) and "out of memory" not in str(error):
            raise
        code = _failed(NO_MEMORY, 1)
    except FloatingPointError as error:
        code = _failed(f"{error}: take a smaller --learning-rate", 1)
    except console.Stopped as stopped:
        code = _failed(str(stopped), INTERRUPTED)
    except KeyboardInterrupt:
        code = _failed(NOTHING_LEFT, INTERRUPTED)
    else:
        if code == INTERRUPTED:  # typer keeps the exception to itself
            console.complain(NOTHING_LEFT)
    sys.exit(code)


def _failed(message: str, code: int) -> int:
    console.complain(message)
    return code


def _explained(error: typer.TyperException) -> str:
    """What typer says, with what was meant or where the help is."""
    if near := getattr(error, "possibilities", None):
        return f"{getattr(error, 'message', error)}: did you mean {' or '.join(near)}?"
    context = getattr(error, "ctx", None)
    return error.format_message() + (f" (see {context.command_path} --help)" if context else "")
