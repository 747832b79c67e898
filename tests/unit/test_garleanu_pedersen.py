"""The signal that fades: the closed-form rule earns its value, and no other linear rule earns more."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy.linalg import solve_discrete_lyapunov

from tradebot.core import Array
from tradebot.envs.garleanu_pedersen import BOUND, GarleanuPedersenEnv, Optimum, Problem, optimum

PROBLEMS = [
    Problem(),
    Problem(persistence=0.5, risk_aversion=2.0, trading_cost=0.1),
    Problem(persistence=0.0, risk_aversion=1.0, trading_cost=1.0),
]


def test_the_numbers_of_the_standard_problem() -> None:
    best = optimum(Problem(persistence=0.9, risk_aversion=0.3, trading_cost=1.0))
    assert best.rate == pytest.approx(0.417891, abs=5e-7)
    assert best.value == pytest.approx(0.642015, abs=5e-7)


def mean_reward(problem: Problem, rate: float, aim: float) -> float:
    """Of the rule x_t = (1 - rate) x_{t-1} + rate aim f_t, from the stationary covariance of (f_t, x_t)."""
    phi, gain = problem.persistence, rate * aim
    carry = np.array([[phi, 0.0], [gain * phi, 1 - rate]])
    shock = np.array([[1.0], [gain]]) * np.sqrt(1 - phi**2)
    now = solve_discrete_lyapunov(carry, shock @ shock.T)
    trade = 2 * now[1, 1] - 2 * (carry @ now)[1, 1]  # E (x_t - x_{t-1})^2
    return float(now[0, 1] - problem.risk_aversion * now[1, 1] - problem.trading_cost * trade)


@pytest.mark.parametrize("problem", PROBLEMS)
def test_the_rule_has_its_value_and_its_neighbours_have_less(problem: Problem) -> None:
    rate, aim, value = optimum(problem)
    assert mean_reward(problem, rate, aim) == pytest.approx(value)
    for a, b in itertools.product((-0.02, 0.0, 0.02), repeat=2):
        if a or b:
            assert mean_reward(problem, rate * (1 + a), aim * (1 + b)) < value


@pytest.mark.parametrize("cost", [1e-4, 1e-8])
def test_where_trading_is_nearly_free_the_aim_is_reached_at_once(cost: float) -> None:
    # Each period for itself: x = f / (2 lambda), which earns E f^2 / (4 lambda).
    rate, aim, value = optimum(Problem(risk_aversion=0.5, trading_cost=cost))
    assert (rate, aim, value) == pytest.approx((1.0, 1.0, 0.5), rel=3 * cost)


def played(env: GarleanuPedersenEnv, best: Optimum, steps: int) -> Array:
    """Rewards [steps, E] under the optimal rule."""
    rewards = np.empty((steps, env.n_envs))
    obs = env.reset()
    for t in range(steps):
        step = env.step(best.action(obs))
        rewards[t], obs = step.reward, step.obs
    return rewards


@pytest.mark.parametrize("problem", PROBLEMS)
def test_the_rule_earns_its_value_in_the_environment(problem: Problem) -> None:
    best = optimum(problem)
    env = GarleanuPedersenEnv(problem, seeds=(0, 1), envs=200, window=1100)
    means = played(env, best, 1100)[100:].mean(axis=0)  # without the way in
    error = means.std(ddof=1) / np.sqrt(len(means))
    assert error < 0.01 * best.value
    assert means.mean() == pytest.approx(best.value, abs=4 * error)


def test_a_reward_by_hand() -> None:
    env = GarleanuPedersenEnv(Problem(persistence=0.9, risk_aversion=0.3, trading_cost=1.0), window=3)
    signal = float(env.reset()[0, 0])
    first = env.step(np.array([[2.0]]))
    assert first.reward[0] == pytest.approx(2 * signal - 0.3 * 4 - 1.0 * 4, rel=1e-6)
    assert first.obs[0, 1] == 2
    second = env.step(np.array([[-1.0]]))
    assert second.reward[0] == pytest.approx(-float(first.obs[0, 0]) - 0.3 * 1 - 1.0 * 9, rel=1e-6)
    assert not second.truncated[0]
    third = env.step(np.array([[100.0]]))  # clipped
    assert third.truncated[0] and third.next_obs[0, 1] == BOUND and third.obs[0, 1] == 0


def test_the_signal_has_its_law() -> None:
    env = GarleanuPedersenEnv(Problem(), envs=4000, window=2)
    first = env.reset()[:, 0]
    then = env.step(np.zeros((4000, 1))).obs[:, 0]
    for seen in (first, then):  # the deviation of a deviation is 1 / sqrt(2 n)
        assert np.std(seen) == pytest.approx(1, abs=4 / np.sqrt(8000))
    assert np.corrcoef(first, then)[0, 1] == pytest.approx(0.9, abs=4 * 0.19 / np.sqrt(4000))


def test_an_action_that_is_no_number_is_refused() -> None:
    env = GarleanuPedersenEnv(Problem())
    env.reset()
    with pytest.raises(FloatingPointError, match="not a number"):
        env.step(np.array([[np.nan]]))
