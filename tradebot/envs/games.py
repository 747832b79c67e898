"""Repeated matrix games: two agents choose at once, and each is paid by what both chose.

An episode is one choice, so there is one state and nothing to bootstrap from: learners are stateless.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tradebot.core import Array, Box, Discrete, State, Step
from tradebot.envs.configs import GameConfig, PenaltyConfig

# What the row player is paid, by (its action, that of the column player).
_DILEMMA = [[3, 0], [5, 1]]  # cooperate, defect (Axelrod 1984, fig. 1)
_STAG_HUNT = [[4, 0], [3, 2]]  # stag, hare: hunting hares is safe, which risk dominance means
_PENNIES = [[1, -1], [-1, 1]]  # heads, tails: the row player wants the same, the other one does not
_CLIMBING = [[11, -30, 0], [-30, 7, 6], [0, 0, 5]]
NAMES = ("prisoners-dilemma", "stag-hunt", "matching-pennies", "climbing", "penalty")


def payoff(name: str, config: GameConfig) -> Array:
    """[A, A, 2] what row and column player are paid for (action of the row player, of the column player).

    Climbing and penalty, with the same payment for both, are those of Claus & Boutilier (1998), "The dynamics
    of reinforcement learning in cooperative multiagent systems", section 4.
    """
    match name:
        case "prisoners-dilemma" | "stag-hunt":
            row = np.array(_DILEMMA if name == "prisoners-dilemma" else _STAG_HUNT, dtype=float)
            return np.stack([row, row.T], axis=2)
        case "matching-pennies":
            row = np.array(_PENNIES, dtype=float)
            return np.stack([row, -row], axis=2)
        case "climbing":
            common = np.array(_CLIMBING, dtype=float)
        case "penalty":
            assert isinstance(config, PenaltyConfig)
            common = np.array([[10, 0, config.k], [0, 2, 0], [config.k, 0, 10]], dtype=float)
        case _:
            raise ValueError(f"no game {name!r}")
    return np.stack([common, common], axis=2)


class GameEnv:
    """E = teams x 2 players x environments of one game. Observed is always 0: there is one state."""

    levels = None
    arrived = None
    time_limit = 1

    def __init__(self, name: str, config: GameConfig, seeds: Sequence[int], envs: int) -> None:
        self._payoff = payoff(name, config)
        self._teams, self._envs = len(seeds), envs
        self._last = np.full((self._teams, 2, envs), -1, dtype=np.int64)  # actions

    @property
    def n_envs(self) -> int:
        return self._last.size

    @property
    def observation_space(self) -> Box:
        return Box(np.array([0]), np.array([0]))

    @property
    def action_space(self) -> Discrete:
        return Discrete(len(self._payoff))

    def assign(self, level: Array) -> None:
        """Nothing: there are no levels."""

    def reset(self) -> Array:
        self._last[:] = -1
        return self._observed()

    def step(self, action: Array) -> Step:
        self._last = np.array(action, dtype=np.int64).reshape(self._teams, 2, self._envs)
        paid = self._payoff[self._last[:, 0], self._last[:, 1]]  # [S, B, 2]
        over = np.ones(self.n_envs, dtype=bool)
        return Step(
            self._observed(),
            np.moveaxis(paid, 2, 1).reshape(-1),
            over,
            ~over,
            self._observed(),
            np.full(self.n_envs, -1),
        )

    def state_dict(self) -> State:
        return {"last": self._last.copy()}

    def load_state_dict(self, state: State) -> Array:
        """Returns what was seen when the state was taken, [E, 1]."""
        self._last = state["last"].copy()
        return self._observed()

    def snapshot(self, e: int, *, left: bool = False) -> dict[str, Any]:
        """The game of player e: `payoff` [A, A, 2], and the last `action` [2], -1 before the first."""
        team, b = e // (2 * self._envs), e % self._envs
        return {"payoff": self._payoff.copy(), "action": self._last[team, :, b].copy()}

    def _observed(self) -> Array:
        return np.zeros((self.n_envs, 1), dtype=np.int64)
