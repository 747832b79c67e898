"""Losses as pure functions of tensors, per sample; agents average them over a member's batch."""

from __future__ import annotations

import torch
from torch import Tensor


def clipped_surrogate(log_prob: Tensor, old_log_prob: Tensor, advantage: Tensor, clip: float) -> Tensor:
    """-min(rho A, clip(rho, 1 +- clip) A), rho = pi / pi_old (Schulman et al. 2017, eq. 7). All [M, N]."""
    ratio = torch.exp(log_prob - old_log_prob)
    return -torch.minimum(ratio * advantage, ratio.clamp(1.0 - clip, 1.0 + clip) * advantage)


def huber(error: Tensor) -> Tensor:
    """error^2 / 2 within +-1, |error| - 1/2 beyond (Mnih et al. 2015 clip the error so)."""
    clipped = error.clamp(-1.0, 1.0)
    return clipped * (error - 0.5 * clipped)


def td_target(reward: Tensor, discount: Tensor, terminated: Tensor, next_value: Tensor) -> Tensor:
    """r + discount (1 - terminated) V(s'), all [M, N]. A truncated transition bootstraps like any other."""
    return reward + discount * torch.where(terminated, 0.0, next_value)
