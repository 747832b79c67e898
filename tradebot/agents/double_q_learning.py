"""Double Q-learning (van Hasselt 2010): one table says what is best, another what that is worth.

The best of several noisy estimates is too high an estimate of the best, unless others judge it.
"""

from __future__ import annotations

from tradebot.agents.configs import DoubleQLearningConfig, windows
from tradebot.core import Array, Population, Rollout
from tradebot.rl.tables import TabularLearner, Transition, look_up, pick


def DoubleQLearning(config: DoubleQLearningConfig, population: Population) -> TabularLearner:
    """M learners for discrete actions. Each has two tables and acts by their sum."""
    feed = Rollout(1, windows(config))
    return TabularLearner(config, feed, population, double_q_learning, tables=2)


def double_q_learning(q: Array, t: Transition, epsilon: float) -> Array:
    """Q_other(s', argmax Q(s', .)), whatever epsilon, Q the table that is to move: q [M, 2 S, A] -> [M]"""
    best = look_up(q, t.next_state).argmax(-1)
    n_rows = q.shape[1]
    return pick(look_up(q, (t.next_state + n_rows // 2) % n_rows), best)
