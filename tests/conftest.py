"""What holds for every test."""

from collections.abc import Iterator

import pytest

from tradebot.prices.store import VARIABLE


@pytest.fixture(autouse=True, scope="session")
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """No test sees the prices that somebody fetched on this machine."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv(VARIABLE, str(tmp_path_factory.mktemp("cache")))
        yield
