"""SARSA (Rummery & Niranjan 1994): learn what the policy is worth that is followed, exploration included.

What an action led to is learned one step later, when it is known what was done next. Where an episode was cut
off nothing was done next: there the mean over the policy stands for it, as in Expected SARSA.
"""

from __future__ import annotations

import numpy as np

from tradebot.agents.configs import SARSAConfig, windows
from tradebot.core import Array, Batch, Extras, Population, Rollout, State, Update
from tradebot.rl.tables import Tables, Transition, expected, look_up, move, pick, report


class SARSA:
    """M learners for discrete actions."""

    def __init__(self, config: SARSAConfig, population: Population) -> None:
        self.config = config
        self.feed = Rollout(1, windows(config), next_action=True)
        self._tables = Tables(config, population)

    def act(self, obs: Array, *, explore: bool) -> tuple[Array, Extras]:
        return self._tables.act(obs, explore=explore), {}

    def update(self, batch: Batch) -> Update:
        by = self._tables.epsilon, self._tables.learning_rate, self.config.gamma
        errors = [sarsa(self._tables.q, t, *by) for t in self._tables.in_order(batch)]
        return report(errors, prioritize=self.config.per)

    def state_dict(self) -> State:
        return self._tables.state_dict()

    def load_state_dict(self, state: State) -> None:
        self._tables.load_state_dict(state)


def sarsa(q: Array, t: Transition, epsilon: float, learning_rate: float, gamma: float) -> Array:
    """Towards r + gamma Q(s', a'): q [M, S, A] in place. Returns the errors [M]."""
    assert t.next_action is not None  # the feed asks for it
    values = look_up(q, t.next_state)  # [M, A]
    next_value = np.where(t.truncated, expected(values, epsilon), pick(values, t.next_action))
    return move(q, t, next_value, learning_rate, gamma)
