"""What trading costs, in one frozen model; the kernel takes its two numbers."""

from __future__ import annotations

from pydantic import Field

from tradebot.config import Config


class Costs(Config):
    """Proportional commission and half spread.

    A buy at the mid price P fills at P (1 + half spread) and pays commission on that value; a sale mirrors
    it. Both are booked as one fee in currency at the mid price, so that equity never depends on how the two
    are told apart.
    """

    commission_bps: float = Field(
        1.0, ge=0, lt=1_000, description="Commission, in basis points of the traded value"
    )
    half_spread_bps: float = Field(
        1.0, ge=0, lt=1_000, description="Half of the bid-ask spread, in basis points of the price"
    )

    @property
    def buy(self) -> float:
        """Fee of a buy as a fraction of its value at the mid price."""
        return (1 + self.half_spread_bps / 1e4) * (1 + self.commission_bps / 1e4) - 1

    @property
    def sell(self) -> float:
        """Fee of a sale as a fraction of its value at the mid price."""
        return 1 - (1 - self.half_spread_bps / 1e4) * (1 - self.commission_bps / 1e4)

    def __repr__(self) -> str:
        return f"Costs({self.commission_bps:g} bp commission + {self.half_spread_bps:g} bp half spread)"
