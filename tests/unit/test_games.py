"""What the matrix games pay, by hand, and to whom."""

from __future__ import annotations

import numpy as np
import pytest

from tradebot.envs import catalogue
from tradebot.envs.configs import GameConfig
from tradebot.envs.games import GameEnv


@pytest.mark.parametrize(
    ("name", "row", "column", "payoff"),
    [
        ("prisoners-dilemma", 0, 0, [3, 3]),
        ("prisoners-dilemma", 1, 0, [5, 0]),  # who defects alone
        ("prisoners-dilemma", 0, 1, [0, 5]),
        ("stag-hunt", 0, 1, [0, 3]),  # who hunts the stag alone
        ("matching-pennies", 0, 0, [1, -1]),
        ("matching-pennies", 1, 0, [-1, 1]),
        ("climbing", 1, 2, [6, 6]),
        ("climbing", 2, 1, [0, 0]),
        ("penalty", 0, 2, [-100, -100]),
        ("penalty?k=-7", 2, 0, [-7, -7]),
    ],
)
def test_what_two_choices_pay(name: str, row: int, column: int, payoff: list[float]) -> None:
    env = catalogue.make(f"game:{name}", [0], 1)
    env.reset()
    step = env.step(np.array([row, column]))
    assert step.reward.tolist() == payoff and step.terminated.all()


def test_players_of_a_team_meet_in_the_same_environment() -> None:
    env = GameEnv("prisoners-dilemma", GameConfig(), [0, 1], 2)
    env.reset()
    # team 0: rows play 0 1, columns 0 0 -> (0, 0) and (1, 0); team 1: rows 1 0, columns 1 1 -> (1, 1), (0, 1)
    step = env.step(np.array([0, 1, 0, 0, 1, 0, 1, 1]))
    assert step.reward.tolist() == [3, 5, 3, 0, 1, 0, 1, 5]
    assert env.snapshot(1)["action"].tolist() == env.snapshot(3)["action"].tolist() == [1, 0]
    assert env.snapshot(7)["action"].tolist() == [0, 1]
    env.reset()
    assert env.snapshot(0)["action"].tolist() == [-1, -1]
