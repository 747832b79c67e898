"""The trial ledger: every evaluation on unseen data, so that luck can be told from skill afterwards.

A *trial* is one config with its seeds on one span of the same data; the same again is another *look* at it
and no other trial, under other costs too. Whoever picks a seed has tried them all: `trials(each_seed=True)`.
Spans of which nothing shall be known until the end can be sealed: they open once, on the record.

>>> ledger.record(ledger.place(), ledger.evaluation(tested, "backtest", ledger.digest(settings), seeds))
"""

from __future__ import annotations

import json
import math
import os
import sqlite3
import zlib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import platformdirs
from safetensors import SafetensorError
from safetensors.numpy import load, save

from tradebot import files
from tradebot.backtest.engine import Backtest
from tradebot.core import Array, InputError
from tradebot.evidence.ledger_file import damaged, reading, writing
from tradebot.stats import metrics

VARIABLE = "TRADEBOT_LEDGER"  # environment variable with the file


class Evaluation(NamedTuple):
    """What one account, and the members behind it, earned on bars that nothing was fitted on."""

    kind: str  # backtest, walkforward ...
    name: str  # of the run or rule
    symbols: tuple[str, ...]
    timestamps: Array  # [n] datetime64, of the bars at whose close the returns are known
    returns: Array  # [n] of the account that is judged, fractions per bar
    members: Array  # [M, n] of each seed's account; M = 0 for rules
    seeds: tuple[int, ...]  # [M]
    start: str  # first and last bar, ISO 8601
    end: str
    data: str  # fingerprint of the bars
    config: str  # `digest` of all that was chosen, but for the seeds
    costs: Mapping[str, Any]
    periods: float  # bars per year

    @property
    def sharpe(self) -> float:
        """Per bar; NaN where the returns do not vary."""
        return metrics.sharpe(self.returns, 1.0)


class Entry(NamedTuple):
    """A line of the ledger."""

    id: int
    time: str  # UTC, ISO 8601
    evaluation: Evaluation


class Candidate(NamedTuple):
    """One account that might have been picked."""

    name: str
    timestamps: Array  # [n]
    returns: Array  # [n]
    periods: float


class Trials(NamedTuple):
    """All that was tried on a span, of which the best is no surprise."""

    candidates: tuple[Candidate, ...]  # oldest first
    looks: int  # evaluations, those that were no new trials included

    @property
    def n(self) -> int:
        return len(self.candidates)

    def variance(self, periods: float) -> float:
        """Of the Sharpe ratios (ddof 1) per bar of which a year has `periods`, as `stats.sharpe.luck` wants it.

        A candidate whose returns do not vary has a ratio of 0. NaN for fewer than two.
        """
        annual = [metrics.sharpe(of.returns, of.periods) for of in self.candidates]
        return float(np.var(np.nan_to_num(annual), ddof=1)) / periods if self.n > 1 else math.nan

    def matrix(self, timestamps: Array) -> Array:
        """Returns [n, K] at these bars [n] of the K candidates that have them all, for PBO and SPA."""
        columns = []
        for of in self.candidates:
            found = np.isin(of.timestamps, timestamps)
            if found.sum() == len(timestamps):
                columns.append(of.returns[found])
        return np.array(columns).reshape(-1, len(timestamps)).T


class Recorded(NamedTuple):
    """What there is to say about a new line."""

    id: int
    trials: int  # on overlapping spans of the symbols, this one included
    looks: int  # at those spans, this one included
    again: int  # earlier looks at this very trial: 0 for a new one
    opened: tuple[str, ...] = ()  # seals that it opened


class Seal(NamedTuple):
    """Bars that are kept for the end."""

    id: int
    time: str  # when it was sealed, UTC
    start: str  # first day
    symbols: tuple[str, ...]  # empty: all
    opened: str  # by whom and when; empty: not yet

    def __str__(self) -> str:
        return f"{', '.join(self.symbols) or 'everything'} from {self.start} on"


def place(path: str | Path | None = None) -> Path:
    """The file: `path`, else $TRADEBOT_LEDGER, else where the system keeps a user's data."""
    default = platformdirs.user_data_path("tradebot", appauthor=False) / "ledger.sqlite"
    return Path(path or os.environ.get(VARIABLE) or default)


def digest(config: Any) -> str:
    """SHA-256 (hex) of settings, whatever the order of their keys."""
    plain = json.loads(files.to_json(config))
    return files.checksum(json.dumps(plain, sort_keys=True).encode())


def evaluation(tested: Backtest, kind: str, config: str, seeds: Sequence[int] = ()) -> Evaluation:
    """That of a backtest: the ensemble is judged, and its members stand behind it where there are seeds."""
    bars = tested.bars
    members = [metrics.returns(member.equity) for member in tested.members] if seeds else []
    first, last = (str(stamp) for stamp in bars.timestamps[[0, -1]].astype("datetime64[s]"))
    return Evaluation(
        kind=kind,
        name=tested.name,
        symbols=bars.symbols,
        timestamps=bars.timestamps[1:],
        returns=metrics.returns(tested.ensemble.equity),
        members=np.array(members).reshape(len(members), len(bars) - 1),
        seeds=tuple(seeds),
        start=first,
        end=last,
        data=bars.fingerprint,
        config=config,
        costs=tested.costs.model_dump(),
        periods=bars.periods_per_year,
    )


def record(path: Path, of: Evaluation, *, open_seal: bool = False) -> Recorded:
    """Add a line, before anybody sees the result. Raises InputError for a sealed span, see `check_seals`.

    With `open_seal` it opens the seal. OSError if the disk refuses; a result that is not on record should not
    be shown then.
    """
    now = _now()
    with writing(path) as connection:
        opened = _checked(connection, of.symbols, of.start, of.end, open_seal)
        row = _row(now, of)
        marks = ", ".join("?" * len(row))
        cursor = connection.execute(
            f"INSERT INTO evaluations ({', '.join(row)}) VALUES ({marks})", tuple(row.values())
        )
        assert cursor.lastrowid is not None
        for seal in opened:
            connection.execute(
                "INSERT INTO openings (time, seal, evaluation) VALUES (?, ?, ?)",
                (now, seal.id, cursor.lastrowid),
            )
        found = _found(connection, of.symbols, of.start, of.end)
    mine = _identity(row)
    again = sum(_identity(other) == mine for other in found) - 1
    looked = len({_identity(other) for other in found})
    return Recorded(cursor.lastrowid, looked, len(found), again, tuple(map(str, opened)))


def trials(
    path: Path,
    symbols: Sequence[str] = (),
    start: str = "",
    end: str = "",
    *,
    each_seed: bool = False,
) -> Trials:
    """What was tried on spans that overlap start .. end (ISO 8601; empty: all) of one of the symbols or more.

    The latest look speaks for a trial. `each_seed`: for whoever picks a seed; each seed of a config is a
    candidate then, once, in place of the ensemble.
    """
    found = entries(path, symbols, start, end)
    chosen: dict[object, Candidate] = {}
    for entry in found:
        of = entry.evaluation
        key = (of.config, of.data, of.start, of.end)
        accounts = {(*key, of.seeds): (of.name, of.returns)}
        if each_seed and of.seeds:
            named = zip(of.seeds, of.members, strict=True)
            accounts = {(*key, seed): (f"{of.name}: seed {seed}", returns) for seed, returns in named}
        for account, (name, returns) in accounts.items():
            chosen[account] = Candidate(name, of.timestamps, returns, of.periods)
    return Trials(tuple(chosen.values()), len(found))


def looks(path: Path, symbols: Sequence[str] = (), start: str = "", end: str = "") -> int:
    """How often somebody looked at a part of start .. end of one of the symbols or more."""
    with reading(path) as connection:
        return len(_found(connection, symbols, start, end))


def entries(path: Path, symbols: Sequence[str] = (), start: str = "", end: str = "") -> list[Entry]:
    """The lines themselves, oldest first. Raises InputError for the first that is not as it was written."""
    with reading(path) as connection:
        return [_entry(path, row) for row in _found(connection, symbols, start, end, "*")]


def seal(path: Path, start: str, symbols: Sequence[str] = ()) -> int:
    """Seal all bars from the day `start` (ISO 8601) on, of these symbols or of all.

    Returns how many evaluations had seen some of them. Raises InputError if they are sealed already.
    """
    with writing(path) as connection:
        for other in _seals(connection):
            if other.start <= start and (not other.symbols or {*symbols} and {*symbols} <= {*other.symbols}):
                raise InputError(f"{other} is sealed already, since {_day(other.time)}")
        connection.execute(
            "INSERT INTO seals (time, start, symbols) VALUES (?, ?, ?)",
            (_now(), start, json.dumps([*symbols])),
        )
        return len(_found(connection, symbols, start, ""))


def seals(path: Path) -> list[Seal]:
    """All, oldest first."""
    with reading(path) as connection:
        return _seals(connection)


def check_seals(path: Path, symbols: Sequence[str], start: str, end: str, *, open_seal: bool = False) -> None:
    """Raise InputError where `record` would, before the work is done.

    That is for bars that are sealed, unless `open_seal`, and for those whose seal was opened before.
    """
    with reading(path) as connection:
        _checked(connection, symbols, start, end, open_seal)


def _checked(
    connection: sqlite3.Connection, symbols: Sequence[str], start: str, end: str, open_seal: bool
) -> list[Seal]:
    """The seals that such an evaluation opens."""
    touched = [seal for seal in _seals(connection) if _shares(seal.symbols, symbols) and seal.start <= end]
    for seal in touched:
        before = np.datetime64(seal.start[:10]) - 1
        if seal.opened:
            raise InputError(
                f"{seal}: the seal was opened by {seal.opened}, and it opens once; test on bars before it"
                f" (--end {before})"
            )
        if not open_seal:
            raise InputError(
                f"{seal} is sealed since {_day(seal.time)}: test on bars before it (--end {before}), or open"
                " it with --open-seal, once and on the record"
            )
    return touched


def _seals(connection: sqlite3.Connection) -> list[Seal]:
    rows = connection.execute(
        "SELECT seals.id, seals.time, seals.start, seals.symbols, kind, name, openings.time FROM seals"
        " LEFT JOIN openings ON openings.seal = seals.id"
        " LEFT JOIN evaluations ON evaluations.id = openings.evaluation ORDER BY seals.id"
    )
    return [
        Seal(number, time, start, tuple(json.loads(symbols)), f"{name} ({kind}) on {_day(at)}" if at else "")
        for number, time, start, symbols, kind, name, at in rows
    ]


def _found(
    connection: sqlite3.Connection,
    symbols: Sequence[str],
    start: str,
    end: str,
    columns: str = "symbols, start, end, data, config, seeds",
) -> list[dict[str, Any]]:
    """The rows of evaluations that saw some of these bars, oldest first."""
    cursor = connection.execute(
        f"SELECT {columns} FROM evaluations WHERE end >= ? AND (start <= ? OR ? = '') ORDER BY id",
        (start, end, end),
    )
    names = [column[0] for column in cursor.description]
    rows = (dict(zip(names, row, strict=True)) for row in cursor)
    return [row for row in rows if _shares(tuple(json.loads(row["symbols"])), symbols)]


def _shares(mine: Sequence[str], others: Sequence[str]) -> bool:
    """Whether both have a symbol in common; none means all."""
    return not mine or not others or bool({*mine} & {*others})


def _identity(row: Mapping[str, Any]) -> tuple[Any, ...]:
    """What makes a trial."""
    return tuple(row[name] for name in ("config", "data", "start", "end", "seeds"))


def _row(time: str, of: Evaluation) -> dict[str, Any]:
    series = {
        "timestamps": of.timestamps.astype("datetime64[us]").astype(np.int64),
        "returns": np.ascontiguousarray(of.returns, dtype=np.float64),
        "members": np.ascontiguousarray(of.members, dtype=np.float64),
    }
    row: dict[str, Any] = {
        "time": time,
        "kind": of.kind,
        "name": of.name,
        "symbols": json.dumps(of.symbols),
        "start": of.start,
        "end": of.end,
        "data": of.data,
        "config": of.config,
        "seeds": json.dumps(of.seeds),
        "costs": json.dumps(dict(of.costs), sort_keys=True),
        "periods": float(of.periods),
        "sharpe": None if math.isnan(of.sharpe) else of.sharpe,
        "series": zlib.compress(save(series)),
    }
    return {**row, "checksum": _checksum(row)}


def _entry(path: Path, row: dict[str, Any]) -> Entry:
    number, checksum = row.pop("id"), row.pop("checksum")
    try:
        if checksum != _checksum(row):
            raise ValueError("changed")
        series = load(zlib.decompress(row["series"]))
        return Entry(
            number,
            row["time"],
            Evaluation(
                kind=row["kind"],
                name=row["name"],
                symbols=tuple(json.loads(row["symbols"])),
                timestamps=series["timestamps"].astype("datetime64[us]"),
                returns=series["returns"],
                members=series["members"],
                seeds=tuple(json.loads(row["seeds"])),
                start=row["start"],
                end=row["end"],
                data=row["data"],
                config=row["config"],
                costs=json.loads(row["costs"]),
                periods=row["periods"],
            ),
        )
    except (ValueError, KeyError, TypeError, zlib.error, SafetensorError):
        raise damaged(path, f"line {number} is not as it was written") from None


def _checksum(row: Mapping[str, Any]) -> str:
    text = json.dumps([value for name, value in row.items() if name != "series"])
    return files.checksum(text.encode() + row["series"])


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _day(time: str) -> str:
    return time[:10]
