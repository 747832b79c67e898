"""Learning by table: the rules by hand, what is tried how often, and what is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tradebot.agents.configs import CONFIGS
from tradebot.agents.double_q_learning import double_q_learning
from tradebot.agents.expected_sarsa import expected_sarsa
from tradebot.agents.q_learning import q_learning
from tradebot.agents.registry import create
from tradebot.agents.sarsa import sarsa
from tradebot.core import Array, Batch, Box, Discrete, InputError
from tradebot.rl.tables import Rule, Transition, epsilon_greedy, expected, move

FIRST = [[1.0, 2.0], [3.0, 5.0]]  # Q(s, a) of one table, s down, a across
SECOND = [[0.0, 4.0], [7.0, 1.0]]  # and of another
RATE, GAMMA, EPSILON = 0.5, 0.9, 0.2


def learn(q: Array, rule: Rule, t: Transition) -> Array:
    """One step by a rule. Returns the errors."""
    return move(q, t, rule(q, t, EPSILON), RATE, GAMMA)


def transition(first: int = 0, **ended: bool) -> Transition:
    """One member's s, a, r, s', a' = 0, 1, 1, 1, 0, in the table that begins at row `first`."""
    one, zero = np.array([1]), np.array([0])
    over = {name: np.array([ended.get(name, False)]) for name in ("terminated", "truncated")}
    return Transition(first + zero, one, one.astype(float), next_state=first + one, next_action=zero, **over)


# Every row: Q(0, 1) of the table that is moved = 2 or 4, half of the way to 1 + 0.9 x the value of state 1.
RULES = pytest.mark.parametrize(
    ("rule", "tables", "row", "runs", "cut"),
    [
        # the best of 3 and 5: 1 + 4.5 = 5.5
        (q_learning, [FIRST], 0, 3.75, 3.75),
        # what was done next, 3: 3.7; where nothing was done next, the mean over the policy as below
        (sarsa, [FIRST], 0, 2.85, 3.66),
        # 0.2 x (3 + 5) / 2 + 0.8 x 5 = 4.8: 5.32
        (expected_sarsa, [FIRST], 0, 3.66, 3.66),
        # the first table prefers action 1, which the second holds to be worth 1: 1.9
        (double_q_learning, [FIRST, SECOND], 0, 1.95, 1.95),
        # the second prefers action 0, worth 3 by the first: 3.7, from 4
        (double_q_learning, [FIRST, SECOND], 2, 3.85, 3.85),
    ],
    ids=["Q-learning", "SARSA", "Expected SARSA", "Double Q, first table", "Double Q, second table"],
)


@RULES
def test_a_rule_moves_one_value_half_of_the_way(
    rule: Rule, tables: list[Any], row: int, runs: float, cut: float
) -> None:
    for over, expected_value in (({}, runs), ({"truncated": True}, cut)):
        q = np.concatenate(tables)[None]  # one below the other
        before = q.copy()
        error = learn(q, rule, transition(row, **over))
        assert q[0, row, 1] == pytest.approx(expected_value, abs=1e-12)
        assert error[0] == pytest.approx((expected_value - before[0, row, 1]) / RATE, abs=1e-12)
        q[0, row, 1] = before[0, row, 1]
        assert np.array_equal(q, before)


@RULES
def test_nothing_comes_after_the_end(
    rule: Rule, tables: list[Any], row: int, runs: float, cut: float
) -> None:
    q = np.concatenate(tables)[None]
    was = q[0, row, 1]
    learn(q, rule, transition(row, terminated=True))
    assert q[0, row, 1] == (was + 1.0) / 2


def test_members_move_each_in_its_own_table() -> None:
    q = np.array([FIRST, SECOND])
    no, state, other = np.zeros(2, bool), np.array([0, 1]), np.array([1, 0])
    learn(q, q_learning, Transition(state, other, np.ones(2), no, no, other))
    # member 0 as above; member 1 moves Q(1, 0) = 7 half of the way to 1 + 0.9 x 4 = 4.6
    assert q.tolist() == [[[1.0, 3.75], [3.0, 5.0]], [[0.0, 4.0], [5.8, 1.0]]]


def test_importance_scales_the_step_but_not_beyond_the_target() -> None:
    q = np.array([FIRST, FIRST, FIRST])
    part = [np.repeat(value, 3) for value in transition(terminated=True)[:6]]
    error = learn(q, q_learning, Transition(*part, weight=np.array([0.5, 1.0, 8.0])))
    assert error.tolist() == [-1.0, -1.0, -1.0]
    assert q[:, 0, 1].tolist() == [1.75, 1.5, 1.0]  # from 2 towards 1: a quarter, a half, all of the way


# ---- exploration


def test_the_mean_over_the_policy_is_that_of_its_actions() -> None:
    values = np.array([[1.0, 3.0, 3.0]])
    chance, choice = (part.reshape(1, -1) for part in np.meshgrid(*2 * [(np.arange(300) + 0.5) / 300]))
    drawn = epsilon_greedy(np.repeat(values[:, None], chance.size, axis=1), 0.3, chance, choice)
    shares = np.bincount(drawn[0], minlength=3) / drawn.size
    assert shares == pytest.approx([0.1, 0.45, 0.45])  # 0.3 / 3, and 0.7 shared by the two that are best
    assert expected(values, 0.3) == pytest.approx(shares @ values[0])


def agent(name: str = "q-learning", idle: int | None = None, n: int = 3, **settings: Any) -> Any:
    """One member in three numbered states."""
    space = Box(np.array([0]), np.array([2]))
    return create(CONFIGS[name](envs=2, **settings), space, Discrete(n, idle), [0], 100)


def batch(reward: float, next_action: Array | None = None) -> Batch:
    """State 0 twice: action 1, then 2 for the double, each the last of its episode."""
    return Batch(
        obs=np.zeros((1, 2, 1), np.int64),
        action=np.array([[1, 2]]),
        reward=np.array([[reward, 2 * reward]]),
        terminated=np.ones((1, 2), bool),
        truncated=np.zeros((1, 2), bool),
        next_obs=np.zeros((1, 2, 1), np.int64),
        next_action=next_action,
        extras={},
        index=None,
        level=np.full((1, 2), -1),
        weight=None,
    )


@pytest.mark.parametrize("name", ["q-learning", "sarsa", "expected-sarsa", "double-q-learning"])
def test_the_best_is_done_and_where_nothing_is_known_nothing_is_done(name: str) -> None:
    learner = agent(name, idle=1)
    states = np.array([[[0], [1]]])
    assert learner.act(states, explore=False)[0].tolist() == [[1, 1]]
    for _ in range(30):
        learner.update(batch(1.0, np.zeros((1, 2), int)))
    assert learner.act(states, explore=False)[0].tolist() == [[2, 1]]


def test_exploration_and_step_size_go_from_start_to_end() -> None:
    """100 steps are planned; each act counts two."""
    learner = agent(
        epsilon_start=0.9, epsilon_end=0.1, epsilon_fraction=0.5, learning_rate=0.4, learning_rate_end=0.2
    )
    found = []
    for _ in range(51):
        found.append((learner.epsilon, learner.learning_rate))
        learner.act(np.zeros((1, 2, 1), np.int64), explore=True)
    assert found[0] == (0.9, 0.4)
    assert found[10] == pytest.approx((0.9 - 0.8 * 20 / 50, 0.4 - 0.2 * 20 / 100))
    assert found[25] == pytest.approx((0.1, 0.3))
    assert found[50] == pytest.approx((0.1, 0.2))


def test_transitions_are_learned_one_after_the_other() -> None:
    """Twice the same: 0 -> 1 x 0.5 = 0.5 -> 0.75, where a sum of both would give 1."""
    learner = agent(learning_rate=0.5, learning_rate_end=0.5)
    told = learner.update(batch(1.0)._replace(action=np.ones((1, 2), int), reward=np.ones((1, 2))))
    assert learner.q[0, 0].tolist() == [0, 0.75, 0]
    assert told.metrics["td_error"].tolist() == [0.75]  # the errors were 1 and 0.5


# ---- what is refused


def test_a_table_that_is_too_large_is_refused_with_what_to_do() -> None:
    bound = np.ones(9, np.float32)
    with pytest.raises(InputError, match=r"about 10\^10 numbers for each of 2 seeds.*last_return,position"):
        create(CONFIGS["sarsa"](bins=11), Box(-bound, bound), Discrete(3), [0, 1], 100)


def test_real_actions_have_no_table() -> None:
    bound = np.ones(1, np.float32)
    with pytest.raises(InputError, match="double-q-learning needs discrete actions"):
        create(CONFIGS["double-q-learning"](), Box(-bound, bound), Box(-bound, bound), [0], 100)


@pytest.mark.parametrize("name", ["dqn", "ppo", "a2c"])
def test_networks_do_not_take_numbered_states_for_amounts(name: str) -> None:
    with pytest.raises(InputError, match=f"{name} cannot learn from numbered states"):
        agent(name)


def test_another_agents_table_is_not_taken() -> None:
    with pytest.raises(ValueError, match=r"shape \(1, 3, 2\), expected \(1, 3, 3\)"):
        agent().load_state_dict(agent(n=2).state_dict())
