"""Random numbers for compiled environments: a stream for each (seed, environment, episode), read by number.

The stream is SplitMix64 (Steele, Lea and Flood 2014), whose n-th number needs no other, started from a mix of
the three: no generator is kept, and none is made for a new episode.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
from numba import njit

F = TypeVar("F", bound=Callable[..., Any])

# numpy's error model: no check for a zero divisor at every division. No fastmath: bit for bit the same.
compiled: Callable[[F], F] = njit(cache=True, error_model="numpy")  # type: ignore[assignment]
inlined: Callable[[F], F] = njit(cache=True, error_model="numpy", forceinline=True)  # type: ignore[assignment]

STRIDE = np.uint64(0x9E3779B97F4A7C15)  # between two states of the generator
FIRST, SECOND = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)  # factors of the mix
UNIT = 2.0**-53  # between two neighbouring uniform numbers


@inlined
def mixed(z: np.uint64) -> np.uint64:
    """A one-to-one map of 64 bits, of which each depends on all."""
    z = (z ^ (z >> np.uint64(30))) * FIRST
    z = (z ^ (z >> np.uint64(27))) * SECOND
    return z ^ (z >> np.uint64(31))


@compiled
def stream(seed: int, environment: int, episode: int) -> np.uint64:
    """The key of a stream."""
    key = mixed(np.uint64(seed) + STRIDE)
    key = mixed((key ^ np.uint64(environment)) + STRIDE)
    return mixed((key ^ np.uint64(episode)) + STRIDE)


@inlined
def bits(key: np.uint64, n: int) -> np.uint64:
    """Number n = 0, 1, ... of a stream, all 64 bits."""
    return mixed(key + np.uint64(n + 1) * STRIDE)


@inlined
def uniform(key: np.uint64, n: int) -> float:
    """The same as a number in [0, 1), of 53 bits."""
    return float(np.float64(bits(key, n) >> np.uint64(11)) * UNIT)
