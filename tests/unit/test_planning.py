"""Shortest ways by hand and beside a search on a grid; success weighted by path length by hand."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.sparse import coo_array
from scipy.sparse.csgraph import shortest_path

from tradebot.core import Array, Batch, Extras, Rollout, State, Update
from tradebot.envs.configs import NavigationConfig
from tradebot.envs.navigation import NavigationEnv
from tradebot.envs.planning import (
    Navigated,
    at_random,
    navigate,
    of_agent,
    shortest_way,
    spl,
    straight,
    way_length,
)

OCTILE = 1 / np.cos(np.pi / 8)  # a way in eight directions is longer than a straight one by this at most


def way(start: tuple[float, float], goal: tuple[float, float], *boxes: tuple[float, ...]) -> Array | None:
    return shortest_way(np.array(start, float), np.array(goal, float), np.array(boxes, float).reshape(-1, 4))


def points(found: Array | None) -> list[list[float]]:
    assert found is not None
    return [list(point) for point in found.tolist()]


def test_a_free_line_is_the_shortest_way() -> None:
    assert points(way((0, 0), (30, 40))) == [[0, 0], [30, 40]]
    assert way_length(np.array([[0, 0], [30, 40]])) == 50


def test_a_way_leads_around_a_square_by_its_nearer_corners() -> None:
    found = way((0, 7), (30, 7), (10, 0, 20, 10))
    assert points(found) == [[0, 7], [10, 10], [20, 10], [30, 7]]
    assert found is not None and way_length(found) == pytest.approx(2 * np.sqrt(100 + 9) + 10)


def test_a_corner_within_another_obstacle_is_no_way() -> None:
    # Above, the two are up to y = 20: 18.6 + 10 + 12.1. Below it is 2 sqrt(10^2 + 9^2) + 10 = 36.9.
    found = way((0, 9), (30, 9), (10, 0, 20, 10), (15, 5, 25, 20))
    assert points(found) == [[0, 9], [10, 0], [20, 0], [30, 9]]


def test_a_way_may_pass_between_obstacles_that_touch_in_a_corner_only() -> None:
    assert points(way((5, 15), (15, 5), (0, 0, 10, 10), (10, 10, 20, 20))) == [[5, 15], [15, 5]]


def test_there_is_no_way_to_a_goal_that_is_walled_in() -> None:
    walls = [(20, 20, 40, 25), (20, 35, 40, 40), (20, 20, 25, 40), (35, 20, 40, 40)]
    assert way((0, 0), (30, 30), *walls) is None
    assert way((0, 0), (30, 30), *walls[1:]) is not None


def grid_length(start: Array, goal: Array, boxes: Array, size: int) -> float:
    """The shortest way along the edges and diagonals of unit cells, exact for whole coordinates: an edge or
    a diagonal is blocked where its middle lies within a rectangle."""
    x, y = np.meshgrid(np.arange(size + 1), np.arange(size + 1), indexing="ij")
    rows, columns, weights = [], [], []
    for dx, dy in ((1, 0), (0, 1), (1, 1), (1, -1)):
        there = (x + dx <= size) & (y + dy <= size) & (y + dy >= 0)
        a, b = x[there] + dx / 2, y[there] + dy / 2
        inside = (boxes[:, :2, None] < [a, b]) & (boxes[:, 2:, None] > [a, b])  # [K, 2, N]
        free = ~inside.all(axis=1).any(axis=0)
        first = (x[there] * (size + 1) + y[there])[free]
        rows.append(first)
        columns.append(first + dx * (size + 1) + dy)
        weights.append(np.full(len(first), np.hypot(dx, dy)))
    edges = np.concatenate(weights), (np.concatenate(rows), np.concatenate(columns))
    n = (size + 1) ** 2
    lengths = shortest_path(
        coo_array(edges, shape=(n, n)).tocsr(), directed=False, indices=_node(start, size)
    )
    return float(lengths[_node(goal, size)])


def _node(point: Array, size: int) -> int:
    return int(point[0]) * (size + 1) + int(point[1])


def test_a_search_on_a_fine_grid_is_never_shorter_and_longer_by_its_eight_directions_at_most() -> None:
    generator, size, none, bent = np.random.default_rng(0), 60, 0, 0
    for _ in range(150):
        sides = generator.integers(5, 16, (15, 2))
        low = generator.integers(0, size - sides + 1)
        boxes = np.concatenate([low, low + sides], axis=1).astype(float)
        start, goal = generator.integers(0, size + 1, (2, 2)).astype(float)
        found, on_grid = shortest_way(start, goal, boxes), grid_length(start, goal, boxes, size)
        if found is None:
            none += 1
            assert on_grid == np.inf
            continue
        length = way_length(found)
        bent += len(found) > 2
        assert length <= on_grid * (1 + 1e-12) and on_grid <= OCTILE * length * (1 + 1e-12)
    assert none >= 10 and bent >= 30


def test_spl_by_hand() -> None:
    # Straight there: 1. Twice as long as needed: 1/2. Straight into a wall: 0. Shorter than short: 1.
    success, length = np.array([True, True, False, True]), np.array([10.0, 20.0, 10.0, 9.0])
    assert spl(success, length, np.full(4, 10.0)) == pytest.approx((1 + 0.5 + 0 + 1) / 4)


def test_straight_lines_on_an_empty_map_are_perfect() -> None:
    went = navigate(straight, NavigationEnv(NavigationConfig(obstacles=0), [0], 200))
    assert (went.success, went.collisions, went.timeouts) == (1, 0, 0)
    assert went.spl == pytest.approx(1)
    assert went.length == pytest.approx(went.shortest)


def test_what_does_not_arrive_has_collided_or_run_out_of_time() -> None:
    env = NavigationEnv(NavigationConfig(limit=10), [0], 300)
    idle = navigate(lambda obs: np.zeros((len(obs), 2)), env)
    assert (idle.success, idle.collisions, idle.timeouts, idle.spl) == (0, 0, 1, 0)
    lost = navigate(at_random(0), NavigationEnv(NavigationConfig(), [0], 300))
    assert lost.collisions > 0.8 and lost.success + lost.collisions + lost.timeouts == pytest.approx(1)


def test_hardly_anybody_is_faster_than_the_shortest_way() -> None:
    went = navigate(straight, NavigationEnv(NavigationConfig(), [1], 500))
    assert 0.4 < went.success < 0.7  # where nothing stands between
    # The few: an obstacle stands between the edge of the goal's disc and its centre.
    is_faster = went.arrived & (went.length < went.shortest * (1 - 1e-9))
    assert is_faster.mean() < 0.02 and went.spl <= went.success
    assert went.collisions == pytest.approx(1 - went.success)


class Spread:
    """Member m goes to the right if m = 0, and up if m = 1."""

    feed = Rollout(1)

    def act(self, obs: Array, *, explore: bool) -> tuple[Array, Extras]:
        assert not explore and obs.shape[0] == 2
        return np.broadcast_to(np.eye(2)[:, None], (*obs.shape[:2], 2)), {}

    def update(self, batch: Batch) -> Update:
        raise NotImplementedError

    def state_dict(self) -> State:
        return {}

    def load_state_dict(self, state: State) -> None:
        pass


def test_members_act_in_equal_parts_in_order() -> None:
    action = of_agent(Spread(), 2)(np.zeros((6, 21)))
    assert action.tolist() == [[1, 0]] * 3 + [[0, 1]] * 3
    went = Navigated(*(np.array(column) for column in ([True, False], [False, True], [9.0, 4.0], [9.0, 8.0])))
    assert [went.of_member(m, 2).spl for m in range(2)] == [1, 0]
