"""Steps of the trading environment per second on one core, beside gym-trading-env.

All features, costs, long/flat/short at random. The kernel alone is what a step costs without the environment
around it: no allocation, no new episodes.
"""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Callable

import numpy as np
from rich.table import Table

from tests.benchmarks.timing import seconds
from tradebot.core import Array
from tradebot.market import env, features, kernel, synthetic
from tradebot.market.configs import TradingConfig
from tradebot.market.costs import Costs

ACCOUNTS = (1, 8, 256, 4096)
WINDOW = 252  # decisions in an episode
BARS = synthetic.read("synthetic:gbm?n=20000&sigma=0.005")
CONFIG = TradingConfig(actions="long-short")
COSTS = Costs()
TABLE = features.table(BARS, (), CONFIG.lookback)
OTHERS = "gym-trading-env"


def table() -> Table:
    works: dict[str, Callable[[], object]] = {OTHERS: other_step()}
    for n in ACCOUNTS:
        works |= {f"kernel {n}": kernel_step(n), f"environment {n}": environment_step(n)}
    taken = seconds(works)
    shown = Table(title=f"Steps per second, {len(TABLE.names)} features, costs, one core (medians)")
    for column in ("accounts", "kernel alone", "TradingEnv.step", f"{OTHERS} (1 account)", "TradingEnv / it"):
        shown.add_column(column, justify="right")
    other = 1 / taken[OTHERS]
    for n in ACCOUNTS:
        alone, environment = (n / taken[f"{name} {n}"] for name in ("kernel", "environment"))
        rates = (f"{alone:,.0f}", f"{environment:,.0f}", f"{other:,.0f}")
        shown.add_row(f"{n:,}", *rates, f"{environment / other:,.0f} x")
    return shown


def random_actions(n: int) -> Callable[[], Array]:
    """The next of 64 draws of n actions, over and over."""
    draws = np.random.default_rng(0).integers(0, 3, (64, n))
    return itertools.cycle(draws).__next__


def environment_step(n: int) -> Callable[[], object]:
    span = {"first": TABLE.warmup, "last": len(BARS) - 1}
    made = env.TradingEnv(BARS, CONFIG, COSTS, **span, envs=n, window=WINDOW, table=TABLE)
    made.reset()
    action = random_actions(n)
    return lambda: made.step(action())


def kernel_step(n: int) -> Callable[[], object]:
    accounts, cash = np.empty((n, kernel.n_columns(1))), CONFIG.cash
    for account in accounts:
        kernel.open_account(account, cash)
    first, last = TABLE.warmup, np.full(n, len(BARS))
    start = np.random.default_rng(1).integers(first, len(BARS) // 2, n)
    bar = start.copy()
    steps = itertools.count(1)
    targets = env.targets(CONFIG.actions, 1)
    assert targets is not None  # a discrete scheme
    draws = np.random.default_rng(0).integers(0, 3, (64, n))
    request = itertools.cycle([targets[draw] for draw in draws])
    prices, terms = env.quotes(BARS, COSTS), kernel.terms(COSTS, CONFIG)
    ends = np.empty(n), np.empty(n, bool), np.empty(n, bool)
    obs = np.empty((n, len(TABLE.names)), np.float32)

    def step() -> None:
        if next(steps) % (len(BARS) // 2) == 0:
            bar[:] = start
        given = accounts, bar, last, next(request), terms, cash, env.RUIN * cash, 1.0
        kernel.step_accounts(*prices, TABLE.market, TABLE.account, *given, obs, *ends)

    return step


def other_step() -> Callable[[], object]:
    """One environment of gym-trading-env on the same prices and features, plus its two of the account."""
    with warnings.catch_warnings():  # it turns every warning of the program into an error
        from gym_trading_env.environments import TradingEnv as Other
    warnings.filterwarnings("ignore", module="gym_trading_env")
    frame = BARS.to_frame()
    for k, name in enumerate(TABLE.names[: TABLE.market.shape[1]]):
        frame[f"feature_{name}"] = TABLE.market[:, k]
    other = Other(
        frame.iloc[TABLE.warmup :],
        positions=[-1, 0, 1],
        trading_fees=COSTS.buy,
        portfolio_initial_value=CONFIG.cash,
        max_episode_duration=WINDOW,
        verbose=0,
    )
    other.reset(seed=0)
    action = itertools.cycle(np.random.default_rng(0).integers(0, 3, 64).tolist())

    def step() -> None:
        _, _, done, truncated, _ = other.step(next(action))
        if done or truncated:
            other.reset()

    return step
