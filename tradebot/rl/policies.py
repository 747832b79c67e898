"""Policies as pure functions of a network's output: sample, mode, log-probability and entropy.

The noise is handed in, because it belongs to the member.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from tradebot.core import Discrete, Space
from tradebot.rl.noise import Law


class Categorical:
    """Actions 0 .. n-1 by their logits. It has no `log_std`; the argument is the Gaussian's."""

    noise_law: Law = "gumbel"
    log_std_size = 0

    def __init__(self, n: int) -> None:
        self.size = n

    def sample(self, output: Tensor, log_std: Tensor | None, noise: Tensor) -> Tensor:
        """argmax(logits + Gumbel noise) is a draw from the softmax. [M, N, n] -> [M, N]"""
        return (output + noise).argmax(-1)

    def mode(self, output: Tensor) -> Tensor:
        """The likeliest action. [M, N, n] -> [M, N]"""
        return output.argmax(-1)

    def log_prob_entropy(
        self, output: Tensor, log_std: Tensor | None, action: Tensor
    ) -> tuple[Tensor, Tensor]:
        """log pi(a | s) and the entropy of pi(. | s), in nats. [M, N, n] and action [M, N] -> [M, N] each"""
        log_probs = torch.log_softmax(
            output.mT.contiguous(), 1
        )  # [M, n, N]: slow over a last axis this short
        chosen = log_probs.gather(1, action[:, None]).squeeze(1)
        return chosen, -(log_probs.exp() * log_probs).sum(1)


class Gaussian:
    """Independent normals around the network's output; the log-deviation is a free vector, one per member."""

    noise_law: Law = "standard_normal"

    def __init__(self, size: int) -> None:
        self.size = self.log_std_size = size

    def sample(self, output: Tensor, log_std: Tensor | None, noise: Tensor) -> Tensor:
        """[M, N, A]; bounds are the environment's to apply."""
        assert log_std is not None
        return output + log_std.exp() * noise

    def mode(self, output: Tensor) -> Tensor:
        """The mean. [M, N, A]"""
        return output

    def log_prob_entropy(
        self, output: Tensor, log_std: Tensor | None, action: Tensor
    ) -> tuple[Tensor, Tensor]:
        """The same of the density, summed over A. [M, N, A], [M, 1, A] and action [M, N, A] -> [M, N] each"""
        assert log_std is not None
        z = (action - output) * torch.exp(-log_std)
        constant = 0.5 * math.log(2.0 * math.pi)
        log_prob = (-0.5 * z * z - log_std - constant).sum(-1)
        entropy = (log_std + 0.5 + constant).sum(-1).expand(log_prob.shape)
        return log_prob, entropy


def policy_for(space: Space) -> Categorical | Gaussian:
    """The policy that acts in this space."""
    return Categorical(space.n) if isinstance(space, Discrete) else Gaussian(space.shape[0])
