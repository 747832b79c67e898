"""Policies as pure functions of a network's output: sample, mode, log-probability and entropy.

The noise is handed in, because it belongs to the member. With log-probability and entropy comes the function
that takes the slopes of a loss with respect to them back to the output and the log-deviation, and the product
with the Fisher matrix of the distribution, which is also the curvature of `divergence` where it is zero.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from tradebot.core import Discrete, Space
from tradebot.rl.noise import Law


class Judgement(NamedTuple):
    """What a policy says of actions that were taken."""

    log_prob: Tensor  # [M, N]
    entropy: Tensor  # [M, N] in nats
    # slopes of both -> slopes of the output [M, N, ...] and of log_std [M, 1, A], if there is one
    slopes: Callable[[Tensor, Tensor], tuple[Tensor, Tensor | None]]
    # change of the output [M, N, ...] and of log_std -> Fisher matrix times it, of each sample, alike
    fisher: Callable[[Tensor, Tensor | None], tuple[Tensor, Tensor | None]]


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

    def judge(self, output: Tensor, log_std: Tensor | None, action: Tensor) -> Judgement:
        """log pi(a | s) and the entropy of pi(. | s): [M, N, n] and action [M, N] -> [M, N] each."""
        log_probs = torch.log_softmax(output.mT.contiguous(), 1)  # [M, n, N]: slow over so short a last axis
        probs = log_probs.exp()
        entropy = -(probs * log_probs).sum(1)

        def slopes(of_log_prob: Tensor, of_entropy: Tensor) -> tuple[Tensor, None]:
            """d log pi(a) / d logits = [a] - pi, d entropy / d logits = -pi (log pi + entropy)."""
            slope = -probs * (of_log_prob[:, None] + of_entropy[:, None] * (log_probs + entropy[:, None]))
            return slope.scatter_add_(1, action[:, None], of_log_prob[:, None]).mT, None

        def fisher(change: Tensor, of_log_std: Tensor | None) -> tuple[Tensor, None]:
            """(diag(pi) - pi pi^T) change"""
            change = change.mT
            return (probs * (change - (probs * change).sum(1, keepdim=True))).mT, None

        return Judgement(log_probs.gather(1, action[:, None]).squeeze(1), entropy, slopes, fisher)

    def divergence(
        self, output: Tensor, log_std: Tensor | None, other: Tensor, other_log_std: Tensor | None
    ) -> Tensor:
        """KL(pi || other) in nats, from the outputs of both [M, N, n] -> [M, N]"""
        log_probs, others = (torch.log_softmax(logits.mT.contiguous(), 1) for logits in (output, other))
        return (log_probs.exp() * (log_probs - others)).sum(1)


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

    def judge(self, output: Tensor, log_std: Tensor | None, action: Tensor) -> Judgement:
        """The same of the density, summed over A. [M, N, A], [M, 1, A] and action [M, N, A] -> [M, N] each"""
        assert log_std is not None
        per_deviation = torch.exp(-log_std)
        z = (action - output) * per_deviation
        constant = 0.5 * math.log(2.0 * math.pi)
        log_prob = (-0.5 * z * z - log_std - constant).sum(-1)
        entropy = (log_std + 0.5 + constant).sum(-1).expand(log_prob.shape)

        def slopes(of_log_prob: Tensor, of_entropy: Tensor) -> tuple[Tensor, Tensor]:
            """d log pi / d mean = z / sigma; by log sigma: d log pi = z^2 - 1, d entropy = 1."""
            of_mean = of_log_prob[..., None] * z
            of_log_std = of_mean * z - of_log_prob[..., None] + of_entropy[..., None]
            return of_mean * per_deviation, of_log_std.sum(1, keepdim=True)

        def fisher(change: Tensor, of_log_std: Tensor | None) -> tuple[Tensor, Tensor]:
            """change / sigma^2 of the mean, twice the change of log sigma"""
            assert of_log_std is not None
            return change * (per_deviation * per_deviation), 2.0 * of_log_std

        return Judgement(log_prob, entropy, slopes, fisher)

    def divergence(
        self, output: Tensor, log_std: Tensor | None, other: Tensor, other_log_std: Tensor | None
    ) -> Tensor:
        """The same: log tau / sigma + (sigma^2 + distance^2) / (2 tau^2) - 1/2, tau that of the other."""
        assert log_std is not None and other_log_std is not None
        narrower, apart = torch.exp(log_std - other_log_std), (output - other) * torch.exp(-other_log_std)
        each = other_log_std - log_std + 0.5 * (narrower * narrower + apart * apart - 1.0)
        return each.sum(-1)


def policy_for(space: Space) -> Categorical | Gaussian:
    """The policy that acts in this space."""
    return Categorical(space.n) if isinstance(space, Discrete) else Gaussian(space.shape[0])
