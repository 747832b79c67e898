"""A walk-forward of PPO on AAPL of the sample as one population, beside stable-baselines3 trained 64 times.

Theirs is one learner on the bars of the first fold, timed over fewer steps and scaled to all steps and
members; it learns in our environment with our hyperparameters. Seconds of CPU of one process each, training
alone for theirs, training, test and report for ours.
"""

from __future__ import annotations

import tempfile
import time

import stable_baselines3
from rich.table import Table

import tradebot
from tradebot.api.experiment import experiment
from tradebot.api.parts import prepared
from tradebot.api.threads import one_thread
from tradebot.envs.sb3 import TradingVecEnv

FOLDS, SEEDS, STEPS = 8, 8, 100_000
TIMED = 4 * 2048  # steps of their learner


def table(folds: int = FOLDS, n_seeds: int = SEEDS, steps: int = STEPS) -> Table:
    members = folds * n_seeds
    shown = Table(title=f"Walk-forward of PPO on AAPL: {folds} folds x {n_seeds} seeds, {steps:,} steps each")
    for column in ("", "CPU seconds", "per member", "steps per second"):
        shown.add_column(column, justify="right" if column else "left")
    ours = walked(folds, n_seeds, steps)
    with one_thread():
        theirs = learned(folds) * steps / TIMED * members
    for name, taken in (
        (f"tradebot, {members} members", ours),
        (f"stable-baselines3, 1 x {members}", theirs),
    ):
        shown.add_row(name, f"{taken:,.0f}", f"{taken / members:,.1f}", f"{members * steps / taken:,.0f}")
    shown.caption = f"{theirs / ours:.1f} x; theirs measured over {TIMED:,} steps of one member and scaled"
    return shown


def walked(folds: int, n_seeds: int, steps: int) -> float:
    """Seconds of CPU for all of ours."""
    begun = time.process_time()
    with tempfile.TemporaryDirectory() as folder:
        tradebot.walk_forward(
            "ppo",
            symbols="AAPL",
            data="sample",
            folds=folds,
            train="5y",
            test="1y",
            seeds=n_seeds,
            steps=steps,
            workers=1,
            out=folder,
        )
    return time.process_time() - begun


def learned(folds: int) -> float:
    """Seconds of CPU for TIMED steps of one learner of theirs."""
    settings = {"symbols": "AAPL", "data": "sample", "folds": folds}
    plan = experiment("ppo", {}, settings, study="walkforward")
    made = prepared(plan)
    bars = made.bars.rows(0, made.folds[0].train[1])
    env = TradingVecEnv(bars, plan.agent.envs, actions="long-flat", window=plan.market.window)
    model = stable_baselines3.PPO("MlpPolicy", env, n_steps=256, batch_size=128, seed=0, device="cpu")
    model.learn(2048)  # what is only made once
    begun = time.process_time()
    model.learn(TIMED, reset_num_timesteps=False)
    return time.process_time() - begun
