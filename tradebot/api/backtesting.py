"""Backtest a run or a rule over prices, by default those after the training, and keep what came out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from tradebot import files, plugins, runs
from tradebot.api.bookkeeping import judged, note
from tradebot.api.experiment import TRADING
from tradebot.api.observing import observe
from tradebot.api.prices import approved, is_stock, resolve, unknown
from tradebot.api.result import BacktestResult
from tradebot.api.run import Run, trained_on
from tradebot.api.threads import one_thread
from tradebot.backtest import engine
from tradebot.config import Config, build, counted, distribute, listed
from tradebot.core import Array, InputError
from tradebot.evidence import ledger
from tradebot.evidence.audit import check_causal
from tradebot.market import synthetic
from tradebot.market.configs import Broker, TradingConfig
from tradebot.market.costs import Costs, instead
from tradebot.market.env import TradingEnv, span
from tradebot.plugins import Plugin
from tradebot.prices.bars import Bars
from tradebot.prices.reading import ReadConfig
from tradebot.strategies import own, rules

ROOT = Path("backtests")  # of rules; those of a run lie in the run's folder


def backtest(
    run_or_rule: str | Path | Run | None = None,
    *,
    strategy: str = "",
    symbols: str | Sequence[str] = (),
    data: str = "",
    start: str | None = None,
    end: str | None = None,
    prices: str | None = None,
    baselines: str | Sequence[str] | None = None,
    out: str | Path | None = None,
    save: bool = True,
    open_seal: bool = False,
    command: str = "",
    **terms: Any,
) -> BacktestResult:
    """Backtest a run (its members and their ensemble), a rule, or a strategy of your own.

    A run is tested on its own symbols from the first bar after its training, with its own account and costs,
    unless others are given (`terms`: the fields of `Broker`, `Costs` and `ReadConfig`, e.g. `cash=`,
    `fees="us-stocks"`, `dates="day-first"`).
    `strategy` is a function `file.py:name`, Bars -> target weights (see `strategies.own`); it is refused if
    it looks ahead. `prices` are "adjusted" or "raw". `baselines` are rules, by default those that
    suit the number of symbols. What comes out is written into the new folder `out`, by default one in the
    run's own, unless `save` is False.

    What is on unseen bars is put on record first, in the trial ledger, from which the verdict knows how much
    was tried; `open_seal` opens bars that were sealed, once. Raises InputError for what cannot be tested and
    for sealed bars, OSError if the ledger or the folder cannot be written: there is no result then.

    >>> backtest("buy_and_hold", symbols="AAPL", start="2010", save=False).metrics["sharpe"]
    """
    if save and out:
        files.check_new_folder(Path(out))
    rule, run = _resolved(run_or_rule, strategy)
    for name in (asked := rules.listed_rules(baselines or ())):
        if rules.named(name) is None:
            raise unknown("baseline", name, list(rules.RULES))
    market, paid = _terms(run, terms, {} if prices is None else {"prices": prices})
    plugin = plugins.load(strategy) if strategy else None
    bars = history(run, listed(symbols), data, market.prices, market)
    doubts = approved(bars.symbols, bars.source, market)
    rivals = rules.baselines(len(bars.symbols)) if baselines is None else asked
    if run:
        start = start or _unseen(run, bars, end or None)
        _check_seals(bars, start, end, open_seal, run)
        first, last, members = play(run, bars, market, paid, start, end or None)
    else:
        _check_seals(bars, start, end, open_seal)
        first, last = span(bars, start or None, end or None, 0)
        members = {rule: _own(plugin, bars, first, last)} if plugin else _requests([rule], bars, first, last)
    tested = bars.rows(first, last)
    made = engine.run(
        run.name if run else rule,
        tested,
        members,
        _requests([name for name in rivals if name != rule], bars, first, last),
        market=market,
        costs=paid,
        in_sample=run is not None and overlaps(run, tested),
        short=run is not None and market.actions in ("long-short", "weights"),  # the rules never are
    )
    is_own = run and not (symbols or data) and market.prices == run.experiment.market.prices
    warning = _changed(run, bars) if run and is_own else ""
    facts = facts_of(run, plugin, command)
    if warning:
        facts[f"{made.name}: prices"] = warning
    if doubts:
        facts["worth a look"] = doubts
    recorded = note(made, run, plugin, open_seal=open_seal)
    result = BacktestResult(
        made, facts, run, warning, doubts, verdict=judged(made, recorded and recorded.again)
    )
    if save:
        root = run.folder / "backtests" if run else ROOT
        result.save(Path(out) if out else root / _folder_name(rule, tested), numbered=not out)
    return result


def _check_seals(
    bars: Bars, start: str | None, end: str | None, open_seal: bool, run: Run | None = None
) -> None:
    """Raise InputError for sealed bars before they are traded. What was trained on opens no seal."""
    tested = bars.rows(*span(bars, start or None, end or None, 0))
    first, last = (str(stamp) for stamp in tested.timestamps[[0, -1]].astype("datetime64[s]"))
    allowed = open_seal and not (run and overlaps(run, tested))
    ledger.check_seals(ledger.place(), tested.symbols, first, last, open_seal=allowed)


def _resolved(run_or_rule: str | Path | Run | None, strategy: str) -> tuple[str, Run | None]:
    """(name of the rule or the strategy, None) or ("", run)"""
    if strategy:
        if run_or_rule is not None:
            raise InputError(
                f"either {run_or_rule} or the strategy {strategy} can be tested, not both at once"
            )
        file, _, function = strategy.rpartition(":")
        return f"{Path(file).name}:{function}", None
    if run_or_rule is None:
        raise InputError("say what to test: a run or a rule (RUN_OR_RULE), or --strategy file.py:name")
    if isinstance(run_or_rule, Run):
        run = run_or_rule
    elif rules.named(str(run_or_rule)):
        return str(run_or_rule), None
    elif plugins.is_plugin(str(run_or_rule)):
        raise InputError(f"a strategy of your own goes behind a flag: --strategy {run_or_rule}")
    else:
        run = Run(runs.find(str(run_or_rule), others=rules.RULES))
    check_trades(run, "backtest")
    return "", run


def _own(plugin: Plugin, bars: Bars, first: int, last: int) -> Array:
    """What a strategy asks for at the bars first .. last, [T, A]. Raises InputError if it looks ahead."""
    requests = partial(own.requests, plugin.name, plugin)
    check_causal(plugin.name, requests, bars)
    return rules.requests(requests, bars, first, last)


def _requests(names: Sequence[str], bars: Bars, first: int, last: int) -> dict[str, Array]:
    """By the name of each rule, what it asks for at the bars first .. last."""
    known = {name: rule for name in names if (rule := rules.named(name))}
    return {name: rules.requests(rule, bars, first, last) for name, rule in known.items()}


def baseline_requests(bars: Bars, first: int, last: int) -> dict[str, Array]:
    """What the rules that suit as many symbols ask for at the bars first .. last."""
    return _requests(rules.baselines(len(bars.symbols)), bars, first, last)


def check_trades(run: Run, purpose: str) -> None:
    """Raise InputError for a run that has learned something else than to trade."""
    if not run.experiment.is_trading:
        raise InputError(
            f"{run.name} was trained on {run.experiment.run.env}, not for {TRADING}: there is nothing to"
            f" {purpose} (what it earns: tradebot evaluate {run.folder})"
        )
    if (study := run.experiment.command) != "train":
        raise InputError(
            f"{run.name} is a {study}, whose members were each trained in a market of their own: there is no"
            f" one agent to {purpose} (its result: tradebot report {run.folder})"
        )


def _terms(run: Run | None, terms: Mapping[str, Any], kind: Mapping[str, str]) -> tuple[TradingConfig, Costs]:
    """Those of the run, or the defaults, with what is given instead, also the kind of prices."""
    sections: dict[str, type[Config]] = {"account": Broker, "costs": Costs, "reading": ReadConfig}
    given = distribute({key: value for key, value in terms.items() if value is not None}, sections)
    market = run.experiment.market.model_dump() if run else {}
    paid = run.experiment.costs.model_dump() if run else {}
    return build(TradingConfig, {**market, **given["account"], **given["reading"], **kind}), build(
        Costs, instead(paid, given["costs"])
    )


def history(run: Run | None, symbols: tuple[str, ...], data: str, prices: str, how: ReadConfig) -> Bars:
    """The full history that is asked for; what is not said is as it was for the run."""
    own = run.experiment.market if run else TradingConfig()
    if run and sorted(symbols) == sorted(trained := _training_data(run).symbols):
        symbols = trained  # each observation and action is one symbol's, by its place
    if symbols and not data and symbols != own.symbols and is_stock(own.data):
        return resolve(symbols, "", prices, how)  # another symbol may have come from elsewhere
    if symbols or not data:
        return resolve(symbols or own.symbols, data or own.data, prices, how)
    if run is None:
        return resolve((), data, prices, how)
    trained = _training_data(run).symbols
    if not is_stock(data) and len(resolve((), data, prices, how).symbols) == len(trained) == 1:
        return resolve((), data, prices, how)  # it holds one symbol, be it another one than the run's
    return resolve(trained, data, prices, how)


def play(
    run: Run, bars: Bars, market: TradingConfig, costs: Costs, start: str | None, end: str | None
) -> tuple[int, int, dict[str, Array]]:
    """First and last bar that the run trades, and what each member asks for at each of them: name -> [T, A].

    Raises InputError for another number of symbols than it was trained on.
    """
    if len(bars.symbols) != (n := len(_training_data(run).symbols)):
        raise InputError(
            f"{run.name} was trained on {n} symbol{'s' * (n > 1)} and cannot trade {len(bars.symbols)}"
            f" ({bars.who}): choose as many with --symbols"
        )
    table = observe(bars, market, run.code).table
    first, last = span(bars, start, end, table.warmup)
    env = TradingEnv(bars, market, costs, first=first, last=last, seeds=run.seeds, table=table)
    with one_thread():
        requests = engine.policy_requests(run.agent(env.observation_space, env.action_space), env)
    return first, last, {f"seed {seed}": requests[m] for m, seed in enumerate(run.seeds)}


def _training_data(run: Run) -> runs.TrainingData:
    assert run.manifest.data is not None  # Run has checked it
    return run.manifest.data


def after_training(run: Run, bars: Bars, end: str | None = None) -> str | None:
    """The first bar after the training if there are two or more; None where there are not.

    Other symbols too are tested on later bars if there are any, for markets move together. A synthetic market
    of another name or seed shares nothing with the training, whatever its dates are: None.
    """
    trained = _training_data(run)
    if not _is_known(run, bars) and any(
        source.startswith(synthetic.PREFIX) for source in (bars.source, trained.source)
    ):
        return None
    stamps = (bars.between(None, end) if end else bars).timestamps
    later = stamps[stamps > np.datetime64(trained.end)]
    return str(later[0]) if len(later) >= 2 else None


def _unseen(run: Run, bars: Bars, end: str | None) -> str | None:
    """The first bar after the training; None (from the start) where the run cannot know any of these bars."""
    start = after_training(run, bars, end)
    if start or not _is_known(run, bars):
        return start
    until = f" until {end}" if end else ""
    raise InputError(
        f"{run.name} was trained on {trained_on(run.manifest)}, and there are fewer than 2 bars after that"
        f"{until}: backtest it with --start on bars that it was trained on, or with other --symbols or --data"
    )


def _is_known(run: Run, bars: Bars) -> bool:
    """Whether it was trained on one of these symbols."""
    return bool(set(_training_data(run).symbols) & set(bars.symbols))


def _changed(run: Run, bars: Bars) -> str:
    """What to say where the run's own prices are no longer those that it was trained on."""
    trained = _training_data(run)
    seen = int(np.searchsorted(bars.timestamps, np.datetime64(trained.end), side="right"))
    is_known = not trained.observed or (seen >= 2 and bars.rows(0, seen - 1).fingerprint == trained.observed)
    if is_known:
        return ""
    return f"the prices of {bars.who} have changed since {run.name} was trained on them"


def overlaps(run: Run, tested: Bars) -> bool:
    """Whether the training saw some of these bars."""
    trained, (first, last) = _training_data(run), tested.timestamps[[0, -1]]
    return _is_known(run, tested) and bool(
        first <= np.datetime64(trained.end) and last >= np.datetime64(trained.start)
    )


def facts_of(run: Run | None, strategy: Plugin | None, command: str) -> dict[str, str]:
    """How it came about, for the page."""
    facts = {"command": command} if command else {}
    if strategy:
        source = strategy.sources[strategy.path.name]
        facts["strategy"] = f"{strategy.name} (SHA-256 of the file {files.checksum(source)[:12]})"
    if run is None:
        return facts
    m, data = run.manifest, _training_data(run)
    seeds = f"{counted(m.seeds, 'seed')} from {run.seeds[0]}"
    return facts | {
        f"{run.name}: agent": f"{m.agent}, {seeds}, {m.steps:,} steps each",
        f"{run.name}: trained on": f"{trained_on(m)} ({data.source}, fingerprint {data.fingerprint[:12]})",
        f"{run.name}: trained by": m.command or "a call from Python",
        f"{run.name}: took": f"{m.seconds:.0f} s",
        "versions": ", ".join(f"{package} {number}" for package, number in m.versions.items()),
    }


def _folder_name(rule: str, bars: Bars) -> str:
    symbols = bars.symbols[0] if len(bars.symbols) == 1 else f"{len(bars.symbols)}-symbols"
    dates = "-".join(str(stamp)[:10].replace("-", "") for stamp in bars.timestamps[[0, -1]])
    parts = "-".join(part for part in (rule.replace(plugins.SUFFIX, "-"), symbols, dates) if part)
    return "".join(letter if letter.isalnum() or letter in "-_" else "-" for letter in parts)
