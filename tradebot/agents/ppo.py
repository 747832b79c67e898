"""PPO (Schulman et al. 2017): epochs of minibatch steps on the clipped surrogate after each rollout."""

from __future__ import annotations

import torch
from torch import Tensor

from tradebot.agents.configs import PPOConfig, windows
from tradebot.core import Array, Batch, Extras, Population, Rollout, State, Update
from tradebot.rl.actor_critic import ActorCritic
from tradebot.rl.losses import (
    approximate_divergence,
    clipped_surrogate,
    clipped_value_loss,
    normalised,
    shares,
    weighted_mean,
)
from tradebot.rl.minibatches import minibatches
from tradebot.rl.noise import Noise
from tradebot.rl.optim import Adam
from tradebot.rl.schedules import scheduled

TOLERANCE = 1.5  # times target_kl: a single minibatch may lie by so much (as in OpenAI's baselines)


class PPO:
    """M learners; separate policy and value networks."""

    def __init__(self, config: PPOConfig, population: Population) -> None:
        self.config = config
        self.feed = Rollout(config.n_steps, windows(config))
        self._steps, self._seen = population.steps, 0
        self._nets = ActorCritic(config, population)
        self._adam = Adam(self._nets.networks, max_grad_norm=config.max_grad_norm)
        self._order = Noise(population.seeds, "minibatches", (config.n_steps * config.envs,))

    @torch.inference_mode()
    def act(self, obs: Array, *, explore: bool) -> tuple[Array, Extras]:
        if explore:
            self._seen += self.config.envs
        return self._nets.act(obs, explore=explore), {}

    @torch.inference_mode()
    def update(self, batch: Batch) -> Update:
        c, nets = self.config, self._nets
        obs, action = nets.observed(batch.obs), nets.tensor(batch.action)
        before = nets.judge(obs, action)
        advantage, weight = nets.advantage(batch, before.value, c.gae_lambda), nets.weights(batch)  # [M, N]
        columns = [obs, action, before.log_prob, before.value, advantage]
        columns += [] if weight is None else [weight]
        moving = torch.ones(len(advantage), dtype=torch.bool, device=advantage.device)
        losses: dict[str, Tensor] = {}
        for _ in range(c.epochs):
            order = nets.tensor(self._order.draw().argsort(axis=1))  # [M, N]; of a stopped member too
            for minibatch in minibatches(columns, order, c.batch) if moving.any() else ():
                losses, moving = self._step(losses, moving, *minibatch)
        nets.learned(batch)
        return Update(
            {name: value.cpu().numpy() for name, value in losses.items()},
            advantage.abs().cpu().numpy() if c.per else None,
        )

    def state_dict(self) -> State:
        return {
            "nets": self._nets.state_dict(),
            "adam": self._adam.state_dict(),
            "order": self._order.count,
            "seen": self._seen,
        }

    def load_state_dict(self, state: State) -> None:
        self._nets.load_state_dict(state["nets"])
        self._adam.load_state_dict(state["adam"])
        self._order.count = state["order"]
        self._seen = state["seen"]

    def _step(
        self,
        told: dict[str, Tensor],  # losses [M] of the step before
        moving: Tensor,  # [M] bool
        obs: Tensor,
        action: Tensor,
        old_log_prob: Tensor,
        old_value: Tensor,
        advantage: Tensor,
        weight: Tensor | None = None,
    ) -> tuple[dict[str, Tensor], Tensor]:
        """One step on a minibatch [M, batch], advantages normalised first.

        Returns its losses [M] and who goes on: whose policy has not moved further than `target_kl` allows.
        """
        c, target = self.config, advantage + old_value
        now = self._nets.judge(obs, action)
        clip = scheduled(c.clip, c.clip_schedule, self._seen, self._steps)
        loss, slope = clipped_surrogate(now.log_prob, old_log_prob, normalised(advantage, weight), clip)
        if c.value_clip is None:
            error = now.value - target
            value_loss, of_value = error * error, 2.0 * c.value * error
        else:
            value_loss, of_value = clipped_value_loss(now.value, old_value, target, c.value_clip)
            of_value = c.value * of_value
        share = shares(weight, advantage)
        losses = {
            "policy_loss": weighted_mean(loss, weight),
            "value_loss": weighted_mean(value_loss, weight),
            "entropy": weighted_mean(now.entropy, weight),
        }
        goes_on = None
        if c.target_kl is not None:
            losses["kl"] = weighted_mean(approximate_divergence(now.log_prob, old_log_prob), weight)
            losses = {
                name: torch.where(moving, value, told.get(name, value)) for name, value in losses.items()
            }
            goes_on = moving & (losses["kl"] <= TOLERANCE * c.target_kl)
        now.backward(slope * share, -c.entropy * share, of_value * share)
        self._adam.step(scheduled(c.learning_rate, c.lr_schedule, self._seen, self._steps), goes_on)
        return losses, moving if goes_on is None else goes_on
