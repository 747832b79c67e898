"""Every agent's hyperparameters, free of torch: flags, TOML keys and documentation are read from here."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from tradebot.config import Config
from tradebot.core import Curriculum, Replay, Rollout
from tradebot.rl.schedules import Schedule

_Width = Annotated[int, Field(ge=1, le=4096)]


class LearnerConfig(Config):
    """What all agents have."""

    envs: int = Field(8, ge=1, le=4096, description="Environments per member")
    gamma: float = Field(0.99, ge=0, le=1, description="Discount per step; when trading, 0.95 by default")


class NetworkConfig(LearnerConfig):
    """What agents with networks have."""

    hidden: tuple[_Width, ...] = Field((64, 64), min_length=1, description="Widths of the hidden layers")
    learning_rate: float = Field(1e-3, gt=0, le=1, description="Adam's first step size")
    lr_schedule: Schedule = Field(
        "linear", description="constant, or linear: it falls to zero over the training"
    )


class WindowsConfig(LearnerConfig):
    """What agents have that learn from rollouts: price windows may be prioritized."""

    per: bool = Field(False, description="Prioritized price windows (after Jiang et al. 2021)")
    per_alpha: float = Field(
        0.6, ge=0, le=1, description="Exponent of a window's score, its mean |advantage|"
    )
    per_beta: float = Field(
        1.0, ge=0, le=1, description="Importance exponent; 1 gives the uniform objective back"
    )
    per_floor: float = Field(0.25, gt=0, le=0.5, description="Share of the windows that is drawn uniformly")
    per_stale: float = Field(0.1, ge=0, le=0.5, description="Share that goes to windows not visited for long")


class OnPolicyConfig(WindowsConfig, NetworkConfig):
    """What policies with a learned value have."""

    actions: ClassVar[str] = "discrete, continuous"
    activation: Literal["tanh", "relu"] = Field("tanh", description="Function between the layers")
    n_steps: int = Field(256, ge=1, description="Steps of each environment per rollout")
    normalise_obs: bool = Field(
        False,
        description="Observations in deviations from their running mean, within 10; kept with the agent",
    )
    normalise_reward: bool = Field(
        False, description="Rewards in running deviations of the discounted return, within 10"
    )
    max_grad_norm: float = Field(0.5, gt=0, description="Bound of a member's gradient norm")


class ReplayConfig(NetworkConfig):
    """What agents have that learn from a replay."""

    capacity: int = Field(100_000, ge=64, description="Transitions that a member's replay holds")
    batch: int = Field(128, ge=1, description="Transitions per member and update")
    learning_starts: int = Field(1_000, ge=1, description="Random transitions before the first update")
    every: int = Field(2, ge=1, description="Transitions between updates")
    updates: int = Field(1, ge=1, description="Updates each time")
    tau: float = Field(
        0.01, gt=0, le=1, description="How far the target networks move to the online ones each time"
    )
    n_step: int = Field(1, ge=1, le=100, description="Rewards summed before the bootstrap")
    per: bool = Field(False, description="Prioritized replay (Schaul et al. 2016)")
    per_alpha: float = Field(0.6, ge=0, le=1, description="Priority exponent")
    per_beta: float = Field(0.4, ge=0, le=1, description="Importance exponent at the start; it grows to 1")


class DQNConfig(ReplayConfig):
    """Deep Q-learning (Mnih et al. 2015); Double Q, dueling, n-step, prioritized replay as options."""

    actions: ClassVar[str] = "discrete"
    name: Literal["dqn"] = "dqn"
    learning_rate: float = Field(2e-3, gt=0, le=1, description="Adam's first step size")
    tau: float = Field(
        1.0, gt=0, le=1, description="How far the target network moves to the online one; 1 copies it"
    )
    target_every: int = Field(256, ge=1, description="Updates between moves of the target network")
    n_step: int = Field(5, ge=1, le=100, description="Rewards summed before the bootstrap")
    epsilon_end: float = Field(0.05, ge=0, le=1, description="Final probability of a random action")
    epsilon_fraction: float = Field(
        0.4, gt=0, le=1, description="Part of the training in which epsilon falls from 1"
    )
    double: bool = Field(True, description="Double Q-learning (van Hasselt et al. 2016)")
    dueling: bool = Field(False, description="Dueling heads (Wang et al. 2016)")
    max_grad_norm: float = Field(10.0, gt=0, description="Bound of a member's gradient norm")


class ContinuousConfig(ReplayConfig):
    """What agents for continuous actions have that learn from a replay."""

    actions: ClassVar[str] = "continuous"
    every: int = Field(4, ge=1, description="Transitions between updates")
    noise: Literal["gaussian", "ou"] = Field(
        "gaussian", description="gaussian: independent; ou: an Ornstein-Uhlenbeck process"
    )
    noise_std: float = Field(
        0.1, ge=0, description="Its deviation in a step, in half widths of the action's range"
    )
    noise_theta: float = Field(
        0.15, gt=0, le=1, description="Part of the Ornstein-Uhlenbeck noise forgotten in a step"
    )


class DDPGConfig(ContinuousConfig):
    """Deep deterministic policy gradient (Lillicrap et al. 2016)."""

    name: Literal["ddpg"] = "ddpg"


class TD3Config(ContinuousConfig):
    """Twin delayed DDPG (Fujimoto et al. 2018)."""

    name: Literal["td3"] = "td3"
    policy_delay: int = Field(2, ge=1, description="Updates of the critics for each one of the policy")
    target_noise: float = Field(0.2, ge=0, description="Deviation of the noise on the actions of the target")
    target_clip: float = Field(0.5, ge=0, description="Bound of that noise")


class SACConfig(ContinuousConfig):
    """Soft actor-critic (Haarnoja et al. 2018) with twin critics and a learned temperature."""

    name: Literal["sac"] = "sac"
    noise_std: float = Field(
        0.0,
        ge=0,
        description="Deviation of noise on what the policy has drawn, in half widths of the action's range",
    )
    temperature: float = Field(1.0, gt=0, description="Weight of the entropy at the start")
    learn_temperature: bool = Field(True, description="Move the temperature towards the target entropy")
    target_entropy: float = Field(
        -3.0,
        description="Entropy of the policy to aim at, in nats for each action; the paper's -1 keeps a policy"
        " off the ends of the range, where trading is best",
    )


class PolicyGradientConfig(OnPolicyConfig):
    """What agents have that take the steps of policy and value together."""

    entropy: float = Field(0.0, ge=0, description="Weight of the entropy bonus")
    value: float = Field(0.5, ge=0, description="Weight of the value loss")


class A2CConfig(PolicyGradientConfig):
    """Advantage actor-critic (Mnih et al. 2016), synchronous, with generalised advantage estimation."""

    name: Literal["a2c"] = "a2c"
    n_steps: int = Field(5, ge=1, description="Steps of each environment per update")
    gae_lambda: float = Field(0.95, ge=0, le=1, description="Lambda of the advantage estimate")


class PPOConfig(PolicyGradientConfig):
    """Proximal policy optimisation with the clipped surrogate (Schulman et al. 2017)."""

    name: Literal["ppo"] = "ppo"
    learning_rate: float = Field(3e-4, gt=0, le=1, description="Adam's first step size")
    gae_lambda: float = Field(0.95, ge=0, le=1, description="Lambda of the advantage estimate")
    batch: int = Field(128, ge=1, description="Transitions per member and update")
    epochs: int = Field(10, ge=1, description="Passes over a rollout")
    clip: float = Field(0.2, gt=0, lt=1, description="Bound of the probability ratio around 1")
    clip_schedule: Schedule = Field(
        "constant", description="Whether that bound falls linearly to zero or is constant"
    )
    value_clip: float | None = Field(
        None, gt=0, description="Bound of a value's change per rollout; without it there is none"
    )
    target_kl: float | None = Field(
        None,
        gt=0,
        description="Divergence [nats] at whose 1.5-fold a member leaves the rest of a rollout out",
    )


class REINFORCEConfig(PolicyGradientConfig):
    """Policy gradient with rewards-to-go (Williams 1992) and a learned baseline."""

    name: Literal["reinforce"] = "reinforce"
    learning_rate: float = Field(3e-3, gt=0, le=1, description="Adam's first step size")
    n_steps: int = Field(64, ge=1, description="Steps of each environment per update")
    baseline: bool = Field(
        True, description="Learn a value as baseline, and as what follows where an episode was cut off"
    )


class TRPOConfig(OnPolicyConfig):
    """Trust region policy optimisation by the natural gradient (Schulman et al. 2015)."""

    name: Literal["trpo"] = "trpo"
    target_kl: float = Field(0.01, gt=0, description="Bound of the divergence of an update [nats]")
    cg_steps: int = Field(15, ge=1, description="Iterations of the conjugate gradient")
    cg_damping: float = Field(0.1, ge=0, description="What is added to the diagonal of the Fisher matrix")
    backtrack_steps: int = Field(10, ge=1, description="Steps that are tried before none is taken")
    backtrack_factor: float = Field(0.8, gt=0, lt=1, description="Each is as long as this times the last")
    learning_rate: float = Field(1e-3, gt=0, le=1, description="Adam's first step size, of the value")
    gae_lambda: float = Field(0.95, ge=0, le=1, description="Lambda of the advantage estimate")
    batch: int = Field(128, ge=1, description="Transitions per member and step of the value")
    epochs: int = Field(10, ge=1, description="Passes of the value over a rollout")
    max_grad_norm: float = Field(10.0, gt=0, description="Bound of the gradient norm of a member's value")


class TabularConfig(WindowsConfig):
    """What learners by table have."""

    actions: ClassVar[str] = "discrete"
    bins: int = Field(12, ge=1, le=1_000, description="Bins of each feature; an even number tells its sign")
    learning_rate: float = Field(
        0.02, gt=0, le=1, description="Step size at the start; noisy rewards want a small one"
    )
    learning_rate_end: float = Field(
        0.0, ge=0, le=1, description="Step size at the end, to which it moves linearly"
    )
    epsilon_start: float = Field(1.0, ge=0, le=1, description="Probability of a random action at the start")
    epsilon_end: float = Field(0.05, ge=0, le=1, description="Final probability of a random action")
    epsilon_fraction: float = Field(
        0.4, gt=0, le=1, description="Part of the training in which epsilon moves from start to end"
    )


class QLearningConfig(TabularConfig):
    """Q-learning by table (Watkins 1989)."""

    name: Literal["q-learning"] = "q-learning"


class SARSAConfig(TabularConfig):
    """SARSA by table (Rummery & Niranjan 1994): on-policy Q-learning."""

    name: Literal["sarsa"] = "sarsa"


class ExpectedSARSAConfig(TabularConfig):
    """Expected SARSA by table (van Seijen et al. 2009)."""

    name: Literal["expected-sarsa"] = "expected-sarsa"


class DoubleQLearningConfig(TabularConfig):
    """Double Q-learning by two tables (van Hasselt 2010)."""

    name: Literal["double-q-learning"] = "double-q-learning"


def windows(config: WindowsConfig) -> Curriculum | None:
    """How the price windows are prioritized, if they are."""
    if not config.per:
        return None
    return Curriculum(config.per_alpha, config.per_beta, config.per_floor, config.per_stale)


def rollout(config: OnPolicyConfig) -> Rollout:
    """How an agent is fed that learns from rollouts."""
    return Rollout(config.n_steps, windows(config))


def replay(config: ReplayConfig) -> Replay:
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


AgentConfig = (
    DQNConfig
    | A2CConfig
    | PPOConfig
    | REINFORCEConfig
    | TRPOConfig
    | DDPGConfig
    | TD3Config
    | SACConfig
    | QLearningConfig
    | SARSAConfig
    | ExpectedSARSAConfig
    | DoubleQLearningConfig
)
CONFIGS: dict[str, type[AgentConfig]] = {
    "dqn": DQNConfig,
    "ppo": PPOConfig,
    "a2c": A2CConfig,
    "reinforce": REINFORCEConfig,
    "trpo": TRPOConfig,
    "ddpg": DDPGConfig,
    "td3": TD3Config,
    "sac": SACConfig,
    "q-learning": QLearningConfig,
    "sarsa": SARSAConfig,
    "expected-sarsa": ExpectedSARSAConfig,
    "double-q-learning": DoubleQLearningConfig,
}
