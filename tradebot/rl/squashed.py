"""The squashed Gaussian of soft actor-critics: a = tanh(u), u normal, its mean and deviation by the state.

Actions are drawn by reparameterisation, u = mean + sigma x noise (Haarnoja et al. 2018, appendix C): with the
action and its log-probability comes the function that takes slopes with respect to both to the output.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from tradebot.rl.noise import Law

LOG_STD = (-20.0, 2.0)  # bounds of the log-deviation


class Draw(NamedTuple):
    """Actions and what the policy says of them."""

    action: Tensor  # [M, N, A] within +-1
    log_prob: Tensor  # [M, N] of the density of the action
    # slopes of the action [M, N, A] and of log_prob [M, N], the noise held fixed -> of the output [M, N, 2A]
    slopes: Callable[[Tensor, Tensor], Tensor]


class SquashedGaussian:
    """The network's output is the mean and then the log-deviation of u, 2A numbers."""

    noise_law: Law = "standard_normal"

    def __init__(self, n_actions: int) -> None:
        self.n_actions = n_actions
        self.size = 2 * n_actions

    def sample(self, output: Tensor, noise: Tensor) -> Draw:
        """output [M, N, 2A], noise [M, N, A]"""
        mean, free = output.split(self.n_actions, dim=-1)
        log_std = free.clamp(*LOG_STD)
        shift = log_std.exp() * noise
        u = mean + shift
        action = torch.tanh(u)
        log_density = -0.5 * noise * noise - log_std - 0.5 * math.log(2.0 * math.pi)
        log_prob = (log_density - log_tanh_slope(u)).sum(-1)

        def slopes(of_action: Tensor, of_log_prob: Tensor) -> Tensor:
            """da / du = 1 - a^2, d log pi / du = 2a; u moves by 1 with the mean, sigma noise with log sigma.

            log sigma is in log pi by itself too, at -1. Beyond its bounds it moves nothing.
            """
            of_log_prob = of_log_prob[..., None]
            of_u = of_action * ((1.0 - action) * (1.0 + action)) + of_log_prob * (2.0 * action)
            of_log_std = torch.where(free == log_std, of_u * shift - of_log_prob, 0.0)
            return torch.cat([of_u, of_log_std], dim=-1)

        return Draw(action, log_prob, slopes)

    def mode(self, output: Tensor) -> Tensor:
        """tanh of the mean: [M, N, 2A] -> [M, N, A]"""
        return torch.tanh(output[..., : self.n_actions])


def log_tanh_slope(u: Tensor) -> Tensor:
    """log(1 - tanh(u)^2) = 2 (log 2 - |u| - log(1 + exp(-2 |u|))), exact however large u is."""
    size = u.abs()
    return 2.0 * (math.log(2.0) - size - torch.log1p(torch.exp(-2.0 * size)))
