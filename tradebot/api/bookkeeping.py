"""The ledger of all that was tried: looked at, added to, and sealed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from tradebot import files
from tradebot.api.run import Run
from tradebot.backtest.engine import Backtest
from tradebot.config import listed
from tradebot.evidence import ledger as book
from tradebot.evidence.ledger import Recorded, Seal, Sealed
from tradebot.evidence.trials import Entry, digest, evaluation, identity, to_row
from tradebot.evidence.verdict import Verdict, judge
from tradebot.market.configs import Broker
from tradebot.plugins import Plugin
from tradebot.prices.dates import first_and_last_day
from tradebot.stats import metrics

_IDLE = {"seeds", "seed", "checkpoint_every", "device"}  # of a run: its seeds, and what changes no result


class LedgerResult(NamedTuple):
    """All that was tried, of some symbols or of all."""

    path: Path  # of the file
    # The latest look at each under the name and kind of its first, oldest first, and how many there were.
    trials: tuple[tuple[Entry, int], ...]
    seals: tuple[Seal, ...]

    @property
    def looks(self) -> int:
        """Evaluations in all: a trial may have been looked at again."""
        return sum(count for _, count in self.trials)

    @property
    def frame(self) -> pd.DataFrame:
        """A row for each trial; `sharpe` is annual, `date` that of the latest look."""
        rows = [_about(entry, count) for entry, count in self.trials]
        return pd.DataFrame(rows, columns=list(rows[0])) if rows else pd.DataFrame()

    def to_dict(self) -> dict[str, Any]:
        """What `ledger --json` prints. NaN, which becomes null, where returns do not vary."""
        return {
            "ledger": str(self.path),
            "looks": self.looks,
            "trials": [_about(entry, count) for entry, count in self.trials],
            "seals": [
                {"start": s.start, "symbols": list(s.symbols), "sealed": s.time, "opened": s.opened or None}
                for s in self.seals
            ],
        }

    def __repr__(self) -> str:
        return f"LedgerResult({len(self.trials)} trials, {self.looks} looks, in {self.path})"

    def _repr_html_(self) -> str:
        return self.frame.to_html(index=False)


def ledger(symbols: str | Sequence[str] = (), *, path: str | Path | None = None) -> LedgerResult:
    """What was tried on bars that nothing had been fitted on: of one of these symbols or more, or all.

    The file is `path`, else $TRADEBOT_LEDGER, else one in the folder where the system keeps a user's data.
    Raises InputError for a damaged one, and for a place where none can be.

    >>> ledger("AAPL").frame
    """
    file = book.place(path)
    files.check_parents(file)
    latest: dict[object, tuple[Entry, int]] = {}
    for entry in book.entries(file, wanted := listed(symbols)):
        trial = identity(to_row(entry.time, entry.evaluation))
        before, count = latest.pop(trial, (entry, 0))
        first = before.evaluation
        known = entry.evaluation._replace(kind=first.kind, name=first.name)
        latest[trial] = (entry._replace(evaluation=known), count + 1)
    seals = (one for one in book.seals(file) if not wanted or not one.symbols or {*wanted} & {*one.symbols})
    return LedgerResult(file, tuple(latest.values()), tuple(seals))


def seal(start: str, symbols: str | Sequence[str] = (), *, path: str | Path | None = None) -> Sealed:
    """Seal the bars from `start` on, of these symbols or of all: tests on them are refused, but for one.

    Raises InputError if `start` is no date, or if they are sealed already.
    """
    first, _ = first_and_last_day(start)
    return book.seal(book.place(path), first.isoformat(), listed(symbols))


def note(
    tested: Backtest,
    run: Run | None = None,
    strategy: Plugin | None = None,
    *,
    kind: str = "backtest",
    open_seal: bool = False,
    path: str | Path | None = None,
) -> Recorded | None:
    """Put a backtest on record before its result is shown; None if it saw bars of the training.

    Its config is all that was chosen: the settings of the run and the code of its features, or the rule, or
    the code of the strategy, and the account, but neither seeds nor costs of the test. Raises InputError for
    sealed bars (see `seal`), unless `open_seal`, and OSError if it cannot be written.
    """
    if tested.in_sample:
        return None
    chosen: dict[str, Any] = {"account": tested.market.model_dump(include=set(Broker.model_fields))}
    if run:
        sections = {name: config.model_dump() for name, config in run.experiment.sections().items()}
        sections["run"] = {key: value for key, value in sections["run"].items() if key not in _IDLE}
        sections.pop("nulltest", None)  # which is no choice of an agent: it tests the same again
        data = run.manifest.data
        chosen |= {"run": sections, "code": run.manifest.code, "data": data and data.fingerprint}
    elif strategy:
        code = {file: files.checksum(content) for file, content in strategy.sources.items()}
        chosen |= {"strategy": strategy.name.rpartition(":")[2], "code": code}
    else:
        chosen |= {"rule": tested.name}
    made = evaluation(tested, kind, digest(chosen), run.seeds if run else ())
    return book.record(book.place(path), made, open_seal=open_seal)


def judged(
    tested: Backtest,
    again: int | None,  # earlier looks at this very trial, as `note` said; None: not on record
    *,
    null: float | None = None,  # p-value of the null test
    path: str | Path | None = None,
) -> Verdict:
    """The verdict on a backtest, in the light of all that is on record of its bars."""
    if again is None:
        return judge(tested, null=null)
    first, last = (str(stamp) for stamp in tested.bars.timestamps[[0, -1]].astype("datetime64[s]"))
    tried = book.trials(book.place(path), tested.bars.symbols, first, last)
    return judge(tested, tried, again=again, null=null)


def _about(entry: Entry, looks: int) -> dict[str, Any]:
    of = entry.evaluation
    return {
        "id": entry.id,
        "date": entry.time,
        "kind": of.kind,
        "name": of.name,
        "symbols": list(of.symbols),
        "start": of.start,
        "end": of.end,
        "seeds": list(of.seeds),
        "looks": looks,
        "sharpe": metrics.sharpe(of.returns, of.periods),
        "sharpe_per_bar": of.sharpe,
        "config": of.config,
        "data": of.data,
        "costs": dict(of.costs),
    }
