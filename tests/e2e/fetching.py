"""What tests of `tradebot fetch` share: the way to the fake Yahoo, and a look into the cache."""

from pathlib import Path

import pytest

from tests.fake_yahoo import FakeYahoo
from tradebot.prices import store


def lead_to(yahoo: FakeYahoo, environment: pytest.MonkeyPatch) -> None:
    """Lead this process to the fake one."""
    for name, value in yahoo.environment.items():
        if name not in ("SSL_CERT_FILE", "CURL_CA_BUNDLE"):  # which are read but once in a process
            environment.setenv(name, value)


def contents(cache: Path) -> dict[str, bytes]:
    """Everything in the cache but locks, by its path in it."""
    return {
        str(path.relative_to(cache)): path.read_bytes()
        for path in cache.rglob("*")
        if path.is_file() and path.parent.name != ".locks"
    }


def stored(cache: Path, symbol: str, interval: str = "1d") -> store.Stored:
    return store.read(store.path_of(cache, "yahoo", interval, symbol))
