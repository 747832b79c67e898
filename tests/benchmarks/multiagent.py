"""Agents that share an environment: steps per second beside mpe2, and what independent learners reach.

A rendezvous is judged by the share of the way from standing still to the best achievable return, which is
known of every episode.
"""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Callable
from typing import Any

import numpy as np
from rich.table import Table

import tradebot
from tests.benchmarks.timing import seconds
from tradebot.core import Array, Discrete
from tradebot.envs import catalogue
from tradebot.envs.configs import MultiAgentConfig
from tradebot.envs.multiagent import MultiAgentEnv, optimum, standing
from tradebot.rl import evaluate

ENVIRONMENTS = (1, 64, 1024)
NAMES = ("multiagent?agents=3", "multiagent?form=grid&agents=3", "multiagent?task=spread&agents=3")
EPISODES, SEEDS = 100, 5
PPO = {"gamma": 0.9, "n_steps": 100, "learning_rate": 1e-3}
LEARNERS: list[tuple[str, str, dict[str, Any]]] = [
    (
        "q-learning",
        "multiagent?form=grid",
        {"steps": 200_000, "gamma": 0.9, "learning_rate": 0.2, "learning_rate_end": 0.02},
    ),
    ("ppo", "multiagent", {"steps": 200_000, **PPO}),
]


def table() -> Table:
    """Steps of whole environments, three agents each, by random actions."""
    works: dict[str, Callable[[], object]] = {
        f"{name} {envs}": stepping(name, envs) for name in NAMES for envs in ENVIRONMENTS
    }
    if other := mpe2_step():
        works["mpe2"] = other
    taken = seconds(works)
    shown = Table(title="Steps of environments of three agents per second, one core (medians)")
    for column in ("environment", *(f"{envs:,} at once" for envs in ENVIRONMENTS)):
        shown.add_column(column, justify="left" if column == "environment" else "right")
    for name in NAMES:
        shown.add_row(name, *(f"{envs / taken[f'{name} {envs}']:,.0f}" for envs in ENVIRONMENTS))
    if other:
        shown.add_row("mpe2's simple_spread_v3", f"{1 / taken['mpe2']:,.0f}")
    return shown


def learning() -> Table:
    """What teams earn: minutes."""
    shown = Table(title=f"Independent learners: median of {SEEDS} teams, {EPISODES} new episodes each")
    for column in ("agent", "environment", "steps", "return", "random", "share of the best", "worst team"):
        shown.add_column(column, justify="right")
    for agent, name, settings in LEARNERS:
        with tempfile.TemporaryDirectory() as folder:
            run = tradebot.train(agent, env=name, seeds=SEEDS, out=folder, workers=1, **settings)
            evaluation = run.manifest.evaluation
        assert evaluation is not None and evaluation.episodes == EPISODES
        earned = np.array(evaluation.members, float).reshape(SEEDS, -1).mean(1)
        share = share_of_best(name, run.seeds, earned)
        returns = (f"{np.median(earned):.2f}", f"{at_random(name, run.seeds).mean():.2f}")
        shares = (f"{np.median(share):.1%}", f"{share.min():.1%}")
        shown.add_row(agent, name, f"{settings['steps']:,}", *returns, *shares)
    return shown


def share_of_best(name: str, seeds: Any, earned: Array) -> Array:
    """[S] of the way from standing still to the optimum, over the episodes of the evaluation."""
    env = catalogue.make(name, [seed + evaluate.SEED for seed in seeds], EPISODES)
    assert isinstance(env, MultiAgentEnv)
    env.reset()
    best, still = (of(env.config, env.positions).mean(1) for of in (optimum, standing))
    return np.asarray((earned - still) / (best - still))


def at_random(name: str, seeds: Any) -> Array:
    """[S] mean return per agent of uniform random actions in the same episodes."""
    env = catalogue.make(name, [seed + evaluate.SEED for seed in seeds], EPISODES)
    env.reset()
    act, total = drawn(env, env.n_envs), np.zeros(env.n_envs)
    for _ in range(MultiAgentConfig().limit):
        total += env.step(act()).reward
    return np.asarray(total.reshape(len(seeds), -1).mean(1))


def drawn(env: Any, n: int) -> Callable[[], Array]:
    """The next of 64 draws of n random actions, over and over."""
    generator, space = np.random.default_rng(0), env.action_space
    draws: Array
    if isinstance(space, Discrete):
        draws = generator.integers(0, space.n, (64, n))
    else:
        draws = generator.uniform(-1, 1, (64, n, 2))
    return itertools.cycle(draws).__next__


def stepping(name: str, envs: int) -> Callable[[], object]:
    env = catalogue.make(name, [0], envs)
    env.reset()
    action = drawn(env, env.n_envs)
    return lambda: env.step(action())


def mpe2_step() -> Callable[[], object] | None:
    """One environment of mpe2, where it is installed."""
    try:
        from mpe2 import simple_spread_v3  # type: ignore[import-untyped]
    except ImportError:
        return None
    env = simple_spread_v3.parallel_env()
    env.reset(seed=0)
    draws = np.random.default_rng(0).integers(0, 5, (64, 3))
    action = itertools.cycle([{f"agent_{i}": int(a) for i, a in enumerate(draw)} for draw in draws]).__next__

    def step() -> None:
        env.step(action())
        if not env.agents:
            env.reset()

    return step
