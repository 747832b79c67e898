"""What is in a file: unpacked from gzip or zip within bounds, so that a small file cannot fill the memory."""

from __future__ import annotations

import gzip
import io
import lzma
import zipfile
import zlib
from pathlib import Path, PurePosixPath
from typing import IO, NamedTuple

from tradebot.core import InputError

LARGEST = 1 << 30  # bytes
_UNSUSPECTED = 1 << 26  # bytes that any file may unpack to
_RATIO = 200  # bytes unpacked for one packed; tables of prices come to 30 at the most
_GZIP, _ZIP = b"\x1f\x8b", b"PK\x03\x04"
_STEP = 1 << 22


class Content(NamedTuple):
    data: bytes
    name: str  # of the file, or of what was packed
    note: str  # how it was unpacked, to be read by a person


def content(path: Path) -> Content:
    """What is in the file. Raises InputError, which starts with `path`, if it cannot be had."""
    try:
        packed = path.read_bytes()
        if packed.startswith(_GZIP):
            with gzip.GzipFile(fileobj=io.BytesIO(packed)) as stream:
                return Content(_bounded(stream, len(packed), path), path.name, "gzip")
        return _of_zip(packed, path) if packed.startswith(_ZIP) else Content(packed, path.name, "")
    except InputError:  # which is a ValueError too
        raise
    except IsADirectoryError:
        raise InputError(f"{path}: is a folder, give a CSV or Parquet file in it") from None
    except FileNotFoundError:
        raise InputError(f"{path}: there is no such file") from None
    except (OSError, EOFError, ValueError, zlib.error, lzma.LZMAError, NotImplementedError) as error:
        raise InputError(f"{path}: cannot be read ({getattr(error, 'strerror', None) or error})") from None


def _of_zip(packed: bytes, path: Path) -> Content:
    try:
        with zipfile.ZipFile(io.BytesIO(packed)) as archive:
            members = [
                one for one in archive.infolist() if not one.is_dir() and "__MACOSX/" not in one.filename
            ]
            if len(members) != 1:
                names = ", ".join(repr(one.filename)[:60] for one in members[:8])
                more = f" and {len(members) - 8} more" if len(members) > 8 else ""
                raise InputError(f"{path}: holds {len(members)} files, unpack the one to read: {names}{more}")
            with archive.open(members[0]) as stream:
                name = PurePosixPath(members[0].filename).name
                return Content(_bounded(stream, len(packed), path), name, f"zip of {name[:60]!r}")
    except (
        zipfile.BadZipFile,
        RuntimeError,
        KeyError,
        IndexError,
    ) as error:  # RuntimeError: it wants a password
        reason = " ".join(str(error).split())[:120]
        raise InputError(f"{path}: cannot be unpacked ({reason})") from None


def _bounded(stream: IO[bytes] | gzip.GzipFile, packed: int, path: Path) -> bytes:
    """All of the stream, unless that is more than a table of prices can be."""
    parts, size = [], 0
    while part := stream.read(_STEP):
        parts.append(part)
        size += len(part)
        if size > LARGEST or size > max(_UNSUSPECTED, _RATIO * packed):
            raise InputError(
                f"{path}: unpacks to more than {size >> 20:,} MiB, which no table of prices does"
            )
    return b"".join(parts)
