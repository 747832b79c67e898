"""How the settings of a run come together."""

from __future__ import annotations

import pytest

from tradebot.api.experiment import experiment


@pytest.mark.parametrize("agent", ["dqn", "ppo", "a2c", "q-learning"])
def test_trading_looks_less_far_ahead_than_a_game_unless_something_else_is_said(agent: str) -> None:
    gammas = [
        experiment(agent, toml, settings).agent.gamma
        for toml, settings in [
            ({}, {}),
            ({}, {"env": "gym:CartPole-v1"}),
            ({"agent": {"gamma": 0.9}}, {}),
            ({"agent": {"gamma": 0.9}}, {"gamma": 0.99}),
            ({"run": {"env": "gym:CartPole-v1"}}, {}),
        ]
    ]
    assert gammas == [0.95, 0.99, 0.9, 0.99, 0.99]
