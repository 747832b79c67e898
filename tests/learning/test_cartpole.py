"""CartPole-v1 with default hyperparameters: 500 is the longest episode, 475 counts as solved."""

from __future__ import annotations

from pathlib import Path

import pytest

import tradebot


@pytest.mark.learning
@pytest.mark.parametrize(("agent", "steps"), [("ppo", 100_000), ("dqn", 50_000)])
def test_the_median_of_five_seeds_solves_it(agent: str, steps: int, tmp_path: Path) -> None:
    run = tradebot.train(agent, env="gym:CartPole-v1", steps=steps, seeds=5, out=tmp_path)
    evaluation = run.manifest.evaluation
    assert evaluation is not None and evaluation.median is not None
    assert evaluation.median >= 475, evaluation.members
