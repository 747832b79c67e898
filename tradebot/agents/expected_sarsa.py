"""Expected SARSA (van Seijen et al. 2009): SARSA with the mean over what its policy might do next."""

from __future__ import annotations

from tradebot.agents.configs import ExpectedSARSAConfig, windows
from tradebot.core import Array, Batch, Extras, Population, Rollout, State, Update
from tradebot.rl.tables import Tables, Transition, expected, look_up, move, report


class ExpectedSARSA:
    """M learners for discrete actions."""

    def __init__(self, config: ExpectedSARSAConfig, population: Population) -> None:
        self.config = config
        self.feed = Rollout(1, windows(config))
        self._tables = Tables(config, population)

    def act(self, obs: Array, *, explore: bool) -> tuple[Array, Extras]:
        return self._tables.act(obs, explore=explore), {}

    def update(self, batch: Batch) -> Update:
        by = self._tables.epsilon, self._tables.learning_rate, self.config.gamma
        errors = [expected_sarsa(self._tables.q, t, *by) for t in self._tables.in_order(batch)]
        return report(errors, prioritize=self.config.per)

    def state_dict(self) -> State:
        return self._tables.state_dict()

    def load_state_dict(self, state: State) -> None:
        self._tables.load_state_dict(state)


def expected_sarsa(q: Array, t: Transition, epsilon: float, learning_rate: float, gamma: float) -> Array:
    """Towards r + gamma sum_a pi(a | s') Q(s', a), pi epsilon-greedy: q [M, S, A] in place.

    Returns the errors [M].
    """
    return move(q, t, expected(look_up(q, t.next_state), epsilon), learning_rate, gamma)
