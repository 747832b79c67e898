"""Schedules by hand."""

from __future__ import annotations

from tradebot.rl.schedules import scheduled


def test_a_constant_stays_and_the_other_falls_to_zero_and_no_further() -> None:
    assert [scheduled(0.2, "constant", seen, 100) for seen in (0, 50, 200)] == [0.2, 0.2, 0.2]
    assert [scheduled(0.2, "linear", seen, 100) for seen in (0, 25, 50, 100, 200)] == [
        0.2,
        0.2 * 0.75,
        0.1,
        0.0,
        0.0,
    ]
