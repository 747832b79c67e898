"""`tradebot envs`: where agents can be trained, what is seen and done there, and how it is set up."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Any

from tradebot.cli import console

if TYPE_CHECKING:
    from tradebot.config import Config
    from tradebot.core import Space


def envs(json: console.Json = False) -> None:
    """The environments that agents can be trained in: what they see, what they do, and the settings.

    Settings stand behind the name: --env 'ring?states=20&limit=50' (quote it for the shell).

    Example: tradebot envs
    """
    from tradebot.envs import catalogue

    about = [_trading(), *(_about(name) for name in catalogue.KINDS), _foreign()]
    if json:
        console.print_json({"environments": about})
        return
    rows = [[env[key] for key in ("name", "observation", "action")] for env in about]
    header = ["environment", "observation", "action"]
    console.print_table("Environments (tradebot train AGENT --env ENVIRONMENT)", header, rows)
    for env in about:
        print(textwrap.fill(f"{env['name']}: {env['summary']}", 80, subsequent_indent="  "))
        for key, setting in env["settings"].items() if env["name"] != "trading" else ():
            line = f"{key}={_plain(setting['default'])}: {setting['description']}"
            print(textwrap.fill(line, 80, initial_indent="  ", subsequent_indent="    "))
        print(f"  Example: {env['example']}")


def _trading() -> dict[str, Any]:
    from tradebot.market.configs import TradingConfig
    from tradebot.market.costs import Costs

    return {
        "name": "trading",
        "summary": "Accounts that trade the prices of --symbols, after costs. The settings are flags: see"
        " tradebot train AGENT --help.",
        "agents": 1,
        "observation": "numbers, by --features",
        "action": "discrete or continuous, by --actions",
        "settings": _settings(TradingConfig) | _settings(Costs),
        "example": "tradebot train ppo --symbols AAPL --end 2009-12-31",
    }


def _foreign() -> dict[str, Any]:
    from tradebot.envs import gym

    return {
        "name": f"{gym.PREFIX}ID",
        "summary": "Any environment that Gymnasium knows under this ID, with Discrete or Box spaces.",
        "agents": 1,
        "observation": "its own",
        "action": "its own",
        "settings": {},
        "example": f"tradebot train dqn --env {gym.PREFIX}CartPole-v1",
    }


def _about(name: str) -> dict[str, Any]:
    from tradebot.core import Discrete
    from tradebot.envs import catalogue

    model = catalogue.KINDS[name].config
    env = catalogue.make(name, [0], 1)
    numbered = env.observation_space.is_numbered
    agent = "q-learning" if numbered else "dqn" if isinstance(env.action_space, Discrete) else "ppo"
    return {
        "name": name,
        "summary": " ".join((model.__doc__ or "").split()),
        "agents": catalogue.agents(name),
        "observation": _space(env.observation_space),
        "action": _space(env.action_space),
        "settings": _settings(model),
        "example": f"tradebot train {agent} --env {name}",
    }


def _space(space: Space) -> str:
    """`1 of 10 states`, `20 numbers from -1 to 1`; of actions `1 of 3`, `2 numbers from -1 to 1`."""
    from tradebot.core import Discrete

    if isinstance(space, Discrete):
        return f"1 of {space.n}"
    if space.is_numbered:
        states = int(space.high[0] - space.low[0]) + 1
        return f"1 of {states:,} states" if states > 1 else "the only state"
    n = " x ".join(map(str, space.shape))
    low, high = space.low.min(), space.high.max()
    return f"{n} numbers from {low:g} to {high:g}"


def _settings(model: type[Config]) -> dict[str, dict[str, Any]]:
    return {
        key: {"default": _default(field), "description": field.description or ""}
        for key, field in model.model_fields.items()
    }


def _default(field: Any) -> Any:
    """As JSON knows it."""
    value = field.get_default(call_default_factory=True)
    return list(value) if isinstance(value, tuple) else value


def _plain(value: Any) -> str:
    return ",".join(map(str, value)) if isinstance(value, list) else "none" if value is None else str(value)
