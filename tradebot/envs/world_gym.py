"""Our worlds with one agent as Gymnasium's: alone, as a batch, and in pictures.

>>> gymnasium.make("tradebot/Navigation-v0", obstacles=5, render_mode="rgb_array")
>>> gymnasium.make_vec("tradebot/Ring-v0", num_envs=256, states=20)

Settings are those of the world (`tradebot envs`). `render_mode="human"` opens a window of matplotlib.
Where there is a goal, `info` tells by `is_success` whether an episode has just ended there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tradebot.config import build
from tradebot.core import Array
from tradebot.envs import catalogue
from tradebot.envs.as_gym import BatchEnv, SingleEnv, Source, Window
from tradebot.envs.world import Snapshot, World


class _Single:
    """What `gymnasium.make` calls: it looks at the metadata before it makes one."""

    metadata = SingleEnv.metadata

    def __call__(self, world: str, *, render_mode: str | None = None, **settings: Any) -> SingleEnv:
        """Raises InputError for settings that the world does not have."""
        return SingleEnv(_source(world, settings), render_mode)


single = _Single()


def batch(world: str, num_envs: int = 1, *, render_mode: str | None = None, **settings: Any) -> BatchEnv:
    """Raises InputError for settings that the world does not have."""
    return BatchEnv(_source(world, settings), num_envs, render_mode)


def _source(world: str, settings: Mapping[str, Any]) -> Source:
    catalogue.check(world)
    kind = catalogue.KINDS[world]
    config = build(kind.config, settings)

    def make(seeds: Sequence[int]) -> World:
        return kind.make(config, seeds, 1)

    def info(env: World, left: bool) -> dict[str, Array]:
        if env.arrived is None:
            return {}
        return {"is_success": env.arrived if left else np.zeros(env.n_envs, dtype=bool)}

    def snapshot(env: World, e: int, left: bool) -> Snapshot:
        return env.snapshot(e, left=left)

    def draw(film: Sequence[Snapshot]) -> Array:
        from tradebot.envs import drawing

        return drawing.rgb(world, film)

    def window() -> Window:
        from tradebot.envs import drawing

        return drawing.Window(world)

    return Source(make, info, snapshot, draw, window)
