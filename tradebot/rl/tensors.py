"""From batches to what the networks want, and from what they found to what an update says."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

import torch
from torch import Tensor

from tradebot.core import Array, Batch, Update
from tradebot.rl.losses import shares


class Transitions(NamedTuple):
    """What an agent with continuous actions learns from."""

    obs: Tensor  # [M, N, O]
    action: Tensor  # [M, N, A] within +-1
    reward: Tensor  # [M, N]
    discount: Tensor  # [M, N] of what follows
    terminated: Tensor  # [M, N] bool
    next_obs: Tensor  # [M, N, O]
    share: Tensor  # [M, N] of each in the mean loss of its member


def transitions(batch: Batch, inside: Callable[[Array], Array], device: str) -> Transitions:
    """`inside` takes actions from their bounds to +-1."""
    reward = floats(batch.reward, device)
    weight = None if batch.weight is None else floats(batch.weight, device)
    return Transitions(
        obs=flattened(batch.obs, device),
        action=floats(inside(batch.action), device),
        reward=reward,
        discount=floats(batch.extras["discount"], device),
        terminated=torch.as_tensor(batch.terminated, device=device),
        next_obs=flattened(batch.next_obs, device),
        share=shares(weight, reward),
    )


def floats(array: Array, device: str) -> Tensor:
    """As float32, before it moves: not every device has double precision."""
    return torch.as_tensor(array).to(torch.float32).to(device)


def flattened(obs: Array, device: str) -> Tensor:
    """[M, N, *O] -> [M, N, O] with an observation's axes joined."""
    return floats(obs.reshape(*obs.shape[:2], -1), device)


def report(metrics: Mapping[str, Tensor], errors: Tensor | None) -> Update:
    """What an update says of itself: metrics [M], and errors [M, N] where priorities are made of them."""
    return Update(
        {name: value.cpu().numpy() for name, value in metrics.items()},
        None if errors is None else errors.cpu().numpy(),
    )
