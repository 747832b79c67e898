"""Tables of several symbols, each sorted and without twins, stacked into arrays [T, A] on one calendar.

What `layouts` makes of any table, for those that are known to be clean: without a look at every cell's type.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from tradebot.core import Array
from tradebot.prices import actions
from tradebot.prices.alignment import check_calendars

_IN_A_MISSING_BAR = {"volume": 0.0} | actions.NONE  # prices are the last close, instead


def stacked(
    frames: Mapping[str, pd.DataFrame], names: Sequence[str], place: str
) -> tuple[Array, dict[str, Array]] | None:
    """Timestamps [T], and the columns `names` and `missing` [T, A] of `frames` by symbol.

    The calendar has the dates of any symbol, from the first that all have to the earliest last one. None if a
    table is not sorted or has less than two rows. Raises InputError, which starts with `place`, as `aligned`.
    """
    tables = list(frames.values())
    dates = [frame["date"].to_numpy("datetime64[us]") for frame in tables]
    if not all(len(own) > 1 and (np.diff(own) > np.timedelta64(0, "us")).all() for own in dates):
        return None
    if all(np.array_equal(own, dates[0]) for own in dates):
        whole = {
            name: np.column_stack([frame[name].to_numpy("float64") for frame in tables]) for name in names
        }
        return dates[0], whole | {"missing": np.zeros((len(dates[0]), len(tables)), bool)}
    stamps = np.unique(np.concatenate(dates))
    rows = [np.searchsorted(stamps, own) for own in dates]
    shared = np.flatnonzero(np.bincount(np.concatenate(rows)) == len(tables))
    check_calendars(dates, list(frames), len(shared), place)
    span = slice(shared[0], min(own[-1] for own in rows) + 1)
    length = span.stop - span.start
    columns = {name: np.empty((len(tables), length)) for name in names}
    missing = np.ones((len(tables), length), bool)
    for a, (frame, own) in enumerate(zip(tables, rows, strict=True)):
        kept = (own >= span.start) & (own < span.stop)
        at = own[kept] - span.start
        missing[a, at] = False
        latest = np.cumsum(~missing[a]) - 1  # its own bar that was the last at each row
        values = {name: frame[name].to_numpy("float64")[kept] for name in names}
        for name in names:
            filled = values["close" if name in ("open", "high", "low") else name][latest]
            filled[at] = values[name]
            if name in _IN_A_MISSING_BAR:
                filled[missing[a]] = _IN_A_MISSING_BAR[name]
            columns[name][a] = filled
    return stamps[span], {name: values.T for name, values in (columns | {"missing": missing}).items()}
