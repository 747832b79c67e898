"""Worlds other than trading, and trading for other libraries: Gymnasium finds it once this is imported."""

from __future__ import annotations

import gymnasium

TRADING = "tradebot/Trading-v0"

gymnasium.register(
    TRADING,
    entry_point="tradebot.envs.trading_gym:GymTradingEnv",
    vector_entry_point="tradebot.envs.trading_gym:GymTradingVectorEnv",
)
