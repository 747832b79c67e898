"""Stacked networks are M ordinary ones, and what one of them computes does not depend on the others."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import Tensor

from tradebot.rl.networks import RELU, TANH, Activation, Networks
from tradebot.rl.optim import Adam

COMPANY = tuple(range(8))


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def rows(seeds: Sequence[int], *shape: int, stream: int = 0) -> Tensor:
    """[M, *shape], by seed."""
    numbers = [np.random.default_rng([seed, stream]).standard_normal(shape) for seed in seeds]
    return torch.as_tensor(np.stack(numbers), dtype=torch.float32)


def somewhere(sizes: Sequence[int], seeds: Sequence[int], activation: Activation = TANH) -> Networks:
    """Networks with biases that are not zero."""
    networks = Networks({"net": sizes}, seeds, activation=activation)
    for i, value in enumerate(networks.parameters.values()):
        value += 0.1 * rows(seeds, *value.shape[1:], stream=10 + i)
    return networks


def output_and_slopes(sizes: Sequence[int], seeds: Sequence[int], n: int) -> tuple[Tensor, Tensor, Tensor]:
    networks = somewhere(sizes, seeds)
    trace = networks.trace("net", rows(seeds, n, sizes[0], stream=2))
    slope = trace[-1] - rows(seeds, n, sizes[-1], stream=3)
    networks.backward("net", trace, slope)
    return trace[-1], networks.gradient, networks.slope_of_input("net", trace, slope)


# ---- what they compute


@pytest.mark.parametrize(("activation", "module"), [(TANH, torch.nn.Tanh), (RELU, torch.nn.ReLU)])
@pytest.mark.parametrize("sizes", [(2, 64, 64, 3), (1, 5, 1), (4, 1, 2), (3, 7)])
def test_each_member_is_an_ordinary_network_with_its_gradient(
    sizes: Sequence[int], activation: Activation, module: type[torch.nn.Module]
) -> None:
    networks = somewhere(sizes, COMPANY, activation)
    x = rows(COMPANY, 10, sizes[0], stream=2)
    trace = networks.trace("net", x)
    together = networks.mlp("net", x)
    assert torch.equal(together, trace[-1])
    networks.backward("net", trace, 2 * together / together[0].numel())  # of the mean square
    before = {name: value.clone() for name, value in networks.parameters.items()}
    networks.flat -= networks.gradient
    for m in range(len(COMPANY)):
        layers = []
        for i, (n_in, n_out) in enumerate(pairwise(sizes)):
            layers.append(torch.nn.Linear(n_in, n_out))
            layers[i].weight.data = before[f"net.{i}.weight"][m].T
            layers[i].bias.data = before[f"net.{i}.bias"][m, 0]
        plain = torch.nn.Sequential(*(part for layer in layers for part in (layer, module())))[:-1]
        output = plain(x[m])
        torch.testing.assert_close(output, together[m], atol=1e-6, rtol=1e-5)
        output.square().mean().backward()
        for i, layer in enumerate(layers):
            for part, slope in (("weight", layer.weight.grad.T), ("bias", layer.bias.grad[None])):
                found = before[f"net.{i}.{part}"][m] - networks.parameters[f"net.{i}.{part}"][m]
                torch.testing.assert_close(found, slope, atol=1e-6, rtol=1e-4)


@pytest.mark.parametrize("activation", [TANH, RELU])
@pytest.mark.parametrize("sizes", [(2, 64, 64, 3), (1, 5, 1), (4, 1, 2), (3, 7), (17, 33, 2)])
def test_the_slope_of_the_input_is_that_of_autograd_and_leaves_the_gradient_alone(
    sizes: Sequence[int], activation: Activation
) -> None:
    networks = somewhere(sizes, COMPANY, activation)
    x = rows(COMPANY, 10, sizes[0], stream=2)
    of_output = rows(COMPANY, 10, sizes[-1], stream=3)
    found = networks.slope_of_input("net", networks.trace("net", x), of_output)
    free, parameters = x.clone().requires_grad_(), networks.parameters
    y = free
    for i in range(len(sizes) - 1):
        y = y if i == 0 else (y.tanh() if activation is TANH else y.relu())
        y = y @ parameters[f"net.{i}.weight"] + parameters[f"net.{i}.bias"]
    (y * of_output).sum().backward()
    torch.testing.assert_close(found, free.grad, atol=1e-6, rtol=1e-4)
    assert not networks.gradient.any()


def test_the_activation_stands_between_layers_and_not_after_them() -> None:
    networks = Networks({"net": (1, 2, 1)}, [0], activation=RELU)
    networks.parameters["net.0.weight"][:] = torch.tensor([1.0, -1.0])
    networks.parameters["net.1.weight"][:] = torch.tensor([[2.0], [-3.0]])
    # relu(1, -1 times x) @ (2, -3) = 2x for positive x, 3x for negative x
    assert networks.mlp("net", torch.tensor([[[1.0], [-1.0]]])).tolist() == [[[2.0], [-3.0]]]


def test_several_networks_and_vectors_share_one_tensor() -> None:
    networks = Networks({"a": (2, 3), "b": (2, 1)}, [0, 1], vectors={"free": 4})
    sizes = {name: tuple(value.shape) for name, value in networks.parameters.items()}
    assert sizes == {
        "a.0.weight": (2, 2, 3),
        "b.0.weight": (2, 2, 1),
        "a.0.bias": (2, 1, 3),
        "b.0.bias": (2, 1, 1),
        "free": (2, 1, 4),
    }
    assert not networks.parameters["free"].any()
    x = rows([0, 1], 5, 2)
    before = networks.mlp("b", x)
    networks.flat.mul_(2.0)
    torch.testing.assert_close(networks.mlp("b", x), 2 * before)
    state = networks.state_dict()
    for name in ("a", "b"):  # the slope of a sum over 5 rows
        networks.backward(name, networks.trace(name, x), torch.ones(2, 5, {"a": 3, "b": 1}[name]))
    networks.backward_vector("free", torch.full((2, 1, 4), 3.0))
    networks.flat -= networks.gradient
    moved = {
        name: value - before
        for (name, value), before in zip(networks.state_dict().items(), state.values(), strict=True)
    }
    assert moved["free"].tolist() == [[[-3.0] * 4]] * 2
    assert moved["a.0.bias"].tolist() == [[[-5.0] * 3]] * 2
    assert moved["b.0.bias"].tolist() == [[[-5.0]]] * 2
    for name in ("a", "b"):
        expected = -x.sum(1)[..., None].expand(2, 2, moved[f"{name}.0.bias"].shape[2])
        torch.testing.assert_close(torch.as_tensor(moved[f"{name}.0.weight"]), expected, atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("activation", [TANH, RELU])
@pytest.mark.parametrize("sizes", [(2, 64, 64, 3), (1, 5, 1), (4, 1, 2), (3, 7)])
def test_a_tangent_is_the_change_of_the_output_along_a_direction(
    sizes: Sequence[int], activation: Activation
) -> None:
    networks, aside = (somewhere(sizes, COMPANY, activation) for _ in range(2))
    aside.flat *= 0.7  # any direction will do that leaves the padding zero
    x, direction = rows(COMPANY, 10, sizes[0], stream=2), aside.flat.double()
    found = networks.tangent("net", networks.trace("net", x), aside.flat)
    start, outputs = networks.flat.double(), []
    for step in (-1e-6, 1e-6):  # in double precision
        networks.flat = start + step * direction
        networks._blocks = networks._cut(networks.flat)
        outputs.append(networks.mlp("net", x.double()))
    torch.testing.assert_close(found, ((outputs[1] - outputs[0]) / 2e-6).float(), atol=1e-4, rtol=1e-3)


def test_backward_is_the_transpose_of_the_tangent() -> None:
    """slope . (J direction) = (J^T slope) . direction"""
    networks, aside = somewhere((3, 9, 4), COMPANY), somewhere((3, 9, 4), [100 + m for m in COMPANY])
    trace, slope = networks.trace("net", rows(COMPANY, 10, 3, stream=2)), rows(COMPANY, 10, 4, stream=3)
    forward = (networks.tangent("net", trace, aside.flat) * slope).sum((1, 2))
    networks.backward("net", trace, slope)
    torch.testing.assert_close((networks.gradient * aside.flat).sum(1), forward, atol=1e-4, rtol=1e-5)


def test_the_tangent_of_a_vector_is_its_part_of_the_direction() -> None:
    networks = Networks({"net": (2, 3)}, [0, 1], vectors={"free": 4})
    direction = torch.zeros_like(networks.flat)
    networks.backward_vector("free", torch.arange(8.0).view(2, 1, 4))
    direction += networks.gradient
    assert networks.tangent_vector("free", direction).tolist() == [
        [[0.0, 1.0, 2.0, 3.0]],
        [[4.0, 5.0, 6.0, 7.0]],
    ]


def test_a_members_loss_moves_only_its_own_parameters() -> None:
    networks = somewhere((2, 8, 1), [0, 1, 2])
    slope = torch.zeros(3, 5, 1)
    slope[1] = 1.0
    networks.backward("net", networks.trace("net", rows([0, 1, 2], 5, 2)), slope)
    assert networks.gradient[1].any()
    assert not networks.gradient[[0, 2]].any()


def test_the_state_comes_back_bit_for_bit_and_is_a_copy() -> None:
    first = somewhere((2, 8, 3), [0, 1])
    state = first.state_dict()
    kept = first.flat.clone()
    first.flat.zero_()
    second = Networks({"net": (2, 8, 3)}, [5, 6])
    second.load_state_dict(state)
    assert torch.equal(second.flat, kept)


def test_the_state_of_another_number_of_members_is_refused() -> None:
    one = Networks({"net": (2, 8, 3)}, [0]).state_dict()
    with pytest.raises(ValueError, match="expected"):
        Networks({"net": (2, 8, 3)}, [0, 1]).load_state_dict(one)


# ---- how they start


@pytest.mark.parametrize(("n_in", "n_out"), [(8, 8), (20, 5), (5, 20), (1, 6), (6, 1)])
def test_the_first_weights_are_orthogonal_with_the_gain_that_was_asked_for(n_in: int, n_out: int) -> None:
    networks = Networks({"net": (n_in, n_out, 4)}, [0, 1], output_gain={"net": 0.01})
    gains = {"net.0.weight": math.sqrt(2.0), "net.1.weight": 0.01}
    for name, gain in gains.items():
        for weight in networks.parameters[name].detach().double():
            tall = weight if weight.shape[0] >= weight.shape[1] else weight.T
            expected = gain**2 * torch.eye(tall.shape[1], dtype=torch.float64)
            torch.testing.assert_close(tall.T @ tall, expected, atol=1e-6, rtol=0)
    assert not networks.parameters["net.0.bias"].any()


def test_the_last_layer_has_gain_one_where_nothing_else_is_said() -> None:
    networks = Networks({"net": (4, 4)}, [0])
    assert torch.linalg.matrix_norm(networks.parameters["net.0.weight"].detach()[0], 2) == pytest.approx(1.0)


def test_fan_in_weights_and_biases_are_uniform_within_one_over_the_root_of_the_width_before() -> None:
    networks = Networks({"net": (4, 400, 400)}, [0], initial="fan-in", output_gain={"net": 0.5})
    bounds = {"net.0": 1 / math.sqrt(4), "net.1": 0.5 / math.sqrt(400)}
    for layer, bound in bounds.items():
        for part in ("weight", "bias"):
            values = networks.parameters[f"{layer}.{part}"]
            assert 0.95 * bound < float(values.abs().max()) <= bound
            assert float(values.std()) == pytest.approx(bound / math.sqrt(3), rel=0.15)


def test_members_networks_and_layers_start_from_different_weights() -> None:
    networks = Networks({"a": (3, 3, 3), "b": (3, 3, 3)}, [0, 1])
    weights = [
        value[m].flatten() for name, value in networks.parameters.items() if "w" in name for m in (0, 1)
    ]
    directions = torch.stack([weight / weight.norm() for weight in weights]).detach()
    assert len(torch.unique((1e4 * directions).round(), dim=0)) == 8


# ---- the law: alone and in company the same, bit for bit on one thread


@pytest.mark.parametrize("n", [1, 2, 5, 64])
@pytest.mark.parametrize(
    "sizes",
    [
        (1, 1),
        (1, 64),
        (64, 1),
        (1, 64, 64, 3),
        (2, 64, 64, 1),
        (2, 64, 64, 3),
        (5, 1, 4),
        (1, 1, 1, 1),
        (3, 256, 1, 256, 2),
        (17, 256, 255, 9),
        (20, 100, 33, 1),
        (7, 8, 63, 65, 2),
    ],
)
def test_a_member_alone_computes_what_it_computes_in_company(sizes: Sequence[int], n: int) -> None:
    together = output_and_slopes(sizes, COMPANY, n)
    for chosen in (slice(0, 1), slice(5, 6), slice(0, 2), slice(3, 6), slice(2, 7)):
        for whole, part in zip(together, output_and_slopes(sizes, COMPANY[chosen], n), strict=True):
            assert torch.equal(whole[chosen], part)


@pytest.mark.parametrize("n", [1, 5, 64])
@pytest.mark.parametrize("sizes", [(1, 1), (2, 64, 64, 3), (17, 256, 255, 9), (20, 100, 33, 1)])
def test_a_member_alone_has_the_tangent_that_it_has_in_company(sizes: Sequence[int], n: int) -> None:
    def tangent(seeds: Sequence[int]) -> Tensor:
        networks, aside = somewhere(sizes, seeds), somewhere(sizes, [100 + seed for seed in seeds])
        return networks.tangent("net", networks.trace("net", rows(seeds, n, sizes[0], stream=2)), aside.flat)

    together = tangent(COMPANY)
    for chosen in (slice(0, 1), slice(5, 6), slice(3, 6)):
        assert torch.equal(tangent(COMPANY[chosen]), together[chosen])


@pytest.mark.parametrize("n_out", [1, 2, 3, 16, 64, 256])
@pytest.mark.parametrize("n_in", [1, 2, 3, 16, 64, 256])
def test_layers_keep_the_law_at_every_width(n_in: int, n_out: int) -> None:
    sizes = (5, n_in, n_out)  # two layers, so that the slope of an input counts too
    for n in (1, 3, 8, 64, 128):
        together = output_and_slopes(sizes, COMPANY, n)
        for m in (0, 5):
            alone = output_and_slopes(sizes, COMPANY[m : m + 1], n)
            for whole, part in zip(together, alone, strict=True):
                assert torch.equal(whole[m : m + 1], part)


def test_what_pads_a_layer_stays_zero_and_out_of_the_state() -> None:
    networks = Networks({"net": (3, 5, 2)}, COMPANY, initial="fan-in")
    adam = Adam(networks, max_grad_norm=1.0)
    for step in range(20):
        trace = networks.trace("net", rows(COMPANY, 7, 3, stream=step))
        networks.backward("net", trace, trace[-1] - 1.0)
        adam.step(0.1)
    sizes = {name: value.shape[1:] for name, value in networks.state_dict().items()}
    assert sizes == {
        "net.0.weight": (3, 5),
        "net.1.weight": (5, 2),
        "net.0.bias": (1, 5),
        "net.1.bias": (1, 2),
    }
    used = sum(int(value.count_nonzero()) for value in networks.parameters.values())
    assert used == len(COMPANY) * (3 * 5 + 5 + 5 * 2 + 2) == int(networks.flat.count_nonzero())
