"""`tradebot backtest RUN_OR_RULE`, or `--strategy`: what it earned, beside the baselines, after costs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tradebot.cli import console
from tradebot.cli.flags import with_flags
from tradebot.market.configs import Broker
from tradebot.market.costs import Costs
from tradebot.prices.reading import ReadConfig

if TYPE_CHECKING:
    from tradebot.api import BacktestResult

RUN_OR_RULE = typer.Argument(
    help="A run (its folder, or its name under runs/) or a rule: buy_and_hold, flat, sma_cross, momentum,"
    " mean_reversion, random, equal_weight, inverse_volatility, cross_sectional_momentum,"
    " fixed:AAPL=0.6,MSFT=0.4",
    metavar="RUN_OR_RULE",
    show_default=False,
)
STRATEGY = typer.Option(
    help="A function of yours instead, file.py:name: f(bars) returns target weights, row t from the bars up"
    " to t (NaN: hold); refused if it looks ahead",
    metavar="FILE.PY:NAME",
)
SYMBOLS = typer.Option(help="Symbols to trade, separated by commas (default: the run's)", show_default=False)
DATA = typer.Option(
    help="sample, yahoo (fetched), a price file or a synthetic market (default: the run's)",
    show_default=False,
)
START = typer.Option(help="First date (default: the bar after the run's training)")
END = typer.Option(help="Last date, included (default: the last bar)")
PRICES = typer.Option(
    help="adjusted for splits and dividends, or raw, with both booked as they come (default: as the run's)",
    metavar="<choice>",
    show_default=False,
)
BASELINES = typer.Option(
    help="Rules to compare with, separated by commas (default: all that make sense for as many symbols)"
)
OUT = typer.Option(help="New folder to write to (default: one in the run's folder, or in backtests/)")

OPEN_SEAL = typer.Option("--open-seal", help="Test on bars that were sealed: once, and on the record")


def backtest(
    run_or_rule: Annotated[str | None, RUN_OR_RULE] = None,
    strategy: Annotated[str, STRATEGY] = "",
    symbols: Annotated[str, SYMBOLS] = "",
    data: Annotated[str, DATA] = "",
    start: Annotated[str | None, START] = None,
    end: Annotated[str | None, END] = None,
    prices: Annotated[str | None, PRICES] = None,
    baselines: Annotated[str | None, BASELINES] = None,
    out: Annotated[Path | None, OUT] = None,
    open_seal: Annotated[bool, OPEN_SEAL] = False,
    json: console.Json = False,
    *,
    settings: dict[str, Any],
) -> None:
    """Backtest a run, a rule or a strategy of your own, by default on the prices after its training.

    Example: tradebot backtest runs/my-run --start 2010-01-01
    """
    from tradebot import api

    with console.progress_bar("backtesting"):
        result = api.backtest(
            run_or_rule,
            strategy=strategy,
            symbols=symbols,
            data=data,
            start=start,
            end=end,
            prices=prices,
            baselines=baselines,
            out=out,
            open_seal=open_seal,
            command=console.command_line(),
            **settings,
        )
    complain_of(result)
    if json:
        console.print_json(result.to_dict())
        return
    from rich.console import Console

    from tradebot.report import sensitivity, tables

    print_verdict(result)
    Console().print(tables.summary([result.backtest]))
    print(sensitivity.line(result.sensitivity))
    print(f"Report: {result.files['report.html']}")


def complain_of(result: BacktestResult) -> None:
    """What a reader must know of the prices, on stderr."""
    for line in filter(None, (result.warning, result.doubts)):
        console.complain(line)


def print_verdict(result: BacktestResult) -> None:
    """Whether it shows an edge, and what is on record."""
    from tradebot.report import verdict

    if result.verdict:
        print(verdict.paragraph(result.backtest, result.verdict) + "\n")


command = with_flags(
    backtest,
    {
        "Price file (default: as the run read its own)": ReadConfig,
        "Account (default: the run's; for a rule as shown)": Broker,
        "Costs (default: the run's; for a rule as shown)": Costs,
    },
)
