"""All settings of a run, built from defaults, a TOML file and keyword arguments, in this order."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from tradebot.agents.configs import CONFIGS, AgentConfig, WindowsConfig
from tradebot.api.prices import unknown
from tradebot.backtest.configs import WalkForwardConfig
from tradebot.config import Config, build, check_keys, distribute
from tradebot.core import InputError
from tradebot.envs import catalogue
from tradebot.evidence.configs import NullTestConfig
from tradebot.market.configs import TradingConfig
from tradebot.market.costs import Costs, instead
from tradebot.rl.configs import RunConfig

TRADING = "trading"
SEAT = 2**32  # between the seeds of two members of a team: more than there are seeds, see RunConfig
DISCOUNT = {"gamma": 0.95}  # default when trading: what lies more than twenty bars ahead is noise
_OF_TRADING = ("market", "costs")  # sections that mean nothing to other environments


STUDIES: dict[str, type[WalkForwardConfig | NullTestConfig]] = {  # a command, and its section
    "walkforward": WalkForwardConfig,
    "nulltest": NullTestConfig,
}


class Experiment(NamedTuple):
    """One field for each section of config.toml."""

    run: RunConfig
    market: TradingConfig
    costs: Costs
    agent: AgentConfig
    walkforward: WalkForwardConfig | None = None
    nulltest: NullTestConfig | None = None

    @property
    def command(self) -> str:
        """Of `tradebot`, which made it and goes on with it."""
        return "walkforward" if self.walkforward else "nulltest" if self.nulltest else "train"

    @property
    def parts(self) -> int:
        """Markets in which each seed learns, in each as a member of its own: folds, or shuffled copies."""
        if self.walkforward:
            return self.walkforward.folds
        return 1 + self.nulltest.markets if self.nulltest else 1

    @property
    def is_trading(self) -> bool:
        return self.run.env == TRADING

    @property
    def is_foreign(self) -> bool:
        """Whether the environment does not show its state, so that a training cannot go on in the middle."""
        return not self.is_trading and catalogue.is_foreign(self.run.env)

    @property
    def seeds(self) -> list[int]:
        """[S] one per member, or per team of members that share an environment."""
        return list(range(self.run.seed, self.run.seed + self.run.seeds))

    @property
    def agents(self) -> int:
        """Members of a team: 1 where each has its environment for itself."""
        return 1 if self.is_trading else catalogue.agents(self.run.env)

    @property
    def team(self) -> int:
        """Members of one seed: agents that meet, or those that learn in its folds or copies of the market."""
        return self.agents * self.parts

    @property
    def members(self) -> list[int]:
        """[M] the seed of each member, seed by seed."""
        seats = [agent * SEAT for agent in range(self.agents) for _ in range(self.parts)]
        return [seed + seat for seed in self.seeds for seat in seats]

    def of_seeds(self, first: int, last: int) -> Experiment:
        """The same with the seeds number first .. last - 1 alone."""
        run = self.run.model_copy(update={"seed": self.run.seed + first, "seeds": last - first})
        return self._replace(run=run)

    def sections(self) -> dict[str, Config]:
        """What config.toml holds."""
        return {
            name: value
            for name, value in self._asdict().items()
            if value is not None and (self.is_trading or name not in _OF_TRADING)
        }


def experiment(
    agent: str,
    toml: Mapping[str, Any],
    settings: Mapping[str, Any],
    file: str = "the config file",
    study: str = "",
) -> Experiment:
    """Defaults < sections of a TOML file < flat settings.

    `study` is one of STUDIES, whose section it gets then; those of others are passed over. Raises InputError
    for unknown agents, environments, sections and keys, for bad values, and for settings of the market where
    there is none. `file` is what the TOML file is called in them.
    """
    if agent not in CONFIGS:
        raise unknown("agent", agent, list(CONFIGS))
    models: dict[str, type[Config]] = {
        "run": RunConfig,
        "market": TradingConfig,
        "costs": Costs,
        "agent": CONFIGS[agent],
    }
    if study:
        models = {**models, study: STUDIES[study]}
    toml = {name: values for name, values in toml.items() if name in models or name not in STUDIES}
    given = distribute(settings, models)
    if isinstance(named := toml.get("agent"), dict) and named.get("name", agent) != agent:
        raise InputError(f"{file}: is for the agent {named['name']!r}, not for {agent!r}")
    check_keys(toml, models, file)
    for section, values in toml.items():
        build(models[section], values, f"[{section}] of {file}")
    chosen = {name: {**toml.get(name, {}), **given[name]} for name in models}
    chosen["costs"] = instead(toml.get("costs", {}), given["costs"])
    run = build(RunConfig, chosen["run"])
    if run.env == TRADING:
        chosen["agent"] = DISCOUNT | chosen["agent"]
    built: dict[str, Any] = {name: build(model, chosen[name]) for name, model in models.items()}
    made = Experiment(**built)
    if made.is_trading:
        _check_actions(made.agent, made.market)
    if study:
        check_study(made)
    if not made.is_trading:
        if study:
            raise InputError(f"there is no {study} of {made.run.env}: it is for {TRADING}")
        _check_other(
            made.run.env, [key for name in _OF_TRADING for key in (*toml.get(name, {}), *given[name])]
        )
    return made


def check_study(plan: Experiment) -> None:
    """Raise InputError for an agent that cannot learn in several markets."""
    if isinstance(plan.agent, WindowsConfig) and plan.agent.per:
        raise InputError(
            f"--per prioritizes the price windows of one market, and a {plan.command} has several: leave it"
            " out, or take dqn, which prioritizes transitions"
        )


def of_run(agent: str, toml: Mapping[str, Any], file: str) -> Experiment:
    """That of a run, by the sections of its config.toml. Raises InputError."""
    return experiment(agent, toml, {}, file, next((study for study in STUDIES if study in toml), ""))


def _check_actions(agent: AgentConfig, market: TradingConfig) -> None:
    """Raise InputError for an agent that cannot act so, with what would do."""
    wanted = "continuous" if market.actions == "weights" else "discrete"
    if wanted not in agent.actions:
        others = [name for name, config in CONFIGS.items() if wanted in config.actions]
        schemes = "weights" if agent.actions == "continuous" else "long-flat, long-short or orders"
        raise InputError(
            f"{agent.name} needs {agent.actions} actions: --actions {schemes}, or another agent"
            f" ({', '.join(others)})"
        )


def _check_other(env: str, idle: list[str]) -> None:
    """Raise InputError for an environment that is none, and for settings that it would ignore."""
    catalogue.check(env)
    if idle:
        raise InputError(f"{', '.join(dict.fromkeys(idle))}: only for the trading environment, not for {env}")
