"""The two networks of on-policy agents: a policy to act by and a value to judge by."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from tradebot.core import Array, Box, Discrete, Space, State
from tradebot.rl.networks import Networks, in_lines
from tradebot.rl.noise import Noise
from tradebot.rl.policies import policy_for

IDLE_PRIOR = 0.8  # probability of the idle action at the start


class Opinion(NamedTuple):
    """What the networks think of transitions."""

    log_prob: Tensor  # [M, N] of the action that was taken
    entropy: Tensor  # [M, N] of the policy, in nats
    value: Tensor  # [M, N] of the state
    # slopes (derivatives of a member's loss) of these three, [M, N] each: writes the networks' gradient
    backward: Callable[[Tensor, Tensor, Tensor], None]


class ActorCritic:
    """Separate perceptrons for policy and value; a Gaussian policy has a free log-deviation per action."""

    def __init__(
        self,
        observation_space: Box,
        action_space: Space,
        hidden: Sequence[int],
        seeds: Sequence[int],  # [M]
        envs: int,  # environments per member: how many actions are drawn at once
        device: str,
    ) -> None:
        self._policy = policy_for(action_space)
        self._device = device
        n_obs = int(np.prod(observation_space.shape))
        self.networks = Networks(
            {"policy": (n_obs, *hidden, self._policy.size), "value": (n_obs, *hidden, 1)},
            seeds,
            vectors={"log_std": self._policy.log_std_size} if self._policy.log_std_size else None,
            output_gain={"policy": 0.01},  # all actions alike at the start
            device=device,
        )
        if isinstance(action_space, Discrete) and action_space.idle is not None:
            # Without this a policy that moves at random learns to stay wherever it happens to be, before it
            # has seen often enough that doing nothing was cheaper still.
            prior = math.log(IDLE_PRIOR / (1 - IDLE_PRIOR) * (action_space.n - 1))
            self.networks.parameters[f"policy.{len(hidden)}.bias"][..., action_space.idle] = prior
        self._noise = Noise(seeds, "action", (envs, self._policy.size), self._policy.noise_law)

    def act(self, obs: Array, *, explore: bool) -> Array:
        """obs [M, B, *O] -> a draw from the policy, or its mode: [M, B] or [M, B, A]."""
        output = self.networks.mlp("policy", self.observed(obs))
        if explore:
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
            of_output, of_log_std = judgement.slopes(of_log_prob, of_entropy)
            self.networks.backward("policy", policy, of_output)
            self.networks.backward("value", value, of_value[..., None])
            if of_log_std is not None:
                self.networks.backward_vector("log_std", of_log_std)

        return Opinion(judgement.log_prob, judgement.entropy, value[-1].squeeze(-1), backward)

    def observed(self, obs: Array) -> Tensor:
        """[M, N, *O] -> [M, N, O] with an observation's axes joined and padded, as the networks want it."""
        return in_lines(self.tensor(obs.reshape(*obs.shape[:2], -1)))

    def tensor(self, array: Array) -> Tensor:
        """On the device, integers as they are, all else as float32."""
        tensor = torch.as_tensor(array)
        if tensor.is_floating_point():
            tensor = tensor.to(torch.float32)  # before it moves: not every device has double precision
        return tensor.to(self._device)

    def state_dict(self) -> State:
        return {"networks": self.networks.state_dict(), "noise": self._noise.count}

    def load_state_dict(self, state: State) -> None:
        self.networks.load_state_dict(state["networks"])
        self._noise.count = state["noise"]

    @property
    def _log_std(self) -> Tensor | None:
        return self.networks.parameters["log_std"] if self._policy.log_std_size else None
