"""The squashed Gaussian draws what it says, and its slopes are those that autograd finds."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch.distributions import Normal, TanhTransform, TransformedDistribution

from tradebot.rl.squashed import LOG_STD, SquashedGaussian, log_tanh_slope


def numbers(seed: int, *shape: int) -> torch.Tensor:
    return torch.as_tensor(np.random.default_rng(seed).standard_normal(shape), dtype=torch.float32)


def test_a_draw_by_hand() -> None:
    output = torch.tensor([[[0.5, math.log(2.0)]]])
    action, log_prob, _ = SquashedGaussian(1).sample(output, torch.tensor([[[0.25]]]))
    # u = .5 + 2 x .25 = 1; log of the normal density: -.25^2 / 2 - log 2 - log sqrt(2 pi)
    assert action.item() == pytest.approx(math.tanh(1.0), abs=1e-6)
    density = -(0.25**2) / 2 - math.log(2.0) - 0.5 * math.log(2 * math.pi)
    assert log_prob.item() == pytest.approx(density - math.log(1 - math.tanh(1.0) ** 2), abs=1e-6)


def test_the_log_probability_is_torchs_summed_over_actions() -> None:
    output, noise = 0.4 * numbers(0, 3, 50, 4), numbers(1, 3, 50, 2)
    action, log_prob, _ = SquashedGaussian(2).sample(output, noise)
    mean, log_std = output.split(2, dim=-1)
    reference = TransformedDistribution(Normal(mean, log_std.exp()), [TanhTransform(cache_size=1)])
    u = mean + log_std.exp() * noise
    expected = Normal(mean, log_std.exp()).log_prob(u) - TanhTransform().log_abs_det_jacobian(u, u.tanh())
    torch.testing.assert_close(action, u.tanh())
    torch.testing.assert_close(log_prob, expected.sum(-1), atol=1e-5, rtol=1e-5)
    clear = action.abs().amax(-1) < 0.99  # where the action alone still tells u
    inverted = reference.log_prob(action).sum(-1)
    torch.testing.assert_close(log_prob[clear], inverted[clear], atol=1e-3, rtol=1e-3)


def test_the_slopes_are_those_of_autograd() -> None:
    output, noise = 0.4 * numbers(0, 3, 50, 4), numbers(1, 3, 50, 2)
    of_action, of_log_prob = numbers(2, 3, 50, 2), numbers(3, 3, 50)
    free = output.double().requires_grad_()
    mean, log_std = free.split(2, dim=-1)
    u = mean + log_std.exp() * noise
    log_prob = (Normal(mean, log_std.exp()).log_prob(u) - torch.log(1 - u.tanh() ** 2)).sum(-1)
    loss = (of_action * u.tanh()).sum() + (of_log_prob * log_prob).sum()
    (expected,) = torch.autograd.grad(loss, free)
    found = SquashedGaussian(2).sample(output, noise).slopes(of_action, of_log_prob)
    torch.testing.assert_close(found, expected.float(), atol=1e-5, rtol=1e-4)


def test_a_log_deviation_beyond_its_bounds_is_held_there_and_gets_no_slope() -> None:
    output = torch.tensor([[[0.1, LOG_STD[1] + 5.0], [0.1, LOG_STD[1]], [0.1, LOG_STD[0] - 1.0]]])
    draw = SquashedGaussian(1).sample(output, torch.full((1, 3, 1), 0.01))
    assert draw.action[0, 0] == draw.action[0, 1]
    slopes = draw.slopes(torch.ones(1, 3, 1), torch.ones(1, 3))
    assert (slopes[0, :, 0] != 0).all()
    assert slopes[0, 0, 1] == slopes[0, 2, 1] == 0
    assert slopes[0, 1, 1] != 0


def test_actions_at_the_very_bound_have_finite_log_probabilities_and_slopes() -> None:
    draw = SquashedGaussian(1).sample(torch.tensor([[[60.0, 0.0], [-60.0, 0.0]]]), torch.zeros(1, 2, 1))
    assert draw.action.tolist() == [[[1.0], [-1.0]]]
    # log(1 - tanh(60)^2) = log 4 - 120, far below what float32 could subtract from one
    expected = -0.5 * math.log(2 * math.pi) - (math.log(4.0) - 120.0)
    assert draw.log_prob.tolist() == [[pytest.approx(expected, rel=1e-6)] * 2]
    slopes = draw.slopes(torch.ones(1, 2, 1), torch.ones(1, 2))
    assert slopes[..., 0].tolist() == [[2.0, -2.0]]  # that of log pi; the action does not move any more


def test_the_logarithm_of_the_slope_is_exact_for_small_and_large_numbers() -> None:
    u = torch.linspace(-9.0, 9.0, 181, dtype=torch.float64)
    exact = torch.log1p(-torch.tanh(u)) + torch.log1p(torch.tanh(u))
    torch.testing.assert_close(log_tanh_slope(u.float()).double(), exact, atol=1e-6, rtol=1e-6)


def test_the_mode_is_the_squashed_mean() -> None:
    output = numbers(0, 2, 3, 4)
    assert torch.equal(SquashedGaussian(2).mode(output), torch.tanh(output[..., :2]))


@pytest.mark.parametrize("n_actions", [1, 2, 3, 7])
@pytest.mark.parametrize("n", [1, 13, 64])
def test_a_member_alone_draws_what_it_draws_in_company(n_actions: int, n: int) -> None:
    output, noise = numbers(0, 9, n, 2 * n_actions), numbers(1, 9, n, n_actions)
    slopes = numbers(2, 9, n, n_actions), numbers(3, 9, n)

    def drawn(chosen: slice) -> list[torch.Tensor]:
        draw = SquashedGaussian(n_actions).sample(output[chosen].clone(), noise[chosen].clone())
        return [draw.action, draw.log_prob, draw.slopes(*(part[chosen].clone() for part in slopes))]

    together = drawn(slice(None))
    for chosen in (slice(0, 1), slice(4, 5), slice(8, 9), slice(3, 6)):
        for whole, part in zip(together, drawn(chosen), strict=True):
            assert torch.equal(whole[chosen], part)
