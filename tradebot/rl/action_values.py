"""Critics of continuous actions: Q(s, a) of several networks, and slow copies to bootstrap from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from tradebot.rl.followed import Followed
from tradebot.rl.networks import in_lines


class Learned(NamedTuple):
    """What a step of the critics was made of."""

    loss: Tensor  # [M] sum over critics and samples of share x squared error
    error: Tensor  # [M, N] mean of |error| over critics, for priorities
    value: Tensor  # [M] mean of the first critic


class Appraisal(NamedTuple):
    """What the critics think of actions."""

    value: Tensor  # [M, N] the smallest of their values
    slope: Callable[[Tensor], Tensor]  # slope of the value [M, N] -> slope of the action [M, N, A]


class ActionValues:
    """K critics per member; with two, the smaller value counts (Fujimoto et al. 2018, section 4)."""

    def __init__(
        self,
        n_obs: int,
        n_actions: int,
        hidden: Sequence[int],
        critics: int,  # K
        seeds: Sequence[int],  # [M]
        device: str,
    ) -> None:
        self._names = [f"q{k}" for k in range(critics)]
        self._n_obs = n_obs
        shapes = {name: (n_obs + n_actions, *hidden, 1) for name in self._names}
        self.networks = Followed(shapes, seeds, device)

    def bootstrap(self, obs: Tensor, action: Tensor) -> Tensor:
        """The smallest of the slow critics' values of obs [M, N, O] and action [M, N, A]: [M, N]"""
        joined = in_lines(torch.cat([obs, action], dim=-1))
        return torch.stack([self.networks.target.mlp(name, joined)[..., 0] for name in self._names]).amin(0)

    def appraise(self, obs: Tensor, action: Tensor, critics: int | None = None) -> Appraisal:
        """By the online ones, or the first few of them."""
        joined = in_lines(torch.cat([obs, action], dim=-1))
        traces = {name: self.networks.online.trace(name, joined) for name in self._names[:critics]}
        values = torch.stack([trace[-1][..., 0] for trace in traces.values()])  # [K, M, N]
        value, smallest = values.min(0)

        def slope(of_value: Tensor) -> Tensor:
            parts = [
                self.networks.online.slope_of_input(
                    name, trace, torch.where(smallest == k, of_value, 0.0)[..., None]
                )
                for k, (name, trace) in enumerate(traces.items())
            ]
            return torch.stack(parts).sum(0)[..., self._n_obs :]

        return Appraisal(value, slope)

    def learn(
        self, obs: Tensor, action: Tensor, target: Tensor, share: Tensor, learning_rate: float
    ) -> Learned:
        """One step of each critic against share x (Q(s, a) - target)^2, the last two [M, N]."""
        joined = in_lines(torch.cat([obs, action], dim=-1))
        values, errors = [], []
        for name in self._names:
            trace = self.networks.online.trace(name, joined)
            values.append(trace[-1][..., 0])
            errors.append(values[-1] - target)
            self.networks.online.backward(name, trace, (2.0 * share * errors[-1])[..., None])
        self.networks.adam.step(learning_rate)
        error = torch.stack(errors)  # [K, M, N]
        return Learned((share * error * error).sum(2).sum(0), error.abs().mean(0), values[0].mean(1))
