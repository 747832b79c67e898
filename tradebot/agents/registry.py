"""Every agent under its name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from tradebot.agents.a2c import A2C
from tradebot.agents.configs import AgentConfig, TabularConfig
from tradebot.agents.ddpg import DDPG
from tradebot.agents.double_q_learning import DoubleQLearning
from tradebot.agents.dqn import DQN
from tradebot.agents.expected_sarsa import ExpectedSARSA
from tradebot.agents.ppo import PPO
from tradebot.agents.q_learning import QLearning
from tradebot.agents.reinforce import REINFORCE
from tradebot.agents.sac import SAC
from tradebot.agents.sarsa import SARSA
from tradebot.agents.td3 import TD3
from tradebot.agents.trpo import TRPO
from tradebot.core import Agent, Box, InputError, Population, Space

# what makes it of its config, whose type the checker cannot know from the name
Maker = Callable[[Any, Population], Agent]
AGENTS: dict[str, Maker] = {
    "dqn": DQN,
    "ppo": PPO,
    "a2c": A2C,
    "reinforce": REINFORCE,
    "trpo": TRPO,
    "ddpg": DDPG,
    "td3": TD3,
    "sac": SAC,
    "q-learning": QLearning,
    "sarsa": SARSA,
    "expected-sarsa": ExpectedSARSA,
    "double-q-learning": DoubleQLearning,
}


def create(
    config: AgentConfig,
    observation_space: Box,
    action_space: Space,
    seeds: Sequence[int],
    steps: int,
    device: str = "cpu",
) -> Agent:
    """The population that the config describes. Raises InputError where it cannot see or act so."""
    if observation_space.is_numbered and not isinstance(config, TabularConfig):
        raise InputError(
            f"{config.name} cannot learn from numbered states, which a network would take for amounts:"
            " wrap the environment in OneHotEnv, or take an agent with a table (q-learning, sarsa,"
            " expected-sarsa, double-q-learning)"
        )
    return AGENTS[config.name](config, Population(observation_space, action_space, seeds, steps, device))
