"""What a run earns in the foreign environment that it was trained on, in episodes that it has never met."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from tradebot import runs
from tradebot.api.members import world
from tradebot.api.run import Run, open_run
from tradebot.api.threads import one_thread
from tradebot.core import Array, InputError
from tradebot.envs.world import World
from tradebot.rl import evaluate as evaluation
from tradebot.stats import bootstrap
from tradebot.stats.metrics import spread

EPISODES = 100
AT_ONCE = 100  # episodes of a member that are played side by side
FAR = 2**40  # between the seeds of two episodes: more than there are seeds
Progress = Callable[[int, int, str], None]  # (episodes done, of how many, what is going on)


def evaluate(
    run: Run | str | Path, episodes: int = EPISODES, *, progress: Progress | None = None
) -> runs.Evaluation:
    """Play `episodes` of each member without exploring, from seeds that no training has.

    The same run and number give the same answer. An episode that its environment does not end is cut off
    after 10,000 steps, which is counted in `cut`. Raises InputError for a run that trades, which
    `backtest` tests, for less than one episode, and for an environment that is not installed.

    >>> evaluate("my-run").iqm
    """
    run = run if isinstance(run, Run) else open_run(run)
    plan = run.experiment
    if plan.is_trading:
        raise InputError(f"{run.name} trades: what it earns is told by tradebot backtest {run.folder}")
    if episodes < 1:
        raise InputError(f"--episodes: should be at least 1 (got {episodes})")
    seeds, members = [seed + evaluation.SEED for seed in run.seeds], len(plan.members)
    rounds: list[evaluation.Played] = []
    goals: list[Array | None] = []  # [M, N] of each round, None where nobody speaks of a goal
    with one_thread():
        for first in range(0, episodes, AT_ONCE):
            # Seeds of its own for each round: where a member stands in the last one depends on its company.
            env = world(plan, [seed + first * FAR for seed in seeds], min(AT_ONCE, episodes - first))
            agent = run.agent(env.observation_space, env.action_space)

            def tell(done: int, _: int, before: int = first * members) -> None:
                if progress:
                    progress(before + done, episodes * members, f"evaluating {run.name}")

            arrived = np.zeros(env.n_envs, dtype=bool)

            def look(running: Array, env: World = env, arrived: Array = arrived) -> None:
                if env.arrived is not None:
                    np.copyto(arrived, env.arrived, where=running)

            longest = env.time_limit or evaluation.LONGEST
            rounds.append(evaluation.play(agent, env, members, longest=longest, progress=tell, watch=look))
            goals.append(None if env.arrived is None else arrived.reshape(members, -1))
    played = evaluation.Played(*(np.concatenate(parts, axis=1) for parts in zip(*rounds, strict=True)))
    known = [found for found in goals if found is not None]
    means = played.returns.mean(axis=1)  # [M]
    of_seeds = means.reshape(len(seeds), -1).mean(axis=1)  # [S], over the members of a team
    of_means = spread(of_seeds)
    iqm, low, high = bootstrap.interquartile_interval(of_seeds, np.random.default_rng(bootstrap.SEED))
    return runs.Evaluation(
        members=tuple(means.tolist()),
        std=tuple(played.returns.std(axis=1).tolist()),
        success=tuple(np.concatenate(known, axis=1).mean(axis=1).tolist()) if known else (),
        median=of_means["median"],
        iqr=of_means["iqr"],
        iqm=iqm,
        ci=(low, high),
        episodes=episodes,
        cut=int(played.cut.sum()),
    )
