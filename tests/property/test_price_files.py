"""Whatever a file of prices holds: valid bars come out, or one line that says what is wrong. Nothing else."""

from __future__ import annotations

import gzip
import io
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from tests.layouts import LAYOUTS
from tradebot.core import InputError
from tradebot.prices import numbers
from tradebot.prices.bars import Bars
from tradebot.prices.reading import AS_WRITTEN, ReadConfig
from tradebot.prices.sources import file
from tradebot.prices.validity import PRICES

HEADER = "date,open,high,low,close,volume"
NAMES = (
    *HEADER.split(","),
    "adj_close",
    "symbol",
    "time",
    "timestamp",
    "A_close",
    "Close A",
    "price",
    "Volume USD",
    "",
)
CELLS = st.one_of(
    st.sampled_from(
        ["2020-01-02", "2020-01-03", "01/02/2020", "Jan 2, 2020", "20200102", "1577923200", "09:30"]
    ),
    st.sampled_from(
        ["1", "1.5", "0", "-1", "nan", "inf", "1e308", "1e-308", "abc", "", "A", "B", "1577923200000"]
    ),
    st.text(max_size=5),
)
VALUES = st.one_of(
    CELLS,
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.datetimes(),
    st.dates(),
    st.binary(max_size=3),
)


def valid(bars: Bars) -> bool:
    """What the class promises, checked in another way than the class does."""
    rising = bool((np.diff(bars.timestamps).astype(int) > 0).all())
    lowest = np.minimum.reduce([getattr(bars, column) for column in PRICES])
    highest = np.maximum.reduce([getattr(bars, column) for column in PRICES])
    inside = np.allclose(lowest, bars.low, rtol=2e-9, atol=0) and np.allclose(
        highest, bars.high, rtol=2e-9, atol=0
    )
    return (
        rising
        and inside
        and bool((lowest > 0).all() and np.isfinite(highest).all() and (bars.volume >= 0).all())
    )


ANSWERS = st.builds(
    ReadConfig,
    dates=st.sampled_from([None, "day-first", "month-first"]),
    decimal=st.sampled_from([None, "point", "comma"]),
    timezone=st.sampled_from(["UTC", "America/New_York", "Asia/Tokyo"]),
)


def read_or_refuse(content: bytes, name: str = "aaa.csv", how: ReadConfig = AS_WRITTEN) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_bytes(content)
        try:
            bars = file.read(path, how=how)
        except InputError as error:
            assert len(str(error).splitlines()) == 1 and str(error).startswith(str(path))
        else:
            assert valid(bars)


@given(
    st.sampled_from(
        [
            b"",
            b"PAR1",
            b"\x1f\x8b",
            b"PK\x03\x04",
            b"\xff\xfe",
            b"sep=;\n",
            HEADER.encode() + b"\n",
            b"\xef\xbb\xbf",
        ]
    ),
    st.binary(max_size=200),
)
@settings(deadline=None, max_examples=200)
def test_any_bytes_are_read_or_refused(start: bytes, rest: bytes) -> None:
    read_or_refuse(start + rest)


@given(st.text(alphabet='0123456789.,;\t\n\r"-:/ abcDATEopenclose', max_size=200))
@settings(deadline=None, max_examples=200)
def test_any_text_below_a_header_is_read_or_refused(text: str) -> None:
    read_or_refuse(f"{HEADER}\n{text}".encode())


@given(st.lists(st.sampled_from(NAMES), max_size=8), st.lists(st.lists(CELLS, max_size=8), max_size=5))
@settings(deadline=None, max_examples=200)
def test_any_small_text_table_is_read_or_refused(names: list[str], rows: list[list[str]]) -> None:
    read_or_refuse("\n".join([",".join(names), *(",".join(row) for row in rows)]).encode("utf-8", "replace"))


def spoiled(cells: list[tuple[int, int, Any]]) -> pd.DataFrame:
    """Three good bars with some cells (row, column, value) replaced."""
    names = [*HEADER.split(","), "adj_close", "symbol"]
    days = [[f"2020-01-0{day}", 2.0, 3.0, 1.0, 2.0, 5.0, 1.0, "A"] for day in (2, 3, 6)]
    frame = pd.DataFrame(days, columns=names, dtype=object)
    for row, column, value in cells:
        frame.iat[row, column] = value
    return frame


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 7), VALUES), max_size=3))
@settings(deadline=None, max_examples=200)
def test_a_frame_with_any_cells_replaced_is_read_or_refused(cells: list[tuple[int, int, Any]]) -> None:
    try:
        bars = Bars.from_frame(spoiled(cells))
    except InputError as error:
        assert cells and len(str(error).splitlines()) == 1
    else:
        assert valid(bars)


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 7), CELLS), max_size=3))
@settings(deadline=None, max_examples=200)
def test_a_file_with_any_cells_replaced_is_read_or_refused(cells: list[tuple[int, int, Any]]) -> None:
    read_or_refuse(spoiled(cells).to_csv(index=False).encode("utf-8", "replace"))


@st.composite
def valid_bars(draw: st.DrawFn) -> Bars:
    """Two to six bars of one to three symbols, some days or some minutes apart; some are missing."""
    names = st.sampled_from(["A", "BRK-B", "BTC-USD", "LOW", "000001", "NAN"])
    symbols = draw(st.lists(names, min_size=1, max_size=3, unique=True))
    gaps = draw(st.lists(st.integers(1, 200), min_size=2, max_size=6))
    stamps = np.datetime64("2015-03-27", "m") + np.cumsum(gaps) * draw(st.sampled_from([1, 24 * 60]))
    shape = (len(stamps), len(symbols))
    price = arrays.arrays(np.float64, shape, elements=st.floats(1e-8, 1e12))
    low, first, second, high = np.sort([draw(price) for _ in range(4)], axis=0)
    volume = draw(arrays.arrays(np.float64, shape, elements=st.floats(0, 1e15)))
    missing = draw(arrays.arrays(np.bool_, shape))
    missing[[0, -1]] = False  # else a frame could not tell that the bars go so far
    missing[missing.all(axis=1), 0] = False
    own = np.maximum.accumulate(np.where(missing, 0, np.arange(len(stamps))[:, None]), axis=0)
    close = np.take_along_axis(second, own, axis=0)
    prices = (np.where(missing, close, price) for price in (first, high, low, close))
    return Bars(stamps, tuple(symbols), *prices, np.where(missing, 0.0, volume), missing)


@given(valid_bars(), st.sampled_from(["csv", "gzip", "parquet"]), st.randoms(use_true_random=False))
@settings(deadline=None, max_examples=60)
def test_bars_that_were_written_are_read_back_to_the_last_bit_in_whatever_order(
    bars: Bars, form: str, shuffle: Any
) -> None:
    frame = bars.to_frame().reset_index(drop=len(bars.symbols) > 1)
    order = list(range(len(frame)))
    shuffle.shuffle(order)
    frame = frame.iloc[order]
    text = frame.to_csv(index=False).encode()
    content = io.BytesIO()
    frame.to_parquet(content, index=False)
    written = {"csv": text, "gzip": gzip.compress(text), "parquet": content.getvalue()}[form]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"{bars.symbols[0]}.csv"
        path.write_bytes(written)
        assert file.read(path).select(bars.symbols).fingerprint == bars.select(bars.symbols).fingerprint


@st.composite
def spoiled_files(draw: st.DrawFn) -> tuple[bytes, str]:
    """A vendor's file with bytes changed, a piece cut out or repeated, or one of another vendor's put in."""
    layout = draw(st.sampled_from(sorted(LAYOUTS)))
    content, name = bytearray(LAYOUTS[layout].content), LAYOUTS[layout].name
    for _ in range(draw(st.integers(1, 3))):
        first, last = sorted(draw(st.integers(0, len(content))) for _ in range(2))
        match draw(st.sampled_from(["flip", "cut", "repeat", "splice"])):
            case "flip" if first < len(content):
                content[first] = draw(st.integers(0, 255))
            case "cut":
                del content[first:last]
            case "repeat":
                content[last:last] = content[first:last]
            case "splice":
                other = LAYOUTS[draw(st.sampled_from(sorted(LAYOUTS)))].content
                content[first:] = other[min(first, len(other)) :]
    return bytes(content), name


@given(spoiled_files(), ANSWERS)
@settings(deadline=None, max_examples=100)
def test_a_spoiled_file_of_any_vendor_is_read_or_refused(spoiled: tuple[bytes, str], how: ReadConfig) -> None:
    read_or_refuse(*spoiled, how)


@given(st.sampled_from(sorted(LAYOUTS)), st.data(), ANSWERS)
@settings(deadline=None, max_examples=100)
def test_a_file_of_any_vendor_with_cells_swapped_is_read_or_refused(
    layout: str, data: st.DataObject, how: ReadConfig
) -> None:
    content, name = LAYOUTS[layout].content, LAYOUTS[layout].name
    separator = max((b",", b";", b"\t"), key=content.count)
    rows = [line.split(separator) for line in content.split(b"\n")]
    places = [(i, j) for i, row in enumerate(rows) for j in range(len(row))]
    for _ in range(data.draw(st.integers(1, 4))):
        (a, b), (c, d) = (data.draw(st.sampled_from(places)) for _ in range(2))
        rows[a][b], rows[c][d] = rows[c][d], rows[a][b]
    read_or_refuse(b"\n".join(separator.join(row) for row in rows), name, how)


NUMERALS = st.from_regex(r"[-+$€]?[0-9]{0,4}([., '][0-9]{1,3}){0,3}[eEkMB%]?[0-9]?", fullmatch=True)


@given(st.lists(st.tuples(NUMERALS, NUMERALS, NUMERALS, NUMERALS), min_size=2, max_size=5), ANSWERS)
@settings(deadline=None, max_examples=50)
def test_any_spelling_of_numbers_is_read_or_refused(rows: list[tuple[str, ...]], how: ReadConfig) -> None:
    lines = [";".join([f"2020-01-0{day}", *row]) for day, row in enumerate(rows, 2)]
    read_or_refuse("\n".join(["date;open;high;low;close", *lines]).encode(), how=how)


@given(st.floats(1e-3, 1e9), st.sampled_from(["point", "comma"]), st.booleans())
def test_a_number_written_in_any_way_is_read_to_the_last_bit(
    value: float, decimal: str, grouped: bool
) -> None:
    text = f"{value:{',' * grouped}.4f}"
    text = text if decimal == "point" else text.translate(str.maketrans(",.", ".,"))
    column = pd.Series([text, "1"], dtype="str")
    read = numbers.parse({("", "open"): column}, None, "").values["", "open"][0]
    assert read == float(f"{value:.4f}")
