"""What is made of Yahoo's rows, and how its faults are worded, without a network."""

import json
import random
from datetime import date

import numpy as np
import pandas as pd
import pytest
from curl_cffi.requests import exceptions as faults
from yfinance.exceptions import YFDataException, YFPricesMissingError, YFRateLimitError, YFTzMissingError

from tradebot.core import InputError
from tradebot.prices.dates import first_and_last_day
from tradebot.prices.sources.retrying import Busy, Passing, Silent
from tradebot.prices.sources.table import Table
from tradebot.prices.sources.yahoo import Yahoo, usable
from tradebot.prices.sources.yahoo_faults import explained

LINK = ". See https://curl.se/libcurl/c/libcurl-errors.html first for more details."


def rows(n: int = 6, freq: str = "D") -> pd.DataFrame:
    """As yfinance returns them: closes 10, 11 ... in New York."""
    index = pd.date_range("2020-03-05", periods=n, freq=freq, tz="America/New_York", name="Date")
    close = 10.0 + np.arange(n)
    return pd.DataFrame(
        {
            "Open": close,
            "High": close + 1,
            "Low": close - 1,
            "Close": close,
            "Adj Close": close / 2,
            "Volume": 7,
            "Dividends": 0.0,
            "Stock Splits": 0.0,
        },
        index=index,
    )


def test_daily_rows_have_the_exchanges_date_and_hourly_ones_utc() -> None:
    daily, dropped, _ = usable(rows(), "1d")
    assert (len(dropped), str(daily["date"].iloc[0]), str(daily["date"].iloc[5])) == (
        0,
        "2020-03-05 00:00:00",
        "2020-03-10 00:00:00",  # the clock was put forward on the 8th
    )
    hourly, _, _ = usable(rows(freq="h"), "1h")
    assert str(hourly["date"].iloc[0]) == "2020-03-05 05:00:00"
    assert list(daily["adj_close"]) == [5.0, 5.5, 6.0, 6.5, 7.0, 7.5]


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("Close", np.nan),
        ("Open", 0.0),
        ("Adj Close", np.nan),
        ("High", 1.0),
        ("Low", 99.0),
        ("Close", np.inf),
    ],
)
def test_rows_without_prices_are_dropped_and_counted(column: str, value: float) -> None:
    frame = rows()
    frame.iloc[[1, 4], frame.columns.get_loc(column)] = value
    table, dropped, _ = usable(frame, "1d")
    assert list(dropped) == [np.datetime64("2020-03-06"), np.datetime64("2020-03-09")]
    assert list(table["date"].dt.day) == [5, 7, 8, 10]


def test_the_events_of_a_dropped_row_are_those_of_the_next() -> None:
    frame = rows()
    frame["Dividends"] = [0.0, 0.5, 0.25, 0.0, 0.0, 1.0]
    frame["Stock Splits"] = [0.0, 2.0, 3.0, 0.0, 0.0, 0.0]
    frame.iloc[[1, 5], frame.columns.get_loc("Close")] = np.nan
    table = usable(frame, "1d").frame
    assert list(table["dividends"]) == [0.0, 0.75, 0.0, 0.0]
    assert list(table["splits"]) == [1.0, 6.0, 1.0, 1.0]


def test_a_rounding_outside_of_the_range_costs_no_row() -> None:
    frame = rows()
    frame["High"] = frame["Close"] * (1 - 1e-8)
    table, dropped, _ = usable(frame, "1d")
    assert len(dropped) == 0
    assert (table["high"] >= table["close"]).all()


def test_without_any_price_the_answer_is_refused() -> None:
    frame = rows()
    frame["Close"] = np.nan
    with pytest.raises(InputError, match="6 rows, none with prices"):
        usable(frame, "1d")
    with pytest.raises(InputError, match="no prices for this span"):
        usable(rows(0), "1d")


@pytest.mark.parametrize(
    ("error", "kind", "words"),
    [
        (YFRateLimitError(), Busy, "too many requests from here (429): wait some minutes"),
        (YFDataException("*** DOWN! ***"), Busy, "it is down"),
        (YFTzMissingError("X"), InputError, "no prices for this symbol and span"),
        (YFPricesMissingError("X", "", yahoo_reason="too old."), InputError, "for this span (too old)"),
        (faults.Timeout("x"), Silent, "did not answer within 2 s"),
        (faults.DNSError(f"Failed to perform, curl: (6) No host{LINK}", 6), OSError, "(No host): check the"),
        (faults.ProxyError("x"), OSError, "its proxy"),
        (faults.CertificateVerifyError("self signed"), OSError, "(self signed): is there a proxy"),
        (faults.IncompleteRead("x"), Passing, "broke off in the middle"),
        (faults.ConnectionError("x", 56), Passing, "broke off in the middle"),
        (faults.ConnectionError("refused", 7), OSError, "no connection to Yahoo (refused)"),
        (faults.JSONDecodeError("x", "", 0), Passing, "damaged or no prices at all"),
        (json.JSONDecodeError("x", "", 0), Passing, "damaged or no prices at all"),
        (faults.RequestException("odd"), Passing, "could not be asked (odd)"),
        (KeyError("meta"), OSError, "another form than expected (KeyError: 'meta')"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else None,
)
def test_every_fault_has_words_for_a_person(error: Exception, kind: type[Exception], words: str) -> None:
    said = explained(error, 2.0, 200)
    assert isinstance(said, kind) and isinstance(said, InputError | OSError)
    assert words in str(said)
    assert "curl" not in str(said) and "\n" not in str(said)


def test_a_refusal_is_not_called_an_unknown_symbol() -> None:
    assert "refuses to answer from here (403)" in str(explained(YFTzMissingError("X"), 2.0, 403))


def test_what_cannot_be_a_symbol_is_not_asked_for() -> None:
    yahoo = Yahoo("1d", 1.0, random.Random(0))
    assert yahoo.interval("BRK-B") == yahoo.interval("^GSPC") == yahoo.interval("EURUSD=X") == "1d"
    for symbol in ("../x", "a/b", "a b", "a?b", "a#b", "a%2e", "-x", "", "ü", "x" * 65):
        with pytest.raises(InputError, match="not a symbol of Yahoo"):
            yahoo.interval(symbol)


def test_dates_months_and_years_have_first_and_last_days() -> None:
    assert first_and_last_day("2012-02-03") == (date(2012, 2, 3), date(2012, 2, 3))
    assert first_and_last_day("2012-02") == (date(2012, 2, 1), date(2012, 2, 29))
    assert first_and_last_day("2012") == (date(2012, 1, 1), date(2012, 12, 31))
    for text in ("", "now", "20120203", "2012-13", "2012-02-30", "2012-02-03 10:00", "0000", "12-02-03"):
        with pytest.raises(InputError, match="is not a date"):
            first_and_last_day(text)


@pytest.mark.parametrize(
    ("step", "name"), [("5min", "5m"), ("h", "1h"), ("4h", "4h"), ("D", "1d"), ("7D", "1wk"), ("MS", "1mo")]
)
def test_a_table_has_the_interval_of_its_rows(step: str, name: str) -> None:
    dates = pd.date_range("2020-01-01", periods=9, freq=step, unit="us")
    columns = dict.fromkeys(("open", "high", "low", "close", "volume"), 1.0)
    table = Table("mine.csv", pd.DataFrame({"date": dates, "symbol": "AAA", **columns}), None)
    assert table.interval("AAA") == name
    assert len(table.read("AAA", date(2020, 1, 1), date(2030, 1, 1)).frame) == 9
    with pytest.raises(InputError, match="no symbol 'BBB'; there are AAA"):
        table.interval("BBB")
    with pytest.raises(InputError, match="no prices in this span; there are bars for 2020-01-01"):
        table.read("AAA", date(2031, 1, 1), date(2032, 1, 1))
