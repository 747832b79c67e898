"""Q-learning (Watkins 1989): whatever is tried, learn what the best would be worth."""

from __future__ import annotations

import numpy as np

from tradebot.agents.configs import QLearningConfig, windows
from tradebot.core import Array, Population, Rollout
from tradebot.rl.tables import TabularLearner, Transition, look_up


def QLearning(config: QLearningConfig, population: Population) -> TabularLearner:
    """M learners for discrete actions."""
    return TabularLearner(config, Rollout(1, windows(config)), population, q_learning)


def q_learning(q: Array, t: Transition, epsilon: float) -> Array:
    """max Q(s', .), whatever epsilon: q [M, S, A] -> [M]"""
    return np.asarray(look_up(q, t.next_state).max(-1))
