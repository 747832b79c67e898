"""The null test: is the result better than what the same agent gets where nothing can be predicted?

The agent is trained and tested from scratch on the market and on K copies of it whose bars were shuffled
(`market.permuted`). Where no bar tells anything of the next, the market is one more shuffled copy, so that
every rank is as likely as any other, whatever is measured: p = (1 + #{copies that do as well or better}) /
(K + 1) (Davison and Hinkley 1997, section 4.3; Phipson and Smyth 2010 say why 1 is added).

What is measured is the Sharpe ratio of the ensemble after costs. It may be compared between copies, for each
has the market's own returns in another order: buy-and-hold earns the same in all of them at the same
volatility, so that neither drift nor wild bars can make a difference, only what the agent does with their
order. Final wealth would do as well, but it rewards bold bets, of which one lucky bar can decide. An account
that never trades has the ratio 0. Volatility that comes in clusters is lost in the shuffling too; blocks keep
most of it, at the price that the copies keep what can be predicted within a block.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from tradebot.core import Array
from tradebot.stats import metrics

STATISTIC = "Sharpe ratio of the ensemble after costs, per year"


class NullTest(NamedTuple):
    """What was measured on the market and on its copies."""

    real: float
    copies: tuple[float, ...]  # [K]

    @property
    def p_value(self) -> float:
        """The share of these markets, the real one among them, that do as well as it or better."""
        return self.rank / (len(self.copies) + 1)

    @property
    def rank(self) -> int:
        """Of the market among all, 1 for the best; a copy that does as well goes before it."""
        return 1 + sum(copy >= self.real for copy in self.copies)


def statistic(equity: Array, periods_per_year: float) -> float:
    """Of an account [T]: see above."""
    ratio = metrics.sharpe(metrics.returns(equity), periods_per_year)
    return 0.0 if math.isnan(ratio) else ratio


def of_accounts(equities: Sequence[Array], periods_per_year: float) -> NullTest:
    """Of the ensemble's account on the market [T], and on each copy."""
    real, *copies = (statistic(equity, periods_per_year) for equity in equities)
    return NullTest(real, tuple(copies))
