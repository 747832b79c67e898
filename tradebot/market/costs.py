"""What trading costs, in one frozen model; the kernel takes it as an array of numbers (`kernel.terms`).

An order of n units at the mid price P of a bar whose volume is V fills at P (1 + s) if it buys and P (1 - s)
if it sells, with the slip s = half spread + impact sqrt(n / V). Commission is paid on the value at that
price. Slip and commission are booked together as one fee in currency at the mid price, so that equity never
depends on how they are told apart. The volume is taken as the source has it: if it was not adjusted for later
splits as the prices were, it is too small for early bars, and the slip too large.

The presets, and where their numbers are from. A guess has no source: replace it by what you pay.

- `free`: nothing at all, as many papers assume.
- `us-stocks`: brokers without commission (Charles Schwab and Fidelity since October 2019). A half spread of
  2 bp, for large stocks (a guess); 50 bp of impact, hence 16 bp at a tenth of the volume (a guess; Almgren et
  al., Risk 2005, reject the square root for a power of 3/5). Borrow fee of 0.25 % a year, after D'Avolio (JFE
  2002: 91 % of stocks below 1 %). Margin interest of 6 % (a guess).
- `us-stocks-fixed`: the same with the commission of Interactive Brokers Pro, fixed pricing: $0.005 a share,
  at least $1, at most 1 % of the value. It counts shares, hence needs raw prices.
- `crypto-taker`: Binance spot, taker without discount, 0.1 %. A half spread of 1 bp, 50 bp of impact and 10 %
  a year for whatever is borrowed (guesses).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field, model_validator

from tradebot.config import Config

BPS = 1e-4

Fees = Literal["free", "us-stocks", "us-stocks-fixed", "crypto-taker"]
PRESETS: dict[Fees, dict[str, float]] = {
    "free": {"commission_bps": 0, "half_spread_bps": 0},
    "us-stocks": {
        "commission_bps": 0,
        "half_spread_bps": 2,
        "impact_bps": 50,
        "participation": 0.1,
        "borrow_rate": 0.0025,
        "margin_rate": 0.06,
    },
    "us-stocks-fixed": {
        "commission_bps": 0,
        "half_spread_bps": 2,
        "unit_commission": 0.005,
        "minimum_commission": 1,
        "commission_cap_bps": 100,
        "impact_bps": 50,
        "participation": 0.1,
        "whole_units": True,
        "borrow_rate": 0.0025,
        "margin_rate": 0.06,
    },
    "crypto-taker": {
        "commission_bps": 10,
        "half_spread_bps": 1,
        "impact_bps": 50,
        "participation": 0.1,
        "borrow_rate": 0.1,
        "margin_rate": 0.1,
    },
}


def instead(before: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """The settings `before` with those that are given; a preset that is given takes the place of them all."""
    return dict(given) if "fees" in given else {**before, **given}


class Costs(Config):
    """Commission, spread, slippage and interest. `fees` names a preset, of which the others change parts."""

    fees: Fees | None = Field(
        None, description="Preset: free, us-stocks, us-stocks-fixed (counts shares: raw prices), crypto-taker"
    )
    commission_bps: float = Field(
        1.0, ge=0, lt=1_000, description="Commission, in basis points of the traded value"
    )
    half_spread_bps: float = Field(
        1.0, ge=0, lt=1_000, description="Half of the bid-ask spread, in basis points of the price"
    )
    unit_commission: float = Field(
        0.0, ge=0, description="Commission per share or coin, in currency (raw prices only)"
    )
    minimum_commission: float = Field(0.0, ge=0, description="Least commission of an order, in currency")
    commission_cap_bps: float = Field(
        10_000.0,
        gt=0,
        le=10_000,
        description="Most commission of an order, in basis points of its value; beats the least one",
    )
    fixed_per_order: float = Field(0.0, ge=0, description="What every order costs besides, in currency")
    impact_bps: float = Field(
        0.0,
        ge=0,
        lt=10_000,
        description="Slippage of an order as large as its bar's volume, in basis points of the price; it"
        " grows with the square root of the order",
    )
    participation: float = Field(
        0.0,
        ge=0,
        le=1,
        description="Largest share of a bar's volume that an order may take, the rest is dropped; 0: no limit"
        " (with impact, the volume itself)",
    )
    whole_units: bool = Field(
        False, description="Hold whole shares only, rounded toward zero (raw prices only)"
    )
    borrow_rate: float = Field(
        0.0,
        ge=0,
        le=10,
        description="Fee for borrowing what is sold short, as a fraction of its value a year",
    )
    margin_rate: float = Field(
        0.0, ge=0, le=10, description="Interest on borrowed cash, as a fraction a year"
    )
    cash_rate: float = Field(
        0.0,
        ge=0,
        le=10,
        description="Interest on idle cash, as a fraction a year; proceeds of short sales earn none",
    )

    @model_validator(mode="before")
    @classmethod
    def _from_preset(cls, values: Any) -> Any:
        """The preset's values under those that are given."""
        if isinstance(values, Mapping) and (fees := values.get("fees")) in PRESETS:
            return {**PRESETS[fees], **values}
        return values

    @property
    def buy(self) -> float:
        """Fee of a buy as a fraction of its value at the mid price, where costs are proportional."""
        half_spread = BPS * self.half_spread_bps
        return half_spread + BPS * self.commission_bps * (1 + half_spread)

    @property
    def sell(self) -> float:
        """Fee of a sale as a fraction of its value at the mid price, where costs are proportional."""
        half_spread = BPS * self.half_spread_bps
        return half_spread + BPS * self.commission_bps * (1 - half_spread)

    @property
    def is_proportional(self) -> bool:
        """Whether an order costs a fixed share of its value and is filled whole."""
        return not (
            self.counts_units
            or self.minimum_commission
            or self.commission_bps > self.commission_cap_bps
            or self.fixed_per_order
            or self.impact_bps
            or self.participation
        )

    @property
    def counts_units(self) -> bool:
        """Whether costs depend on the number of shares, which adjusted prices do not tell."""
        return bool(self.unit_commission or self.whole_units)

    @property
    def needs_volume(self) -> bool:
        return bool(self.impact_bps or self.participation)

    @property
    def is_financed(self) -> bool:
        """Whether holding costs or earns something."""
        return bool(self.borrow_rate or self.margin_rate or self.cash_rate)

    def __repr__(self) -> str:
        """What is not zero: `Costs(1 bp commission + 1 bp half spread)`."""
        parts = {
            "bp commission": self.commission_bps,
            "per unit": self.unit_commission,
            "at least": self.minimum_commission,
            "bp at most": self.commission_cap_bps if self.commission_cap_bps < 10_000 else 0,
            "per order": self.fixed_per_order,
            "bp half spread": self.half_spread_bps,
            "bp impact": self.impact_bps,
            "% of the volume at most": 100 * self.participation,
            "% borrow fee": 100 * self.borrow_rate,
            "% margin interest": 100 * self.margin_rate,
            "% interest on cash": 100 * self.cash_rate,
        }
        shown = [f"{value:g} {name}" for name, value in parts.items() if value]
        shown += ["whole units"] * self.whole_units
        return f"Costs({' + '.join(shown) or 'none'})"
