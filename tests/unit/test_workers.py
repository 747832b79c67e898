"""When and over how many processes a population is split."""

from __future__ import annotations

import gymnasium
import pytest

from tradebot.api import workers
from tradebot.api.experiment import Experiment, experiment
from tradebot.core import InputError


def plan(seeds: int = 3, env: str = "trading", device: str = "cpu") -> Experiment:
    return experiment("a2c", {}, {"seeds": seeds, "env": env, "device": device})


def test_there_is_a_process_for_each_core_but_none_without_a_member(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "_cores", lambda: 4)
    assert [workers.processes(plan(seeds), None) for seeds in (1, 3, 9)] == [1, 3, 4]
    assert [workers.processes(plan(), wanted) for wanted in (1, 2, 9)] == [1, 2, 3]
    assert workers.processes(plan(device="cuda"), None) == 1  # they would share one device
    with pytest.raises(InputError, match="--workers: at least 1 process"):
        workers.processes(plan(), 0)


def test_an_environment_that_only_this_process_knows_stays_in_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "_cores", lambda: 2)
    monkeypatch.setattr(gymnasium, "registry", dict(gymnasium.registry))
    gymnasium.register("Mine-v0", entry_point="__main__:Mine")
    for name in ("CartPole-v1", "CartPole", "gymnasium.envs.classic_control:CartPole-v1"):
        assert workers.processes(plan(env=f"gym:{name}"), None) == 2
    assert workers.processes(plan(env="gym:Mine-v0"), None) == 1
    assert workers.processes(plan(env="gym:Mine-v0"), 1) == 1
    with pytest.raises(InputError, match="gym:Mine-v0: another process cannot make it"):
        workers.processes(plan(env="gym:Mine-v0"), 2)


@pytest.mark.parametrize(
    ("elapsed", "done", "left", "expected"),
    [
        (1.0, 10, 10_000, False),  # too early to tell
        (4.0, 10, 61, True),  # 24.4 s are to come, 20 + 4 are the limit
        (4.0, 10, 59, False),  # 23.6 s
    ],
)
def test_processes_pay_once_it_is_known_that_the_training_is_long(
    elapsed: float, done: int, left: int, expected: bool
) -> None:
    assert workers.pays(elapsed, done, left) is expected


def test_an_error_that_cannot_be_sent_is_told_in_words() -> None:
    class OwnError(Exception):
        """Known in this function alone."""

    told = workers._portable(OwnError("as it was"))
    assert isinstance(told, RuntimeError) and str(told) == "OwnError: as it was"
    kept = ValueError("as it was")
    assert workers._portable(kept) is kept
    assert "ValueError: as it was" in kept.__notes__[0]
