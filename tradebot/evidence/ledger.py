"""The trial ledger: every evaluation on unseen data, so that luck can be told from skill afterwards.

A *trial* is one config with its seeds on one span of the same data; the same again is another *look* at it
and no other trial, under other costs too. Whoever picks a seed has tried them all: `trials(each_seed=True)`.
Spans of which nothing shall be known until the end can be sealed: they open once, on the record.

>>> ledger.record(ledger.place(), trials.evaluation(tested, "backtest", trials.digest(settings), seeds))
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import platformdirs

from tradebot.core import Array, InputError
from tradebot.evidence.ledger_file import damaged, reading, writing
from tradebot.evidence.trials import (
    Candidate,
    Entry,
    Evaluation,
    Trials,
    from_row,
    identity,
    is_whole,
    to_row,
)

VARIABLE = "TRADEBOT_LEDGER"  # environment variable with the file
_FACTS = (
    *("time", "kind", "name", "symbols", "start", "end", "data", "config"),
    *("seeds", "costs", "periods", "sharpe", "content", "checksum"),
)


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


class Sealed(NamedTuple):
    """A new seal, and how many evaluations had seen some of its bars before."""

    seal: Seal
    looks: int


def place(path: str | Path | None = None) -> Path:
    """The file: `path`, else $TRADEBOT_LEDGER, else where the system keeps a user's data."""
    default = platformdirs.user_data_path("tradebot", appauthor=False) / "ledger.sqlite"
    return Path(path or os.environ.get(VARIABLE) or default)


def record(path: Path, of: Evaluation, *, open_seal: bool = False) -> Recorded:
    """Add a line, before anybody sees the result. Raises InputError for a sealed span, see `check_seals`.

    With `open_seal` it opens the seal. OSError if the disk refuses; a result that is not on record should not
    be shown then.
    """
    now = _now()
    with writing(path) as connection:
        opened = _checked(connection, of.symbols, of.start, of.end, open_seal)
        row = to_row(now, of)
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
        found = _found(path, connection, of.symbols, of.start, of.end)
    mine = identity(row)
    again = sum(identity(other) == mine for other in found) - 1
    looked = len({identity(other) for other in found})
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
        accounts: list[tuple[object, str, Array]] = [(of.seeds, of.name, of.returns)]
        if each_seed and of.seeds:
            accounts = [
                (seed, f"{of.name}: seed {seed}", returns)
                for seed, returns in zip(of.seeds, of.members, strict=True)
            ]
        for seeds, name, returns in accounts:
            chosen[(*key, seeds)] = Candidate(name, of.timestamps, returns, of.periods)
    return Trials(tuple(chosen.values()), len(found))


def looks(path: Path, symbols: Sequence[str] = (), start: str = "", end: str = "") -> int:
    """How often somebody looked at a part of start .. end of one of the symbols or more."""
    with reading(path) as connection:
        return len(_found(path, connection, symbols, start, end))


def entries(path: Path, symbols: Sequence[str] = (), start: str = "", end: str = "") -> list[Entry]:
    """The lines themselves, oldest first. Raises InputError for the first that is not as it was written."""
    with reading(path) as connection:
        lines = []
        for row in _found(path, connection, symbols, start, end):
            (series,) = connection.execute(
                "SELECT series FROM evaluations WHERE id = ?", (row["id"],)
            ).fetchone()
            try:
                lines.append(Entry(row["id"], row["time"], from_row({**row, "series": series})))
            except ValueError:
                raise _changed(path, row["id"]) from None
        return lines


def seal(path: Path, start: str, symbols: Sequence[str] = ()) -> Sealed:
    """Seal all bars from the day `start` (ISO 8601) on, of these symbols or of all.

    Raises InputError if they are sealed already.
    """
    with writing(path) as connection:
        for other in _seals(connection):
            covers = not other.symbols or (bool(symbols) and {*symbols} <= {*other.symbols})
            if covers and other.start <= start:
                raise InputError(f"{other}: sealed already, on {_day(other.time)}")
        connection.execute(
            "INSERT INTO seals (time, start, symbols) VALUES (?, ?, ?)",
            (_now(), start, json.dumps([*symbols])),
        )
        return Sealed(_seals(connection)[-1], len(_found(path, connection, symbols, start, "")))


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


def check_training(path: Path, symbols: Sequence[str], end: str) -> None:
    """Raise InputError if bars to be trained on, until `end`, are sealed and nobody has opened them yet."""
    with reading(path) as connection:
        for seal in _seals(connection):
            if not seal.opened and _shares(seal.symbols, symbols) and seal.start <= end:
                before = np.datetime64(seal.start[:10]) - 1
                raise InputError(
                    f"{seal} is sealed since {_day(seal.time)}: train on bars before it (--end {before}), and"
                    " open it with tradebot backtest --open-seal"
                )


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
    path: Path, connection: sqlite3.Connection, symbols: Sequence[str], start: str, end: str
) -> list[dict[str, Any]]:
    """The rows, without their series, of evaluations that saw some of these bars, oldest first.

    All rows are checked: in a damaged one the very dates may be wrong by which it would be found.
    """
    cursor = connection.execute(f"SELECT id, {', '.join(_FACTS)} FROM evaluations ORDER BY id")
    rows = [dict(zip(("id", *_FACTS), row, strict=True)) for row in cursor]
    for row in rows:
        if not is_whole(row):
            raise _changed(path, row["id"])
    return [
        row
        for row in rows
        if row["end"] >= start
        and (not end or row["start"] <= end)
        and _shares(json.loads(row["symbols"]), symbols)
    ]


def _changed(path: Path, line: int) -> InputError:
    return damaged(path, f"line {line} is not as it was written")


def _shares(mine: Sequence[str], others: Sequence[str]) -> bool:
    """Whether both have a symbol in common; none means all."""
    return not mine or not others or bool({*mine} & {*others})


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _day(time: str) -> str:
    return time[:10]
