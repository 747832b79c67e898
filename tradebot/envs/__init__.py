"""Worlds other than trading, and ours for other libraries: Gymnasium finds them once this is imported."""

from __future__ import annotations

import gymnasium

TRADING, RING, NAVIGATION = "tradebot/Trading-v0", "tradebot/Ring-v0", "tradebot/Navigation-v0"

gymnasium.register(
    TRADING,
    entry_point="tradebot.envs.trading_gym:single",
    vector_entry_point="tradebot.envs.trading_gym:batch",
)
for _id, _world in ((RING, "ring"), (NAVIGATION, "navigation")):
    gymnasium.register(
        _id,
        entry_point="tradebot.envs.world_gym:single",
        vector_entry_point="tradebot.envs.world_gym:batch",
        kwargs={"world": _world},
    )
