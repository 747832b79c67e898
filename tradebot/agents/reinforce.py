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

import numpy as np
import torch

from tradebot.agents.configs import REINFORCEConfig, windows
from tradebot.core import Array, Batch, Extras, Population, Rollout, State, Update
from tradebot.rl.actor_critic import ActorCritic
from tradebot.rl.losses import shares, weighted_mean
from tradebot.rl.optim import Adam
from tradebot.rl.returns import ended_later
from tradebot.rl.schedules import scheduled


class REINFORCE:
    """M learners; separate policy and value networks."""

    def __init__(self, config: REINFORCEConfig, population: Population) -> None:
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
        advantage = nets.advantage(batch, now.value if c.baseline else None, lambda_=1.0)  # [M, N]
        priority = advantage.abs().cpu().numpy()
        weight, moving = nets.weights(batch), None
        if not c.baseline:
            ended = ended_later(batch, c.n_steps)
            priority[~ended] = np.nan  # nobody knows yet what these were worth
            known = nets.tensor(ended.astype(np.float32))
            count = known.sum(1, keepdim=True)
            weight = (known if weight is None else known * weight) * (known.shape[1] / count.clamp(min=1.0))
            moving = count[:, 0] > 0
        share = shares(weight, advantage)
        # the value is to become the reward-to-go: its error is -advantage
        of_value = -2.0 * c.value * share * advantage if c.baseline else torch.zeros_like(share)
        now.backward(-share * advantage, -c.entropy * share, of_value)
        self._adam.step(scheduled(c.learning_rate, c.lr_schedule, self._seen, self._steps), moving)
        nets.learned(batch)
        losses = {
            "policy_loss": weighted_mean(-now.log_prob * advantage, weight),
            "entropy": weighted_mean(now.entropy, weight),
        }
        if c.baseline:
            losses["value_loss"] = weighted_mean(advantage * advantage, weight)
        return Update(
            {name: value.cpu().numpy() for name, value in losses.items()},
            priority if c.per else None,
        )

    def state_dict(self) -> State:
        return {"nets": self._nets.state_dict(), "adam": self._adam.state_dict(), "seen": self._seen}

    def load_state_dict(self, state: State) -> None:
        self._nets.load_state_dict(state["nets"])
        self._adam.load_state_dict(state["adam"])
        self._seen = state["seen"]
