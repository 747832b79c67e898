"""TD3 (Fujimoto et al. 2018): DDPG with the smaller of two critics, a policy that moves more seldom, and
noise on the actions that the target is made of."""

from __future__ import annotations

import numpy as np
import torch

from tradebot.agents.configs import TD3Config, replay
from tradebot.core import Array, Batch, Extras, Population, State, Update
from tradebot.rl.action_values import ActionValues
from tradebot.rl.deterministic import DeterministicPolicy
from tradebot.rl.exploration import Exploration, UnitBox, smoothed
from tradebot.rl.losses import td_target
from tradebot.rl.noise import Noise
from tradebot.rl.schedules import scheduled
from tradebot.rl.tensors import flattened, floats, transitions


class TD3:
    """M learners for bounded continuous actions."""

    def __init__(self, config: TD3Config, population: Population) -> None:
        seeds, device = population.seeds, population.device
        self._box = UnitBox(population.action_space, config.name)
        self.config = config
        self.feed = replay(config)
        self._steps, self._seen, self._updates = population.steps, 0, 0
        self._device = device
        n_obs, n_actions = int(np.prod(population.observation_space.shape)), self._box.size
        self._policy = DeterministicPolicy(n_obs, n_actions, config.hidden, seeds, device)
        self._values = ActionValues(n_obs, n_actions, config.hidden, 2, seeds, device)
        self._exploration = Exploration(config, seeds, n_actions)
        self._smoothing = Noise(seeds, "smoothing", (config.batch, n_actions), "standard_normal")

    @torch.inference_mode()
    def act(self, obs: Array, *, explore: bool) -> tuple[Array, Extras]:
        action = self._policy.action(flattened(obs, self._device)).cpu().numpy()
        if explore:
            action = self._exploration.of(action, self._seen)
            self._seen += obs.shape[1]
        return self._box.outside(action), {}

    @torch.inference_mode()
    def update(self, batch: Batch) -> Update:
        c = self.config
        t = transitions(batch, self._box.inside, self._device)
        noise = floats(self._smoothing.draw(), self._device)
        next_action = smoothed(self._policy.slow_action(t.next_obs), noise, c.target_noise, c.target_clip)
        following = self._values.bootstrap(t.next_obs, next_action)
        target = td_target(t.reward, t.discount, t.terminated, following)
        learning_rate = scheduled(c.learning_rate, c.lr_schedule, self._seen, self._steps)
        learned = self._values.learn(t.obs, t.action, target, t.share, learning_rate)
        self._updates += 1
        if self._updates % c.policy_delay == 0:
            self._policy.climb(t.obs, self._values, t.share, learning_rate)
            self._values.networks.follow(c.tau)
            self._policy.networks.follow(c.tau)
        metrics = {"loss": learned.loss, "q": learned.value}
        return Update(
            {name: value.cpu().numpy() for name, value in metrics.items()},
            learned.error.cpu().numpy() if c.per else None,
        )

    def state_dict(self) -> State:
        return {
            "policy": self._policy.networks.state_dict(),
            "values": self._values.networks.state_dict(),
            "exploration": self._exploration.state_dict(),
            "smoothing": self._smoothing.count,
            "seen": self._seen,
            "updates": self._updates,
        }

    def load_state_dict(self, state: State) -> None:
        self._policy.networks.load_state_dict(state["policy"])
        self._values.networks.load_state_dict(state["values"])
        self._exploration.load_state_dict(state["exploration"])
        self._smoothing.count = state["smoothing"]
        self._seen, self._updates = state["seen"], state["updates"]
