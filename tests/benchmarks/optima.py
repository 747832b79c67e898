"""Every agent with its default hyperparameters on markets whose optimum is known: which share does it earn?

Eight seeds learn for 100,000 steps each. They are judged without exploring, on bars (or signals) that were
not trained on, beside the optimal rule on the same ones. In the market the conditional mean of the next
return stands for the return itself, which would only add noise. Discrete agents are long, flat or short; the
others choose weights between -1 and 1, which earns no more, for gains and costs are proportional.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from tradebot.agents.configs import CONFIGS
from tradebot.agents.registry import create
from tradebot.api.experiment import DISCOUNT
from tradebot.api.threads import one_thread
from tradebot.backtest import engine
from tradebot.core import Agent, Array, Env
from tradebot.envs import garleanu_pedersen as gp
from tradebot.market import features, optima, synthetic
from tradebot.market.configs import TradingConfig
from tradebot.market.costs import Costs
from tradebot.market.env import TradingEnv, reward_scale
from tradebot.prices.bars import Bars
from tradebot.rl import loop
from tradebot.rl.evaluate import SEED, play

SEEDS, STEPS = range(8), 100_000
BARS, FRESH = 100_000, 20_000
SIGNAL = "garleanu-pedersen"
EPISODES = 40  # of 252 periods, to judge by
TITLE = f"Share of the optimum: median of {len(SEEDS)} seeds after {STEPS:,} steps each"
HEADER = ("agent", "market", "wanted", "share", "worst seed", "seconds")


class Market(NamedTuple):
    """A synthetic market, its optimum, and what the next return is on average, for who has seen bar t."""

    spec: str
    cost_bp: float
    optimum: optima.Optimum
    forecast: Callable[[Bars], Array]  # [T]
    seen: features.Own  # [T, 1], beside the position


def log_price(bars: Bars) -> Array:
    """ln(price / 100), which the OU market's moves depend on."""
    return np.log(bars.close / 100.0)


def shown(bars: Bars) -> Array:
    """What the volume of the leak says, e_t."""
    size = np.log(bars.volume / synthetic.VOLUME)
    return np.asarray(size - synthetic.GAP * np.sign(size))


def returns(bars: Bars) -> Array:
    return optima.last_returns(bars)[:, None]


AR1, OU, REGIME, LEAK = synthetic.AR1(), synthetic.OU(), synthetic.Regime(), synthetic.Leak()
REVERSION = OU.sigma / np.sqrt(2 * OU.kappa)  # stationary deviation of the log price
MARKETS = {
    "ar1": Market(
        *("ar1", 0.5, optima.ar1(AR1, 0.5e-4)),
        lambda bars: AR1.phi * optima.last_returns(bars),
        lambda bars: returns(bars) / AR1.sigma,
    ),
    "ou": Market(
        *("ou", 1.0, optima.ou(OU, 1e-4)),
        lambda bars: (OU.persistence - 1) * log_price(bars)[:, 0],
        lambda bars: log_price(bars) / REVERSION,
    ),
    "regime": Market(
        *("regime", 5.0, optima.regime(REGIME, 5e-4)),
        lambda bars: REGIME.mu * np.sign(optima.last_returns(bars)),
        lambda bars: returns(bars) / REGIME.mu,
    ),
    "leak": Market(*("leak", 0.0, optima.leak(LEAK)), lambda bars: LEAK.sigma * shown(bars)[:, 0], shown),
}


class Row(NamedTuple):
    agent: str
    market: str
    wanted: float | None  # least share of the optimum


def available() -> list[Row]:
    """Each agent on each market in which it can act."""
    markets = [Row(name, market, _wanted(name, market)) for name in CONFIGS for market in MARKETS]
    signals = [
        Row(name, SIGNAL, _wanted(name, SIGNAL))
        for name, model in CONFIGS.items()
        if "continuous" in model.actions
    ]
    return markets + signals


def _wanted(agent: str, market: str) -> float | None:
    if market == "leak":
        return 0.98
    able = ("ppo", "sac") if market == SIGNAL else ("ppo", "a2c", "dqn", "sac")
    return 0.9 if agent in able else None


def lines(chosen: Sequence[Row]) -> Iterator[tuple[str, ...]]:
    """The lines of the table, each as soon as it is known."""
    for row in chosen:
        with one_thread():
            share, seconds = on_signal(row.agent) if row.market == SIGNAL else on_market(row)
        median = float(np.median(share))
        is_missed = row.wanted is not None and median < row.wanted
        yield (
            *row[:2],
            "" if row.wanted is None else f">= {row.wanted:.0%}",
            f"{median:.1%}{' (missed)' * is_missed}",
            f"{share.min():.1%}",
            f"{seconds:.1f}",
        )


def on_market(row: Row) -> tuple[Array, float]:
    """Share of the optimum of each member, [M], and how long the training took [s]."""
    market = MARKETS[row.market]
    is_discrete = "discrete" in CONFIGS[row.agent].actions
    config = TradingConfig(
        actions="long-short" if is_discrete else "weights", features=("seen", "position"), window=252
    )
    costs = Costs(commission_bps=market.cost_bp, half_spread_bps=0)

    def world(seed: int, n: int, envs: int, window: int | None) -> TradingEnv:
        bars = synthetic.read(f"synthetic:{market.spec}?seed={seed}&n={n}")
        table = features.table(bars, config.features, config.lookback, own={"seen": market.seen})
        first, last = max(table.warmup, 1), n - 1
        return TradingEnv(
            bars,
            config,
            costs,
            first=first,
            last=last,
            seeds=SEEDS,
            envs=envs,
            window=window,
            reward_scale=reward_scale(bars, first, last),
            table=table,
        )

    agent, seconds = trained(row.agent, lambda envs: world(1, BARS, envs, config.window), DISCOUNT)
    fresh = world(1001, FRESH, 1, None)
    requests = engine.policy_requests(agent, fresh)[..., 0].T  # [T, M]
    forecast = market.forecast(fresh.bars)[-len(requests) :]
    best = market.optimum.requests(fresh.bars)[-len(requests) :, None]
    return gain(requests, forecast, market.cost_bp) / gain(best, forecast, market.cost_bp), seconds


def gain(requests: Array, forecast: Array, cost_bp: float) -> Array:
    """Mean gain per bar of positions [T, M] that are held until the next one, after costs: [M]."""
    changes = np.abs(np.diff(requests, axis=0, prepend=0.0))
    return np.asarray((requests * forecast[:, None]).mean(axis=0) - cost_bp / 1e4 * changes.mean(axis=0))


def on_signal(name: str) -> tuple[Array, float]:
    """The same on Garleanu and Pedersen's problem, by the mean reward of episodes."""
    problem = gp.Problem()
    agent, seconds = trained(name, lambda envs: gp.GarleanuPedersenEnv(problem, seeds=SEEDS, envs=envs), {})
    fresh = [SEED + seed for seed in SEEDS]
    earned = play(agent, gp.GarleanuPedersenEnv(problem, seeds=fresh, envs=EPISODES), len(SEEDS))
    env, best = gp.GarleanuPedersenEnv(problem, seeds=fresh, envs=EPISODES), np.zeros(len(SEEDS) * EPISODES)
    obs, rule, goes_on = env.reset(), gp.optimum(problem), True
    while goes_on:
        step = env.step(rule.action(obs))
        best += step.reward
        obs, goes_on = step.obs, not step.truncated.all()
    return earned.returns.mean(axis=1) / best.reshape(len(SEEDS), -1).mean(axis=1), seconds


def trained(name: str, world: Callable[[int], Env], settings: dict[str, Any]) -> tuple[Agent, float]:
    """A population that has learned in `world(environments per member)`, and how long that took [s]."""
    config = CONFIGS[name](**settings)
    env = world(config.envs)
    agent = create(config, env.observation_space, env.action_space, SEEDS, STEPS)
    memory = loop.memory_for(agent, env, SEEDS, STEPS)
    started = time.perf_counter()
    for _ in loop.train(agent, env, memory, len(SEEDS), STEPS):
        pass
    return agent, time.perf_counter() - started
