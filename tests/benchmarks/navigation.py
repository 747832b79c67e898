"""Robots among obstacles: how well policies navigate on maps they have never met, and how fast robots step.

`navigation` trains five members of each agent by its preset and judges all on 500 maps, without exploring:
the median of the members, and CPU-minutes of all five. It takes an hour. `robots` counts steps per second on
one core, beside Gymnasium's Pendulum-v1.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator

import gymnasium
import numpy as np
from rich.table import Table

from tests.benchmarks.timing import seconds
from tradebot.agents import presets
from tradebot.agents.registry import create
from tradebot.api.experiment import experiment
from tradebot.api.threads import one_thread
from tradebot.envs import catalogue
from tradebot.envs.configs import NavigationConfig
from tradebot.envs.navigation import NavigationEnv
from tradebot.envs.planning import Navigated, at_random, navigate, of_agent, straight
from tradebot.rl import loop
from tradebot.rl.evaluate import SEED

MAPS, MEMBERS = 500, 5
UNSEEN = SEED + 1_000  # the maps from SEED on chose the presets: nothing was chosen by these
AGENTS = ("ppo", "sac")
ROBOTS = (1, 64, 1024)
OTHER = "Pendulum-v1"


def table() -> Table:
    shown = Table(title=f"Navigation on {MAPS} maps that were never met, median of {MEMBERS} members")
    for column in ("policy", "steps", "success", "worst", "collisions", "timeouts", "SPL", "CPU-minutes"):
        shown.add_column(column, justify="left" if column == "policy" else "right")
    for row in _rows():
        shown.add_row(*row)
    return shown


def _rows() -> Iterator[tuple[str, ...]]:
    unseen = [UNSEEN + m for m in range(MEMBERS)]
    for name, policy in (("random", at_random(0)), ("straight line", straight)):
        went = navigate(policy, NavigationEnv(NavigationConfig(), unseen, MAPS))
        yield _row(name, "", went, "")
    for name in AGENTS:
        with one_thread():
            went, steps, minutes = learned(name)
        yield _row(name, f"{steps:,}", went, f"{minutes:.1f}")


def _row(name: str, steps: str, went: Navigated, minutes: str) -> tuple[str, ...]:
    members = [went.of_member(m, MEMBERS) for m in range(MEMBERS)]
    success, collisions, timeouts, spl = (
        np.array([getattr(member, figure) for member in members])
        for figure in ("success", "collisions", "timeouts", "spl")
    )
    shares = [np.median(success), success.min(), np.median(collisions), np.median(timeouts)]
    return name, steps, *(f"{share:.1%}" for share in shares), f"{np.median(spl):.3f}", minutes


def learned(name: str) -> tuple[Navigated, int, float]:
    """How the members of an agent navigate after the training of its preset, its steps and CPU-minutes."""
    plan = experiment(name, presets.read(name, "navigation"), {"seeds": MEMBERS})
    steps = plan.run.steps
    env = catalogue.make(plan.run.env, plan.seeds, plan.agent.envs)
    agent = create(plan.agent, env.observation_space, env.action_space, plan.seeds, steps)
    memory = loop.memory_for(agent, env, plan.seeds, steps)
    started = time.process_time()
    for _ in loop.train(agent, env, memory, MEMBERS, steps):
        pass
    minutes = (time.process_time() - started) / 60
    test = catalogue.make(plan.run.env, [UNSEEN + seed for seed in plan.seeds], MAPS)
    assert isinstance(test, NavigationEnv)
    return navigate(of_agent(agent, MEMBERS), test), steps, minutes


def speed() -> Table:
    works = {str(n): robots_step(n) for n in ROBOTS} | {OTHER: other_step()}
    taken = seconds(works, clock=time.process_time)
    rays = NavigationConfig().rays
    shown = Table(title=f"Steps per second, {rays} rays, random actions, one core (medians of CPU time)")
    for column in ("robots", "NavigationEnv.step", f"{OTHER} (1 environment)", "NavigationEnv / it"):
        shown.add_column(column, justify="right")
    other = 1 / taken[OTHER]
    for n in ROBOTS:
        ours = n / taken[str(n)]
        shown.add_row(f"{n:,}", f"{ours:,.0f}", f"{other:,.0f}", f"{ours / other:,.1f} x")
    return shown


def robots_step(n: int) -> Callable[[], object]:
    env = NavigationEnv(NavigationConfig(), [0], n)
    env.reset()
    action = itertools.cycle(np.random.default_rng(0).uniform(-1, 1, (64, n, 2)))
    return lambda: env.step(next(action))


def other_step() -> Callable[[], object]:
    env = gymnasium.make(OTHER)
    env.reset(seed=0)
    action = itertools.cycle(np.random.default_rng(0).uniform(-2, 2, (64, 1)).astype(np.float32))

    def step() -> None:
        _, _, terminated, truncated, _ = env.step(next(action))
        if terminated or truncated:
            env.reset()

    return step
