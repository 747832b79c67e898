"""How the null test shuffles a market.

Free of numba, so that flags can be read from it.
"""

from __future__ import annotations

from pydantic import Field

from tradebot.config import Config


class NullTestConfig(Config):
    """Copies of the market without its predictability, in which the same agent is trained and tested."""

    markets: int = Field(
        19,
        ge=1,
        le=999,
        description="Shuffled copies of the market; the smallest p-value is 1 / (copies + 1)",
    )
    block: int = Field(
        0,
        ge=0,
        le=10_000,
        description="Bars that stay together when they are shuffled, which keeps calm and wild times"
        " apart; 0: each goes alone",
    )
    shuffle: int = Field(0, ge=0, le=1_000_000_000, description="Seed of the shuffling")
    until: str | None = Field(None, description="Last date of the test, included (default: the last bar)")
