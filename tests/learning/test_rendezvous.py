"""Independent learners come together almost as fast as can be."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tradebot
from tests.benchmarks.multiagent import share_of_best

pytestmark = pytest.mark.learning


@pytest.mark.parametrize(
    ("agent", "env", "settings"),
    [
        ("q-learning", "multiagent?form=grid", {"learning_rate": 0.2, "learning_rate_end": 0.02}),
        ("ppo", "multiagent", {"learning_rate": 1e-3, "n_steps": 100}),
    ],
)
def test_the_median_team_goes_95_percent_of_the_way_from_standing_still_to_the_best(
    agent: str, env: str, settings: dict[str, Any], tmp_path: Path
) -> None:
    run = tradebot.train(agent, env=env, steps=100_000, seeds=3, gamma=0.9, out=tmp_path, **settings)
    evaluation = run.manifest.evaluation
    assert evaluation is not None
    earned = np.array(evaluation.members, float).reshape(3, -1).mean(axis=1)
    share = share_of_best(env, run.seeds, earned)
    assert np.median(share) >= 0.95 and share.max() <= 1 + 1e-9, share
