"""PPO (Schulman et al. 2017): epochs of minibatch steps on the clipped surrogate after each rollout."""

from __future__ import annotations

import torch
from torch import Tensor

from tradebot.agents.configs import PPOConfig, rollout
from tradebot.core import Batch, Population
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
from tradebot.rl.on_policy import OnPolicyLearner, Outcome

TOLERANCE = 1.5  # times target_kl: a single minibatch may lie by so much (as in OpenAI's baselines)


def PPO(config: PPOConfig, population: Population) -> OnPolicyLearner[PPOConfig]:
    """M learners for all actions."""
    return OnPolicyLearner(config, rollout(config), population, ppo)


def ppo(nets: ActorCritic, batch: Batch, c: PPOConfig) -> Outcome:
    """Its losses are those of the last minibatch that a member learned from."""
    obs, action = nets.observed(batch.obs), nets.tensor(batch.action)
    before = nets.judge(obs, action)
    advantage, weight = nets.advantage(batch, before.value, c.gae_lambda), nets.weights(batch)  # [M, N]
    columns = [obs, action, before.log_prob, before.value, advantage]
    columns += [] if weight is None else [weight]
    moving = torch.ones(len(advantage), dtype=torch.bool, device=advantage.device)
    losses: dict[str, Tensor] = {}
    for _ in range(c.epochs):
        order = nets.order()  # of a stopped member too
        for minibatch in minibatches(columns, order, c.batch) if moving.any() else ():
            losses, moving = _step(nets, c, losses, moving, *minibatch)
    return Outcome(losses, advantage)


def _step(
    nets: ActorCritic,
    c: PPOConfig,
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
    target = advantage + old_value
    now = nets.judge(obs, action)
    clip = nets.scheduled(c.clip, c.clip_schedule)
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
        losses = {name: torch.where(moving, value, told.get(name, value)) for name, value in losses.items()}
        goes_on = moving & (losses["kl"] <= TOLERANCE * c.target_kl)
    now.backward(slope * share, -c.entropy * share, of_value * share)
    nets.step(goes_on)
    return losses, moving if goes_on is None else goes_on
