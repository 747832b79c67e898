"""What one process trains: some members of a population, or all of them, with all that they need."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from tradebot import files, runs
from tradebot.agents.configs import TabularConfig
from tradebot.agents.registry import create
from tradebot.api.experiment import Experiment
from tradebot.api.log import Log
from tradebot.api.parts import learning_env, prepared
from tradebot.core import Array, Env, InputError, State
from tradebot.envs import catalogue
from tradebot.envs.one_hot import OneHotEnv
from tradebot.envs.world import World
from tradebot.rl import checkpoint
from tradebot.rl.loop import Event, memory_for
from tradebot.rl.loop import train as train_loop


class Outcome(NamedTuple):
    """What a training brings."""

    agent: State
    lines: list[dict[str, Any]]  # of events.jsonl


class Members:
    """They train from where `saved` says, or from the start. Raises InputError where they cannot."""

    def __init__(
        self, folder: Path, plan: Experiment, env: Env, scale: Array, saved: State | None = None
    ) -> None:
        seeds, steps = plan.members, plan.run.steps
        self._folder, self._plan, self._env, self._saved = folder, plan, env, saved
        self._agent = create(
            plan.agent, env.observation_space, env.action_space, seeds, steps, plan.run.device
        )
        self._memory = memory_for(self._agent, env, seeds, steps)
        self._log = Log(len(seeds), steps, scale)
        self._event: Event | None = None  # the last one

    def train(self) -> Iterator[tuple[int, bool]]:
        """After every event the transitions of each member, and whether the log has a new line."""
        standing = None
        if self._saved:
            try:
                standing = checkpoint.restore(self._saved, self._agent, self._env, self._memory)
                self._log.load_state_dict(self._saved["log"])
            except (KeyError, IndexError, RuntimeError, ValueError) as error:
                reason = " ".join(str(error).split())
                raise InputError(
                    f"{self._folder}: the checkpoint does not fit config.toml ({reason:.120})"
                ) from None
            self._saved = None  # the agent and its memory have it now
        members, steps = len(self._plan.members), self._plan.run.steps
        for event in train_loop(self._agent, self._env, self._memory, members, steps, standing):
            self._event = event
            is_told = self._log.add(event)
            if is_told:
                check_finite(event)
            yield event.step, is_told

    def state(self) -> State:
        """Where the training stands, once it has begun."""
        assert self._event is not None
        state = checkpoint.gather(self._agent, self._env, self._memory, self._event)
        return state | {"log": self._log.state_dict()}

    def outcome(self) -> Outcome:
        return Outcome(self._agent.state_dict(), self._log.lines())


def environment(
    plan: Experiment, code: Path | None = None
) -> tuple[Env, dict[str, Any], Array, dict[str, bytes]]:
    """The training environment, what the manifest says of its data, the scale of its reward [M], and the code
    of a person's own features, which is taken from the folder `code` if one is given: file -> content.
    """
    if not plan.is_trading:
        return world(plan, plan.seeds, plan.agent.envs), {}, np.ones(len(plan.members)), {}
    bars, observed, parts, _ = prepared(plan, code)
    env, scale = learning_env(plan, parts, observed)
    first, last = min(part.first for part in parts), max(part.last for part in parts)
    data = runs.TrainingData(
        source=bars.source,
        symbols=bars.symbols,
        start=bars.timestamps[first].item(),
        end=bars.timestamps[last].item(),
        fingerprint=bars.fingerprint,
        observed=bars.rows(0, last).fingerprint,
    )
    checksums = {file: files.checksum(content) for file, content in observed.code.items()}
    facts = {"data": data, "features": observed.table.names, "code": checksums or None}
    return env, facts, scale, observed.code


def world(plan: Experiment, seeds: Sequence[int], envs: int, *, pictures: bool = False) -> World:
    """`envs` environments of an experiment that does not trade for each seed, as its agent can see them."""
    env = catalogue.make(plan.run.env, seeds, envs, pictures=pictures)
    sees_numbers = isinstance(plan.agent, TabularConfig)
    return OneHotEnv(env) if env.observation_space.is_numbered and not sees_numbers else env


def check_finite(event: Event) -> None:
    """Raise FloatingPointError where the losses have become useless: whoever acts by argmax would hide it."""
    for name, values in (event.metrics or {}).items():
        if not np.isfinite(values).all():
            raise FloatingPointError(f"training has diverged: {name} is not finite at step {event.step:,}")
