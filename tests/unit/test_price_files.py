"""The sample that ships with the program, and files of prices in every layout and with every fault."""

from __future__ import annotations

import gzip
import hashlib
import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tradebot.core import InputError
from tradebot.prices.bars import Bars
from tradebot.prices.sources import file, sample
from tradebot.prices.validity import COLUMNS

DATES = ("2020-01-02", "2020-01-03", "2020-01-06")
DATA = Path(__file__).parents[2] / "data"


def table() -> pd.DataFrame:
    """Three days of one symbol, every cell as text."""
    return pd.DataFrame(
        {
            "date": DATES,
            "open": ("1.0", "1.5", "1.2"),
            "high": ("2.0", "2.0", "1.5"),
            "low": ("0.5", "1.0", "1.0"),
            "close": ("1.5", "1.2", "1.4"),
            "volume": ("100", "0", "300"),
        }
    )


def expected(symbol: str = "AAA") -> Bars:
    numbers = table()[list(COLUMNS)].astype(float)
    return Bars(
        np.array(DATES, "datetime64[D]"), (symbol,), **{name: numbers[[name]].to_numpy() for name in COLUMNS}
    )


def read(tmp_path: Path, content: str | bytes, name: str = "aaa.csv") -> Bars:
    path = tmp_path / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return file.read(path)


def refused(tmp_path: Path, content: str | bytes, name: str = "aaa.csv") -> str:
    """The complaint, which must be one line that starts with the file."""
    with pytest.raises(InputError) as caught:
        read(tmp_path, content, name)
    message = str(caught.value)
    assert message.startswith(str(tmp_path / name)) and len(message.splitlines()) == 1
    return message.removeprefix(f"{tmp_path / name}: ")


def changed(column: str, value: str, row: int = 1) -> str:
    frame = table()
    frame.loc[row, column] = value
    return frame.to_csv(index=False)


# The sample


@pytest.mark.parametrize(
    ("symbol", "bars", "first", "last", "per_year"),
    [
        ("AAPL", 3270, "2000-03-01", "2013-03-01", 252),
        ("IBM", 3270, "2000-03-01", "2013-03-01", 252),
        ("MSFT", 3270, "2000-03-01", "2013-03-01", 252),
        ("GOOG", 2148, "2004-08-19", "2013-03-01", 252),
        ("FB", 196, "2012-05-18", "2013-03-01", 252),
        ("BTC-USD", 20111, "2017-07-01 11:00:00", "2019-10-17 09:00:00", 8760),
    ],
)
def test_the_sample_holds_these_bars(symbol: str, bars: int, first: str, last: str, per_year: float) -> None:
    read = sample.read([symbol])
    assert (len(read), read.span, read.symbols) == (bars, f"{first} .. {last}", (symbol,))
    assert (read.periods_per_year, read.source, read.adjusted) == (per_year, "sample", True)


def test_the_sample_lists_what_it_holds() -> None:
    assert sample.symbols() == ["AAPL", "FB", "GOOG", "IBM", "MSFT", "BTC-USD"]


def test_the_sample_is_the_one_whose_provenance_is_written_down() -> None:
    written = (DATA / "PROVENANCE.md").read_text()
    files = sorted(DATA.glob("*.parquet"))
    assert len(files) == 2
    for path in files:
        assert path.name in written and hashlib.sha256(path.read_bytes()).hexdigest() in written


def test_adjusted_prices_are_raw_ones_scaled_by_adj_close_over_close() -> None:
    raw, adjusted = sample.read(["AAPL"], adjusted=False), sample.read(["AAPL"])
    assert raw.close[0, 0] == 130.31
    assert adjusted.close[0, 0] == pytest.approx(4.186663, rel=1e-12)
    assert adjusted.open[0, 0] == pytest.approx(118.56 * 4.186663 / 130.31, rel=1e-12)
    assert adjusted.high[-1, 0] == pytest.approx(438.1799 * 56.137353 / 430.47, rel=1e-12)
    np.testing.assert_array_equal(adjusted.volume, raw.volume)
    assert (adjusted.adjusted, raw.adjusted) == (True, False)


def test_the_splits_of_apple_are_gone_from_adjusted_prices() -> None:
    """2000-06-21 and 2005-02-28, two for one: the raw price halves, the adjusted one does not."""
    for day_before, day in (("2000-06-20", "2000-06-21"), ("2005-02-25", "2005-02-28")):
        raw, adjusted = (
            sample.read(["AAPL"], adjusted=kind).between(day_before, day).close[:, 0]
            for kind in (False, True)
        )
        assert raw[1] / raw[0] == pytest.approx(0.5, abs=0.1)
        assert adjusted[1] / adjusted[0] == pytest.approx(1.0, abs=0.1)


def test_several_symbols_keep_the_span_that_they_share_in_the_order_asked_for() -> None:
    both = sample.read(["GOOG", "AAPL"])
    assert (both.symbols, len(both), both.span) == (("GOOG", "AAPL"), 2148, "2004-08-19 .. 2013-03-01")
    alone = sample.read(["AAPL"]).between("2004-08-19", None)
    np.testing.assert_array_equal(both.close[:, 1], alone.close[:, 0])


def test_coins_need_no_adjustment() -> None:
    assert sample.read(["BTC-USD"]).fingerprint == sample.read(["BTC-USD"], adjusted=False).fingerprint
    assert sample.read(["BTC-USD"]).close[0, 0] == 2509.17


@pytest.mark.parametrize(
    ("symbols", "words"),
    [
        (
            ["APPL"],
            "sample: no symbol 'APPL'; did you mean AAPL? (there are AAPL, FB, GOOG, IBM, MSFT, BTC-USD)",
        ),
        (["AAPL", "btc"], "sample: no symbol 'btc'; did you mean BTC-USD? (there are"),
        (["XXXX"], "sample: no symbol 'XXXX' (there are AAPL"),
        (
            ["AAPL", "BTC-USD"],
            "sample: the symbols share fewer than 2 bars: AAPL 2000-03-01 .. 2013-03-01; BTC-USD",
        ),
    ],
)
def test_symbols_that_the_sample_cannot_give_are_refused(symbols: list[str], words: str) -> None:
    with pytest.raises(InputError) as caught:
        sample.read(symbols)
    assert str(caught.value).startswith(words)


# Layouts of files


def renamed(*names: str) -> str:
    frame = table()
    frame.columns = pd.Index(names)
    return frame.to_csv(index=False)


def dated(*dates: str) -> str:
    return table().assign(date=dates).to_csv(index=False)


SAME = {
    "plain": table().to_csv(index=False),
    "semicolons": table().to_csv(index=False, sep=";"),
    "tabs": table().to_csv(index=False, sep="\t"),
    "blanks after commas": table().to_csv(index=False).replace(",", ", "),
    "blanks and quotes": table().to_csv(index=False, quoting=1).replace(",", ", "),
    "blanks behind dates": dated(*(f"{date} " for date in DATES)),
    "blanks behind symbols": table().assign(ticker="AAA ").to_csv(index=False),
    "windows lines": table().to_csv(index=False, lineterminator="\r\n"),
    "old mac lines": table().to_csv(index=False, lineterminator="\r"),
    "byte order mark": "\ufeff" + table().to_csv(index=False),
    "quotes": table().to_csv(index=False, quoting=1),
    "gzip": gzip.compress(table().to_csv(index=False).encode()),
    "blank lines at the end": table().to_csv(index=False) + "\n\n",
    "descending": table()[::-1].to_csv(index=False),
    "shuffled": table().iloc[[1, 2, 0]].to_csv(index=False),
    "capitals": renamed("Date", "Open", "High", "Low", "Close", "Volume"),
    "letters": renamed("t i m e", "o", "h", "l", "c", "v"),
    "brackets": renamed("<DATE>", "<OPEN>", "<HIGH>", "<LOW>", "<CLOSE>", "<VOL>"),
    "numbered": renamed("timestamp", "1. open", "2. high", "3. low", "4. close", "5. volume"),
    "last": renamed("Datetime", "Open", "High", "Low", "Last", "Volume"),
    "volume of a pair": table()
    .assign(z="7")
    .set_axis(["date", "open", "high", "low", "close", "Volume BTC", "Volume USD"], axis=1)
    .to_csv(index=False),
    "volume in currency only": renamed("date", "open", "high", "low", "close", "Volume USD"),
    "columns in another order": table()[["volume", "close", "date", "low", "high", "open"]].to_csv(
        index=False
    ),
    "columns of no interest": table().assign(rank="x", openinterest="0").to_csv(index=False),
    "unnamed index": table().set_index("date").to_csv(index_label=""),
    "row numbers": table().to_csv(),
    "index without a header": table().to_csv(index=False).replace("date,", "", 1),
    "compact dates": dated("20200102", "20200103", "20200106"),
    "slashes": dated("2020/01/02", "2020/01/03", "2020/01/06"),
    "dots": dated("2020.01.02", "2020.01.03", "2020.01.06"),
    "names of months": dated("Jan 2, 2020", "Jan 3, 2020", "Jan 6, 2020"),
    "midnight": dated(*(f"{date} 00:00:00" for date in DATES)),
    "closing time": dated(*(f"{date} 16:00:00" for date in DATES)),
    "midnight in New York": dated(*(f"{date} 00:00:00-05:00" for date in DATES)),
    "midnight in Tokyo": dated(*(f"{date}T00:00:00+09:00" for date in DATES)),
    "epoch seconds": dated("1577923200", "1578009600", "1578268800"),
    "epoch milliseconds": dated("1577923200000", "1578009600000", "1578268800000"),
    "epoch seconds of the opening": dated("1577975400", "1578061800", "1578321000"),
    "date and time": table().assign(time="00:00:00").to_csv(index=False),
    "compact date and time": dated("20200102", "20200103", "20200106")
    .replace("date", "DATE")
    .replace("open", "TIME,open")
    .replace("20200102", "20200102,000000")
    .replace("20200103", "20200103,000000")
    .replace("20200106", "20200106,000000"),
    "its own symbol": table().assign(Ticker="AAA").to_csv(index=False),
    "wide, symbol first": renamed("Date", *(f"AAA_{name}" for name in COLUMNS)),
    "wide, field first": renamed("Date", *(f"{name.title()} AAA" for name in COLUMNS)),
    "yfinance": "Price,Close,High,Low,Open,Volume\nTicker,AAA,AAA,AAA,AAA,AAA\nDate,,,,,\n"
    + table()[["date", "close", "high", "low", "open", "volume"]].to_csv(index=False, header=False),
    "yfinance by ticker": "Ticker,AAA,AAA,AAA,AAA,AAA\nPrice,Open,High,Low,Close,Volume\nDate,,,,,\n"
    + table().to_csv(index=False, header=False),
}


@pytest.mark.parametrize("content", SAME.values(), ids=SAME.keys())
def test_every_layout_reads_to_the_same_bars(tmp_path: Path, content: str | bytes) -> None:
    bars = read(tmp_path, content)
    assert bars.symbols == ("AAA",)
    assert bars.to_frame().to_dict() == expected().to_frame().to_dict()
    assert bars.fingerprint == expected().fingerprint
    assert bars.source == str(tmp_path / "aaa.csv")


def numeric() -> pd.DataFrame:
    return table().astype(dict.fromkeys(COLUMNS, float))


PARQUET: dict[str, Callable[[], pd.DataFrame]] = {
    "text": table,
    "numbers": numeric,
    "whole numbers": lambda: numeric().astype({"volume": "int64"}),
    "nullable numbers": lambda: numeric().convert_dtypes(),
    "timestamps": lambda: numeric().astype({"date": "datetime64[ns]"}),
    "index of timestamps": lambda: numeric().astype({"date": "datetime64[us]"}).set_index("date"),
    "index without a name": lambda: (
        numeric().astype({"date": "datetime64[us]"}).set_index("date").rename_axis(None)
    ),
    "exchange's midnight": lambda: numeric().assign(
        date=pd.to_datetime(table()["date"]).dt.tz_localize("America/New_York")
    ),
    "days without times": lambda: numeric().assign(date=pd.to_datetime(table()["date"]).dt.date),
    "symbol and date as the index": lambda: numeric().assign(symbol="AAA").set_index(["symbol", "date"]),
    "categories": lambda: numeric().assign(symbol=pd.Categorical(["AAA"] * 3)),
    "rows that were picked": lambda: pd.concat([numeric(), numeric()]).iloc[[3, 1, 2]],
    "two levels": lambda: (
        numeric()
        .set_index("date")
        .set_axis(
            pd.MultiIndex.from_tuples([(name.title(), "AAA") for name in COLUMNS], names=["Price", "Ticker"]),
            axis=1,
        )
    ),
}


@pytest.mark.parametrize("frame", PARQUET.values(), ids=PARQUET.keys())
def test_parquet_and_frames_read_to_the_same_bars(tmp_path: Path, frame: Callable[[], pd.DataFrame]) -> None:
    content = io.BytesIO()
    frame().to_parquet(content)
    assert read(tmp_path, content.getvalue(), "aaa.parquet").fingerprint == expected().fingerprint
    assert read(tmp_path, content.getvalue(), "aaa.csv").fingerprint == expected().fingerprint
    assert Bars.from_frame(frame(), symbol="AAA").fingerprint == expected().fingerprint


def two() -> pd.DataFrame:
    """AAA on three days; BRK-B, ten times as dear, on the last two and on one more."""
    other = numeric().assign(date=["2020-01-03", "2020-01-06", "2020-01-07"], symbol="BRK-B")
    other[["open", "high", "low", "close"]] *= 10
    return pd.concat([numeric().assign(symbol="AAA"), other], ignore_index=True)


def wide(name: Callable[[str, str], str]) -> pd.DataFrame:
    """`two` with a column per symbol and field, and holes where a symbol did not trade."""
    spread = two().pivot(index="date", columns="symbol", values=list(COLUMNS))
    return spread.set_axis([name(field, symbol) for field, symbol in spread.columns], axis=1)


SEVERAL = {
    "long": two().to_csv(index=False),
    "long by date": two().sort_values("date").to_csv(index=False),
    "wide, symbol first": wide(lambda field, symbol: f"{symbol}_{field}").to_csv(),
    "wide, field first": wide(lambda field, symbol: f"{field.title()} {symbol}").to_csv(),
    "wide, two lines": two().pivot(index="date", columns="symbol", values=list(COLUMNS)).to_csv(),
}


@pytest.mark.parametrize("content", SEVERAL.values(), ids=SEVERAL.keys())
def test_several_symbols_in_a_file_are_aligned_on_the_span_that_they_share(
    tmp_path: Path, content: str
) -> None:
    bars = read(tmp_path, content).select(["AAA", "BRK-B"])
    assert bars.span == "2020-01-03 .. 2020-01-06"
    np.testing.assert_array_equal(bars.close, [[1.2, 15.0], [1.4, 12.0]])
    np.testing.assert_array_equal(bars.volume, [[0.0, 100.0], [300.0, 0.0]])


def test_a_symbol_without_a_bar_on_a_date_of_another_is_missing_there(tmp_path: Path) -> None:
    four = numeric().iloc[[0, 1, 2, 0]].assign(date=["2020-01-02", "2020-01-03", "2020-01-06", "2020-01-07"])
    frame = pd.concat(
        [
            four.assign(symbol="AAA"),
            four.assign(symbol="BRK-B", volume=7.0).iloc[[0, 2, 3]],
        ]
    )
    bars = read(tmp_path, frame.to_csv(index=False))
    assert bars.missing.tolist() == [[False, False], [False, True], [False, False], [False, False]]
    np.testing.assert_array_equal(bars.close, [[1.5, 1.5], [1.2, 1.5], [1.4, 1.4], [1.5, 1.5]])
    for column in ("open", "high", "low"):
        assert getattr(bars, column)[1, 1] == 1.5
    np.testing.assert_array_equal(bars.volume[:, 1], [7.0, 0.0, 7.0, 7.0])


def test_bars_begin_where_each_symbol_has_one_and_end_with_the_first_symbol_to_end(tmp_path: Path) -> None:
    """A trades on all eight days, B from Friday the 3rd without weekends, C from Saturday to Thursday."""
    days = {"A": range(2, 10), "B": (3, 6, 7, 8, 9), "C": (4, 5, 6, 7, 8)}
    rows = [[f"2020-01-{day:02}", symbol, *[float(day)] * 4] for symbol in days for day in days[symbol]]
    frame = pd.DataFrame(rows, columns=["date", "symbol", "open", "high", "low", "close"])
    bars = read(tmp_path, frame.to_csv(index=False))
    assert (bars.span, bars.missing.any()) == ("2020-01-06 .. 2020-01-08", False)


def test_adjusted_prices_of_a_missing_bar_repeat_the_adjusted_close(tmp_path: Path) -> None:
    frame = two().assign(adj_close=lambda table: table["close"] / 3)
    frame.loc[4, "date"] = "2020-01-05"  # BRK-B: the 3rd, 5th and 7th; AAA: the 2nd, 3rd and 6th
    frame = pd.concat([frame, frame.loc[[2]].assign(date="2020-01-07")])
    bars = read(tmp_path, frame.to_csv(index=False)).select(["AAA", "BRK-B"])
    assert bars.missing.tolist() == [[False, False], [True, False], [False, True], [False, False]]
    np.testing.assert_allclose(bars.close, np.array([[1.2, 15], [1.2, 12], [1.4, 12], [1.4, 14]]) / 3)
    np.testing.assert_array_equal(bars.low[bars.missing], bars.close[bars.missing])


def test_a_wide_table_in_which_nothing_was_traded_is_refused(tmp_path: Path) -> None:
    content = "date,AAA_open,AAA_high,AAA_low,AAA_close\n2020-01-02,,,,\n2020-01-03,,,,\n"
    assert refused(tmp_path, content) == "needs one or more distinct symbols, not none"


def regular(symbol: str, start: str, freq: str) -> pd.DataFrame:
    """Bars of ten days that always cost 1."""
    dates = pd.date_range(start, "2020-01-10 23:59", freq=freq)
    return pd.DataFrame({"date": dates, "symbol": symbol, **dict.fromkeys(COLUMNS, 1.0)})


@pytest.mark.parametrize(
    ("start", "freq", "words"),
    [
        ("2020-01-01", "D", "bars of B are 24 hours apart, those of all symbols 1: give all symbols bars of"),
        ("2020-01-01", "15min", "bars of A are 1 hour apart, those of all symbols 0.25: give all symbols"),
        (
            "2020-01-01 00:30",
            "h",
            "the symbols share fewer than 2 bars: A 2020-01-01 .. 2020-01-10 23:00:00;",
        ),
        (
            "2020-01-01 14:30",
            "D",
            "the symbols share fewer than 2 bars: A 2020-01-01 .. 2020-01-10 23:00:00;",
        ),
    ],
)
def test_bars_that_overlap_those_of_another_symbol_are_refused(start: str, freq: str, words: str) -> None:
    """Else the row of one hour would know another symbol's close of the whole day."""
    with pytest.raises(InputError) as caught:
        Bars.from_frame(pd.concat([regular("A", "2020-01-01", "h"), regular("B", start, freq)]))
    assert str(caught.value).startswith(words)


def test_a_symbol_that_seldom_trades_may_stand_beside_one_that_always_does() -> None:
    """B trades in one hour of three, as chance has it: its median step is longer, its bars are not."""
    seldom = regular("B", "2020-01-01", "h")
    traded = np.random.default_rng(0).random(len(seldom)) < 1 / 3
    bars = Bars.from_frame(pd.concat([regular("A", "2020-01-01", "h"), seldom[traded]]))
    assert bars.missing.mean(axis=0) == pytest.approx([0, 2 / 3], abs=4 * np.sqrt(2 / 9 / 240))


def test_tickers_that_are_also_names_of_columns_are_told_apart(tmp_path: Path) -> None:
    for name in ("LOW", "OPEN"):
        first = renamed("date", *(f"{name}_{field}" for field in COLUMNS))
        last = renamed("date", *(f"{field} {name}" for field in COLUMNS))
        by_ticker = numeric().set_index("date")
        by_ticker.columns = pd.MultiIndex.from_product([[name], COLUMNS])
        assert read(tmp_path, first).symbols == read(tmp_path, last).symbols == (name,)
        assert Bars.from_frame(by_ticker).fingerprint == expected(name).fingerprint


@pytest.mark.parametrize("symbol", ["NA", "TRUE", "000001", "nan", "1e5"])
def test_a_symbol_stays_the_text_that_it_was(tmp_path: Path, symbol: str) -> None:
    content = table().assign(symbol=symbol).to_csv(index=False)
    assert read(tmp_path, content).fingerprint == expected(symbol).fingerprint


@pytest.mark.parametrize("name", ["brk-b.csv", "brk-b.csv.gz", "BRK-B.txt", "brk-b"])
def test_a_file_without_a_symbol_column_is_named_after_itself(tmp_path: Path, name: str) -> None:
    assert read(tmp_path, table().to_csv(index=False), name).symbols == ("BRK-B",)


def test_without_a_volume_column_the_volume_is_zero(tmp_path: Path) -> None:
    bars = read(tmp_path, table().drop(columns="volume").to_csv(index=False))
    np.testing.assert_array_equal(bars.volume, [[0.0], [0.0], [0.0]])


@pytest.mark.parametrize("name", ["adj_close", "Adj Close", "Adjusted close", "AdjClose", "Adj. Close"])
def test_an_adjusted_close_scales_the_prices_and_not_the_volume(tmp_path: Path, name: str) -> None:
    """Factors 1/2, 1/4 and 1 are exact in binary."""
    path = tmp_path / "aaa.csv"
    path.write_text(table().assign(**{name: ("0.75", "0.3", "1.4")}).to_csv(index=False))
    adjusted, raw = file.read(path), file.read(path, adjusted=False)
    np.testing.assert_array_equal(adjusted.open[:, 0], [0.5, 0.375, 1.2])
    np.testing.assert_array_equal(adjusted.high[:, 0], [1.0, 0.5, 1.5])
    np.testing.assert_array_equal(adjusted.low[:, 0], [0.25, 0.25, 1.0])
    np.testing.assert_array_equal(adjusted.close[:, 0], [0.75, 0.3, 1.4])
    np.testing.assert_array_equal(adjusted.volume, raw.volume)
    assert (raw.close == expected().close).all() and (raw.open == expected().open).all()
    assert (adjusted.adjusted, raw.adjusted) == (True, False)


def test_adjusted_closes_of_wide_tables_belong_to_their_symbols(tmp_path: Path) -> None:
    frame = wide(lambda field, symbol: f"{symbol} {field}")
    frame["AAA Adj Close"], frame["BRK-B Adj Close"] = frame["AAA close"] / 2, frame["BRK-B close"] / 4
    bars = read(tmp_path, frame.to_csv())
    np.testing.assert_array_equal(bars.close, [[0.6, 3.75], [0.7, 3.0]])


# Dates within the day


def hourly(*stamps: str) -> str:
    return table().assign(date=stamps).to_csv(index=False)


@pytest.mark.parametrize(
    "stamps",
    [
        ("2020-01-02 09:00", "2020-01-02 10:00", "2020-01-02 11:00"),
        ("2020-01-02T09:00:00Z", "2020-01-02T10:00:00Z", "2020-01-02T11:00:00Z"),
        ("2020-01-02 04:00:00-05:00", "2020-01-02 05:00:00-05:00", "2020-01-02 06:00:00-05:00"),
        ("2020-01-02 04:00:00-0500", "2020-01-02 05:00:00-0500", "2020-01-02 06:00:00-0500"),
        ("1577955600", "1577959200", "1577962800"),
        ("1577955600000000", "1577959200000000", "1577962800000000"),
    ],
)
def test_intraday_bars_are_in_utc(tmp_path: Path, stamps: tuple[str, str, str]) -> None:
    assert read(tmp_path, hourly(*stamps)).span == "2020-01-02 09:00:00 .. 2020-01-02 11:00:00"


def test_dates_and_times_of_day_in_two_columns_are_joined(tmp_path: Path) -> None:
    frame = table().assign(date="2020.01.02", time=("09:00", "10:00", "11:00"))
    assert read(tmp_path, frame.to_csv(index=False)).span == "2020-01-02 09:00:00 .. 2020-01-02 11:00:00"


def test_the_hour_that_comes_twice_when_summer_ends_is_two_hours_in_utc(tmp_path: Path) -> None:
    bars = read(
        tmp_path, hourly("2020-11-01 01:00-04:00", "2020-11-01 01:00-05:00", "2020-11-01 02:00-05:00")
    )
    assert bars.span == "2020-11-01 05:00:00 .. 2020-11-01 07:00:00"


def test_daily_bars_keep_the_exchanges_date_when_summer_time_begins(tmp_path: Path) -> None:
    content = hourly("2020-03-06 00:00:00-05:00", "2020-03-09 00:00:00-04:00", "2020-03-10 00:00:00-04:00")
    assert read(tmp_path, content).span == "2020-03-06 .. 2020-03-10"


@pytest.mark.parametrize("zone", ["-05:00", "+09:00", "Z", ""])
def test_bars_of_days_in_a_row_are_daily_in_every_time_zone(tmp_path: Path, zone: str) -> None:
    content = hourly(*(f"2020-01-0{day} 00:00:00{zone}" for day in (7, 8, 9)))
    assert read(tmp_path, content).span == "2020-01-07 .. 2020-01-09"


def test_timestamps_with_a_time_zone_are_converted_to_utc() -> None:
    stamps = pd.date_range("2020-01-02 09:30", periods=3, freq="h", tz="America/New_York")
    assert Bars.from_frame(numeric().assign(date=stamps), symbol="A").span == (
        "2020-01-02 14:30:00 .. 2020-01-02 16:30:00"
    )


def test_two_bars_over_midnight_are_not_taken_for_daily_ones() -> None:
    bars = sample.read(["BTC-USD"]).between("2018-01-01 23", "2018-01-02 00")
    assert len(bars) == 2
    assert Bars.from_frame(bars.to_frame(), symbol="BTC-USD").fingerprint == bars.fingerprint


@pytest.mark.parametrize(
    "stamps",
    [
        ("12/30/2019", "01/02/2020", "01/03/2020"),
        ("30/12/2019", "02/01/2020", "03/01/2020"),
        ("30.12.2019", "2.1.2020", "3.1.2020"),
        ("30-12-2019", "02-01-2020", "03-01-2020"),
    ],
)
def test_day_and_month_are_told_apart_by_the_rows_together(
    tmp_path: Path, stamps: tuple[str, str, str]
) -> None:
    bars = read(tmp_path, hourly(*stamps))
    assert list(bars.timestamps.astype("datetime64[D]").astype(str)) == [
        "2019-12-30",
        "2020-01-02",
        "2020-01-03",
    ]


# Faults


@pytest.mark.parametrize(
    ("column", "value", "words"),
    [
        ("close", "", "AAA: close on 2020-01-03 is nan, not a finite number (1 such rows"),
        ("close", "NaN", "AAA: close on 2020-01-03 is nan, not a finite number (1 such rows"),
        ("close", "inf", "AAA: close on 2020-01-03 is inf, not a finite number (1 such rows"),
        ("open", "1e999", "AAA: open on 2020-01-03 is inf, not a finite number (1 such rows"),
        ("low", "0", "AAA: low on 2020-01-03 is 0.0, not a price above zero (1 such rows"),
        ("low", "-1", "AAA: low on 2020-01-03 is -1.0, not a price above zero (1 such rows"),
        ("high", "0.9", "AAA: low on 2020-01-03 is 1.0, above the high of 0.9 (1 such rows"),
        ("volume", "-1", "AAA: volume on 2020-01-03 is -1.0, less than zero (1 such rows"),
        ("close", "abc", "AAA: close on 2020-01-03 is 'abc', not a number (1 such rows"),
        ("close", "null", "AAA: close on 2020-01-03 is 'null', not a number (1 such rows"),
        ("open", "$1.50.", "AAA: open on 2020-01-03 is '$1.50.', not a number (1 such rows"),
        ("open", "1\n5", r"AAA: open on 2020-01-03 is '1\n5', not a number (1 such rows"),
        ("date", "2020-01-02", "AAA: date 2020-01-02 comes more than once (1 such rows"),
        ("date", "yesterday", "date 'yesterday' in row 2 cannot be read: write it as 2009-12-31"),
        ("date", "2020-13-01", "date '2020-13-01' in row 2 cannot be read: write it as 2009-12-31"),
        ("date", "", "date 'nan' in row 2 cannot be read: write it as 2009-12-31"),
    ],
)
def test_a_fault_in_a_file_is_named_with_its_place(
    tmp_path: Path, column: str, value: str, words: str
) -> None:
    assert refused(tmp_path, changed(column, value)).startswith(words)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "the file is empty"),
        (" \n\n", "the file is empty"),
        ("date,open,high,low,close\n", "no rows of prices in it"),
        ("date,open,high,low,close\n2020-01-02,1,1,1,1\n", "AAA: needs 2 bars or more, there are 1"),
        ("date,open,close\n2020-01-02,1,1\n", "no column for high, low; the columns are 'date', 'open', "),
        ("open,high,low,close\n1,1,1,1\n", "no column for date; the columns are 'open', 'high', "),
        ("price\n1\n", "no column for date, open, high, low; the columns are 'price'"),
        ("a,b\n1,2\n1,2,3\n", "not a readable CSV table (Error tokenizing data."),
        ('date,"open\n1,2', "not a readable CSV table ("),
        (b"\x89PNG\r\n\x1a\n\x00\xff\xfe", "neither Parquet nor text in UTF-8"),
        (b"a\x00b,c\n", "a binary file, not Parquet"),
        (b"PAR1 and then something else", "not a readable Parquet file ("),
        (b"PAR1", "not a readable Parquet file ("),
        (b"\x1f\x8b broken", "cannot be read ("),
        (gzip.compress(table().to_csv().encode(), mtime=0)[:-9], "cannot be read ("),
        ("\n<!DOCTYPE html><html>404</html>", "a web page, not a table"),
        ("<html lang=en>\n", "a web page, not a table"),
        ("\ufeff<!DOCTYPE html>", "a web page, not a table"),
        ('{"chart": {"result": null}}', "no rows of prices in it"),
        (renamed("date", "open", "high", "low", "close", "CLOSE"), "'close', 'CLOSE' could all be the close"),
        (
            renamed("date", *(f"A_{name}" for name in ("open", "high", "low", "close")), "B_close"),
            "B: no column for open, high, low; the columns are",
        ),
        (table().assign(symbol=["A", "", "A"]).to_csv(index=False), "row 2 has no symbol"),
        (table().assign(symbol="A\nB").to_csv(index=False), r"'A\nB' is not a symbol"),
        (
            table().assign(symbol=["A", "B", "B"]).to_csv(index=False),
            "the symbols share fewer than 2 bars: A 2020-01-02 .. 2020-01-02; B 2020-01-03 .. 2020-01-06",
        ),
        (
            dated("01/02/2020", "01/03/2020", "01/06/2020"),
            "day and month cannot be told apart: '01/02/2020' may be 02",
        ),
        (dated("02-Jan-20", "03-Jan-20", "06-Jan-20"), "date '02-Jan-20' in row 1 cannot be read"),
        (dated("1", "2", "3"), "date '1' in row 1 cannot be read"),
        (dated("1577923200", "x", "1578268800"), "date '1577923200' in row 1 cannot be read"),
        (
            table().assign(adj_close=["1", "0", "1"]).to_csv(index=False),
            "AAA: adj_close on 2020-01-03 is 0.0",
        ),
        (table().assign(adj_close=["1", "", "1"]).to_csv(index=False), "AAA: adj_close on 2020-01-03 is nan"),
    ],
)
def test_a_file_that_is_no_table_of_prices_is_refused(
    tmp_path: Path, content: str | bytes, words: str
) -> None:
    assert refused(tmp_path, content).startswith(words)


def test_symbols_that_share_a_single_bar_are_refused(tmp_path: Path) -> None:
    content = two().drop(index=4).to_csv(index=False)
    words = (
        "the symbols share fewer than 2 bars: AAA 2020-01-02 .. 2020-01-06; BRK-B 2020-01-03 .. 2020-01-07"
    )
    assert refused(tmp_path, content) == words


def test_a_hole_in_a_row_of_a_wide_table_is_a_fault_and_not_a_day_without_trading(tmp_path: Path) -> None:
    frame = wide(lambda field, symbol: f"{symbol}_{field}")
    frame.loc["2020-01-03", "AAA_low"] = np.nan
    assert refused(tmp_path, frame.to_csv()).startswith("AAA: low on 2020-01-03 is nan")


def test_a_frame_with_dates_in_its_index_and_in_a_column_is_refused() -> None:
    with pytest.raises(InputError, match="'date', 'date' could all be the date: keep one of them"):
        Bars.from_frame(numeric().set_index("date", drop=False), symbol="A")


def test_a_missing_file_and_a_folder_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"nowhere\.csv: there is no such file$"):
        file.read(tmp_path / "nowhere.csv")
    with pytest.raises(InputError, match="is a folder"):
        file.read(tmp_path)
    with pytest.raises(InputError, match="cannot be read"):
        file.read("a\0b.csv")
    with pytest.raises(InputError, match="cannot be read"):
        file.read(tmp_path / ("x" * 300 + ".csv"))


def test_a_parquet_file_of_something_else_is_refused(tmp_path: Path) -> None:
    content = io.BytesIO()
    pd.DataFrame({"date": [[1], [2]], "open": [{"a": 1}, None], "high": 1, "low": 1, "close": 1}).to_parquet(
        content
    )
    assert refused(tmp_path, content.getvalue()).startswith("date '[1]' in row 1 cannot be read")
