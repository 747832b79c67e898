"""Q-learning (Watkins 1989): whatever is tried, learn what the best would be worth."""

from __future__ import annotations

from tradebot.agents.configs import QLearningConfig, windows
from tradebot.core import Array, Batch, Extras, Population, Rollout, State, Update
from tradebot.rl.tables import Tables, Transition, look_up, move, report


class QLearning:
    """M learners for discrete actions."""

    def __init__(self, config: QLearningConfig, population: Population) -> None:
        self.config = config
        self.feed = Rollout(1, windows(config))
        self._tables = Tables(config, population)

    def act(self, obs: Array, *, explore: bool) -> tuple[Array, Extras]:
        return self._tables.act(obs, explore=explore), {}

    def update(self, batch: Batch) -> Update:
        rate, gamma = self._tables.learning_rate, self.config.gamma
        errors = [q_learning(self._tables.q, t, rate, gamma) for t in self._tables.in_order(batch)]
        return report(errors, prioritize=self.config.per)

    def state_dict(self) -> State:
        return self._tables.state_dict()

    def load_state_dict(self, state: State) -> None:
        self._tables.load_state_dict(state)


def q_learning(q: Array, t: Transition, learning_rate: float, gamma: float) -> Array:
    """Towards r + gamma max Q(s', .): q [M, S, A] in place. Returns the errors [M]."""
    return move(q, t, look_up(q, t.next_state).max(-1), learning_rate, gamma)
