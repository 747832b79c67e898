"""SAC (Haarnoja et al. 2018, "Soft Actor-Critic Algorithms and Applications"): a squashed Gaussian policy
climbs the smaller of two critics and its own entropy, whose weight is learned."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from tradebot.agents.configs import SACConfig, replay
from tradebot.core import Array, Batch, Extras, Population, State, Update
from tradebot.rl.action_values import ActionValues
from tradebot.rl.exploration import Explorer
from tradebot.rl.followed import EPS
from tradebot.rl.losses import td_target
from tradebot.rl.networks import RELU, Networks
from tradebot.rl.noise import Noise
from tradebot.rl.optim import Adam
from tradebot.rl.squashed import SquashedGaussian
from tradebot.rl.tensors import flattened, floats, report


class SAC:
    """M learners for bounded continuous actions."""

    def __init__(self, config: SACConfig, population: Population) -> None:
        seeds, device = population.seeds, population.device
        self.config = config
        self.feed = replay(config)
        self._device = device
        self._explorer = Explorer(config, population)
        n_obs, n_actions = self._explorer.sizes
        self._law = SquashedGaussian(n_actions)
        shape = {"policy": (n_obs, *config.hidden, self._law.size)}
        self._policy = Networks(shape, seeds, initial="fan-in", activation=RELU, device=device)
        self._adam = Adam(self._policy, eps=EPS)
        self._values = ActionValues(n_obs, n_actions, config.hidden, 2, seeds, device)
        self._temperature = Networks({}, seeds, vectors={"log": 1}, device=device)
        self._temperature.parameters["log"][:] = math.log(config.temperature)
        self._temperature_adam = Adam(self._temperature, eps=EPS)
        self._entropy = n_actions * config.target_entropy
        self._acted = Noise(seeds, "policy", (config.envs, n_actions), self._law.noise_law)
        self._drawn = Noise(seeds, "reparameterisation", (2, config.batch, n_actions), self._law.noise_law)

    @torch.inference_mode()
    def act(self, obs: Array, *, explore: bool) -> tuple[Array, Extras]:
        output = self._policy.mlp("policy", flattened(obs, self._device))
        if explore:
            action = self._law.sample(output, floats(self._acted.draw(), self._device)).action
        else:
            action = self._law.mode(output)
        return self._explorer.act(action, explore=explore), {}

    @torch.inference_mode()
    def update(self, batch: Batch) -> Update:
        c = self.config
        t, learning_rate = self._explorer.transitions(batch), self._explorer.learning_rate
        noise, next_noise = floats(self._drawn.draw(), self._device).unbind(1)  # [M, N, A] each
        alpha = self._temperature.parameters["log"][..., 0].exp()  # [M, 1]
        next_action, next_log_prob, _ = self._law.sample(self._policy.mlp("policy", t.next_obs), next_noise)
        following = self._values.bootstrap(t.next_obs, next_action) - alpha * next_log_prob
        target = td_target(t.reward, t.discount, t.terminated, following)
        learned = self._values.learn(t.obs, t.action, target, 0.5 * t.share, learning_rate)
        policy_loss, log_prob = self._climb(t.obs, noise, alpha, t.share, learning_rate)
        if c.learn_temperature:
            self._heat(log_prob, t.share, learning_rate)
        self._values.networks.follow(c.tau)
        metrics = {
            "loss": learned.loss,
            "policy_loss": policy_loss,
            "q": learned.value,
            "entropy": -log_prob.mean(1),
            "temperature": alpha[:, 0],
        }
        return report(metrics, learned.error if c.per else None)

    def _climb(
        self, obs: Tensor, noise: Tensor, alpha: Tensor, share: Tensor, learning_rate: float
    ) -> tuple[Tensor, Tensor]:
        """One step of the policy against the share-weighted mean of alpha log pi(a) - min Q(s, a) (eq. 7).

        Returns this loss [M] and log pi(a) [M, N].
        """
        trace = self._policy.trace("policy", obs)
        drawn = self._law.sample(trace[-1], noise)
        value, slope = self._values.appraise(obs, drawn.action)
        self._policy.backward("policy", trace, drawn.slopes(slope(-share), alpha * share))
        self._adam.step(learning_rate)
        return (share * (alpha * drawn.log_prob - value)).sum(1), drawn.log_prob

    def _heat(self, log_prob: Tensor, share: Tensor, learning_rate: float) -> None:
        """One step against -log alpha x the share-weighted mean of log pi + target entropy.

        That is the loss of eq. 18 with log alpha in place of alpha, which keeps alpha positive.
        """
        slope = -(share * (log_prob + self._entropy)).sum(1)
        self._temperature.backward_vector("log", slope[:, None, None])
        self._temperature_adam.step(learning_rate)

    def state_dict(self) -> State:
        return {
            "policy": self._policy.state_dict(),
            "adam": self._adam.state_dict(),
            "values": self._values.networks.state_dict(),
            "temperature": self._temperature.state_dict(),
            "temperature_adam": self._temperature_adam.state_dict(),
            "explorer": self._explorer.state_dict(),
            "acted": self._acted.count,
            "drawn": self._drawn.count,
        }

    def load_state_dict(self, state: State) -> None:
        self._policy.load_state_dict(state["policy"])
        self._adam.load_state_dict(state["adam"])
        self._values.networks.load_state_dict(state["values"])
        self._temperature.load_state_dict(state["temperature"])
        self._temperature_adam.load_state_dict(state["temperature_adam"])
        self._explorer.load_state_dict(state["explorer"])
        self._acted.count, self._drawn.count = state["acted"], state["drawn"]
