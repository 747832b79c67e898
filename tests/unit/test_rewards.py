"""Each reward against a number worked out by hand; the differential Sharpe ratio against what it is of."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from tradebot import plugins
from tradebot.config import build
from tradebot.core import Array, InputError
from tradebot.market import configs
from tradebot.market.rewards import (
    LARGEST,
    REWARDS,
    Reward,
    differential_sharpe,
    of_plugin,
    volatility_penalised,
)


def memory_of(reward: Reward, n: int) -> Array:
    memory = np.full((n, reward.n_memory), 7.0)
    reward.begin(memory)
    return memory


@pytest.mark.parametrize("name", REWARDS)
def test_every_reward_is_finite_on_wild_growth_and_leaves_its_input_alone(name: str) -> None:
    reward, rng = REWARDS[name], np.random.default_rng(1)
    memory = memory_of(reward, 5)
    for size in (0.0, 1e-300, 1e-9, 0.01, 5.0, 0.0):
        growth = size * rng.standard_normal(5)
        given = growth.copy()
        assert np.isfinite(reward.compute(growth, memory)).all() and np.isfinite(memory).all()
        assert np.array_equal(growth, given)


@pytest.mark.parametrize("name", REWARDS)
def test_an_account_is_rewarded_as_if_it_were_alone_and_an_episode_as_if_it_were_the_first(name: str) -> None:
    reward = REWARDS[name]
    growth = 0.01 * np.random.default_rng(2).standard_normal((40, 3))
    memory, alone = memory_of(reward, 3), memory_of(reward, 1)
    for t, step in enumerate(growth):
        if t == 20:  # account 1 begins anew, and so does its double
            reward.begin(memory, np.array([False, True, False]))
            alone = memory_of(reward, 1)
        assert reward.compute(step, memory)[1] == reward.compute(step[1:2], alone)[0]


def test_log_return_and_return_are_two_ways_to_say_growth() -> None:
    growth = np.log([1.1, 0.5])  # 10 % more, half
    none = np.empty((2, 0))
    assert REWARDS["log-return"].compute(growth, none).tolist() == growth.tolist()
    np.testing.assert_allclose(REWARDS["return"].compute(growth, none), [0.1, -0.5], rtol=1e-14)


# ---- the differential Sharpe ratio


def test_a_differential_sharpe_ratio_worked_out_by_hand() -> None:
    """A = .001, B = .0004, R = .013: dA = .012, dB = .000169 - .0004 = -.000231.

    (.0004 x .012 + .001 x .000231 / 2) / (.0004 - .000001)^1.5 = 4.9155e-6 / 7.97002...e-6 = .616748862
    """
    reward, memory = differential_sharpe(eta=0.5), np.array([[0.001, 0.0004]])
    found = reward.compute(np.log1p([0.013]), memory)
    assert found[0] == pytest.approx(0.616748862, abs=5e-10)
    np.testing.assert_allclose(memory, [[0.007, 0.0002845]], rtol=1e-12)  # half the way to R and to R^2


def test_it_starts_at_zero_and_is_defined_once_something_has_moved() -> None:
    reward = differential_sharpe(eta=0.25)
    memory = memory_of(reward, 1)
    found = [reward.compute(np.log1p([r]), memory)[0] for r in (0.0, 0.0, 0.02, 0.01)]
    assert found[:3] == [0.0, 0.0, 0.0]
    # After R = .02: A = .005, B = .0001, variance .000075; R = .01 gives dA = .005, dB = 0.
    assert found[3] == pytest.approx(0.0001 * 0.005 / 0.000075**1.5, rel=1e-9)


def test_a_constant_return_has_no_variance_to_be_divided_by() -> None:
    reward, memory = differential_sharpe(), np.array([[0.01, 0.01**2]])
    for _ in range(50):
        assert reward.compute(np.log1p([0.01]), memory)[0] == 0.0


@pytest.mark.parametrize("sign", [1, -1])
def test_a_move_out_of_a_calm_is_bounded(sign: int) -> None:
    reward, memory = differential_sharpe(), memory_of(differential_sharpe(), 1)
    for growth in (1e-6, -1e-6):
        reward.compute(np.array([growth]), memory)
    assert abs(reward.compute(np.array([sign * 0.1]), memory)[0]) == LARGEST


def test_its_sum_is_the_change_of_the_exponential_sharpe_ratio_to_first_order_in_eta() -> None:
    """S(T) - S(0) = eta sum D + O(eta^2) a step. With eta T fixed the error is O(eta): it falls with eta."""
    errors = []
    for eta in (0.01, 0.005, 0.0025):
        steps = round(1 / eta)
        returns = 0.01 * np.sin(np.linspace(0, 12, steps)) + 0.002  # the same path, sampled more finely
        reward, memory = differential_sharpe(eta), np.array([[0.001, 0.0002]])
        total, first, second = 0.0, 0.001, 0.0002
        before = first / math.sqrt(second - first**2)
        for r in returns:
            total += eta * reward.compute(np.log1p([r]), memory)[0]
            first, second = first + eta * (r - first), second + eta * (r**2 - second)
        change = first / math.sqrt(second - first**2) - before
        errors.append(abs(total - change) / abs(change))
    assert errors[0] < 0.05
    assert [errors[0] / errors[1], errors[1] / errors[2]] == pytest.approx([2, 2], rel=0.1)


def test_its_size_is_about_that_of_a_return_in_deviations() -> None:
    """So it needs no scale: D = (R - A) / deviation where A is small, whatever the unit of the returns."""
    rng = np.random.default_rng(3)
    shocks = rng.standard_normal(3000)
    for size in (1e-4, 0.02):
        reward = differential_sharpe()
        memory = memory_of(reward, 1)
        found = np.array([reward.compute(np.log1p([size * z]), memory)[0] for z in shocks])
        assert 0.9 < found[500:].std() < 1.1
        assert np.corrcoef(found[500:], shocks[500:])[0, 1] > 0.98


# ---- volatility-penalised


def test_a_volatility_penalty_worked_out_by_hand() -> None:
    """lambda = 4, eta = .5, from m = 0: .1 - 2 x .1^2 = .08, m = .05; then -.05 - 2 x .1^2 = -.07, m = 0."""
    reward = volatility_penalised(risk_aversion=4.0, eta=0.5)
    memory = memory_of(reward, 1)
    found = [reward.compute(np.array([g]), memory)[0] for g in (0.1, -0.05)]
    assert found == pytest.approx([0.08, -0.07], rel=1e-12)
    assert memory[0, 0] == pytest.approx(0.0, abs=1e-15)


def test_its_mean_is_mean_minus_half_lambda_variance() -> None:
    growth = 0.001 + 0.02 * np.random.default_rng(4).standard_normal(20_000)
    reward = volatility_penalised(risk_aversion=3.0, eta=1e-3)
    memory = memory_of(reward, 1)
    found = np.mean([reward.compute(growth[t : t + 1], memory)[0] for t in range(len(growth))])
    assert found == pytest.approx(growth.mean() - 1.5 * growth.var(), rel=0.02)


# ---- by name


def test_the_configuration_knows_every_reward_and_takes_functions_of_files() -> None:
    assert tuple(REWARDS) == configs.REWARDS
    for name in (*REWARDS, "own.py:f"):
        assert build(configs.TradingConfig, {"reward": name}).reward == name
    with pytest.raises(
        InputError, match=r"^reward: unknown reward 'retrun': did you mean 'return'\?, or write"
    ):
        build(configs.TradingConfig, {"reward": "retrun"})


def test_a_function_of_a_file_is_a_reward(tmp_path: Path) -> None:
    file = tmp_path / "own.py"
    file.write_text("import numpy as np\ndef f(growth):\n    growth *= 2\n    return np.minimum(growth, 0)\n")
    reward, growth = of_plugin(plugins.load(f"{file}:f")), np.array([0.1, -0.2])
    assert reward.compute(growth, memory_of(reward, 2)).tolist() == [0.0, -0.4]
    assert growth.tolist() == [0.1, -0.2]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("growth.sum()", r"returned the shape \(\), expected \(2,\)"),
        ("growth[:, None]", r"returned the shape \(2, 1\), expected \(2,\)"),
        ("growth / 0 * [1, 0]", r"the reward of the log growth 0\.1 is inf"),
        ("'much'", "should return an array of numbers, not 'much'"),
        ("growth.nothing", r"AttributeError: .* \(own\.py, line 2\)"),
    ],
)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_a_reward_of_another_kind_is_refused(tmp_path: Path, body: str, message: str) -> None:
    (tmp_path / "own.py").write_text(f"def f(growth):\n    return {body}\n")
    with pytest.raises(InputError, match=message):
        of_plugin(plugins.load(f"{tmp_path / 'own.py'}:f")).compute(np.array([0.1, -0.2]), np.empty((2, 0)))
