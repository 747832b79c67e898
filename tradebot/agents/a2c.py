"""A2C (Mnih et al. 2016, synchronous): one gradient step per short rollout, on all of its transitions."""

from __future__ import annotations

import torch

from tradebot.agents.configs import A2CConfig, windows
from tradebot.core import Array, Batch, Extras, Population, Rollout, State, Update
from tradebot.rl.actor_critic import ActorCritic
from tradebot.rl.losses import shares, weighted_mean
from tradebot.rl.optim import Adam
from tradebot.rl.schedules import scheduled


class A2C:
    """M learners; separate policy and value networks."""

    def __init__(self, config: A2CConfig, population: Population) -> None:
        self.config = config
        self.feed = Rollout(config.n_steps, windows(config))
        self._steps, self._seen = population.steps, 0
        self._nets = ActorCritic(config, population)
        self._adam = Adam(self._nets.networks, max_grad_norm=config.max_grad_norm)

    @torch.inference_mode()
    def act(self, obs: Array, *, explore: bool) -> tuple[Array, Extras]:
        if explore:
            self._seen += self.config.envs
        return self._nets.act(obs, explore=explore), {}

    @torch.inference_mode()
    def update(self, batch: Batch) -> Update:
        c, nets = self.config, self._nets
        now = nets.judge(nets.observed(batch.obs), nets.tensor(batch.action))
        advantage = nets.advantage(batch, now.value, c.gae_lambda)  # [M, N]
        weight = nets.weights(batch)
        share = shares(weight, advantage)
        # the value is to become advantage + value: its error is -advantage
        now.backward(-share * advantage, -c.entropy * share, -2.0 * c.value * share * advantage)
        self._adam.step(scheduled(c.learning_rate, c.lr_schedule, self._seen, self._steps))
        nets.learned(batch)
        losses = {
            "policy_loss": weighted_mean(-now.log_prob * advantage, weight),
            "value_loss": weighted_mean(advantage * advantage, weight),
            "entropy": weighted_mean(now.entropy, weight),
        }
        return Update(
            {name: value.cpu().numpy() for name, value in losses.items()},
            advantage.abs().cpu().numpy() if c.per else None,
        )

    def state_dict(self) -> State:
        return {"nets": self._nets.state_dict(), "adam": self._adam.state_dict(), "seen": self._seen}

    def load_state_dict(self, state: State) -> None:
        self._nets.load_state_dict(state["nets"])
        self._adam.load_state_dict(state["adam"])
        self._seen = state["seen"]
