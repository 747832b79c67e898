"""Backtest a run or a rule over prices, by default those after the training, and keep what came out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from tradebot import runs
from tradebot.api.experiment import TRADING
from tradebot.api.prices import is_stock, load, resolve, unknown
from tradebot.api.result import BacktestResult
from tradebot.api.run import Run, trained_on
from tradebot.api.threads import one_thread
from tradebot.backtest import engine
from tradebot.config import build, listed
from tradebot.core import Array, InputError
from tradebot.market import features, synthetic
from tradebot.market.configs import TradingConfig
from tradebot.market.costs import Costs
from tradebot.market.env import TradingEnv, span
from tradebot.prices.bars import Bars
from tradebot.strategies import rules

ROOT = Path("backtests")  # of rules; those of a run lie in the run's folder


def backtest(
    run_or_rule: str | Path | Run,
    *,
    symbols: str | Sequence[str] = (),
    data: str = "",
    start: str | None = None,
    end: str | None = None,
    cash: float | None = None,
    baselines: str | Sequence[str] | None = None,
    out: str | Path | None = None,
    save: bool = True,
    command: str = "",
    **costs: float | None,
) -> BacktestResult:
    """Backtest a run (its members and their ensemble) or a rule.

    A run is tested on its own symbol from the first bar after its training, with its own cash [currency] and
    costs, unless others are given (`commission_bps=`, `half_spread_bps=`, in basis points). `baselines` are
    rules, by default all. What comes out is written into the new folder `out`, by default one in the run's
    own, unless `save` is False. Raises InputError for what cannot be tested, OSError if the folder cannot be
    written.

    >>> backtest("buy_and_hold", symbols="AAPL", start="2010", save=False).metrics["sharpe"]
    """
    rule, run = _resolved(run_or_rule)
    market, paid = _terms(run, cash, costs)
    bars = history(run, listed(symbols), data)
    rivals = rules.baselines(len(bars.symbols)) if baselines is None else listed(baselines)
    for name in rivals:
        if rules.named(name) is None:
            raise unknown("baseline", name, list(rules.RULES))
    if run:
        start = start or _unseen(run, bars, end or None)
        first, last, members = play(run, bars, market, paid, start, end or None)
    else:
        first, last = span(bars, start or None, end or None, 0)
        members = _requests([rule], bars, first, last)
    tested = bars.rows(first, last)
    made = engine.run(
        run.name if run else rule,
        tested,
        members,
        _requests([name for name in rivals if name != rule], bars, first, last),
        cash=market.cash,
        costs=paid,
        in_sample=run is not None and overlaps(run, tested),
        short=run is not None and market.actions in ("long-short", "weights"),  # the rules never are
    )
    warning = _changed(run, bars) if run and not (symbols or data) else ""
    facts = _facts(run, command) | ({f"{run.name}: prices": warning} if run and warning else {})
    result = BacktestResult(made, facts, run, warning)
    if save:
        root = run.folder / "backtests" if run else ROOT
        result.save(Path(out) if out else root / _folder_name(rule, tested), numbered=not out)
    return result


def _resolved(run_or_rule: str | Path | Run) -> tuple[str, Run | None]:
    """(rule, None) or ("", run)"""
    if isinstance(run_or_rule, Run):
        run = run_or_rule
    elif rules.named(str(run_or_rule)):
        return str(run_or_rule), None
    else:
        run = Run(runs.find(str(run_or_rule), others=rules.RULES))
    check_trades(run, "backtest")
    return "", run


def _requests(names: Sequence[str], bars: Bars, first: int, last: int) -> dict[str, Array]:
    """By the name of each rule, what it asks for at the bars first .. last."""
    known = {name: rule for name in names if (rule := rules.named(name))}
    return {name: rules.requests(rule, bars, first, last)[:, 0] for name, rule in known.items()}


def check_trades(run: Run, purpose: str) -> None:
    """Raise InputError for a run that has learned something else than to trade."""
    if not run.experiment.is_trading:
        raise InputError(
            f"{run.name} was trained on {run.experiment.run.env}, not for {TRADING}: there is nothing to"
            f" {purpose} (its evaluation: tradebot runs show {run.folder})"
        )


def _terms(
    run: Run | None, cash: float | None, costs: Mapping[str, float | None]
) -> tuple[TradingConfig, Costs]:
    """Those of the run, or the defaults, with what is given instead."""
    market = run.experiment.market.model_dump() if run else {}
    paid = run.experiment.costs.model_dump() if run else {}
    return build(TradingConfig, market | _given({"cash": cash})), build(Costs, paid | _given(costs))


def _given(values: Mapping[str, float | None]) -> dict[str, float]:
    return {key: value for key, value in values.items() if value is not None}


def history(run: Run | None, symbols: tuple[str, ...], data: str) -> Bars:
    """The full history that is asked for; what is not said is as it was for the run."""
    own = run.experiment.market if run else TradingConfig()
    if symbols and not data and symbols != own.symbols and is_stock(own.data):
        return resolve(symbols, "")  # another symbol may have come from elsewhere
    if symbols or not data:
        return resolve(symbols or own.symbols, data or own.data)
    if run is None or (not is_stock(data) and len(load(source=data).symbols) == 1):
        return resolve((), data)  # it holds one symbol, be it another one than the run's
    return resolve(_training_data(run).symbols, data)


def play(
    run: Run, bars: Bars, market: TradingConfig, costs: Costs, start: str | None, end: str | None
) -> tuple[int, int, dict[str, Array]]:
    """First and last bar that the run trades, and what each member asks for at each of them: name -> [T]."""
    table = features.table(bars, market.features, market.lookback)
    first, last = span(bars, start, end, table.warmup)
    env = TradingEnv(bars, market, costs, first=first, last=last, seeds=run.seeds, table=table)
    with one_thread():
        requests = engine.policy_requests(run.agent(env.observation_space, env.action_space), env)  # [T, M]
    return first, last, {f"seed {seed}": requests[:, m] for m, seed in enumerate(run.seeds)}


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
    return f"the prices of {', '.join(bars.symbols)} have changed since {run.name} was trained on them"


def overlaps(run: Run, tested: Bars) -> bool:
    """Whether the training saw some of these bars."""
    trained, (first, last) = _training_data(run), tested.timestamps[[0, -1]]
    return _is_known(run, tested) and bool(
        first <= np.datetime64(trained.end) and last >= np.datetime64(trained.start)
    )


def _facts(run: Run | None, command: str) -> dict[str, str]:
    """How it came about, for the page."""
    facts = {"command": command} if command else {}
    if run is None:
        return facts
    m, data = run.manifest, _training_data(run)
    return facts | {
        f"{run.name}: agent": f"{m.agent}, {m.seeds} seeds from {run.seeds[0]}, {m.steps:,} steps each",
        f"{run.name}: trained on": f"{trained_on(m)} ({data.source}, fingerprint {data.fingerprint[:12]})",
        f"{run.name}: trained by": m.command or "a call from Python",
        f"{run.name}: took": f"{m.seconds:.0f} s",
        "versions": ", ".join(f"{package} {number}" for package, number in m.versions.items()),
    }


def _folder_name(rule: str, bars: Bars) -> str:
    dates = "-".join(str(stamp)[:10].replace("-", "") for stamp in bars.timestamps[[0, -1]])
    parts = "-".join(part for part in (rule, bars.symbols[0], dates) if part)
    return "".join(letter if letter.isalnum() or letter in "-_" else "-" for letter in parts)
