"""How agents with continuous actions try things, by hand and by frequency."""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np
import pytest
import torch

from tradebot.core import Array, Box, Discrete, InputError, Space
from tradebot.rl.exploration import Exploration, UnitBox, smoothed

UNEVEN = Box(np.array([-1.0, 0.0], np.float32), np.array([3.0, 0.5], np.float32))


def test_unit_actions_are_stretched_to_the_bounds_and_back() -> None:
    box = UnitBox(UNEVEN, "sac")
    unit = np.array([[[-1.0, -1.0], [1.0, 1.0], [0.0, 0.5]]])
    outside = box.outside(unit)
    # -1 .. 3: middle 1, half 2. 0 .. .5: middle .25, half .25
    assert outside.tolist() == [[[-1.0, 0.0], [3.0, 0.5], [1.0, 0.375]]]
    assert outside.dtype == np.float32
    assert box.inside(outside).tolist() == unit.tolist()


def test_rounding_does_not_carry_an_action_over_the_bound() -> None:
    low = np.array([-0.1, 0.1, -1e-3], np.float32)
    high = np.array([0.7, 0.3, 3.3333], np.float32)
    outside = UnitBox(Box(low, high), "sac").outside(np.array([[[1.0] * 3, [-1.0] * 3]], np.float32))
    assert (outside <= high).all() and (outside >= low).all()


@pytest.mark.parametrize(
    ("space", "message"),
    [
        (Discrete(3), "td3 needs continuous actions: take another agent"),
        (Box(np.array([-np.inf]), np.array([1.0])), "td3 needs bounded actions"),
    ],
)
def test_other_spaces_are_refused(space: Space, message: str) -> None:
    with pytest.raises(InputError, match=message):
        UnitBox(space, "td3")


class Told(NamedTuple):
    """What a config would say."""

    envs: int = 20
    learning_starts: int = 0
    noise: Literal["gaussian", "ou"] = "gaussian"
    noise_std: float = 0.1
    noise_theta: float = 0.15


def added(exploration: Exploration, shape: tuple[int, ...], n: int) -> Array:
    """What it makes of zeros, [n, *shape]."""
    return np.stack([exploration.of(np.zeros(shape), seen=0) for _ in range(n)])


def test_the_first_actions_are_uniform_and_then_come_the_policys() -> None:
    exploration = Exploration(Told(envs=10, learning_starts=100, noise_std=0.0), [0], 2)
    policys = np.full((1, 10, 2), 0.3)
    drawn = np.stack([exploration.of(policys, seen) for seen in range(0, 100)])
    assert np.abs(drawn).max() <= 1
    counts = np.histogram(drawn, bins=10, range=(-1, 1))[0]
    assert ((counts - 200) ** 2 / 200).sum() < 27.9  # 9 degrees of freedom: one in a thousand lies above
    assert np.array_equal(exploration.of(policys, 100), policys)


def test_gaussian_noise_has_its_deviation_and_no_memory() -> None:
    found = added(Exploration(Told(), [0, 1], 1), (2, 20, 1), 500)
    assert found.std() == pytest.approx(0.1, rel=0.03)
    assert abs(np.corrcoef(found[1:].ravel(), found[:-1].ravel())[0, 1]) < 0.03


def test_ornstein_uhlenbeck_noise_by_hand() -> None:
    told, shape = Told(envs=1, noise_theta=0.25), (1, 1, 2)
    drawn = added(Exploration(told, [3], 2), shape, 3)  # the same e_t x std
    found = added(Exploration(told._replace(noise="ou"), [3], 2), shape, 3)
    first = drawn[0]
    second = 0.75 * first + drawn[1]
    np.testing.assert_allclose(found, [first, second, 0.75 * second + drawn[2]], rtol=1e-12)


def test_ornstein_uhlenbeck_noise_has_the_deviation_and_the_memory_that_are_known() -> None:
    exploration = Exploration(Told(envs=50, noise="ou", noise_std=0.05), [0, 1], 1)
    found = added(exploration, (2, 50, 1), 1000)[100:]
    assert found.std() == pytest.approx(0.05 / (0.15 * 1.85) ** 0.5, rel=0.05)
    assert np.corrcoef(found[1:].ravel(), found[:-1].ravel())[0, 1] == pytest.approx(0.85, abs=0.02)


def test_noise_never_leaves_the_bounds() -> None:
    exploration = Exploration(Told(envs=10, noise_std=5.0), [0], 1)
    assert np.abs(exploration.of(np.full((1, 10, 1), 0.9), seen=0)).max() == 1


def test_resumed_noise_goes_on_where_it_was() -> None:
    told = Told(envs=2, learning_starts=3, noise="ou")
    first, other = (Exploration(told, [4, 5], 1) for _ in range(2))
    zeros = np.zeros((2, 2, 1))
    for seen in range(7):
        first.of(zeros, seen)
    other.load_state_dict(first.state_dict())
    for seen in (0, 7, 8):  # a random one, and two with noise
        assert np.array_equal(other.of(zeros, seen), first.of(zeros, seen))


def test_target_smoothing_by_hand() -> None:
    action = torch.tensor([[[0.0], [0.0], [0.0], [0.9], [-0.9]]])
    noise = torch.tensor([[[1.0], [4.0], [-4.0], [2.0], [-2.0]]])
    # noise x .2, at most .5 either way; the sum at most 1
    expected = [0.2, 0.5, -0.5, 1.0, -1.0]
    torch.testing.assert_close(smoothed(action, noise, 0.2, 0.5)[0, :, 0], torch.tensor(expected))
