"""Navigation: steps by hand, maps that can be solved, and nothing that depends on chance twice."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pytest

from tradebot.core import Array, InputError
from tradebot.envs import catalogue
from tradebot.envs.configs import NavigationConfig
from tradebot.envs.geometry import connected, entry, inverse_directions, scan
from tradebot.envs.navigation import MARGIN, RADIUS, NavigationEnv, place, step_robots
from tradebot.envs.planning import shortest_way
from tradebot.envs.random import stream

Boxes = Sequence[Sequence[float]]  # x0, y0, x1, y1 of each


class Moved(NamedTuple):
    position: list[float]
    reward: float
    terminated: bool
    truncated: bool
    next_obs: Array  # [5 + R]


def moved(
    position: Sequence[float],
    action: Sequence[float],
    goal: Sequence[float] = (90, 20),
    boxes: Boxes = (),
    time: int = 0,
) -> Moved:
    """What a step does to a robot on a map of size 100 with four rays of 50 and a limit of 100 steps."""
    obstacles = np.array(boxes, dtype=float).reshape(1, -1, 4)
    column = np.zeros(1, dtype=np.int64)
    left, reward, ends = np.empty((1, 2)), np.empty(1), (np.empty(1, bool), np.empty(1, bool))
    obs, next_obs = np.empty((1, 9), np.float32), np.empty((1, 9), np.float32)
    at, end, wanted = (np.array([value], dtype=float) for value in (position, goal, action))
    step_robots(
        (100.0, 50.0, 100, False),
        (column, column, column.copy()),
        (at, end, obstacles, wanted, np.array([time]), left),
        inverse_directions(4),
        (np.zeros((50, 50), bool), np.zeros(2500, np.int64)),
        (obs, reward, *ends, next_obs),
    )
    return Moved(left[0].tolist(), reward[0], bool(ends[0][0]), bool(ends[1][0]), next_obs[0])


def test_a_free_step_is_five_long_and_pays_the_distance_that_is_left() -> None:
    step = moved((10, 20), (1, 0))
    assert step.position == [15, 20] and not step.terminated and not step.truncated
    assert step.reward == pytest.approx(-0.01 * 75)  # from x = 15 to x = 90


def test_a_robot_stops_where_it_meets_an_obstacle() -> None:
    step = moved((16, 20), (1, 0), boxes=[(20, 10, 30, 30)])
    assert step.position == pytest.approx([20, 20]) and step.terminated
    assert step.reward == pytest.approx(-0.01 * 70 - 1)


@pytest.mark.parametrize(("shift", "collides"), [(-0.01, False), (0.0, False), (0.01, True)])
def test_grazing_a_corner_is_free_and_cutting_it_is_not(shift: float, collides: bool) -> None:
    # Without the shift the way from (17.5, 22.5) to (22.5, 17.5) passes the corner (20, 20) half way.
    step = moved((17.5 + shift, 22.5 + shift), (1, -1), boxes=[(20, 20, 30, 30)])
    assert step.terminated == collides


def test_sliding_along_a_wall_is_free() -> None:
    assert not moved((18, 20), (1, 0), boxes=[(20, 20, 30, 30)]).terminated
    assert not moved((18, 30), (1, 0), boxes=[(20, 20, 30, 30)]).terminated
    assert moved((18, 29.99), (1, 0), boxes=[(20, 20, 30, 30)]).terminated


def test_nobody_tunnels_through_an_obstacle() -> None:
    # 7.07 long from (19, 22) to (24, 27), both outside of a square of five: it enters at x = 20, y = 23.
    step = moved((19, 22), (1, 1), boxes=[(20, 20, 25, 25)])
    assert step.position == pytest.approx([20, 23]) and step.terminated


def test_the_border_is_an_obstacle() -> None:
    step = moved((98, 50), (1, 1), goal=(50, 50))
    assert step.position == pytest.approx([100, 52]) and step.terminated  # two fifths of the step
    assert step.reward == pytest.approx(-0.01 * np.hypot(50, 2) - 1)
    assert not moved((95, 50), (1, 0), goal=(50, 50)).terminated  # it only touches
    assert moved((2, 50), (-1, 0), goal=(50, 50)).position == pytest.approx([0, 50])


def test_the_goal_is_reached_on_the_way_through_its_disc() -> None:
    # From (10, 24.9) to (15, 24.9), 4.9 above the goal: the disc is touched sqrt(25 - 24.01) before x = 12.5.
    step = moved((10, 24.9), (1, 0), goal=(12.5, 20))
    assert step.position == pytest.approx([12.5 - np.sqrt(0.99), 24.9]) and step.terminated
    assert step.reward == pytest.approx(100 - 0.05)


def test_what_is_met_first_decides() -> None:
    # The disc around (30, 20) begins at x = 25.
    assert moved((21, 20), (1, 0), goal=(30, 20), boxes=[(25.5, 10, 28, 30)]).reward > 99
    before = moved((21, 20), (1, 0), goal=(30, 20), boxes=[(24.5, 10, 28, 30)])
    assert before.position == pytest.approx([24.5, 20]) and before.reward == pytest.approx(-1.055)


def test_time_runs_out_as_a_truncation_unless_the_task_ends_in_that_step() -> None:
    late = moved((10, 20), (1, 0), time=99)
    assert late.truncated and not late.terminated and late.reward == pytest.approx(-0.75)
    assert not moved((10, 20), (1, 0), time=98).truncated
    arriving = moved((84, 20), (1, 0), time=99)
    assert arriving.terminated and not arriving.truncated


def test_what_is_seen_by_hand() -> None:
    # At (20, 50), 30 left of and 40 below the goal, half a step to the left behind it. Rays to the right, up,
    # left and down end after 10 at an obstacle, 50 at the border, 20 at the border and 50 again, of 50.
    seen = moved((22.5, 50), (-0.5, 0), goal=(50, 90), boxes=[(30, 40, 40, 60)]).next_obs
    diagonal = 100 * np.sqrt(2)
    assert seen.tolist() == pytest.approx([0.6, 0.8, 50 / diagonal, -0.5, 0, 0.2, 1, 0.4, 1])


def test_actions_are_cut_to_their_bounds_and_must_be_numbers() -> None:
    once, twice = (NavigationEnv(NavigationConfig(), [0], 4) for _ in range(2))
    for env in (once, twice):
        env.reset()
    wild = once.step(np.full((4, 2), 7.0))
    assert np.array_equal(wild.next_obs, twice.step(np.ones((4, 2))).next_obs)
    with pytest.raises(FloatingPointError, match="not a number"):
        once.step(np.full((4, 2), np.nan))


def test_rays_end_where_a_segment_of_their_direction_does() -> None:
    generator, length = np.random.default_rng(0), np.empty(36)
    angle = 2 * np.pi * np.arange(36) / 36
    boxes = np.empty((12, 4))
    for number in range(200):
        place(np.uint64(stream(number, 0, 0)), 0, 100.0, boxes)
        x, y = generator.uniform(0, 100, 2)
        scan(x, y, boxes, 100.0, inverse_directions(36), 40.0, length)
        for r, (dx, dy) in enumerate(zip(40 * np.cos(angle), 40 * np.sin(angle), strict=True)):
            part = min([1.0, *(entry(x, y, dx, dy, box) for box in boxes)])
            borders = [(100 * (d > 0) - p) / d for p, d in ((x, dx), (y, dy)) if abs(d) > 1e-9]
            assert length[r] == pytest.approx(40 * min([part, *borders]))


@pytest.mark.parametrize(("maps", "settings"), [(2_000, {}), (300, {"obstacles": 30}), (300, {"map": 5})])
def test_every_map_can_be_solved(maps: int, settings: dict[str, int]) -> None:
    env = NavigationEnv(NavigationConfig(**settings), [3], maps)
    env.reset()
    detours = 0
    for start, goal, boxes in zip(env.positions, env.goals, env.obstacles, strict=True):
        way = shortest_way(start, goal, boxes)
        assert way is not None and np.linalg.norm(goal - start) >= RADIUS + MARGIN
        detours += len(way) > 2
    assert detours > maps / 10  # it is not that only free lines are drawn


def test_obstacles_are_within_the_map_with_sides_of_5_to_15() -> None:
    env = NavigationEnv(NavigationConfig(), [0], 2_000)
    env.reset()
    low, high = env.obstacles[..., :2], env.obstacles[..., 2:]
    assert (low >= 0).all() and (high <= 100).all()
    sides = high - low
    assert (
        5 <= sides.min() < 5.01 and 14.99 < sides.max() <= 15 and sides.mean() == pytest.approx(10, abs=0.1)
    )


def test_a_flood_that_finds_a_way_is_right() -> None:
    room = np.zeros((30, 30), bool), np.zeros(900, np.int64)
    generator, boxes, found, refused = np.random.default_rng(0), np.empty((22, 4)), 0, 0
    for number in range(500):
        place(np.uint64(stream(number, 0, 0)), 0, 60.0, boxes)
        start, goal = generator.uniform(0, 60, (2, 2))
        way = shortest_way(start, goal, boxes)
        if connected(start, goal, boxes, 60.0, *room):
            found += 1
            assert way is not None
        else:
            refused += way is None
    assert found >= 50 and refused >= 50


def test_a_numbered_map_keeps_its_obstacles_and_draws_start_and_goal() -> None:
    env = NavigationEnv(NavigationConfig(map=7), [0, 1], 3)
    env.reset()
    boxes, goals = env.obstacles, env.goals
    assert (boxes == boxes[0]).all() and len(np.unique(goals, axis=0)) == 6
    env.reset()
    assert np.array_equal(env.obstacles, boxes) and not (env.goals == goals).any()
    other = NavigationEnv(NavigationConfig(map=8), [0], 1)
    assert not (other.obstacles[0] == boxes[0]).any()


def test_a_map_must_not_be_too_full() -> None:
    assert isinstance(catalogue.make("navigation?obstacles=50&rays=8&map=1", [0], 2), NavigationEnv)
    with pytest.raises(InputError, match="obstacles: at most 50 on a map of size 100"):
        catalogue.make("navigation?obstacles=51", [0], 1)


def trajectory_hash(seed: int) -> str:
    """Of all that 1,000 random steps bring."""
    env, generator = NavigationEnv(NavigationConfig(), [seed], 3), np.random.default_rng(0)
    told = hashlib.sha256(env.reset().tobytes())
    for _ in range(1_000):
        for column in env.step(generator.uniform(-1, 1, (3, 2))):
            told.update(column.tobytes())
    return told.hexdigest()


def test_a_thousand_steps_are_the_same_under_the_same_seed_alone() -> None:
    assert trajectory_hash(1) == trajectory_hash(1)
    assert len({trajectory_hash(seed) for seed in range(4)}) == 4


def test_a_snapshot_shows_what_the_robot_sees() -> None:
    env = NavigationEnv(NavigationConfig(reach=40), [0], 2)
    env.reset()
    obs = env.step(np.full((2, 2), 0.1)).obs
    shown = env.snapshot(1)
    assert np.array_equal(shown["position"], env.positions[1]) and np.array_equal(shown["goal"], env.goals[1])
    assert np.array_equal(shown["obstacles"], env.obstacles[1])
    assert np.allclose(np.asarray(shown["rays"]) / 40, obs[1, 5:])
    assert (shown["size"], shown["radius"]) == (100, 5)
