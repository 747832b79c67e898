"""Bars: immutable, validated prices [T, A]; time in UTC, or the exchange's date if the bars are daily."""

from __future__ import annotations

import hashlib
import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
import pandas as pd

from tradebot.core import Array, InputError
from tradebot.prices import calendars, layouts
from tradebot.prices.dates import spelled

PRICES = ("open", "high", "low", "close")
COLUMNS = (*PRICES, "volume")
_ROUNDING = 1e-9  # relative; adjusted prices carry the rounding of their factor


@dataclass(frozen=True, eq=False)
class Bars:
    """T bars of A symbols on one calendar: each timestamp that one of them has. Who lacks it is `missing`.

    Making one checks everything: finite numbers, positive prices, low <= open, close <= high, volume >= 0,
    distinct symbols, two or more strictly increasing timestamps, missing bars that repeat the last close.
    InputError names the first fault. The arrays are read-only copies.
    """

    timestamps: (
        Array  # [T] datetime64[us]: UTC for intraday bars, the exchange's date for daily ones; names the bar
    )
    symbols: tuple[str, ...]  # [A]
    open: Array  # [T, A] float64, currency
    high: Array  # [T, A]
    low: Array  # [T, A]
    close: Array  # [T, A]
    volume: Array  # [T, A] float64 >= 0, shares or coins as the source counts them
    missing: Array = field(  # [T, A] bool, or one for all: the symbol has no bar of its own there, so that
        default_factory=lambda: np.array(False)  # its prices are its last close and its volume is 0
    )
    adjusted: bool = True  # for splits and dividends; raw prices jump at a split
    source: str = ""  # where they came from: "sample", a path, "synthetic:..."

    def __post_init__(self) -> None:
        object.__setattr__(self, "symbols", tuple(self.symbols))
        object.__setattr__(self, "timestamps", _frozen(self.timestamps, "datetime64[us]"))
        for column in COLUMNS:
            object.__setattr__(self, column, _frozen(getattr(self, column), "float64"))
        missing = self.missing if np.ndim(self.missing) else np.full_like(self.close, self.missing, bool)
        object.__setattr__(self, "missing", _frozen(missing, None))
        _check_labels(self)
        _check_values(self)
        _check_missing(self)

    def __len__(self) -> int:
        """T, the number of bars."""
        return len(self.timestamps)

    @property
    def span(self) -> str:
        """First and last timestamp, to be read by a person."""
        return f"{spelled(self.timestamps[0])} .. {spelled(self.timestamps[-1])}"

    @property
    def who(self) -> str:
        """The symbols, or the first five of many, to be read by a person."""
        more = f" and {len(self.symbols) - 5} more" if len(self.symbols) > 5 else ""
        return f"{', '.join(self.symbols[:5])}{more}"

    @property
    def periods_per_year(self) -> float:
        """Bars per year by their calendar: 252 for daily stocks, 365 for daily and 8760 for hourly crypto."""
        return calendars.periods_per_year(self.timestamps)

    @property
    def fingerprint(self) -> str:
        """SHA-256 (hex) of symbols, timestamps, numbers and what is missing, not of where they came from."""
        digest = hashlib.sha256("\n".join(self.symbols).encode())
        digest.update(self.timestamps.astype("<i8").tobytes())
        for column in COLUMNS:
            digest.update(getattr(self, column).astype("<f8").tobytes())
        if self.missing.any():
            digest.update(self.missing.tobytes())
        return digest.hexdigest()

    def between(self, start: str | None, end: str | None) -> Bars:
        """The bars from `start` to `end`, both included; "2009" or "2009-12" mean the whole year or month.

        None leaves that side open. InputError if a date cannot be read or fewer than two bars are left.
        """
        stamps = pd.DatetimeIndex(self.timestamps)
        kept = slice(_position(stamps, start, "left"), _position(stamps, end, "right"))
        if len(self.timestamps[kept]) < 2:
            wanted = f"from {start or 'the start'} to {end or 'the end'}"
            who = f"{_place(self)}{', '.join(self.symbols)}"
            raise InputError(f"{who}: fewer than 2 bars {wanted}; there are bars for {self.span}")
        return _part(self, kept)

    def rows(self, first: int, last: int) -> Bars:
        """The bars numbered first .. last, both included."""
        return _part(self, slice(first, last + 1))

    def select(self, symbols: Sequence[str]) -> Bars:
        """The bars of these symbols, in this order, without those that all of them miss.

        InputError if one of them is not there.
        """
        for symbol in symbols:
            if symbol not in self.symbols:
                raise InputError(f"{_place(self)}no symbol {symbol!r}; there are {', '.join(self.symbols)}")
        which = [self.symbols.index(symbol) for symbol in symbols]
        rows = np.flatnonzero(~self.missing[:, which].all(axis=1))
        return _part(self, rows, which)

    def to_frame(self) -> pd.DataFrame:
        """One symbol: its columns, indexed by `date`. Several: a long table date, symbol, open .. volume.

        Missing bars are left out; `from_frame` finds them again between the first and the last bar that all
        symbols have.
        """
        index = pd.DatetimeIndex(self.timestamps, name="date")
        each = [
            pd.DataFrame({column: getattr(self, column)[:, a] for column in COLUMNS}, index=index)[
                ~self.missing[:, a]
            ]
            for a in range(len(self.symbols))
        ]
        if len(each) == 1:
            return each[0]
        for symbol, frame in zip(self.symbols, each, strict=True):
            frame.insert(0, "symbol", symbol)
        return pd.concat(each).reset_index()

    @classmethod
    def from_frame(
        cls, frame: pd.DataFrame, *, source: str = "", symbol: str | None = None, adjusted: bool = True
    ) -> Bars:
        """Any table of prices, wide or long, as `layouts` reads it; `symbol` names it if the table does not.

        With an adj_close column and `adjusted`, open, high, low and close are scaled by adj_close / close;
        the volume stays, because the part of that factor which is due to splits is not known. Without an
        adj_close column the prices are taken as they are; without a volume column the volume is 0. InputError
        for a fault.
        """
        stamps, symbols, columns = layouts.read(frame, symbol=symbol, place=f"{source}: " if source else "")
        return cls.from_columns(stamps, symbols, columns, source=source, adjusted=adjusted)

    @classmethod
    def from_columns(
        cls,
        stamps: Array,
        symbols: tuple[str, ...],
        columns: Mapping[str, Array],
        *,
        source: str = "",
        adjusted: bool = True,
    ) -> Bars:
        """The same of arrays [T, A]: open .. volume, missing, perhaps adj_close."""
        plain = {name: values for name, values in columns.items() if name != "adj_close"}
        adj_close = columns.get("adj_close")
        bars = cls(stamps, symbols, **plain, adjusted=adjusted, source=source)
        return bars if adj_close is None or not adjusted else _scaled(bars, adj_close)

    def __repr__(self) -> str:
        kind = "adjusted" if self.adjusted else "raw"
        origin = f", from {self.source}" if self.source else ""
        return f"Bars({self.who}: {len(self)} {kind} bars, {self.span}{origin})"

    def _repr_html_(self) -> str:
        """What a notebook shows: a line per symbol."""
        own = (~self.missing).sum(axis=0)
        rows = {
            "bars": own,
            "first close": self.close[0],
            "last close": self.close[-1],
            "lowest": self.low.min(axis=0),
            "highest": self.high.max(axis=0),
            "mean volume": self.volume.sum(axis=0) / np.maximum(own, 1),
        }
        table = pd.DataFrame(rows, index=list(self.symbols)).to_html(float_format="{:,.6g}".format)
        return f"<p>{html.escape(repr(self))}</p>{table}"


def _part(bars: Bars, rows: slice | Array, which: Sequence[int] | None = None) -> Bars:
    """Some rows, of all symbols or of those numbered `which`."""
    which = range(len(bars.symbols)) if which is None else which
    columns = {name: getattr(bars, name)[rows][:, list(which)] for name in (*COLUMNS, "missing")}
    symbols = tuple(bars.symbols[a] for a in which)
    return replace(bars, timestamps=bars.timestamps[rows], symbols=symbols, **columns)


def _frozen(values: Array, dtype: str | None) -> Array:
    copy = np.array(values, dtype=dtype, order="C")
    copy.setflags(write=False)
    return copy


def _place(bars: Bars) -> str:
    return f"{bars.source}: " if bars.source else ""


def _position(stamps: pd.DatetimeIndex, text: str | None, side: Literal["left", "right"]) -> int | None:
    """Where a slice starts ("left") or ends ("right") that includes the date, month or year `text`."""
    if text is None:
        return None
    try:
        if not pd.isna(
            pd.to_datetime(text, format="ISO8601")
        ):  # "now" and "5" are dates too for what follows
            return int(stamps.get_slice_bound(text, side))
    except (ValueError, LookupError, TypeError):
        pass
    raise InputError(f"{text!r} is not a date: write it as 2009-12-31, 2009-12 or 2009")


def _check_labels(bars: Bars) -> None:
    """Symbols, timestamps and the shapes of everything."""
    place, stamps = _place(bars), bars.timestamps
    for symbol in bars.symbols:
        layouts.check_symbol(symbol, place)
    if not bars.symbols or len(set(bars.symbols)) < len(bars.symbols):
        raise InputError(
            f"{place}needs one or more distinct symbols, not {', '.join(bars.symbols) or 'none'}"
        )
    if stamps.ndim != 1 or len(stamps) < 2:
        raise InputError(f"{place}{', '.join(bars.symbols)}: needs 2 bars or more, there are {stamps.size}")
    for column in (*COLUMNS, "missing"):
        shape, expected = getattr(bars, column).shape, (len(stamps), len(bars.symbols))
        if shape != expected:
            raise InputError(f"{place}{column} has shape {shape}, expected {expected}")
    if bars.missing.dtype != np.bool_:
        raise InputError(f"{place}missing holds {bars.missing.dtype}, expected bool")
    if np.isnat(stamps).any():
        raise InputError(f"{place}bar {int(np.isnat(stamps).argmax()) + 1} has no timestamp")
    late = np.diff(stamps) <= np.timedelta64(0, "us")
    if late.any():
        t = int(late.argmax())
        order = f"{spelled(stamps[t + 1])} follows {spelled(stamps[t])}"
        raise InputError(f"{place}timestamps must increase, but {order} ({int(late.sum())} such rows)")


def _check_values(bars: Bars) -> None:
    for column in COLUMNS:
        values = getattr(bars, column)
        _refuse(bars, ~np.isfinite(values), column, values, "not a finite number")
        if column == "volume":
            _refuse(bars, values < 0, column, values, "less than zero")
        else:
            _refuse(bars, values <= 0, column, values, "not a price above zero")
    for column in ("low", "open", "close"):
        values = getattr(bars, column)
        _refuse(
            bars, values - bars.high > _ROUNDING * bars.high, column, values, "above the high of", bars.high
        )
    for column in ("open", "close"):
        values = getattr(bars, column)
        _refuse(bars, bars.low - values > _ROUNDING * values, column, values, "below the low of", bars.low)


def _check_missing(bars: Bars) -> None:
    """A missing bar repeats the close before it; of the one before the first row nothing is known."""
    nobody = bars.missing.all(axis=1)
    if nobody.any():
        raise InputError(f"{_place(bars)}no symbol has a bar on {spelled(bars.timestamps[nobody.argmax()])}")
    last = np.concatenate([bars.close[:1], bars.close[:-1]])
    for column in PRICES:
        values = getattr(bars, column)
        _refuse(
            bars,
            bars.missing & (values != last),
            column,
            values,
            "in a missing bar, not the last close of",
            last,
        )
    _refuse(bars, bars.missing & (bars.volume != 0), "volume", bars.volume, "in a missing bar, not zero")


def _refuse(
    bars: Bars, bad: Array, column: str, values: Array, fault: str, limit: Array | None = None
) -> None:
    """Raise InputError for the first row of `bad` [T, A], if there is one."""
    if not bad.any():
        return
    t, a = np.argwhere(bad)[0]
    what = f"{column} on {spelled(bars.timestamps[t])} is {values[t, a]}, {fault}"
    than = "" if limit is None else f" {limit[t, a]}"
    own = int((bad & ~bars.missing).sum())  # missing bars repeat the fault of the one before
    rows = f"({own or int(bad.sum())} such rows: repair or remove them)"
    raise InputError(f"{_place(bars)}{bars.symbols[a]}: {what}{than} {rows}")


def _scaled(bars: Bars, adj_close: Array) -> Bars:
    """Adjusted prices: raw ones times adj_close / close, bar by bar."""
    _refuse(
        bars, ~(np.isfinite(adj_close) & (adj_close > 0)), "adj_close", adj_close, "not a price above zero"
    )
    with np.errstate(over="ignore", under="ignore"):  # an absurd factor makes a price that Bars refuses
        factor = adj_close / bars.close
        return replace(bars, **{column: getattr(bars, column) * factor for column in PRICES})
