"""The two networks of on-policy agents: a policy to act by and a value to judge by."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from tradebot.core import Array, Box, Discrete, Space, State
from tradebot.rl.networks import Networks
from tradebot.rl.noise import Noise
from tradebot.rl.policies import policy_for

IDLE_PRIOR = 0.8  # probability of the idle action at the start


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
        with torch.inference_mode():
            output = self.networks.mlp("policy", self.tensor(obs, flat=True))
            if explore:
                action = self._policy.sample(output, self._log_std, self.tensor(self._noise.draw()))
            else:
                action = self._policy.mode(output)
            return action.cpu().numpy()

    def value(self, obs: Tensor) -> Tensor:
        """V(s): [M, N, O] -> [M, N]"""
        return self.networks.mlp("value", obs).squeeze(-1)

    def log_prob_entropy(self, obs: Tensor, action: Tensor) -> tuple[Tensor, Tensor]:
        """log pi(a | s) and the entropy of pi(. | s), both [M, N]."""
        return self._policy.log_prob_entropy(self.networks.mlp("policy", obs), self._log_std, action)

    def tensor(self, array: Array, *, flat: bool = False) -> Tensor:
        """On the device, integers as they are, all else as float32; `flat` joins an observation's axes."""
        tensor = torch.as_tensor(array)
        if tensor.is_floating_point():
            tensor = tensor.to(torch.float32)  # before it moves: not every device has double precision
        tensor = tensor.to(self._device)
        return tensor.reshape(*tensor.shape[:2], -1) if flat else tensor

    def state_dict(self) -> State:
        return {"networks": self.networks.state_dict(), "noise": self._noise.count}

    def load_state_dict(self, state: State) -> None:
        self.networks.load_state_dict(state["networks"])
        self._noise.count = state["noise"]

    @property
    def _log_std(self) -> Tensor | None:
        return self.networks.vector("log_std") if self._policy.log_std_size else None
