"""What a backtest gives back: numbers, tables and pictures that show themselves, and are kept in a folder."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from functools import cached_property
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from tradebot import files
from tradebot.api.picture import Picture
from tradebot.api.run import Run
from tradebot.backtest import engine
from tradebot.backtest.walkforward import FoldResult
from tradebot.config import counted
from tradebot.evidence.nulltest import NullTest
from tradebot.evidence.sensitivity import Sensitivity, sensitivity
from tradebot.evidence.verdict import Verdict
from tradebot.market.configs import Broker
from tradebot.report import folds, nulltest, page, plots, tables
from tradebot.report.verdict import verdict_html
from tradebot.stats.bootstrap import Interval
from tradebot.stats.metrics import spread


class BacktestResult:
    """What a run or a rule earned, beside the baselines. Fractions and currency, after costs."""

    def __init__(
        self,
        backtest: engine.Backtest,
        facts: dict[str, str],  # how it came about, for the page
        run: Run | None,  # None for a rule
        warning: str = "",  # what a reader must know before the numbers
        doubts: str = "",  # what is worth a look in the prices, see `prices.quality`
        *,
        folds: Sequence[FoldResult] = (),  # of a walk-forward
        null: NullTest | None = None,  # of which this is the market's part
        verdict: Verdict | None = None,  # whether it shows an edge
    ) -> None:
        self.backtest = backtest
        self.facts = facts
        self.run = run
        self.warning = warning
        self.doubts = doubts
        self.folds = tuple(folds)
        self.null = null
        self.verdict = verdict
        self.files: dict[str, Path] = {}  # name -> where `save` wrote it

    @property
    def kind(self) -> str:
        """'backtest', 'walk-forward of 5 folds' or 'null test'."""
        if self.folds:
            return f"walk-forward of {counted(len(self.folds), 'fold')}"
        return "null test" if self.null else "backtest"

    @property
    def metrics(self) -> dict[str, float]:
        """Of the ensemble: name -> value, as `stats.metrics.METRICS` describes it; NaN for none."""
        return self.backtest.metrics

    @property
    def in_sample(self) -> bool:
        """Whether some or all of the bars were trained on."""
        return self.backtest.in_sample

    @cached_property
    def sensitivity(self) -> Sensitivity:
        """What it hangs on: costs, regimes, start dates."""
        return sensitivity(self.backtest)

    @property
    def frame(self) -> pd.DataFrame:
        """All metrics: a row for the ensemble, each member and each baseline."""
        return self.backtest.frame

    @property
    def equity(self) -> pd.DataFrame:
        """[currency] by time: a column for the ensemble, each member and each baseline."""
        return self.backtest.equity

    @property
    def fold_frame(self) -> pd.DataFrame:
        """Of a walk-forward: a row for each fold, see `walkforward.FoldResult`."""
        return pd.DataFrame(self.folds, columns=list(FoldResult._fields))

    @property
    def fills(self) -> pd.DataFrame:
        """Of the ensemble: a row for each fill, see `engine.Track.fills`."""
        return self.backtest.ensemble.fills

    @property
    def trades(self) -> pd.DataFrame:
        """Of the ensemble: a row for each round trip, see `engine.Track.trades`."""
        return self.backtest.ensemble.trades

    def plot(self) -> Picture:
        """Equity of all on one log axis, with the drawdown."""
        return Picture(plots.equity(self.backtest))

    def plot_position(self) -> Picture:
        """Price with the ensemble's entries and exits, and its position."""
        return Picture(plots.position(self.backtest))

    def to_dict(self) -> dict[str, Any]:
        """What `backtest --json` prints. `ci` is [low, high] of a 95 % interval, see `stats.bootstrap`.

        `liquidated` are the times of the closes after which the broker sold an account out, `ruined` that of
        its end, if any.

        `oracle_return` is the hindsight optimum's after the same costs, `captured` the ensemble's share of
        its log wealth: see `engine.Backtest`.
        """
        test = self.backtest
        values = {key: spread(np.array([m.metrics[key] for m in test.members])) for key in test.metrics}
        return {
            "name": test.name,
            "symbols": list(test.bars.symbols),
            "span": {
                "start": test.bars.timestamps[0].item().isoformat(),
                "end": test.bars.timestamps[-1].item().isoformat(),
                "bars": len(test.bars),
            },
            "prices": test.bars.kind,
            "in_sample": test.in_sample,
            "verdict": self.verdict and self.verdict.to_dict(),
            "sensitivity": self.sensitivity.to_dict(),
            "warning": self.warning or None,
            "doubts": self.doubts or None,
            "cash": float(test.ensemble.equity[0]),
            "account": test.market.model_dump(include=set(Broker.model_fields)),
            "costs": test.costs.model_dump(),
            "ensemble": _account(test.ensemble),
            "members": [{"name": member.name, **_account(member)} for member in test.members],
            "spread": values,
            "iqm": _intervals(test.iqm),
            "oracle_return": test.oracle_return,
            "captured": test.captured(test.ensemble),
            "difference": _intervals(test.ensemble.difference),
            "baselines": {name: _account(track) for name, track in test.baselines.items()},
            **({"folds": [fold._asdict() for fold in self.folds]} if self.folds else {}),
            "files": _texts(self.files),
        }

    def save(self, folder: str | Path, *, numbered: bool = False) -> None:
        """Write metrics, equity, fills, trades, pictures and the page into a new folder, all or nothing.

        `numbered` takes folder-2, folder-3 ... if the name is taken; without it that is an InputError. Raises
        OSError if the disk refuses.
        """
        test, pictures = self.backtest, figures([self])
        equity = io.BytesIO()
        test.equity.to_parquet(equity)
        contents = {"equity.parquet": equity.getvalue(), **orders([self])}
        if self.folds:
            contents["folds.csv"] = self.fold_frame.to_csv(index=False).encode()
        contents |= {name: data for name, (_, data) in pictures.items()}
        contents["report.html"] = render([self], pictures, f"{test.name}: {self.kind}").encode()
        with files.new_folder(Path(folder), numbered=numbered) as (aside, path):
            written = {name: path / name for name in ("metrics.json", *contents)}
            for name, data in contents.items():
                files.write_bytes(aside / name, data)
            files.write_json(aside / "metrics.json", {**self.to_dict(), "files": _texts(written)})
        self.files = written

    def __repr__(self) -> str:
        test = self.backtest
        kind = f"{self.kind}, " if self.folds else ""
        return f"BacktestResult({kind}{tables.label(test)} on {test.bars.who}, {test.bars.span})"

    def _repr_html_(self) -> str:
        told = verdict_html(self.backtest, self.verdict) if self.verdict else ""
        return f"<p>{escape(repr(self))}</p>{told}{tables.summary_html([self.backtest])}"


def figures(results: Sequence[BacktestResult]) -> dict[str, tuple[str, bytes]]:
    """File name -> (caption, PNG) of everything that is to be seen of these results."""
    tests = [result.backtest for result in results]
    drawn: dict[str, tuple[str, Any]] = {}
    if len(results) > 1:
        drawn["comparison.png"] = ("All ensembles and baselines", plots.comparison(tests))
    for result in results:
        test, mark = result.backtest, page.file_prefix(result.backtest, tests)
        drawn[f"{mark}equity.png"] = (f"{test.name}: equity and drawdown", plots.equity(test))
        drawn[f"{mark}position.png"] = (f"{test.name}: entries, exits and position", plots.position(test))
        if result.run:
            drawn[f"{mark}learning.png"] = (f"{test.name}: learning curve", result.run.plot().figure)
    return {name: (caption, plots.png(figure)) for name, (caption, figure) in drawn.items()}


def orders(results: Sequence[BacktestResult]) -> dict[str, bytes]:
    """File name -> CSV of the fills and of the trades of every account of these results."""
    tests = [result.backtest for result in results]
    found = {}
    for test in tests:
        for name in ("fills", "trades"):
            accounts = (test.ensemble, *test.members)
            table = pd.concat([getattr(track, name).assign(account=track.name) for track in accounts])
            found[f"{page.file_prefix(test, tests)}{name}.csv"] = table.to_csv(index=False).encode()
    return found


def render(
    results: Sequence[BacktestResult], pictures: dict[str, tuple[str, bytes]], title: str, command: str = ""
) -> str:
    """The page of these results; `command` is what made them all."""
    facts = {"command": command} if command else {}
    for result in results:
        made = dict(result.facts)
        tested = made.pop("command", "a call from Python")
        facts |= made | {f"{result.backtest.name}: backtested by": tested}
    return page.render(
        [result.backtest for result in results],
        title=title,
        facts=facts,
        study="".join(_study(result) for result in results),
        verdicts=[result.verdict for result in results],
        hinges=[result.sensitivity for result in results],
        still=pictures["comparison.png" if len(results) > 1 else "equity.png"],
        learning=dict(picture for name, picture in pictures.items() if name.endswith("learning.png")) or None,
    )


def _study(of: BacktestResult) -> str:
    """What the page tells of a walk-forward or a null test beside what every backtest has."""
    if of.folds:
        return folds.section(of.folds)
    if of.null:
        return nulltest.section(of.null)
    return ""


def _account(track: engine.Track) -> dict[str, Any]:
    """Its metrics, what the broker did to it, and under `ci` [low, high] of each metric with an interval."""
    times = track.bars.timestamps
    return {
        **track.metrics,
        "liquidated": [time.item().isoformat() for time in times[track.liquidations]],
        "ruined": times[track.ruined].item().isoformat() if track.ruined else None,
        "ci": {name: [low, high] for name, (_, low, high) in track.intervals.items()},
    }


def _intervals(over: Mapping[str, Interval]) -> dict[str, Any]:
    return {name: {"value": value, "ci": [low, high]} for name, (value, low, high) in over.items()}


def _texts(paths: dict[str, Path]) -> dict[str, str]:
    return {name: str(path) for name, path in paths.items()}
