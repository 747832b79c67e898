"""The deterministic policy a = tanh(network(s)), and the critics that it climbs; slow copies of both."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor

from tradebot.core import Array, Population, State
from tradebot.rl import exploration
from tradebot.rl.action_values import ActionValues
from tradebot.rl.exploration import Explorer
from tradebot.rl.followed import Followed
from tradebot.rl.tensors import flattened


class Settings(exploration.Settings, Protocol):
    """What the networks need to know of an agent's config."""

    @property
    def hidden(self) -> Sequence[int]: ...
    @property
    def tau(self) -> float: ...  # how far the slow copies move each time


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


class DeterministicActorCritic:
    """A policy, its critics, and what stands between them and the world."""

    def __init__(self, settings: Settings, population: Population, critics: int) -> None:
        """Raises InputError for an action space that is not a bounded Box."""
        self._tau = settings.tau
        self.device = population.device
        self.explorer = Explorer(settings, population)
        shape = (*self.explorer.sizes, settings.hidden)
        self.policy = DeterministicPolicy(*shape, population.seeds, population.device)
        self.values = ActionValues(*shape, critics, population.seeds, population.device)

    def act(self, obs: Array, *, explore: bool) -> Array:
        """[M, B, *O] -> [M, B, A] within the bounds"""
        return self.explorer.act(self.policy.action(flattened(obs, self.device)), explore=explore)

    def follow(self) -> None:
        """The slow copies move to the networks."""
        self.values.networks.follow(self._tau)
        self.policy.networks.follow(self._tau)

    def state_dict(self) -> State:
        return {
            "policy": self.policy.networks.state_dict(),
            "values": self.values.networks.state_dict(),
            "explorer": self.explorer.state_dict(),
        }

    def load_state_dict(self, state: State) -> None:
        self.policy.networks.load_state_dict(state["policy"])
        self.values.networks.load_state_dict(state["values"])
        self.explorer.load_state_dict(state["explorer"])
