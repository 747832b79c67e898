"""The two networks of on-policy agents, a policy to act by and a value to judge by, and what moves them."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

import numpy as np
import torch
from torch import Tensor

from tradebot.core import Array, Batch, Discrete, Population, State
from tradebot.rl.networks import ACTIVATIONS, Networks, in_lines
from tradebot.rl.noise import Noise
from tradebot.rl.normalise import Normaliser
from tradebot.rl.optim import Adam
from tradebot.rl.policies import policy_for
from tradebot.rl.returns import batch_advantage
from tradebot.rl.schedules import Schedule, scheduled

IDLE_PRIOR = 0.8  # probability of the idle action at the start


class Settings(Protocol):
    """What the networks need to know of an agent's config."""

    @property
    def envs(self) -> int: ...  # per member: how many actions are drawn at once
    @property
    def hidden(self) -> Sequence[int]: ...
    @property
    def activation(self) -> str: ...  # a key of ACTIVATIONS
    @property
    def n_steps(self) -> int: ...
    @property
    def gamma(self) -> float: ...
    @property
    def normalise_obs(self) -> bool: ...
    @property
    def normalise_reward(self) -> bool: ...
    @property
    def learning_rate(self) -> float: ...  # at the start
    @property
    def lr_schedule(self) -> Schedule: ...
    @property
    def max_grad_norm(self) -> float: ...


class Opinion(NamedTuple):
    """What the networks think of transitions."""

    log_prob: Tensor  # [M, N] of the action that was taken
    entropy: Tensor  # [M, N] of the policy, in nats
    value: Tensor  # [M, N] of the state
    # slopes (derivatives of a member's loss) of these three, [M, N] each: writes the networks' gradient
    backward: Callable[[Tensor, Tensor, Tensor], None]


class PolicyOpinion(NamedTuple):
    """What the policy alone thinks of transitions. Vectors [M, P] are zero at the value's parameters."""

    log_prob: Tensor  # [M, N] of the action that was taken
    output: Tensor  # [M, N, ...] of the network
    log_std: Tensor | None  # [M, 1, A] as it was then
    gradient: Callable[[Tensor], Tensor]  # slope of log_prob [M, N] -> slopes of the parameters [M, P]
    # direction [M, P], share of each sample [M, N] -> Fisher matrix of the policy times the direction [M, P]
    fisher: Callable[[Tensor, Tensor], Tensor]


class ActorCritic:
    """Separate perceptrons for policy and value; a Gaussian policy has a free log-deviation per action."""

    def __init__(self, settings: Settings, population: Population) -> None:
        observation_space, action_space, seeds, steps, device = population
        self._settings = settings
        self._steps, self._seen = steps, 0  # transitions of a member: planned, and acted so far
        self._policy = policy_for(action_space)
        self._device = device
        shape, hidden = observation_space.shape, settings.hidden
        n_obs = int(np.prod(shape))
        self.networks = Networks(
            {"policy": (n_obs, *hidden, self._policy.size), "value": (n_obs, *hidden, 1)},
            seeds,
            vectors={"log_std": self._policy.log_std_size} if self._policy.log_std_size else None,
            output_gain={"policy": 0.01},  # all actions alike at the start
            activation=ACTIVATIONS[settings.activation],
            device=device,
        )
        if isinstance(action_space, Discrete) and action_space.idle is not None:
            # Without this a policy that moves at random learns to stay wherever it happens to be, before it
            # has seen often enough that doing nothing was cheaper still.
            prior = math.log(IDLE_PRIOR / (1 - IDLE_PRIOR) * (action_space.n - 1))
            self.networks.parameters[f"policy.{len(hidden)}.bias"][..., action_space.idle] = prior
        self.adam = Adam(self.networks, max_grad_norm=settings.max_grad_norm)
        self._order = Noise(seeds, "minibatches", (settings.n_steps * settings.envs,))
        self._noise = Noise(seeds, "action", (settings.envs, self._policy.size), self._policy.noise_law)
        self._normaliser = Normaliser(
            len(seeds),
            settings.envs,
            shape,
            obs=settings.normalise_obs,
            reward=settings.normalise_reward,
            gamma=settings.gamma,
        )

    def act(self, obs: Array, *, explore: bool) -> Array:
        """obs [M, B, *O] -> a draw from the policy, or its mode: [M, B] or [M, B, A]."""
        output = self.networks.mlp("policy", self.observed(obs))
        if explore:
            self._seen += self._settings.envs
            action = self._policy.sample(output, self._log_std, self.tensor(self._noise.draw()))
        else:
            action = self._policy.mode(output)
        return action.cpu().numpy()

    def value(self, obs: Tensor) -> Tensor:
        """V(s): obs as `observed` -> [M, N]"""
        return self.networks.mlp("value", obs).squeeze(-1)

    def judge(self, obs: Tensor, action: Tensor) -> Opinion:
        """obs as `observed`, action [M, N] or [M, N, A]"""
        policy, value = self.networks.trace("policy", obs), self.networks.trace("value", obs)
        judgement = self._policy.judge(policy[-1], self._log_std, action)

        def backward(of_log_prob: Tensor, of_entropy: Tensor, of_value: Tensor) -> None:
            self._backward(policy, judgement.slopes(of_log_prob, of_entropy))
            self.networks.backward("value", value, of_value[..., None])

        return Opinion(judgement.log_prob, judgement.entropy, value[-1].squeeze(-1), backward)

    def judge_policy(self, obs: Tensor, action: Tensor) -> PolicyOpinion:
        """The same without the value. Its functions hold until the networks move and use their gradient."""
        nets, trace = self.networks, self.networks.trace("policy", obs)
        log_std = None if self._log_std is None else self._log_std.clone()
        judgement = self._policy.judge(trace[-1], log_std, action)

        def gradient(of_log_prob: Tensor) -> Tensor:
            nets.gradient.zero_()
            self._backward(trace, judgement.slopes(of_log_prob, torch.zeros_like(of_log_prob)))
            return nets.gradient.clone()

        def fisher(direction: Tensor, share: Tensor) -> Tensor:
            """J^T F_out J direction, F_out that of the distribution (Schulman et al. 2015, appendix C)."""
            of_log_std = nets.tangent_vector("log_std", direction) if log_std is not None else None
            of_output, of_log_std = judgement.fisher(nets.tangent("policy", trace, direction), of_log_std)
            if of_log_std is not None:  # each sample's is the same
                of_log_std = of_log_std * share.sum(1)[:, None, None]
            nets.gradient.zero_()
            self._backward(trace, (of_output * share[..., None], of_log_std))
            return nets.gradient.clone()

        return PolicyOpinion(judgement.log_prob, trace[-1], log_std, gradient, fisher)

    def divergence(self, old: PolicyOpinion, new: PolicyOpinion) -> Tensor:
        """KL(old || new) in nats, [M, N]"""
        return self._policy.divergence(old.output, old.log_std, new.output, new.log_std)

    def advantage(self, batch: Batch, value: Tensor | None, lambda_: float) -> Tensor:
        """The advantages [M, N] of a rollout of whose states the values [M, N] are given; None: all are 0."""
        if value is None:
            value = next_value = torch.zeros(batch.reward.shape)
        else:
            next_value = self.value(self.observed(batch.next_obs))
        paid = batch._replace(reward=self._normaliser.paid(batch.reward))
        steps, gamma = self._settings.n_steps, self._settings.gamma
        return self.tensor(
            batch_advantage(paid, value.cpu().numpy(), next_value.cpu().numpy(), steps, gamma, lambda_)
        )

    def scheduled(self, first: float, schedule: Schedule) -> float:
        """What a hyperparameter that starts at `first` is by now."""
        return scheduled(first, schedule, self._seen, self._steps)

    def step(self, mask: Tensor | None = None) -> None:
        """Adam's step of the members in mask [M] (default: all), which uses their gradient up."""
        self.adam.step(self.scheduled(self._settings.learning_rate, self._settings.lr_schedule), mask)

    def order(self) -> Tensor:
        """Another random order of a rollout's transitions, [M, N]."""
        return self.tensor(self._order.draw().argsort(axis=1))

    def learned(self, batch: Batch) -> None:
        """The rollout has been learned from: from now on it counts in the normalisation."""
        self._normaliser.learn(batch)

    def observed(self, obs: Array) -> Tensor:
        """[M, N, *O] -> [M, N, O], normalised, with an observation's axes joined and padded, as the networks
        want it."""
        return in_lines(self.tensor(self._normaliser.seen(obs).reshape(*obs.shape[:2], -1)))

    def tensor(self, array: Array) -> Tensor:
        """On the device, integers as they are, all else as float32."""
        tensor = torch.as_tensor(array)
        if tensor.is_floating_point():
            tensor = tensor.to(torch.float32)  # before it moves: not every device has double precision
        return tensor.to(self._device)

    def weights(self, batch: Batch) -> Tensor | None:
        """[M, N]; None means all 1."""
        return None if batch.weight is None else self.tensor(batch.weight)

    def state_dict(self) -> State:
        return {
            "networks": self.networks.state_dict(),
            "adam": self.adam.state_dict(),
            "order": self._order.count,
            "noise": self._noise.count,
            "seen": self._seen,
            "normaliser": self._normaliser.state_dict(),
        }

    def load_state_dict(self, state: State) -> None:
        self.networks.load_state_dict(state["networks"])
        self.adam.load_state_dict(state["adam"])
        self._order.count, self._noise.count = state["order"], state["noise"]
        self._seen = state["seen"]
        self._normaliser.load_state_dict(state.get("normaliser", {}))

    def _backward(self, trace: Sequence[Tensor], slopes: tuple[Tensor, Tensor | None]) -> None:
        """From the slopes of the policy's output and log-deviation to those of its parameters."""
        of_output, of_log_std = slopes
        self.networks.backward("policy", trace, of_output)
        if of_log_std is not None:
            self.networks.backward_vector("log_std", of_log_std)

    @property
    def _log_std(self) -> Tensor | None:
        return self.networks.parameters["log_std"] if self._policy.log_std_size else None
