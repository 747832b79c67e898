"""TD3 (Fujimoto et al. 2018): DDPG with the smaller of two critics, a policy that moves more seldom, and
noise on the actions that the target is made of."""

from __future__ import annotations

import torch

from tradebot.agents.configs import TD3Config, replay
from tradebot.core import Array, Batch, Extras, Population, State, Update
from tradebot.rl.deterministic import DeterministicActorCritic
from tradebot.rl.exploration import smoothed
from tradebot.rl.losses import td_target
from tradebot.rl.noise import Noise
from tradebot.rl.tensors import floats, report


class TD3:
    """M learners for bounded continuous actions."""

    def __init__(self, config: TD3Config, population: Population) -> None:
        self.config = config
        self.feed = replay(config)
        self._nets = DeterministicActorCritic(config, population, critics=2)
        _, n_actions = self._nets.explorer.sizes
        self._smoothing = Noise(population.seeds, "smoothing", (config.batch, n_actions), "standard_normal")
        self._updates = 0

    @torch.inference_mode()
    def act(self, obs: Array, *, explore: bool) -> tuple[Array, Extras]:
        return self._nets.act(obs, explore=explore), {}

    @torch.inference_mode()
    def update(self, batch: Batch) -> Update:
        c, nets = self.config, self._nets
        t, learning_rate = nets.explorer.transitions(batch), nets.explorer.learning_rate
        noise = floats(self._smoothing.draw(), nets.device)
        next_action = smoothed(nets.policy.slow_action(t.next_obs), noise, c.target_noise, c.target_clip)
        following = nets.values.bootstrap(t.next_obs, next_action)
        target = td_target(t.reward, t.discount, t.terminated, following)
        learned = nets.values.learn(t.obs, t.action, target, t.share, learning_rate)
        self._updates += 1
        if self._updates % c.policy_delay == 0:
            nets.policy.climb(t.obs, nets.values, t.share, learning_rate)
            nets.follow()
        return report({"loss": learned.loss, "q": learned.value}, learned.error if c.per else None)

    def state_dict(self) -> State:
        return {
            "nets": self._nets.state_dict(),
            "smoothing": self._smoothing.count,
            "updates": self._updates,
        }

    def load_state_dict(self, state: State) -> None:
        self._nets.load_state_dict(state["nets"])
        self._smoothing.count, self._updates = state["smoothing"], state["updates"]
