"""Bars of the sample data that ships with the program; data/PROVENANCE.md says where they come from."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from tradebot.core import InputError
from tradebot.prices.bars import Bars

_PACKAGE = Path(__file__).resolve().parents[2]
_FILES = ("us_daily_wiki_2000_2013.parquet", "btcusd_hourly_2017_2019_coinbase.parquet")


def symbols() -> list[str]:
    """What the sample holds, stocks first."""
    return list(table()["symbol"].unique())


def read(symbols: Sequence[str], *, adjusted: bool = True) -> Bars:
    """The bars of these symbols on one calendar. InputError if one is unknown."""
    rows = table()
    known = list(rows["symbol"].unique())
    for symbol in symbols:
        if symbol not in known:
            close = difflib.get_close_matches(symbol.upper(), known, n=1)
            hint = f"; did you mean {close[0]}?" if close else ""
            raise InputError(f"sample: no symbol {symbol!r}{hint} (there are {', '.join(known)})")
    wanted = rows[rows["symbol"].isin(symbols)].reset_index(drop=True)
    return Bars.from_frame(wanted, source="sample", adjusted=adjusted).select(symbols)


def table() -> pd.DataFrame:
    """Both files as one long table. Coins have no splits and no dividends: their close is adjusted."""
    frames = [pd.read_parquet(_folder() / file) for file in _FILES]
    return pd.concat(
        [frame.assign(adj_close=frame.get("adj_close", frame["close"])) for frame in frames],
        ignore_index=True,
    )


def _folder() -> Path:
    """data/ inside the package when it was installed from a wheel, beside it in a checkout."""
    shipped = _PACKAGE / "data"
    return shipped if shipped.is_dir() else _PACKAGE.parent / "data"
