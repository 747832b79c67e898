"""Losses as pure functions of tensors, per sample; agents average them over a member's batch.

What is learned from comes with its slope: the derivative with respect to the first argument.
"""

from __future__ import annotations

import torch
from torch import Tensor


def clipped_surrogate(
    log_prob: Tensor, old_log_prob: Tensor, advantage: Tensor, clip: float
) -> tuple[Tensor, Tensor]:
    """-min(rho A, clip(rho, 1 +- clip) A), rho = pi / pi_old (Schulman et al. 2017, eq. 7). All [M, N].

    Its slope is -rho A where that is the smaller one, and 0 where the clipped one is.
    """
    ratio = torch.exp(log_prob - old_log_prob)
    free, clipped = -ratio * advantage, -ratio.clamp(1.0 - clip, 1.0 + clip) * advantage
    return torch.maximum(free, clipped), torch.where(free < clipped, 0.0, free)


def clipped_value_loss(value: Tensor, old: Tensor, target: Tensor, clip: float) -> tuple[Tensor, Tensor]:
    """(old + clip(value - old, +-clip) - target)^2, all [M, N]: no gain from moving a value any further.

    Its slope is 0 beyond the bounds.
    """
    change = value - old
    error = old + change.clamp(-clip, clip) - target
    return error * error, torch.where(change.abs() > clip, 0.0, 2.0 * error)


def approximate_divergence(log_prob: Tensor, old_log_prob: Tensor) -> Tensor:
    """An estimate of KL(old || new) from actions of the old policy: rho - 1 - log rho >= 0, all [M, N].

    J. Schulman, "Approximating KL Divergence" (2020), k3.
    """
    log_ratio = log_prob - old_log_prob
    return torch.exp(log_ratio) - 1.0 - log_ratio


def weighted_mean(loss: Tensor, weight: Tensor | None) -> Tensor:
    """Mean over a member's samples of weight x loss: [M, N] and [M, N] or None, which means all 1 -> [M]."""
    return (loss if weight is None else loss * weight).mean(1)


def shares(weight: Tensor | None, like: Tensor) -> Tensor:
    """The slope of `weighted_mean` with respect to each loss: weight / N. [M, N]"""
    n = like.shape[1]
    return torch.full_like(like, 1.0 / n) if weight is None else weight / n


def normalised(advantage: Tensor, weight: Tensor | None) -> Tensor:
    """(A - mean) / deviation over a member's samples, counted by their weights. [M, N] -> [M, N]"""
    if weight is None:
        deviation, mean = torch.std_mean(advantage, dim=1, correction=0, keepdim=True)
    else:
        share = weight / weight.sum(1, keepdim=True)
        mean = (share * advantage).sum(1, keepdim=True)
        deviation = (share * (advantage - mean) ** 2).sum(1, keepdim=True).sqrt()
    return (advantage - mean) / (deviation + 1e-8)


def huber(error: Tensor) -> tuple[Tensor, Tensor]:
    """error^2 / 2 within +-1, |error| - 1/2 beyond; its slope is the clipped error (Mnih et al. 2015)."""
    clipped = error.clamp(-1.0, 1.0)
    return clipped * (error - 0.5 * clipped), clipped


def td_target(reward: Tensor, discount: Tensor, terminated: Tensor, next_value: Tensor) -> Tensor:
    """r + discount (1 - terminated) V(s'), all [M, N]. A truncated transition bootstraps like any other."""
    return reward + discount * torch.where(terminated, 0.0, next_value)
