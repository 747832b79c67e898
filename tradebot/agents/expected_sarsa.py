"""Expected SARSA (van Seijen et al. 2009): SARSA with the mean over what its policy might do next."""

from __future__ import annotations

from tradebot.agents.configs import ExpectedSARSAConfig, windows
from tradebot.core import Array, Population, Rollout
from tradebot.rl.tables import TabularLearner, Transition, expected, look_up


def ExpectedSARSA(config: ExpectedSARSAConfig, population: Population) -> TabularLearner:
    """M learners for discrete actions."""
    return TabularLearner(config, Rollout(1, windows(config)), population, expected_sarsa)


def expected_sarsa(q: Array, t: Transition, epsilon: float) -> Array:
    """sum_a pi(a | s') Q(s', a), pi epsilon-greedy: q [M, S, A] -> [M]"""
    return expected(look_up(q, t.next_state), epsilon)
