"""The markets in which the members of a seed learn: what each is fitted on, and in which order they stand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from tradebot.api.experiment import Experiment, experiment
from tradebot.api.parts import learning_env, prepared
from tradebot.core import InputError
from tradebot.market.env import TradingEnv, reward_scale

MARKET = "synthetic:gbm?sigma=0.02&n=900"


def plan(study: str, **settings: Any) -> Experiment:
    given = {"data": MARKET, "features": "last_return,position", "seeds": 3, "envs": 2} | settings
    return experiment("a2c", {}, given, study=study)


def test_every_fold_has_the_reward_scale_of_its_own_training() -> None:
    of = plan("walkforward", folds=4, train="100bars", test="100bars")
    made = prepared(of)
    env, scale = learning_env(of, made.parts, made.observed)
    wanted = [reward_scale(made.bars, part.first, part.last) for part in made.parts]
    assert len(set(wanted)) == 4
    assert_array_equal(scale, wanted * 3)  # seed by seed, as the members are
    assert env.n_envs == 3 * 4 * 2 and of.members == [seed for seed in range(3) for _ in range(4)]


def test_copies_shuffle_history_training_and_test_apart() -> None:
    of = plan("nulltest", markets=3, start="2000-01-10", end="2000-01-25")
    made = prepared(of)
    real, *copies = made.parts
    assert len(copies) == 3 and {(part.first, part.last) for part in made.parts} == {(real.first, real.last)}
    for copy in copies:
        assert not np.allclose(copy.bars.close, real.bars.close, rtol=1e-3)
        assert_allclose(
            copy.bars.close[[real.first, real.last, -1]], real.bars.close[[real.first, real.last, -1]]
        )
    assert len({copy.bars.fingerprint for copy in copies}) == 3


def test_more_copies_change_none_of_the_first() -> None:
    few, many = (prepared(plan("nulltest", markets=k, end="2000-01-25", seed=k)).parts for k in (2, 5))
    for one, other in zip(few, many, strict=False):
        assert one.bars.fingerprint == other.bars.fingerprint
    other = prepared(plan("nulltest", markets=2, end="2000-01-25", shuffle=1)).parts
    assert other[1].bars.fingerprint != few[1].bars.fingerprint


def test_a_test_ends_where_it_is_told_to() -> None:
    made = prepared(plan("nulltest", markets=1, end="2000-01-25", until="2000-01-31"))
    assert str(made.bars.timestamps[-1])[:10] == "2000-01-31"


def test_a_run_of_one_market_is_no_joined_environment() -> None:
    of = plan("", steps=10)
    env, scale = learning_env(of, prepared(of).parts, prepared(of).observed)
    assert isinstance(env, TradingEnv) and scale.shape == (3,)


def test_settings_of_a_study_are_for_that_study(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="folds"):
        plan("nulltest", folds=3)
    with pytest.raises(InputError, match="no walkforward of ring"):
        experiment("a2c", {}, {"env": "ring"}, study="walkforward")
    assert plan("walkforward").sections()["walkforward"] == plan("walkforward").walkforward
    assert "walkforward" not in plan("").sections()
