"""The stacked Adam is M ordinary ones with a clipped norm each, and a masked member stands still."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence

import numpy as np
import pytest
import torch
from torch import Tensor

from tradebot.rl.networks import Networks
from tradebot.rl.optim import Adam

SEEDS = (0, 1, 2, 3)
SIZES = (2, 16, 3)


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def networks(seeds: Sequence[int], sizes: Sequence[int] = SIZES) -> Networks:
    return Networks({"net": sizes}, seeds)


def samples(seeds: Sequence[int], step: int, *shape: int) -> Tensor:
    numbers = [np.random.default_rng([seed, step]).standard_normal(shape) for seed in seeds]
    return torch.as_tensor(np.stack(numbers), dtype=torch.float32)


def regress(nets: Networks, seeds: Sequence[int], step: int, sizes: Sequence[int] = SIZES) -> None:
    """Write the gradient of a mean square on fresh samples."""
    trace = nets.trace("net", samples(seeds, step, 12, sizes[0]))
    error = trace[-1] - samples(seeds, step + 1_000_000, 12, sizes[-1])
    nets.backward("net", trace, 2 * error / error[0].numel())


@pytest.mark.parametrize("max_grad_norm", [0.1, 0.5, 1e6])
def test_each_member_is_an_ordinary_adam_with_its_own_clipped_norm(max_grad_norm: float) -> None:
    stacked = networks(SEEDS)
    adam = Adam(stacked, max_grad_norm=max_grad_norm)
    singles = [networks([seed]) for seed in SEEDS]
    others = [torch.optim.Adam([single.flat], betas=(0.9, 0.999), eps=1e-5) for single in singles]
    norms = []
    for step in range(50):
        learning_rate = 1e-3 * (1 - step / 50)
        regress(stacked, SEEDS, step)
        norms.append(adam.step(learning_rate))
        for m, (single, other) in enumerate(zip(singles, others, strict=True)):
            other.param_groups[0]["lr"] = learning_rate
            regress(single, [SEEDS[m]], step)
            single.flat.grad = single.gradient
            norm = torch.nn.utils.clip_grad_norm_([single.flat], max_grad_norm)
            other.step()
            assert float(norms[-1][m]) == pytest.approx(float(norm), rel=1e-4)
    for m, single in enumerate(singles):
        assert float((stacked.flat[m] - single.flat[0]).abs().max()) < 1e-6
    clipped = (torch.stack(norms) > max_grad_norm).float().mean()
    assert {0.1: clipped == 1, 0.5: 0 < clipped < 1, 1e6: clipped == 0}[max_grad_norm]  # all three were seen


def test_without_a_bound_no_norm_is_clipped() -> None:
    free, bounded = networks(SEEDS), networks(SEEDS)
    unbounded, other = Adam(free), Adam(bounded, max_grad_norm=1e30)
    for step in range(3):
        regress(free, SEEDS, step)
        regress(bounded, SEEDS, step)
        if step == 1:  # a gradient of zero has no direction to lose either
            free.gradient.zero_()
            bounded.gradient.zero_()
        unbounded.step(0.1)
        other.step(0.1)
    assert torch.isfinite(free.flat).all()
    assert torch.equal(free.flat, bounded.flat)


def test_the_first_step_is_as_long_as_the_learning_rate() -> None:
    nets = Networks({}, [0, 1], vectors={"x": 2})
    # m / (sqrt(v) + eps) = g / (|g| + 1e-5) after the corrections: the sign of g unless g is very small
    nets.backward_vector("x", torch.tensor([[[3.0, -1e-5]]]))
    Adam(nets, max_grad_norm=1e6).step(0.1)
    expected = torch.tensor([[[-0.1, 0.05]]]).expand(2, 1, 2)
    torch.testing.assert_close(nets.parameters["x"], expected, atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("poison", [1.0, float("nan"), float("inf")])
def test_a_masked_member_stays_as_it_is_and_the_others_do_not_notice(poison: float) -> None:
    nets, free = networks(SEEDS), networks(SEEDS)
    adam, other = Adam(nets, max_grad_norm=0.5), Adam(free, max_grad_norm=0.5)
    mask = torch.tensor([True, False, True, True])
    for step in range(3):  # all move
        for each, mover in ((nets, adam), (free, other)):
            regress(each, SEEDS, step)
            mover.step(1e-2)
    kept, state = nets.flat.clone(), copy.deepcopy(adam.state_dict())
    for step in range(3, 6):
        regress(nets, SEEDS, step)
        nets.gradient[~mask] *= poison
        adam.step(1e-2, mask)
        regress(free, SEEDS, step)
        other.step(1e-2)
    assert torch.equal(nets.flat[1], kept[1])
    for name, value in adam.state_dict().items():
        assert np.array_equal(value[1], state[name][1]), name
        assert not np.array_equal(value[0], state[name][0]), name
    assert torch.equal(nets.flat[mask], free.flat[mask])


def test_nothing_happens_where_all_are_masked() -> None:
    nets = networks(SEEDS)
    adam = Adam(nets, max_grad_norm=0.5)
    regress(nets, SEEDS, 0)
    adam.step(1e-2)
    kept, state = nets.flat.clone(), copy.deepcopy(adam.state_dict())
    regress(nets, SEEDS, 1)
    adam.step(1e-2, torch.zeros(len(SEEDS), dtype=torch.bool))
    assert torch.equal(nets.flat, kept)
    assert all(np.array_equal(value, state[name]) for name, value in adam.state_dict().items())


def test_a_member_that_was_masked_from_the_first_step_starts_later_as_if_nothing_had_been() -> None:
    nets, fresh = networks([0, 1]), networks([0, 1])
    adam = Adam(nets, max_grad_norm=0.5)
    regress(nets, [0, 1], 0)
    adam.step(1e-2, torch.tensor([True, False]))
    regress(nets, [0, 1], 1)
    adam.step(1e-2)
    regress(fresh, [0, 1], 1)
    Adam(fresh, max_grad_norm=0.5).step(1e-2)
    assert torch.equal(nets.flat[1], fresh.flat[1])
    assert adam.state_dict()["count"].tolist() == [[2.0], [1.0]]


def test_a_resumed_optimiser_goes_on_bit_for_bit() -> None:
    nets = networks(SEEDS)
    adam = Adam(nets, max_grad_norm=0.5)
    for step in range(5):
        regress(nets, SEEDS, step)
        adam.step(1e-2)
    state, parameters = adam.state_dict(), nets.state_dict()
    again = networks([7, 8, 9, 10])
    resumed = Adam(again, max_grad_norm=0.5)
    for step in range(5, 10):
        regress(nets, SEEDS, step)
        adam.step(1e-2)
    again.load_state_dict(parameters)
    resumed.load_state_dict(state)
    for step in range(5, 10):
        regress(again, SEEDS, step)
        resumed.step(1e-2)
    assert torch.equal(again.flat, nets.flat)


@pytest.mark.parametrize("sizes", [(2, 16, 3), (1, 5, 1), (3, 33)])
@pytest.mark.parametrize("max_grad_norm", [0.05, 1e6])
def test_a_member_alone_moves_as_it_moves_in_company(sizes: Sequence[int], max_grad_norm: float) -> None:
    company = tuple(range(35))  # more than two vector registers of step counts

    def trained(seeds: Sequence[int]) -> Tensor:
        nets = networks(seeds, sizes)
        adam = Adam(nets, max_grad_norm=max_grad_norm)
        for step in range(200):
            regress(nets, seeds, step % 10, sizes)
            adam.step(1e-2)
        return nets.flat

    together = trained(company)
    for chosen in (slice(0, 1), slice(34, 35), slice(3, 5)):
        assert torch.equal(trained(company[chosen]), together[chosen])
