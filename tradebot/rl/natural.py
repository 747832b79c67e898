"""The natural gradient for a population: conjugate gradient and a line search, per member with masks.

Vectors are flat, [M, P]; a member that has converged, or that has found its step, does not move any more.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

TOLERANCE = 1e-10  # of |residual|^2, in units of |b|^2


def dot(one: Tensor, other: Tensor) -> Tensor:
    """Inner products of the members' vectors: [M, P] and [M, P] -> [M, 1]"""
    return (one * other).sum(1, keepdim=True)


def conjugate_gradient(product: Callable[[Tensor], Tensor], b: Tensor, iterations: int) -> Tensor:
    """x with A x = b, [M, P], where `product` multiplies with A, symmetric and positive definite.

    Hestenes and Stiefel (1952), section 3, from x = 0. What is left after `iterations` is left.
    """
    x, residual, direction = torch.zeros_like(b), b.clone(), b.clone()
    square = dot(b, b)  # [M, 1] of the residual
    enough = TOLERANCE * square
    for _ in range(iterations):
        active = square > enough
        if not active.any():
            break
        image = product(direction)
        length = torch.where(active, square / dot(direction, image), 0.0)
        x += length * direction
        residual -= length * image
        after = dot(residual, residual)
        turned = residual + (after / square) * direction
        direction = torch.where(active, turned, direction)
        square = torch.where(active, after, square)
    return x


def line_search(
    flat: Tensor,  # [M, P] the parameters, which are moved in place
    step: Tensor,  # [M, P] the longest step
    accept: Callable[[], Tensor],  # [M] bool: whether the parameters are good as they stand now
    *,
    shrink: float,
    tries: int,
) -> Tensor:
    """Backtracking: each member takes the first of step, shrink x step, ... that is accepted.

    Where none is, or where the step is not finite, it stands where it stood. Returns who has moved, [M] bool.
    """
    start, scale = flat.clone(), 1.0
    moved = torch.zeros((len(flat), 1), dtype=torch.bool, device=flat.device)
    for _ in range(tries):
        flat.copy_(torch.where(moved, flat, start + scale * step))
        moved |= accept()[:, None]
        if moved.all():
            break
        scale *= shrink
    flat.copy_(torch.where(moved, flat, start))
    return moved[:, 0]
