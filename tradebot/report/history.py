"""What an account did, as HTML tables: returns by month and year, trades. In percent."""

from __future__ import annotations

import math
from collections.abc import Hashable
from html import escape
from typing import Any, Literal

import pandas as pd

from tradebot.backtest.engine import Backtest, Track
from tradebot.config import counted
from tradebot.prices.dates import spelled
from tradebot.report.tables import MISSING
from tradebot.stats.periods import calendar_returns

MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
ROWS = 300  # trades shown at the most
_GAIN, _LOSS = "0,158,115", "213,94,0"  # green and vermilion of Okabe and Ito, seen through on any page


def monthly_html(backtest: Backtest) -> str:
    """Years by months of the ensemble, coloured by size, and the years beside those of buy-and-hold."""
    hold = backtest.baselines.get("buy_and_hold")
    months, years = (_returns(backtest.ensemble, unit) for unit in ("M", "Y"))
    rivals = _returns(hold, "Y") if hold else {}
    largest = max((abs(value) for value in months.values() if not math.isnan(value)), default=0.0)
    rows = []
    for year in years:
        cells = [_cell(months.get(f"{year}-{month:02}"), largest) for month in range(1, 13)]
        cells.append(f"<td><strong>{_percent(years[year])}</strong></td>")
        cells += [f"<td>{_percent(rivals[year])}</td>"] if hold else []
        rows.append(f'<tr><th scope="row">{year}</th>{"".join(cells)}</tr>')
    head = "".join(
        f'<th scope="col">{name}</th>' for name in (*MONTHS, "Year", *["buy_and_hold"] * bool(hold))
    )
    return (
        '<table class="narrow"><caption>Returns of the ensemble after costs, in percent; months'
        f" compound to years</caption>\n<thead><tr><td></td>{head}</tr></thead>\n<tbody>\n"
        + "\n".join(rows)
        + "\n</tbody></table>"
    )


def trades_html(track: Track, file: str) -> str:
    """The latest ROWS round trips; `file` is where all of them are."""
    trades = track.trades
    n_open = int(trades["exit_time"].isna().sum())
    n_closed = len(trades) - n_open  # what the metric `trades` counts
    count = f"{counted(n_closed, 'closed round trip')}{f' and {n_open:,} open' * (n_open > 0)}"
    some = f"; the latest {ROWS:,} are shown, all are" if len(trades) > ROWS else "; also"
    several = len(track.bars.symbols) > 1
    names = (
        *["symbol"] * several,
        "side",
        "entry",
        "exit",
        "bars",
        "units",
        "entry price",
        "exit price",
        "return",
        "profit",
        "fees",
    )
    head = "".join(f'<th scope="col">{name}</th>' for name in names)
    lines = [_trade(row, several) for row in trades.tail(ROWS).to_dict("records")]
    return (
        f'<table class="narrow"><caption>{count} of the ensemble, profits after fees{some} in'
        f" {escape(file)}</caption>\n"
        f"<thead><tr>{head}</tr></thead>\n<tbody>\n" + "\n".join(lines) + "\n</tbody></table>"
    )


def _returns(track: Track, unit: Literal["M", "Y"]) -> dict[str, float]:
    """'2010-01' or '2010' -> fraction; NaN for one without a value."""
    periods, values = calendar_returns(track.equity, track.bars.timestamps, unit)
    return {str(period): float(value) for period, value in zip(periods, values, strict=True)}


def _cell(value: float | None, largest: float) -> str:
    if value is None:
        return "<td></td>"
    if math.isnan(value) or largest == 0:
        return f"<td>{_percent(value)}</td>"
    strength = 0.55 * abs(value) / largest
    return (
        f'<td style="background:rgba({_GAIN if value > 0 else _LOSS},{strength:.2f})">{_percent(value)}</td>'
    )


def _trade(row: dict[Hashable, Any], with_symbol: bool) -> str:
    cells = (
        *[escape(row["symbol"])] * with_symbol,
        row["side"],
        spelled(row["entry_time"]),
        "open" if pd.isna(row["exit_time"]) else spelled(row["exit_time"]),
        f"{row['bars']:,}",
        *(f"{row[name]:,.6g}" for name in ("units", "entry_price", "exit_price")),
        f"{100 * row['return']:z.2f}%",
        *(f"{row[name]:z,.2f}" for name in ("profit", "fees")),
    )
    return f"<tr>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>"


def _percent(value: float) -> str:
    return MISSING if math.isnan(value) else f"{100 * value:z,.1f}"
