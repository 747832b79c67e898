"""The hindsight optimum of one asset under proportional costs: the most that 0/1 or -1/0/1 requests earn.

Conventions of `market.kernel`: a request of bar t fills at the open of t+1, a repeated one holds the units,
the last row is marked at its close and not closed out. A turn costs what closing and opening at one open do.

Dynamic programming on log wealth. A short entered at the open O with wealth W closes at P for the wealth
W (2 - (1 + buy) P / O) / (1 + sell): a line in P. The best entry is thus a maximum over lines (Li Chao tree),
O(T log T). Exact, but for ruin at the mark, which is ignored: where it would strike, an upper bound. Weights
between the targets may earn more: they can bring a short that has drifted back to size.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from tradebot.core import Array

compiled = njit(cache=True, error_model="numpy")


@compiled
def _is_better(a: int, b: int, x: float, log_wealth: Array, open_: Array, buy: float) -> bool:
    """Whether the short entered at bar a is worth more at price x than that of bar b."""
    scale = np.exp(min(log_wealth[a] - log_wealth[b], 700.0))
    worth: bool = scale * (2.0 - (1.0 + buy) * x / open_[a]) > 2.0 - (1.0 + buy) * x / open_[b]
    return worth


@compiled
def _best_short(tree: Array, grid: Array, x: float, log_wealth: Array, open_: Array, buy: float) -> int:
    """The entry bar of the short that is worth most at price x; -1 if there is none yet."""
    best, node, low, high = -1, 1, 0, len(grid) - 1
    while True:
        s = tree[node]
        if s >= 0 and (best < 0 or _is_better(s, best, x, log_wealth, open_, buy)):
            best = s
        if low == high:
            return best
        middle = (low + high) // 2
        if x <= grid[middle]:
            node, high = 2 * node, middle
        else:
            node, low = 2 * node + 1, middle + 1


@compiled
def _add_short(tree: Array, grid: Array, new: int, log_wealth: Array, open_: Array, buy: float) -> None:
    """Put the short entered at bar `new` where it is the best of its node's prices."""
    node, low, high = 1, 0, len(grid) - 1
    while tree[node] >= 0:
        middle = (low + high) // 2
        if _is_better(new, tree[node], grid[middle], log_wealth, open_, buy):
            tree[node], new = new, tree[node]
        if low == high:
            return
        if _is_better(new, tree[node], grid[low], log_wealth, open_, buy):
            node, high = 2 * node, middle
        elif _is_better(new, tree[node], grid[high], log_wealth, open_, buy):
            node, low = 2 * node + 1, middle + 1
        else:
            return
    tree[node] = new


@compiled
def optimum(open_: Array, close: Array, buy: float, sell: float, short: bool) -> tuple[float, Array]:
    """(ln of final over initial equity, requests [T] that earn it); open_ and close are prices [T]."""
    n = len(open_)
    requests = np.zeros(n)
    if n < 2:
        return 0.0, requests
    mark = close[n - 1] / (1.0 + buy)  # closing at this price pays what the mark is worth
    grid = np.sort(np.append(open_, mark)) if short else open_[:1]
    tree = np.full(4 * len(grid), -1, dtype=np.int64)  # node -> entry bar
    before_flat = np.zeros(n, dtype=np.int8)  # position before the open, by that after it
    before_long = np.zeros(n, dtype=np.int8)
    before_short = np.zeros(n, dtype=np.int8)
    entry = np.full(n + 1, -1, dtype=np.int64)  # of the short that is best closed here
    log_entry = np.zeros(n)  # wealth with which a short is entered
    flat, units = 0.0, -np.inf  # logs
    short_value = -np.inf
    for t in range(1, n + 1):
        price = open_[t] if t < n else mark
        short_value = -np.inf
        if short:
            entry[t] = _best_short(tree, grid, price, log_entry, open_, buy)
            s = entry[t]
            if s >= 0:
                factor = (2.0 - (1.0 + buy) * price / open_[s]) / (1.0 + sell)
                short_value = log_entry[s] + np.log(factor) if factor > 0.0 else -np.inf
        if t == n:
            break
        sold = units + np.log(price * (1.0 - sell))
        before_short[t] = 1 if sold > flat else 0
        log_entry[t] = max(flat, sold)  # not from a short: a repeated request holds the units
        before_flat[t] = -1 if short_value > log_entry[t] else before_short[t]
        before_long[t] = 1
        other = max(flat, short_value)
        bought = other - np.log(price * (1.0 + buy))
        if bought > units:
            before_long[t] = -1 if short_value > flat else 0
            units = bought
        flat = max(log_entry[t], short_value)
        if short:
            _add_short(tree, grid, t, log_entry, open_, buy)
    held = units + np.log(close[n - 1])
    best = max(flat, held, short_value)
    state = 0 if best == flat else (1 if best == held else -1)
    t, end = n - 1, n
    requests[n - 1] = state
    while t > 0:
        if state == -1:
            start = entry[end]
            requests[start - 1 : end - 1] = -1.0
            t, state = start, before_short[start]
        else:
            requests[t - 1] = state
            state = before_flat[t] if state == 0 else before_long[t]
        end = t
        t -= 1
    return best, requests
