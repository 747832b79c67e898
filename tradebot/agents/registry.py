"""Every agent under its name."""

from __future__ import annotations

from collections.abc import Sequence

from tradebot.agents.a2c import A2C
from tradebot.agents.configs import AgentConfig
from tradebot.agents.ddpg import DDPG
from tradebot.agents.dqn import DQN
from tradebot.agents.ppo import PPO
from tradebot.agents.sac import SAC
from tradebot.agents.td3 import TD3
from tradebot.core import Box, Space

AnyAgent = DQN | PPO | A2C | DDPG | TD3 | SAC
AGENTS: dict[str, type[AnyAgent]] = {
    "dqn": DQN,
    "ppo": PPO,
    "a2c": A2C,
    "ddpg": DDPG,
    "td3": TD3,
    "sac": SAC,
}


def create(
    config: AgentConfig,
    observation_space: Box,
    action_space: Space,
    seeds: Sequence[int],
    steps: int,
    device: str = "cpu",
) -> AnyAgent:
    """The population that the config describes. Raises InputError where it cannot act in this space."""
    agent = AGENTS[config.name]
    # the name picks the class that takes this very config, which the type checker cannot see
    return agent(config, observation_space, action_space, seeds, steps, device)  # type: ignore[arg-type]
