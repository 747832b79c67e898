"""Train a population and keep it as a run folder."""

from __future__ import annotations

import platform
import time
from collections.abc import Callable, Mapping
from datetime import datetime, timezone
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch

from tradebot import files, runs
from tradebot.agents.configs import CONFIGS, AgentConfig
from tradebot.agents.registry import create
from tradebot.api.picture import Picture
from tradebot.api.prices import resolve, unknown
from tradebot.config import Config, build, check_keys, distribute, read_toml
from tradebot.core import Agent, Array, Box, Env, InputError, Space
from tradebot.envs.gym import PREFIX as GYM
from tradebot.envs.gym import GymEnv
from tradebot.market import features
from tradebot.market.configs import TradingConfig
from tradebot.market.costs import Costs
from tradebot.market.env import TradingEnv, reward_scale, span
from tradebot.prices.bars import Bars
from tradebot.report import plots
from tradebot.rl.evaluate import episode_returns
from tradebot.rl.loop import memory_for
from tradebot.rl.loop import train as train_loop
from tradebot.runs import RunConfig
from tradebot.stats.metrics import spread

Progress = Callable[[int, int, str], None]  # (transitions done, of how many, what is going on)
LOGGED = 200  # updates whose losses are kept, evenly over the training
EVALUATION_EPISODES = 100
EVALUATION_SEED = 1_000_000  # added to a member's seed for environments that it has never met


class Experiment(NamedTuple):
    """All settings of a run, one section of config.toml each."""

    run: RunConfig
    market: TradingConfig
    costs: Costs
    agent: AgentConfig

    def sections(self) -> dict[str, Config]:
        trading = self.run.env == "trading"
        return {name: value for name, value in self._asdict().items() if trading or name in ("run", "agent")}


def experiment(agent: str, toml: Mapping[str, Any], settings: Mapping[str, Any]) -> Experiment:
    """Defaults < sections of a TOML file < flat settings. Raises InputError for unknown keys and bad values."""
    if agent not in CONFIGS:
        raise unknown("agent", agent, list(CONFIGS))
    models: dict[str, type[Config]] = {
        "run": RunConfig,
        "market": TradingConfig,
        "costs": Costs,
        "agent": CONFIGS[agent],
    }
    check_keys(toml, models, "the config file")
    named = toml.get("agent", {}).get("name", agent)
    if named != agent:
        raise InputError(f"the config file is for {named!r}, not for {agent!r}")
    given = distribute(settings, models)
    for section, model in models.items():
        check_keys(toml.get(section, {}), model.model_fields, f"[{section}] of the config file")
    built = {name: build(model, {**toml.get(name, {}), **given[name]}, name) for name, model in models.items()}
    return Experiment(**built)  # type: ignore[arg-type]  # the sections are the fields


class Run:
    """A trained population in its folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        stored = runs.read(folder)
        self.manifest = stored.manifest
        try:
            self.experiment = experiment(stored.config["agent"]["name"], stored.config, {})
        except KeyError:
            raise InputError(f"{folder / 'config.toml'}: names no agent") from None

    @property
    def name(self) -> str:
        return self.folder.name

    @property
    def seeds(self) -> list[int]:
        """[M] one per member."""
        return _seeds(self.experiment.run)

    @property
    def metrics(self) -> dict[str, Any]:
        """How long the training took and, for environments other than trading, what it is worth."""
        keys = ("agent", "seeds", "steps", "seconds", "steps_per_second", "evaluation")
        return {key: self.manifest[key] for key in keys if key in self.manifest}

    @cached_property
    def history(self) -> pd.DataFrame:
        """Training episodes: columns step (transitions of the member so far), member, value (undiscounted return)."""
        episodes = [event for event in runs.read_events(self.folder) if "return" in event]
        columns = {"step": "step", "member": "member", "value": "return"}
        return pd.DataFrame({name: [event[key] for event in episodes] for name, key in columns.items()})

    def agent(self, observation_space: Box, action_space: Space) -> Agent:
        """The trained population, for an environment with these spaces."""
        run, config = self.experiment.run, self.experiment.agent
        agent = create(config, observation_space, action_space, self.seeds, run.steps, run.device)
        try:
            agent.load_state_dict(runs.read_state(self.folder))
        except (KeyError, RuntimeError, ValueError) as error:
            raise InputError(
                f"{self.folder / 'agent.safetensors'} does not fit config.toml ({error!r:.80})"
            ) from None
        return agent

    def plot(self) -> Picture:
        """The learning curve with the spread over seeds."""
        trading = self.experiment.run.env == "trading"
        ylabel = "log return of an episode" if trading else "return of an episode"
        return Picture(plots.learning(self.history, ylabel=ylabel, title=f"{self.name}: learning curve"))

    def __repr__(self) -> str:
        m = self.manifest
        return f"Run({self.name}: {m['seeds']} x {m['agent']}, {m['steps']:,} steps each, in {self.folder})"

    def _repr_html_(self) -> str:
        return pd.Series(self.metrics, name=self.name).to_frame().to_html()


def open_run(name: str, root: str | Path = runs.ROOT) -> Run:
    """A run by its folder or by its name under `root`. Raises InputError if it is not one."""
    return Run(runs.find(name, Path(root)))


def train(
    agent: str = "ppo",
    *,
    config: str | Path | None = None,
    out: str | Path = runs.ROOT,
    name: str | None = None,
    progress: Progress | None = None,
    command: str = "",
    **settings: Any,
) -> Run:
    """Train a population and write its run folder `out`/`name`.

    settings are the fields of RunConfig, TradingConfig, Costs and the agent's config, e.g. `symbols=("AAPL",)`,
    `end="2009-12-31"`, `seeds=4`, `learning_rate=1e-3`; they go before those of the TOML file `config`.
    Raises InputError for wrong settings or prices, OSError if the folder cannot be written.

    >>> run = train("ppo", symbols=("AAPL",), end="2009-12-31", steps=50_000, seeds=4)
    """
    toml = read_toml(Path(config)) if config else {}
    plan = experiment(agent, toml, settings)
    torch.set_num_threads(1)  # faster for small networks, and reproducible
    _check_device(plan.run.device)
    env, facts, scale = _environment(plan)
    seeds, steps = _seeds(plan.run), plan.run.steps
    learner = create(plan.agent, env.observation_space, env.action_space, seeds, steps, plan.run.device)
    memory = memory_for(learner, env, seeds, steps)
    folder = Path(out) / name if name else runs.free_name(Path(out), _default_name(plan, facts))

    with files.new_folder(folder) as aside:
        started = time.perf_counter()
        events: list[dict[str, Any]] = []
        next_log = 0
        for event in train_loop(learner, env, memory, len(seeds), steps):
            events += [
                {"step": event.step, "member": int(member), "return": float(value) / scale}
                for member, value in zip(event.member, event.episode_return, strict=True)
            ]
            if event.metrics is not None and event.step >= next_log:
                losses = {key: np.asarray(value, float).tolist() for key, value in event.metrics.items()}
                events.append({"step": event.step, **losses})
                next_log = event.step + steps // LOGGED
            if progress:
                progress(min(event.step, steps), steps, f"training {len(seeds)} x {agent}")
        seconds = time.perf_counter() - started
        manifest = {
            "agent": agent,
            "env": plan.run.env,
            "seeds": len(seeds),
            "steps": steps,
            "seconds": round(seconds, 3),
            "steps_per_second": round(steps * len(seeds) / seconds, 1),
            "status": "finished",
            "finished": datetime.now(timezone.utc).isoformat(timespec="seconds"),
            "command": command,
            "versions": _versions(),
            **facts,
        }
        if plan.run.env != "trading":
            manifest["evaluation"] = _evaluation(plan, learner)
        runs.write(aside, plan.sections(), manifest, learner.state_dict(), events)
    return Run(folder)


def _seeds(config: RunConfig) -> list[int]:
    return list(range(config.seed, config.seed + config.seeds))


def _environment(plan: Experiment) -> tuple[Env, dict[str, Any], float]:
    """The training environment, what the manifest says of its data, and the scale of its reward."""
    seeds, envs = _seeds(plan.run), plan.agent.envs
    if plan.run.env.startswith(GYM):
        return GymEnv(plan.run.env.removeprefix(GYM), seeds, envs), {}, 1.0
    if plan.run.env != "trading":
        raise InputError(f"unknown environment {plan.run.env!r}: use trading or {GYM}ID, e.g. {GYM}CartPole-v1")
    bars = resolve(plan.market.symbols, plan.market.data)
    table = features.table(bars, plan.market.features, plan.market.lookback)
    first, last = span(bars, plan.market.start, plan.market.end, table.warmup)
    scale = reward_scale(bars, first, last)
    env = TradingEnv(
        bars,
        plan.market,
        plan.costs,
        first=first,
        last=last,
        seeds=seeds,
        envs=envs,
        window=plan.market.window,
        reward_scale=scale,
        table=table,
    )
    return env, {"data": _data_facts(bars, first, last), "features": list(table.names)}, scale


def _data_facts(bars: Bars, first: int, last: int) -> dict[str, Any]:
    return {
        "source": bars.source,
        "symbols": list(bars.symbols),
        "start": str(bars.timestamps[first]),
        "end": str(bars.timestamps[last]),
        "fingerprint": bars.fingerprint,
    }


def _evaluation(plan: Experiment, learner: Agent) -> dict[str, Any]:
    """Mean return of each member over episodes that it has never met, without exploring."""
    seeds = [seed + EVALUATION_SEED for seed in _seeds(plan.run)]
    env = GymEnv(plan.run.env.removeprefix(GYM), seeds, EVALUATION_EPISODES)
    means: Array = episode_returns(learner, env, len(seeds)).mean(axis=1)
    summary = spread(means)
    return {"members": means.tolist(), "median": summary["median"], "iqr": summary["iqr"]}


def _default_name(plan: Experiment, facts: Mapping[str, Any]) -> str:
    about = facts["data"]["symbols"][0] if "data" in facts else plan.run.env.removeprefix(GYM)
    safe = "".join(letter if letter.isalnum() or letter in "-_" else "-" for letter in about)
    return f"{plan.agent.name}-{safe}-{datetime.now().strftime('%Y%m%d-%H%M%S')}"


def _versions() -> dict[str, str]:
    packages = ("tradebot", "numpy", "torch", "numba", "pandas", "gymnasium")
    return {"python": platform.python_version()} | {package: version(package) for package in packages}


def _check_device(device: str) -> None:
    try:
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise InputError(f"device {device!r} cannot be used here: {str(error).splitlines()[0]}") from None
