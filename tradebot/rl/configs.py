"""How a population is trained, whatever the agent and the environment.

Free of torch, so that flags can be read from it.
"""

from __future__ import annotations

from pydantic import Field

from tradebot.config import Config


class RunConfig(Config):
    """Seed S gives member i the seed S + i."""

    env: str = Field("trading", description="trading, or another environment: see tradebot envs")
    steps: int = Field(100_000, ge=1, description="Transitions of each member over all of its environments")
    seeds: int = Field(
        8,
        ge=1,
        le=1024,
        description="Members: each is the same agent from another seed (teams, where agents meet)",
    )
    seed: int = Field(0, ge=0, le=1_000_000_000, description="Seed of the first member; the others follow")
    checkpoint_every: float = Field(
        60.0, ge=0, description="Seconds between checkpoints, from which --resume goes on"
    )
    device: str = Field("cpu", description="Where the networks live while they learn: cpu, cuda, mps")
