"""The calibration on a few markets: `make calibrate` counts over 300."""

from __future__ import annotations

import pytest

from tests.benchmarks import calibration
from tests.benchmarks.calibration import KINDS, counted, plan


@pytest.mark.parametrize("name", ["ar1", "regime"])
def test_a_planted_edge_is_found(name: str) -> None:
    found = counted(KINDS[name], range(3), plan(steps=20_000))
    assert found.edges >= 2, found


@pytest.mark.parametrize("name", ["gbm", "garch", "shuffled"])
def test_where_there_is_no_edge_none_is_found(name: str) -> None:
    found = counted(KINDS[name], range(3), plan(steps=20_000))
    assert found.edges == 0, found


def test_counts_are_told_as_they_come(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(calibration.SETTINGS, "steps", 100)
    told = list(calibration.lines(2, ["gbm", "ar1"]))
    assert [line.partition(":")[0] for line in told[:-1]] == [
        "gbm",
        "ar1",
        "markets without an edge",
        "markets with an edge",
    ]
