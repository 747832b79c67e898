"""Audit: does anything of a run, an agent, a rule or a function of yours know later bars?"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import partial
from html import escape
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from tradebot import plugins, runs
from tradebot.agents.configs import CONFIGS
from tradebot.agents.registry import create
from tradebot.api.backtesting import after_training, check_trades, history, overlaps
from tradebot.api.experiment import Experiment, experiment
from tradebot.api.prices import resolve, unknown
from tradebot.api.run import Run, trained_on
from tradebot.api.threads import one_thread
from tradebot.backtest import engine
from tradebot.config import listed
from tradebot.core import Agent, Array, Discrete, InputError
from tradebot.evidence import audit as causality
from tradebot.evidence import futures
from tradebot.evidence.audit import FITTED, OVERLAPS, Finding, Subject
from tradebot.market import features
from tradebot.market.configs import TradingConfig
from tradebot.market.env import TradingEnv, reward_scale, span
from tradebot.market.kernel import ACCOUNT_FEATURES
from tradebot.plugins import Plugin
from tradebot.prices.bars import Bars
from tradebot.prices.dates import spelled
from tradebot.strategies import own, rules

Progress = Callable[[int, int, str], None]  # (bars done, of how many, what is going on)
POINTS = 256  # bars after which the future of what is computed at once is changed
FEWEST = 8  # the same of what acts bar by bar, where it is POINTS / 16
OBSERVATION, ACTIONS, FILLS, EQUITY = LAYERS = ("observation", "actions", "fills", "equity")
LONGEST = 750  # bars that an agent acts in
STEPS = 200  # of a training whose observations are compared
DRIFT = 1e-3  # of a feature's deviation: what the start of the prices may change after the warm-up


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
        return _by_symbol(name, requests(other), other)

    search.look(Subject(what, asked, points=search.points, exact=not is_own, bears_nan=is_own), bars)
    if search.findings:
        return search.result(name, bars)

    def accounts(other: Bars) -> dict[str, Array]:
        return _account(other, {name: rules.requests(requests, other, 0, len(other) - 1)}, plan)

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
    mine = _own_features(market, code)
    columns = partial(_features, market, mine)
    is_exact = not mine
    search.look(
        Subject("features", columns, points=search.points, exact=is_exact, bears_nan=not is_exact), bars
    )
    label = run.name if run else f"{name} (untrained)" if name else "features"
    search.notes += _start_matters(columns, bars)
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
        search.findings += _fitted(run, bars, seen, begin, last)
    first = max(span(bars, start, None, table.warmup)[0], len(bars) - LONGEST)
    env = _test_env(bars, table, plan, first)
    with one_thread():
        agent = run.agent(env.observation_space, env.action_space) if run else _untrained(plan, env)
        acting = partial(_acting, agent, plan, seen, first)
        search.look(Subject("agent", acting, first, search.fewer, exact=is_exact), bars)
    return search.result(label, bars)


def _first_layer(found: list[Finding]) -> list[Finding]:
    """Of what follows from each other the first: who sees too much acts on it, and earns by it."""
    for layer in LAYERS:
        if first := [one for one in found if one.column.startswith(layer)]:
            return first
    return found


def _own_features(market: TradingConfig, code: Path | None) -> dict[str, Plugin]:
    found = {}
    for name, place in plugins.places(market.features).items():
        found[name] = plugins.load(name, code / place if code else None)
    return found


def _features(market: TradingConfig, mine: Mapping[str, Plugin], bars: Bars) -> dict[str, Array]:
    """Each feature of the market by name and symbol, [T], before it is clipped."""
    names = [*market.features] or [*features.MARKET_FEATURES]
    found: dict[str, Array] = {}
    for name in names:
        if name in mine:
            found |= _by_symbol(name, features.own_values(name, mine[name], bars), bars)
        elif name in features.MARKET_FEATURES:
            values = features.MARKET_FEATURES[name].compute(bars.reinvested(), market.lookback)
            found |= _by_symbol(name, values, bars)
        elif name not in ACCOUNT_FEATURES:
            raise unknown("feature", name, [*features.MARKET_FEATURES, *ACCOUNT_FEATURES])
    return found


def _by_symbol(name: str, values: Array, bars: Bars) -> dict[str, Array]:
    """[T, A] or [T, A, F] -> [T] by name; of several symbols or columns each name says which it is."""
    parts = values.reshape(*bars.close.shape, -1)
    n = parts.shape[2]
    return {
        f"{name}{f'[{i}]' * (n > 1)}{f' of {symbol}' * (len(bars.symbols) > 1)}": parts[:, a, i]
        for a, symbol in enumerate(bars.symbols)
        for i in range(n)
    }


def _test_env(bars: Bars, table: features.FeatureTable, plan: Experiment, first: int) -> TradingEnv:
    return TradingEnv(
        bars, plan.market, plan.costs, first=first, last=len(bars) - 1, seeds=plan.seeds, table=table
    )


def _untrained(plan: Experiment, env: TradingEnv) -> Agent:
    return create(
        plan.agent,
        env.observation_space,
        env.action_space,
        plan.members,
        plan.run.steps,
        plan.run.device,
    )


class _Watched:
    """An agent, and all that it saw."""

    def __init__(self, agent: Agent) -> None:
        self._agent = agent
        self.seen: list[Array] = []

    def act(self, obs: Array, *, explore: bool) -> Any:
        self.seen.append(np.array(obs[:, 0]))
        return self._agent.act(obs, explore=explore)


def _acting(
    agent: Agent, plan: Experiment, seen: Callable[[Bars], features.FeatureTable], first: int, bars: Bars
) -> dict[str, Array]:
    """What it sees, asks for and gets at every bar from `first` on."""
    table = seen(bars)
    watched = _Watched(agent)
    requests = engine.policy_requests(watched, _test_env(bars, table, plan, first))  # type: ignore[arg-type]
    obs = np.stack(watched.seen)  # [n, S, F]
    found = {f"{OBSERVATION} {name}": obs[:, :, f] for f, name in enumerate(table.names)}
    part = bars.rows(first, len(bars) - 1)
    return found | _account(part, {f"seed {s}": asked for s, asked in enumerate(requests)}, plan)


def _account(part: Bars, requests: Mapping[str, Array], plan: Experiment) -> dict[str, Array]:
    """Actions, fills and equity [n] of accounts that get what they ask for, and of their ensemble."""
    made = engine.run(
        "audit", part, requests, {}, market=plan.market, costs=plan.costs, in_sample=False, short=True
    )
    found: dict[str, Array] = {}
    for track in made.members:
        found |= _by_symbol(f"{ACTIONS} of {track.name}", track.request, part)
        found |= _by_symbol(f"{FILLS} of {track.name}", track.traded, part)
        found[f"{EQUITY} of {track.name}"] = track.equity
    return found | {
        f"{FILLS} of the ensemble": made.ensemble.traded,
        f"{EQUITY} of the ensemble": made.ensemble.equity,
    }


def _fitted(
    run: Run, bars: Bars, seen: Callable[[Bars], features.FeatureTable], first: int, last: int
) -> list[Finding]:
    """What the training took from bars after its end: its scale of the reward, or what its members met."""
    if last >= len(bars) - 1:
        return []
    plan = run.experiment
    before = _met(plan, bars, seen(bars), first, last)
    for how, other in futures.others(bars, last, seed=0):
        if len(other) <= last:
            continue
        after = _met(plan, other, seen(other), first, last)
        for name, values in before.items():
            if not np.array_equal(values, after[name]):
                return [Finding("training", name, FITTED, spelled(bars.timestamps[last]), 0, how)]
    return []


def _met(
    plan: Experiment, bars: Bars, table: features.FeatureTable, first: int, last: int
) -> dict[str, Array]:
    """Of a training on the bars first .. last: the scale of its reward, and what random actions met."""
    scale = reward_scale(bars, first, last)
    env = TradingEnv(
        bars,
        plan.market,
        plan.costs,
        first=first,
        last=last,
        seeds=plan.seeds,
        window=plan.market.window,
        reward_scale=scale,
        table=table,
    )
    generator = np.random.default_rng(0)
    met, rewards = [env.reset()], []
    for _ in range(STEPS):
        if isinstance(env.action_space, Discrete):
            action: Array = generator.integers(env.action_space.n, size=env.n_envs)
        else:
            action = generator.uniform(-1.0, 1.0, (env.n_envs, len(bars.symbols)))
        step = env.step(action)
        met.append(step.obs)
        rewards.append(step.reward)
    return {"reward scale": np.array(scale), "observations": np.stack(met), "rewards": np.stack(rewards)}


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


def _start_matters(columns: Callable[[Bars], Mapping[str, Array]], bars: Bars) -> list[str]:
    """In a line, which features have another value after their warm-up where the prices begin later."""
    cut = len(bars) // 4
    try:
        whole, late = columns(bars), columns(bars.rows(cut, len(bars) - 1))
    except InputError:
        return []
    worst: dict[str, float] = {}
    settled = 0
    for name, values in whole.items():
        begin = _settled(late[name])
        before, after = values[cut + begin :], late[name][begin:]
        usual = float(np.std(before)) if before.size else 0.0
        moved = np.abs(before - after).reshape(len(before), -1).max(axis=1, initial=0.0)
        if usual > 0 and moved.max(initial=0.0) > DRIFT * usual:
            worst[name] = moved.max() / usual
            settled = max(settled, 1 + int(np.flatnonzero(moved > DRIFT * usual)[-1]))
    if not worst:
        return []
    most = max(worst, key=lambda name: worst[name])
    return [
        f"where the prices begin matters to {', '.join(worst)} after the warm-up, most to {most} (by"
        f" {worst[most]:.2g} of its deviation), "
        + (f"for {settled:,} bars" if cut + settled < len(bars) - 1 else "up to the end")
    ]


def _settled(values: Array) -> int:
    """The first row without NaN."""
    known = ~np.isnan(values.reshape(len(values), -1)).any(axis=1)
    return int(known.argmax()) if known.any() else len(values)
