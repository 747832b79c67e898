"""DDPG (Lillicrap et al. 2016): a deterministic policy climbs the values of one critic."""

from __future__ import annotations

import torch

from tradebot.agents.configs import DDPGConfig, replay
from tradebot.core import Array, Batch, Extras, Population, State, Update
from tradebot.rl.deterministic import DeterministicActorCritic
from tradebot.rl.losses import td_target
from tradebot.rl.tensors import report


class DDPG:
    """M learners for bounded continuous actions."""

    def __init__(self, config: DDPGConfig, population: Population) -> None:
        self.config = config
        self.feed = replay(config)
        self._nets = DeterministicActorCritic(config, population, critics=1)

    @torch.inference_mode()
    def act(self, obs: Array, *, explore: bool) -> tuple[Array, Extras]:
        return self._nets.act(obs, explore=explore), {}

    @torch.inference_mode()
    def update(self, batch: Batch) -> Update:
        nets = self._nets
        t, learning_rate = nets.explorer.transitions(batch), nets.explorer.learning_rate
        following = nets.values.bootstrap(t.next_obs, nets.policy.slow_action(t.next_obs))
        target = td_target(t.reward, t.discount, t.terminated, following)
        learned = nets.values.learn(t.obs, t.action, target, t.share, learning_rate)
        policy_loss = nets.policy.climb(t.obs, nets.values, t.share, learning_rate)
        nets.follow()
        metrics = {"loss": learned.loss, "policy_loss": policy_loss, "q": learned.value}
        return report(metrics, learned.error if self.config.per else None)

    def state_dict(self) -> State:
        return self._nets.state_dict()

    def load_state_dict(self, state: State) -> None:
        self._nets.load_state_dict(state)
