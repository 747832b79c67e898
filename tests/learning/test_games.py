"""Independent learners by table in matrix games end where theory and the literature have them end.

A hundred teams of two, alpha 0.1, epsilon from 1 to 0.05 over the first half of 10,000 games.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from tradebot.agents.configs import QLearningConfig
from tradebot.agents.registry import create
from tradebot.api.experiment import experiment
from tradebot.core import Array
from tradebot.envs import catalogue
from tradebot.rl.loop import memory_for, train

SETTINGS = {
    "envs": 1,
    "learning_rate": 0.1,
    "learning_rate_end": 0.1,
    "epsilon_start": 1.0,
    "epsilon_end": 0.05,
    "epsilon_fraction": 0.5,
}


@cache
def paid(name: str) -> Array:
    """[100, 2] what the two of each team are paid for the actions that they hold to be the best."""
    plan = experiment("q-learning", {}, {"env": name, "seeds": 100, "steps": 10_000, **SETTINGS})
    assert isinstance(plan.agent, QLearningConfig) and len(plan.members) == 200
    env = catalogue.make(name, plan.seeds, 1)
    agent = create(plan.agent, env.observation_space, env.action_space, plan.members, plan.run.steps)
    memory = memory_for(agent, env, plan.members, plan.run.steps)
    for _ in train(agent, env, memory, len(plan.members), plan.run.steps):
        pass
    action, _ = agent.act(np.zeros((200, 1, 1), int), explore=False)
    return env.step(action.reshape(-1)).reward.reshape(100, 2)


def test_in_the_climbing_game_few_climb_and_nobody_reaches_the_top() -> None:
    """Most end in the corner that is safe, at 5, about one in nine at 6 and none at 11."""
    payoff = paid("game:climbing")[:, 0]
    fives, sixes = (payoff == 5).sum(), (payoff == 6).sum()
    assert fives + sixes == 100
    assert 4 <= sixes <= 20  # 11 expected, with a deviation of 3.1


@pytest.mark.parametrize(("k", "payoff"), [(0, 10), (-50, 2), (-100, 2)])
def test_a_penalty_drives_all_to_the_safe_agreement(k: int, payoff: int) -> None:
    assert (paid(f"game:penalty?k={k}") == payoff).all()


def test_all_prisoners_defect() -> None:
    assert (paid("game:prisoners-dilemma") == 1).all()


def test_all_hunters_take_the_hare() -> None:
    assert (paid("game:stag-hunt") == 2).all()
