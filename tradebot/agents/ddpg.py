"""DDPG (Lillicrap et al. 2016): a deterministic policy climbs the values of one critic."""

from __future__ import annotations

import numpy as np
import torch

from tradebot.agents.configs import DDPGConfig, replay
from tradebot.core import Array, Batch, Extras, Population, State, Update
from tradebot.rl.action_values import ActionValues
from tradebot.rl.deterministic import DeterministicPolicy
from tradebot.rl.exploration import Exploration, UnitBox
from tradebot.rl.losses import td_target
from tradebot.rl.schedules import scheduled
from tradebot.rl.tensors import flattened, transitions


class DDPG:
    """M learners for bounded continuous actions."""

    def __init__(self, config: DDPGConfig, population: Population) -> None:
        seeds, device = population.seeds, population.device
        self._box = UnitBox(population.action_space, config.name)
        self.config = config
        self.feed = replay(config)
        self._steps, self._seen = population.steps, 0
        self._device = device
        sizes = (int(np.prod(population.observation_space.shape)), self._box.size, config.hidden)
        self._policy = DeterministicPolicy(*sizes, seeds, device)
        self._values = ActionValues(*sizes, 1, seeds, device)
        self._exploration = Exploration(config, seeds, self._box.size)

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
        following = self._values.bootstrap(t.next_obs, self._policy.slow_action(t.next_obs))
        target = td_target(t.reward, t.discount, t.terminated, following)
        learning_rate = scheduled(c.learning_rate, c.lr_schedule, self._seen, self._steps)
        learned = self._values.learn(t.obs, t.action, target, t.share, learning_rate)
        policy_loss = self._policy.climb(t.obs, self._values, t.share, learning_rate)
        self._values.networks.follow(c.tau)
        self._policy.networks.follow(c.tau)
        metrics = {"loss": learned.loss, "policy_loss": policy_loss, "q": learned.value}
        return Update(
            {name: value.cpu().numpy() for name, value in metrics.items()},
            learned.error.cpu().numpy() if c.per else None,
        )

    def state_dict(self) -> State:
        return {
            "policy": self._policy.networks.state_dict(),
            "values": self._values.networks.state_dict(),
            "exploration": self._exploration.state_dict(),
            "seen": self._seen,
        }

    def load_state_dict(self, state: State) -> None:
        self._policy.networks.load_state_dict(state["policy"])
        self._values.networks.load_state_dict(state["values"])
        self._exploration.load_state_dict(state["exploration"])
        self._seen = state["seen"]
