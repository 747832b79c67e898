"""Losses as pure functions of tensors, per sample; agents average them over a member's batch."""

from __future__ import annotations

import torch
from torch import Tensor


def clipped_surrogate(log_prob: Tensor, old_log_prob: Tensor, advantage: Tensor, clip: float) -> Tensor:
    """-min(rho A, clip(rho, 1 +- clip) A), rho = pi / pi_old (Schulman et al. 2017, eq. 7). All [M, N]."""
    ratio = torch.exp(log_prob - old_log_prob)
    return -torch.minimum(ratio * advantage, ratio.clamp(1.0 - clip, 1.0 + clip) * advantage)


def weighted_mean(loss: Tensor, weight: Tensor | None) -> Tensor:
    """Mean over a member's samples of weight x loss: [M, N] and [M, N] or None, which means all 1 -> [M]."""
    return (loss if weight is None else loss * weight).mean(1)


def normalised(advantage: Tensor, weight: Tensor | None) -> Tensor:
    """(A - mean) / deviation over a member's samples, counted by their weights. [M, N] -> [M, N]"""
    if weight is None:
        deviation, mean = torch.std_mean(advantage, dim=1, correction=0, keepdim=True)
    else:
        share = weight / weight.sum(1, keepdim=True)
        mean = (share * advantage).sum(1, keepdim=True)
        deviation = (share * (advantage - mean) ** 2).sum(1, keepdim=True).sqrt()
    return (advantage - mean) / (deviation + 1e-8)


def huber(error: Tensor) -> Tensor:
    """error^2 / 2 within +-1, |error| - 1/2 beyond (Mnih et al. 2015 clip the error so)."""
    clipped = error.clamp(-1.0, 1.0)
    return clipped * (error - 0.5 * clipped)


def td_target(reward: Tensor, discount: Tensor, terminated: Tensor, next_value: Tensor) -> Tensor:
    """r + discount (1 - terminated) V(s'), all [M, N]. A truncated transition bootstraps like any other."""
    return reward + discount * torch.where(terminated, 0.0, next_value)
