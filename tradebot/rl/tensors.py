"""From the arrays of the loop to the tensors of the networks."""

from __future__ import annotations

import torch
from torch import Tensor

from tradebot.core import Array, Batch


def floats(array: Array, device: str) -> Tensor:
    """As float32, before it moves: not every device has double precision."""
    return torch.as_tensor(array).to(torch.float32).to(device)


def flattened(obs: Array, device: str) -> Tensor:
    """[M, N, *O] -> [M, N, O] with an observation's axes joined."""
    return floats(obs.reshape(*obs.shape[:2], -1), device)


def weights(batch: Batch, device: str) -> Tensor | None:
    """[M, N] importance weights; None means all 1."""
    return None if batch.weight is None else floats(batch.weight, device)
