"""Classic control with the shipped presets: eight members of ours, one learner of stable-baselines3.

Judged are the first five of the eight, by the median of their mean returns over 100 deterministic episodes,
and of the other library the one learner by the same mean. Both learn for the steps of the preset, in one
process with one thread. Theirs has the preset's settings, and of the published ones also those that we lack:
bouts of updates, state-dependent exploration. TRPO wants sb3_contrib.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.evaluation import evaluate_policy
from stable_baselines3.common.noise import NormalActionNoise
from stable_baselines3.common.vec_env import VecEnv, VecNormalize

import tradebot
from tradebot.agents import presets
from tradebot.api.threads import one_thread

SEEDS, JUDGED, EPISODES = 8, 5, 100
HELD_OUT = 1_000_003  # seed of the environments that judge their learner
TITLE = f"Classic control: median of {JUDGED} of {SEEDS} seeds of ours, a learner of stable-baselines3"
HEADER = ("agent", "environment", "steps", "wanted", "ours", "worst seed", "theirs")


class Row(NamedTuple):
    agent: str
    env: str
    wanted: float  # least return


ROWS = [
    Row("ppo", "CartPole-v1", 475),
    Row("a2c", "CartPole-v1", 475),
    Row("dqn", "CartPole-v1", 475),
    Row("trpo", "CartPole-v1", 475),
    Row("ppo", "Acrobot-v1", -100),
    Row("dqn", "Acrobot-v1", -100),
    Row("ddpg", "Pendulum-v1", -200),
    Row("td3", "Pendulum-v1", -200),
    Row("sac", "Pendulum-v1", -200),
    Row("dqn", "MountainCar-v0", -120),
    Row("sac", "MountainCarContinuous-v0", 90),
]
SHARED = {  # our setting -> theirs, taken from the preset where it says something
    "learning_rate": "learning_rate",
    "gamma": "gamma",
    "gae_lambda": "gae_lambda",
    "n_steps": "n_steps",
    "batch": "batch_size",
    "epochs": "n_epochs",
    "clip": "clip_range",
    "entropy": "ent_coef",
    "value": "vf_coef",
    "max_grad_norm": "max_grad_norm",
    "capacity": "buffer_size",
    "learning_starts": "learning_starts",
    "tau": "tau",
    "epsilon_end": "exploration_final_eps",
    "epsilon_fraction": "exploration_fraction",
}
OF_TRPO = {  # the same for TRPO, whose epochs are the value's
    "learning_rate": "learning_rate",
    "gamma": "gamma",
    "gae_lambda": "gae_lambda",
    "n_steps": "n_steps",
    "batch": "batch_size",
    "epochs": "n_critic_updates",
    "target_kl": "target_kl",
    "cg_steps": "cg_max_steps",
    "cg_damping": "cg_damping",
}
NORMALISED = [("ppo", "Acrobot-v1")]


def falling(first: float) -> Callable[[float], float]:
    """Linearly to zero, over what is left of the training."""
    return lambda left: left * first


def by_episode() -> dict[str, Any]:
    """As many updates after an episode as it had steps; noise on an action of one number."""
    noise = NormalActionNoise(np.zeros(1), np.full(1, 0.1))
    return {"train_freq": (1, "episode"), "gradient_steps": -1, "action_noise": noise}


THEIRS: dict[tuple[str, str], dict[str, Any]] = {  # what is otherwise for them than in the preset
    ("ppo", "CartPole-v1"): {"learning_rate": falling(1e-3), "clip_range": falling(0.2)},
    ("dqn", "CartPole-v1"): {"train_freq": 256, "gradient_steps": 128, "target_update_interval": 10},
    ("dqn", "Acrobot-v1"): {
        "train_freq": 4,
        "gradient_steps": -1,
        "target_update_interval": 250,
        "learning_starts": 0,
    },
    ("ddpg", "Pendulum-v1"): by_episode(),
    ("td3", "Pendulum-v1"): by_episode(),
    ("dqn", "MountainCar-v0"): {"train_freq": 16, "gradient_steps": 8, "target_update_interval": 600},
    ("sac", "MountainCarContinuous-v0"): {
        "ent_coef": 0.1,
        "batch_size": 512,
        "train_freq": 32,
        "gradient_steps": 32,
        "learning_starts": 0,
        "use_sde": True,
        "policy_kwargs": {"log_std_init": -3.67, "net_arch": [64, 64]},
    },
}


def available() -> list[Row]:
    """The rows for which there is a preset."""
    return [row for row in ROWS if row.env in presets.names(row.agent)]


def lines(chosen: Sequence[Row]) -> Iterator[tuple[str, ...]]:
    """The lines of the table, each as soon as it is known."""
    for row in chosen:
        steps = presets.read(row.agent, row.env)["run"]["steps"]
        returns, seconds = ours(row)
        median = float(np.median(returns[:JUDGED]))
        its_return, its_seconds = theirs(row, steps)
        yield (
            *row[:2],
            f"{steps:,}",
            f">= {row.wanted:g}",
            f"{median:.1f}{'' if median >= row.wanted else ' (missed)'}, {seconds:.0f} s",
            f"{min(returns):.1f}",
            f"{its_return:.1f}, {its_seconds:.0f} s",
        )


def ours(row: Row) -> tuple[list[float], float]:
    """Mean return of each member, and how long the training of all took [s]."""
    with tempfile.TemporaryDirectory() as folder:
        run = tradebot.train(row.agent, preset=row.env, seeds=SEEDS, out=folder, workers=1)
    evaluation = run.manifest.evaluation
    assert evaluation is not None and evaluation.episodes == EPISODES
    return [float("nan") if mean is None else mean for mean in evaluation.members], run.manifest.seconds


def theirs(row: Row, steps: int) -> tuple[float, float]:
    """The same of one learner of theirs."""
    preset = presets.read(row.agent, row.env)["agent"]
    names = OF_TRPO if row.agent == "trpo" else SHARED
    settings = {names[name]: value for name, value in preset.items() if name in names}
    if "hidden" in preset:
        settings["policy_kwargs"] = {"net_arch": preset["hidden"]}
    is_normalised = (row.agent, row.env) in NORMALISED
    env = wrapped(row.env, preset["envs"], 0, normalised=is_normalised)
    settings |= THEIRS.get((row.agent, row.env), {})
    made = learner(row.agent)("MlpPolicy", env, seed=0, device="cpu", **settings)
    with one_thread():
        started = time.perf_counter()
        made.learn(steps)
        seconds = time.perf_counter() - started
        judge = wrapped(row.env, 10, HELD_OUT, normalised=is_normalised)
        if isinstance(judge, VecNormalize) and isinstance(env, VecNormalize):
            judge.obs_rms, judge.training, judge.norm_reward = env.obs_rms, False, False
        returns, _ = evaluate_policy(made, judge, EPISODES, deterministic=True, return_episode_rewards=True)
    return float(np.mean(returns)), seconds


def learner(agent: str) -> Any:
    import stable_baselines3

    if agent == "trpo":
        from sb3_contrib import TRPO  # only who asks for this row needs it

        return TRPO
    return getattr(stable_baselines3, agent.upper())


def wrapped(name: str, envs: int, seed: int, *, normalised: bool) -> VecEnv:
    env = make_vec_env(name, envs, seed=seed)
    return VecNormalize(env) if normalised else env
