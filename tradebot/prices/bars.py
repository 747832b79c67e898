"""Bars: immutable, validated prices [T, A]; time in UTC, or the exchange's date if the bars are daily."""

from __future__ import annotations

import hashlib
import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
import pandas as pd

from tradebot.core import Array, InputError
from tradebot.prices import actions, calendars, layouts, validity
from tradebot.prices.dates import spelled
from tradebot.prices.reading import AS_WRITTEN, ReadConfig
from tradebot.prices.validity import COLUMNS, PRICES, place_of, refuse


@dataclass(frozen=True, eq=False)
class Bars:
    """T bars of A symbols on one calendar: each timestamp that one of them has. Who lacks it is `missing`.

    Making one checks everything: finite numbers, positive prices, low <= open, close <= high, volume >= 0,
    distinct symbols, two or more strictly increasing timestamps, missing bars that repeat the last close and
    have no dividend or split, dividends below the close before them. InputError names the first fault. The
    arrays are read-only copies.
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
    dividends: Array = field(  # [T, A] or one for all: currency per share of that bar, on the ex-date
        default_factory=lambda: np.array(0.0)
    )
    splits: Array = field(  # [T, A] or one for all: new shares per old one, at the bar's open
        default_factory=lambda: np.array(1.0)
    )
    source: str = ""  # where they came from: "sample", a path, "synthetic:..."

    def __post_init__(self) -> None:
        object.__setattr__(self, "symbols", tuple(self.symbols))
        object.__setattr__(self, "timestamps", _frozen(self.timestamps, "datetime64[us]"))
        for column in COLUMNS:
            object.__setattr__(self, column, _frozen(getattr(self, column), "float64"))
        missing = self.missing if np.ndim(self.missing) else np.full_like(self.close, self.missing, bool)
        object.__setattr__(self, "missing", _frozen(missing, None))
        for column in actions.COLUMNS:
            values = getattr(self, column)
            spread = np.broadcast_to(values, self.close.shape) if not np.ndim(values) else values
            object.__setattr__(self, column, _frozen(spread, "float64"))
        validity.check(self)

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
    def kind(self) -> Literal["adjusted", "raw"]:
        """What the prices are called."""
        return "adjusted" if self.adjusted else "raw"

    @property
    def periods_per_year(self) -> float:
        """Bars per year by their calendar: 252 for daily stocks, 365 for daily and 8760 for hourly crypto."""
        return calendars.periods_per_year(self.timestamps)

    @property
    def has_actions(self) -> bool:
        """Whether there is a dividend or a split."""
        return bool(self.dividends.any() or (self.splits != 1.0).any())

    @property
    def fingerprint(self) -> str:
        """SHA-256 (hex) of symbols, timestamps, numbers and what is missing, not of where they came from.

        Dividends and splits count where there are any.
        """
        digest = hashlib.sha256("\n".join(self.symbols).encode())
        digest.update(self.timestamps.astype("<i8").tobytes())
        for column in COLUMNS:
            digest.update(getattr(self, column).astype("<f8").tobytes())
        if self.missing.any():
            digest.update(self.missing.tobytes())
        if self.has_actions:
            for column in actions.COLUMNS:
                digest.update(getattr(self, column).astype("<f8").tobytes())
        return digest.hexdigest()

    def between(self, start: str | None, end: str | None) -> Bars:
        """The bars from `start` to `end`, both included; "2009" or "2009-12" mean the whole year or month.

        None leaves that side open. InputError if a date cannot be read or fewer than two bars are left.
        """
        stamps = pd.DatetimeIndex(self.timestamps)
        kept = slice(_position(stamps, start, "left"), _position(stamps, end, "right"))
        if len(self.timestamps[kept]) < 2:
            wanted = f"from {start or 'the start'} to {end or 'the end'}"
            who = f"{place_of(self)}{', '.join(self.symbols)}"
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
                raise InputError(f"{place_of(self)}no symbol {symbol!r}; there are {', '.join(self.symbols)}")
        which = [self.symbols.index(symbol) for symbol in symbols]
        rows = np.flatnonzero(~self.missing[:, which].all(axis=1))
        return _part(self, rows, which)

    def adjust(self) -> Bars:
        """Adjusted prices: raw ones in shares of the last bar, dividends put back into them.

        Going backwards, an ex-date multiplies all prices before it by (1 - D s / close_{t-1}) / s, with the
        dividend D per new share and s new shares per old one, and the volume by s: `actions.growth`.
        """
        if not self.has_actions:
            return replace(self, adjusted=True)
        with np.errstate(all="ignore"):  # absurd ones make a price that Bars refuses
            grown, count = self._grown()
            return _without_actions(self, grown / grown[-1], count[-1] / count)

    def reinvested(self) -> Bars:
        """The same in shares of the *first* bar, so that no bar depends on later ones: what decisions see.

        The returns are those of `adjust`, the level is another. Bars without dividends and splits are
        returned as they are.
        """
        if not self.has_actions:
            return self
        with np.errstate(all="ignore"):
            grown, count = self._grown()
            return _without_actions(self, grown, 1.0 / count)

    def _grown(self) -> tuple[Array, Array]:
        """[T, A] shares that one of the first bar has become, with its dividends reinvested and without."""
        growth = actions.growth(self.close, self.dividends, self.splits)
        return np.cumprod(growth, axis=0), actions.shares(self.splits)

    def to_frame(self) -> pd.DataFrame:
        """One symbol: its columns, indexed by `date`. Several: a long table date, symbol, open .. volume.

        Dividends and splits follow if there are any. Missing bars are left out; `from_frame` finds them again
        between the first and the last bar that all symbols have.
        """
        index = pd.DatetimeIndex(self.timestamps, name="date")
        columns = (*COLUMNS, *actions.COLUMNS) if self.has_actions else COLUMNS
        each = [
            pd.DataFrame({column: getattr(self, column)[:, a] for column in columns}, index=index)[
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
        cls,
        frame: pd.DataFrame,
        *,
        source: str = "",
        symbol: str | None = None,
        adjusted: bool = True,
        how: ReadConfig = AS_WRITTEN,
    ) -> Bars:
        """Any table of prices, wide or long, as `layouts` reads it; `symbol` names it if the table does not.

        With an adj_close column and `adjusted`, open, high, low and close are scaled by adj_close / close;
        the volume stays, because the part of that factor which is due to splits is not known. Without one
        they are scaled by the columns dividends and splits, see `adjust`; without those they are taken as
        they are. Raw prices (not `adjusted`) keep dividends and splits; those of a symbol that has none in
        the table are found in its adj_close, see `actions.infer`. Without a volume column the volume is 0.
        `how` answers what dates and numbers leave open. InputError for a fault.
        """
        place = f"{source}: " if source else ""
        stamps, symbols, columns = layouts.read(frame, symbol=symbol, place=place, how=how)
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
        """The same of arrays [T, A]: open .. volume, missing, perhaps adj_close, dividends and splits."""
        plain = {name: values for name, values in columns.items() if name != "adj_close"}
        adj_close = columns.get("adj_close")
        if adj_close is not None and adjusted:
            # It contains dividends and splits.
            priced = {name: values for name, values in plain.items() if name not in actions.COLUMNS}
            return _scaled(cls(stamps, symbols, **priced, adjusted=True, source=source), adj_close)
        bars = cls(stamps, symbols, **plain, adjusted=False, source=source)
        if adjusted:
            return bars.adjust()
        return bars if adj_close is None else _with_inferred(bars, adj_close)

    def __repr__(self) -> str:
        origin = f", from {self.source}" if self.source else ""
        return f"Bars({self.who}: {len(self)} {self.kind} bars, {self.span}{origin})"

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
    names = (*COLUMNS, "missing", *actions.COLUMNS)
    columns = {name: getattr(bars, name)[rows][:, list(which)] for name in names}
    symbols = tuple(bars.symbols[a] for a in which)
    return replace(bars, timestamps=bars.timestamps[rows], symbols=symbols, **columns)


def _frozen(values: Array, dtype: str | None) -> Array:
    copy = np.array(values, dtype=dtype, order="C")
    copy.setflags(write=False)
    return copy


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


def _without_actions(bars: Bars, factor: Array, per_share: Array) -> Bars:
    """Prices times `factor` and volume times `per_share`, [T, A], as adjusted bars."""
    columns: dict[str, Any] = {column: getattr(bars, column) * factor for column in PRICES}
    columns |= {column: np.array(value) for column, value in actions.NONE.items()}
    return replace(bars, **columns, volume=bars.volume * per_share, adjusted=True)


def _with_inferred(bars: Bars, adj_close: Array) -> Bars:
    """Raw prices with the dividends and splits that adj_close tells, of symbols for which none are known."""
    _check_adj_close(bars, adj_close)
    found: dict[str, Any] = {column: getattr(bars, column).copy() for column in actions.COLUMNS}
    for a in range(len(bars.symbols)):
        if found["dividends"][:, a].any() or (found["splits"][:, a] != 1.0).any():
            continue
        own = ~bars.missing[:, a]
        with np.errstate(all="ignore"):
            inferred = actions.infer(bars.open[own, a], bars.close[own, a], adj_close[own, a])
        for column, values in zip(actions.COLUMNS, inferred, strict=True):
            found[column][own, a] = values
    return replace(bars, **found)


def _check_adj_close(bars: Bars, adj_close: Array) -> None:
    refuse(
        bars, ~(np.isfinite(adj_close) & (adj_close > 0)), "adj_close", adj_close, "not a price above zero"
    )


def _scaled(bars: Bars, adj_close: Array) -> Bars:
    """Adjusted prices: raw ones times adj_close / close, bar by bar."""
    _check_adj_close(bars, adj_close)
    with np.errstate(over="ignore", under="ignore"):  # an absurd factor makes a price that Bars refuses
        factor = adj_close / bars.close
        return replace(bars, **{column: getattr(bars, column) * factor for column in PRICES})
