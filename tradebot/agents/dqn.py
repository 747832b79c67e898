"""DQN (Mnih et al. 2015); as options Double Q (van Hasselt et al. 2016), dueling heads (Wang et al. 2016),
n-step returns and prioritized replay (Schaul et al. 2016)."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from tradebot.agents.configs import DQNConfig, replay
from tradebot.core import Array, Batch, Discrete, Extras, InputError, Population, State, Update
from tradebot.rl.losses import huber, shares, td_target, weighted_mean
from tradebot.rl.networks import RELU, Networks
from tradebot.rl.noise import Noise
from tradebot.rl.optim import Adam
from tradebot.rl.schedules import scheduled
from tradebot.rl.tensors import flattened, floats, report


class DQN:
    """M learners for discrete actions."""

    def __init__(self, config: DQNConfig, population: Population) -> None:
        seeds, device = population.seeds, population.device
        if not isinstance(population.action_space, Discrete):
            raise InputError("dqn needs discrete actions: take another agent (ppo, a2c, sac)")
        self.config = config
        self.feed = replay(config)
        self._steps, self._seen, self._updates = population.steps, 0, 0
        self._device = device
        self._n_actions = population.action_space.n
        n_obs = int(np.prod(population.observation_space.shape))
        shape = {"q": (n_obs, *config.hidden, population.action_space.n + config.dueling)}
        self._online = Networks(shape, seeds, initial="fan-in", activation=RELU, device=device)
        self._target = Networks(shape, seeds, initial="fan-in", activation=RELU, device=device)
        self._adam = Adam(self._online, max_grad_norm=config.max_grad_norm)
        self._noise = Noise(seeds, "epsilon", (config.envs, 2))

    @torch.inference_mode()
    def act(self, obs: Array, *, explore: bool) -> tuple[Array, Extras]:
        greedy = (
            self._q(self._online.mlp("q", flattened(obs, self._device))).argmax(-1).cpu().numpy()
        )  # [M, B]
        if not explore:
            return greedy, {}
        fraction = min(1.0, self._seen / (self.config.epsilon_fraction * self._steps))
        epsilon = 1.0 + fraction * (self.config.epsilon_end - 1.0)
        self._seen += obs.shape[1]
        chance, choice = np.moveaxis(self._noise.draw(), -1, 0)  # [M, B] each
        return np.where(chance < epsilon, (choice * self._n_actions).astype(np.int64), greedy), {}

    @torch.inference_mode()
    def update(self, batch: Batch) -> Update:
        c = self.config
        next_obs = flattened(batch.next_obs, self._device)
        next_q = self._q(self._target.mlp("q", next_obs))  # [M, N, n]
        if c.double:
            chosen = self._q(self._online.mlp("q", next_obs)).argmax(-1, keepdim=True)
            next_value = next_q.gather(2, chosen)[..., 0]
        else:
            next_value = next_q.amax(-1)
        target = td_target(
            floats(batch.reward, self._device),
            floats(batch.extras["discount"], self._device),
            torch.as_tensor(batch.terminated, device=self._device),
            next_value,
        )
        trace = self._online.trace("q", flattened(batch.obs, self._device))
        q = self._q(trace[-1])
        action = torch.as_tensor(batch.action, device=self._device)[..., None]
        error = q.gather(2, action)[..., 0] - target  # [M, N]
        loss, slope = huber(error)
        weight = None if batch.weight is None else floats(batch.weight, self._device)
        of_q = torch.zeros_like(q).scatter_(2, action, (slope * shares(weight, error))[..., None])
        self._online.backward("q", trace, self._slope(of_q))
        self._adam.step(scheduled(c.learning_rate, c.lr_schedule, self._seen, self._steps))
        self._updates += 1
        if self._updates % c.target_every == 0:
            self._target.flat.lerp_(self._online.flat, c.tau)
        metrics = {"loss": weighted_mean(loss, weight), "q": q.mean((1, 2))}
        return report(metrics, error if c.per else None)

    def state_dict(self) -> State:
        return {
            "online": self._online.state_dict(),
            "target": self._target.state_dict(),
            "adam": self._adam.state_dict(),
            "noise": self._noise.count,
            "seen": self._seen,
            "updates": self._updates,
        }

    def load_state_dict(self, state: State) -> None:
        self._online.load_state_dict(state["online"])
        self._target.load_state_dict(state["target"])
        self._adam.load_state_dict(state["adam"])
        self._noise.count = state["noise"]
        self._seen = state["seen"]
        self._updates = state["updates"]

    def _q(self, output: Tensor) -> Tensor:
        """What the network gave -> [M, N, n]; dueling: Q = V + A - mean A (Wang et al. 2016, eq. 9)."""
        if not self.config.dueling:
            return output
        value, advantage = output[..., :1], output[..., 1:]
        return value + advantage - advantage.mean(-1, keepdim=True)

    def _slope(self, of_q: Tensor) -> Tensor:
        """The slope of a loss with respect to Q -> with respect to what the network gave."""
        if not self.config.dueling:
            return of_q
        return torch.cat([of_q.sum(-1, keepdim=True), of_q - of_q.mean(-1, keepdim=True)], dim=-1)
