"""The deterministic policy a = tanh(network(s)), a slow copy of it, and its Adam."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from tradebot.core import State
from tradebot.rl.action_values import EPS, ActionValues
from tradebot.rl.networks import RELU, Networks
from tradebot.rl.optim import Adam


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
        self.online, self.target = (
            Networks(shape, seeds, initial="fan-in", activation=RELU, device=device) for _ in range(2)
        )
        self._adam = Adam(self.online, eps=EPS)

    def action(self, obs: Tensor) -> Tensor:
        """[M, N, O] -> [M, N, A]"""
        return torch.tanh(self.online.mlp("policy", obs))

    def slow_action(self, obs: Tensor) -> Tensor:
        """That of the slow copy."""
        return torch.tanh(self.target.mlp("policy", obs))

    def climb(self, obs: Tensor, values: ActionValues, share: Tensor, learning_rate: float) -> Tensor:
        """One step up the first critic, share [M, N] of each state (Silver et al. 2014, eq. 9).

        d Q(s, a(s)) / d theta = d a / d theta x dQ / da. Returns the loss -sum share x Q, [M].
        """
        trace = self.online.trace("policy", obs)
        action = torch.tanh(trace[-1])
        value, slope = values.appraise(obs, action, critics=1)
        self.online.backward("policy", trace, slope(-share) * ((1.0 - action) * (1.0 + action)))
        self._adam.step(learning_rate)
        return -(share * value).sum(1)

    def follow(self, tau: float) -> None:
        """The slow copy moves to the online one, by tau of the way."""
        self.target.flat.lerp_(self.online.flat, tau)

    def state_dict(self) -> State:
        return {
            "online": self.online.state_dict(),
            "target": self.target.state_dict(),
            "adam": self._adam.state_dict(),
        }

    def load_state_dict(self, state: State) -> None:
        self.online.load_state_dict(state["online"])
        self.target.load_state_dict(state["target"])
        self._adam.load_state_dict(state["adam"])
