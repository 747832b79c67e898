"""PPO (Schulman et al. 2017): epochs of minibatch steps on the clipped surrogate after each rollout."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from tradebot.agents.configs import PPOConfig, windows
from tradebot.core import Array, Batch, Box, Extras, Rollout, Space, State, Update
from tradebot.rl.actor_critic import ActorCritic
from tradebot.rl.losses import clipped_surrogate, normalised, shares, weighted_mean
from tradebot.rl.noise import Noise
from tradebot.rl.optim import Adam
from tradebot.rl.returns import batch_advantage


class PPO:
    """M learners; separate policy and value networks."""

    def __init__(
        self,
        config: PPOConfig,
        observation_space: Box,
        action_space: Space,
        seeds: Sequence[int],  # [M]
        steps: int,  # transitions of a member in the whole training
        device: str = "cpu",
    ) -> None:
        self.config = config
        self.feed = Rollout(config.n_steps, windows(config))
        self._steps, self._seen = steps, 0
        self._nets = ActorCritic(observation_space, action_space, config.hidden, seeds, config.envs, device)
        self._adam = Adam(self._nets.networks, max_grad_norm=config.max_grad_norm)
        self._order = Noise(seeds, "minibatches", (config.n_steps * config.envs,))

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
        value, next_value = before.value, nets.value(nets.observed(batch.next_obs))  # [M, N]
        advantage = nets.tensor(
            batch_advantage(
                batch, value.cpu().numpy(), next_value.cpu().numpy(), c.n_steps, c.gamma, c.gae_lambda
            )
        )
        columns = [obs, action, before.log_prob, advantage, advantage + value]
        columns += [] if batch.weight is None else [nets.tensor(batch.weight)]
        learning_rate = c.learning_rate * max(0.0, 1 - self._seen / self._steps)
        losses: dict[str, Tensor] = {}
        for _ in range(c.epochs):
            order = nets.tensor(self._order.draw().argsort(axis=1))  # [M, N]
            shuffled = [_pick(column, order).split(c.batch, dim=1) for column in columns]
            for minibatch in zip(*shuffled, strict=True):
                losses = self._step(learning_rate, *minibatch)
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
        learning_rate: float,
        obs: Tensor,
        action: Tensor,
        old_log_prob: Tensor,
        advantage: Tensor,
        target: Tensor,
        weight: Tensor | None = None,
    ) -> dict[str, Tensor]:
        """One step on a minibatch [M, batch], advantages normalised first. Returns its losses [M]."""
        c = self.config
        now = self._nets.judge(obs, action)
        loss, slope = clipped_surrogate(now.log_prob, old_log_prob, normalised(advantage, weight), c.clip)
        error, share = now.value - target, shares(weight, advantage)
        now.backward(slope * share, -c.entropy * share, 2.0 * c.value * error * share)
        self._adam.step(learning_rate)
        return {
            "policy_loss": weighted_mean(loss, weight),
            "value_loss": weighted_mean(error * error, weight),
            "entropy": weighted_mean(now.entropy, weight),
        }


def _pick(column: Tensor, index: Tensor) -> Tensor:
    """column [M, N, ...] at index [M, K] -> [M, K, ...]"""
    member = torch.arange(len(index), device=index.device)[:, None]
    picked = column.flatten(0, 1).index_select(0, (member * column.shape[1] + index).flatten())
    return picked.view(*index.shape, *column.shape[2:])
