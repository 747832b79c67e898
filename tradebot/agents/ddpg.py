"""DDPG (Lillicrap et al. 2016): a deterministic policy climbs the values of one critic."""

from __future__ import annotations

import numpy as np
import torch

from tradebot.agents.configs import DDPGConfig, replay
from tradebot.core import Array, Batch, Extras, Population, State, Update
from tradebot.rl.action_values import ActionValues
from tradebot.rl.deterministic import DeterministicPolicy
from tradebot.rl.exploration import ActionNoise, FirstActions, UnitBox
from tradebot.rl.losses import shares, td_target
from tradebot.rl.schedules import scheduled
from tradebot.rl.tensors import flattened, floats, weights


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
        self._first = FirstActions(seeds, config.envs, self._box.size, config.learning_starts)
        self._noise = ActionNoise(
            seeds, config.envs, self._box.size, config.noise, config.noise_std, config.noise_theta
        )

    @torch.inference_mode()
    def act(self, obs: Array, *, explore: bool) -> tuple[Array, Extras]:
        action = self._policy.action(flattened(obs, self._device)).cpu().numpy()
        if explore:
            action = self._first.instead_of(self._noise.added_to(action), self._seen)
            self._seen += obs.shape[1]
        return self._box.outside(action), {}

    @torch.inference_mode()
    def update(self, batch: Batch) -> Update:
        c = self.config
        obs, next_obs = flattened(batch.obs, self._device), flattened(batch.next_obs, self._device)
        target = td_target(
            floats(batch.reward, self._device),
            floats(batch.extras["discount"], self._device),
            torch.as_tensor(batch.terminated, device=self._device),
            self._values.bootstrap(next_obs, self._policy.slow_action(next_obs)),
        )
        share = shares(weights(batch, self._device), target)
        learning_rate = scheduled(c.learning_rate, c.lr_schedule, self._seen, self._steps)
        action = self._box.inside(batch.action, self._device)
        learned = self._values.learn(obs, action, target, share, learning_rate)
        policy_loss = self._policy.climb(obs, self._values, share, learning_rate)
        self._values.follow(c.tau)
        self._policy.follow(c.tau)
        metrics = {"loss": learned.loss, "policy_loss": policy_loss, "q": learned.value}
        return Update(
            {name: value.cpu().numpy() for name, value in metrics.items()},
            learned.error.cpu().numpy() if c.per else None,
        )

    def state_dict(self) -> State:
        return {
            "policy": self._policy.state_dict(),
            "values": self._values.state_dict(),
            "first": self._first.state_dict(),
            "noise": self._noise.state_dict(),
            "seen": self._seen,
        }

    def load_state_dict(self, state: State) -> None:
        self._policy.load_state_dict(state["policy"])
        self._values.load_state_dict(state["values"])
        self._first.load_state_dict(state["first"])
        self._noise.load_state_dict(state["noise"])
        self._seen = state["seen"]
