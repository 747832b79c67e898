"""Independent PPO on simple_spread with three agents: in our world, in mpe2 itself, and beside published figures.

Returns are per agent and episode of 25 steps, as mpe2 pays them. The published ones are of an older version of
the environment, which pays each agent the sum of what mpe2 halves, less one a step for its overlap with itself:
six times a return of ours, less 75. (EPyMARL's authors say that theirs are divided by the number of agents.)
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
from rich.table import Table

import tradebot
from tests.benchmarks.multiagent import at_random
from tradebot.agents.configs import PPOConfig
from tradebot.agents.registry import create
from tradebot.api.threads import one_thread
from tradebot.core import Agent, Array, Box, Discrete, State, Step
from tradebot.rl import evaluate, loop

NAME, AGENTS, LIMIT = "multiagent?task=spread&agents=3", 3, 25
STEPS, TEAMS, EPISODES = 1_000_000, 5, 100
SETTINGS: dict[str, Any] = {
    "envs": 16,
    "n_steps": 100,
    "batch": 400,
    "epochs": 5,
    "gamma": 0.95,
    "learning_rate": 7e-4,
    "entropy": 0.01,
}
# Papoudakis et al. 2021 ("Benchmarking Multi-Agent Deep RL Algorithms in Cooperative Tasks"), Spread, parameters
# shared by the agents, 20 million steps for learners on-policy
PUBLISHED = {"IPPO": -133.86, "IA2C": -134.43}


class Mpe2Spread:
    """B environments of mpe2, stepped one after the other: E = 3 agents x B, agent-major."""

    levels = None

    def __init__(self, envs: int, seed: int) -> None:
        from mpe2 import simple_spread_v3  # type: ignore[import-untyped]

        self._envs = [simple_spread_v3.parallel_env(max_cycles=LIMIT) for _ in range(envs)]
        self._seeds = iter(range(seed, seed + 2**31))
        self.n_envs = AGENTS * envs
        self.observation_space = Box(np.full(14, -np.inf, np.float32), np.full(14, np.inf, np.float32))
        self.action_space = Discrete(5, idle=0)

    def assign(self, level: Array) -> None:
        """Nothing: there are no levels."""

    def reset(self) -> Array:
        return seen([env.reset(seed=next(self._seeds))[0] for env in self._envs])

    def step(self, action: Array) -> Step:
        moves = action.reshape(AGENTS, -1)
        answers = [
            env.step({name: int(moves[i, b]) for i, name in enumerate(env.possible_agents)})
            for b, env in enumerate(self._envs)
        ]
        next_obs = seen([answer[0] for answer in answers])
        reward = np.array([list(answer[1].values()) for answer in answers]).T.reshape(-1)
        ended = not self._envs[0].agents  # all began together
        obs = self.reset() if ended else next_obs
        is_over = np.full(self.n_envs, ended)
        return Step(obs, reward, np.zeros_like(is_over), is_over, next_obs, np.full(self.n_envs, -1))

    def state_dict(self) -> State:
        return {}

    def load_state_dict(self, state: State) -> Array:
        return self.reset()


def seen(observed: Sequence[dict[str, Array]]) -> Array:
    """[E, 14] float32: what each agent sees, without the four zeros of the silent channel."""
    rows = np.array([list(each.values()) for each in observed], dtype=np.float32)  # [B, n, 18]
    return np.ascontiguousarray(rows[..., :14].swapaxes(0, 1).reshape(-1, 14))


def table() -> Table:
    shown = Table(title=f"Spread, return per agent: median of {TEAMS} teams, {EPISODES} new episodes each")
    for column in ("team", "steps", "judged in", "return", "worst", "as published", "CPU-minutes"):
        shown.add_column(column, justify="left" if column == "team" else "right")

    def add(team: str, steps: int, where: str, earned: Array, minutes: float | None = None) -> None:
        middle, taken = float(np.median(earned)), "" if minutes is None else f"{minutes:.1f}"
        told = (f"{middle:.2f}", f"{earned.min():.2f}", f"{6 * middle - 75:.1f}", taken)
        shown.add_row(team, f"{steps:,}" if steps else "", where, *told)

    add("random", 0, "ours", at_random(NAME, range(TEAMS)))
    with tempfile.TemporaryDirectory() as folder:
        started = time.process_time()
        run = tradebot.train(
            "ppo", env=NAME, seeds=TEAMS, steps=STEPS, out=folder, workers=1, **SETTINGS
        )
        minutes = (time.process_time() - started) / 60
        assert run.manifest.evaluation is not None
        earned = np.array(run.manifest.evaluation.members).reshape(TEAMS, AGENTS).mean(1)
        add(f"ours, {TEAMS} together", STEPS, "ours", earned, minutes)
        add("the same", STEPS, "mpe2", _transferred(run))
    with one_thread():
        agent, minutes = learned_in_mpe2()
        add("trained in mpe2, one team", STEPS, "mpe2", _judged(agent)[None], minutes)
    for name, published in PUBLISHED.items():
        shown.add_row(f"published {name}", "20,000,000", "", f"{(published + 75) / 6:.2f}", "", f"{published}", "")
    return shown


def _transferred(run: tradebot.Run) -> Array:
    """[TEAMS] what teams that were trained in our world earn in mpe2."""
    world = Mpe2Spread(1, 0)
    agent = run.agent(world.observation_space, world.action_space)

    class Team:
        """Three members of all: the others are shown the same, and what they do is not done."""

        def __init__(self, which: int) -> None:
            self.which = which

        def act(self, obs: Array, *, explore: bool) -> tuple[Array, dict[str, Array]]:
            action, _ = agent.act(np.tile(obs, (TEAMS, 1, 1)), explore=explore)
            return action.reshape(TEAMS, AGENTS, -1)[self.which], {}

    with one_thread():
        return np.array([_judged(Team(team)) for team in range(TEAMS)])


def learned_in_mpe2() -> tuple[Agent, float]:
    """One team after its training in mpe2, and CPU-minutes."""
    config = PPOConfig(**SETTINGS)
    env, seeds = Mpe2Spread(config.envs, 0), range(AGENTS)
    agent = create(config, env.observation_space, env.action_space, seeds, STEPS)
    memory = loop.memory_for(agent, env, seeds, STEPS)
    started = time.process_time()
    for _ in loop.train(agent, env, memory, AGENTS, STEPS):
        pass
    return agent, (time.process_time() - started) / 60


def _judged(agent: Any) -> Array:
    """Mean return per agent of a team in episodes of mpe2."""
    played = evaluate.play(agent, Mpe2Spread(EPISODES, evaluate.SEED), AGENTS, longest=LIMIT)
    return np.asarray(played.returns.mean())
