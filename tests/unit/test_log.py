"""The log of a training: means over spans, whatever the number of events."""

import json

import numpy as np
import pytest

from tradebot.api.log import LINES, Log, merged
from tradebot.files import to_json
from tradebot.rl.loop import Event

NOBODY, NOTHING = np.array([], dtype=np.int64), np.array([])


def test_episodes_of_a_span_are_averaged_by_member() -> None:
    log = Log(members=3, steps=LINES * 10, scale=2.0)  # a span is 10 transitions
    assert not log.add(Event(4, np.array([0, 0, 2]), np.array([1.0, 3.0, 8.0]), None, NOTHING))
    assert log.add(
        Event(12, np.array([0]), np.array([5.0]), {"loss": np.array([0.1234567, np.nan, 3.0])}, NOTHING)
    )
    assert log.add(Event(20, NOBODY, NOTHING, None, NOTHING))
    assert log.lines() == [
        # member 0: (1 + 3 + 5) / 3 episodes / scale 2; member 1 has none; member 2: 8 / 2
        {"step": 12, "episodes": [3, 0, 1], "return": [1.5, pytest.approx(np.nan, nan_ok=True), 4.0]}
        | {"loss": [0.123457, pytest.approx(np.nan, nan_ok=True), 3.0]}
    ]
    assert json.loads(to_json(log.lines()[0]))["return"] == [1.5, None, 4.0]


@pytest.mark.parametrize(("steps", "envs"), [(3, 8), (200, 1), (100_000, 8), (99_999, 64)])
def test_there_are_never_more_lines_than_spans_and_the_end_is_one(steps: int, envs: int) -> None:
    log = Log(members=1, steps=steps, scale=1.0)
    episodes = 0
    for step in range(envs, steps + envs, envs):
        ends = np.zeros(step % 3, dtype=np.int64)
        episodes += len(ends)
        last = log.add(Event(step, ends, ends + 1.0, {"loss": np.ones(1)}, NOTHING))
    assert last
    assert 0 < len(log.lines()) <= LINES
    assert log.lines()[-1]["step"] == step
    assert sum(line.get("episodes", [0])[0] for line in log.lines()) == episodes


def test_a_log_that_goes_on_says_what_an_uninterrupted_one_says() -> None:
    def events(first: int, last: int) -> list[Event]:
        members = np.array([0, 1])
        return [
            Event(step, members, members + float(step), {"b": np.ones(2) / step, "a": np.ones(2)}, NOTHING)
            for step in range(first, last)
        ]

    whole, before, after = (Log(members=2, steps=LINES * 3, scale=1.0) for _ in range(3))
    for event in events(1, 100):
        whole.add(event)
    for event in events(1, 50):
        before.add(event)
    after.load_state_dict(before.state_dict())
    for event in events(50, 100):
        after.add(event)
    assert to_json(after.lines()) == to_json(whole.lines())


def test_logs_of_parts_are_merged_to_the_log_of_all() -> None:
    whole, one, two = (Log(members, steps=LINES, scale=1.0) for members in (3, 1, 2))  # spans of 1
    moments = [  # members of which an episode ended, and whether there was an update
        ([], False),  # no line
        ([0], False),  # a line of the first part alone
        ([1, 2, 2], False),  # of the second alone
        ([], True),
        ([0, 2], True),
    ]
    for step, (ended, is_update) in enumerate(moments, start=1):
        for log, first, last in [(whole, 0, 3), (one, 0, 1), (two, 1, 3)]:
            mine = np.array([m - first for m in ended if first <= m < last], dtype=np.int64)
            losses = {"b": step + np.arange(3.0), "a": np.ones(3)} if is_update else None
            part = losses and {name: value[first:last] for name, value in losses.items()}
            log.add(Event(step, mine, first + mine + 0.5 * step, part, NOTHING))
    lines = merged([one.lines(), two.lines()], [1, 2])
    assert [to_json(line) for line in lines] == [to_json(line) for line in whole.lines()]
    assert [line["step"] for line in lines] == [2, 3, 4, 5]
