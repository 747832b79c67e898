"""What the ledger holds: an evaluation as plain data, as a line of the file, and many of them as trials."""

from __future__ import annotations

import json
import math
import zlib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load, save

from tradebot import files
from tradebot.core import Array
from tradebot.stats import metrics

if TYPE_CHECKING:
    from tradebot.backtest.engine import Backtest


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
        """Of the Sharpe ratios (ddof 1), per bar of which a year has `periods`: for `stats.sharpe.luck`.

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


def identity(row: Mapping[str, Any]) -> tuple[Any, ...]:
    """What makes a trial: the same again is another look at it."""
    return tuple(row[name] for name in ("config", "data", "start", "end", "seeds"))


def to_row(time: str, of: Evaluation) -> dict[str, Any]:
    """Column -> value. `checksum` is over all the others, with `content`, that of `series`, in its place."""
    series = zlib.compress(
        save(
            {
                "timestamps": of.timestamps.astype("datetime64[us]").astype(np.int64),
                "returns": np.ascontiguousarray(of.returns, dtype=np.float64),
                "members": np.ascontiguousarray(of.members, dtype=np.float64),
            }
        )
    )
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
        "content": files.checksum(series),
    }
    return {**row, "checksum": _checksum(row), "series": series}


def is_whole(row: Mapping[str, Any]) -> bool:
    """Whether all columns but `series` are as `to_row` made them."""
    return bool(row["checksum"] == _checksum(row))


def from_row(row: Mapping[str, Any]) -> Evaluation:
    """The evaluation of a row that is whole. Raises ValueError if its series is not as `to_row` made it."""
    if files.checksum(row["series"]) != row["content"]:
        raise ValueError("changed")
    try:
        series = load(zlib.decompress(row["series"]))
    except (zlib.error, SafetensorError) as error:
        raise ValueError(str(error)) from None
    return Evaluation(
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
    )


def _checksum(row: Mapping[str, Any]) -> str:
    left_out = {"id", "checksum", "series"}
    return files.checksum(json.dumps({name: row[name] for name in sorted(row.keys() - left_out)}).encode())
