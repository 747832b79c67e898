"""Compiled random numbers: SplitMix64's known values, and streams that are uniform and unrelated."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from tradebot.core import Array
from tradebot.envs.random import bits, compiled, stream, uniform


def numbers(key: np.uint64, n: int) -> Array:
    return np.array([uniform(key, i) for i in range(n)])


def test_a_stream_is_splitmix64() -> None:
    # The first five of the reference implementation for the state 1234567.
    known = [
        6457827717110365317,
        3203168211198807973,
        9817491932198370423,
        4593380528125082431,
        16408922859458223821,
    ]
    assert [int(bits(np.uint64(1234567), n)) for n in range(5)] == known
    assert uniform(np.uint64(1234567), 0) == (known[0] >> 11) / 2**53


@pytest.mark.parametrize("key", [(0, 0, 0), (0, 0, 1), (0, 1, 0), (1, 0, 0), (2**41, -1, 0)])
def test_numbers_of_a_stream_are_uniform(key: tuple[int, int, int]) -> None:
    assert stats.kstest(numbers(np.uint64(stream(*key)), 5_000), "uniform").pvalue > 0.001


@pytest.mark.parametrize("axis", range(3))
def test_first_numbers_of_neighbouring_streams_are_uniform_and_unrelated(axis: int) -> None:
    keys = np.zeros((5_000, 3), dtype=np.int64)
    keys[:, axis] = np.arange(5_000)
    first = np.array([uniform(np.uint64(stream(*key)), 0) for key in keys.tolist()])
    assert stats.kstest(first, "uniform").pvalue > 0.001
    assert abs(np.corrcoef(first[:-1], first[1:])[0, 1]) < 4 / np.sqrt(5_000)


def test_seed_environment_and_episode_are_told_apart() -> None:
    keys = {int(stream(a, b, c)) for a in range(10) for b in range(10) for c in range(10)}
    assert len(keys) == 1_000


def test_compiled_code_reads_what_python_reads() -> None:
    @compiled
    def read(seed: int) -> float:
        return uniform(stream(seed, 3, 4), 5)

    assert read(2) == uniform(np.uint64(stream(2, 3, 4)), 5)
