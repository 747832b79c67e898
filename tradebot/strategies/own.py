"""A person's own strategy: Bars -> target weights, row t from the bars up to t, filled at the open of t + 1.

Weights are parts of equity; one that repeats the symbol's last request holds the units, and so does NaN,
after which any number trades. `evidence.audit` sees to it that row t knows no later bar. Of raw prices it is
given those of `Bars.reinvested`, in which a split or a dividend is no return.
"""

from __future__ import annotations

from collections.abc import Callable

from tradebot.core import Array, InputError
from tradebot.prices.bars import Bars


def requests(name: str, strategy: Callable[[Bars], Array], bars: Bars) -> Array:
    """What a strategy asks for at each bar, [T, A]; for one symbol it may return [T].

    Raises InputError for another shape.
    """
    weights, (t, a) = strategy(bars.reinvested()), bars.close.shape
    if weights.shape == (t,) and a == 1:
        weights = weights[:, None]
    if weights.shape != (t, a):
        raise InputError(
            f"{name}: returned the shape {weights.shape}, expected {f'({t},) or ' * (a == 1)}({t}, {a}):"
            " a target weight for each bar and symbol"
        )
    return weights
