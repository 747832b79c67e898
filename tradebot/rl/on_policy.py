"""Agents with the same two networks, which differ in what they make of a rollout alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Generic, NamedTuple, TypeVar

import torch
from torch import Tensor

from tradebot.core import Array, Batch, Extras, Population, Rollout, State, Update
from tradebot.rl.actor_critic import ActorCritic, Settings
from tradebot.rl.tensors import report

Config = TypeVar("Config", bound=Settings)


class Outcome(NamedTuple):
    """What an update came to."""

    metrics: Mapping[str, Tensor]  # name -> [M]
    advantage: Tensor  # [M, N], by whose size price windows are prioritized; NaN: not known


class OnPolicyLearner(Generic[Config]):
    """M learners; separate policy and value networks. What `learn` does to them is the algorithm."""

    def __init__(
        self,
        config: Config,
        feed: Rollout,
        population: Population,
        learn: Callable[[ActorCritic, Batch, Config], Outcome],  # moves the networks
    ) -> None:
        self.feed = feed
        self._config = config
        self._learn = learn
        self._nets = ActorCritic(config, population)

    @torch.inference_mode()
    def act(self, obs: Array, *, explore: bool) -> tuple[Array, Extras]:
        return self._nets.act(obs, explore=explore), {}

    @torch.inference_mode()
    def update(self, batch: Batch) -> Update:
        metrics, advantage = self._learn(self._nets, batch, self._config)
        self._nets.learned(batch)
        return report(metrics, advantage.abs() if self.feed.curriculum else None)

    def state_dict(self) -> State:
        return self._nets.state_dict()

    def load_state_dict(self, state: State) -> None:
        self._nets.load_state_dict(state)
