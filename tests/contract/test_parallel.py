"""PettingZoo's own checks of our environments where agents meet, and a longer one of their seeds."""

from __future__ import annotations

import hashlib
import warnings

import numpy as np
import pytest

from tradebot.core import InputError

with warnings.catch_warnings():  # it imports games of its own by a way that it advises against
    warnings.simplefilter("ignore", DeprecationWarning)
    from pettingzoo.test import (  # type: ignore[import-untyped]
        parallel_api_test,
        parallel_seed_test,
    )

from tradebot.envs.parallel import parallel_env

NAMES = [
    "multiagent",
    "multiagent?agents=3",
    "multiagent?form=grid",
    "multiagent?task=spread&agents=3",
    "game:climbing",
    "game:matching-pennies",
]
every = pytest.mark.parametrize("name", NAMES)


@every
def test_pettingzoo_finds_nothing_to_mend(name: str) -> None:
    parallel_api_test(parallel_env(name), num_cycles=1_000)
    parallel_seed_test(lambda: parallel_env(name), num_cycles=100)


def trajectory(name: str, seed: int) -> str:
    """Hash of what is seen and paid in a thousand steps of random actions, over the ends of episodes."""
    env, digest = parallel_env(name), hashlib.sha256()
    seen, _ = env.reset(seed=seed)
    generator = np.random.default_rng(seed)
    for _ in range(1_000):
        digest.update(np.stack([np.atleast_1d(seen[agent]) for agent in env.possible_agents]).tobytes())
        space = env.action_space("agent_0")
        draw = getattr(space, "n", None)
        actions = {
            agent: int(generator.integers(draw)) if draw else generator.uniform(-1, 1, 2)
            for agent in env.agents
        }
        seen, paid, terminated, truncated, _ = env.step(actions)
        digest.update(np.array([*paid.values(), *terminated.values(), *truncated.values()], float).tobytes())
        if not env.agents:
            seen, _ = env.reset()
    return digest.hexdigest()


@every
def test_a_thousand_steps_are_those_of_the_seed(name: str) -> None:
    assert trajectory(name, 3) == trajectory(name, 3) != trajectory(name, 4)


def test_a_foreign_environment_is_sent_to_gymnasium() -> None:
    with pytest.raises(InputError, match=r"gymnasium\.make"):
        parallel_env("gym:CartPole-v1")


@every
def test_a_picture_shows_the_step_that_was_taken(name: str) -> None:
    env = parallel_env(name, render_mode="rgb_array")
    assert env.render() is None
    env.reset(seed=1)
    before = env.render()
    assert before is not None and before.dtype == np.uint8 and before.shape[2] == 3
    for _ in range(2):  # in spread a force moves from the second step on
        env.step({agent: env.action_space(agent).sample() * 0 + 1 for agent in env.agents})
    assert not np.array_equal(env.render(), before)


def test_another_way_to_render_is_refused() -> None:
    with pytest.raises(InputError, match="render_mode"):
        parallel_env("multiagent", render_mode="ascii")
