"""The deterministic policy a = tanh(network(s)), and a slow copy of it."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from tradebot.rl.action_values import ActionValues
from tradebot.rl.followed import Followed


class DeterministicPolicy:
    """Actions lie within +-1."""

    def __init__(
        self,
        n_obs: int,
        n_actions: int,
        hidden: Sequence[int],
        seeds: Sequence[int],  # [M]
        device: str,
    ) -> None:
        shape = {"policy": (n_obs, *hidden, n_actions)}
        self.networks = Followed(shape, seeds, device)

    def action(self, obs: Tensor) -> Tensor:
        """[M, N, O] -> [M, N, A]"""
        return torch.tanh(self.networks.online.mlp("policy", obs))

    def slow_action(self, obs: Tensor) -> Tensor:
        """That of the slow copy."""
        return torch.tanh(self.networks.target.mlp("policy", obs))

    def climb(self, obs: Tensor, values: ActionValues, share: Tensor, learning_rate: float) -> Tensor:
        """One step up the first critic, share [M, N] of each state (Silver et al. 2014, eq. 9).

        d Q(s, a(s)) / d theta = d a / d theta x dQ / da. Returns the loss -sum share x Q, [M].
        """
        trace = self.networks.online.trace("policy", obs)
        action = torch.tanh(trace[-1])
        value, slope = values.appraise(obs, action, critics=1)
        self.networks.online.backward("policy", trace, slope(-share) * ((1.0 - action) * (1.0 + action)))
        self.networks.adam.step(learning_rate)
        return -(share * value).sum(1)
