"""The store of fetched prices: safe names, checked files, and no two adjustments in one series."""

import re
import shutil
from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradebot.core import InputError
from tradebot.prices import store
from tradebot.prices.bars import Bars
from tradebot.prices.store import Stored


def stored(first: str, last: str, *, factor: float = 1.0, symbol: str = "AAA", without: int = 0) -> Stored:
    """Every day from first to last: day n after 2020-01-01 closes at 100 + n; `without` rows are missing."""
    dates = pd.date_range(first, last, unit="us")
    close = 100.0 + (dates - pd.Timestamp("2020-01-01")).days.to_numpy()
    columns = dict.fromkeys(("open", "high", "low", "close"), close)
    frame = pd.DataFrame({"date": dates, **columns, "adj_close": factor * close, "volume": 5.0})
    frame = store.with_events(frame)
    return Stored(
        symbol=symbol,
        source="yahoo",
        interval="1d",
        fetched=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
        start=date.fromisoformat(first),
        until=date.fromisoformat(last),
        dropped=0,
        frame=frame.drop(index=range(1, 1 + without)).reset_index(drop=True),
    )


def same(one: Stored, other: Stored) -> bool:
    return one._replace(frame=None) == other._replace(frame=None) and one.frame.equals(other.frame)


def test_what_was_written_is_read(tmp_path: Path) -> None:
    mine = stored("2020-01-01", "2020-03-01")
    path = store.write(tmp_path, mine)
    read = store.read(path)
    assert same(read, mine)
    assert store.entries(tmp_path) == [path]
    assert store.holding(tmp_path, ["AAA"]) == [("yahoo", "1d")]
    assert store.holding(tmp_path, ["AAA", "BBB"]) == []


def test_any_program_can_read_the_file(tmp_path: Path) -> None:
    frame = pd.read_parquet(store.write(tmp_path, stored("2020-01-01", "2020-03-01")))
    names = ["date", "open", "high", "low", "close", "adj_close", "volume", "dividends", "splits"]
    assert list(frame) == names


LEGAL = re.compile(r"[A-Za-z0-9_-]{1,60}\.parquet")  # on every disk
RESERVED = {"CON", "PRN", "AUX", "NUL", *(f"{name}{i}" for name in ("COM", "LPT") for i in range(10))}
ODD = ["^GSPC", "BRK-B", "BTC-USD", "../x", "..", ".", "/etc/passwd", "CON", "a\\b", "ü", "x" * 5000, "a\0b"]


@pytest.mark.parametrize("symbol", ODD, ids=lambda symbol: repr(symbol)[:12])
def test_odd_symbols_have_safe_names(tmp_path: Path, symbol: str) -> None:
    path = store.write(tmp_path, stored("2020-01-01", "2020-01-09", symbol=symbol))
    assert store.path_of(tmp_path, "yahoo", "1d", store.read(path).symbol) == path
    assert path.resolve().parent == tmp_path.resolve() / "prices/yahoo/1d"
    assert len(path.name) < 100 and path.name.isascii() and path.suffix == ".parquet"
    assert store.read(path).symbol == symbol


def test_no_two_symbols_share_a_file_even_where_case_is_ignored(tmp_path: Path) -> None:
    symbols = [*ODD, "brk-b", "BRK_B", "BRK.B", "^gspc"]
    names = {store.path_of(tmp_path, "yahoo", "1d", symbol).name.lower() for symbol in symbols}
    assert len(names) == len(symbols)


@given(st.text(max_size=300), st.text(max_size=300))
def test_any_symbol_has_a_name_of_its_own_that_every_disk_takes(symbol: str, other: str) -> None:
    folder = Path("cache/prices/yahoo/1d")
    path = store.path_of(Path("cache"), "yahoo", "1d", symbol)
    assert path.parent == folder and LEGAL.fullmatch(path.name)
    assert path.stem.split(".")[0].upper() not in RESERVED
    twin = store.path_of(Path("cache"), "yahoo", "1d", other)
    assert (twin.name.lower() == path.name.lower()) == (symbol == other)
    for changed in {symbol.upper(), symbol.lower(), symbol + ".", symbol + " ", symbol + "\0"} - {symbol}:
        assert store.path_of(Path("cache"), "yahoo", "1d", changed).name.lower() != path.name.lower()


@pytest.mark.parametrize("interval", ["", "..", "../1d", "1d/..", "1", "d", "1 d", "1D"])
def test_what_cannot_be_an_interval_is_refused(interval: str) -> None:
    with pytest.raises(InputError, match="not an interval"):
        store.path_of(Path("cache"), "yahoo", interval, "AAA")


def test_a_file_under_the_name_of_another_symbol_is_not_used(tmp_path: Path) -> None:
    path = store.write(tmp_path, stored("2020-01-01", "2020-01-09"))
    other = store.path_of(tmp_path, "yahoo", "1d", "BBB")
    shutil.copy(path, other)
    with pytest.raises(store.Damaged, match="damaged"):
        store.read(other)


def test_a_file_of_the_first_schema_is_read_and_one_of_a_later_is_not(tmp_path: Path) -> None:
    mine = stored("2020-01-01", "2020-01-09", factor=0.5)._replace(schema=1)
    path = store.write(tmp_path, mine)
    assert list(pd.read_parquet(path)) == list(store.COLUMNS[:7])
    read = store.read(path)
    assert same(read, mine) and not read.is_whole
    assert (read.frame["dividends"] == 0).all() and (read.frame["splits"] == 1).all()
    store.write(tmp_path, mine._replace(schema=3))
    with pytest.raises(InputError, match="later tradebot"):
        store.read(path)


def test_a_lock_is_held_by_one_only_and_freed_by_its_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = store.path_of(tmp_path, "yahoo", "1d", "AAA")
    monkeypatch.setattr(store, "PATIENCE", 0.0)
    with store.locked(path):
        with pytest.raises(OSError, match="another process"), store.locked(path):
            raise AssertionError
        with store.locked(store.path_of(tmp_path, "yahoo", "1d", "BBB")):
            pass
    with store.locked(path):
        pass


def test_a_flipped_bit_is_never_read_as_prices(tmp_path: Path) -> None:
    mine = stored("2020-01-01", "2020-01-20")
    path = store.write(tmp_path, mine)
    content, refused = path.read_bytes(), 0
    for position in range(0, len(content), 37):
        path.write_bytes(content[:position] + bytes([content[position] ^ 0x10]) + content[position + 1 :])
        try:
            read = store.read(path)
        except InputError as error:
            refused += 1
            assert "damaged" in str(error) and "fetch it again" in str(error) and str(path) in str(error)
        else:  # a byte that means nothing
            assert same(read, mine)
    assert refused > 20


@pytest.mark.parametrize("damage", [b"", b"PAR1", b"PAR1" * 50, b"date,open\n1,2\n"])
def test_what_is_no_file_of_the_store_is_refused(tmp_path: Path, damage: bytes) -> None:
    path = store.write(tmp_path, stored("2020-01-01", "2020-01-09"))
    path.write_bytes(damage)
    with pytest.raises(InputError, match=r"damaged.*fetch it again"):
        store.read(path)
    pd.DataFrame({"date": [1], "close": [2.0]}).to_parquet(path)  # readable, but not ours
    with pytest.raises(InputError, match=r"damaged.*fetch it again"):
        store.read(path)


def test_the_folder_is_the_given_one_then_the_variables(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("TRADEBOT_CACHE", str(tmp_path / "variable"))
    assert store.root(tmp_path / "given") == tmp_path / "given"
    assert store.root() == tmp_path / "variable"
    monkeypatch.delenv("TRADEBOT_CACHE")
    assert "tradebot" in str(store.root())


def test_a_wider_span_extends_what_is_stored() -> None:
    kept, status = store.merged(stored("2020-02-01", "2020-02-20"), stored("2020-01-01", "2020-03-01"))
    assert (status, len(kept.frame), kept.start, kept.until) == (
        "extended",
        61,
        date(2020, 1, 1),
        date(2020, 3, 1),
    )


def test_rows_that_the_answer_lacks_are_kept_where_both_agree() -> None:
    old, new = stored("2020-01-01", "2020-01-20"), stored("2020-01-10", "2020-01-25", without=3)
    kept, status = store.merged(old, new)
    assert status == "extended"
    pd.testing.assert_frame_equal(kept.frame, stored("2020-01-01", "2020-01-25").frame)
    assert (kept.start, kept.until) == (date(2020, 1, 1), date(2020, 1, 25))


def test_prices_that_were_adjusted_anew_replace_all_old_ones() -> None:
    kept, status = store.merged(
        stored("2020-01-01", "2020-01-20"), stored("2020-01-01", "2020-01-25", factor=0.98)
    )
    assert status == "replaced"
    assert np.ptp(kept.frame["adj_close"] / kept.frame["close"]) < 1e-12


@pytest.mark.parametrize(
    "new",
    [
        stored("2020-01-10", "2020-01-25", factor=0.98),  # would leave nine rows of another adjustment
        stored("2020-01-01", "2020-01-25", factor=0.98, without=2),  # would lose two rows
        stored("2020-02-10", "2020-02-25"),  # nobody knows what happened between
    ],
)
def test_two_adjustments_are_never_joined_and_no_row_is_lost(new: Stored) -> None:
    with pytest.raises(InputError, match=r"do not fit.*nothing was changed.*--refresh"):
        store.merged(stored("2020-01-01", "2020-01-20"), new)


def test_a_bar_that_was_not_finished_then_may_change() -> None:
    old, new = stored("2020-01-01", "2020-01-20"), stored("2020-01-01", "2020-01-25")
    for unfinished in (18, 19):
        old.frame.loc[unfinished, ["high", "close", "adj_close"]] = 500.0
    with pytest.raises(AssertionError):
        pd.testing.assert_frame_equal(old.frame, new.frame.iloc[:20])
    kept, status = store.merged(old._replace(until=date(2020, 1, 18)), new)
    assert status == "extended"
    pd.testing.assert_frame_equal(kept.frame, new.frame)


def test_new_rows_continue_old_ones_where_both_agree_and_no_event_came() -> None:
    old, new = stored("2020-01-01", "2020-01-20"), stored("2020-01-15", "2020-01-25")
    assert store.continues(old, new)
    assert not store.continues(old, stored("2020-01-15", "2020-01-25", factor=0.98))
    assert not store.continues(old, stored("2020-01-21", "2020-01-25"))  # no bar in common
    for name, value in {"dividends": 0.01, "splits": 2.0}.items():
        frame = new.frame.copy()
        frame.loc[8, name] = value
        assert not store.continues(old, new._replace(frame=frame))
    known = new.frame.copy()
    known.loc[2, "dividends"] = 0.5  # before the end of what is known
    assert store.continues(old, new._replace(frame=known))


def test_asking_again_is_needless_only_for_a_span_that_is_whole() -> None:
    mine = stored("2020-01-01", "2020-01-20")
    assert mine.covers(date(2020, 1, 1), date(2020, 1, 20))
    assert not mine.covers(date(2019, 12, 31), date(2020, 1, 20))
    assert not mine.covers(date(2020, 1, 1), date(2020, 1, 21))
    assert not mine.covers(None, date(2020, 1, 20))
    assert mine._replace(start=None).covers(None, date(2020, 1, 20))
    holed = mine._replace(dropped=1)
    assert not holed.covers(date(2020, 1, 1), date(2020, 1, 20))
    assert holed._replace(confirmed=True).covers(date(2020, 1, 1), date(2020, 1, 20))
    assert not mine._replace(schema=1).covers(date(2020, 1, 1), date(2020, 1, 20))  # lacks dividends


@pytest.mark.parametrize("adjusted", [True, False])
@given(
    kept=st.lists(st.sets(st.integers(0, 39), min_size=12), min_size=1, max_size=4),
    holes=st.booleans(),
)
def test_bars_of_the_store_are_those_of_one_long_table(
    adjusted: bool, kept: list[set[int]], holes: bool
) -> None:
    whole = stored("2020-01-01", "2020-02-09", factor=0.5)
    all_ = [
        whole._replace(
            symbol=f"S{i}",
            frame=(whole.frame.iloc[sorted(rows)] if holes else whole.frame).reset_index(drop=True),
        )
        for i, rows in enumerate(kept)
    ]
    table = pd.concat([one.frame.assign(symbol=one.symbol) for one in all_], ignore_index=True)
    try:
        expected = Bars.from_frame(table, adjusted=adjusted)
    except InputError as error:
        with pytest.raises(InputError) as refused:
            store.bars(all_, adjusted=adjusted)
        assert str(refused.value).endswith(str(error))
    else:
        bars = store.bars(all_, adjusted=adjusted)
        assert bars.fingerprint == expected.fingerprint and bars.symbols == expected.symbols


def test_bars_of_the_store_are_adjusted_and_say_when_they_were_fetched() -> None:
    bars = store.bars([stored("2020-01-01", "2020-01-20", factor=0.5)])
    assert bars.source == "yahoo (fetched 2026-01-02)"
    assert bars.close[0, 0] == 50.0
    raw = store.bars([stored("2020-01-01", "2020-01-20", factor=0.5)._replace(interval="1h")], adjusted=False)
    assert (raw.close[0, 0], raw.source) == (100.0, "yahoo:1h (fetched 2026-01-02)")
