"""Train a population and keep it as a run folder."""

from __future__ import annotations

import platform
import shutil
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from tradebot import files, runs
from tradebot.agents import presets
from tradebot.api.evaluating import evaluate
from tradebot.api.experiment import Experiment, experiment, of_run
from tradebot.api.interrupts import Interrupted, stop_requests
from tradebot.api.members import Members, Outcome, environment
from tradebot.api.prices import approved, source_of
from tradebot.api.run import Run
from tradebot.api.threads import one_thread
from tradebot.api.workers import Workers, pays, processes
from tradebot.config import read_toml
from tradebot.core import Array, Env, InputError
from tradebot.envs.gym import PREFIX as GYM
from tradebot.evidence import ledger
from tradebot.strategies.rules import FIXED, RULES

Progress = Callable[[int, int, str], None]  # (transitions done, of how many, what is going on)


def train(
    agent: str = "ppo",
    *,
    config: str | Path | None = None,
    preset: str | None = None,
    out: str | Path = runs.ROOT,
    name: str | None = None,
    workers: int | None = None,
    progress: Progress | None = None,
    command: str = "",
    **settings: Any,
) -> Run:
    """Train a population and write its run folder `out`/`name` (default: agent, symbol and time).

    settings are the fields of RunConfig, TradingConfig, Costs and the agent's config, e.g. `symbols="AAPL"`,
    `end="2009-12-31"`, `seeds=4`, `learning_rate=1e-3`; they go before those of the TOML file `config`, or of
    `preset`, the published tuned settings for an environment such as CartPole-v1 (see `tradebot agents`).
    `workers`, the processes over which the members are split, change nothing but the time it takes: one for
    each core by default, but one in all until two seconds of training show that some twenty are to come.
    Raises InputError for wrong settings or prices and for a name that is taken, OSError if the folder cannot
    be written, both before the training where it can be known then, and Interrupted after Ctrl-C or SIGTERM:
    `resume` goes on with what it leaves.

    >>> run = train("ppo", symbols="AAPL", end="2009-12-31", steps=50_000, seeds=4)
    """
    plan = experiment(agent, *given(agent, config, preset, settings))
    return _evaluated(begin(plan, out, name, workers, progress, command), progress)


def begin(
    plan: Experiment,
    out: str | Path,
    name: str | None,
    workers: int | None,
    progress: Progress | None,
    command: str,
    code: Path | None = None,
) -> Run:
    """Train what is planned, as `train` does, whatever study it is part of.

    A person's own features are taken from the folder `code`, if one is given.
    """
    _check_device(plan.run.device)
    if name is not None:
        _check_name(name)
    plan = _with_source(plan)
    env, facts, scale, kept = environment(plan, code)
    if data := facts.get("data"):
        if plan.command == "train":  # other studies look at the seals of what they test
            ledger.check_training(ledger.place(), data.symbols, data.end.isoformat())
        facts["doubts"] = approved(data.symbols, data.source, plan.market)
    manifest = runs.Manifest(
        agent=plan.agent.name,
        env=plan.run.env,
        seeds=plan.run.seeds,
        steps=plan.run.steps,
        status="unfinished",
        command=command,
        versions=_versions(),
        **facts,
    )
    wanted = Path(out) / (name or _default_name(plan, facts))
    with files.parents_of(wanted):
        with files.new_folder(wanted, numbered=name is None) as (aside, folder):
            runs.begin(aside, plan.sections(), manifest, kept)
        try:
            run = _go_on(folder, plan, manifest, env, scale, progress, workers)
        except BaseException:
            if not runs.checkpoints(folder):  # nothing in it that a person could want
                shutil.rmtree(folder, ignore_errors=True)
            raise
    return run


def resume(run: str | Path, *, workers: int | None = None, progress: Progress | None = None) -> Run:
    """Go on with a training that was interrupted, from its latest checkpoint; `workers` as for `train`.

    The finished run is the same, bit for bit, as if nothing had happened (a foreign environment excepted,
    which starts new episodes). Raises InputError for a run that is finished, or whose prices have changed.
    """
    return _evaluated(go_on(run, "train", workers, progress), progress)


def go_on(run: str | Path, command: str, workers: int | None, progress: Progress | None) -> Run:
    """The same of whatever `command` of `tradebot` began, which is the one that can go on with it."""
    folder = runs.find(str(run))
    stored = runs.read(folder)
    manifest = stored.manifest
    plan = of_run(manifest.agent, stored.config, str(folder / "config.toml"))
    if plan.command != command:
        made_by = f"tradebot {plan.command}"
        raise InputError(f"{folder} was made by {made_by}: go on with {made_by} --resume {folder}")
    if manifest.status == "finished":
        raise InputError(f"{folder} is finished: there is nothing to go on with")
    if (plan.run.seeds, plan.run.steps) != (manifest.seeds, manifest.steps):
        raise InputError(f"{folder / 'config.toml'}: changed since the training began, which cannot go on so")
    _check_device(plan.run.device)
    env, facts, scale, _ = environment(plan, runs.code_of(stored))
    if facts and facts["data"] != manifest.data:
        raise InputError(
            f"{folder} cannot go on: {plan.market.data or 'the prices'} changed since it began: train anew"
        )
    return _go_on(folder, plan, manifest, env, scale, progress, workers)


def _evaluated(run: Run, progress: Progress | None) -> Run:
    """The run, and what it earns now where that is no matter for a backtest. The training is safe already.

    A run that has learned nothing is not worth it.
    """
    if run.experiment.is_trading or not run.has_learned:
        return run
    try:
        evaluation = evaluate(run, progress=progress)
    except KeyboardInterrupt:
        raise Interrupted(
            f"interrupted after the training; evaluate it with: tradebot evaluate {run.folder}"
        ) from None
    runs.add_evaluation(runs.read(run.folder), evaluation)
    return Run(run.folder)


def _go_on(
    folder: Path,
    plan: Experiment,
    manifest: runs.Manifest,
    env: Env,
    scale: Array,
    progress: Progress | None,
    workers: int | None,
) -> Run:
    """Train from the latest checkpoint in the folder, if there is one, to the end, and write the result."""
    with one_thread():
        outcome, seconds = _learn(folder, plan, env, scale, progress, workers)
        weights = runs.packed(outcome.agent)
        done = {
            "seconds": round(seconds, 3),
            "steps_per_second": round(plan.run.steps * len(plan.members) / seconds, 1),
            "status": "finished",
            "finished": datetime.now(UTC).replace(microsecond=0),
            "weights": files.checksum(weights),
        }
    runs.finish(folder, manifest.model_copy(update=done), weights, outcome.lines)
    return Run(folder)


def given(
    agent: str, config: str | Path | None, preset: str | None, settings: Mapping[str, Any]
) -> tuple[Mapping[str, Any], Mapping[str, Any], str]:
    """The sections of the TOML file, the settings that go before them, and what the file is called."""
    if config and preset:
        raise InputError(
            "--config and --preset both say everything: leave one out, and give the rest as flags"
        )
    if preset:
        return presets.read(agent, preset), settings, f"the preset {preset}"
    return read_toml(Path(config)) if config else {}, settings, str(config)


def _with_source(plan: Experiment) -> Experiment:
    """The source of the prices by name, so that a later backtest finds the same where more was fetched."""
    if not plan.is_trading or plan.market.data:
        return plan
    return plan._replace(market=plan.market.model_copy(update={"data": source_of(plan.market.symbols)}))


def _learn(
    folder: Path, plan: Experiment, env: Env, scale: Array, progress: Progress | None, workers: int | None
) -> tuple[Outcome, float]:
    """What the population has learned, what happened on the way, and how long it took [s]."""
    steps, every = plan.run.steps, plan.run.checkpoint_every
    saved = runs.read_checkpoint(folder)
    before, begun = (saved["seconds"], saved["loop"]["step"]) if saved else (0.0, 0)
    most = processes(plan, workers)
    started = kept = time.perf_counter()
    team: Members | Workers = Members(folder, plan, env, scale, saved)  # fails early where it must
    with stop_requests() as stop_is_asked, ExitStack() as stack:
        if workers and most > 1:
            team = stack.enter_context(Workers(folder, plan, most, saved))
        saved = None  # it may be large, and somebody has it now
        moments = team.train()
        while moment := next(moments, None):
            step, is_told = moment
            if is_told and progress:
                progress(min(step, steps), steps, f"training {plan.run.seeds} x {plan.agent.name}")
            now, asked = time.perf_counter(), stop_is_asked()
            if step < steps and (asked or now - kept >= every):
                runs.write_checkpoint(folder, step, team.state() | {"seconds": before + now - started})
                kept = time.perf_counter()
                if asked:
                    raise Interrupted(
                        f"interrupted at step {step:,} of {steps:,};"
                        f" go on with: tradebot {plan.command} --resume {folder}"
                    )
            elif most > 1 and isinstance(team, Members) and pays(now - started, step - begun, steps - step):
                if not plan.is_foreign:
                    saved = team.state()
                elif kept != started:  # what was tried cannot be taken back any more
                    continue
                team = stack.enter_context(Workers(folder, plan, most, saved))
                saved = None
                moments = team.train()
        return team.outcome(), before + time.perf_counter() - started


def _default_name(plan: Experiment, facts: dict[str, Any]) -> str:
    about = "-".join(facts["data"].symbols[:3]) if plan.is_trading else plan.run.env.removeprefix(GYM)
    safe = "".join(letter if letter.isalnum() or letter in "-_" else "-" for letter in about)
    study = f"{plan.command}-" if plan.command != "train" else ""
    return f"{study}{plan.agent.name}-{safe}-{datetime.now():%Y%m%d-%H%M%S}"


def _check_name(name: str) -> None:
    """Raise InputError unless a folder can be called so and `backtest` can tell it from a rule."""
    if name in RULES or name.startswith(FIXED):
        raise InputError(f"a run cannot be called {name!r}, for that is a rule: choose another --name")
    if not name or Path(name).name != name or name.startswith((".", "-")) or not name.isprintable():
        raise InputError(f"{name!r} is not a name for a folder in --out: take letters, digits, - and _")


def _versions() -> dict[str, str]:
    packages = ("tradebot", "numpy", "torch", "numba", "pandas", "gymnasium")
    return {"python": platform.python_version()} | {package: version(package) for package in packages}


def _check_device(device: str) -> None:
    """Raise InputError unless torch can calculate there and bring the result back."""
    try:
        torch.zeros(1, device=device).cpu()
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise InputError(f"device {device!r} cannot be used here: {str(error).splitlines()[0]}") from None
