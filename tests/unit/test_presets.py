"""Settings that are shipped: each one is complete, valid and for what its name says."""

from __future__ import annotations

import pytest

from tradebot.agents import presets
from tradebot.agents.configs import CONFIGS
from tradebot.api.experiment import experiment
from tradebot.config import read_toml
from tradebot.core import InputError
from tradebot.envs import catalogue

SHIPPED = [(agent, name) for agent in CONFIGS for name in presets.names(agent)]


@pytest.mark.parametrize(("agent", "name"), SHIPPED)
def test_a_preset_builds_an_experiment_on_its_environment(agent: str, name: str) -> None:
    toml = presets.read(agent, name)
    made = experiment(agent, toml, {})
    assert made.run.env == (name if name in catalogue.KINDS else f"gym:{name}")
    assert (made.agent.name, made.run.steps) == (agent, toml["run"]["steps"])
    assert toml["agent"].items() <= made.agent.model_dump(mode="json").items()
    assert {"envs", "learning_rate", "gamma"} <= toml["agent"].keys()  # our defaults may change, it may not


def test_every_file_belongs_to_an_agent_and_names_its_source() -> None:
    files = list(presets.FOLDER.glob("*/*.toml"))
    assert sorted((path.parent.name, path.stem) for path in files) == sorted(SHIPPED)
    for path in files:
        first = path.read_text().splitlines()[0]
        published = f"# rl-baselines3-zoo, hyperparams/{path.parent.name}.yml: {path.stem}"
        ours = f"# tradebot: found by trials on {path.stem}, see tests/benchmarks/{path.stem}.py"
        assert first == (ours if path.stem in catalogue.KINDS else published)


def test_cartpole_is_there_for_every_agent_that_has_presets_and_discrete_actions() -> None:
    for agent in ("dqn", "ppo", "a2c"):
        assert "CartPole-v1" in presets.names(agent)
    assert experiment("ppo", presets.read("ppo", "CartPole-v1"), {}).run.steps == 100_000


def test_what_is_said_beside_it_goes_before_a_preset() -> None:
    made = experiment("dqn", presets.read("dqn", "CartPole-v1"), {"gamma": 0.5, "steps": 7})
    assert (made.agent.gamma, made.run.steps, made.agent.envs) == (0.5, 7, 1)


def test_an_unknown_preset_is_refused_with_the_nearest_or_all() -> None:
    with pytest.raises(InputError, match="no preset 'cartpole-v1' for ppo: did you mean 'CartPole-v1'"):
        presets.read("ppo", "cartpole-v1")
    with pytest.raises(InputError, match=r"choose from Acrobot-v1, CartPole-v1, MountainCar-v0$"):
        presets.read("dqn", "x")
    with pytest.raises(InputError, match="no presets for other"):
        presets.read("other", "CartPole-v1")


def test_a_name_is_no_way_out_of_the_folder() -> None:
    assert read_toml(presets.FOLDER / "ppo" / "../dqn/CartPole-v1.toml")
    with pytest.raises(InputError):
        presets.read("ppo", "../dqn/CartPole-v1")
