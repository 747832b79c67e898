"""How agents with continuous actions try things, by hand and by frequency."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from tradebot.core import Array, Box, Discrete, InputError, Space
from tradebot.rl.exploration import ActionNoise, FirstActions, UnitBox, smoothed

UNEVEN = Box(np.array([-1.0, 0.0], np.float32), np.array([3.0, 0.5], np.float32))


def test_unit_actions_are_stretched_to_the_bounds_and_back() -> None:
    box = UnitBox(UNEVEN, "sac")
    unit = np.array([[[-1.0, -1.0], [1.0, 1.0], [0.0, 0.5]]])
    outside = box.outside(unit)
    # -1 .. 3: middle 1, half 2. 0 .. .5: middle .25, half .25
    assert outside.tolist() == [[[-1.0, 0.0], [3.0, 0.5], [1.0, 0.375]]]
    assert outside.dtype == np.float32
    assert box.inside(outside, "cpu").tolist() == unit.tolist()


def test_rounding_does_not_carry_an_action_over_the_bound() -> None:
    low = np.array([-0.1, 0.1, -1e-3], np.float32)
    high = np.array([0.7, 0.3, 3.3333], np.float32)
    outside = UnitBox(Box(low, high), "sac").outside(np.array([[[1.0] * 3, [-1.0] * 3]], np.float32))
    assert (outside <= high).all() and (outside >= low).all()


@pytest.mark.parametrize(
    ("space", "message"),
    [
        (Discrete(3), "td3 needs continuous actions: --actions weights"),
        (Box(np.array([-np.inf]), np.array([1.0])), "td3 needs bounded actions"),
    ],
)
def test_other_spaces_are_refused(space: Space, message: str) -> None:
    with pytest.raises(InputError, match=message):
        UnitBox(space, "td3")


def test_the_first_actions_are_uniform_and_then_come_the_policys() -> None:
    first = FirstActions([0], 10, 2, start=100)
    policys = np.zeros((1, 10, 2))
    drawn = np.stack([first.instead_of(policys, seen) for seen in range(0, 100)])
    assert np.abs(drawn).max() <= 1
    counts = np.histogram(drawn, bins=10, range=(-1, 1))[0]
    assert ((counts - 200) ** 2 / 200).sum() < 27.9  # 9 degrees of freedom: one in a thousand lies above
    assert first.instead_of(policys, 100) is policys


def noises(noise: ActionNoise, shape: tuple[int, ...], n: int) -> Array:
    """What it adds to zeros, [n, *shape]."""
    return np.stack([noise.added_to(np.zeros(shape)) for _ in range(n)])


def test_gaussian_noise_has_its_deviation_and_no_memory() -> None:
    found = noises(ActionNoise([0, 1], 20, 1, "gaussian", 0.1, 0.15), (2, 20, 1), 500)
    assert found.std() == pytest.approx(0.1, rel=0.03)
    assert abs(np.corrcoef(found[1:].ravel(), found[:-1].ravel())[0, 1]) < 0.03


def test_ornstein_uhlenbeck_noise_by_hand() -> None:
    given: dict[str, Any] = {"std": 0.1, "theta": 0.25}
    shape = (1, 1, 2)
    drawn = noises(ActionNoise([3], 1, 2, "gaussian", **given), shape, 3)  # the same e_t x std
    found = noises(ActionNoise([3], 1, 2, "ou", **given), shape, 3)
    first = drawn[0]
    second = 0.75 * first + drawn[1]
    np.testing.assert_allclose(found, [first, second, 0.75 * second + drawn[2]], rtol=1e-12)


def test_ornstein_uhlenbeck_noise_has_the_deviation_and_the_memory_that_are_known() -> None:
    found = noises(ActionNoise([0, 1], 50, 1, "ou", 0.05, 0.15), (2, 50, 1), 1000)[100:]
    assert found.std() == pytest.approx(0.05 / (0.15 * 1.85) ** 0.5, rel=0.05)
    assert np.corrcoef(found[1:].ravel(), found[:-1].ravel())[0, 1] == pytest.approx(0.85, abs=0.02)


def test_noise_never_leaves_the_bounds() -> None:
    noise = ActionNoise([0], 10, 1, "gaussian", 5.0, 0.15)
    action = noise.added_to(np.full((1, 10, 1), 0.9))
    assert np.abs(action).max() == 1


def test_resumed_noise_goes_on_where_it_was() -> None:
    noise, other = (ActionNoise([4, 5], 2, 1, "ou", 0.1, 0.15) for _ in range(2))
    noises(noise, (2, 2, 1), 7)
    state = noise.state_dict()
    expected = noises(noise, (2, 2, 1), 3)
    other.load_state_dict(state)
    assert np.array_equal(noises(other, (2, 2, 1), 3), expected)


def test_target_smoothing_by_hand() -> None:
    action = torch.tensor([[[0.0], [0.0], [0.0], [0.9], [-0.9]]])
    noise = torch.tensor([[[1.0], [4.0], [-4.0], [2.0], [-2.0]]])
    # noise x .2, at most .5 either way; the sum at most 1
    expected = [0.2, 0.5, -0.5, 1.0, -1.0]
    torch.testing.assert_close(smoothed(action, noise, 0.2, 0.5)[0, :, 0], torch.tensor(expected))
