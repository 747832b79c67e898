"""REINFORCE (Williams 1992, section 3): one gradient step per rollout, on its rewards-to-go.

An update takes `n_steps` of each environment and not whole episodes: members whose episodes are shorter would
have to wait for the others, and a member would learn something else in company than alone. So episodes are
cut, by the world (truncation) or by the end of the rollout:

- With a baseline the reward-to-go goes on with the value of the state where it was cut, in both cases.
- Without one, nothing is known of what follows. A truncated episode is one that was played to its end: what
  was earned counts. One that goes on after the rollout cannot be judged, and its part in it is left out, so
  that `n_steps` should be several episodes long. A member without an episode that ended does not move.
"""

from __future__ import annotations

import math

import torch

from tradebot.agents.configs import REINFORCEConfig, rollout
from tradebot.core import Batch, Population
from tradebot.rl.actor_critic import ActorCritic
from tradebot.rl.losses import shares, weighted_mean
from tradebot.rl.on_policy import OnPolicyLearner, Outcome
from tradebot.rl.returns import ended_later


def REINFORCE(config: REINFORCEConfig, population: Population) -> OnPolicyLearner[REINFORCEConfig]:
    """M learners for all actions."""
    return OnPolicyLearner(config, rollout(config), population, reinforce)


def reinforce(nets: ActorCritic, batch: Batch, c: REINFORCEConfig) -> Outcome:
    """A step of the policy and, where it is the baseline, of the value."""
    now = nets.judge(nets.observed(batch.obs), nets.tensor(batch.action))
    advantage = nets.advantage(batch, now.value if c.baseline else None, lambda_=1.0)  # [M, N]
    told, weight, moving = advantage, nets.weights(batch), None
    if not c.baseline:
        ended = nets.tensor(ended_later(batch, c.n_steps))
        told = torch.where(ended, advantage, math.nan)  # nobody knows yet what the others were worth
        known = ended.to(torch.float32)
        count = known.sum(1, keepdim=True)
        weight = (known if weight is None else known * weight) * (known.shape[1] / count.clamp(min=1.0))
        moving = count[:, 0] > 0
    share = shares(weight, advantage)
    # the value is to become the reward-to-go: its error is -advantage
    of_value = -2.0 * c.value * share * advantage if c.baseline else torch.zeros_like(share)
    now.backward(-share * advantage, -c.entropy * share, of_value)
    nets.step(moving)
    losses = {
        "policy_loss": weighted_mean(-now.log_prob * advantage, weight),
        "entropy": weighted_mean(now.entropy, weight),
    }
    if c.baseline:
        losses["value_loss"] = weighted_mean(advantage * advantage, weight)
    return Outcome(losses, told)
