"""What a result hangs on, in a line for the terminal and as a section of the page."""

from __future__ import annotations

import math
from html import escape

from tradebot.config import counted
from tradebot.evidence.sensitivity import MOST_BPS, Regime, Sensitivity
from tradebot.report.tables import show


def line(of: Sensitivity) -> str:
    """Break-even costs and start dates in a sentence or two."""
    told = _costs(of)
    if of.starts:
        told += (
            f" Of {counted(of.starts.windows, 'span')} of one year, {_percent(of.starts.positive)} ended with"
            f" a gain and {_percent(of.starts.ahead)} ahead of buy_and_hold; the worst returned"
            f" {show('total_return', of.starts.worst)}, the median {show('total_return', of.starts.median)}."
        )
    return told


def _costs(of: Sensitivity) -> str:
    if math.isnan(of.break_even_cash):
        return "It never traded, so that no cost changes anything."
    limits = {
        "nothing is left over cash": of.break_even_cash,
        "buy_and_hold ends as high": of.break_even_hold,
    }
    room = [f"to {_bps(bps)} until {event}" for event, bps in limits.items() if bps]
    rivals = [*["cash"] * (not of.break_even_cash), *["buy_and_hold"] * (not of.break_even_hold)]
    told = []
    if room:
        told.append(f"Commission and half spread, {of.cost:g} bp here, may come {', and '.join(room)}.")
    if rivals:
        told.append(f"Even without commission and half spread it ends no higher than {' and '.join(rivals)}.")
    return " ".join(told)


def section(name: str, of: Sensitivity) -> str:
    """HTML: the sentences, and a table of the regimes."""
    rows = "\n".join(_row(regime) for regime in of.regimes)
    title = f"What ‘{escape(name)}’ hangs on"
    return (
        f"<h2>{title}</h2>\n<p>{escape(line(of))}</p>\n"
        f'<div class="scroll" tabindex="0" role="region" aria-label="{title}">\n'
        "<table><caption>By the kind of market, told in hindsight from buy_and_hold: over a quarter around"
        " a bar up or down by more than a deviation; volatility over a month against its median</caption>\n"
        '<thead><tr><td></td><th scope="col">share of bars</th><th scope="col">total return</th>'
        '<th scope="col">sharpe</th><th scope="col">buy_and_hold</th></tr></thead>\n'
        f"<tbody>\n{rows}\n</tbody></table>\n</div>"
    )


def _row(of: Regime) -> str:
    cells = (
        _percent(of.share),
        show("total_return", of.total_return),
        show("sharpe", of.sharpe),
        show("total_return", of.buy_and_hold),
    )
    return f'<tr><th scope="row">{of.name}</th>' + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>"


def _bps(number: float) -> str:
    return f"more than {MOST_BPS:g} bp" if math.isinf(number) else f"{number:.1f} bp"


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"
