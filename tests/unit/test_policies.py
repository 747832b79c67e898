"""Policies draw what they say they draw, and say of it what torch.distributions says."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import torch

from tradebot.core import Box, Discrete
from tradebot.rl.noise import Noise
from tradebot.rl.policies import Categorical, Gaussian, policy_for


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


LOGITS = torch.tensor([[0.0, 1.0, -1.0, 2.5], [3.0, 3.0, -20.0, 0.0]])  # [M, n]


def numbers(seed: int, *shape: int) -> torch.Tensor:
    return torch.as_tensor(np.random.default_rng(seed).standard_normal(shape), dtype=torch.float32)


# ---- discrete


def test_actions_come_as_often_as_the_softmax_says() -> None:
    n = 20_000
    policy = Categorical(4)
    noise = torch.as_tensor(Noise([0, 1], "action", (n, 4), policy.noise_law).draw())
    action = policy.sample(LOGITS[:, None].expand(2, n, 4), None, noise)
    assert action.shape == (2, n)
    for m in range(2):
        expected = n * torch.softmax(LOGITS[m], -1).double()
        counts = torch.bincount(action[m], minlength=4)
        chi_square = ((counts - expected) ** 2 / expected.clamp(min=1e-3)).sum()
        assert chi_square < 16.3  # 3 degrees of freedom: one sample in a thousand lies above


def test_the_categorical_says_what_torch_says() -> None:
    output = numbers(0, 3, 50, 5)
    other = output.clone().requires_grad_()
    action = torch.as_tensor(np.random.default_rng(1).integers(0, 5, (3, 50)))
    log_prob, entropy, slopes, _ = Categorical(5).judge(output, None, action)
    reference = torch.distributions.Categorical(logits=other)
    torch.testing.assert_close(log_prob, reference.log_prob(action), atol=1e-6, rtol=1e-6)
    torch.testing.assert_close(entropy, reference.entropy(), atol=1e-6, rtol=1e-6)
    weights = numbers(2, 2, 3, 50)
    slope, nothing = slopes(*weights)
    (weights[0] * reference.log_prob(action) + weights[1] * reference.entropy()).sum().backward()
    torch.testing.assert_close(slope, other.grad, atol=1e-5, rtol=1e-5)
    assert nothing is None


def test_the_mode_is_the_likeliest_action() -> None:
    assert Categorical(4).mode(LOGITS[:, None]).tolist() == [[3], [0]]


def test_two_logits_far_apart_leave_nothing_undefined() -> None:
    output, action = torch.tensor([[[500.0, -500.0]]]), torch.tensor([[1]])
    log_prob, entropy, slopes, _ = Categorical(2).judge(output, None, action)
    assert log_prob.item() == -1000.0
    assert entropy.item() == 0.0
    assert slopes(torch.ones(1, 1), torch.ones(1, 1))[0].tolist() == [[[-1.0, 1.0]]]


# ---- continuous


def test_gaussian_actions_have_the_mean_and_deviation_that_was_asked_for() -> None:
    n = 20_000
    policy = Gaussian(2)
    noise = torch.as_tensor(Noise([0], "action", (n, 2), policy.noise_law).draw())
    log_std = torch.tensor([[[0.5, -1.0]]])
    action = policy.sample(torch.tensor([[[3.0, -2.0]]]).expand(1, n, 2), log_std, noise)[0]
    deviation = log_std[0, 0].exp().double()
    assert ((action.mean(0) - torch.tensor([3.0, -2.0])).abs() < 4 * deviation / n**0.5).all()
    torch.testing.assert_close(action.std(0), deviation, rtol=0.02, atol=0)


def test_the_gaussian_says_what_torch_says() -> None:
    output, action = numbers(0, 3, 50, 2), numbers(1, 3, 50, 2)
    log_std = 0.3 * numbers(2, 3, 1, 2)
    others = [part.clone().requires_grad_() for part in (output, log_std)]
    log_prob, entropy, slopes, _ = Gaussian(2).judge(output, log_std, action)
    reference = torch.distributions.Normal(others[0], others[1].exp().expand(3, 50, 2))
    torch.testing.assert_close(log_prob, reference.log_prob(action).sum(-1), atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(entropy, reference.entropy().sum(-1), atol=1e-6, rtol=1e-6)
    weights = numbers(3, 2, 3, 50, 1)
    (weights[0] * reference.log_prob(action) + weights[1] * reference.entropy()).sum().backward()
    of_output, of_log_std = slopes(*weights[..., 0])
    torch.testing.assert_close(of_output, others[0].grad, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(of_log_std, others[1].grad, atol=1e-3, rtol=1e-4)


def test_the_mode_of_a_gaussian_is_its_mean() -> None:
    mean = numbers(0, 2, 3, 2)
    assert torch.equal(Gaussian(2).mode(mean), mean)


# ---- divergence and curvature


def test_the_divergence_of_categoricals_is_torchs() -> None:
    one, other = numbers(0, 3, 50, 5), numbers(1, 3, 50, 5)
    old, new = (torch.distributions.Categorical(logits=logits) for logits in (one, other))
    expected = torch.distributions.kl_divergence(old, new)
    found = Categorical(5).divergence(one, None, other, None)
    torch.testing.assert_close(found, expected, atol=1e-6, rtol=1e-5)
    assert not Categorical(5).divergence(one, None, one, None).any()


def test_the_divergence_of_gaussians_is_torchs() -> None:
    means, stds = numbers(0, 2, 3, 50, 2), 0.3 * numbers(1, 2, 3, 1, 2)
    old, new = (torch.distributions.Normal(*pair) for pair in zip(means, stds.exp(), strict=True))
    expected = torch.distributions.kl_divergence(old, new).sum(-1)
    found = Gaussian(2).divergence(means[0], stds[0], means[1], stds[1])
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)
    assert not Gaussian(2).divergence(means[0], stds[0], means[0], stds[0]).any()


def test_the_fisher_matrix_of_a_categorical_is_the_expected_square_of_the_slope() -> None:
    output, change = numbers(0, 3, 50, 5), numbers(1, 3, 50, 5)
    expected = torch.zeros_like(output)
    for a in range(5):  # E_a (d log pi(a)) (d log pi(a) . change)
        log_prob, _, slopes, fisher = Categorical(5).judge(output, None, torch.full((3, 50), a))
        slope, _ = slopes(torch.ones(3, 50), torch.zeros(3, 50))
        expected += log_prob.exp()[..., None] * slope * (slope * change).sum(-1, keepdim=True)
    found, nothing = fisher(change, None)
    torch.testing.assert_close(found, expected, atol=1e-6, rtol=1e-5)
    assert nothing is None


def test_the_fisher_matrix_of_a_gaussian_is_the_curvature_of_its_divergence() -> None:
    output, log_std = numbers(0, 1, 7, 2), 0.3 * numbers(1, 1, 1, 2)
    judgement = Gaussian(2).judge(output, log_std, output)
    of_mean, of_std = numbers(2, 1, 7, 2), numbers(3, 1, 1, 2)

    def divergence(mean: torch.Tensor, std: torch.Tensor) -> torch.Tensor:
        return Gaussian(2).divergence(output.double(), log_std.double(), mean, std).sum()

    here, along = (output.double(), log_std.double()), (of_mean.double(), of_std.double())
    _, expected = torch.autograd.functional.hvp(divergence, here, along)
    found = judgement.fisher(of_mean, of_std)
    torch.testing.assert_close(found[0], expected[0].float(), atol=1e-5, rtol=1e-5)
    assert found[1] is not None
    torch.testing.assert_close(7 * found[1], expected[1].float(), atol=1e-5, rtol=1e-5)  # of seven samples


# ---- choice


def test_the_space_chooses_the_policy() -> None:
    assert policy_for(Discrete(3)).size == 3
    assert policy_for(Discrete(3)).log_std_size == 0
    continuous = policy_for(Box(np.zeros(2), np.ones(2)))
    assert (continuous.size, continuous.log_std_size) == (2, 2)


@pytest.mark.parametrize("members", [1, 3, 35])
def test_a_member_is_judged_alone_as_in_company(members: int) -> None:
    output, action = numbers(0, 40, 13, 3), torch.as_tensor(np.random.default_rng(1).integers(0, 3, (40, 13)))
    slopes = numbers(2, 2, 40, 13)

    def judged(chosen: slice) -> list[torch.Tensor]:
        judgement = Categorical(3).judge(output[chosen].clone(), None, action[chosen].clone())
        slope, _ = judgement.slopes(*slopes[:, chosen].clone())
        curved, _ = judgement.fisher(output[chosen].clone(), None)
        return [judgement.log_prob, judgement.entropy, slope, curved]

    together = judged(slice(None))
    for start in (0, 5):
        chosen = slice(start, start + members)
        for whole, part in zip(together, judged(chosen), strict=True):
            assert torch.equal(whole[chosen], part)
