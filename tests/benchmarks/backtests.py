"""CPU time of backtests, beside vectorbt on the same targets.

Both end with the equity at every bar, which is the same to 1e-9 as long as both charge the same. Our full
costs are more than vectorbt knows: it is given its commission, slippage and fixed fee beside them too.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from importlib.metadata import version
from typing import Any

import numpy as np
from rich.table import Table

from tests.benchmarks.timing import seconds
from tradebot.core import Array
from tradebot.market import kernel
from tradebot.market.configs import Broker
from tradebot.market.costs import Costs
from tradebot.market.env import RUIN

CASH = 1e6
CHARGED = {"commission_bps": 1, "half_spread_bps": 0.5, "fixed_per_order": 1}
COSTS = Costs(**CHARGED)
VOLUME = {"impact_bps": 10, "participation": 0.1}
INTEREST = {"borrow_rate": 0.01, "margin_rate": 0.05, "cash_rate": 0.02}
FULL_COSTS = Costs(**CHARGED, minimum_commission=1, **VOLUME, **INTEREST)
PAID = {"fees": 1e-4, "slippage": 0.5e-4, "fixed_fees": 1.0}  # the same to vectorbt
MINUTES, DAYS = 1_000_000, 2_500
MANY = 1_000  # strategies
ASSETS = (1, 10, 100, 500)


def table() -> Table:
    one, many = signals(1, MINUTES, 200), signals(MANY, DAYS, 20)
    pairs = {
        f"1 strategy x {MINUTES:,} bars": (market(MINUTES, 1, 0.001), one),
        f"{MANY:,} strategies x {DAYS:,} bars": (market(DAYS, 1, 0.01), many),
    }
    works: dict[str, Callable[[], object]] = {}
    for name, (bars, held) in pairs.items():
        ours, theirs = tradebot(bars, held[:, :, None]), vectorbt(bars, held)
        np.testing.assert_allclose(ours().equity.T, theirs().reshape(-1, len(held)), rtol=1e-9)
        full = tradebot(bars, held[:, :, None], FULL_COSTS)
        works |= {f"tradebot, {name}": ours, f"full costs, {name}": full, f"vectorbt, {name}": theirs}
    for n in ASSETS:
        weights = np.full((1, DAYS, n), 0.9 / n)  # that drift
        works[f"{n} assets"] = tradebot(market(DAYS, n, 0.01), weights, rebalance=True)
    taken = seconds(works, clock=time.process_time)
    shown = Table(title=f"Backtests, and {their_name()} on the same targets (medians, CPU)")
    for column in ("work", "orders", "tradebot (ms)", "vectorbt (ms)", "ratio", "ns a bar and asset"):
        shown.add_column(column, justify="left" if column == "work" else "right")
    for name, (_, held) in pairs.items():
        orders, slow = np.count_nonzero(np.diff(held[:, :-1], prepend=0)), taken[f"vectorbt, {name}"]
        for ours, costs in (("tradebot", ""), ("full costs", ", full costs")):
            fast = taken[f"{ours}, {name}"]
            rates = (f"{1e3 * fast:,.1f}", f"{1e3 * slow:,.0f}", f"{slow / fast:.1f} x")
            shown.add_row(name + costs, f"{orders:,}", *rates, f"{1e9 * fast / held.size:.1f}")
    for n in ASSETS:
        took, cells = taken[f"{n} assets"], DAYS * n
        name = f"{n} asset{'s' * (n > 1)} x {DAYS:,} bars, rebalanced at each"
        shown.add_row(name, f"{cells:,}", f"{1e3 * took:,.2f}", "", "", f"{1e9 * took / cells:.1f}")
    return shown


def market(n: int, assets: int, move: float) -> Array:
    """Random walks with gaps, [n, assets, 3] as the kernel takes them."""
    generator = np.random.default_rng(0)
    gaps, moves = move * generator.standard_normal((2, n, assets)) * np.array([0.3, 1.0])[:, None, None]
    close = 50.0 * np.exp(np.cumsum(gaps + moves, axis=0))
    return np.stack([close * np.exp(-moves), close, np.full_like(close, 1e9)], axis=2)


def signals(strategies: int, n: int, spell: int) -> Array:
    """Long or flat, [strategies, n], for `spell` bars on average."""
    changes = np.random.default_rng(1).random((strategies, n)) < 1 / spell
    return (np.cumsum(changes, axis=1) % 2).astype(np.float64)


def tradebot(
    bars: Array, requests: Array, costs: Costs = COSTS, rebalance: bool = False
) -> Callable[[], kernel.Simulated]:
    terms = kernel.terms(costs, Broker(rebalance=rebalance))
    years = np.full(len(bars), 1 / 252)
    return lambda: kernel.simulate(bars, years, requests, CASH, terms, RUIN * CASH)


def vectorbt(bars: Array, held: Array) -> Callable[[], Array]:
    """It orders a target percentage where that changes, and nothing (NaN) elsewhere."""
    import vectorbt as vbt  # type: ignore[import-untyped]

    orders = np.where(np.diff(held, axis=1, prepend=0) != 0, held, np.nan)
    size = np.concatenate([np.full((1, len(held)), np.nan), orders[:, :-1].T])
    given: dict[str, Any] = {"size_type": "targetpercent", "price": bars[:, :, 0], "init_cash": CASH, **PAID}
    close = bars[:, :, 1]
    return lambda: np.asarray(vbt.Portfolio.from_orders(close, size, **given).value())


def their_name() -> str:
    from vectorbt._engine import resolve_engine  # type: ignore[import-untyped]

    return f"vectorbt {version('vectorbt')} ({resolve_engine()})"
