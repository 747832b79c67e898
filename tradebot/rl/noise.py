"""Random numbers per member, drawn in blocks: a draw depends on (seed, stream, count), not on the company."""

from __future__ import annotations

import math
import zlib
from collections.abc import Sequence
from typing import Literal

import numpy as np

from tradebot.core import Array

Law = Literal["random", "standard_normal", "gumbel"]  # methods of numpy's Generator
BLOCK = 8192  # numbers per member and block: few generators are made, little memory is held


def generator(seed: int, stream: str, number: int = 0) -> np.random.Generator:
    """The generator of one member, purpose and block."""
    return np.random.default_rng([seed, zlib.crc32(stream.encode()), number])


class Noise:
    """A stream of arrays [M, *shape] of one law. Its whole state is how many have been drawn."""

    def __init__(
        self,
        seeds: Sequence[int],  # [M]
        stream: str,  # what the numbers are for: two purposes never share numbers
        shape: tuple[int, ...],  # of one member's draw
        law: Law = "random",
    ) -> None:
        self._seeds = tuple(seeds)
        self._stream = stream
        self._shape = shape
        self._law = law
        self._per_block = max(1, BLOCK // math.prod(shape))
        self._block = np.empty(0)  # [per_block, M, *shape]
        self._number = -1  # of the block that is held
        self.count = 0

    def draw(self) -> Array:
        """The next [M, *shape]."""
        number, position = divmod(self.count, self._per_block)
        if number != self._number:
            self._block = np.stack([self._draw_block(seed, number) for seed in self._seeds], axis=1)
            self._number = number
        self.count += 1
        return np.asarray(self._block[position])

    def _draw_block(self, seed: int, number: int) -> Array:
        """[per_block, *shape] of one member."""
        law = getattr(generator(seed, self._stream, number), self._law)
        return np.asarray(law(size=(self._per_block, *self._shape)))
