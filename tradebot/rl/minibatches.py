"""Minibatches of a rollout, per member in an order of its own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor


def minibatches(columns: Sequence[Tensor], order: Tensor, size: int) -> Iterator[tuple[Tensor, ...]]:
    """columns [M, N, ...] in the order [M, N], cut into parts of `size`; the last may be shorter."""
    parts = [_pick(column, order).split(size, dim=1) for column in columns]
    return zip(*parts, strict=True)


def _pick(column: Tensor, index: Tensor) -> Tensor:
    """column [M, N, ...] at index [M, K] -> [M, K, ...]"""
    member = torch.arange(len(index), device=index.device)[:, None]
    picked = column.flatten(0, 1).index_select(0, (member * column.shape[1] + index).flatten())
    return picked.view(*index.shape, *column.shape[2:])
