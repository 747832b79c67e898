"""Files as vendors write them read to the same bars; what leaves two readings is asked, not guessed."""

from __future__ import annotations

import gzip
import tracemalloc
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.layouts import HOURS, LAYOUTS, Layout, bars, frame, zipped
from tradebot.config import build
from tradebot.core import InputError
from tradebot.prices.bars import Bars
from tradebot.prices.reading import ReadConfig, told
from tradebot.prices.sources import file
from tradebot.prices.validity import COLUMNS


def written(tmp_path: Path, content: bytes | str, name: str = "AAA.csv") -> Path:
    path = tmp_path / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def refused(path: Path, how: ReadConfig | None = None) -> str:
    with pytest.raises(InputError) as caught:
        file.read(path, how=how or ReadConfig())
    assert len(str(caught.value).splitlines()) == 1
    return str(caught.value).removeprefix(f"{path}: ")


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS.keys())
def test_files_of_every_vendor_read_to_the_same_bars(tmp_path: Path, layout: Layout) -> None:
    read = file.read(written(tmp_path, layout.content, layout.name))
    for name in ("timestamps", *COLUMNS):
        np.testing.assert_array_equal(getattr(read, name), getattr(layout.bars, name))
    assert read.symbols == layout.bars.symbols
    assert read.fingerprint == layout.bars.fingerprint


def test_a_line_says_how_each_column_was_read(tmp_path: Path) -> None:
    layout = LAYOUTS["Nasdaq.com"]
    assert told(file.tidy(written(tmp_path, layout.content)).columns) == (
        "Read as text, parted by ',': date <- 'Date' (month first); open <- 'Open' ($, thousands ',');"
        " high <- 'High' ($, thousands ','); low <- 'Low' ($, thousands ',');"
        " close <- 'Close/Last' ($, thousands ','); volume <- 'Volume' (thousands ',')"
    )


@pytest.mark.parametrize(
    ("layout", "what", "words"),
    [
        ("CryptoDataDownload, seconds", "file", "text, parted by ',', 1 line before the header left out"),
        ("CryptoDataDownload, seconds", "volume", "'Volume BTC'"),
        ("CryptoDataDownload, seconds", "ignored", "'unix', 'Volume USD'"),
        ("CryptoDataDownload, seconds", "date", "'date' (taken for UTC)"),
        ("Kaggle, bitcoin", "date", "'Timestamp' (epoch s)"),
        ("Kaggle, bitcoin", "left out", "1 row without prices"),
        ("MetaTrader 5", "file", "text, parted by tabs"),
        ("MetaTrader 5", "date", "'<DATE>' (with '<TIME>', taken for UTC)"),
        ("MetaTrader 5", "volume", "'<TICKVOL>'"),
        (
            "MetaTrader 4",
            "file",
            "text, parted by ',', no header: taken for date, time, open, high, low, close, volume",
        ),
        ("Yahoo, download", "adj_close", "'Adj Close' (scales prices by it / close)"),
        ("yfinance, Ticker.history", "date", "'Date' (with offsets)"),
        ("yfinance, Ticker.history", "ignored", "'Dividends', 'Stock Splits'"),
        ("Investing.com", "date", "'Date' (names of months)"),
        ("Investing.com", "volume", "'Vol.' (in K, in M)"),
        ("Investing.com in German", "file", "text, CP1252, parted by ';'"),
        ("Investing.com in German", "close", "'Schluss' (decimal comma, thousands '.')"),
        ("zip", "file", "text, zip of 'aaa.csv', parted by ','"),
        ("wide", "close", "'AAA_close'"),
    ],
)
def test_each_part_of_the_line_says_what_was_found(
    tmp_path: Path, layout: str, what: str, words: str
) -> None:
    path = written(tmp_path, LAYOUTS[layout].content, LAYOUTS[layout].name)
    assert file.tidy(path).columns[what] == words


# Day and month

EITHER = ["01/02/2020", "02/02/2020", "03/02/2020"]


def dated(*dates: str) -> str:
    return frame([*dates, "2020", "2020"]).iloc[: len(dates)].to_csv(index=False)


def test_dates_that_leave_two_readings_are_asked_for(tmp_path: Path) -> None:
    assert refused(written(tmp_path, dated(*EITHER))) == (
        "day and month cannot be told apart: '01/02/2020' may be 02 January or 01 February, say --dates"
        " day-first or --dates month-first"
    )


@pytest.mark.parametrize(
    ("order", "span"),
    [("day-first", "2020-02-01 .. 2020-02-03"), ("month-first", "2020-01-02 .. 2020-03-02")],
)
def test_the_answer_decides_what_the_dates_are(tmp_path: Path, order: str, span: str) -> None:
    how = ReadConfig.model_validate({"dates": order})
    path = written(tmp_path, dated(*EITHER))
    assert file.read(path, how=how).span == span
    assert file.tidy(path, how).columns["date"] == f"'date' ({order.replace('-', ' ')})"


def test_an_answer_that_the_dates_contradict_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path, dated("30/12/2019", "31/12/2019", "02/01/2020"))
    assert file.read(path).span == "2019-12-30 .. 2020-01-02"
    assert refused(path, ReadConfig(dates="month-first")).startswith(
        "date '30/12/2019' in row 1 cannot be read month-first"
    )


# Numbers


def priced(volumes: list[str], number: str = "{:g}") -> str:
    whole = frame(["2020-01-02", "2020-01-03", "2020-01-06", "2020-01-07", "2020-01-08"], number.format)
    prices = {name: ["2000", "2001", "2002", "2003", "2004"] for name in ("open", "high", "low", "close")}
    return whole.assign(**prices, volume=volumes).to_csv(index=False, sep=";")


EITHER_NUMBER = ["1,234", "2", "3", "4", "5"]


def test_a_comma_that_leaves_two_readings_is_asked_for(tmp_path: Path) -> None:
    assert refused(written(tmp_path, priced(EITHER_NUMBER))) == (
        "'1,234' (volume) may be a thousand or a fraction: say --decimal point if its comma parts thousands,"
        " or --decimal comma if it begins the fraction"
    )


@pytest.mark.parametrize(("decimal", "volume"), [("point", 1234.0), ("comma", 1.234)])
def test_the_answer_decides_what_the_comma_is(tmp_path: Path, decimal: str, volume: float) -> None:
    how = ReadConfig.model_validate({"decimal": decimal})
    assert file.read(written(tmp_path, priced(EITHER_NUMBER)), how=how).volume[0, 0] == volume


@pytest.mark.parametrize(
    ("cell", "other", "values"),
    [
        ("1,234", "1.5", (1234.0, 1.5)),
        ("1,234", "1,5", (1.234, 1.5)),
        ("1.234", "1,5", (1234.0, 1.5)),
        ("1.234", "1.234.567", (1234.0, 1234567.0)),
        ("1,234", "1,234,567", (1234.0, 1234567.0)),
        ("12,34,567", "1,234", (1234567.0, 1234.0)),
        ("1,234", "0,125", (1.234, 0.125)),
        ("1,234", "1234,567", (1.234, 1234.567)),
        ("1'234'567.5", "2", (1234567.5, 2.0)),
        ("1 234 567,5", "2", (1234567.5, 2.0)),
        ("1.234", "2", (1.234, 2.0)),
        ("1.23M", "4k", (1230000.0, 4000.0)),
        ("2B", "1.5T", (2e9, 1.5e12)),
        ("€ 1.234,50", "1,5 €", (1234.5, 1.5)),
        ("1e3", "1,5", (1000.0, 1.5)),
    ],
)
def test_all_cells_together_say_what_a_sign_is(
    tmp_path: Path, cell: str, other: str, values: tuple[float, float]
) -> None:
    volume = file.read(written(tmp_path, priced([cell, other, "3", "4", "5"]))).volume
    assert tuple(volume[:2, 0]) == values


def test_numbers_in_two_ways_are_refused_and_an_answer_finds_the_wrong_one(tmp_path: Path) -> None:
    path = written(tmp_path, priced(["1.5", "2,5", "3", "4", "5"]))
    assert refused(path).startswith(
        "'1.5' (volume) has a decimal point and '2,5' (volume) a decimal comma: write all numbers alike, or"
    )
    assert refused(path, ReadConfig(decimal="point")).startswith(
        "AAA: volume on 2020-01-03 is '2,5', not a number (1 such rows"
    )
    assert refused(path, ReadConfig(decimal="comma")).startswith(
        "AAA: volume on 2020-01-02 is '1.5', not a number (1 such rows"
    )


def test_a_volume_that_is_always_empty_is_zero_and_one_that_is_not_is_a_fault(tmp_path: Path) -> None:
    assert (file.read(written(tmp_path, priced(["-", "", "N/A", "-", ""]))).volume == 0).all()
    assert refused(written(tmp_path, priced(["1", "", "3", "4", "5"]))).startswith(
        "AAA: volume on 2020-01-03 is nan"
    )


# Time zones


def test_times_without_a_zone_are_in_the_one_that_is_said(tmp_path: Path) -> None:
    """New York: UTC-5 on Friday 2020-03-06, UTC-4 on Monday 2020-03-09."""
    times = [
        "2020-03-06 14:30",
        "2020-03-06 15:30",
        "2020-03-09 09:30",
        "2020-03-09 10:30",
        "2020-03-09 11:30",
    ]
    path = written(tmp_path, frame(times).to_csv(index=False))
    read = file.read(path, how=ReadConfig(timezone="America/New_York"))
    assert [str(stamp)[:16] for stamp in read.timestamps] == [
        *("2020-03-06T19:30", "2020-03-06T20:30"),
        *("2020-03-09T13:30", "2020-03-09T14:30", "2020-03-09T15:30"),
    ]
    assert file.read(path).span == "2020-03-06 14:30:00 .. 2020-03-09 11:30:00"


@pytest.mark.parametrize("step", [1, -1])
def test_the_hour_that_a_clock_shows_twice_is_told_apart_by_its_neighbours(tmp_path: Path, step: int) -> None:
    hours = ["00:00", "01:00", "01:00", "02:00", "03:00"]
    content = frame([f"2020-11-01 {hour}" for hour in hours])[::step].to_csv(index=False)
    read = file.read(written(tmp_path, content), how=ReadConfig(timezone="America/New_York"))
    assert read.span == "2020-11-01 04:00:00 .. 2020-11-01 08:00:00"


@pytest.mark.parametrize("hours", [("01:00", "02:00", "03:00"), ("00:00", "01:00", "02:00")])
def test_a_time_that_the_clock_does_not_tell_is_refused(tmp_path: Path, hours: tuple[str, ...]) -> None:
    day = "2020-03-08" if hours[0] == "01:00" else "2020-11-01"
    content = frame([*(f"{day} {hour}" for hour in hours), "2020", "2020"]).iloc[:3].to_csv(index=False)
    assert refused(written(tmp_path, content), ReadConfig(timezone="America/New_York")).startswith(
        "not all times are on the clock of America/New_York, which skips an hour in spring and"
    )


def test_a_zone_does_not_move_the_dates_of_daily_bars(tmp_path: Path) -> None:
    path = written(tmp_path, LAYOUTS["Yahoo, download"].content)
    assert file.read(path, how=ReadConfig(timezone="Asia/Tokyo")).fingerprint == bars().fingerprint


def test_epochs_of_daily_bars_get_the_date_of_the_zone(tmp_path: Path) -> None:
    """Midnight in Tokyo is 15:00 UTC of the day before."""
    midnights = pd.date_range("2020-01-06", periods=5, tz="Asia/Tokyo")
    content = frame([str(int(day.timestamp())) for day in midnights]).to_csv(index=False)
    read = file.read(written(tmp_path, content), how=ReadConfig(timezone="Asia/Tokyo"))
    assert read.span == "2020-01-06 .. 2020-01-10"


def test_epochs_whose_unit_changes_on_the_way_are_each_read_in_their_own(tmp_path: Path) -> None:
    seconds = [int(stamp.astype("datetime64[s]").astype(int)) for stamp in HOURS]
    mixed = [*map(str, seconds[:2]), *(f"{second}000" for second in seconds[2:])]
    path = written(tmp_path, frame(mixed).to_csv(index=False))
    np.testing.assert_array_equal(file.read(path).timestamps, HOURS)
    assert file.tidy(path).columns["date"] == "'date' (epoch s and ms)"


def test_some_dates_with_an_offset_and_some_without_are_refused(tmp_path: Path) -> None:
    hours = [f"2020-01-02 {hour}:00{'Z' * (hour != 12)}" for hour in range(10, 15)]
    assert refused(written(tmp_path, frame(hours).to_csv(index=False))) == (
        "date '2020-01-02 12:00' in row 3 has no time zone, others have one"
    )


# Dividends and splits


def test_dividends_and_splits_are_kept_in_the_long_table(tmp_path: Path) -> None:
    table = frame([f"2020-01-0{day}" for day in (2, 3, 6, 7, 8)])
    table["Dividends"], table["Stock Splits"] = ["0.0", "0.82", "", "0", "0"], ["0.0", "0.0", "4.0", "0", ""]
    history = file.table(written(tmp_path, table.to_csv(index=False)))
    assert not {"dividends", "splits"} & set(history)  # these prices contain them
    table["Adj Close"] = table["close"]
    rows = file.table(written(tmp_path, table.to_csv(index=False)))
    assert rows["dividends"].tolist() == [0, 0.82, 0, 0, 0]
    assert rows["splits"].tolist() == [1, 1, 4, 1, 1]


# What is packed


def test_a_zip_of_several_files_is_refused_with_their_names(tmp_path: Path) -> None:
    content = zipped(**{"a.csv": b"1", "b.csv": b"2"})
    assert (
        refused(written(tmp_path, content, "x.zip"))
        == "holds 2 files, unpack the one to read: 'a.csv', 'b.csv'"
    )


def test_a_zip_names_the_symbol_of_what_is_in_it(tmp_path: Path) -> None:
    content = zipped(**{"folder/brk-b.csv": LAYOUTS["Yahoo, download"].content, "__MACOSX/._x": b"?"})
    assert file.read(written(tmp_path, content, "archive.zip")).symbols == ("BRK-B",)


def test_a_damaged_zip_is_refused(tmp_path: Path) -> None:
    content = zipped(**{"a.csv": LAYOUTS["Yahoo, download"].content * 50})
    assert refused(written(tmp_path, content[:-30], "a.zip")).startswith("cannot be unpacked (")
    spoiled = content[:60] + b"\0" * 20 + content[80:]
    assert refused(written(tmp_path, spoiled, "a.zip")).startswith("cannot be ")


def test_what_unpacks_to_more_than_prices_can_be_is_refused_before_it_fills_the_memory(
    tmp_path: Path,
) -> None:
    bomb = gzip.compress(bytes(1 << 28))
    path, archive = written(tmp_path, bomb, "a.csv.gz"), zipped(**{"a.csv": bytes(1 << 28)})
    tracemalloc.start()
    try:
        for name in (path, written(tmp_path, archive, "a.zip")):
            assert refused(name) == "unpacks to more than 68 MiB, which no table of prices does"
        assert tracemalloc.get_traced_memory()[1] < 1 << 28
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    "content",
    [
        b"date,open,high,low,close" + b"," * 3_000_000 + b"\n2020-01-02,1,1,1,1\n" * 3,
        b"date,open,high,low,close" + b"," * 10_000 + b"\n" + b"2020-01-02,1,1,1,1\n" * 10_000,
        b"\n" * 50_000_000 + b"date",
    ],
)
def test_a_table_of_hardly_anything_but_missing_cells_is_refused(tmp_path: Path, content: bytes) -> None:
    assert refused(written(tmp_path, content))


def test_how_a_file_is_read_changes_nothing_of_frames_that_say_it_all() -> None:
    table = frame(["2020-01-02", "2020-01-03", "2020-01-06", "2020-01-07", "2020-01-08"])
    how = ReadConfig(dates="day-first", decimal="point", timezone="Asia/Tokyo")
    read = Bars.from_frame(table, symbol="AAA"), Bars.from_frame(table, symbol="AAA", how=how)
    assert read[0].fingerprint == read[1].fingerprint


def test_a_zone_that_does_not_exist_is_refused_with_the_nearest() -> None:
    with pytest.raises(InputError, match="timezone: unknown time zone 'America/NewYork': did you mean 'Amer"):
        build(ReadConfig, {"timezone": "America/NewYork"})
    for name in ("America", "../UTC", "", "x" * 500):
        with pytest.raises(InputError, match="timezone: unknown time zone"):
            build(ReadConfig, {"timezone": name})
