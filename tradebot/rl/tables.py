"""Learning by table: action values Q [M, S, A] of M members, moved by one transition of each at a time.

A table is changed in place and in the order of time, as the textbooks have it; what runs side by side is the
members. Tables are numpy's, on the CPU whatever the device: there is nothing to multiply.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import NamedTuple, Protocol, TypeAlias

import numpy as np

from tradebot.core import Array, Batch, Discrete, Extras, InputError, Population, Rollout, State, Update
from tradebot.rl.discretiser import Discretiser
from tradebot.rl.noise import Noise

LARGEST = 2**27  # numbers in the tables of all members: 1 GiB


class Settings(Protocol):
    """The hyperparameters that all learners by table have."""

    @property
    def name(self) -> str: ...
    @property
    def envs(self) -> int: ...  # environments per member: B
    @property
    def bins(self) -> int: ...  # of each dimension of an observation
    @property
    def gamma(self) -> float: ...
    @property
    def learning_rate(self) -> float: ...  # at the start
    @property
    def learning_rate_end(self) -> float: ...
    @property
    def epsilon_start(self) -> float: ...  # probability of a random action
    @property
    def epsilon_end(self) -> float: ...
    @property
    def epsilon_fraction(self) -> float: ...  # part of the training in which it gets from start to end


class Transition(NamedTuple):
    """One of each member, all [M]. Of several tables, a state's row is that of the table that is to move."""

    state: Array  # int
    action: Array  # int
    reward: Array
    terminated: Array  # bool
    truncated: Array  # bool
    next_state: Array  # int
    next_action: Array | None = None  # int, if the feed asked for it; means nothing where the episode ended
    weight: Array | None = None  # importance; None means all 1


# Q, a transition, the probability of a random action -> what the next state is worth [M]
Rule: TypeAlias = Callable[[Array, Transition, float], Array]


class TabularLearner:
    """M learners for discrete actions; they differ in their rule alone."""

    def __init__(
        self,
        settings: Settings,
        feed: Rollout,
        population: Population,
        rule: Rule,
        tables: int = 1,  # of each member: it acts by their sum, and at random one of them learns
    ) -> None:
        observation_space, action_space, seeds, steps, _ = population
        if not isinstance(action_space, Discrete):
            raise InputError(f"{settings.name} needs discrete actions: take another agent (ppo, a2c, sac)")
        self.feed = feed
        self._settings = settings
        self._rule = rule
        self._idle = action_space.idle
        self.states = Discretiser(observation_space, settings.bins)  # [M, N, *O] -> [M, N]
        size = tables * self.states.n_states * action_space.n
        if size * len(seeds) > LARGEST:
            raise InputError(
                f"{settings.name} would need a table of about 10^{math.log10(size):.0f} numbers for each of"
                f" {len(seeds)} seeds, and all of them may have {LARGEST:,}: take fewer features, e.g."
                " --features last_return,position, fewer --bins or --seeds, or an agent with a network"
                " (dqn, ppo, a2c)"
            )
        # [M, S, A]; of several tables one below the other: [M, tables x S, A]
        self.q = np.zeros((len(seeds), tables * self.states.n_states, action_space.n))
        self._noise = Noise(seeds, "epsilon", (settings.envs, 2))
        self._tables = tables
        self._table = Noise(seeds, "table", (settings.envs,))
        self._steps, self._seen = steps, 0

    @property
    def epsilon(self) -> float:
        """The probability of a random action at the next step."""
        s = self._settings
        return _between(s.epsilon_start, s.epsilon_end, self._seen / (s.epsilon_fraction * self._steps))

    @property
    def learning_rate(self) -> float:
        s = self._settings
        return _between(s.learning_rate, s.learning_rate_end, self._seen / self._steps)

    def act(self, obs: Array, *, explore: bool) -> tuple[Array, Extras]:
        """obs [M, B, *O] -> epsilon-greedy, or the best: [M, B].

        Of equals the best is the idle one if it is among them, else the first: so an agent that stands
        where it has never been does nothing.
        """
        tables = range(0, self.q.shape[1], self.states.n_states)
        state = self.states(obs)
        values = np.sum([look_up(self.q, first + state) for first in tables], axis=0)  # [M, B, A]
        if explore:
            drawn = self._noise.draw()
            action = epsilon_greedy(values, self.epsilon, drawn[..., 0], drawn[..., 1])
            self._seen += obs.shape[1]
            return action, {}
        best = np.asarray(values.argmax(-1))
        if self._idle is not None:
            best[values[..., self._idle] == values.max(-1)] = self._idle
        return best, {}

    def update(self, batch: Batch) -> Update:
        epsilon, rate, gamma = self.epsilon, self.learning_rate, self._settings.gamma
        errors = [move(self.q, t, self._rule(self.q, t, epsilon), rate, gamma) for t in self._in_order(batch)]
        size = np.abs(np.stack(errors, axis=1))  # [M, N]
        return Update({"td_error": size.mean(1)}, size if self.feed.curriculum else None)

    def state_dict(self) -> State:
        return {
            "q": self.q.copy(),
            "noise": self._noise.count,
            "table": self._table.count,
            "seen": self._seen,
        }

    def load_state_dict(self, state: State) -> None:
        if state["q"].shape != self.q.shape:  # a copy would broadcast one member to all
            raise ValueError(f"the table has shape {state['q'].shape}, expected {self.q.shape}")
        self.q[:] = state["q"]
        self._noise.count, self._table.count = state["noise"], state["table"]
        self._seen = state["seen"]

    def _in_order(self, batch: Batch) -> Iterator[Transition]:
        """The transitions of a batch, one of each member at a time."""
        state, next_state = self.states(batch.obs), self.states(batch.next_obs)  # [M, N]
        if self._tables > 1:
            first = (self._tables * self._table.draw()).astype(np.int64) * self.states.n_states
            state, next_state = first + state, first + next_state
        for i in range(state.shape[1]):
            yield Transition(
                state[:, i],
                batch.action[:, i],
                batch.reward[:, i],
                batch.terminated[:, i],
                batch.truncated[:, i],
                next_state[:, i],
                None if batch.next_action is None else batch.next_action[:, i],
                None if batch.weight is None else batch.weight[:, i],
            )


def look_up(q: Array, state: Array) -> Array:
    """Q(s, .): q [M, S, A] at state [M] or [M, N] -> [M, A] or [M, N, A]"""
    member = np.arange(len(q)).reshape(-1, *(1 for _ in state.shape[1:]))
    return np.asarray(q[member, state])


def pick(values: Array, action: Array) -> Array:
    """values [M, A] of action [M] -> [M]"""
    return np.asarray(values[np.arange(len(values)), action])


def expected(values: Array, epsilon: float) -> Array:
    """What the epsilon-greedy policy earns on average: epsilon mean + (1 - epsilon) max. [M, A] -> [M]"""
    return np.asarray(epsilon * values.mean(-1) + (1.0 - epsilon) * values.max(-1))


def epsilon_greedy(values: Array, epsilon: float, chance: Array, choice: Array) -> Array:
    """Any action where chance < epsilon, else one of the best: values [..., A], both in [0, 1) [...] -> [...]

    Choice says which of those that come into question, so that equals are tried alike.
    """
    in_question = (values == values.max(-1, keepdims=True)) | (chance < epsilon)[..., None]
    number = (choice * in_question.sum(-1)).astype(np.int64)
    return np.asarray((in_question.cumsum(-1) > number[..., None]).argmax(-1))


def move(q: Array, t: Transition, next_value: Array, learning_rate: float, gamma: float) -> Array:
    """Q(s, a) += learning_rate error, error = r + gamma (1 - terminated) next_value - Q(s, a), in place.

    A truncated transition bootstraps like any other. Importance weights scale the step, but not beyond the
    target. Returns the errors [M].
    """
    at = np.arange(len(q)), t.state, t.action
    error = t.reward + gamma * np.where(t.terminated, 0.0, next_value) - q[at]
    q[at] += error * (learning_rate if t.weight is None else np.minimum(learning_rate * t.weight, 1.0))
    return np.asarray(error)


def _between(start: float, end: float, fraction: float) -> float:
    return start + (end - start) * min(1.0, fraction)
