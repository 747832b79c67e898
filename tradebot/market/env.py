"""The batched trading environment: E accounts on one symbol, stepped together by the kernel.

An episode is a window of bars; its end is a truncation, ruin is a termination. The reward of a decision is
the log return of equity over the bar in which it is filled, times `reward_scale`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tradebot.core import Array, Box, Discrete, InputError, Levels, Space, State, Step
from tradebot.market import features, kernel
from tradebot.market.configs import TradingConfig
from tradebot.market.costs import Costs
from tradebot.prices.bars import Bars

RUIN = 0.01  # equity / initial cash that is ruin; the reward there is ln(RUIN x initial cash / equity before)
NOISE = 1e-12  # a deviation of log returns up to this is rounding
TARGETS = {  # weights of the discrete schemes; NaN: the last request again
    "long-flat": (0.0, 1.0),
    "long-short": (-1.0, 0.0, 1.0),
    "orders": (np.nan, 1.0, 0.0),
}


def span(bars: Bars, start: str | None, end: str | None, warmup: int) -> tuple[int, int]:
    """First and last bar of a span, both included, without the warm-up of the features.

    Raises InputError if no two bars are left.
    """
    chosen = bars.between(start, end)
    first, last = np.searchsorted(bars.timestamps, chosen.timestamps[[0, -1]])
    first = max(int(first), warmup)
    if last - first < 1:
        raise InputError(
            f"{', '.join(bars.symbols)}: fewer than 2 bars from {start or 'the start'} to {end or 'the end'}"
            f" once the features have warmed up ({warmup} bars): take a longer span or a shorter --lookback"
        )
    return first, int(last)


def reward_scale(bars: Bars, first: int, last: int) -> float:
    """1 / standard deviation of the log returns of bars first..last, so that rewards are of order one."""
    deviation = float(np.std(np.diff(np.log(bars.close[first : last + 1, 0]))))
    return 1.0 / deviation if deviation > NOISE else 1.0


class TradingEnv:
    """E = members x environments-per-member accounts, member-major.

    Training draws window starts at random; with `window=None` every episode is the whole span (evaluation).
    """

    def __init__(
        self,
        bars: Bars,  # the full history of one symbol
        config: TradingConfig,
        costs: Costs,
        *,
        first: int,  # first bar that may be observed (not before the warm-up)
        last: int,  # last bar that may be traded
        seeds: Sequence[int] = (0,),  # one per member
        envs: int = 1,  # environments per member
        window: int | None = None,  # decisions in an episode; None for the whole span
        reward_scale: float = 1.0,
        table: features.FeatureTable | None = None,  # of these bars, if it has been computed already
    ) -> None:
        if len(bars.symbols) != 1:
            raise InputError(f"one symbol can be traded at a time, not {', '.join(bars.symbols)}")
        self.table = table or features.table(bars, config.features, config.lookback)
        if first < self.table.warmup or not first < last < len(bars):
            raise ValueError(
                f"bars {first}..{last} are not a span within {self.table.warmup}..{len(bars) - 1}"
            )
        self.bars = bars
        self.reward_scale = reward_scale
        self._open = np.ascontiguousarray(bars.open[:, 0])
        self._close = np.ascontiguousarray(bars.close[:, 0])
        self._targets = np.array(TARGETS[config.actions]) if config.actions in TARGETS else None
        self._has_hold = self._targets is not None and bool(np.isnan(self._targets).any())
        self._buy, self._sell = costs.buy, costs.sell
        self._cash = config.cash
        self._first = first
        self._window = min(window or last - first, last - first)
        self._n_starts = last - first - self._window + 1
        self._seeds = np.repeat(np.asarray(seeds, dtype=np.int64), envs)
        self._environments = np.tile(np.arange(envs, dtype=np.int64), len(seeds))
        self._episodes = np.zeros(self.n_envs, dtype=np.int64)
        self._bar = np.zeros(self.n_envs, dtype=np.int64)
        self._last = np.zeros(self.n_envs, dtype=np.int64)
        self._accounts = self._left = np.zeros((self.n_envs, kernel.N_COLUMNS))
        self._level = np.full(self.n_envs, -1, dtype=np.int64)  # where the next episode of each starts

    @property
    def n_envs(self) -> int:
        return len(self._seeds)

    @property
    def n_bars(self) -> int:
        """Bars in an episode: the one first observed and one per decision."""
        return self._window + 1

    @property
    def observation_space(self) -> Box:
        bound = np.full(len(self.table.names), kernel.BOUND, dtype=np.float32)
        return Box(-bound, bound)

    @property
    def action_space(self) -> Space:
        if self._targets is not None:
            idle = np.isnan(self._targets) if self._has_hold else self._targets == 0.0
            return Discrete(len(self._targets), idle=int(idle.argmax()))
        return Box(np.array([-1.0], np.float32), np.array([1.0], np.float32))

    @property
    def levels(self) -> Levels | None:
        """Windows in a fixed grid: level l holds the starts from bar `first` + l windows on."""
        starts = np.arange(0, self._n_starts, self._window)
        if len(starts) < 2:
            return None
        sizes = np.diff(starts, append=self._n_starts)
        returns = np.diff(np.log(self._close[self._first : self._first + self._n_starts + self._window]))
        ends = starts + sizes - 1 + self._window
        scale = np.array([np.std(returns[a:b]) for a, b in zip(starts, ends, strict=True)])
        mean = float(scale.mean())
        return Levels(sizes / self._n_starts, np.maximum(scale / mean, 0.01) if mean > NOISE else scale + 1.0)

    def assign(self, level: Array) -> None:
        self._level[:] = level

    @property
    def equity(self) -> Array:
        """[E] currency, at the close of the bar just observed."""
        return self._accounts[:, kernel.EQUITY].copy()

    @property
    def accounts(self) -> Array:
        """[E, kernel.N_COLUMNS] as `Step.obs` shows them: fresh where an episode has just ended."""
        return self._accounts.copy()

    @property
    def accounts_left(self) -> Array:
        """[E, kernel.N_COLUMNS] as `Step.next_obs` shows them: the last of an episode that has ended."""
        return self._left.copy()

    def requests(self, action: Array, accounts: Array) -> Array:
        """Actions [E] or [E, 1] of accounts [E, kernel.N_COLUMNS] -> target weights [E]."""
        if self._targets is not None:
            wanted = np.asarray(self._targets[action])
            if self._has_hold:
                wanted = np.where(np.isnan(wanted), accounts[:, kernel.REQUEST], wanted)
            return wanted
        weights = np.clip(action[:, 0].astype(np.float64), -1.0, 1.0)
        if np.isnan(weights).any():  # it would turn the whole account into NaN, silently
            raise FloatingPointError("an action is not a number: the policy has diverged")
        return weights

    def reset(self) -> Array:
        obs = np.empty((self.n_envs, len(self.table.names)), dtype=np.float32)
        self._left = self._accounts
        self._begin(np.ones(self.n_envs, dtype=bool), obs)
        return obs

    def step(self, action: Array) -> Step:
        n = self.n_envs
        next_obs = np.empty((n, len(self.table.names)), dtype=np.float32)
        reward = np.empty(n)
        terminated = np.empty(n, dtype=bool)
        truncated = np.empty(n, dtype=bool)
        level = np.empty(n, dtype=np.int64)
        ended = kernel.step_accounts(
            self._open,
            self._close,
            self.table.market,
            self.table.account,
            self._accounts,
            self._bar,
            self._last,
            self._first,
            self._window,
            self.requests(action, self._accounts),
            self._buy,
            self._sell,
            self._cash,
            RUIN * self._cash,
            self.reward_scale,
            next_obs,
            reward,
            terminated,
            truncated,
            level,
        )
        obs, self._left = next_obs, self._accounts
        if ended:
            obs, self._left = next_obs.copy(), self._accounts.copy()
            self._begin(terminated | truncated, obs)
        return Step(obs, reward, terminated, truncated, next_obs, level)

    def state_dict(self) -> State:
        """Randomness is keyed by (seed, environment, episode), so counters and accounts are all there is."""
        return {
            "episodes": self._episodes.copy(),
            "bar": self._bar.copy(),
            "last": self._last.copy(),
            "accounts": self._accounts.copy(),
        }

    def load_state_dict(self, state: State) -> Array:
        """Returns what was seen when the state was taken, [E, *O]."""
        self._episodes[:] = state["episodes"]
        self._bar[:] = state["bar"]
        self._last[:] = state["last"]
        self._accounts[:] = state["accounts"]
        self._left = self._accounts
        obs = np.empty((self.n_envs, len(self.table.names)), dtype=np.float32)
        kernel.observe_accounts(
            obs, self.table.market, self._bar, self._accounts, self._close, self._cash, self.table.account
        )
        return obs

    def _begin(self, ended: Array, obs: Array) -> None:
        kernel.begin_episodes(
            ended,
            self._seeds,
            self._environments,
            self._episodes,
            self._level,
            self._first,
            self._n_starts,
            self._window,
            self._bar,
            self._last,
            self._accounts,
            self._close,
            self.table.market,
            self.table.account,
            self._cash,
            obs,
        )
