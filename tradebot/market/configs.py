"""What a trading task consists of: prices, span, actions, observation, money.

Free of numba, so that flags can be read from it.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator

from tradebot.config import Config, suggestion
from tradebot.prices.reading import ReadConfig

REWARDS = ("log-return", "return", "differential-sharpe", "volatility-penalised")  # see market.rewards
ActionScheme = Literal["long-flat", "long-short", "weights", "orders"]


class Broker(Config):
    """The account, and what may be done with it."""

    cash: float = Field(100_000.0, gt=0, description="Cash at the start, in the currency of the prices")
    leverage: float = Field(
        1.0,
        ge=1,
        le=20,
        description="Largest gross value of all positions / equity after a trade: what weights and rules may"
        " ask for; the discrete actions ask for 1",
    )
    maintenance: float = Field(
        0.25,
        ge=0,
        lt=1,
        description="Equity / gross value below which the broker liquidates all at the next open",
    )
    band: float = Field(
        0.0,
        ge=0,
        lt=1,
        description="No trade for a new request (with --rebalance at any bar) with a weight as near as this",
    )
    rebalance: bool = Field(
        False, description="Trade back to the weights at every bar, even where they are asked for again"
    )


class TradingConfig(Broker, ReadConfig):
    """What is traded, how its file is read, what is seen and allowed: one portfolio of all symbols."""

    symbols: tuple[str, ...] = Field(
        (), description="Symbols to trade, separated by commas (fetched, of the sample, or of --data)"
    )
    data: str = Field(
        "",
        description="A price file (CSV, Parquet), a synthetic market such as 'synthetic:ar1?phi=0.2' (or"
        " coin, gbm, leak, ou, regime), sample, or yahoo (yahoo:1h) for what was fetched there"
        " (default: what was fetched, else the sample)",
    )
    prices: Literal["adjusted", "raw"] = Field(
        "adjusted",
        description="adjusted: for splits and dividends; raw: as quoted, with splits and dividends booked as"
        " they come (shorts pay them), to count shares",
    )
    start: str | None = Field(None, description="First date of the span, e.g. 2005-01-01")
    end: str | None = Field(None, description="Last date of the span, included")
    actions: ActionScheme = Field(
        "long-flat",
        description="long-flat: 0/1; long-short: -1/0/1; weights: any within the leverage; orders: 0 hold,"
        " 1 buy, 2 sell (all in, all out); of several symbols the first, second and last choose one or cash",
    )
    reward: str = Field(
        "log-return",
        description="What a step is worth: log-return (of equity), return, differential-sharpe,"
        " volatility-penalised, or file.py:name, a function of yours, f(log growth [E]) -> [E]",
    )
    features: tuple[str, ...] = Field(
        (),
        description="What the agent observes, separated by commas (default: all of ours); file.py:name is a"
        " function of yours, f(bars) -> [T, A] or [T, A, F]",
    )
    window: int = Field(
        252, ge=2, description="Decisions (bars) in one training episode, whose start is drawn at random"
    )
    lookback: int = Field(20, ge=2, description="Bars that rolling features look back")

    @field_validator("reward")
    @classmethod
    def _known(cls, name: str) -> str:
        if name not in REWARDS and ".py:" not in name:
            raise ValueError(f"unknown reward {name!r}{suggestion(name, REWARDS)}, or write file.py:name")
        return name
