"""`tradebot play` and `tradebot envs` as a person uses them, and what notebooks see."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
from PIL import Image

import tradebot
from tests.e2e.conftest import Cli
from tradebot.envs import catalogue

RING = (
    *("train", "q-learning", "--env", "ring?states=6&limit=30", "--steps", 20_000, "--seeds", 3),
    *("--name", "mine"),
)


class Painted(gymnasium.Env[Any, Any]):
    """Three steps; its picture is as bright as it is late."""

    metadata = {"render_modes": ["rgb_array"], "render_fps": 10}  # noqa: RUF012
    observation_space = gymnasium.spaces.Box(-1, 1, (1,), np.float32)
    action_space = gymnasium.spaces.Discrete(2)

    def __init__(self, render_mode: str | None = None) -> None:
        self.render_mode, self.time = render_mode, 0

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[Any, dict[str, Any]]:
        self.time = 0
        return np.zeros(1, np.float32), {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        self.time += 1
        return np.zeros(1, np.float32), 1.0, self.time == 3, False, {}

    def render(self) -> Any:
        return np.full((40, 80, 3), 80 * self.time, np.uint8)


@pytest.fixture
def painted() -> Iterator[str]:
    gymnasium.register("Painted-v0", entry_point=Painted)
    yield "gym:Painted-v0"
    del gymnasium.registry["Painted-v0"]


def test_a_run_plays_and_a_person_reads_how_it_went(cli: Cli) -> None:
    assert cli(*RING).code == 0
    code, out, err = cli("play", "mine", "--episodes", 3, "--gif", "new/film.gif", "--png", "still.png")
    assert (code, err) == (0, "")
    assert "New episodes of ring?states=6&limit=30 by q-learning, seed 0" in out
    rows = [line.split() for line in out.splitlines() if line.strip()[:1].isdigit()]
    assert rows == [[str(k), "30", "20", "time", "limit"] for k in (1, 2, 3)]  # of 6 steps 5 rise: 25 - 5
    assert "GIF: new/film.gif" in out and "PNG: still.png" in out
    with Image.open("new/film.gif") as film, Image.open("still.png") as still:
        assert (film.format, film.size, still.format) == ("GIF", (500, 500), "PNG")
        assert film.n_frames >= 3 * 30
    assert sorted(path.name for path in Path(".").iterdir()) == ["new", "runs", "still.png"]


def test_a_program_reads_the_same_and_evaluate_played_the_same_episodes(cli: Cli) -> None:
    assert cli(*RING, "--learning-rate", 1e-9).code == 0  # so that returns differ
    answer = json.loads(cli("play", "mine", "--episodes", 20, "--seed", 1, "--json").out)
    assert answer.keys() == {"run", "agent", "env", "seed", "success", "episodes", "files"}
    assert (answer["run"], answer["agent"], answer["seed"]) == ("runs/mine", "q-learning", 1)
    returns = [episode["return"] for episode in answer["episodes"]]
    evaluated = tradebot.evaluate("mine", 20)
    assert np.mean(returns) == pytest.approx(evaluated.members[1])
    assert answer["success"] is None and answer["files"] == {}


def test_a_notebook_shows_it_as_a_picture(cli: Cli) -> None:
    assert cli(*RING).code == 0
    played = tradebot.play("mine", 2)
    picture = played._repr_png_()
    assert picture and picture.startswith(b"\x89PNG")
    assert list(played.frame.columns) == ["steps", "return", "ended"]
    assert played.frame.index.tolist() == [1, 2] and "time limit" in repr(played)
    played.plot().save("a.png")
    assert Path("a.png").read_bytes() == picture


def test_each_seed_plays_with_what_it_learned(cli: Cli) -> None:
    assert cli(*RING, "--epsilon-end", 1.0).code == 0
    run = tradebot.open_run("mine")
    both = tradebot.evaluate(run, 10).members
    for seed in (0, 1, 2):
        played = tradebot.play(run, 10, seed=seed)
        assert np.mean([one.value for one in played.episodes]) == pytest.approx(both[seed])


def test_gymnasium_gives_its_own_pictures_the_last_of_an_episode_too(cli: Cli, painted: str) -> None:
    assert cli("train", "a2c", "--env", painted, "--steps", 64, "--seeds", 1, "--name", "mine").code == 0
    assert cli("play", "mine", "--json").code == 0
    code, _, err = cli("play", "mine", "--episodes", 2, "--gif", "film.gif", "--png", "still.png")
    assert (code, err) == (0, "")
    with Image.open("film.gif") as film:
        assert film.size == (500, 250)
        seen = []
        for k in range(film.n_frames):
            film.seek(k)
            seen.append(film.convert("L").getpixel((250, 125)))
    assert {0, 80, 160, 240} <= {round(value / 80) * 80 for value in seen}


def test_pygame_says_nothing_where_there_is_no_screen(cli: Cli) -> None:
    pytest.importorskip("pygame")  # Gymnasium draws with it; no tool of ours needs it
    words = ("train", "a2c", "--env", "gym:CartPole-v1", "--steps", 64, "--seeds", 1, "--name", "mine")
    assert cli(*words).code == 0
    play = [sys.executable, "-m", "tradebot", "play", "mine", "--episodes", "1", "--png", "still.png"]
    screens = {"DISPLAY", "WAYLAND_DISPLAY", "XDG_RUNTIME_DIR", "SDL_VIDEODRIVER"}
    bare = {name: value for name, value in os.environ.items() if name not in screens}
    done = subprocess.run(play, env=bare, capture_output=True, text=True, check=True)
    assert done.stderr == "" and Path("still.png").is_file()


def test_without_pictures_it_says_so(cli: Cli) -> None:
    words = ("train", "a2c", "--env", "gym:CartPole-v1", "--steps", 64, "--seeds", 1, "--name", "mine")
    assert cli(*words).code == 0
    played = tradebot.play("mine", 2)
    assert played._repr_png_() is None and [one.ended for one in played.episodes] == ["terminated"] * 2
    with pytest.raises(tradebot.InputError, match="pictures=True"):
        played.plot()


def test_what_cannot_be_played_is_refused_in_one_line(cli: Cli, run: tradebot.Run) -> None:
    assert cli(*RING, "--steps", 100).code == 0
    Path("folder.gif").mkdir()
    for words, mention in [
        (("play", run.folder), f"tradebot backtest {run.folder}"),
        (("play", "mien"), "did you mean 'mine'?"),
        (("play", "mine", "--episodes", 0), "--episodes: should be at least 1 (got 0)"),
        (("play", "mine", "--seed", 7), "--seed: mine has the seeds 0 .. 2, not 7"),
        (("play", "mine", "--gif", "film.mp4"), "--gif: the name of the file should end in .gif"),
        (("play", "mine", "--png", "still.jpg"), "--png: the name of the file should end in .png"),
        (("play", "mine", "--gif", "folder.gif"), "folder.gif cannot be written: it is a folder"),
    ]:
        code, out, err = cli(*words)
        assert (code, out, err.count("\n")) == (2, "", 1)
        assert mention in err
    assert sorted(path.name for path in Path(".").iterdir()) == ["folder.gif", "runs"]


def test_envs_lists_every_environment_and_its_example_works(cli: Cli) -> None:
    told = json.loads(cli("envs", "--json").out)["environments"]
    assert [env["name"] for env in told] == ["trading", *catalogue.KINDS, "gym:ID"]
    for env in told:
        assert env.keys() == {
            *("name", "summary", "agents", "observation", "action", "settings", "example"),
        }
        program, *words = env["example"].split()
        assert program == "tradebot"
        assert cli(*words, "--steps", 64, "--seeds", 1).code == 0
    ring = next(env for env in told if env["name"] == "ring")
    assert ring["settings"]["states"] == {"default": 10, "description": "How many there are"}
    assert (ring["observation"], ring["action"], ring["agents"]) == ("1 of 10 states", "1 of 3", 1)


def test_a_person_reads_settings_and_examples(cli: Cli) -> None:
    code, out, err = cli("envs")
    assert (code, err) == (0, "")
    assert max(map(len, out.splitlines())) <= 80
    assert "  states=10: How many there are" in out
    assert all(f"{name}" in out for name in catalogue.KINDS)
    assert "Example: tradebot train q-learning --env ring" in out
