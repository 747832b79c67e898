"""What each fold of a walk-forward earned, as a table for the terminal and as a section of the page."""

from __future__ import annotations

from collections.abc import Sequence

from rich import box
from rich.table import Table
from rich.text import Text

from tradebot.backtest.walkforward import FoldResult
from tradebot.report.tables import BENCHMARK, show

_COLUMNS = ("trained on", "tested on", "return", "Sharpe", BENCHMARK)


def table(results: Sequence[FoldResult], seams: str) -> Table:
    """For a terminal of 80 columns."""
    made = Table(
        title=Text(
            f"Folds: trained on the bars before, tested out of sample, positions {seams} at the seams"
        ),
        title_justify="left",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
        show_edge=False,
        padding=(0, 1, 0, 0),
    )
    made.add_column("")
    for i, column in enumerate(_COLUMNS):
        made.add_column(column, justify="left" if i < 2 else "right")
    for number, of in enumerate(results, 1):
        made.add_row(str(number), *_cells(of, ".."))
    return made


def section(results: Sequence[FoldResult]) -> str:
    """HTML."""
    head = "".join(f'<th scope="col">{column}</th>' for column in _COLUMNS)
    rows = "\n".join(
        f'<tr><th scope="row">{number}</th>{"".join(f"<td>{cell}</td>" for cell in _cells(of, " .. "))}</tr>'
        for number, of in enumerate(results, 1)
    )
    return (
        '<h2>Folds</h2>\n<div class="scroll" tabindex="0" role="region" aria-label="Folds">\n'
        "<table><caption>Each fold was trained on the bars before its test; one account goes through the"
        " tests of all, one after the other</caption>\n"
        f"<thead><tr><td></td>{head}</tr></thead>\n<tbody>\n{rows}\n</tbody></table>\n</div>"
    )


def _cells(of: FoldResult, to: str) -> tuple[str, ...]:
    return (
        f"{of.train_start[:10]}{to}{of.train_end[:10]}",
        f"{of.test_start[:10]}{to}{of.test_end[:10]}",
        show("total_return", of.total_return),
        show("sharpe", of.sharpe),
        show("total_return", of.buy_and_hold),
    )
