"""Double Q-learning (van Hasselt 2010): one table says what is best, another what that is worth.

The best of several noisy estimates is too high an estimate of the best, unless others judge it.
"""

from __future__ import annotations

import numpy as np

from tradebot.agents.configs import DoubleQLearningConfig, windows
from tradebot.core import Array, Batch, Extras, Population, Rollout, State, Update
from tradebot.rl.noise import Noise
from tradebot.rl.tables import Tables, Transition, look_up, move, pick, report


class DoubleQLearning:
    """M learners for discrete actions. Each has two tables and acts by their sum."""

    def __init__(self, config: DoubleQLearningConfig, population: Population) -> None:
        self.config = config
        self.feed = Rollout(1, windows(config))
        self._tables = Tables(config, population, tables=2)
        self._coin = Noise(population.seeds, "table", (config.envs,))

    def act(self, obs: Array, *, explore: bool) -> tuple[Array, Extras]:
        return self._tables.act(obs, explore=explore), {}

    def update(self, batch: Batch) -> Update:
        rate, gamma = self._tables.learning_rate, self.config.gamma
        table = (2 * self._coin.draw().T).astype(np.int64)  # [N, M]
        transitions = self._tables.in_order(batch)
        errors = [
            double_q_learning(self._tables.q, t, chosen, rate, gamma)
            for t, chosen in zip(transitions, table, strict=True)
        ]
        return report(errors, prioritize=self.config.per)

    def state_dict(self) -> State:
        return {"tables": self._tables.state_dict(), "coin": self._coin.count}

    def load_state_dict(self, state: State) -> None:
        self._tables.load_state_dict(state["tables"])
        self._coin.count = state["coin"]


def double_q_learning(q: Array, t: Transition, table: Array, learning_rate: float, gamma: float) -> Array:
    """Table [M] (0 or 1) towards r + gamma Q_other(s', argmax Q_table(s', .)): q [M, 2 S, A] in place.

    Returns the errors [M].
    """
    n_states = q.shape[1] // 2
    own, other = table * n_states, (1 - table) * n_states  # where they begin
    best = look_up(q, own + t.next_state).argmax(-1)
    next_value = pick(look_up(q, other + t.next_state), best)
    return move(q, t._replace(state=own + t.state), next_value, learning_rate, gamma)
