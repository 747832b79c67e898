"""Our trading environment as Gymnasium's: alone, and as a batch that one kernel call steps.

>>> gymnasium.make("tradebot/Trading-v0", bars=tradebot.load("AAPL"), end="2009-12-31")
>>> gymnasium.make_vec("tradebot/Trading-v0", num_envs=256, bars=tradebot.load("AAPL"))

Seed S gives environment e of a batch the seed S + e, so it does what the single one does under that seed.
Rewards are those of our training: the log return of equity over a bar, scaled to be of order one. `info` has
`equity` [currency] and `position` (its value / equity, signed) at the close of the bar that is observed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import gymnasium
import numpy as np
from gymnasium.vector import AutoresetMode
from gymnasium.vector.utils import batch_space

from tradebot.config import build, distribute
from tradebot.core import Array, Discrete, InputError
from tradebot.market import features, kernel
from tradebot.market.configs import TradingConfig
from tradebot.market.costs import Costs
from tradebot.market.env import TradingEnv, reward_scale, span
from tradebot.market.rewards import REWARDS
from tradebot.prices.bars import Bars

Spaces = tuple[gymnasium.spaces.Box, gymnasium.spaces.Space[Any]]  # of one environment: observed, acted in
Maker = Callable[[Sequence[int]], TradingEnv]  # one environment for each of the seeds
INFOS = ("equity", "position")
SEEDS = 2**31  # seeds that are drawn are smaller than this


class GymTradingEnv(gymnasium.Env[Array, Any]):
    """One account. A new episode continues the randomness of the seed that `reset` was given last."""

    metadata = {"render_modes": []}  # noqa: RUF012 (Gymnasium's name, looked up on the class)

    def __init__(self, bars: Bars, **settings: Any) -> None:
        """settings: see `maker`. Raises InputError for wrong ones."""
        self._make = maker(bars, settings)
        self.observation_space, self.action_space = _spaces(self._make([0]))
        self._env: TradingEnv | None = None  # until a seed is known
        self._fresh: Array | None = None  # [*O] where the next episode starts, if it has been begun already

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Array, dict[str, Any]]:
        super().reset(seed=seed)
        if self._env is None or seed is not None:
            self._env = self._make([int(self.np_random.integers(SEEDS)) if seed is None else seed])
            self._fresh = None
        obs = self._env.reset()[0] if self._fresh is None else self._fresh
        self._fresh = None
        return obs, _info_of_one(self._env.accounts)

    def step(self, action: Any) -> tuple[Array, float, bool, bool, dict[str, Any]]:
        if self._env is None or self._fresh is not None:
            raise gymnasium.error.ResetNeeded("call reset() first: no episode is under way")
        step = self._env.step(_checked(np.asarray(action)[None], self._env))
        terminated, truncated = bool(step.terminated[0]), bool(step.truncated[0])
        if terminated or truncated:
            self._fresh = step.obs[0]
        info = _info_of_one(self._env.accounts_left)
        return step.next_obs[0], float(step.reward[0]), terminated, truncated, info


class GymTradingVectorEnv(gymnasium.vector.VectorEnv[Array, Any, Array]):
    """A batch of accounts. Where an episode ends, the next begins in the same step; `final_obs` and
    `final_info` keep the end of the old one."""

    metadata = {"render_modes": [], "autoreset_mode": AutoresetMode.SAME_STEP}  # noqa: RUF012

    def __init__(self, bars: Bars, num_envs: int = 1, **settings: Any) -> None:
        """settings: see `maker`. Raises InputError for wrong ones."""
        if num_envs < 1:
            raise InputError(f"num_envs: should be 1 or more (got {num_envs})")
        self.num_envs = num_envs
        self._make = maker(bars, settings)
        self.single_observation_space, self.single_action_space = _spaces(self._make([0]))
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)
        self._env: TradingEnv | None = None  # until the seeds are known

    def reset(
        self, *, seed: int | Sequence[int] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Array, dict[str, Any]]:
        """New episodes everywhere; `seed` is the first environment's (the others follow) or one for each."""
        if options and "reset_mask" in options:
            raise InputError(
                "a reset_mask cannot be used: each environment begins anew when its episode ends"
            )
        if seed is None or isinstance(seed, int | np.integer):
            super().reset(seed=seed)
        if self._env is None or seed is not None:
            self._env = self._make(self._seeds(seed))
        return self._env.reset(), self._info(self._env.accounts)

    def step(self, actions: Any) -> tuple[Array, Array, Array, Array, dict[str, Any]]:
        if self._env is None:
            raise gymnasium.error.ResetNeeded("call reset() first: no episode is under way")
        step = self._env.step(_checked(np.asarray(actions), self._env))
        infos = self._info(self._env.accounts)
        ended = step.terminated | step.truncated
        if ended.any():
            final = np.full(self.num_envs, None, dtype=object)
            for e in np.flatnonzero(ended):
                final[e] = step.next_obs[e]
            infos |= {"final_obs": final, "_final_obs": ended, "_final_info": ended.copy()}
            infos["final_info"] = self._info(self._env.accounts_left, ended)
        return step.obs, step.reward, step.terminated, step.truncated, infos

    def _seeds(self, seed: int | Sequence[int] | None) -> Sequence[int]:
        if seed is None:
            drawn: list[int] = self.np_random.integers(SEEDS, size=self.num_envs).tolist()
            return drawn
        if isinstance(seed, int | np.integer):
            return range(int(seed), int(seed) + self.num_envs)
        if len(seed) != self.num_envs:
            raise InputError(f"{len(seed)} seeds were given for {self.num_envs} environments")
        return seed

    def _info(self, accounts: Array, known: Array | None = None) -> dict[str, Any]:
        """Arrays [E] as Gymnasium wants them: zero and not in the mask `_name` where nothing is `known`."""
        if known is None:
            known = np.ones(self.num_envs, dtype=bool)
        values = _info(accounts)
        return {name: np.where(known, value, 0.0) for name, value in values.items()} | {
            f"_{name}": known.copy() for name in values
        }


def maker(bars: Bars, settings: dict[str, Any]) -> Maker:
    """From seeds to environments on these bars; what they share is computed once.

    settings: those of TradingConfig and Costs, but `window` may be None for the whole span; `reward_scale`
    (None: that of our training). Raises InputError for wrong ones.
    """
    given = dict(settings)
    if given.pop("render_mode", None) is not None:
        raise TypeError("trading has no pictures: leave render_mode out")
    scale, whole = given.pop("reward_scale", None), given.get("window", 0) is None
    if whole:
        del given["window"]
    for name in ("symbols", "data"):
        if name in given:
            raise InputError(f"{name}: the prices are those of `bars`")
    sections = distribute(given, {"market": TradingConfig, "costs": Costs})
    config, costs = build(TradingConfig, sections["market"]), build(Costs, sections["costs"])
    table = features.table(bars, config.features, config.lookback)
    first, last = span(bars, config.start, config.end, table.warmup)
    reward = REWARDS.get(config.reward)
    if reward is None:
        raise InputError(f"{config.reward}: own rewards are for tradebot train: wrap this one")
    if scale is None:
        scale = reward_scale(bars, first, last) if reward.is_return else 1.0
    window = None if whole else config.window

    def make(seeds: Sequence[int]) -> TradingEnv:
        return TradingEnv(
            bars,
            config,
            costs,
            first=first,
            last=last,
            seeds=seeds,
            window=window,
            reward=reward,
            reward_scale=scale,
            table=table,
        )

    return make


def _spaces(env: TradingEnv) -> Spaces:
    seen, acted = env.observation_space, env.action_space
    observed = gymnasium.spaces.Box(seen.low, seen.high, dtype=np.float32)
    if isinstance(acted, Discrete):
        return observed, gymnasium.spaces.Discrete(acted.n)
    return observed, gymnasium.spaces.Box(acted.low, acted.high, dtype=np.float32)


def _checked(actions: Array, env: TradingEnv) -> Array:
    """[E] or [E, A] as they are. Raises InputError where the kernel would read what is not there."""
    space = env.action_space
    wanted = (env.n_envs,) if isinstance(space, Discrete) else (env.n_envs, *space.shape)
    if actions.shape != wanted:
        raise InputError(f"actions should have the shape {wanted}, not {actions.shape}")
    if isinstance(space, Discrete) and (wrong := (actions < 0) | (actions >= space.n)).any():
        raise InputError(f"actions should be 0 .. {space.n - 1}, not {actions[wrong][0]}")
    return actions


def _info(accounts: Array) -> dict[str, Array]:
    """What accounts [E, N_COLUMNS] are worth, [E] each. Without equity there is no position either."""
    cash, equity = accounts[:, kernel.CASH], accounts[:, kernel.EQUITY]
    position = np.divide(equity - cash, equity, out=np.zeros(len(equity)), where=equity > 0)
    return dict(zip(INFOS, (equity, position), strict=True))


def _info_of_one(accounts: Array) -> dict[str, Any]:
    return {name: float(value[0]) for name, value in _info(accounts).items()}
