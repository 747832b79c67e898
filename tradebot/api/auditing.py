"""Audit: does anything of a run, an agent, a rule or a function of yours know later bars?"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import partial
from html import escape
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from tradebot import plugins, runs
from tradebot.agents.configs import CONFIGS
from tradebot.api import subjects
from tradebot.api.backtesting import after_training, check_trades, history, overlaps
from tradebot.api.experiment import experiment
from tradebot.api.prices import resolve
from tradebot.api.run import Run, trained_on
from tradebot.api.threads import one_thread
from tradebot.config import listed
from tradebot.core import Array, InputError
from tradebot.evidence import audit as causality
from tradebot.evidence.audit import OVERLAPS, Finding, Subject
from tradebot.market import features
from tradebot.market.env import span
from tradebot.prices.bars import Bars
from tradebot.prices.dates import spelled
from tradebot.strategies import own, rules

Progress = Callable[[int, int, str], None]  # (bars done, of how many, what is going on)
POINTS = 256  # bars after which the future of what is computed at once is changed
FEWEST = 8  # the same of what acts bar by bar, where it is POINTS / 16
LONGEST = 750  # bars that an agent acts in


class Checked(NamedTuple):
    """What was looked at."""

    what: str
    columns: int
    points: int  # bars after which the future was changed


class AuditResult(NamedTuple):
    """What was found, and what was looked at."""

    name: str
    bars: Bars
    checked: tuple[Checked, ...]
    findings: tuple[Finding, ...]
    notes: tuple[str, ...]  # no fault, but good to know

    @property
    def ok(self) -> bool:
        """Whether nothing looks ahead."""
        return not self.findings

    @property
    def frame(self) -> pd.DataFrame:
        """A row for each finding."""
        return pd.DataFrame([one._asdict() for one in self.findings], columns=list(Finding._fields))

    def to_dict(self) -> dict[str, Any]:
        """What `audit --json` prints."""
        return {
            "name": self.name,
            "symbols": list(self.bars.symbols),
            "span": {"start": spelled(self.bars.timestamps[0]), "end": spelled(self.bars.timestamps[-1])},
            "ok": self.ok,
            "findings": [one._asdict() for one in self.findings],
            "checked": [one._asdict() for one in self.checked],
            "notes": list(self.notes),
        }

    def __repr__(self) -> str:
        return f"AuditResult({self.name}: {len(self.findings) or 'nothing'} found)"

    def _repr_html_(self) -> str:
        return f"<p>{escape(repr(self))}</p>{self.frame.to_html(index=False)}"


def audit(
    subject: str | Path | Run | None = None,
    *,
    strategy: str = "",
    start: str | None = None,
    end: str | None = None,
    points: int = POINTS,
    seed: int = 0,
    progress: Progress | None = None,
    **settings: Any,
) -> AuditResult:
    """Change the future after many bars, and find what of the past changes with it.

    subject: a run, an agent (untrained, with `settings` as for `train`), a rule, or None for a function of
    yours, `strategy="file.py:name"` or `features="file.py:name,..."`. Looked at are the features, the
    observations, the actions, the fills and the equity, and of a run what its training was fitted on and
    whether `start` .. `end` were trained on. Rare leaks need more `points`. `seed` chooses the bars and the
    futures. Raises InputError for what cannot be computed at all.

    >>> audit("sma_cross", symbols="AAPL").ok
    True
    """
    if points < 1:
        raise InputError(f"--points: should be 1 or more (got {points})")
    search = _Search(points, seed, progress)
    if isinstance(subject, str) and subject in CONFIGS:
        return _of_agent(subject, None, {"seeds": 2} | settings, search, start, end)
    if strategy or (isinstance(subject, str) and (subject.startswith(rules.FIXED) or subject in rules.RULES)):
        if strategy and subject is not None:
            raise InputError(f"either {subject} or the strategy {strategy} can be audited, not both at once")
        return _of_rule(strategy or str(subject), bool(strategy), settings, search, end)
    if subject is None:
        if not settings.get("features"):
            raise InputError(
                "say what to audit: a run, an agent or a rule, --strategy file.py:name or --features"
                " file.py:name"
            )
        return _of_agent("", None, settings, search, start, end)
    run = subject if isinstance(subject, Run) else _run(str(subject))
    check_trades(run, "audit")
    return _of_agent("", run, settings, search, start, end)


class _Search:
    """Audits subjects, one after the other, and keeps what was found."""

    def __init__(self, points: int, seed: int, progress: Progress | None) -> None:
        self.points, self._seed, self._progress = points, seed, progress
        self.checked: list[Checked] = []
        self.findings: list[Finding] = []
        self.notes: list[str] = []

    @property
    def fewer(self) -> int:
        """Points for what takes long."""
        return max(FEWEST, self.points // 16)

    def look(self, subject: Subject, bars: Bars) -> None:
        done = 0

        def tell() -> None:
            nonlocal done
            done += 1
            if self._progress:
                self._progress(done, subject.points, f"auditing {subject.what}")

        self.findings += _first_layer(causality.audit(subject, bars, self._seed, tell))
        self.checked.append(Checked(subject.what, len(subject.columns(bars)), done))

    def result(self, name: str, bars: Bars) -> AuditResult:
        return AuditResult(name, bars, tuple(self.checked), tuple(self.findings), tuple(self.notes))


def _run(name: str) -> Run:
    if plugins.is_plugin(name):
        raise InputError(f"a function of your own goes behind a flag: --strategy {name} or --features {name}")
    return Run(runs.find(name, others=(*CONFIGS, *rules.RULES)))


def _of_rule(
    name: str, is_own: bool, settings: Mapping[str, Any], search: _Search, end: str | None
) -> AuditResult:
    """What a rule or a strategy asks for, and what its account does."""
    if idle := [key for key in ("features", "actions", "reward") if settings.get(key)]:
        raise InputError(f"{', '.join(idle)}: only an agent has them, not {name}")
    plan = experiment("ppo", {}, settings)  # for the prices, the account and the costs
    bars = _until(end, resolve(plan.market.symbols, plan.market.data, plan.market.prices, plan.market))
    requests: Callable[[Bars], Array] | None = rules.named(name)
    if is_own:
        requests = partial(own.requests, name, plugins.load(name))
    assert requests is not None
    what = "strategy" if is_own else "rule"

    def asked(other: Bars) -> dict[str, Array]:
        return subjects.by_symbol(name, requests(other), other)

    search.look(Subject(what, asked, points=search.points, exact=not is_own, bears_nan=is_own), bars)
    if search.findings:
        return search.result(name, bars)

    def accounts(other: Bars) -> dict[str, Array]:
        return subjects.account(other, {name: rules.requests(requests, other, 0, len(other) - 1)}, plan)

    search.look(Subject("account", accounts, points=search.fewer, exact=not is_own), bars)
    return search.result(name, bars)


def _of_agent(
    name: str,
    run: Run | None,
    settings: Mapping[str, Any],
    search: _Search,
    start: str | None,
    end: str | None,
) -> AuditResult:
    """The features, then what an agent sees and does with them; without a name or run the features alone."""
    plan = run.experiment if run else experiment(name or "ppo", {}, settings)
    market, code = plan.market, run.code if run else None
    if run:
        given = {key: value for key, value in settings.items() if value}
        if idle := [key for key in given if key not in ("symbols", "data")]:
            raise InputError(f"{', '.join(idle)}: {run.name} is audited with the settings that it has")
        bars = history(run, listed(given.get("symbols", ())), given.get("data", ""), market.prices, market)
    else:
        bars = resolve(market.symbols, market.data, market.prices, market)
    bars = _until(end, bars)
    mine = subjects.own_features(market, code)
    columns = partial(subjects.of_features, market, mine)
    is_exact = not mine
    search.look(
        Subject("features", columns, points=search.points, exact=is_exact, bears_nan=not is_exact), bars
    )
    label = run.name if run else f"{name} (untrained)" if name else "features"
    search.notes += subjects.start_matters(columns, bars)
    leaks = bool(search.findings)
    if run:
        search.findings += _overlap(run, bars, start)
        search.notes += _in_sample(run)
        start = start or after_training(run, bars)
    if leaks or not (run or name):
        return search.result(label, bars)
    seen = partial(features.table, names=market.features, lookback=market.lookback, own=mine)
    table = seen(bars)
    if run:
        begin, last = span(bars, market.start or None, market.end or None, table.warmup)
        search.findings += subjects.fitted(run, bars, seen, begin, last)
    first = max(span(bars, start, None, table.warmup)[0], len(bars) - LONGEST)
    env = subjects.env_of(bars, table, plan, first)
    with one_thread():
        agent = run.agent(env.observation_space, env.action_space) if run else subjects.untrained(plan, env)
        does = partial(subjects.acting, agent, plan, seen, first)
        search.look(Subject("agent", does, first, search.fewer, exact=is_exact), bars)
    return search.result(label, bars)


def _first_layer(found: list[Finding]) -> list[Finding]:
    """Of what follows from each other the first: who sees too much acts on it, and earns by it."""
    for layer in subjects.LAYERS:
        if first := [one for one in found if one.column.startswith(layer)]:
            return first
    return found


def _until(end: str | None, bars: Bars) -> Bars:
    """The bars up to a date; the first stay, for features look back over all."""
    return bars.between(None, end) if end else bars


def _overlap(run: Run, bars: Bars, start: str | None) -> list[Finding]:
    """A test that is asked for and that the training saw."""
    if start is None or not overlaps(run, tested := bars.between(start, None)):
        return []
    return [Finding("test", run.name, OVERLAPS, spelled(tested.timestamps[0]), 0, trained_on(run.manifest))]


def _in_sample(run: Run) -> list[str]:
    """Which of its backtests were made on bars of its training."""
    found = []
    for path in sorted((run.folder / "backtests").glob("*/metrics.json")):
        try:
            in_sample = json.loads(path.read_bytes())["in_sample"]
        except (OSError, ValueError, KeyError, TypeError):
            continue
        found += [f"{path.parent.name} was tested on bars that were trained on"] * bool(in_sample)
    return found
