"""Every agent under its name."""

from __future__ import annotations

from collections.abc import Sequence

from tradebot.agents.a2c import A2C
from tradebot.agents.configs import AgentConfig
from tradebot.agents.dqn import DQN
from tradebot.agents.ppo import PPO
from tradebot.agents.reinforce import REINFORCE
from tradebot.agents.trpo import TRPO
from tradebot.core import Box, Space

AGENTS: dict[str, type[DQN] | type[PPO] | type[A2C] | type[REINFORCE] | type[TRPO]] = {
    "dqn": DQN,
    "ppo": PPO,
    "a2c": A2C,
    "reinforce": REINFORCE,
    "trpo": TRPO,
}


def create(
    config: AgentConfig,
    observation_space: Box,
    action_space: Space,
    seeds: Sequence[int],
    steps: int,
    device: str = "cpu",
) -> DQN | PPO | A2C | REINFORCE | TRPO:
    """The population that the config describes. Raises InputError where it cannot act in this space."""
    agent = AGENTS[config.name]
    # the name picks the class that takes this very config, which the type checker cannot see
    return agent(config, observation_space, action_space, seeds, steps, device)  # type: ignore[arg-type]
