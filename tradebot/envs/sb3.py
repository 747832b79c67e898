"""A batch of ours as a VecEnv of stable-baselines3: its agents learn in environments that step together.

>>> from stable_baselines3 import PPO
>>> PPO("MlpPolicy", TradingVecEnv(tradebot.load("AAPL"), num_envs=8, end="2009-12-31")).learn(100_000)
>>> PPO("MlpPolicy", BatchVecEnv(gymnasium.make_vec("tradebot/Navigation-v0", num_envs=8))).learn(100_000)

stable-baselines3 is no dependency of tradebot: install it to use this module.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tradebot.core import Array
from tradebot.envs import trading_gym
from tradebot.envs.as_gym import BatchEnv
from tradebot.prices.bars import Bars

try:
    from stable_baselines3.common.vec_env import VecEnv
    from stable_baselines3.common.vec_env.base_vec_env import VecEnvIndices
except ImportError:
    raise ImportError(
        "tradebot.envs.sb3 needs stable-baselines3: python -m pip install stable-baselines3"
    ) from None


def TradingVecEnv(bars: Bars, num_envs: int = 1, **settings: Any) -> BatchVecEnv:
    """A batch of accounts. settings: see `trading_gym.maker`. Raises InputError for wrong ones."""
    return BatchVecEnv(trading_gym.batch(bars, num_envs, **settings))


class BatchVecEnv(VecEnv):
    """Where an episode ends, the info has its `terminal_observation`, and `TimeLimit.truncated` says whether
    it was only cut off (the library then bootstraps) or its task is over."""

    def __init__(self, env: BatchEnv) -> None:
        self._env = env
        self._actions: Array | None = None
        self.render_mode = env.render_mode
        super().__init__(env.num_envs, env.single_observation_space, env.single_action_space)

    def reset(self) -> Array:
        """New episodes everywhere, under the seeds that `seed` was given since the last reset, if any."""
        seeds = [seed for seed in self._seeds if seed is not None]
        obs: Array
        obs, infos = self._env.reset(seed=seeds or None)
        self._reset_seeds()
        self._reset_options()
        self.reset_infos = self._listed(infos)
        return obs

    def step_async(self, actions: Array) -> None:
        self._actions = actions

    def step_wait(self) -> tuple[Array, Array, Array, list[dict[str, Any]]]:
        obs, reward, terminated, truncated, infos = self._env.step(self._actions)
        ended = terminated | truncated
        listed = self._listed(infos)
        if ended.any():
            left = self._listed(infos["final_info"])
            for e in np.flatnonzero(ended):
                self.reset_infos[e] = listed[e]
                listed[e] = {**left[e], "terminal_observation": infos["final_obs"][e]}
        for info, cut in zip(listed, truncated.tolist(), strict=True):
            info["TimeLimit.truncated"] = cut
        return obs, reward.astype(np.float32), ended, listed

    def close(self) -> None:
        self._env.close()

    def get_attr(self, attr_name: str, indices: VecEnvIndices = None) -> list[Any]:
        """What the batch has under this name, once for each environment."""
        return [getattr(self._env, attr_name) for _ in self._get_indices(indices)]

    def set_attr(self, attr_name: str, value: Any, indices: VecEnvIndices = None) -> None:
        """Refused: there are no single environments to set it on."""
        raise AttributeError(f"{attr_name}: the environments are one batch, which cannot be changed")

    def env_method(
        self, method_name: str, *method_args: Any, indices: VecEnvIndices = None, **method_kwargs: Any
    ) -> list[Any]:
        """Refused: there are no single environments to call it on."""
        raise AttributeError(f"{method_name}: the environments are one batch, which has no such method")

    def env_is_wrapped(self, wrapper_class: type[Any], indices: VecEnvIndices = None) -> list[bool]:
        """Never."""
        return [False for _ in self._get_indices(indices)]

    def _listed(self, infos: dict[str, Any]) -> list[dict[str, Any]]:
        """The infos of a batch, one dict for each environment."""
        names = [name for name in infos if not name.startswith(("_", "final_"))]
        columns = {name: infos[name].tolist() for name in names}
        return [{name: column[e] for name, column in columns.items()} for e in range(self.num_envs)]

    def get_images(self) -> list[Array | None]:
        """A picture of each environment, if the batch was made to be rendered."""
        return list(self._env.render() or [None] * self.num_envs)
