"""Learning by table on problems whose answers are known, exactly or from the papers.

Gymnasium's worlds are read from their transition tables and played all at once, and a greedy policy is not
tried out but evaluated.
"""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
import pytest

from tradebot.agents.configs import CONFIGS
from tradebot.agents.q_learning import q_learning
from tradebot.agents.registry import create
from tradebot.core import Array, Batch, Box, Discrete, Replay, State, Step
from tradebot.rl.loop import memory_for, train
from tradebot.rl.replay import ReplayBuffer
from tradebot.rl.tables import Transition, move

TABULAR = ["q-learning", "sarsa", "expected-sarsa", "double-q-learning"]


class World:
    """A Gymnasium environment of numbered states with a table of transitions, cut off after `limit` steps."""

    levels = None

    def __init__(self, name: str, n_envs: int, limit: int) -> None:
        env: Any = gymnasium.make(name).unwrapped
        table = [[env.P[s][a] for a in range(len(env.P[s]))] for s in range(len(env.P))]
        self.n_states, n_actions = len(table), len(table[0])
        self.chance, self.reward, self.over = (np.zeros((self.n_states, n_actions, 3)) for _ in range(3))
        self.successor = np.zeros((self.n_states, n_actions, 3), int)
        for s, row in enumerate(table):
            for a, outcomes in enumerate(row):
                for k, outcome in enumerate(outcomes):
                    (
                        self.chance[s, a, k],
                        self.successor[s, a, k],
                        self.reward[s, a, k],
                        self.over[s, a, k],
                    ) = outcome
        self.start = np.asarray(env.initial_state_distrib)
        self.observation_space = Box(np.array([0]), np.array([self.n_states - 1]))
        self.action_space = Discrete(n_actions)
        self.n_envs, self.limit = n_envs, limit
        self._random = np.random.default_rng(0)

    def assign(self, level: Array) -> None: ...

    def reset(self) -> Array:
        self._state, self._age = self._begin(), np.zeros(self.n_envs, int)
        return self._state[:, None]

    def step(self, action: Array) -> Step:
        at = self._state, action
        drawn = self._random.random((self.n_envs, 1))
        at = *at, (self.chance[at].cumsum(-1) < drawn).sum(-1)
        reward, terminated, after = self.reward[at], self.over[at] == 1, self.successor[at]
        self._age += 1
        truncated = ~terminated & (self._age == self.limit)
        ended = terminated | truncated
        self._age[ended] = 0
        self._state = np.where(ended, self._begin(), after)
        return Step(
            self._state[:, None], reward, terminated, truncated, after[:, None], np.full(self.n_envs, -1)
        )

    def greedy_return(self, agent: Any, members: int) -> Array:
        """[M] expected undiscounted return of an episode without exploring."""
        states = np.tile(np.arange(self.n_states)[:, None], (members, 1, 1))
        policy, _ = agent.act(states, explore=False)  # [M, S]
        values = []
        for action in policy:
            at = np.arange(self.n_states), action
            goes_on = self.chance[at] * (1 - self.over[at])
            value = np.zeros(self.n_states)
            for _ in range(self.limit):
                value = (self.chance[at] * self.reward[at] + goes_on * value[self.successor[at]]).sum(-1)
            values.append(self.start @ value)
        return np.array(values)

    def state_dict(self) -> State:
        return {}

    def load_state_dict(self, state: State) -> Array:
        return self.reset()

    def _begin(self) -> Array:
        return np.searchsorted(self.start.cumsum(), self._random.random(self.n_envs), side="right")


def trained(
    name: str, world: Any, members: int, steps: int, **settings: Any
) -> tuple[Any, list[list[float]]]:
    """The population, and the returns of each member's episodes in their order."""
    seeds = range(members)
    config = CONFIGS[name](envs=world.n_envs // members, **settings)
    agent = create(config, world.observation_space, world.action_space, seeds, steps)
    returns: list[list[float]] = [[] for _ in seeds]
    for event in train(agent, world, memory_for(agent, world, seeds, steps), members, steps):
        for m, total in zip(event.member, event.episode_return, strict=True):
            returns[m].append(total)
    return agent, returns


def constant(learning_rate: float, epsilon: float) -> dict[str, float]:
    """Settings that do not change while it learns."""
    return {
        "learning_rate": learning_rate,
        "learning_rate_end": learning_rate,
        "epsilon_start": epsilon,
        "epsilon_end": epsilon,
    }


@pytest.mark.learning
def test_on_the_cliff_the_bold_learn_the_way_and_the_careful_earn_more_on_it() -> None:
    """Sutton & Barto 2018, example 6.6: episodes 400 to 500 of 100 learners, with their slips."""
    members, online = 100, {}
    for name in ("q-learning", "sarsa", "expected-sarsa"):
        world = World("CliffWalking-v1", members, limit=10_000)  # longer than any episode
        agent, returns = trained(name, world, members, 18_000, gamma=1.0, **constant(0.5, 0.1))
        assert min(map(len, returns)) >= 500
        online[name] = float(np.mean([of_member[400:500] for of_member in returns]))
        if name == "q-learning":
            assert (world.greedy_return(agent, members) == -13).all()  # along the edge
    assert online["q-learning"] == pytest.approx(-50, abs=4)
    assert online["sarsa"] == pytest.approx(-28, abs=6)
    assert online["q-learning"] < online["sarsa"] < online["expected-sarsa"]


@pytest.mark.parametrize("name", TABULAR)
def test_on_the_frozen_lake_every_member_comes_near_the_best(name: str) -> None:
    """The best policy arrives in 74 % of all episodes of 100 steps."""
    members = 8
    world = World("FrozenLake-v1", 8 * members, limit=100)
    agent, _ = trained(name, world, members, 100_000, learning_rate=0.3)
    assert (world.greedy_return(agent, members) >= 0.70).all()


# Singh et al. 2000: so what SARSA learns becomes the best policy too.
GREEDY_IN_THE_LIMIT = {"epsilon_end": 0.0, "epsilon_fraction": 1.0}


@pytest.mark.parametrize(
    ("name", "steps", "settings"),
    [
        ("q-learning", 100_000, {"learning_rate": 0.5}),
        ("sarsa", 200_000, {"learning_rate": 0.5} | GREEDY_IN_THE_LIMIT),
        ("expected-sarsa", 100_000, {"learning_rate": 0.5}),
        ("double-q-learning", 100_000, {"learning_rate": 1.0}),
    ],
)
def test_the_taxi_comes_near_the_shortest_ways(name: str, steps: int, settings: dict[str, float]) -> None:
    """The shortest ways are worth 7.93 on average."""
    members = 8
    world = World("Taxi-v4", 8 * members, limit=200)
    agent, _ = trained(name, world, members, steps, **settings)
    assert (world.greedy_return(agent, members) >= 7.5).all()


class Biased:
    """Sutton & Barto 2018, example 6.7: from state 0 one goes right, to the end, or left, to state 1.

    From there all ten actions end with a reward of N(-0.1, 1). Even actions go left and odd ones right.
    """

    levels = None
    observation_space = Box(np.array([0]), np.array([1]))
    action_space = Discrete(10)

    def __init__(self, n_envs: int) -> None:
        self.n_envs = n_envs
        self.went_left = np.zeros(1_000)  # by the number of the episode: how many did
        self._episode = np.zeros(n_envs, int)
        self._random = np.random.default_rng(0)

    def assign(self, level: Array) -> None: ...

    def reset(self) -> Array:
        self._state = np.zeros(self.n_envs, int)
        return self._state[:, None]

    def step(self, action: Array) -> Step:
        begins = self._state == 0
        left = begins & (action % 2 == 0)
        np.add.at(self.went_left, self._episode[left], 1)
        self._episode += ~left
        reward = np.where(begins, 0.0, self._random.normal(-0.1, 1.0, self.n_envs))
        self._state = left.astype(int)
        obs = self._state[:, None]
        return Step(obs, reward, ~left, np.zeros(self.n_envs, bool), obs, np.full(self.n_envs, -1))

    def state_dict(self) -> State:
        return {}

    def load_state_dict(self, state: State) -> Array:
        return self.reset()


def test_two_tables_are_not_taken_in_by_the_best_of_many_noisy_rewards() -> None:
    """The share of 1000 learners that go left; who knows better does so in 5 %, by exploration."""
    members, left = 1_000, {}
    for name in ("q-learning", "double-q-learning"):
        world = Biased(members)
        trained(name, world, members, 400, gamma=1.0, **constant(0.1, 0.1))  # 200 episodes at the least
        left[name] = world.went_left[:200] / members
    assert left["q-learning"][20] > 0.9
    assert left["double-q-learning"].mean() < left["q-learning"].mean() / 2
    assert (left["double-q-learning"][5:] < left["q-learning"][5:]).all()


# ---- prioritized replay: the blind cliffwalk (Schaul et al. 2016, section 3.1 and appendix B.1)

LENGTH, MEMBERS = 10, 8
RIGHT = np.arange(LENGTH) % 2  # in each state one action goes on, the other ends the episode
DISCOUNT, STEP_SIZE = 1 - 1 / LENGTH, 1 / 4


def every_way_once(seed: int) -> Array:
    """All 2^n sequences of actions in random order, each to its end: (s, a, r, terminated, s') [T, 5].

    Only one of them is rewarded, at its last step.
    """
    rows = []
    for way in np.random.default_rng(seed).permutation(2**LENGTH):
        for s in range(LENGTH):
            a = way >> s & 1
            goes_on, arrives = a == RIGHT[s], s == LENGTH - 1
            rows.append((s, a, goes_on and arrives, not goes_on or arrives, s + 1))
            if rows[-1][3]:
                break
    return np.array(rows)


def updates_needed(alpha: float) -> Array:
    """[M] updates from a memory that holds every way, until the mean squared error of Q is below 0.001."""
    ways = np.stack([every_way_once(seed) for seed in range(MEMBERS)], axis=1)  # [T, M, 5]
    feed = Replay(4 * 2**LENGTH, batch=1, start=len(ways) - 1, every=1, updates=200_000, alpha=alpha)
    memory = ReplayBuffer(feed, Box(np.array([0]), np.array([LENGTH])), Discrete(2), range(MEMBERS), 1, 1)
    for s, a, r, terminated, after in ways.transpose(0, 2, 1):
        step = Step(
            after[:, None], r, terminated == 1, np.zeros(MEMBERS, bool), after[:, None], np.full(MEMBERS, -1)
        )
        memory.add(s[:, None], a, {}, step)
    truth = np.zeros((LENGTH, 2))
    truth[np.arange(LENGTH), RIGHT] = DISCOUNT ** np.arange(LENGTH)[::-1]
    q = np.stack([np.random.default_rng(seed).normal(0, 0.1, (LENGTH + 1, 2)) for seed in range(MEMBERS)])
    needed = np.zeros(MEMBERS, int)
    for count, batch in enumerate(memory.batches(), 1):
        t = transition_of(batch)
        error = move(q, t, q_learning(q, t, epsilon=0.0), STEP_SIZE, DISCOUNT)
        if alpha > 0:
            memory.prioritize(batch, error[:, None])
        is_known = ((q[:, :LENGTH] - truth) ** 2).mean((1, 2)) < 1e-3
        needed[is_known & (needed == 0)] = count
        if needed.all():
            break
    assert needed.all()
    return needed


def transition_of(batch: Batch) -> Transition:
    """The only one of each member."""
    state, next_state = (obs[:, 0, 0].astype(int) for obs in (batch.obs, batch.next_obs))
    action, reward, terminated, truncated = (
        part[:, 0] for part in (batch.action, batch.reward, batch.terminated, batch.truncated)
    )
    return Transition(state, action, reward, terminated, truncated, next_state)


def test_priorities_find_the_one_reward_in_a_fifth_of_the_updates() -> None:
    assert np.median(updates_needed(alpha=0.0)) >= 5 * np.median(updates_needed(alpha=0.6))
