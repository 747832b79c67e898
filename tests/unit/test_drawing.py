"""Pictures of worlds: their shape, and that what is there is drawn where it is."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from matplotlib.colors import to_rgb
from PIL import Image

from tradebot.colours import BLUE, GREEN, GREY, SKY, VERMILION
from tradebot.core import Array
from tradebot.envs import drawing


def navigation(**facts: Any) -> dict[str, Any]:
    return {
        "obstacles": np.array([[20.0, 60.0, 40.0, 80.0]]),
        "position": np.array([50.0, 20.0]),
        "goal": np.array([80.0, 80.0]),
        "radius": 5.0,
        "size": 100.0,
        "rays": np.full(8, 10.0),
    } | facts


def placed(x: float, y: float) -> tuple[float, float]:
    """Where a place in a square of 100 is drawn, around which a twentieth of its side is left free."""
    return 100 * (x + 5) / 110, 100 * (y + 5) / 110


def plane(*positions: tuple[float, float], **facts: Any) -> dict[str, Any]:
    return {"positions": np.array(positions), "landmarks": np.empty((0, 2)), "size": 100.0} | facts


def game(*action: int) -> dict[str, Any]:
    payoff = np.array([[11, -30, 0], [-30, 7, 6], [0, 0, 5]])
    return {"payoff": np.stack([payoff, payoff], axis=-1), "action": np.array(action)}


FILMS = [
    ("ring", [{"state": 3, "states": 10}], [{"state": 4, "states": 10}]),
    ("ring?states=500", [{"state": 3, "states": 500}], [{"state": 90, "states": 500}]),
    ("navigation", [navigation()], [navigation(position=np.array([52.0, 20.0]))]),
    ("multiagent", [plane((20, 20), (50, 60))], [plane((20, 20), (51, 60))]),
    ("game:climbing", [game(-1, -1)], [game(-1, -1), game(2, 0)]),
]


def share(picture: Array, color: str, x: float, y: float, around: float = 3.0) -> float:
    """Of the pixels within `around` of a place, in a square of 100 with y upwards, those of this colour."""
    side = len(picture)
    columns, rows = ((k + 0.5) * 100 / side for k in (np.arange(side), np.arange(side)[::-1]))
    near = (np.abs(columns[None, :] - x) < around) & (np.abs(rows[:, None] - y) < around)
    distance = np.abs(picture[near] / 255 - np.array(to_rgb(color))).max(axis=1)
    return float((distance < 0.03).mean())


@pytest.mark.parametrize(("world", "one", "other"), FILMS, ids=[film[0] for film in FILMS])
def test_a_picture_is_500_pixels_wide_and_differs_between_states(
    world: str, one: list[Any], other: list[Any]
) -> None:
    picture = drawing.rgb(world, one)
    assert picture.shape == (500, 500, 3) and picture.dtype == np.uint8
    assert np.array_equal(picture, drawing.rgb(world, one))
    assert not np.array_equal(picture, drawing.rgb(world, other))


def test_robot_goal_and_obstacle_stand_where_they_are() -> None:
    picture = drawing.rgb("navigation", [navigation()])
    assert share(picture, BLUE, 50, 20, 1.0) > 0.9
    assert share(picture, GREEN, 80, 80) > 0.03  # its star, on the pale disc around it
    assert (picture[*pixel(picture, 80, 77)] < 250).any()
    assert (picture[*pixel(picture, 30, 70)] < 200).all()  # inside the obstacle
    assert (picture[*pixel(picture, 10, 90)] == 255).all()  # nothing is there
    moved = drawing.rgb("navigation", [navigation(goal=np.array([15.0, 15.0]))])
    assert share(moved, GREEN, 15, 15) > 0.03 and share(moved, GREEN, 80, 80) == 0


def pixel(picture: Array, x: float, y: float) -> tuple[int, int]:
    """(row, column) of a place in a square of 100."""
    side = len(picture)
    return int((100 - y) * side / 100), int(x * side / 100)


def test_the_trail_is_the_way_that_was_gone() -> None:
    way = [np.array([x, 20.0]) for x in (10.0, 30.0, 50.0)]
    picture = drawing.rgb("navigation", [navigation(position=place) for place in way])
    assert share(picture, BLUE, 40, 20, 0.3) > 0.4
    assert share(drawing.rgb("navigation", [navigation()]), BLUE, 40, 20, 0.3) == 0


def test_rays_reach_as_far_as_they_are_long_and_the_first_points_along_x() -> None:
    short, long = (
        drawing.rgb("navigation", [navigation(rays=np.array([length, 5, 5, 5]))]) for length in (10.0, 30.0)
    )
    assert share(long, SKY, 80, 20, 1.0) > 0.05 and share(short, SKY, 80, 20, 1.0) == 0
    assert share(short, SKY, 60, 20, 1.0) > 0.05


def test_a_collision_is_crossed_out() -> None:
    picture = drawing.rgb("navigation", [navigation(outcome="collision")])
    assert share(picture, VERMILION, 50, 20, 1.0) > 0.5 and share(picture, BLUE, 50, 20, 1.0) == 0


def test_agents_have_their_colours_and_landmarks_stand_below_them() -> None:
    marked = plane((20, 20), (50, 60), landmarks=np.array([[80.0, 30.0]]))
    picture = drawing.rgb("multiagent", [marked])
    assert share(picture, BLUE, *placed(20, 20), 1.0) > 0.9
    assert share(picture, VERMILION, *placed(50, 60), 1.0) > 0.9
    assert (picture[*pixel(picture, *placed(80, 30))] < 230).all()


def test_agents_that_have_met_are_both_seen() -> None:
    picture = drawing.rgb("multiagent", [plane((50, 50), (50, 50))])
    assert share(picture, BLUE, 50, 50, 3.0) > 0.05 and share(picture, VERMILION, 50, 50, 3.0) > 0.05


def test_who_stands_in_a_corner_is_seen_whole() -> None:
    picture = drawing.rgb("multiagent", [plane((0, 0), (1, 1), size=1.0, centred=True)])
    assert share(picture, VERMILION, *placed(100, 100), 1.0) > 0.9
    assert share(picture, BLUE, 50, 50, 1.0) > 0.9  # the middle of a square from -1 to 1


def test_a_grid_has_its_places_in_the_middle_of_its_cells() -> None:
    """Of 5 columns the middle of the first is at 0.5 / 5 of the side."""
    picture = drawing.rgb("multiagent?form=grid", [plane((0, 0), (4, 4), size=5, cells=True)])
    assert share(picture, BLUE, *placed(10, 10), 1.0) > 0.9
    assert share(picture, VERMILION, *placed(90, 90), 1.0) > 0.9


def test_an_own_picture_of_a_foreign_environment_keeps_its_proportions() -> None:
    frame = np.zeros((200, 400, 3), np.uint8)
    frame[:, 200:] = 255
    picture = drawing.rgb("gym:Any-v0", [{"frame": frame}])
    assert picture.shape == (250, 500, 3)
    assert (picture[125, 100] == 0).all() and (picture[125, 400] == 255).all()


def test_a_film_is_thinned_and_ends_where_the_episode_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drawing, "FRAMES", 20)
    states = [[{"state": s % 10, "states": 10} for s in range(length)] for length in (30, 29)]
    film = Image.open(io.BytesIO(drawing.gif("ring", states)))
    # 59 snapshots, every third: 10 and 10, and each end stands still, which the format may join.
    assert 18 <= film.n_frames <= 20 + 2 * drawing.REST  # type: ignore[attr-defined]
    film.seek(film.n_frames - 1)  # type: ignore[attr-defined]
    last, end = np.asarray(film.convert("RGB"), float), drawing.rgb("ring", states[1])
    assert np.abs(last - end).mean() < 3 < np.abs(last - drawing.rgb("ring", states[0])).mean() + 3


def test_a_still_has_a_panel_with_its_title_for_each_of_the_first_episodes() -> None:
    films, titles = [[navigation()]] * 8, [f"episode ${k}" for k in range(8)]
    figure = drawing.still("navigation", films, titles)
    assert [axes.get_title(loc="left") for axes in figure.axes] == [
        rf"episode \${k}" for k in range(drawing.PANELS)
    ]
    assert len(drawing.still("navigation", films[:1], titles[:1]).axes) == 1


def test_grey_is_no_colour_of_an_agent() -> None:
    assert GREY not in drawing.AGENTS and len({*drawing.AGENTS}) == len(drawing.AGENTS)
