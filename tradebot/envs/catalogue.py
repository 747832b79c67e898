"""Every environment beside trading, by what --env takes: `navigation?rays=32`, `gym:CartPole-v1`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

from tradebot.config import Config, from_query, suggestion
from tradebot.core import InputError
from tradebot.envs import games, gym
from tradebot.envs.configs import (
    GameConfig,
    MultiAgentConfig,
    NavigationConfig,
    PenaltyConfig,
    RingConfig,
)
from tradebot.envs.ring import RingEnv
from tradebot.envs.world import World


class Kind(NamedTuple):
    """An environment of ours."""

    config: type[Config]
    make: Callable[[Any, Sequence[int], int], World]  # (its config, seeds, environments of each)


def _navigation(config: NavigationConfig, seeds: Sequence[int], envs: int) -> World:
    from tradebot.envs.navigation import NavigationEnv  # only who needs it waits for numba

    return NavigationEnv(config, seeds, envs)


def _multiagent(config: MultiAgentConfig, seeds: Sequence[int], envs: int) -> World:
    from tradebot.envs.multiagent import MultiAgentEnv  # only who needs it waits for numba

    return MultiAgentEnv(config, seeds, envs)


KINDS: dict[str, Kind] = {
    "ring": Kind(RingConfig, RingEnv),
    "navigation": Kind(NavigationConfig, _navigation),
    "multiagent": Kind(MultiAgentConfig, _multiagent),
}
for _name in games.NAMES:
    _config = PenaltyConfig if _name == "penalty" else GameConfig
    KINDS[f"game:{_name}"] = Kind(_config, partial(games.GameEnv, _name))


def is_foreign(name: str) -> bool:
    """Whether it is Gymnasium's, so that it does not show its state."""
    return name.startswith(gym.PREFIX)


def check(name: str) -> None:
    """Raise InputError for what is no environment, and for settings that it does not have."""
    if not is_foreign(name):
        _parsed(name)


def agents(name: str) -> int:
    """The learners that share one environment: more than one where agents meet."""
    return 1 if is_foreign(name) else getattr(_parsed(name)[1], "agents", 1)


def make(name: str, seeds: Sequence[int], envs: int, *, pictures: bool = False) -> World:
    """For each seed `envs` environments; where n agents share one, each of these is n in the order of E.

    `pictures`: Gymnasium's are asked for them, which ours can always be drawn from. Raises InputError as
    `check`, and for an environment that is not installed.
    """
    if is_foreign(name):
        return gym.GymEnv(name.removeprefix(gym.PREFIX), seeds, envs, pictures=pictures)
    kind, config = _parsed(name)
    return kind.make(config, seeds, envs)


def _parsed(name: str) -> tuple[Kind, Config]:
    word, _, query = name.partition("?")
    if word not in KINDS:
        known = ["trading", *KINDS]
        if word in known:
            raise InputError(f"{name!r}: the settings of {word} are flags (see tradebot train AGENT --help)")
        if gym.is_registered(word):
            raise InputError(f"unknown environment {word!r}: did you mean {gym.PREFIX + word!r}?")
        raise InputError(
            f"unknown environment {word!r}{suggestion(word, known)};"
            f" Gymnasium's are {gym.PREFIX}ID, e.g. {gym.PREFIX}CartPole-v1"
        )
    return KINDS[word], from_query(KINDS[word].config, query, name)
