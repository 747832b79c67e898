"""A draw depends on (seed, stream, count) and on nothing else."""

from __future__ import annotations

import numpy as np
import pytest

from tradebot.core import Array
from tradebot.rl.noise import BLOCK, Noise, generator


def draws(noise: Noise, n: int) -> Array:
    return np.stack([noise.draw() for _ in range(n)])  # [n, M, *shape]


def test_a_member_draws_the_same_alone_and_in_company() -> None:
    n = 2 * (BLOCK // 6) + 5  # into the third block
    together = draws(Noise([3, 4, 5], "action", (2, 3), "gumbel"), n)
    for i, seed in enumerate([3, 4, 5]):
        assert np.array_equal(draws(Noise([seed], "action", (2, 3), "gumbel"), n)[:, 0], together[:, i])


@pytest.mark.parametrize("count", [0, 1, BLOCK // 4 - 1, BLOCK // 4, 3 * (BLOCK // 4) + 7])
def test_the_count_is_the_whole_state(count: int) -> None:
    first = Noise([0, 9], "replay", (4,))
    expected = draws(first, count + 3)[count:]
    resumed = Noise([0, 9], "replay", (4,))
    resumed.draw()
    resumed.count = count
    assert np.array_equal(draws(resumed, 3), expected)
    assert resumed.count == count + 3


def test_turning_the_count_back_repeats_the_draws() -> None:
    noise = Noise([1], "replay", (4,))
    once = draws(noise, 5)
    noise.count = 0
    assert np.array_equal(draws(noise, 5), once)


def test_seeds_streams_and_blocks_share_no_number() -> None:
    numbers = [
        generator(seed, stream, block).random(8)
        for seed in (0, 1, 2**32, 2**40)
        for stream in ("action", "replay", "initial q.0")
        for block in (0, 1)
    ]
    assert len(np.unique(np.concatenate(numbers))) == 8 * len(numbers)


def test_no_number_comes_twice_across_blocks() -> None:
    values = draws(Noise([0], "action", (3,)), BLOCK)
    assert len(np.unique(values)) == values.size


@pytest.mark.parametrize("size", [1, 2 * BLOCK])
def test_a_draw_may_be_as_large_as_it_likes(size: int) -> None:
    assert draws(Noise([0, 1], "action", (size,)), 3).shape == (3, 2, size)


@pytest.mark.parametrize(
    ("law", "mean", "variance"),
    [
        ("random", 1 / 2, 1 / 12),
        ("standard_normal", 0.0, 1.0),
        ("gumbel", np.euler_gamma, np.pi**2 / 6),
    ],
)
def test_the_numbers_follow_their_law(law: str, mean: float, variance: float) -> None:
    values = draws(Noise([7], "law", (100,), law), 1000)  # type: ignore[arg-type] # parametrised
    error = np.sqrt(variance / values.size)
    assert abs(values.mean() - mean) < 4 * error
    assert values.var() == pytest.approx(variance, rel=0.03)
    if law == "random":
        assert values.min() >= 0
        assert values.max() < 1
