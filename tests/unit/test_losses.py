"""The losses by hand, and beside torch's where it has them."""

from __future__ import annotations

import pytest
import torch

from tradebot.rl.losses import (
    approximate_divergence,
    clipped_surrogate,
    clipped_value_loss,
    huber,
    shares,
    td_target,
    weighted_mean,
)


@pytest.mark.parametrize(
    ("ratio", "advantage", "expected", "slope"),  # slope: d loss / d log_prob
    [
        pytest.param(1.0, 2.0, -2.0, -2.0, id="nothing has changed yet"),
        pytest.param(1.1, 2.0, -2.2, -2.2, id="within the bounds"),
        pytest.param(1.5, 2.0, -2.4, 0.0, id="good and already likelier: 1.2 x 2, and no further"),
        pytest.param(0.5, 2.0, -1.0, -1.0, id="good but rarer: it may come back"),
        pytest.param(0.5, -2.0, 1.6, 0.0, id="bad and already rarer: .8 x 2, and no further"),
        pytest.param(1.5, -2.0, 3.0, 3.0, id="bad but likelier: it may come back"),
        pytest.param(1.5, 0.0, 0.0, 0.0, id="neither good nor bad"),
    ],
)
def test_the_clipped_surrogate_by_hand(ratio: float, advantage: float, expected: float, slope: float) -> None:
    old = torch.tensor([[-1.3]])
    log_prob = (old + torch.tensor(ratio).log()).requires_grad_()
    loss, found = clipped_surrogate(log_prob, old, torch.tensor([[advantage]]), 0.2)
    (gradient,) = torch.autograd.grad(loss.sum(), log_prob)
    assert loss.item() == pytest.approx(expected, abs=1e-6)
    assert found.item() == pytest.approx(slope, abs=1e-6)
    assert gradient.item() == pytest.approx(slope, abs=1e-6)


@pytest.mark.parametrize(
    ("value", "expected", "slope"),  # old value 1, target 2, bound 0.5
    [
        pytest.param(1.2, 0.64, -1.6, id="within the bounds: (1.2 - 2)^2"),
        pytest.param(1.9, 0.25, 0.0, id="already further: (1.5 - 2)^2, and no further"),
        pytest.param(0.1, 2.25, 0.0, id="further the other way: (0.5 - 2)^2, and not back either"),
    ],
)
def test_the_clipped_value_loss_by_hand(value: float, expected: float, slope: float) -> None:
    here = torch.tensor([[value]], requires_grad=True)
    loss, found = clipped_value_loss(here, torch.tensor([[1.0]]), torch.tensor([[2.0]]), 0.5)
    (gradient,) = torch.autograd.grad(loss.sum(), here)
    assert loss.item() == pytest.approx(expected, abs=1e-6)
    assert found.item() == pytest.approx(slope, abs=1e-6)
    assert gradient.item() == pytest.approx(slope, abs=1e-6)


def test_the_approximate_divergence_has_the_true_one_as_its_mean() -> None:
    old, new = torch.tensor([0.5, 0.3, 0.2]).log(), torch.tensor([0.2, 0.3, 0.5]).log()
    each = approximate_divergence(new, old)
    # .5 ln(.5 / .2) + .2 ln(.2 / .5) = .3 ln 2.5
    assert (old.exp() * each).sum().item() == pytest.approx(0.3 * 0.9162907, abs=1e-6)
    assert (each >= 0).all() and each[1] == 0


def test_huber_is_torchs_with_its_gradient() -> None:
    error = torch.linspace(-4.0, 4.0, 801).requires_grad_()
    loss, slope = huber(error)
    expected = torch.nn.functional.huber_loss(error, torch.zeros_like(error), reduction="none")
    torch.testing.assert_close(loss, expected, atol=1e-6, rtol=1e-6)
    (gradient,) = torch.autograd.grad(expected.sum(), error)
    torch.testing.assert_close(slope, gradient, atol=1e-6, rtol=1e-6)


def test_huber_by_hand() -> None:
    loss, slope = huber(torch.tensor([0.0, 0.5, -0.5, 1.0, 3.0, -3.0]))
    assert loss.tolist() == [0.0, 0.125, 0.125, 0.5, 2.5, 2.5]
    assert slope.tolist() == [0.0, 0.5, -0.5, 1.0, 1.0, -1.0]


@pytest.mark.parametrize("weight", [None, torch.tensor([[1.0, 3.0], [0.5, 0.0]])])
def test_a_share_is_the_slope_of_the_weighted_mean(weight: torch.Tensor | None) -> None:
    loss = torch.tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)
    (gradient,) = torch.autograd.grad(weighted_mean(loss, weight).sum(), loss)
    assert torch.equal(shares(weight, loss), gradient)


def test_the_target_bootstraps_unless_the_task_is_over() -> None:
    target = td_target(
        reward=torch.tensor([[1.0, 1.0, -2.0]]),
        discount=torch.tensor([[0.5, 0.5, 0.25]]),
        terminated=torch.tensor([[False, True, False]]),
        next_value=torch.tensor([[4.0, 4.0, 8.0]]),
    )
    assert target.tolist() == [[3.0, 1.0, 0.0]]


def test_what_a_terminal_state_seems_worth_is_not_even_looked_at() -> None:
    broken = torch.tensor([[float("nan"), float("inf")]])
    over = torch.tensor([[True, True]])
    assert td_target(torch.ones(1, 2), torch.ones(1, 2), over, broken).tolist() == [[1.0, 1.0]]
