"""SARSA (Rummery & Niranjan 1994): learn what the policy is worth that is followed, exploration included.

What an action led to is learned one step later, when it is known what was done next. Where an episode was cut
off nothing was done next: there the mean over the policy stands for it, as in Expected SARSA.
"""

from __future__ import annotations

import numpy as np

from tradebot.agents.configs import SARSAConfig, windows
from tradebot.core import Array, Population, Rollout
from tradebot.rl.tables import TabularLearner, Transition, expected, look_up, pick


def SARSA(config: SARSAConfig, population: Population) -> TabularLearner:
    """M learners for discrete actions."""
    feed = Rollout(1, windows(config), next_action=True)
    return TabularLearner(config, feed, population, sarsa)


def sarsa(q: Array, t: Transition, epsilon: float) -> Array:
    """Q(s', a'): q [M, S, A] -> [M]"""
    assert t.next_action is not None  # the feed asks for it
    values = look_up(q, t.next_state)  # [M, A]
    return np.where(t.truncated, expected(values, epsilon), pick(values, t.next_action))
