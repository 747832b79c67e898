"""A2C (Mnih et al. 2016, synchronous): one gradient step per short rollout, on all of its transitions."""

from __future__ import annotations

from tradebot.agents.configs import A2CConfig, rollout
from tradebot.core import Batch, Population
from tradebot.rl.actor_critic import ActorCritic
from tradebot.rl.losses import shares, weighted_mean
from tradebot.rl.on_policy import OnPolicyLearner, Outcome


def A2C(config: A2CConfig, population: Population) -> OnPolicyLearner[A2CConfig]:
    """M learners for all actions."""
    return OnPolicyLearner(config, rollout(config), population, a2c)


def a2c(nets: ActorCritic, batch: Batch, c: A2CConfig) -> Outcome:
    """A step of policy and value together."""
    now = nets.judge(nets.observed(batch.obs), nets.tensor(batch.action))
    advantage = nets.advantage(batch, now.value, c.gae_lambda)  # [M, N]
    weight = nets.weights(batch)
    share = shares(weight, advantage)
    # the value is to become advantage + value: its error is -advantage
    now.backward(-share * advantage, -c.entropy * share, -2.0 * c.value * share * advantage)
    nets.step()
    losses = {
        "policy_loss": weighted_mean(-now.log_prob * advantage, weight),
        "value_loss": weighted_mean(advantage * advantage, weight),
        "entropy": weighted_mean(now.entropy, weight),
    }
    return Outcome(losses, advantage)
