"""Conjugate gradient and line search, per member: what they find, and that who has found it moves no more."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from tradebot.rl.natural import TOLERANCE, conjugate_gradient, dot, line_search


def systems(n: int, *seeds: int) -> tuple[Tensor, Tensor]:
    """Symmetric positive definite matrices [M, n, n] and right sides [M, n], by seed."""
    drawn = [np.random.default_rng(seed).standard_normal((n + 1, n)) for seed in seeds]
    a = torch.as_tensor(np.stack([rows[:n].T @ rows[:n] + np.eye(n) for rows in drawn]))
    return a, torch.as_tensor(np.stack([rows[n] for rows in drawn]))


def times(a: Tensor) -> Callable[[Tensor], Tensor]:
    return lambda v: (a @ v[..., None])[..., 0]


# ---- conjugate gradient


def test_it_solves_a_system_of_two_by_hand_in_two_steps() -> None:
    # [[4, 1], [1, 3]] x = (1, 2): x = (1, 7) / 11
    a, b = torch.tensor([[[4.0, 1.0], [1.0, 3.0]]]), torch.tensor([[1.0, 2.0]])
    expected = torch.tensor([[1.0 / 11, 7.0 / 11]])
    torch.testing.assert_close(conjugate_gradient(times(a), b, 2), expected, atol=1e-6, rtol=0)
    # the first step goes along b by |b|^2 / b A b = 5 / 20
    torch.testing.assert_close(conjugate_gradient(times(a), b, 1), 0.25 * b, atol=1e-7, rtol=0)


def test_each_member_has_a_system_of_its_own() -> None:
    a, b = systems(6, 0, 1, 2)
    found = conjugate_gradient(times(a), b, 6)
    torch.testing.assert_close(found, torch.linalg.solve(a, b), atol=1e-8, rtol=1e-6)


def test_a_member_that_has_converged_moves_no_more_and_does_not_hold_the_others_up() -> None:
    a, b = systems(6, 0, 1, 2)
    a[1] = torch.eye(6)  # solved after one step
    once, often = (conjugate_gradient(times(a), b, n) for n in (1, 6))
    assert torch.equal(once[1], b[1]) and torch.equal(often[1], b[1])
    torch.testing.assert_close(often[2], torch.linalg.solve(a[2], b[2]), atol=1e-8, rtol=1e-6)


def test_many_iterations_do_no_harm() -> None:
    a, b = systems(4, 0, 1)
    found = conjugate_gradient(times(a), b, 200)
    residual = b - times(a)(found)
    assert (dot(residual, residual) <= 2 * TOLERANCE * dot(b, b)).all()


def test_nothing_is_solved_by_nothing() -> None:
    a, b = systems(4, 0, 1)
    b[0] = 0.0
    found = conjugate_gradient(times(a), b, 4)
    assert not found[0].any()
    torch.testing.assert_close(found[1], torch.linalg.solve(a[1], b[1]), atol=1e-8, rtol=1e-6)


# ---- line search


def searched(step: float, bound: float, tries: int = 4) -> tuple[float, bool, list[float]]:
    """From 1 by `step`, halved until |flat - 1| <= bound. Returns the end, success and what was tried."""
    flat, tried = torch.tensor([[1.0]]), []

    def accept() -> Tensor:
        tried.append(flat.item())
        return (flat[:, 0] - 1.0).abs() <= bound

    moved = line_search(flat, torch.tensor([[step]]), accept, shrink=0.5, tries=tries)
    return flat.item(), bool(moved), tried


def test_the_longest_step_is_taken_where_it_is_good() -> None:
    assert searched(8.0, bound=8.0) == (9.0, True, [9.0])


def test_it_goes_back_until_it_is_good() -> None:
    assert searched(8.0, bound=2.5) == (3.0, True, [9.0, 5.0, 3.0])


def test_it_returns_to_the_start_where_nothing_is_good() -> None:
    assert searched(8.0, bound=0.5) == (1.0, False, [9.0, 5.0, 3.0, 2.0])


@pytest.mark.parametrize("step", [math.nan, math.inf])
def test_a_step_that_is_no_number_is_not_taken(step: float) -> None:
    assert searched(step, bound=100.0)[:2] == (1.0, False)


def test_each_member_goes_back_by_itself_and_stays_where_it_found_its_step() -> None:
    flat, step = torch.ones(4, 2), torch.full((4, 2), 8.0)
    step[3] = math.nan
    bound = torch.tensor([8.0, 2.5, 0.5, 100.0])
    moved = line_search(flat, step, lambda: (flat[:, 0] - 1.0).abs() <= bound, shrink=0.5, tries=4)
    assert moved.tolist() == [True, True, False, False]
    assert flat.tolist() == [[9.0, 9.0], [3.0, 3.0], [1.0, 1.0], [1.0, 1.0]]
