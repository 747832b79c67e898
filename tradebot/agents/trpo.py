"""TRPO (Schulman et al. 2015, appendix C): the natural gradient, as far as the divergence allows.

The direction solves F x = g by conjugate gradient, F the Fisher matrix of the policy on the rollout. The
longest step is the one for which 1/2 step F step = `target_kl`; a line search goes back from there until the
surrogate is better and the divergence within its bound, and takes no step at all where it finds none.
"""

from __future__ import annotations

import torch
from torch import Tensor

from tradebot.agents.configs import TRPOConfig, rollout
from tradebot.core import Batch, Population
from tradebot.rl.actor_critic import ActorCritic
from tradebot.rl.losses import normalised, shares, weighted_mean
from tradebot.rl.minibatches import minibatches
from tradebot.rl.natural import conjugate_gradient, dot, line_search
from tradebot.rl.on_policy import OnPolicyLearner, Outcome


def TRPO(config: TRPOConfig, population: Population) -> OnPolicyLearner[TRPOConfig]:
    """M learners for all actions."""
    return OnPolicyLearner(config, rollout(config), population, trpo)


def trpo(nets: ActorCritic, batch: Batch, c: TRPOConfig) -> Outcome:
    """The policy moves by the natural gradient, the value by Adam alone."""
    obs, action = nets.observed(batch.obs), nets.tensor(batch.action)
    value = nets.value(obs)  # [M, N]
    advantage, weight = nets.advantage(batch, value, c.gae_lambda), nets.weights(batch)
    metrics = move_policy(nets, obs, action, advantage, weight, c)
    metrics["value_loss"] = fit_value(nets, obs, advantage + value, weight, c)
    return Outcome(metrics, advantage)


def move_policy(
    nets: ActorCritic, obs: Tensor, action: Tensor, advantage: Tensor, weight: Tensor | None, c: TRPOConfig
) -> dict[str, Tensor]:
    """One step of the natural gradient on a rollout [M, N], advantages normalised first."""
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

    moved = line_search(nets.networks.flat, step, accept, shrink=c.backtrack_factor, tries=c.backtrack_steps)
    gain, divergence = gain_and_divergence()
    return {"gain": gain, "kl": divergence, "moved": moved.to(torch.float32)}


def fit_value(nets: ActorCritic, obs: Tensor, target: Tensor, weight: Tensor | None, c: TRPOConfig) -> Tensor:
    """Adam's steps on the squared error, in epochs of minibatches. Returns the last one's loss [M]."""
    networks = nets.networks
    columns = [obs, target] if weight is None else [obs, target, weight]
    # The policy's gradient is zero in these steps, and its moments therefore too: the policy stays.
    networks.gradient.zero_()
    loss = target.new_zeros(len(target))
    for _ in range(c.epochs):
        for seen, wanted, *weights in minibatches(columns, nets.order(), c.batch):
            some = weights[0] if weights else None
            trace = networks.trace("value", seen)
            error = trace[-1].squeeze(-1) - wanted
            networks.backward("value", trace, (2.0 * error * shares(some, error))[..., None])
            nets.step()
            loss = weighted_mean(error * error, some)
    return loss
