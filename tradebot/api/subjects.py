"""What an audit looks at, as named columns by bar: features, and what those see and do who act on them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from tradebot import plugins
from tradebot.agents.registry import create
from tradebot.api.experiment import Experiment
from tradebot.api.prices import unknown
from tradebot.api.run import Run
from tradebot.backtest import engine
from tradebot.core import Agent, Array, Discrete, InputError
from tradebot.evidence import futures
from tradebot.evidence.audit import FITTED, Finding
from tradebot.market import features
from tradebot.market.configs import TradingConfig
from tradebot.market.env import TradingEnv, reward_scale
from tradebot.market.kernel import ACCOUNT_FEATURES
from tradebot.plugins import Plugin
from tradebot.prices.bars import Bars
from tradebot.prices.dates import spelled

OBSERVATION, ACTIONS, FILLS, EQUITY = LAYERS = ("observation", "actions", "fills", "equity")
STEPS = 200  # of a training whose observations are compared
DRIFT = 1e-3  # of a feature's deviation: what the start of the prices may change after the warm-up


def own_features(market: TradingConfig, code: Path | None) -> dict[str, Plugin]:
    """A person's own, loaded whether they look ahead or not; from the folder `code` if it is given."""
    found = {}
    for name, place in plugins.places(market.features).items():
        found[name] = plugins.load(name, code / place if code else None)
    return found


def of_features(market: TradingConfig, mine: Mapping[str, Plugin], bars: Bars) -> dict[str, Array]:
    """Each feature of the market by name and symbol, [T], before it is clipped."""
    names = [*market.features] or [*features.MARKET_FEATURES]
    found: dict[str, Array] = {}
    for name in names:
        if name in mine:
            found |= by_symbol(name, features.own_values(name, mine[name], bars), bars)
        elif name in features.MARKET_FEATURES:
            values = features.MARKET_FEATURES[name].compute(bars.reinvested(), market.lookback)
            found |= by_symbol(name, values, bars)
        elif name not in ACCOUNT_FEATURES:
            raise unknown("feature", name, [*features.MARKET_FEATURES, *ACCOUNT_FEATURES])
    return found


def by_symbol(name: str, values: Array, bars: Bars) -> dict[str, Array]:
    """[T, A] or [T, A, F] -> [T] by name; of several symbols or columns each name says which it is."""
    parts = values.reshape(*bars.close.shape, -1)
    n = parts.shape[2]
    return {
        f"{name}{f'[{i}]' * (n > 1)}{f' of {symbol}' * (len(bars.symbols) > 1)}": parts[:, a, i]
        for a, symbol in enumerate(bars.symbols)
        for i in range(n)
    }


def env_of(bars: Bars, table: features.FeatureTable, plan: Experiment, first: int) -> TradingEnv:
    """An account for each seed, from bar `first` to the last."""
    return TradingEnv(
        bars, plan.market, plan.costs, first=first, last=len(bars) - 1, seeds=plan.seeds, table=table
    )


def untrained(plan: Experiment, env: TradingEnv) -> Agent:
    """As it is before its first step."""
    return create(
        plan.agent,
        env.observation_space,
        env.action_space,
        plan.members,
        plan.run.steps,
        plan.run.device,
    )


class _Watched:
    """An agent, and all that it saw."""

    def __init__(self, agent: Agent) -> None:
        self._agent = agent
        self.seen: list[Array] = []

    def act(self, obs: Array, *, explore: bool) -> Any:
        self.seen.append(np.array(obs[:, 0]))
        return self._agent.act(obs, explore=explore)


def acting(
    agent: Agent, plan: Experiment, seen: Callable[[Bars], features.FeatureTable], first: int, bars: Bars
) -> dict[str, Array]:
    """What it sees, asks for and gets at every bar from `first` on."""
    table = seen(bars)
    watched = _Watched(agent)
    requests = engine.policy_requests(watched, env_of(bars, table, plan, first))  # type: ignore[arg-type]
    obs = np.stack(watched.seen)  # [n, S, F]
    found = {f"{OBSERVATION} {name}": obs[:, :, f] for f, name in enumerate(table.names)}
    part = bars.rows(first, len(bars) - 1)
    return found | account(part, {f"seed {s}": asked for s, asked in enumerate(requests)}, plan)


def account(part: Bars, requests: Mapping[str, Array], plan: Experiment) -> dict[str, Array]:
    """Actions, fills and equity [n] of accounts that get what they ask for, and of their ensemble."""
    made = engine.run(
        "audit", part, requests, {}, market=plan.market, costs=plan.costs, in_sample=False, short=True
    )
    found: dict[str, Array] = {}
    for track in made.members:
        found |= by_symbol(f"{ACTIONS} of {track.name}", track.request, part)
        found |= by_symbol(f"{FILLS} of {track.name}", track.traded, part)
        found[f"{EQUITY} of {track.name}"] = track.equity
    return found | {
        f"{FILLS} of the ensemble": made.ensemble.traded,
        f"{EQUITY} of the ensemble": made.ensemble.equity,
    }


def fitted(
    run: Run, bars: Bars, seen: Callable[[Bars], features.FeatureTable], first: int, last: int
) -> list[Finding]:
    """What the training took from bars after its end: its scale of the reward, or what its members met."""
    if last >= len(bars) - 1:
        return []
    plan = run.experiment
    before = _met(plan, bars, seen(bars), first, last)
    for how, other in futures.others(bars, last, seed=0):
        if len(other) <= last:
            continue
        after = _met(plan, other, seen(other), first, last)
        for name, values in before.items():
            if not np.array_equal(values, after[name]):
                return [Finding("training", name, FITTED, spelled(bars.timestamps[last]), 0, how)]
    return []


def _met(
    plan: Experiment, bars: Bars, table: features.FeatureTable, first: int, last: int
) -> dict[str, Array]:
    """Of a training on the bars first .. last: the scale of its reward, and what random actions met."""
    scale = reward_scale(bars, first, last)
    env = TradingEnv(
        bars,
        plan.market,
        plan.costs,
        first=first,
        last=last,
        seeds=plan.seeds,
        window=plan.market.window,
        reward_scale=scale,
        table=table,
    )
    generator = np.random.default_rng(0)
    met, rewards = [env.reset()], []
    for _ in range(STEPS):
        if isinstance(env.action_space, Discrete):
            action: Array = generator.integers(env.action_space.n, size=env.n_envs)
        else:
            action = generator.uniform(-1.0, 1.0, (env.n_envs, len(bars.symbols)))
        step = env.step(action)
        met.append(step.obs)
        rewards.append(step.reward)
    return {"reward scale": np.array(scale), "observations": np.stack(met), "rewards": np.stack(rewards)}


def start_matters(columns: Callable[[Bars], Mapping[str, Array]], bars: Bars) -> list[str]:
    """In a line, which features have another value after their warm-up where the prices begin later."""
    cut = len(bars) // 4
    try:
        whole, late = columns(bars), columns(bars.rows(cut, len(bars) - 1))
    except InputError:
        return []
    worst: dict[str, float] = {}
    settled = 0
    for name, values in whole.items():
        begin = _settled(late[name])
        before, after = values[cut + begin :], late[name][begin:]
        usual = float(np.std(before)) if before.size else 0.0
        moved = np.abs(before - after).reshape(len(before), -1).max(axis=1, initial=0.0)
        if usual > 0 and moved.max(initial=0.0) > DRIFT * usual:
            worst[name] = moved.max() / usual
            settled = max(settled, 1 + int(np.flatnonzero(moved > DRIFT * usual)[-1]))
    if not worst:
        return []
    most = max(worst, key=lambda name: worst[name])
    return [
        f"where the prices begin matters to {', '.join(worst)} after the warm-up, most to {most} (by"
        f" {worst[most]:.2g} of its deviation), "
        + (f"for {settled:,} bars" if cut + settled < len(bars) - 1 else "up to the end")
    ]


def _settled(values: Array) -> int:
    """The first row without NaN."""
    known = ~np.isnan(values.reshape(len(values), -1)).any(axis=1)
    return int(known.argmax()) if known.any() else len(values)
