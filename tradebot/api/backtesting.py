"""Backtest a run or a rule over prices, by default those after the training, and keep what came out."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from tradebot import files, runs
from tradebot.api.picture import Picture
from tradebot.api.prices import resolve, unknown
from tradebot.api.training import Run, open_run
from tradebot.backtest import engine
from tradebot.config import build
from tradebot.core import InputError
from tradebot.market import features, synthetic
from tradebot.market.configs import TradingConfig
from tradebot.market.costs import Costs
from tradebot.market.env import TradingEnv, span
from tradebot.prices.bars import Bars
from tradebot.report import page, plots, tables
from tradebot.stats.metrics import spread
from tradebot.strategies.rules import RULES

ROOT = Path("backtests")  # of rules; those of a run lie in the run's folder


class BacktestResult:
    """What a run or a rule earned, beside the baselines."""

    def __init__(self, backtest: engine.Backtest, facts: dict[str, str], run: Run | None) -> None:
        self.backtest = backtest
        self.facts = facts
        self.run = run
        self.files: dict[str, Path] = {}

    @property
    def metrics(self) -> dict[str, float]:
        """Of the ensemble."""
        return self.backtest.metrics

    @property
    def frame(self) -> pd.DataFrame:
        """All metrics: a row for the ensemble, each member and each baseline."""
        return self.backtest.frame

    @property
    def equity(self) -> pd.DataFrame:
        """[currency] by time: a column for the ensemble, each member and each baseline."""
        return self.backtest.equity

    @property
    def fills(self) -> pd.DataFrame:
        """Of the ensemble."""
        return self.backtest.ensemble.fills

    @property
    def trades(self) -> pd.DataFrame:
        """Of the ensemble."""
        return self.backtest.ensemble.trades

    def plot(self) -> Picture:
        """Equity of all on one log axis, with the drawdown."""
        return Picture(plots.equity(self.backtest))

    def plot_position(self) -> Picture:
        """Price with the ensemble's entries and exits, and its position."""
        return Picture(plots.position(self.backtest))

    def to_dict(self) -> dict[str, Any]:
        """What `backtest --json` prints."""
        test = self.backtest
        values = {key: spread(np.array([m.metrics[key] for m in test.members])) for key in test.metrics}
        return {
            "name": test.name,
            "symbol": test.bars.symbols[0],
            "span": {
                "start": str(test.bars.timestamps[0]),
                "end": str(test.bars.timestamps[-1]),
                "bars": len(test.bars),
            },
            "in_sample": test.in_sample,
            "cash": float(test.ensemble.equity[0]),
            "costs": test.costs.model_dump(),
            "ensemble": test.ensemble.metrics,
            "members": [{"name": member.name, **member.metrics} for member in test.members],
            "spread": values,
            "baselines": {name: track.metrics for name, track in test.baselines.items()},
            "files": {name: str(path) for name, path in self.files.items()},
        }

    def save(self, folder: str | Path) -> None:
        """Write metrics, equity, fills, trades, pictures and the page into a new folder, all or nothing."""
        folder, test = Path(folder), self.backtest
        pictures = figures([self], self.run)
        names = ("metrics.json", "equity.parquet", "fills.csv", "trades.csv", "report.html", *pictures)
        self.files = {name: folder / name for name in names}
        with files.new_folder(folder) as aside:
            buffer = io.BytesIO()
            test.equity.to_parquet(buffer)
            files.write_bytes(aside / "equity.parquet", buffer.getvalue())
            tracks = (test.ensemble, *test.members)
            for name in ("fills", "trades"):
                table = pd.concat([getattr(track, name).assign(account=track.name) for track in tracks])
                files.write_text(aside / f"{name}.csv", table.to_csv(index=False))
            for name, (_, data) in pictures.items():
                files.write_bytes(aside / name, data)
            files.write_text(aside / "report.html", render([self], pictures, f"{test.name}: backtest"))
            files.write_json(aside / "metrics.json", self.to_dict())

    def __repr__(self) -> str:
        test = self.backtest
        return f"BacktestResult({tables.label(test)} on {test.bars.symbols[0]}, {test.bars.span})"

    def _repr_html_(self) -> str:
        return tables.summary_html([self.backtest])


def backtest(
    run_or_rule: str | Path | Run,
    *,
    symbols: Sequence[str] = (),
    data: str = "",
    start: str | None = None,
    end: str | None = None,
    cash: float | None = None,
    baselines: Sequence[str] | None = None,
    out: str | Path | None = None,
    save: bool = True,
    command: str = "",
    **costs: float | None,
) -> BacktestResult:
    """Backtest a run (its members and their ensemble) or a rule.

    A run is tested on its own symbol from the first bar after its training, with its own cash and costs, unless other
    ones are given (`commission_bps=`, `half_spread_bps=`). What it writes goes to `out`, by default a folder in the
    run's own. Raises InputError for what cannot be tested, OSError if the folder cannot be written.

    >>> backtest("buy_and_hold", symbols=["AAPL"], start="2010", save=False).metrics["sharpe"]
    """
    rule, run = _resolve(run_or_rule)
    market = run.experiment.market if run else TradingConfig()
    market = build(
        TradingConfig,
        market.model_dump()
        | ({"symbols": tuple(symbols), "data": data} if symbols or data else {})
        | {"start": start, "end": end}
        | ({} if cash is None else {"cash": cash}),
    )
    given = {key: value for key, value in costs.items() if value is not None}
    paid = build(Costs, (run.experiment.costs.model_dump() if run else {}) | given)
    rivals = list(RULES) if baselines is None else list(baselines)
    for name in rivals:
        if name not in RULES:
            raise unknown("baseline", name, list(RULES))

    bars = resolve(market.symbols, market.data)
    if run:
        start = market.start or _after_training(run, bars, market.end)
        table = features.table(bars, market.features, market.lookback)
        first, last = span(bars, start, market.end, table.warmup)
        env = TradingEnv(bars, market, paid, first=first, last=last, seeds=run.seeds, table=table)
        agent = run.agent(env.observation_space, env.action_space)
        requests = engine.policy_requests(agent, env)
        members = {f"seed {seed}": requests[:, m] for m, seed in enumerate(run.seeds)}
    else:
        first, last = span(bars, market.start, market.end, 0)
        members = {rule: RULES[rule](bars)[first : last + 1]}
    tested = bars.rows(first, last)
    result = engine.run(
        run.name if run else rule,
        tested,
        members,
        {name: RULES[name](bars)[first : last + 1] for name in rivals if name != rule},
        cash=market.cash,
        costs=paid,
        in_sample=bool(run) and _overlaps(run, tested),
    )
    answer = BacktestResult(result, _facts(run, command), run)
    if save:
        root = run.folder / "backtests" if run else ROOT
        answer.save(Path(out) if out else runs.free_name(root, _folder_name(result, rule)))
    return answer


def figures(results: Sequence[BacktestResult], run: Run | None = None) -> dict[str, tuple[str, bytes]]:
    """File name -> (caption, PNG) of everything that is to be seen of these results."""
    drawn: dict[str, tuple[str, Any]] = {}
    if len(results) > 1:
        drawn["comparison.png"] = ("All ensembles and baselines", plots.comparison([r.backtest for r in results]))
    for result in results:
        test, mark = result.backtest, f"{result.backtest.name}-" if len(results) > 1 else ""
        drawn[f"{mark}equity.png"] = (f"{test.name}: equity and drawdown", plots.equity(test))
        drawn[f"{mark}position.png"] = (f"{test.name}: entries, exits and position", plots.position(test))
        if result.run:
            drawn[f"{mark}learning.png"] = (f"{test.name}: learning curve", result.run.plot().figure)
    return {name: (caption, plots.png(figure)) for name, (caption, figure) in drawn.items()}


def render(
    results: Sequence[BacktestResult], pictures: dict[str, tuple[str, bytes]], title: str, command: str = ""
) -> str:
    """The page of these results; `command` is what made them all."""
    shown = {name: picture for name, picture in pictures.items() if "learning" not in name}
    learned = {name: picture for name, picture in pictures.items() if "learning" in name}
    facts = {key: value for result in results for key, value in result.facts.items()}
    facts |= {"command": command} if command else {}
    return page.render(
        [result.backtest for result in results],
        dict(shown.values()),
        title=title,
        facts=facts,
        learning=dict(learned.values()) or None,
    )


def _resolve(run_or_rule: str | Path | Run) -> tuple[str, Run | None]:
    """(rule, None) or ("", run)"""
    if isinstance(run_or_rule, Run):
        run: Run | None = run_or_rule
    elif str(run_or_rule) in RULES:
        return str(run_or_rule), None
    else:
        try:
            run = open_run(str(run_or_rule))
        except InputError as error:
            raise InputError(f"{error}; rules are {', '.join(RULES)}") from None
    assert run is not None
    if run.experiment.run.env != "trading":
        raise InputError(f"{run.name} was trained on {run.experiment.run.env}: there is nothing to backtest")
    return "", run


def _independent(run: Run, bars: Bars) -> bool:
    """A synthetic market of another name or seed shares nothing with the training, whatever its dates are."""
    trained = run.manifest["data"]
    made_up = (source.startswith(synthetic.PREFIX) for source in (bars.source, trained["source"]))
    return any(made_up) and trained["symbols"] != list(bars.symbols)


def _after_training(run: Run, bars: Bars, end: str | None) -> str | None:
    """The first bar that the run has not been trained on; None (from the start) where it knows none of them."""
    trained = run.manifest["data"]
    if _independent(run, bars):
        return None
    later = bars.timestamps[bars.timestamps > np.datetime64(trained["end"])]
    if len(later) >= 2:
        return str(later[0])
    if not set(trained["symbols"]) & set(bars.symbols):
        return None
    raise InputError(
        f"{run.name} was trained up to {trained['end'][:10]}, where the prices end: give --start (in-sample then), or"
        " other prices with --symbols or --data"
    )


def _overlaps(run: Run, tested: Bars) -> bool:
    """Whether the run was trained on some of these bars."""
    trained = run.manifest["data"]
    dates = tested.timestamps[[0, -1]]
    return (
        not _independent(run, tested)
        and bool(set(trained["symbols"]) & set(tested.symbols))
        and bool(dates[0] <= np.datetime64(trained["end"]) and dates[1] >= np.datetime64(trained["start"]))
    )


def _facts(run: Run | None, command: str) -> dict[str, str]:
    facts = {"command": command} if command else {}
    if run is None:
        return facts
    m, data = run.manifest, run.manifest["data"]
    trained = f"{data['start'][:10]} to {data['end'][:10]} of {', '.join(data['symbols'])}"
    return facts | {
        f"{run.name}: agent": f"{m['agent']}, {m['seeds']} seeds from {run.experiment.run.seed}, {m['steps']:,} steps each",
        f"{run.name}: trained on": f"{trained} ({data['source']}, fingerprint {data['fingerprint'][:12]})",
        f"{run.name}: trained by": m["command"] or "a call from Python",
        f"{run.name}: took": f"{m['seconds']:.0f} s",
        "versions": ", ".join(f"{package} {number}" for package, number in m["versions"].items()),
    }


def _folder_name(result: engine.Backtest, rule: str) -> str:
    symbol = "".join(letter if letter.isalnum() else "-" for letter in result.bars.symbols[0])
    dates = "-".join(str(stamp)[:10].replace("-", "") for stamp in result.bars.timestamps[[0, -1]])
    return "-".join(part for part in (rule, symbol, dates) if part)


