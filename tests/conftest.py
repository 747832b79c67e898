"""What holds for every test."""

import os
from collections.abc import Iterator

# Before anything loads numpy or torch, and for all processes that tests start: matrices are small here, and
# on a busy machine several threads that wait for each other burn up to ten times the time of one.
os.environ |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}

import pytest
from hypothesis import settings

from tradebot.evidence import ledger
from tradebot.prices import store

settings.register_profile("patient", deadline=None)  # a busy machine is no fault of a test
settings.load_profile("patient")


@pytest.fixture(autouse=True, scope="session")
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """No test sees the prices that somebody fetched on this machine, or adds to what somebody has tried."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv(store.VARIABLE, str(tmp_path_factory.mktemp("cache")))
        environment.setenv(ledger.VARIABLE, str(tmp_path_factory.mktemp("ledger") / "ledger.sqlite"))
        yield
