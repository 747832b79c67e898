"""The file of the ledger: SQLite that several processes write at once, and in which nothing is ever changed.

Rows are only added: triggers refuse whatever would change or remove one, from any program. A write is in the
file, whole, when its transaction has ended, and else has not happened, be the process killed or the machine.
"""

from __future__ import annotations

import errno
import os
import secrets
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from tradebot import files
from tradebot.core import InputError

VERSION = 1  # of the tables
WAIT = 60.0  # seconds, for other processes to end their writes
_ID = 0x7B07_1ED6  # marks an SQLite file as one of ours

_TABLES = {
    "evaluations": "time TEXT NOT NULL, kind TEXT NOT NULL, name TEXT NOT NULL, symbols TEXT NOT NULL,"
    " start TEXT NOT NULL, end TEXT NOT NULL, data TEXT NOT NULL, config TEXT NOT NULL, seeds TEXT NOT NULL,"
    " costs TEXT NOT NULL, periods REAL NOT NULL, sharpe REAL, content TEXT NOT NULL,"
    " checksum TEXT NOT NULL, series BLOB NOT NULL",
    "seals": "time TEXT NOT NULL, start TEXT NOT NULL, symbols TEXT NOT NULL",
    "openings": "time TEXT NOT NULL, seal INTEGER NOT NULL UNIQUE REFERENCES seals,"
    " evaluation INTEGER NOT NULL REFERENCES evaluations",
}
_NEVER = "SELECT RAISE(ABORT, 'the ledger only grows: nothing in it is changed or removed')"


@contextmanager
def reading(path: Path) -> Iterator[sqlite3.Connection]:
    """The ledger as it is now, whatever is written meanwhile; an empty one where there is no file.

    Raises InputError for a damaged file, OSError for one that cannot be read.
    """
    with _translated(path), closing(_connected(path) if path.exists() else _new(":memory:")) as connection:
        connection.execute("BEGIN")
        _check(connection, path)
        yield connection


@contextmanager
def writing(path: Path) -> Iterator[sqlite3.Connection]:
    """One transaction: what is written within the block is in the file when it ends, or nothing if it fails.

    The file is made where there is none. Waits for other processes. Raises as `reading` does.
    """
    if not path.exists():
        _create(path)
    with _translated(path), closing(_connected(path)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        _check(connection, path)
        yield connection
        connection.execute("COMMIT")


def damaged(path: Path, what: str) -> InputError:
    return InputError(
        f"{path}: damaged, or no ledger ({what}): it is never replaced by itself; put a copy in its place, or"
        " move it away and a new one begins, in which nothing of what was tried is counted"
    )


def _connected(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode=rw", uri=True, timeout=WAIT, isolation_level=None
    )
    connection.execute("PRAGMA synchronous = FULL")  # what has been written survives a loss of power
    return connection


def _new(name: str) -> sqlite3.Connection:
    """A database with the tables and nothing in them."""
    connection = sqlite3.connect(name, isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")  # readers and a writer do not wait for each other
    connection.execute("BEGIN")
    connection.execute(f"PRAGMA application_id = {_ID}")
    connection.execute(f"PRAGMA user_version = {VERSION}")
    for table, columns in _TABLES.items():
        connection.execute(f"CREATE TABLE {table} (id INTEGER PRIMARY KEY AUTOINCREMENT, {columns})")
        for verb in ("UPDATE", "DELETE"):
            connection.execute(
                f"CREATE TRIGGER no_{verb}_{table} BEFORE {verb} ON {table} BEGIN {_NEVER}; END"
            )
        connection.execute(  # INSERT OR REPLACE would remove the old row without a word
            f"CREATE TRIGGER no_replace_{table} BEFORE INSERT ON {table}"
            f" WHEN NEW.id IN (SELECT id FROM {table}) BEGIN {_NEVER}; END"
        )
    connection.execute("COMMIT")
    return connection


def _create(path: Path) -> None:
    """An empty ledger appears whole, and never in the place of one that another process has just made."""
    files.make_parents(path)
    aside = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        with _translated(path):
            _new(str(aside)).close()
    except BaseException:
        aside.unlink(missing_ok=True)
        raise
    try:
        os.link(aside, path)
    except FileExistsError:
        pass
    except OSError:  # a disk without hard links
        with suppress(FileExistsError), open(path, "xb") as file:
            file.write(aside.read_bytes())
    finally:
        aside.unlink(missing_ok=True)


def _check(connection: sqlite3.Connection, path: Path) -> None:
    """Raise InputError for a file of another program or version, a damaged one, and one that lost rows."""
    if connection.execute("PRAGMA application_id").fetchone()[0] != _ID:
        raise damaged(path, "it does not begin as one")
    if (version := connection.execute("PRAGMA user_version").fetchone()[0]) != VERSION:
        raise InputError(f"{path}: of version {version}, and this program reads {VERSION}: update tradebot")
    if (fault := connection.execute("PRAGMA quick_check(1)").fetchone()[0]) != "ok":
        raise damaged(path, fault.splitlines()[-1])
    for table in _TABLES:
        count, last = connection.execute(f"SELECT count(*), coalesce(max(id), 0) FROM {table}").fetchone()
        written = connection.execute("SELECT seq FROM sqlite_sequence WHERE name = ?", (table,)).fetchone()
        if not count == last == (written[0] if written else 0):
            raise damaged(path, f"rows of {table} are missing")


@contextmanager
def _translated(path: Path) -> Iterator[None]:
    """What SQLite complains of, as the errors of the house."""
    try:
        yield
    except sqlite3.DatabaseError as error:
        code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_CORRUPT) & 0xFF  # without: text that is none
        failures = {
            sqlite3.SQLITE_BUSY: (errno.EBUSY, f"another process has been writing for {WAIT:.0f} s"),
            sqlite3.SQLITE_READONLY: (errno.EROFS, "may not be written"),
            sqlite3.SQLITE_CANTOPEN: (errno.EACCES, "cannot be opened"),
            sqlite3.SQLITE_PERM: (errno.EACCES, "may not be opened"),
            sqlite3.SQLITE_FULL: (errno.ENOSPC, os.strerror(errno.ENOSPC)),
            sqlite3.SQLITE_IOERR: (errno.EIO, os.strerror(errno.EIO)),
        }
        if code in failures:
            raise OSError(*failures[code], str(path)) from None
        if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_ERROR):
            raise damaged(path, str(error)) from None
        raise
