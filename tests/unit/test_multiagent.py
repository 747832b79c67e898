"""Agents on a square: what they are paid by hand, the optima by other ways, spread beside mpe2's."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest
from scipy.optimize import linprog

from tradebot.core import Array, InputError
from tradebot.envs import catalogue
from tradebot.envs.configs import MultiAgentConfig
from tradebot.envs.multiagent import MultiAgentEnv, optimum, standing


def placed(position: Any, **settings: Any) -> MultiAgentEnv:
    """One environment with its agents at these places."""
    env = MultiAgentEnv(MultiAgentConfig(agents=len(position), **settings), [0], 1)
    env.reset()
    env.load_state_dict(env.state_dict() | {"position": np.array([position], dtype=float)})
    return env


def test_on_the_plane_agents_move_within_the_walls_and_pay_for_their_distance() -> None:
    env = placed([[0.0, 0.0], [0.5, 0.95], [-1.0, 0.0]], speed=0.1)
    # to (0.1, -0.05), (0.5, 1.0) and (-1.0, 0.0): distances 0.4 + 1.05, 1.1 + 0.05 and 1.5 + 1.0
    step = env.step(np.array([[1.0, -0.5], [0.0, 1.0], [-7.0, 0.0]], np.float32))
    assert np.allclose(env.positions[0, 0], [[0.1, -0.05], [0.5, 1.0], [-1.0, 0.0]])
    assert np.allclose(step.reward, [-(1.45 + 1.15) / 4, -(1.45 + 2.5) / 4, -(1.15 + 2.5) / 4])
    assert np.allclose(step.obs[0], [0.1, -0.05, 0.2, 0.525, -0.55, 0.025])


def test_on_the_grid_agents_that_swap_are_as_far_apart_as_before() -> None:
    env = placed([[1, 1], [2, 1]], form="grid", width=3)
    before = env.load_state_dict(env.state_dict())
    assert before.tolist() == [[3 * 5 + 2], [1 * 5 + 2]]  # offsets (1, 0) and (-1, 0), each raised by 2
    step = env.step(np.array([2, 1]))
    assert step.obs.tolist() == before[::-1].tolist() and step.reward.tolist() == [-0.5, -0.5]
    assert env.step(np.array([0, 2])).reward.tolist() == [0.0, 0.0]
    env.step(np.array([4, 3]))
    assert env.snapshot(0)["positions"].tolist() == [[2, 2], [2, 0]]
    env.step(np.array([4, 1]))  # a wall above
    assert env.snapshot(1)["positions"].tolist() == [[2, 2], [1, 0]]


def least_distance(start: Array, speed: float, limit: int) -> float:
    """Sum over steps and pairs of |x_i - x_j|, at the least, of one coordinate: a linear program."""
    n = len(start)
    pairs = [(i, j) for i in range(n) for j in range(i)]
    places, size = n * limit, n * limit + len(pairs) * limit
    rows, bounds = [], []
    for t in range(limit):
        for i, sign in product(range(n), (1, -1)):  # sign (x_t - x_tm1) <= speed
            row = np.zeros(size)
            row[t * n + i] = sign
            if t:
                row[(t - 1) * n + i] = -sign
            rows.append(row)
            bounds.append(speed + (0 if t else sign * start[i]))
        for (k, (i, j)), sign in product(enumerate(pairs), (1, -1)):  # sign (x_i - x_j) <= distance
            row = np.zeros(size)
            row[t * n + i], row[t * n + j], row[places + t * len(pairs) + k] = sign, -sign, -1
            rows.append(row)
            bounds.append(0)
    cost = np.r_[np.zeros(places), np.ones(size - places)]
    least = linprog(cost, np.array(rows), bounds, bounds=(None, None)).fun
    assert least is not None
    return float(least)


@pytest.mark.parametrize("agents", [2, 3, 4, 5])
def test_linear_programming_confirms_the_optimum_on_the_plane(agents: int) -> None:
    config = MultiAgentConfig(agents=agents, limit=6)
    start = np.random.default_rng(agents).uniform(-1, 1, (agents, 2))
    pairs = agents * (agents - 1) / 2
    found = sum(least_distance(start[:, d], config.speed, config.limit) for d in range(2))
    assert optimum(config, start) == pytest.approx(-found / pairs / 2)


def test_value_iteration_confirms_the_optimum_on_the_grid() -> None:
    width, limit = 4, 3
    config = MultiAgentConfig(form="grid", width=width, limit=limit)
    cells = np.array(list(product(range(width), repeat=2)))
    moves = np.array([[0, 0], [-1, 0], [1, 0], [0, -1], [0, 1]])
    after = np.clip(cells[:, None] + moves, 0, width - 1) @ [width, 1]  # [C, 5] number of the cell
    paid = -np.abs(cells[:, None] - cells).sum(-1) / (width - 1)  # [C, C]
    value: Array = np.zeros_like(paid)
    for _ in range(limit):
        value = (paid + value)[after[:, :, None, None], after[None, None]].max((1, 3))
    starts = np.stack(np.broadcast_arrays(cells[:, None], cells), axis=-2)  # [C, C, 2, 2]
    assert np.allclose(optimum(config, starts), value)


@pytest.mark.parametrize("form", ["plane", "grid"])
def test_who_stands_still_earns_what_standing_says(form: str) -> None:
    config = MultiAgentConfig(form=form, agents=3)
    env = MultiAgentEnv(config, [3, 4], 5)
    env.reset()
    start = env.positions
    idle = np.zeros((30, 2)) if form == "plane" else np.zeros(30, int)
    total = np.sum([env.step(idle).reward for _ in range(config.limit)], axis=0)
    assert np.allclose(total.reshape(2, 3, 5).mean(1), standing(config, start))


def test_the_optimum_is_not_guessed() -> None:
    for settings in ({"task": "spread"}, {"form": "grid", "agents": 3}):
        config = MultiAgentConfig.model_validate(settings)
        with pytest.raises(ValueError, match="the optimum is known of"):
            optimum(config, np.zeros((config.agents, 2)))


@pytest.mark.parametrize(
    "query",
    ["task=spread&form=grid", "form=grid&agents=9", "agents=1", "task=meet", "width=9", "form=grid&speed=1"],
)
def test_settings_that_do_not_fit_are_refused(query: str) -> None:
    with pytest.raises(InputError):
        catalogue.check(f"multiagent?{query}")


def test_spread_pays_for_the_nearest_and_for_overlaps() -> None:
    env = placed([[0.0, 0.0], [0.2, 0.0]], task="spread")
    env.load_state_dict(env.state_dict() | {"landmarks": np.array([[[0.0, 0.3], [0.2, -0.4]]])})
    step = env.step(np.array([0, 0]))  # nobody has a velocity yet, so nobody moves
    assert np.allclose(step.reward, -0.5 * (0.3 + 0.4) - 0.5)
    # They overlap by 0.1 and are pushed apart by 100 x 0.1 for 0.1 of time.
    assert np.allclose(step.obs[:, 0], [-1.0, 1.0])


def test_spread_is_step_by_step_that_of_mpe2() -> None:
    spread = pytest.importorskip("mpe2.simple_spread_v3")
    other = spread.parallel_env()
    env = MultiAgentEnv(MultiAgentConfig(task="spread", agents=3), [0], 1)
    env.reset()
    generator, n_overlaps = np.random.default_rng(0), 0
    for _ in range(40):
        other.reset(seed=0)
        facts, world = env.snapshot(0), other.unwrapped.world
        for agent, place in zip(world.agents, facts["positions"], strict=True):
            agent.state.p_pos = place
        for landmark, place in zip(world.landmarks, facts["landmarks"], strict=True):
            landmark.state.p_pos = place
        for _ in range(25):
            action = generator.integers(0, 5, 3)
            step = env.step(action)
            seen, paid, _, truncated, _ = other.step({f"agent_{i}": int(a) for i, a in enumerate(action)})
            for i in range(3):
                assert np.allclose(step.next_obs[i], seen[f"agent_{i}"][:14], rtol=0, atol=1e-6)  # float32
                assert step.reward[i] == pytest.approx(paid[f"agent_{i}"], abs=1e-12)
                assert step.truncated[i] == truncated[f"agent_{i}"]
            n_overlaps += len({*step.reward.tolist()}) > 1
    assert n_overlaps > 20
