"""The batched trading environment: E accounts on A symbols, stepped together by the kernel.

An episode is a window of bars; its end is a truncation, ruin is a termination. The reward of a decision is
the log return of equity over the bar in which it is filled, or what another of `market.rewards` makes of it,
times `reward_scale`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tradebot.core import Array, Box, Discrete, InputError, Levels, Space, State, Step
from tradebot.market import features, kernel
from tradebot.market.configs import ActionScheme, TradingConfig
from tradebot.market.costs import Costs
from tradebot.market.rewards import REWARDS, Reward
from tradebot.prices.bars import Bars

RUIN = 0.01  # equity / initial cash that is ruin; the reward there is ln(RUIN x initial cash / equity before)
NOISE = 1e-12  # a deviation of log returns up to this is rounding
YEAR = np.timedelta64(31_557_600, "s")  # 365.25 days


def targets(scheme: ActionScheme, n_assets: int) -> Array | None:
    """[N, A] the weights of each discrete action, all in one asset or in cash; None for a continuous scheme.

    NaN stands for the last request again.
    """
    cash, one = np.zeros((1, n_assets)), np.eye(n_assets)
    match scheme:
        case "long-flat":
            return np.concatenate([cash, one])
        case "long-short":
            return np.concatenate([-one[::-1], cash, one])
        case "orders":
            return np.concatenate([np.full((1, n_assets), np.nan), one, cash])
        case "weights":
            return None


def quotes(bars: Bars, costs: Costs) -> tuple[Array, Array]:
    """What the kernel takes: open, close and volume [T, A, 3], and the years since the last bar [T].

    Where there are dividends or splits they follow, [T, A, 5].

    Raises InputError for costs that these bars cannot tell.
    """
    if costs.counts_units and bars.adjusted:
        raise InputError(
            f"{bars.who}: whole or counted shares need raw prices, and these are adjusted: --prices raw"
        )
    silent = [symbol for a, symbol in enumerate(bars.symbols) if not bars.volume[:, a].any()]
    if costs.needs_volume and silent:  # no order in them would ever be filled
        raise InputError(
            f"{', '.join(silent[:5])}: slippage needs a volume, and there is none:"
            " --impact-bps 0 --participation 0"
        )
    open_ = np.where(bars.missing, np.nan, bars.open)
    years = np.diff(bars.timestamps, prepend=bars.timestamps[:1]) / YEAR
    acts = [bars.dividends, bars.splits] if bars.has_actions else []
    return np.stack([open_, bars.close, bars.volume, *acts], axis=2), years


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
    """1 / standard deviation of the mean log return in bars first..last, so that rewards are of order one."""
    close = bars.reinvested().close[first : last + 1]
    deviation = float(np.std(np.diff(np.log(close).mean(axis=1))))
    return 1.0 / deviation if deviation > NOISE else 1.0


class TradingEnv:
    """E = members x environments-per-member accounts, member-major.

    Training draws window starts at random; with `window=None` every episode is the whole span (evaluation).
    """

    def __init__(
        self,
        bars: Bars,  # the full history
        config: TradingConfig,
        costs: Costs,
        *,
        first: int,  # first bar that may be observed (not before the warm-up)
        last: int,  # last bar that may be traded
        seeds: Sequence[int] = (0,),  # one per member
        envs: int = 1,  # environments per member
        window: int | None = None,  # decisions in an episode; None for the whole span
        reward: Reward = REWARDS["log-return"],
        reward_scale: float = 1.0,
        table: features.FeatureTable | None = None,  # of these bars, if it has been computed already
    ) -> None:
        self.table = table or features.table(bars, config.features, config.lookback)
        if first < self.table.warmup or not first < last < len(bars):
            raise ValueError(
                f"bars {first}..{last} are not a span within {self.table.warmup}..{len(bars) - 1}"
            )
        self.bars = bars
        self.reward_scale = reward_scale
        self._quotes, self._years = quotes(bars, costs)
        self._terms = kernel.terms(costs, config)
        self._targets = targets(config.actions, len(bars.symbols))
        self._has_hold = config.actions == "orders"
        self._leverage = config.leverage
        self._cash = config.cash
        self._first = first
        self._window = min(window or last - first, last - first)
        self._n_starts = last - first - self._window + 1
        self._seeds = np.repeat(np.asarray(seeds, dtype=np.int64), envs)
        self._environments = np.tile(np.arange(envs, dtype=np.int64), len(seeds))
        self._episodes = np.zeros(self.n_envs, dtype=np.int64)
        self._bar = np.zeros(self.n_envs, dtype=np.int64)
        self._last = np.zeros(self.n_envs, dtype=np.int64)
        self._running = np.zeros(self.n_envs, dtype=np.int64)  # level of the episode under way
        self._accounts = self._left = np.zeros((self.n_envs, kernel.n_columns(len(bars.symbols))))
        self._reward = reward
        self._growth_scale = reward_scale if reward.name == "log-return" else 1.0
        self._memory = np.empty((self.n_envs, reward.n_memory))
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
            idle = 0 if self._has_hold else int((self._targets == 0.0).all(axis=1).argmax())
            return Discrete(len(self._targets), idle)
        most = np.full(len(self.bars.symbols), self._leverage, np.float32)
        return Box(-most, most)

    @property
    def levels(self) -> Levels | None:
        """Windows in a fixed grid: level l holds the starts from bar `first` + l windows on."""
        starts = np.arange(0, self._n_starts, self._window)
        if len(starts) < 2:
            return None
        sizes = np.diff(starts, append=self._n_starts)
        close = self.bars.reinvested().close[self._first : self._first + self._n_starts + self._window]
        returns = np.diff(np.log(close).mean(axis=1))
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
        """[E, C] as `Step.obs` shows them: fresh where an episode has just ended."""
        return self._accounts.copy()

    @property
    def accounts_left(self) -> Array:
        """[E, C] as `Step.next_obs` shows them: the last of an episode that has ended."""
        return self._left.copy()

    def requests(self, action: Array, accounts: Array) -> Array:
        """Actions [E] or [E, A] of accounts [E, C] -> target weights [E, A].

        Weights whose gross sum is above the leverage are scaled down to it.
        """
        if self._targets is not None:
            wanted = self._targets.take(action, axis=0)
            if self._has_hold:
                wanted = np.where(np.isnan(wanted), accounts[:, kernel.REQUEST :: kernel.PER_ASSET], wanted)
            return wanted
        weights = np.clip(action.astype(np.float64), -self._leverage, self._leverage)
        if np.isnan(weights).any():  # it would turn the whole account into NaN, silently
            raise FloatingPointError("an action is not a number: the policy has diverged")
        gross = np.abs(weights).sum(axis=1, keepdims=True)
        return np.asarray(weights * (self._leverage / np.maximum(gross, self._leverage)))

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
        level = self._running.copy()
        ended = kernel.step_accounts(
            self._quotes,
            self._years,
            self.table.market,
            self.table.account,
            self._accounts,
            self._bar,
            self._last,
            self.requests(action, self._accounts),
            self._terms,
            self._cash,
            RUIN * self._cash,
            self._growth_scale,
            next_obs,
            reward,
            terminated,
            truncated,
        )
        if self._reward.name != "log-return":
            reward = self.reward_scale * self._reward.compute(reward, self._memory)
        obs, self._left = next_obs, self._accounts
        if ended:
            obs, self._left = next_obs.copy(), self._accounts.copy()
            self._begin(terminated | truncated, obs)
        return Step(obs, reward, terminated, truncated, next_obs, level)

    @property
    def to_cash(self) -> Array:
        """[E] or [E, A] the actions that ask for cash alone."""
        if self._targets is None:
            return np.zeros((self.n_envs, len(self.bars.symbols)))
        return np.full(self.n_envs, int((self._targets == 0.0).all(axis=1).argmax()))

    def take_over(self, accounts: Array) -> Array:
        """New episodes, of accounts [E, C] that another environment left at the bar where these start.

        Returns what is seen there, [E, *O].
        """
        self.reset()
        return self.load_state_dict(self.state_dict() | {"accounts": accounts})

    def state_dict(self) -> State:
        """Randomness is keyed by (seed, environment, episode), so counters and accounts are all there is."""
        return {
            "episodes": self._episodes.copy(),
            "bar": self._bar.copy(),
            "last": self._last.copy(),
            "accounts": self._accounts.copy(),
            "memory": self._memory.copy(),
        }

    def load_state_dict(self, state: State) -> Array:
        """Returns what was seen when the state was taken, [E, *O]."""
        self._episodes[:] = state["episodes"]
        self._bar[:] = state["bar"]
        self._last[:] = state["last"]
        self._running[:] = (self._last - self._window - self._first) // self._window
        self._accounts[:] = state["accounts"]
        self._memory[:] = state["memory"]
        self._left = self._accounts
        obs = np.empty((self.n_envs, len(self.table.names)), dtype=np.float32)
        kernel.observe_accounts(
            obs, self.table.market, self._quotes, self._bar, self._accounts, self._cash, self.table.account
        )
        return obs

    def _begin(self, ended: Array, obs: Array) -> None:
        self._reward.begin(self._memory, ended)
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
            self._running,
            self._accounts,
            self._quotes,
            self.table.market,
            self.table.account,
            self._cash,
            obs,
        )
