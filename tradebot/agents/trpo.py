"""TRPO (Schulman et al. 2015, appendix C): the natural gradient, as far as the divergence allows.

The direction solves F x = g by conjugate gradient, F the Fisher matrix of the policy on the rollout. The
longest step is the one for which 1/2 step F step = `target_kl`; a line search goes back from there until the
surrogate is better and the divergence within its bound, and takes no step at all where it finds none.
"""

from __future__ import annotations

import torch
from torch import Tensor

from tradebot.agents.configs import TRPOConfig, windows
from tradebot.core import Array, Batch, Extras, Population, Rollout, State, Update
from tradebot.rl.actor_critic import ActorCritic
from tradebot.rl.losses import normalised, shares, weighted_mean
from tradebot.rl.minibatches import minibatches
from tradebot.rl.natural import conjugate_gradient, dot, line_search
from tradebot.rl.noise import Noise
from tradebot.rl.optim import Adam
from tradebot.rl.schedules import scheduled


class TRPO:
    """M learners; separate policy and value networks, the latter moved by Adam alone."""

    def __init__(self, config: TRPOConfig, population: Population) -> None:
        self.config = config
        self.feed = Rollout(config.n_steps, windows(config))
        self._steps, self._seen = population.steps, 0
        self._nets = ActorCritic(config, population)
        # The policy's gradient is zero when it steps, and its moments therefore too: the policy stays.
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
        value = nets.value(obs)  # [M, N]
        advantage, weight = nets.advantage(batch, value, c.gae_lambda), nets.weights(batch)
        metrics = self._move_policy(obs, action, advantage, weight)
        metrics["value_loss"] = self._fit_value(obs, advantage + value, weight)
        nets.learned(batch)
        return Update(
            {name: value.cpu().numpy() for name, value in metrics.items()},
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

    def _move_policy(
        self, obs: Tensor, action: Tensor, advantage: Tensor, weight: Tensor | None
    ) -> dict[str, Tensor]:
        """One step of the natural gradient on a rollout [M, N], advantages normalised first."""
        c, nets = self.config, self._nets
        old = nets.judge_policy(obs, action)
        share = shares(weight, advantage)
        advantage = normalised(advantage, weight)

        def product(direction: Tensor) -> Tensor:
            return old.fisher(direction, share) + c.cg_damping * direction

        gradient = old.gradient(share * advantage)  # of the surrogate: d ratio / d log_prob = 1 at the start
        direction = conjugate_gradient(product, gradient, c.cg_steps)
        step = direction * torch.sqrt(2.0 * c.target_kl / dot(direction, product(direction)))
        before = weighted_mean(advantage, weight)

        def gain_and_divergence() -> tuple[Tensor, Tensor]:
            now = nets.judge_policy(obs, action)
            ratio = torch.exp(now.log_prob - old.log_prob)
            gain = weighted_mean(ratio * advantage, weight) - before
            return gain, weighted_mean(nets.divergence(old, now), weight)

        def accept() -> Tensor:
            gain, divergence = gain_and_divergence()
            return (gain > 0.0) & (divergence < c.target_kl)

        moved = line_search(
            nets.networks.flat, step, accept, shrink=c.backtrack_factor, tries=c.backtrack_steps
        )
        gain, divergence = gain_and_divergence()
        return {"gain": gain, "kl": divergence, "moved": moved.to(torch.float32)}

    def _fit_value(self, obs: Tensor, target: Tensor, weight: Tensor | None) -> Tensor:
        """Adam's steps on the squared error, in epochs of minibatches. Returns the last one's loss [M]."""
        c, networks = self.config, self._nets.networks
        learning_rate = scheduled(c.learning_rate, c.lr_schedule, self._seen, self._steps)
        columns = [obs, target] if weight is None else [obs, target, weight]
        networks.gradient.zero_()
        loss = target.new_zeros(len(target))
        for _ in range(c.epochs):
            order = self._nets.tensor(self._order.draw().argsort(axis=1))  # [M, N]
            for seen, wanted, *weights in minibatches(columns, order, c.batch):
                some = weights[0] if weights else None
                trace = networks.trace("value", seen)
                error = trace[-1].squeeze(-1) - wanted
                networks.backward("value", trace, (2.0 * error * shares(some, error))[..., None])
                self._adam.step(learning_rate)
                loss = weighted_mean(error * error, some)
        return loss
