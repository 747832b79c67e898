"""Prioritized levels for on-policy agents, after prioritized level replay (Jiang et al. 2021).

There is no stale memory to replay: what is prioritized is where the next episodes start. A level's score is
the mean |advantage| of its transitions, in units of its typical reward, since |advantage| alone would only
rank levels by their noise. Our additions to the paper are a uniform floor and importance weights.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tradebot.core import Array, Curriculum, Levels, State
from tradebot.rl.noise import Noise
from tradebot.rl.sumtree import SumTree

MEMORY = 256  # transitions of a level over which its score is averaged


class LevelSampler:
    """Levels for M members x B environments, and the weight of every episode that is under way."""

    def __init__(self, curriculum: Curriculum, levels: Levels, seeds: Sequence[int], envs: int) -> None:
        shape = (len(seeds), len(levels.share))
        self._curriculum = curriculum
        self._levels = levels
        self._score = np.zeros(shape)
        self._seen = np.zeros(shape, dtype=bool)
        self._age = np.zeros(shape)  # updates since the last visit
        self._tree = SumTree(*shape)
        self._noise = Noise(seeds, "levels", (envs,))
        self._proposed = np.ones((len(seeds), envs))  # weights of the levels proposed last
        self.weight = np.ones((len(seeds), envs))  # [M, B] share / P, to the power beta
        self._refresh()

    @property
    def probability(self) -> Array:
        """[M, L]"""
        leaves = self._tree.sums.shape[1] // 2
        return self._tree.sums[:, leaves : leaves + self._score.shape[1]].copy()

    def propose(self) -> Array:
        """A level for each environment, should an episode begin there now: [M, B]."""
        first = self._noise.count == 0
        level, probability = self._tree.sample(self._noise.draw(), stratified=False)
        self._proposed = (self._levels.share[level] / probability) ** self._curriculum.beta
        if first:  # all episodes begin
            self.weight = self._proposed
        return level

    def begun(self, where: Array) -> None:
        """Episodes have begun with the proposed levels in the environments `where` [M, B]."""
        self.weight = np.where(where, self._proposed, self.weight)

    def prioritize(self, level: Array, advantage: Array) -> None:
        """What the agent thinks of the last transitions, both [M, N]; NaN where it does not know."""
        value = np.abs(advantage.astype(np.float64)) / self._levels.scale[level]
        for m, (where, what) in enumerate(zip(level, value, strict=True)):
            known = ~np.isnan(what)
            where, what = where[known], what[known]
            n = np.bincount(where, minlength=self._score.shape[1])
            mean = np.bincount(where, what, minlength=len(n)) / np.maximum(n, 1)
            rate = np.where(self._seen[m], np.minimum(1.0, n / MEMORY), 1.0)
            met = n > 0
            self._score[m] += np.where(met, rate * (mean - self._score[m]), 0.0)
            self._seen[m] |= met
            self._age[m] = np.where(met, 0.0, self._age[m] + 1)
        self._refresh()

    def state_dict(self) -> State:
        return {
            "score": self._score.copy(),
            "seen": self._seen.copy(),
            "age": self._age.copy(),
            "noise": self._noise.count,
            "weight": self.weight.copy(),
        }

    def load_state_dict(self, state: State) -> None:
        self._score[:], self._seen[:], self._age[:] = state["score"], state["seen"], state["age"]
        self._noise.count = state["noise"]
        self.weight = np.array(state["weight"])
        self._refresh()

    def _refresh(self) -> None:
        """Probabilities from scores. A level that was never met counts as the best that was."""
        c, share = self._curriculum, self._levels.share
        best = np.max(self._score, axis=1, initial=0.0, where=self._seen, keepdims=True)
        score = np.where(self._seen, self._score, best) ** c.alpha
        mixture = (
            (1 - c.floor - c.stale) * _distribution(score * share, share)
            + c.stale * _distribution(self._age * share, share)
            + c.floor * share
        )
        every = np.broadcast_to(np.arange(mixture.shape[1]), mixture.shape)
        self._tree.set(every, mixture)


def _distribution(mass: Array, otherwise: Array) -> Array:
    """Rows [M, L] scaled to sum 1, and `otherwise` [L] where there is nothing to scale."""
    total = mass.sum(axis=1, keepdims=True)
    return np.where(total > 0, mass / np.where(total > 0, total, 1.0), otherwise)
