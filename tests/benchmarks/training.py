"""Environment steps per second while learning: one learner of stable-baselines3, one and 16 members of ours.

The same market, features, costs and networks, and that library's hyperparameters for every learner: what is
compared is how the work is done. Its agents act in our batch of accounts too, through `TradingVecEnv`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import stable_baselines3
from rich.table import Table

from tests.benchmarks.stepping import BARS, CONFIG, COSTS, TABLE, WINDOW
from tests.benchmarks.timing import seconds
from tradebot.agents.configs import CONFIGS
from tradebot.agents.registry import create
from tradebot.api.threads import one_thread
from tradebot.envs.sb3 import TradingVecEnv
from tradebot.market.env import TradingEnv
from tradebot.rl import loop

ENVS = 8  # of each learner
MEMBERS = 16
FOREVER = 10**9  # steps of a training of which only some are timed
STRETCH = {"ppo": 2048, "a2c": 2000, "dqn": 2000}  # steps of a learner that are timed at once: whole rollouts
# Their hyperparameters where ours differ; DQN updates once in four steps, with 8 environments as with one.
OURS: Mapping[str, dict[str, Any]] = {
    "ppo": {"batch": 64},
    "a2c": {},
    "dqn": {"batch": 32, "every": 4, "learning_starts": 100, "double": False, "n_step": 1},
}
THEIRS: Mapping[str, dict[str, Any]] = {
    "ppo": {"n_steps": 256},
    "a2c": {},
    "dqn": {"train_freq": 1, "gradient_steps": ENVS // 4, "buffer_size": 100_000},
}


def table() -> Table:
    shown = Table(
        title=f"Training: environment steps per second, {ENVS} environments a learner, one thread (medians)"
    )
    for column in ("agent", "stable-baselines3", "1 member", "ratio", f"{MEMBERS} members", "ratio"):
        shown.add_column(column, justify="left" if column == "agent" else "right")
    for name in OURS:
        with one_thread():
            taken = seconds(
                {"theirs": theirs(name), "one": ours(name, 1), "many": ours(name, MEMBERS)}, repetitions=5
            )
        other, one, many = (
            members * STRETCH[name] / time
            for members, time in zip((1, 1, MEMBERS), taken.values(), strict=True)
        )
        rates = (
            f"{other:,.0f}",
            f"{one:,.0f}",
            f"{one / other:.1f} x",
            f"{many:,.0f}",
            f"{many / other:.1f} x",
        )
        shown.add_row(name, *rates)
    return shown


def ours(name: str, members: int) -> Callable[[], None]:
    """The next stretch of a training of a population."""
    config, seeds = CONFIGS[name](envs=ENVS, **OURS[name]), range(members)
    env = TradingEnv(
        BARS,
        CONFIG,
        COSTS,
        first=TABLE.warmup,
        last=len(BARS) - 1,
        seeds=seeds,
        envs=ENVS,
        window=WINDOW,
        table=TABLE,
    )
    agent = create(config, env.observation_space, env.action_space, seeds, FOREVER)
    events = loop.train(agent, env, loop.memory_for(agent, env, seeds, FOREVER), members, FOREVER)

    def learn() -> None:
        for _ in range(STRETCH[name] // ENVS):
            next(events)

    return learn


def theirs(name: str) -> Callable[[], None]:
    """The next stretch of a training of their learner."""
    env = TradingVecEnv(BARS, ENVS, actions=CONFIG.actions, window=WINDOW, reward_scale=1.0)
    made = getattr(stable_baselines3, name.upper())("MlpPolicy", env, seed=0, device="cpu", **THEIRS[name])

    def learn() -> None:
        made.learn(STRETCH[name], reset_num_timesteps=False)

    return learn
