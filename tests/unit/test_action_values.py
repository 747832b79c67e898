"""Critics of actions and the policy that climbs them: slopes by autograd, steps by an ordinary Adam."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from tradebot.rl.action_values import ActionValues
from tradebot.rl.deterministic import DeterministicPolicy
from tradebot.rl.followed import EPS
from tradebot.rl.networks import Networks

M, N, OBS, ACTIONS = 3, 40, 4, 2
SEEDS = range(M)
HIDDEN = (16, 8)
RATE = 1e-2


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def numbers(seed: int, *shape: int) -> Tensor:
    return torch.as_tensor(np.random.default_rng(seed).standard_normal(shape), dtype=torch.float32)


OF, DONE, TARGET = numbers(0, M, N, OBS), numbers(1, M, N, ACTIONS).tanh(), numbers(2, M, N)
SHARE = numbers(3, M, N).abs() / N


def critics(n: int) -> ActionValues:
    return ActionValues(OBS, ACTIONS, HIDDEN, n, SEEDS, "cpu")


def plain(networks: Networks, name: str, m: int) -> nn.Sequential:
    """Member m's network by torch's own layers."""
    parts: list[nn.Module] = []
    for i in range(len(HIDDEN) + 1):
        weight = networks.parameters[f"{name}.{i}.weight"][m].T
        layer = nn.Linear(weight.shape[1], weight.shape[0])
        layer.weight.data, layer.bias.data = (
            weight.clone(),
            networks.parameters[f"{name}.{i}.bias"][m, 0].clone(),
        )
        parts += [layer, nn.ReLU()]
    return nn.Sequential(*parts[:-1])


def same_weights(networks: Networks, name: str, m: int, expected: nn.Sequential) -> None:
    for i, layer in enumerate(part for part in expected if isinstance(part, nn.Linear)):
        weight, bias = (networks.parameters[f"{name}.{i}.{part}"][m] for part in ("weight", "bias"))
        torch.testing.assert_close(weight.T, layer.weight.data, atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(bias[0], layer.bias.data, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("n", [1, 2])
def test_the_smallest_value_counts_and_its_slope_by_the_action_is_autograds(n: int) -> None:
    values, of_value = critics(n), numbers(4, M, N)
    value, slope = values.appraise(OF, DONE)
    found = slope(of_value)
    for m in range(M):
        action = DONE[m].clone().requires_grad_()
        each = [
            plain(values.networks.online, f"q{k}", m)(torch.cat([OF[m], action], -1))[:, 0] for k in range(n)
        ]
        smallest = torch.stack(each).amin(0)
        (smallest * of_value[m]).sum().backward()
        torch.testing.assert_close(value[m], smallest)
        torch.testing.assert_close(found[m], action.grad, atol=1e-6, rtol=1e-4)
    torch.testing.assert_close(values.bootstrap(OF, DONE), value)  # the slow ones start as copies
    if n == 2:
        first = values.appraise(OF, DONE, critics=1).value
        assert 0 < (first == value).float().mean() < 1  # each of the two is sometimes the smaller


@pytest.mark.parametrize("n", [1, 2])
def test_a_step_of_the_critics_is_an_ordinary_one_on_the_weighted_squares(n: int) -> None:
    values = critics(n)
    networks = [[plain(values.networks.online, f"q{k}", m) for k in range(n)] for m in range(M)]
    loss, error, value = values.learn(OF, DONE, TARGET, SHARE, RATE)
    for m in range(M):
        each = [network(torch.cat([OF[m], DONE[m]], -1))[:, 0] for network in networks[m]]
        errors = torch.stack(each) - TARGET[m]
        expected = (SHARE[m] * errors**2).sum()
        torch.testing.assert_close(loss[m], expected.detach())
        torch.testing.assert_close(error[m], errors.detach().abs().mean(0))
        torch.testing.assert_close(value[m], each[0].detach().mean())
        adam = torch.optim.Adam([p for network in networks[m] for p in network.parameters()], RATE, eps=EPS)
        expected.backward()
        adam.step()
        for k, network in enumerate(networks[m]):
            same_weights(values.networks.online, f"q{k}", m, network)


def test_a_step_of_the_policy_is_an_ordinary_one_up_the_first_critic() -> None:
    values, policy = critics(2), DeterministicPolicy(OBS, ACTIONS, HIDDEN, SEEDS, "cpu")
    actors = [plain(policy.networks.online, "policy", m) for m in range(M)]
    before = values.networks.online.flat.clone()
    loss = policy.climb(OF, values, SHARE, RATE)
    for m in range(M):
        action = actors[m](OF[m]).tanh()
        value = plain(values.networks.online, "q0", m)(torch.cat([OF[m], action], -1))[:, 0]
        expected = -(SHARE[m] * value).sum()
        torch.testing.assert_close(loss[m], expected.detach())
        adam = torch.optim.Adam(actors[m].parameters(), RATE, eps=EPS)
        expected.backward()
        adam.step()
        same_weights(policy.networks.online, "policy", m, actors[m])
    assert torch.equal(values.networks.online.flat, before)


def test_slow_copies_go_a_part_of_the_way() -> None:
    values = critics(2)
    before = values.networks.target.flat.clone()
    values.learn(OF, DONE, TARGET, SHARE, RATE)
    assert torch.equal(values.networks.target.flat, before)
    values.networks.follow(0.25)
    torch.testing.assert_close(
        values.networks.target.flat, 0.75 * before + 0.25 * values.networks.online.flat
    )
    values.networks.follow(1.0)
    assert torch.equal(values.networks.target.flat, values.networks.online.flat)
