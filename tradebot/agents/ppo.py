"""PPO (Schulman et al. 2017): epochs of minibatch steps on the clipped surrogate after each rollout."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from tradebot.agents.configs import PPOConfig, windows
from tradebot.core import Array, Batch, Box, Extras, Rollout, Space, State, Update
from tradebot.rl.actor_critic import ActorCritic
from tradebot.rl.losses import clipped_surrogate, normalised, weighted_mean
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

    def act(self, obs: Array, *, explore: bool) -> tuple[Array, Extras]:
        if explore:
            self._seen += self.config.envs
        return self._nets.act(obs, explore=explore), {}

    def update(self, batch: Batch) -> Update:
        c, nets = self.config, self._nets
        obs, action = nets.tensor(batch.obs, flat=True), nets.tensor(batch.action)
        with torch.no_grad():
            value = nets.value(obs)  # [M, N]
            next_value = nets.value(nets.tensor(batch.next_obs, flat=True))
            old_log_prob, _ = nets.log_prob_entropy(obs, action)
        advantage = nets.tensor(
            batch_advantage(
                batch, value.cpu().numpy(), next_value.cpu().numpy(), c.n_steps, c.gamma, c.gae_lambda
            )
        )
        columns = [obs, action, old_log_prob, advantage, advantage + value]
        columns += [] if batch.weight is None else [nets.tensor(batch.weight)]
        learning_rate = c.learning_rate * max(0.0, 1 - self._seen / self._steps)
        losses: dict[str, Tensor] = {}
        for _ in range(c.epochs):
            order = nets.tensor(self._order.draw().argsort(axis=1))
            for index in order.split(c.batch, dim=1):  # [M, batch]
                losses = self._losses(*(_pick(column, index) for column in columns))
                loss = losses["policy_loss"] + c.value * losses["value_loss"] - c.entropy * losses["entropy"]
                self._adam.step(loss, learning_rate)
        return Update(
            {name: value.detach().cpu().numpy() for name, value in losses.items()},
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

    def _losses(
        self,
        obs: Tensor,
        action: Tensor,
        old_log_prob: Tensor,
        advantage: Tensor,
        target: Tensor,
        weight: Tensor | None = None,
    ) -> dict[str, Tensor]:
        """Means over a minibatch [M, batch], one per member; its advantages are normalised first."""
        advantage = normalised(advantage, weight)
        log_prob, entropy = self._nets.log_prob_entropy(obs, action)
        error = self._nets.value(obs) - target
        return {
            "policy_loss": weighted_mean(
                clipped_surrogate(log_prob, old_log_prob, advantage, self.config.clip), weight
            ),
            "value_loss": weighted_mean(error * error, weight),
            "entropy": weighted_mean(entropy, weight),
        }


def _pick(column: Tensor, index: Tensor) -> Tensor:
    """column [M, N, ...] at index [M, K] -> [M, K, ...]"""
    return column[torch.arange(len(index), device=index.device)[:, None], index]
