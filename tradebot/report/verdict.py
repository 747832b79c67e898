"""The verdict in one paragraph of plain words, for the head of a page and of the terminal's output."""

from __future__ import annotations

import math
from html import escape

from tradebot.backtest.engine import Backtest
from tradebot.config import counted
from tradebot.evidence import verdict as rules
from tradebot.evidence.verdict import Ratio, Verdict
from tradebot.report.tables import probability


def headline(of: Verdict) -> str:
    """'Verdict: too little data to tell (needs 4.2 years)'."""
    needs = f" (needs {_years(of.needs_years)})" if of.verdict == rules.TOO_LITTLE else ""
    return f"Verdict: {of.verdict}{needs}"


def paragraph(tested: Backtest, of: Verdict) -> str:
    """What was tested, against what, how many trials there were, and how sure the figures are."""
    seeds = len(tested.members)
    who = f"{tested.name}, an ensemble of {seeds} seeds," if seeds > 1 else tested.name
    parts = [
        f"{headline(of)}: {'; '.join(of.reasons)}.",
        f"{who} was tested on {counted(of.returns, 'return')} of {tested.bars.who} ({_years(of.years)}) after"
        " costs, against cash and against buy-and-hold at its own exposure.",
        f"Sharpe ratio {_ratio(of.over_cash)} over cash, {_ratio(of.over_market)} over buy-and-hold.",
        _trials(of),
    ]
    has_traded = not math.isnan(of.over_cash.value)
    if has_traded and of.candidates > 1 and not math.isnan(of.pbo):
        spa = "" if math.isnan(of.spa_p) else f" SPA against buy-and-hold p = {probability(of.spa_p)},"
        parts.append(
            f"Of the {of.candidates} trials that cover this whole span:{spa} probability of overfitting"
            f" {of.pbo:.2f}."
        )
    if of.null_p is not None:
        parts.append(f"Null test: p = {probability(of.null_p)}.")
    return " ".join(parts)


def _trials(of: Verdict) -> str:
    if of.in_sample:
        return "It is in-sample, hence not on record."
    if not of.trials:
        return "It is not on record, so that nobody counts the trials before."
    looks = f"{counted(of.trials, 'trial')} and {counted(of.looks, 'look')}"
    text = f"On record: {looks} at these bars, this one included"
    if of.again:
        text += f", and this very trial was looked at {_times(of.again)} before"
    if of.trials > 1:
        text += f"; the luckiest of as many without an edge would have a Sharpe ratio of {of.luck:.2f}"
    return f"{text}."


def _times(number: int) -> str:
    return "once" if number == 1 else f"{number} times"


def _ratio(of: Ratio) -> str:
    if math.isnan(of.value):
        return "undefined"
    interval = "" if math.isnan(of.low) else f"95 % interval {of.low:.2f} to {of.high:.2f}, "
    return f"{of.value:.2f} ({interval}deflated probability {of.dsr:.3f})"


def _years(number: float) -> str:
    return f"{number:.1f} years"


def verdict_html(tested: Backtest, of: Verdict) -> str:
    """The paragraph, its headline in bold."""
    head, text = headline(of), paragraph(tested, of)
    return f'<p class="verdict"><strong>{escape(head)}</strong>{escape(text.removeprefix(head))}</p>'
