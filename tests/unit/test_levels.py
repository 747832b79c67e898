"""Where episodes start: probabilities from scores, and weights that give the uniform mean back."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from tests.candles import walk
from tradebot.core import Array, Curriculum, Levels
from tradebot.market.configs import TradingConfig
from tradebot.market.costs import Costs
from tradebot.market.env import TradingEnv
from tradebot.rl.levels import MEMORY, LevelSampler

LEVELS = Levels(share=np.array([0.4, 0.4, 0.2]), scale=np.array([1.0, 2.0, 1.0]))


def sampler(
    seeds: Sequence[int] = (0,), alpha: float = 1.0, beta: float = 1.0, floor: float = 0.2, stale: float = 0.0
) -> LevelSampler:
    return LevelSampler(Curriculum(alpha, beta, floor, stale), LEVELS, seeds, envs=4)


def met(*levels_and_values: tuple[int, float]) -> tuple[Array, Array]:
    """A batch of one member."""
    levels, values = zip(*levels_and_values, strict=True)
    return np.array([levels]), np.array([values])


def test_levels_that_were_never_met_are_drawn_by_their_share() -> None:
    np.testing.assert_allclose(sampler().probability, [LEVELS.share])


def test_a_level_is_drawn_by_its_mean_advantage_in_units_of_its_scale_above_the_floor() -> None:
    found = sampler()
    found.prioritize(*met((0, 1.0), (0, -3.0), (1, 2.0), (2, 0.5)))
    # scores 2, 2 / 2, 0.5; times share .8, .4, .1, of 1.3; 0.8 of that and 0.2 of the share
    expected = [0.8 * 0.8 / 1.3 + 0.08, 0.8 * 0.4 / 1.3 + 0.08, 0.8 * 0.1 / 1.3 + 0.04]
    np.testing.assert_allclose(found.probability, [expected])


def test_what_is_not_known_of_a_level_leaves_its_score_alone() -> None:
    known, told = sampler(), sampler()
    known.prioritize(*met((0, 1.0), (1, 2.0), (2, 0.5)))
    told.prioritize(*met((0, 1.0), (0, np.nan), (1, 2.0), (2, 0.5)))
    assert np.array_equal(told.probability, known.probability)
    told.prioritize(*met((1, np.nan)))
    assert np.array_equal(told.probability, known.probability)


def test_an_exponent_of_zero_ranks_nothing() -> None:
    found = sampler(alpha=0.0)
    found.prioritize(*met((0, 1.0), (1, 20.0), (2, 0.1)))
    np.testing.assert_allclose(found.probability, [LEVELS.share])


def test_a_level_that_was_never_met_counts_as_the_best_that_was() -> None:
    found = sampler(floor=0.0)
    found.prioritize(*met((0, 1.0), (1, 4.0)))  # scores 1 and 2, so 2 for the third
    np.testing.assert_allclose(found.probability, [np.array([0.4, 0.8, 0.4]) / 1.6])


def test_a_score_forgets_over_so_many_transitions() -> None:
    found = sampler(floor=0.0)
    found.prioritize(*met((0, 1.0), (1, 2.0), (2, 1.0)))
    found.prioritize(*met(*[(0, 3.0)] * (MEMORY // 4)))  # 1 + (3 - 1) / 4
    np.testing.assert_allclose(found.probability, [np.array([0.6, 0.4, 0.2]) / 1.2])


def test_levels_that_were_not_visited_for_long_are_drawn_for_that() -> None:
    found = sampler(stale=0.5)
    for _ in range(3):
        found.prioritize(*met((0, 1.0), (1, 2.0)))
    found.prioritize(*met((0, 1.0), (2, 1.0)))  # ages 0, 1, 0; scores all 1
    np.testing.assert_allclose(found.probability, [0.5 * LEVELS.share + [0, 0.5, 0]])


def test_weights_give_the_uniform_mean_back() -> None:
    found = sampler()
    found.prioritize(*met((0, 9.0), (1, 1.0), (2, 0.1)))
    value = np.array([1.0, -2.0, 5.0])  # of an episode in each level; uniformly 0.4 - 0.8 + 1 = 0.6
    level, weight = [], []
    for _ in range(20_000):
        level.append(found.propose())
        found.begun(np.ones((1, 4), dtype=bool))
        weight.append(found.weight)
    drawn = value[np.array(level)]
    assert np.mean(drawn) > 0.8  # the first level is drawn far too often
    weighted = np.array(weight) * drawn
    error = weighted.std() / np.sqrt(weighted.size)
    assert np.mean(weighted) == pytest.approx(0.6, abs=4 * error)
    assert error < 0.02
    assert np.max(weight) <= 1 / 0.2 + 1e-9


def test_an_episode_keeps_its_weight_until_the_next_begins() -> None:
    found = sampler()
    found.prioritize(*met((0, 9.0), (1, 1.0), (2, 0.1)))
    found.propose()
    first = found.weight.copy()  # all four begin with the first proposal
    level = found.propose()
    found.begun(np.array([[True, False, False, True]]))
    fresh = LEVELS.share[level] / found.probability[0][level]
    np.testing.assert_allclose(found.weight, np.where([[True, False, False, True]], fresh, first))


def test_a_member_alone_draws_what_it_draws_in_company_and_goes_on_where_it_stopped() -> None:
    together, alone = sampler((3, 4)), sampler((4,))
    generator = np.random.default_rng(0)
    for _ in range(50):
        level, value = generator.integers(0, 3, (2, 40)), generator.random((2, 40))
        both, one = together.propose(), alone.propose()
        np.testing.assert_array_equal(both[1:], one)
        where = generator.random((2, 4)) < 0.3
        together.begun(where)
        alone.begun(where[1:])
        together.prioritize(level, value)
        alone.prioritize(level[1:], value[1:])
    np.testing.assert_array_equal(together.weight[1:], alone.weight)

    resumed = sampler((4,))
    resumed.load_state_dict(alone.state_dict())
    np.testing.assert_array_equal(resumed.propose(), alone.propose())
    np.testing.assert_array_equal(resumed.weight, alone.weight)


# ---- the grid of the trading environment


def trading(window: int) -> TradingEnv:
    bars = walk(200, seed=0)
    config = TradingConfig()
    return TradingEnv(bars, config, Costs(), first=60, last=180, envs=200, window=window)


def test_windows_are_a_grid_of_all_starts_and_episodes_start_where_they_are_sent() -> None:
    env = trading(window=50)  # 71 starts: 50 and 21
    assert env.levels is not None
    np.testing.assert_allclose(env.levels.share, [50 / 71, 21 / 71])
    assert env.levels.scale.mean() == pytest.approx(1.0)
    for level in (0, 1):
        env.assign(np.full(200, level))
        env.reset()
        found = env.state_dict()["bar"] - 60
        low, high = [(0, 49), (50, 70)][level]
        assert low <= found.min() < low + 5 and high - 5 < found.max() <= high
        assert (env.step(np.zeros(200, dtype=int)).level == level).all()


def test_one_window_is_nothing_to_choose_from() -> None:
    assert trading(window=120).levels is None
    assert trading(window=60).levels is not None
