"""A population split over processes, which ends bit for bit where one process would have taken it.

Each process trains some of the members; that their numbers do not depend on their company (`rl/networks.py`)
makes it safe. This one only keeps them together, and their states as one.

They are fresh interpreters that take requests on their standard input and reply on their output. A fork would
inherit locks that threads hold, and there are threads in every notebook, behind every progress bar and in
torch; not every system and no GPU allows it. The other ways of `multiprocessing` run the script that called
once more, which ends badly unless its author wrote `if __name__ == "__main__"`. They ignore Ctrl-C and
SIGTERM: this process hears them, keeps a checkpoint, and ends the others. Should it be killed, their input
ends, and so do they. What goes between them is pickled and never reaches the disk.
"""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
import time
import traceback
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any, BinaryIO, Literal, NamedTuple, cast

import numpy as np

from tradebot import runs
from tradebot.api.experiment import Experiment
from tradebot.api.log import merged
from tradebot.api.members import Members, Outcome, environment
from tradebot.api.threads import one_thread
from tradebot.core import InputError, State
from tradebot.envs import gym
from tradebot.rl import checkpoint

TRIAL = 2.0  # seconds after which a training is judged by its speed
WORTH = 20.0  # seconds beyond those that must be to come, for processes take about five to start
PACE = 0.25  # seconds that the processes go on by themselves, and at most that a stop has to wait
_START = "; ".join(
    [
        "import signal",
        "signal.signal(signal.SIGINT, signal.SIG_IGN)",
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)",
        "from tradebot.api.workers import serve",
        "serve()",
    ]
)


def _cores() -> int:
    """That this process may use, where the system says so."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def processes(plan: Experiment, wanted: int | None) -> int:
    """How many there are to be: as many as `wanted`, by default one a core, but never more than members.

    Raises InputError where it cannot be more than one and is to be.
    """
    most = plan.run.seeds
    if wanted is not None and wanted < 1:
        raise InputError(f"--workers: at least 1 process has to train (got {wanted})")
    number = min(most, wanted or (_cores() if plan.run.device == "cpu" else 1))
    if number == 1 or not plan.is_foreign or gym.spec(plan.run.env.removeprefix(gym.PREFIX)):
        return number
    if wanted:
        raise InputError(
            f"{plan.run.env}: another process cannot make it: register it in a file that can be imported, or"
            " train with --workers 1"
        )
    return 1


def pays(elapsed: float, done: int, left: int) -> bool:
    """Whether more processes gain more than their start costs, after so many seconds and transitions."""
    return elapsed > TRIAL and elapsed * left > (elapsed + WORTH) * done


class Task(NamedTuple):
    """What a process is told first."""

    folder: Path  # of the run
    plan: Experiment  # with its members alone
    data: runs.TrainingData | None  # the prices that it must find
    spec: bytes | None  # of a foreign environment
    saved: State | None  # of its members


class Workers:
    """`number` processes that train a population, from where `saved` says or from the start.

    Used in a `with`, at the end of which they are gone. Raises ChildProcessError if one of them dies, and
    whatever one of them raises.
    """

    def __init__(self, folder: Path, plan: Experiment, number: int, saved: State | None) -> None:
        self._folder, self._plan = folder, plan
        self._bounds = list(pairwise(np.linspace(0, plan.run.seeds, number + 1).astype(int).tolist()))
        self._step = saved["loop"]["step"] if saved else 0
        self._lines: list[dict[str, Any]] = json.loads(saved["log"]["lines"]) if saved else []
        self._saved = saved
        self._processes: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> Workers:
        path = os.pathsep.join(place or os.getcwd() for place in sys.path)
        try:
            for _ in self._bounds:
                process = subprocess.Popen(
                    [sys.executable, "-P", "-c", _START],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    env=os.environ | {"PYTHONPATH": path},
                    start_new_session=True,  # Ctrl-C does not reach it even before it ignores it
                )
                self._processes.append(process)
            self._ask(*self._tasks())
        except BaseException:
            self.__exit__()
            raise
        self._saved = None  # they have it now
        return self

    def __exit__(self, *_: object) -> None:
        for process in self._processes:
            process.kill()
            process.communicate()

    def train(self) -> Iterator[tuple[int, bool]]:
        """The transitions of each member, again and again, when all processes stand at the same."""
        least, steps = self._plan.agent.envs, self._plan.run.steps
        ahead = float(least)
        while self._step < steps:
            started = time.perf_counter()
            self._step = self._ask(min(self._step + round(ahead), steps))[0]
            pace = PACE / (time.perf_counter() - started)
            ahead = max(least, ahead * min(2.0, max(0.5, pace)))
            yield self._step, True

    def state(self) -> State:
        """Where the training stands, as one process would say it."""
        states = self._ask("state")
        parts = [json.loads(state["log"].pop("lines")) for state in states]
        state = checkpoint.joined(states)
        state["log"]["lines"] = json.dumps(self._merged(parts))
        return state

    def outcome(self) -> Outcome:
        agents, parts = zip(*self._ask("outcome"), strict=True)
        return Outcome(checkpoint.joined(agents), self._merged(parts))

    def _merged(self, parts: Any) -> list[dict[str, Any]]:
        return self._lines + merged(parts, [self._plan.team * (last - first) for first, last in self._bounds])

    def _tasks(self) -> Iterator[Task]:
        data = runs.read(self._folder).manifest.data
        name = self._plan.run.env.removeprefix(gym.PREFIX)
        spec = gym.spec(name) if self._plan.is_foreign else None
        for first, last in self._bounds:
            saved = self._saved and checkpoint.split(self._saved, self._plan.run.seeds, first, last)
            if saved:
                saved["log"]["lines"] = "[]"
            yield Task(self._folder, self._plan.of_seeds(first, last), data, spec, saved)

    def _ask(self, *requests: Any) -> list[Any]:
        """What each process replies to its request; one request is for all."""
        if len(requests) == 1:
            requests *= len(self._processes)
        for k, request in enumerate(requests):
            try:
                _send(request, self._stream(k, "stdin"))
            except OSError:
                raise self._dead(k) from None
        replies = []
        for k in range(len(requests)):
            try:
                replies.append(pickle.load(self._stream(k, "stdout")))
            except (EOFError, pickle.UnpicklingError):
                raise self._dead(k) from None
        for reply in replies:
            if isinstance(reply, BaseException):
                raise reply
        return replies

    def _stream(self, k: int, name: Literal["stdin", "stdout"]) -> BinaryIO:
        return cast(BinaryIO, getattr(self._processes[k], name))

    def _dead(self, k: int) -> ChildProcessError:
        """What to say of a process that has ended by itself."""
        code, (first, last) = self._processes[k].wait(), self._bounds[k]
        cause = f"was killed by signal {-code}" if code < 0 else f"ended with code {code}"
        hint = " (which the system does when memory runs out)" if -code == 9 else ""
        begun = runs.checkpoints(self._folder)
        return ChildProcessError(
            f"the process that trained members {first}..{last - 1} {cause}{hint}; "
            + (
                f"go on with: tradebot {self._plan.command} --resume {self._folder}"
                if begun
                else "there was no checkpoint yet: train again"
            )
        )


def serve() -> None:
    """What such a process does until its input ends: train on, say where it stands, say what it learned."""
    requests, replies = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)  # what a foreign environment reads or prints is not ours
    os.dup2(2, 1)
    try:
        with one_thread():
            members = _members(pickle.load(requests))
            moments = members.train()
            _send(None, replies)
            while True:
                match pickle.load(requests):
                    case int(step):
                        _send(next(now for now, _ in moments if now >= step), replies)
                    case "state":
                        _send(members.state(), replies)
                    case "outcome":
                        _send(members.outcome(), replies)
    except (EOFError, BrokenPipeError):  # nobody asks any more
        return
    except Exception as error:
        _send(_portable(error), replies)


def _members(task: Task) -> Members:
    if task.spec:
        gym.register(task.spec)
    env, facts, scale, _ = environment(task.plan, runs.code_of(runs.read(task.folder)))
    if facts.get("data") != task.data:
        raise InputError(f"the prices of {task.folder} changed while its training began: train anew")
    return Members(task.folder, task.plan, env, scale, task.saved)


def _portable(error: Exception) -> Exception:
    """The error with its traceback as a note, or what it says, if it cannot be sent."""
    error.add_note("".join(traceback.format_exception(error)))
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:
        return RuntimeError(f"{type(error).__name__}: {error}")
    return error


def _send(value: Any, stream: BinaryIO) -> None:
    pickle.dump(value, stream, pickle.HIGHEST_PROTOCOL)
    stream.flush()
