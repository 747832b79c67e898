"""Files of prices as vendors write them: the same bars in each one's own spelling, as bytes."""

from __future__ import annotations

import gzip
import io
import zipfile
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pandas as pd

from tradebot.prices.bars import Bars
from tradebot.prices.validity import COLUMNS, PRICES

DAYS = np.array(["2019-12-30", "2019-12-31", "2020-01-02", "2020-01-03", "2020-01-13"], "datetime64[D]")
HOURS = np.datetime64("2020-01-13T14:00", "m") + 60 * np.arange(5)  # UTC
SHARES = np.array([1_234_567.0, 980.0, 12_000.0, 7.0, 2_500_000.0])
_OPEN = np.array([1234.5, 1236.25, 999.75, 1001.5, 1010.0])
_PRICES = {
    "open": _OPEN,
    "high": _OPEN + 10.25,
    "low": _OPEN - 5.5,
    "close": _OPEN + 2.75,
}


class Layout(NamedTuple):
    """A file and what is in it."""

    content: bytes
    bars: Bars
    name: str = "AAA.csv"


def bars(stamps: np.ndarray = DAYS, symbol: str = "AAA", volume: np.ndarray = SHARES) -> Bars:
    numbers = {name: values[:, None] for name, values in _PRICES.items()}
    return Bars(stamps, (symbol,), **numbers, volume=volume[:, None])


def frame(
    date: list[str],
    number: Callable[[float], str] = repr,
    volume: Callable[[float], str] = "{:.0f}".format,
) -> pd.DataFrame:
    """date, open, high, low, close, volume as text."""
    texts = {name: [number(float(value)) for value in values] for name, values in _PRICES.items()}
    shares = [volume(float(count)) for count in SHARES]
    return pd.DataFrame({"date": date, **texts, "volume": shares}, dtype="str")


def _dates(spelling: str, stamps: np.ndarray = DAYS) -> list[str]:
    return [pd.Timestamp(stamp).strftime(spelling) for stamp in stamps]


def _epochs(unit: str, stamps: np.ndarray) -> list[str]:
    return [str(stamp.astype(f"datetime64[{unit}]").astype("int64")) for stamp in stamps]


def _named(table: pd.DataFrame, names: dict[str, str]) -> pd.DataFrame:
    """Its columns in the order and with the names of `names`: ours -> theirs; what we lack is a constant."""
    picked = {theirs: table.get(ours, ours) for ours, theirs in names.items()}
    return pd.DataFrame(picked)


def _csv(table: pd.DataFrame, **how: object) -> bytes:
    return table.to_csv(index=False, **how).encode()  # type: ignore[call-overload]


def _american(value: float) -> str:
    return f"${value:,.2f}"


def _german(value: float) -> str:
    return f"{value:,.2f}".translate(str.maketrans(",.", ".,"))


def _in_thousands(count: float) -> str:
    return f"{count / 1e6:.6f}M" if count >= 1e6 else f"{count / 1e3:.3f}K"


def zipped(**members: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def _yfinance_download() -> bytes:
    table = frame(_dates("%Y-%m-%d"))
    heads = "Price,Close,High,Low,Open,Volume\nTicker,AAA,AAA,AAA,AAA,AAA\nDate,,,,,\n"
    return heads.encode() + _csv(table[["date", "close", "high", "low", "open", "volume"]], header=False)


def _yfinance_history() -> bytes:
    table = frame(_dates("%Y-%m-%d 00:00:00-05:00")).assign(dividends="0.0", splits="0.0")
    names = [*PRICES, "volume", "dividends", "splits"]
    heads = ["Open", "High", "Low", "Close", "Volume", "Dividends", "Stock Splits"]
    return _csv(_named(table, {"date": "Date", **dict(zip(names, heads, strict=True))}))


def _stooq() -> bytes:
    table = frame(_dates("%Y%m%d")).assign(ticker="AAA", per="D", time="000000", openint="0")
    order = ["ticker", "per", "date", "time", *PRICES, "volume", "openint"]
    heads = [f"<{name.upper()}>" for name in (*order[:-2], "vol", "openint")]
    return _csv(_named(table, dict(zip(order, heads, strict=True))), lineterminator="\r\n")


def _kaggle_bitcoin() -> bytes:
    """Minutes without a trade are rows of NaN."""
    table = frame(_epochs("s", HOURS)).assign(money="1.0", weighted="1.0")
    order = ["date", *PRICES, "volume", "money", "weighted"]
    heads = [
        "Timestamp",
        "Open",
        "High",
        "Low",
        "Close",
        "Volume_(BTC)",
        "Volume_(Currency)",
        "Weighted_Price",
    ]
    quiet = {head: "NaN" for head in heads} | {"Timestamp": _epochs("s", HOURS[1:2] + 1)[0]}
    full = _named(table, dict(zip(order, heads, strict=True)))
    return _csv(pd.concat([full.iloc[:2], pd.DataFrame([quiet]), full.iloc[2:]]))


def _cryptodatadownload(unit: str) -> bytes:
    table = frame(_dates("%Y-%m-%d %H:%M:%S", HOURS)).assign(
        unix=_epochs(unit, HOURS), symbol="BTC/USD", z="9"
    )
    order = ["unix", "date", "symbol", *PRICES, "volume", "z"]
    heads = [*order[:-2], "Volume BTC", "Volume USD"]
    newest_first = _named(table, dict(zip(order, heads, strict=True)))[::-1]
    return b"https://www.CryptoDataDownload.com\n" + _csv(newest_first)


def _cryptodatadownload_of_2019() -> bytes:
    """Hours such as 02-PM."""
    table = frame(_dates("%Y-%m-%d %I-%p", HOURS)).assign(symbol="BTC/USD", z="9")
    order = ["date", "symbol", *PRICES, "volume", "z"]
    heads = ["Date", "Symbol", "Open", "High", "Low", "Close", "Volume From", "Volume To"]
    return _csv(_named(table, dict(zip(order, heads, strict=True)))[::-1])


def _metatrader4() -> bytes:
    table = frame(_dates("%Y.%m.%d", HOURS))
    table.insert(1, "time", _dates("%H:%M", HOURS))
    return _csv(table, header=False)


def _metatrader5() -> bytes:
    """Of a currency: no volume but ticks."""
    table = frame(_dates("%Y.%m.%d", HOURS)).assign(time=_dates("%H:%M:%S", HOURS), none="0", spread="3")
    order = ["date", "time", *PRICES, "volume", "none", "spread"]
    heads = ["<DATE>", "<TIME>", "<OPEN>", "<HIGH>", "<LOW>", "<CLOSE>", "<TICKVOL>", "<VOL>", "<SPREAD>"]
    return _csv(_named(table, dict(zip(order, heads, strict=True))), sep="\t", lineterminator="\r\n")


def _quandl() -> bytes:
    table = frame(_dates("%Y-%m-%d")).assign(ticker="AAA", dividends="0.0", splits="1.0")
    order = ["ticker", "date", *PRICES, "volume", "dividends", "splits", *PRICES, "volume"]
    heads = ["ticker", "date", "open", "high", "low", "close", "volume", "ex-dividend", "split_ratio"]
    heads += [f"adj_{name}" for name in COLUMNS]
    return _csv(table[order].set_axis(heads, axis=1))


def _nasdaq() -> bytes:
    table = frame(_dates("%m/%d/%Y"), _american, lambda count: f"{count:,.0f}")
    order = ["date", "close", "volume", "open", "high", "low"]
    heads = ["Date", "Close/Last", "Volume", "Open", "High", "Low"]
    return _csv(_named(table, dict(zip(order, heads, strict=True)))[::-1])


def _investing(date: str = "%b %d, %Y") -> bytes:
    table = frame(_dates(date), lambda value: f"{value:,.2f}", _in_thousands).assign(change="0.12%")
    order = ["date", "close", "open", "high", "low", "volume", "change"]
    heads = ["Date", "Price", "Open", "High", "Low", "Vol.", "Change %"]
    renamed = _named(table, dict(zip(order, heads, strict=True)))
    return b"\xef\xbb\xbf" + _csv(renamed, quoting=1)


def _investing_germany() -> bytes:
    table = frame(_dates("%d.%m.%Y"), _german, lambda count: _in_thousands(count).replace(".", ","))
    order = ["date", "close", "open", "high", "low", "volume"]
    heads = ["Datum", "Schluss", "Eröffnung", "Hoch", "Tief", "Volumen"]
    return _named(table, dict(zip(order, heads, strict=True))).to_csv(index=False, sep=";").encode("latin-1")


def _binance(unit: str, header: bool) -> bytes:
    table = frame(_epochs(unit, HOURS)).assign(
        end="1", money="2.5", trades="7", base="0.5", quote="1.5", no="0"
    )
    heads = ["Open time", *(name.title() for name in COLUMNS), "Close time", "Quote asset volume"]
    heads += ["Number of trades", "Taker buy base asset volume", "Taker buy quote asset volume", "Ignore"]
    return _csv(table.set_axis(heads, axis=1), header=header)


def _alpha_vantage() -> bytes:
    heads = ["timestamp", *(f"{i}. {name}" for i, name in enumerate(COLUMNS, 1))]
    return _csv(frame(_dates("%Y-%m-%d")).set_axis(heads, axis=1)[::-1])


def _tiingo() -> bytes:
    table = frame(_dates("%Y-%m-%dT00:00:00+00:00")).assign(dividends="0.0", splits="1.0")
    order = ["date", "close", "high", "low", "open", "volume", "dividends", "splits"]
    return _csv(_named(table, dict(zip(order, [*order[:-2], "divCash", "splitFactor"], strict=True))))


def _histdata() -> bytes:
    return _csv(frame(_dates("%Y%m%d %H%M%S", HOURS)), header=False, sep=";")


def _stooq_polish() -> bytes:
    heads = ["Data", "Otwarcie", "Najwyzszy", "Najnizszy", "Zamkniecie", "Wolumen"]
    return _csv(frame(_dates("%Y-%m-%d")).set_axis(heads, axis=1))


def _excel_in_france() -> bytes:
    spaced = frame(_dates("%d/%m/%Y"), lambda v: f"{v:,.2f}".replace(",", "\u202f").replace(".", ","))
    heads = ["Date", "Ouverture", "Plus haut", "Plus bas", "Clôture", "Volume"]
    text = "sep=;\r\n" + spaced.set_axis(heads, axis=1).to_csv(index=False, sep=";", lineterminator="\r\n")
    return text.encode("utf-16")


def _plain(**how: object) -> bytes:
    return _csv(frame(_dates("%Y-%m-%d")), **how)


def _yahoo() -> bytes:
    table = frame(_dates("%Y-%m-%d"))
    order = ["date", *PRICES, "close", "volume"]
    return _csv(
        table[order].set_axis(["Date", "Open", "High", "Low", "Close", "Adj Close", "Volume"], axis=1)
    )


def _wide() -> bytes:
    return _csv(frame(_dates("%Y-%m-%d")).set_axis(["Date", *(f"AAA_{name}" for name in COLUMNS)], axis=1))


_BTC = bars(HOURS, "BTC/USD")
_HOURLY = bars(HOURS)
LAYOUTS: dict[str, Layout] = {
    "Yahoo, download": Layout(_yahoo(), bars()),
    "yfinance, download": Layout(_yfinance_download(), bars()),
    "yfinance, Ticker.history": Layout(_yfinance_history(), bars()),
    "Stooq": Layout(_stooq(), bars(), "aaa.us.txt"),
    "Stooq in Polish": Layout(_stooq_polish(), bars()),
    "Kaggle, S&P 500": Layout(
        _csv(frame(_dates("%Y-%m-%d")).assign(Name="AAA")), bars(), "all_stocks_5yr.csv"
    ),
    "Kaggle, bitcoin": Layout(_kaggle_bitcoin(), _HOURLY),
    "CryptoDataDownload, seconds": Layout(_cryptodatadownload("s"), _BTC),
    "CryptoDataDownload, milliseconds": Layout(_cryptodatadownload("ms"), _BTC),
    "CryptoDataDownload of 2019": Layout(_cryptodatadownload_of_2019(), _BTC),
    "MetaTrader 4": Layout(_metatrader4(), _HOURLY),
    "MetaTrader 5": Layout(_metatrader5(), _HOURLY),
    "Quandl WIKI": Layout(_quandl(), bars()),
    "Nasdaq.com": Layout(_nasdaq(), bars()),
    "Investing.com": Layout(_investing(), bars()),
    "Investing.com, month first": Layout(_investing("%m/%d/%Y"), bars()),
    "Investing.com in German": Layout(_investing_germany(), bars()),
    "Binance, milliseconds": Layout(_binance("ms", header=True), _HOURLY),
    "Binance, microseconds without a header": Layout(_binance("us", header=False), _HOURLY),
    "Alpha Vantage": Layout(_alpha_vantage(), bars()),
    "Tiingo": Layout(_tiingo(), bars()),
    "HistData": Layout(_histdata(), _HOURLY),
    "Excel in France": Layout(_excel_in_france(), bars()),
    "epoch nanoseconds": Layout(_csv(frame(_epochs("ns", HOURS))), _HOURLY),
    "lines of Windows": Layout(_plain(lineterminator="\r\n"), bars()),
    "gzip": Layout(gzip.compress(_plain(), mtime=0), bars(), "aaa.csv.gz"),
    "zip": Layout(zipped(**{"aaa.csv": _plain()}), bars(), "archive.zip"),
    "wide": Layout(_wide(), bars()),
}
