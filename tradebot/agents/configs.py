"""Every agent's hyperparameters, free of torch: flags, TOML keys and documentation are read from here."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from tradebot.config import Config
from tradebot.core import Curriculum, Replay
from tradebot.rl.schedules import Schedule

# What agents that learn from a replay share.
_ENVS = Field(8, ge=1, le=4096, description="Environments per member")
_HIDDEN = Field((64, 64), min_length=1, description="Widths of the hidden layers")
_RATE = Field(1e-3, gt=0, le=1, description="Adam's first step size")
_RATE_SCHEDULE: Schedule = Field(
    "linear", description="constant, or linear: it falls to zero over the training"
)
_GAMMA = Field(0.99, ge=0, le=1, description="Discount per step; when trading, 0.95 by default")
_CAPACITY = Field(100_000, ge=64, description="Transitions that a member's replay holds")
_BATCH = Field(128, ge=1, description="Transitions per member and update")
_STARTS = Field(1_000, ge=1, description="Random transitions before the first update")
_EVERY = Field(4, ge=1, description="Transitions between updates")
_UPDATES = Field(1, ge=1, description="Updates each time")
_TAU = Field(0.01, gt=0, le=1, description="How far the target networks move to the online ones each time")
_N_STEP = Field(1, ge=1, le=100, description="Rewards summed before the bootstrap")
_REPLAY = Field(False, description="Prioritized replay (Schaul et al. 2016)")
_REPLAY_ALPHA = Field(0.6, ge=0, le=1, description="Priority exponent")
_REPLAY_BETA = Field(0.4, ge=0, le=1, description="Importance exponent at the start; it grows to 1")
_NOISE: Literal["gaussian", "ou"] = Field(
    "gaussian", description="gaussian: independent; ou: an Ornstein-Uhlenbeck process"
)
_NOISE_STD = Field(0.1, ge=0, description="Its deviation in a step, in half widths of the action's range")
_NOISE_THETA = Field(0.15, gt=0, le=1, description="Part of the Ornstein-Uhlenbeck noise forgotten in a step")
_Width = Annotated[int, Field(ge=1, le=4096)]

# Prioritized price windows, for agents that learn from rollouts.
_PER = Field(False, description="Prioritized price windows (after Jiang et al. 2021)")
_PER_ALPHA = Field(0.6, ge=0, le=1, description="Exponent of a window's score, its mean |advantage|")
_PER_BETA = Field(1.0, ge=0, le=1, description="Importance exponent; 1 gives the uniform objective back")
_PER_FLOOR = Field(0.25, gt=0, le=0.5, description="Share of the windows that is drawn uniformly")
_PER_STALE = Field(0.1, ge=0, le=0.5, description="Share that goes to windows not visited for long")


class DQNConfig(Config):
    """Deep Q-learning (Mnih et al. 2015); Double Q, dueling, n-step, prioritized replay as options."""

    actions: ClassVar[str] = "discrete"
    name: Literal["dqn"] = "dqn"
    envs: int = Field(8, ge=1, le=4096, description="Environments per member")
    hidden: tuple[Annotated[int, Field(ge=1, le=4096)], ...] = Field(
        (64, 64), min_length=1, description="Widths of the hidden layers"
    )
    learning_rate: float = Field(2e-3, gt=0, le=1, description="Adam's first step size")
    learning_rate_schedule: Schedule = _RATE_SCHEDULE
    gamma: float = Field(0.99, ge=0, le=1, description="Discount per step; when trading, 0.95 by default")
    capacity: int = Field(100_000, ge=64, description="Transitions that a member's replay holds")
    batch: int = Field(128, ge=1, description="Transitions per member and update")
    learning_starts: int = Field(1_000, ge=1, description="Transitions before the first update")
    every: int = Field(2, ge=1, description="Transitions between updates")
    updates: int = _UPDATES
    target_every: int = Field(256, ge=1, description="Updates between moves of the target network")
    tau: float = Field(
        1.0, gt=0, le=1, description="How far the target network moves to the online one; 1 copies it"
    )
    epsilon_end: float = Field(0.05, ge=0, le=1, description="Final probability of a random action")
    epsilon_fraction: float = Field(
        0.4, gt=0, le=1, description="Part of the training in which epsilon falls from 1"
    )
    double: bool = Field(True, description="Double Q-learning (van Hasselt et al. 2016)")
    dueling: bool = Field(False, description="Dueling heads (Wang et al. 2016)")
    n_step: int = Field(5, ge=1, le=100, description="Rewards summed before the bootstrap")
    per: bool = Field(False, description="Prioritized replay (Schaul et al. 2016)")
    per_alpha: float = Field(0.6, ge=0, le=1, description="Priority exponent")
    per_beta: float = Field(0.4, ge=0, le=1, description="Importance exponent at the start; it grows to 1")
    max_grad_norm: float = Field(10.0, gt=0, description="Bound of a member's gradient norm")


class DDPGConfig(Config):
    """Deep deterministic policy gradient (Lillicrap et al. 2016)."""

    actions: ClassVar[str] = "continuous"
    name: Literal["ddpg"] = "ddpg"
    envs: int = _ENVS
    hidden: tuple[_Width, ...] = _HIDDEN
    learning_rate: float = _RATE
    learning_rate_schedule: Schedule = _RATE_SCHEDULE
    gamma: float = _GAMMA
    capacity: int = _CAPACITY
    batch: int = _BATCH
    learning_starts: int = _STARTS
    every: int = _EVERY
    updates: int = _UPDATES
    tau: float = _TAU
    noise: Literal["gaussian", "ou"] = _NOISE
    noise_std: float = _NOISE_STD
    noise_theta: float = _NOISE_THETA
    n_step: int = _N_STEP
    per: bool = _REPLAY
    per_alpha: float = _REPLAY_ALPHA
    per_beta: float = _REPLAY_BETA


class TD3Config(Config):
    """Twin delayed DDPG (Fujimoto et al. 2018)."""

    actions: ClassVar[str] = "continuous"
    name: Literal["td3"] = "td3"
    envs: int = _ENVS
    hidden: tuple[_Width, ...] = _HIDDEN
    learning_rate: float = _RATE
    learning_rate_schedule: Schedule = _RATE_SCHEDULE
    gamma: float = _GAMMA
    capacity: int = _CAPACITY
    batch: int = _BATCH
    learning_starts: int = _STARTS
    every: int = _EVERY
    updates: int = _UPDATES
    tau: float = _TAU
    noise: Literal["gaussian", "ou"] = _NOISE
    noise_std: float = _NOISE_STD
    noise_theta: float = _NOISE_THETA
    policy_delay: int = Field(2, ge=1, description="Updates of the critics for each one of the policy")
    target_noise: float = Field(0.2, ge=0, description="Deviation of the noise on the actions of the target")
    target_clip: float = Field(0.5, ge=0, description="Bound of that noise")
    n_step: int = _N_STEP
    per: bool = _REPLAY
    per_alpha: float = _REPLAY_ALPHA
    per_beta: float = _REPLAY_BETA


class SACConfig(Config):
    """Soft actor-critic (Haarnoja et al. 2018) with twin critics and a learned temperature."""

    actions: ClassVar[str] = "continuous"
    name: Literal["sac"] = "sac"
    envs: int = _ENVS
    hidden: tuple[_Width, ...] = _HIDDEN
    learning_rate: float = _RATE
    learning_rate_schedule: Schedule = _RATE_SCHEDULE
    gamma: float = _GAMMA
    capacity: int = _CAPACITY
    batch: int = _BATCH
    learning_starts: int = _STARTS
    every: int = _EVERY
    updates: int = _UPDATES
    tau: float = _TAU
    noise: Literal["gaussian", "ou"] = _NOISE
    noise_std: float = Field(0.0, ge=0, description="The same; the policy draws its actions without it too")
    noise_theta: float = _NOISE_THETA
    temperature: float = Field(1.0, gt=0, description="Weight of the entropy at the start")
    learn_temperature: bool = Field(True, description="Move the temperature towards the target entropy")
    target_entropy: float | None = Field(
        None, description="Entropy of the policy to aim at, in nats (default: -1 for each action)"
    )
    n_step: int = _N_STEP
    per: bool = _REPLAY
    per_alpha: float = _REPLAY_ALPHA
    per_beta: float = _REPLAY_BETA


class A2CConfig(Config):
    """Advantage actor-critic (Mnih et al. 2016), synchronous, with generalised advantage estimation."""

    actions: ClassVar[str] = "discrete, continuous"
    name: Literal["a2c"] = "a2c"
    envs: int = Field(8, ge=1, le=4096, description="Environments per member")
    hidden: tuple[Annotated[int, Field(ge=1, le=4096)], ...] = Field(
        (64, 64), min_length=1, description="Widths of the hidden layers"
    )
    learning_rate: float = Field(
        1e-3, gt=0, le=1, description="Adam's first step size; it falls linearly to zero"
    )
    gamma: float = Field(0.99, ge=0, le=1, description="Discount per step; when trading, 0.95 by default")
    gae_lambda: float = Field(0.95, ge=0, le=1, description="Lambda of the advantage estimate")
    n_steps: int = Field(5, ge=1, description="Steps of each environment per update")
    entropy: float = Field(0.0, ge=0, description="Weight of the entropy bonus")
    value: float = Field(0.5, ge=0, description="Weight of the value loss")
    max_grad_norm: float = Field(0.5, gt=0, description="Bound of a member's gradient norm")
    per: bool = _PER
    per_alpha: float = _PER_ALPHA
    per_beta: float = _PER_BETA
    per_floor: float = _PER_FLOOR
    per_stale: float = _PER_STALE


class PPOConfig(Config):
    """Proximal policy optimisation with the clipped surrogate (Schulman et al. 2017)."""

    actions: ClassVar[str] = "discrete, continuous"
    name: Literal["ppo"] = "ppo"
    envs: int = Field(8, ge=1, le=4096, description="Environments per member")
    hidden: tuple[Annotated[int, Field(ge=1, le=4096)], ...] = Field(
        (64, 64), min_length=1, description="Widths of the hidden layers"
    )
    learning_rate: float = Field(
        3e-4, gt=0, le=1, description="Adam's first step size; it falls linearly to zero"
    )
    gamma: float = Field(0.99, ge=0, le=1, description="Discount per step; when trading, 0.95 by default")
    gae_lambda: float = Field(0.95, ge=0, le=1, description="Lambda of the advantage estimate")
    n_steps: int = Field(256, ge=1, description="Steps of each environment per rollout")
    batch: int = Field(128, ge=1, description="Transitions per member and update")
    epochs: int = Field(10, ge=1, description="Passes over a rollout")
    clip: float = Field(0.2, gt=0, lt=1, description="Bound of the probability ratio around 1")
    entropy: float = Field(0.0, ge=0, description="Weight of the entropy bonus")
    value: float = Field(0.5, ge=0, description="Weight of the value loss")
    max_grad_norm: float = Field(0.5, gt=0, description="Bound of a member's gradient norm")
    per: bool = _PER
    per_alpha: float = _PER_ALPHA
    per_beta: float = _PER_BETA
    per_floor: float = _PER_FLOOR
    per_stale: float = _PER_STALE


def windows(config: A2CConfig | PPOConfig) -> Curriculum | None:
    """How the price windows are prioritized, if they are."""
    if not config.per:
        return None
    return Curriculum(config.per_alpha, config.per_beta, config.per_floor, config.per_stale)


AgentConfig = DQNConfig | A2CConfig | PPOConfig | DDPGConfig | TD3Config | SACConfig
CONFIGS: dict[str, type[AgentConfig]] = {
    "dqn": DQNConfig,
    "ppo": PPOConfig,
    "a2c": A2CConfig,
    "ddpg": DDPGConfig,
    "td3": TD3Config,
    "sac": SACConfig,
}


def replay(config: DQNConfig | DDPGConfig | TD3Config | SACConfig) -> Replay:
    """How an agent is fed that learns from a replay."""
    return Replay(
        capacity=config.capacity,
        batch=config.batch,
        start=config.learning_starts,
        every=config.every,
        updates=config.updates,
        n_step=config.n_step,
        gamma=config.gamma,
        alpha=config.per_alpha if config.per else 0.0,
        beta=config.per_beta,
    )
