"""How often a server in trouble is asked again, how long that waits, and when nobody is asked any more."""

import random
from collections.abc import Callable, Iterator

import pytest

from tradebot.core import InputError
from tradebot.prices.sources import retrying
from tradebot.prices.sources.retrying import Busy, Passing, Refused, Retries, Silent


class Clock:
    """Time that passes only while somebody waits."""

    def __init__(self) -> None:
        self.now = 0.0
        self.waits: list[float] = []

    def wait(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.now += seconds


def retries(clock: Clock, longest: float = 100.0) -> Retries:
    return Retries(random.Random(1), longest, clock.wait, lambda: clock.now)


def failing(*faults: Exception) -> Callable[[], str]:
    """A question that fails so, one time after the other, and then is answered."""
    left: Iterator[Exception] = iter(faults)

    def question() -> str:
        for fault in left:
            raise fault
        return "prices"

    return question


def test_a_passing_fault_is_asked_again_after_pauses_that_may_double() -> None:
    clock = Clock()
    assert retries(clock).ask(failing(*[Passing("cut")] * 6)) == ("prices", 6)
    assert all(0 <= wait <= 2**n for n, wait in enumerate(clock.waits))
    assert max(wait / 2**n for n, wait in enumerate(clock.waits)) > 0.5
    drawn = random.Random(1)
    assert clock.waits == [drawn.uniform(0, 2**n) for n in range(6)]


def test_no_pause_is_longer_than_the_longest() -> None:
    clock = Clock()
    retries(clock, longest=0.5).ask(failing(*[Passing("cut")] * 6))
    assert max(clock.waits) <= 0.5


def test_retries_are_bounded_and_counted() -> None:
    with pytest.raises(Passing, match="cut") as caught:
        retries(Clock()).ask(failing(*[Passing("cut")] * 7))
    assert caught.value.retries == retrying.RETRIES == 6
    with pytest.raises(Silent) as silent:
        retries(Clock()).ask(failing(*[Silent("hangs")] * 7))
    assert silent.value.retries == retrying.OF_SILENCE == 2


@pytest.mark.parametrize(
    "fault", [InputError("unknown symbol"), ConnectionError("no network"), KeyError("x")]
)
def test_what_another_request_would_not_mend_comes_out_at_once(fault: Exception) -> None:
    clock = Clock()
    with pytest.raises(type(fault)):
        retries(clock).ask(failing(fault))
    assert clock.waits == []


def test_whoever_asks_next_waits_until_a_busy_server_has_had_its_pause() -> None:
    clock = Clock()
    waits: list[float] = []
    asked = Retries(random.Random(1), 100.0, waits.append, lambda: clock.now)  # a wait that is interrupted
    with pytest.raises(Busy):
        asked.ask(failing(*[Busy("503")] * 7))
    longest = max(waits)
    del waits[:]
    assert asked.ask(failing()) == ("prices", 0)
    assert waits == [longest]
    clock.now = longest
    asked.ask(failing())
    assert waits == [longest]


def test_refusals_of_all_end_it_for_all() -> None:
    clock = Clock()
    asked = retries(clock)
    counts = []
    for _ in range(100):
        with pytest.raises(Passing) as caught:
            asked.ask(failing(*[Refused("429")] * 99))
        counts.append(str(caught.value))
    assert counts[:2] == ["429", "429"]
    assert set(counts[2:]) == {"not asked for, because all before it failed, the last one so: 429"}
    assert len(clock.waits) < 2 * retrying.REFUSALS
    assert sum(clock.waits) < 2 * sum(2**n for n in range(6))


def test_symbols_that_fail_while_others_are_answered_do_not_end_it() -> None:
    asked = retries(Clock())
    for _ in range(50):
        with pytest.raises(Passing, match="cut"):
            asked.ask(failing(*[Passing("cut")] * 7))
        assert asked.ask(failing()) == ("prices", 0)
        with pytest.raises(InputError):  # that no such symbol is known is an answer
            asked.ask(failing(InputError("unknown")))


def test_where_all_fail_nobody_is_asked_after_some() -> None:
    asked = retries(Clock())
    for _ in range(retrying.FAILURES):
        with pytest.raises(Passing, match=r"^cut$"):
            asked.ask(failing(*[Passing("cut")] * 7))
    with pytest.raises(Passing, match="all before it failed"):
        asked.ask(lambda: pytest.fail("was asked"))
