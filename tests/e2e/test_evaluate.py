"""What a run on a foreign environment earns: said after the training and by `tradebot evaluate`; presets."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest

import tradebot
from tests.e2e.conftest import Cli
from tradebot.api import evaluating, training
from tradebot.rl import evaluate

CARTPOLE = ("train", "a2c", "--env", "gym:CartPole-v1", "--steps", 64, "--seeds", 4, "--name", "mine")


class Endless(gymnasium.Env[Any, Any]):
    """Every step is worth 2, for ever."""

    observation_space = gymnasium.spaces.Box(-1, 1, (1,), np.float32)
    action_space = gymnasium.spaces.Discrete(2)

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[Any, dict[str, Any]]:
        return np.zeros(1, np.float32), {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        return np.zeros(1, np.float32), 2.0, False, False, {}


@pytest.fixture
def endless(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    gymnasium.register("Endless-v0", entry_point=Endless)
    monkeypatch.setattr(evaluate, "LONGEST", 30)
    yield "gym:Endless-v0"
    del gymnasium.registry["Endless-v0"]


def test_evaluating_again_gives_what_the_training_said(cli: Cli) -> None:
    trained = json.loads(cli(*CARTPOLE, "--json").out)
    code, out, err = cli("evaluate", "mine", "--json")
    answer = json.loads(out)
    assert (code, err) == (0, "")
    assert answer.keys() == {"run", "agent", "env", "seeds", "evaluation"}
    assert (answer["run"], answer["agent"], answer["env"], answer["seeds"]) == (
        *("runs/mine", "a2c"),
        *("gym:CartPole-v1", 4),
    )
    told = answer["evaluation"]
    assert told == trained["evaluation"]
    assert (len(told["members"]), len(told["std"]), told["episodes"], told["cut"]) == (4, 4, 100, 0)
    middle = sorted(told["members"])[1:3]
    assert told["iqm"] == told["median"] == pytest.approx(sum(middle) / 2)
    assert min(told["members"]) <= told["ci"][0] < told["iqm"] < told["ci"][1] <= max(told["members"])


def test_a_person_reads_each_seed_and_the_interval(cli: Cli) -> None:
    trained = cli(*CARTPOLE)
    assert trained.code == 0
    code, out, err = cli("evaluate", "mine", "--episodes", 100)
    assert (code, err) == (0, "")
    assert trained.out.endswith(out)
    assert "100 new episodes of gym:CartPole-v1 by each seed" in out
    assert "Interquartile mean of the seeds" in out and "(95 % interval" in out
    assert [line.split()[0] for line in out.splitlines() if line.strip()[:1].isdigit()][-4:] == list("0123")


def test_more_episodes_are_played_than_environments_stand(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    assert cli(*CARTPOLE).code == 0
    monkeypatch.setattr(evaluating, "AT_ONCE", 3)
    found = tradebot.evaluate("mine", 7)
    assert found.episodes == 7
    means = [7 * (mean or 0.0) for mean in found.members]
    assert means == pytest.approx(np.rint(means))  # of seven returns, which are whole numbers
    assert tradebot.evaluate(tradebot.open_run("mine"), 7) == found


def test_what_a_seed_earns_does_not_depend_on_its_company(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(evaluating, "AT_ONCE", 3)
    task: dict[str, Any] = {"env": "gym:CartPole-v1", "steps": 500, "out": tmp_path}
    both, second = tradebot.train("a2c", seeds=2, **task), tradebot.train("a2c", seeds=1, seed=1, **task)
    assert tradebot.evaluate(both, 8).members[1:] == tradebot.evaluate(second, 8).members


class Counter(gymnasium.Env[Any, Any]):
    """Counts to five in whole numbers, as two of them."""

    observation_space = gymnasium.spaces.Box(0, 5, (1, 2), np.int64)
    action_space = gymnasium.spaces.Discrete(2)

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[Any, dict[str, Any]]:
        self.count = 0
        return np.zeros((1, 2), np.int64), {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        self.count += 1
        return np.full((1, 2), self.count, np.int64), 1.0, self.count == 5, False, {}


class Lucky(Counter):
    """Every other episode comes to its goal, which is said at its end."""

    episodes = 0

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[Any, dict[str, Any]]:
        self.episodes = 0 if seed is None else seed % 2
        return super().reset(seed=seed)

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        *told, ended, cut, info = super().step(action)
        return (*told, ended, cut, {"is_success": self.episodes == 1} if ended else info)


def test_the_share_of_successes_is_told_where_the_environment_knows_it(
    cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    lucky = gymnasium.envs.registration.EnvSpec("Lucky-v0", Lucky)
    monkeypatch.setitem(gymnasium.registry, "Lucky-v0", lucky)
    for env in ("gym:Lucky-v0", "navigation?limit=9"):
        trained = cli("train", "a2c", "--env", env, "--steps", 64, "--seeds", 2, "--name", env[:3])
        assert trained.code == 0
        told = json.loads(cli("evaluate", env[:3], "--episodes", 60, "--json").out)["evaluation"]
        played = [tradebot.play(env[:3], 60, seed=seed).success for seed in (0, 1)]
        assert told["success"] == (played if env[:3] == "nav" else pytest.approx([0.5, 0.5], abs=0.25))
        assert "success" in trained.out and "Reached the goal in" in trained.out
    assert cli(*CARTPOLE).code == 0
    assert tradebot.evaluate("mine", 5).success == ()


@pytest.mark.parametrize("agent", ["dqn", "a2c", "q-learning"])
def test_whole_numbers_in_any_shape_are_observed_as_amounts(
    agent: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(
        gymnasium.registry, "Counter-v0", gymnasium.envs.registration.EnvSpec("Counter-v0", Counter)
    )
    run = tradebot.train(agent, env="gym:Counter-v0", steps=1_200, seeds=1, out=tmp_path)
    assert tradebot.evaluate(run, 2).members == (5.0,)


def test_an_environment_with_a_limit_of_its_own_is_never_cut_before_it(
    cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert cli(*CARTPOLE).code == 0
    monkeypatch.setattr(evaluate, "LONGEST", 3)
    found = tradebot.evaluate("mine", 5)
    assert found.cut == 0
    assert min(mean or 0.0 for mean in found.members) > 3  # no pole falls so soon


def test_an_environment_without_an_end_does_not_hang_it(cli: Cli, endless: str) -> None:
    words = ("train", "a2c", "--env", endless, "--steps", 64, "--seeds", 2, "--name", "mine")
    trained = cli(*words)
    assert trained.code == 0
    assert trained.err == "tradebot: 200 of 200 episodes found no end and were cut off\n"
    told = json.loads(cli("evaluate", "mine", "--episodes", 5, "--json").out)["evaluation"]
    assert (told["members"], told["std"], told["cut"]) == ([60.0, 60.0], [0.0, 0.0], 10)
    assert told["ci"] == [None, None]


def test_an_interrupted_evaluation_leaves_the_finished_run(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(training, "evaluate", interrupted)
        answer = cli(*CARTPOLE)
    told = "tradebot: interrupted after the training; evaluate it with: tradebot evaluate runs/mine\n"
    assert (answer.code, answer.out, answer.err) == (130, "", told)
    assert tradebot.open_run("mine").manifest.evaluation is None
    assert cli("evaluate", "mine").code == 0


@pytest.mark.parametrize("words", [(), ("--json",)])
def test_a_run_that_trades_is_sent_to_the_backtest(cli: Cli, run: tradebot.Run, words: tuple[str]) -> None:
    code, out, err = cli("evaluate", run.folder, *words)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert f"tradebot backtest {run.folder}" in err


def test_wrong_numbers_and_names_are_refused(cli: Cli) -> None:
    assert cli(*CARTPOLE).code == 0
    for words, mention in [
        (("evaluate", "mine", "--episodes", 0), "--episodes: should be at least 1 (got 0)"),
        (("evaluate", "mien"), "did you mean 'mine'?"),
        (("train", "ppo", "--preset", "CartPole"), "did you mean 'CartPole-v1'?"),
        (("train", "ppo", "--preset", "CartPole-v1", "--config", "x.toml"), "leave one out"),
        (("train", "ppo", "--preset", "CartPole-v1", "--symbols", "AAPL"), "symbols: only for"),
    ]:
        code, out, err = cli(*words)
        assert (code, out, err.count("\n")) == (2, "", 1)
        assert mention in err


def test_a_preset_names_environment_steps_and_settings_and_flags_go_before_it(cli: Cli) -> None:
    words = ("train", "ppo", "--preset", "CartPole-v1", "--steps", 512, "--seeds", 1, "--clip", 0.3)
    assert cli(*words, "--name", "mine").code == 0
    config = json.loads(cli("runs", "show", "mine", "--json").out)["config"]
    assert (config["run"]["env"], config["run"]["steps"]) == ("gym:CartPole-v1", 512)
    agent = config["agent"]
    assert (agent["gamma"], agent["n_steps"], agent["epochs"], agent["clip"]) == (0.98, 32, 20, 0.3)
    assert cli("train", "ppo", "--config", "runs/mine/config.toml", "--name", "again").code == 0
    first, second = (Path("runs", name, "agent.safetensors").read_bytes() for name in ("mine", "again"))
    assert first == second


def test_the_help_says_which_presets_there_are(cli: Cli) -> None:
    words = cli("train", "dqn", "--help").out.split()
    assert {"--preset", "Acrobot-v1,", "CartPole-v1,", "MountainCar-v0"} <= set(words)
    assert "CartPole-v1: dqn, ppo, a2c" in cli("agents").out
