"""Observations as states: what a learner by table sees of a Box, as one number."""

from __future__ import annotations

import math

import numpy as np

from tradebot.core import Array, Box, InputError


class Discretiser:
    """Cuts each dimension into equal bins between its bounds; integers are states as they are.

    The cells are numbered row-major: 0 .. n_states - 1. Raises InputError where a dimension has no bounds.
    """

    def __init__(self, space: Box, bins: int) -> None:
        low, high = space.low.astype(np.float64).ravel(), space.high.astype(np.float64).ravel()
        unbounded = np.flatnonzero(~np.isfinite(high - low))
        if len(unbounded):
            raise InputError(
                f"a table needs observations between bounds, and number {unbounded[0]} of the {len(low)} that"
                " are seen here has none: take an agent with a network (dqn, ppo, a2c)"
            )
        self._low = low  # [D] for the D numbers of an observation
        if np.issubdtype(space.low.dtype, np.integer):
            self._size = (high - low).astype(np.int64) + 1  # [D] values or bins
            self._per_unit = np.ones(len(low))
        else:
            self._size = np.full(len(low), bins)
            self._per_unit = bins / np.maximum(high - low, np.finfo(np.float64).tiny)
        self.n_states = math.prod(self._size.tolist())  # may be far more than an array can hold

    def __call__(self, obs: Array) -> Array:
        """[M, N, *O] -> [M, N]; what lies beyond a bound belongs to the last bin before it."""
        cell = np.floor((obs.reshape(*obs.shape[:2], -1) - self._low) * self._per_unit).astype(np.int64)
        return np.asarray(np.ravel_multi_index(tuple(cell.transpose(2, 0, 1)), self._size, mode="clip"))
