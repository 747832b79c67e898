"""The replay beside a plain list of everything that happened: what can be drawn, and what a draw says."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pytest

from tradebot.core import Array, Batch, Box, Discrete, InputError, Replay, Space, Step
from tradebot.rl.replay import PRIORITY_FLOOR, ReplayBuffer

FIVE = Discrete(5)
NUMBER = Box(np.full(1, -np.inf, np.float32), np.full(1, np.inf, np.float32))


class Transition(NamedTuple):
    """What happened in one environment; observations are numbers that never come twice."""

    obs: float
    action: int
    reward: float
    terminated: bool
    truncated: bool
    next_obs: float
    level: int


class World:
    """M x B random episodes, and the memory of all of them."""

    def __init__(self, members: int, envs: int, seed: int = 0, end: float = 0.15) -> None:
        self.random = np.random.default_rng(seed)
        self.members, self.envs, self.end = members, envs, end
        self.count = 0
        self.obs = self._fresh(members * envs)
        self.past: list[list[Transition]] = [[] for _ in range(members * envs)]

    def play(self, buffer: ReplayBuffer, steps: int) -> None:
        for _ in range(steps):
            self.step(buffer)

    def step(self, buffer: ReplayBuffer) -> None:
        """One step of all; each ends one way or the other with probability `end`."""
        n = len(self.obs)
        chance = self.random.random(n)
        terminated, truncated = chance < self.end, chance > 1 - self.end
        action = self.random.integers(0, 5, n)
        reward = self.random.standard_normal(n)
        next_obs = self._fresh(n)
        level = self.random.integers(0, 9, n)
        obs = next_obs.copy()
        obs[terminated | truncated] = self._fresh((terminated | truncated).sum())
        step = Step(obs[:, None], reward, terminated, truncated, next_obs[:, None], level)
        buffer.add(self.obs[:, None], action, {}, step)
        columns = (self.obs, action, reward, terminated, truncated, next_obs, level)
        for e, row in enumerate(zip(*(column.tolist() for column in columns), strict=True)):
            self.past[e].append(Transition(*row))
        self.obs = obs

    def live(self, member: int, length: int) -> dict[float, tuple[int, int]]:
        """Observation -> (environment, number) of what a ring of that length still holds whole.

        A transition takes the slot of its observation, the last of an episode that of its successor too.
        """
        found = {}
        for e in range(member * self.envs, (member + 1) * self.envs):
            position = 0
            positions = []
            for transition in self.past[e]:
                positions.append(position)
                newest = position + 1  # where its successor is
                position += 2 if transition.terminated or transition.truncated else 1
            for number, position in enumerate(positions):
                if newest - position < length:
                    found[self.past[e][number].obs] = (e, number)
        return found

    def _fresh(self, n: int) -> Array:
        self.count += n
        return np.arange(self.count - n, self.count, dtype=np.float32)


def make(
    members: int = 1,
    envs: int = 1,
    capacity: int = 64,
    *,
    batch: int = 512,
    n_step: int = 1,
    gamma: float = 0.5,
    alpha: float = 0.0,
    beta: float = 0.4,
    start: int = 0,
    every: int = 1,
    updates: int = 1,
    steps: int = 1000,
    obs: Box = NUMBER,
    action: Space = FIVE,
    seeds: Sequence[int] | None = None,
) -> ReplayBuffer:
    feed = Replay(capacity, batch, start, every, updates, n_step, gamma, alpha, beta)
    return ReplayBuffer(feed, obs, action, seeds if seeds is not None else range(members), envs, steps)


def last(buffer: ReplayBuffer) -> Batch:
    return list(buffer.batches())[-1]


def set_priorities(buffer: ReplayBuffer, batch: Batch, error_of: dict[float, float]) -> None:
    """Errors by observation, for all that the batch holds."""
    assert batch.index is not None
    buffer.prioritize(batch, np.vectorize(error_of.get)(batch.obs[..., 0]))


# ---- what a draw says


@pytest.mark.parametrize(
    ("members", "envs", "capacity", "n_step", "end"),
    [
        (1, 1, 16, 1, 0.15),
        (1, 1, 5, 3, 0.0),
        (2, 3, 30, 1, 0.15),
        (2, 3, 31, 3, 0.15),
        (3, 2, 64, 5, 0.02),
        (2, 2, 12, 4, 0.4),
        (1, 4, 12, 1, 0.5),
    ],
)
def test_it_holds_and_says_what_a_plain_list_would_over_many_laps(
    members: int, envs: int, capacity: int, n_step: int, end: float
) -> None:
    world = World(members, envs, end=end)
    gamma = 0.9
    buffer = make(members, envs, capacity, n_step=n_step, gamma=gamma)
    for _ in range(12 * capacity // envs):
        world.step(buffer)
        batch = last(buffer)
        for m in range(members):
            live = world.live(m, capacity // envs)
            assert set(batch.obs[m, :, 0].tolist()) == set(live)  # 512 strata reach every leaf
            for i in range(0, 512, 7):
                e, number = live[batch.obs[m, i, 0]]
                future = world.past[e][number : number + n_step]
                stop = next((k for k, t in enumerate(future, 1) if t.terminated or t.truncated), len(future))
                future = future[:stop]
                assert batch.action[m, i] == future[0].action
                assert batch.level[m, i] == future[0].level
                expected = sum(gamma**k * t.reward for k, t in enumerate(future))
                assert batch.reward[m, i] == pytest.approx(expected, abs=1e-12)
                assert batch.extras["discount"][m, i] == pytest.approx(gamma**stop, abs=1e-12)
                assert batch.terminated[m, i] == future[-1].terminated
                assert batch.truncated[m, i] == future[-1].truncated
                assert batch.next_obs[m, i, 0] == future[-1].next_obs


@pytest.mark.parametrize("terminated", [True, False])
def test_the_successor_of_a_last_transition_is_where_it_ended_and_not_where_the_next_began(
    terminated: bool,
) -> None:
    buffer = make()
    for _ in range(3):
        step_from(buffer, obs=0.0, next_obs=7.0, reset=0.0, how="terminated" if terminated else "truncated")
    batch = last(buffer)
    assert (batch.obs == 0).all()
    assert (batch.next_obs == 7).all()
    assert (batch.terminated == terminated).all()
    assert (batch.truncated != terminated).all()


@pytest.mark.parametrize(
    ("ends", "expected"),
    [
        # rewards 1, 10, 100, 1000 and gamma .5: from the first slot, two more are summed
        pytest.param(["", "", "", ""], (1 + 5 + 25, 0.125, False, False), id="three steps"),
        pytest.param(["", "terminated", "", ""], (1 + 5, 0.25, True, False), id="stops at a termination"),
        pytest.param(["", "truncated", "", ""], (1 + 5, 0.25, False, True), id="stops at a truncation"),
        pytest.param(["truncated", "", "", ""], (1, 0.5, False, True), id="stops at once"),
        pytest.param(
            ["", "", "terminated", ""], (1 + 5 + 25, 0.125, True, False), id="ends with the episode"
        ),
        pytest.param(["", ""], (1 + 5, 0.25, False, False), id="stops at the newest"),
        pytest.param([""], (1, 0.5, False, False), id="is the newest"),
    ],
)
def test_n_step_returns_by_hand(ends: list[str], expected: tuple[float, float, bool, bool]) -> None:
    buffer = make(n_step=3)
    for t, how in enumerate(ends):
        step_from(buffer, obs=float(t), next_obs=t + 1.0, reset=t + 1.0, reward=10.0**t, how=how)
    batch = last(buffer)
    i = int(np.flatnonzero(batch.obs[0, :, 0] == 0)[0])
    found = (
        batch.reward[0, i],
        batch.extras["discount"][0, i],
        batch.terminated[0, i],
        batch.truncated[0, i],
    )
    assert found == expected


def step_from(
    buffer: ReplayBuffer, *, obs: float, next_obs: float, reset: float, reward: float = 0.0, how: str = ""
) -> None:
    """One step of one environment."""
    terminated, truncated = np.array([how == "terminated"]), np.array([how == "truncated"])
    after = np.array([[reset if how else next_obs]])
    step = Step(after, np.array([reward]), terminated, truncated, np.array([[next_obs]]), np.zeros(1, int))
    buffer.add(np.array([[obs]]), np.array([0]), {}, step)


def test_observations_and_actions_keep_their_shapes() -> None:
    image = Box(np.zeros((2, 3), np.float32), np.ones((2, 3), np.float32))
    arms = Box(np.full(2, -1, np.float32), np.full(2, 1, np.float32))
    buffer = make(2, 3, 60, batch=5, obs=image, action=arms)
    random = np.random.default_rng(0)
    seen = random.random((6, 2, 3))
    action = random.random((6, 2)).astype(np.float32)
    no = np.zeros(6, bool)
    buffer.add(seen, action, {}, Step(seen, np.arange(6.0), no, no, 2 * seen, np.zeros(6, int)))
    batch = last(buffer)
    assert batch.obs.shape == batch.next_obs.shape == (2, 5, 2, 3)
    assert batch.action.shape == (2, 5, 2)
    e = batch.reward.astype(int)
    assert (e // 3 == [[0], [1]]).all()  # members do not mix
    np.testing.assert_array_equal(batch.obs, seen.astype(np.float32)[e])
    np.testing.assert_array_equal(batch.next_obs, (2 * seen).astype(np.float32)[e])
    np.testing.assert_array_equal(batch.action, action[e])


# ---- memory


def test_each_observation_is_kept_once() -> None:
    world = World(2, 3)
    buffer = make(2, 3, 60)
    world.play(buffer, 200)
    kept = buffer.state_dict()["ring"]["obs"]
    assert kept.size == 2 * 60  # room for as many observations as transitions
    assert len(np.unique(kept)) == kept.size


def test_a_memory_that_is_too_large_is_refused_before_it_is_taken() -> None:
    wide = Box(np.zeros(1000, np.float32), np.ones(1000, np.float32))
    # 10^9 slots of 1000 x 4 + 26 bytes, and two trees of 2 x 2^30 x 8 bytes, for each of two members
    with pytest.raises(InputError, match=r"8120\.7 GB .* lower the capacity or the number of seeds"):
        make(2, capacity=10**9, obs=wide)


@pytest.mark.parametrize(("capacity", "envs", "n_step"), [(8, 4, 1), (19, 2, 8)])
def test_a_memory_that_is_too_small_is_refused_with_the_size_that_would_do(
    capacity: int, envs: int, n_step: int
) -> None:
    enough = envs * (n_step + 2)
    with pytest.raises(InputError, match=rf"replay of {capacity} .* raise the capacity to {enough} or more"):
        make(1, envs, capacity, n_step=n_step)
    make(1, envs, enough, n_step=n_step)


# ---- when


def test_batches_come_when_they_are_due() -> None:
    world = World(2, 4)
    buffer = make(2, 4, 400, batch=8, start=10, every=6, updates=3)
    counts = []
    for _ in range(8):
        world.step(buffer)
        batches = list(buffer.batches())
        assert all(batch.obs.shape == (2, 8, 1) for batch in batches)
        counts.append(len(batches))
    # Beyond 10 transitions 4 more are due each time: 4, 8 - 6, 2 + 4 - 6, 4, 8 - 6, ...
    assert counts == [0, 0, 0, 3, 3, 0, 3, 3]


# ---- how often


def test_without_an_exponent_draws_are_uniform_whatever_the_errors_are() -> None:
    world = World(1, 2)
    buffer = make(1, 2, 100, batch=10_000)
    world.play(buffer, 70)
    batch = last(buffer)
    assert batch.weight is None
    buffer.prioritize(batch, np.random.default_rng(0).random(batch.reward.shape) * 100)
    world.step(buffer)
    counts = np.unique(last(buffer).index, return_counts=True)[1]
    assert len(counts) == len(world.live(0, 50))
    assert np.abs(counts - 10_000 / len(counts)).max() < 2


def test_draws_follow_the_errors_to_the_power_of_alpha() -> None:
    world = World(1, 1, end=0.0)
    buffer = make(capacity=50, batch=20_000, alpha=0.6)
    world.play(buffer, 20)
    errors = {float(t): (-1.0) ** t * t**2 for t in range(20)}  # the first is zero: it keeps the floor
    set_priorities(buffer, last(buffer), errors)
    buffer_due(buffer)
    batch = last(buffer)
    priority = np.array([(abs(error) + PRIORITY_FLOOR) ** 0.6 for error in errors.values()])
    counts = np.bincount(batch.obs[0, :, 0].astype(int), minlength=20)
    assert np.abs(counts - 20_000 * priority / priority.sum()).max() < 2


def test_a_new_transition_gets_the_largest_priority_that_is_there_now() -> None:
    world = World(1, 1, end=0.0)
    buffer = make(capacity=50, batch=20_000, alpha=1.0)
    world.play(buffer, 10)
    errors = dict.fromkeys(map(float, range(10)), 1.0) | {3.0: 8.0}
    set_priorities(buffer, last(buffer), errors)
    world.step(buffer)  # as 3: 8 of 9 + 8 + 8
    batch = last(buffer)
    assert (batch.obs == 10).mean() == pytest.approx(8 / 25, abs=1e-3)
    set_priorities(buffer, batch, dict.fromkeys(map(float, range(11)), 0.5))  # now nothing is above .5
    world.step(buffer)
    assert (last(buffer).obs == 11).mean() == pytest.approx(1 / 12, abs=1e-3)


def test_what_is_overwritten_takes_its_priority_with_it() -> None:
    world = World(1, 1, end=0.0)
    buffer = make(capacity=8, batch=1000, alpha=1.0)
    world.play(buffer, 7)
    set_priorities(buffer, last(buffer), dict.fromkeys(map(float, range(7)), 1.0) | {0.0: 100.0})
    world.play(
        buffer, 7
    )  # the first of these takes the place of the one at 100, so that 1 is the largest left
    batch = last(buffer)
    assert set(batch.obs.ravel().tolist()) == set(map(float, range(7, 14)))
    counts = np.unique(batch.obs, return_counts=True)[1]
    assert np.abs(counts - 1000 / 7).max() < 2


@pytest.mark.parametrize("played", [0.25, 1.0, 2.0])
def test_importance_weights_undo_the_priorities_more_and_more(played: float) -> None:
    world = World(2, 1, end=0.0)
    steps = 40
    buffer = make(2, 1, 200, batch=4000, alpha=0.7, beta=0.4, steps=steps)
    world.play(buffer, int(played * steps))
    n = int(played * steps)
    errors = {float(obs): (obs % 5) + 0.5 for obs in range(world.count)}
    set_priorities(buffer, last(buffer), errors)
    buffer_due(buffer)
    batch = last(buffer)
    beta = 0.4 + 0.6 * min(1.0, played)  # linear in the part of the training that is over
    priority = (np.vectorize(errors.get)(batch.obs[..., 0]) + PRIORITY_FLOOR) ** 0.7
    for m in range(2):
        drawn = dict(zip(batch.index[m].tolist(), priority[m], strict=True))
        assert len(drawn) == n
        weight = (n * priority[m] / sum(drawn.values())) ** -beta
        np.testing.assert_allclose(batch.weight[m], weight / weight.max(), rtol=1e-9)


def buffer_due(buffer: ReplayBuffer) -> None:
    """Ask for one more batch without another transition."""
    state = buffer.state_dict()
    buffer.load_state_dict(state | {"due": 1})


# ---- members and time


@pytest.mark.parametrize("alpha", [0.0, 0.6])
def test_a_member_alone_draws_what_it_draws_in_company(alpha: float) -> None:
    world = World(3, 2)
    together = make(3, 2, 40, batch=16, alpha=alpha, seeds=[4, 5, 6])
    alone = make(1, 2, 40, batch=16, alpha=alpha, seeds=[5])
    for _ in range(100):
        world.step(together)
        single = [world.past[e][-1] for e in (2, 3)]
        columns = [np.array(column) for column in zip(*single, strict=True)]
        obs, action, reward, terminated, truncated, next_obs, level = columns
        alone.add(
            obs[:, None], action, {}, Step(obs, reward, terminated, truncated, next_obs[:, None], level)
        )
        for whole, part in zip(together.batches(), alone.batches(), strict=True):
            for name in ("obs", "action", "reward", "terminated", "truncated", "next_obs", "index", "weight"):
                left, right = getattr(whole, name), getattr(part, name)
                assert left is right is None or np.array_equal(left[1], right[0]), name
            together.prioritize(whole, np.abs(whole.reward))
            alone.prioritize(part, np.abs(part.reward))


def test_a_resumed_memory_goes_on_bit_for_bit() -> None:
    def batches(buffer: ReplayBuffer, world: World, steps: int) -> list[Batch]:
        found = []
        for _ in range(steps):
            world.step(buffer)
            for batch in buffer.batches():
                buffer.prioritize(batch, batch.reward)
                found.append(batch)
        return found

    given = {"batch": 8, "alpha": 0.6, "n_step": 3, "start": 20, "every": 5}
    first, world = make(2, 3, 60, **given), World(2, 3)
    batches(first, world, 37)
    state = first.state_dict()
    resumed, again = make(2, 3, 60, **given), World(2, 3)
    batches(make(2, 3, 60, **given), again, 37)
    expected = batches(first, world, 50)
    batches(resumed, World(2, 3, seed=1), 11)  # what was there before must go
    resumed.load_state_dict(state)
    found = batches(resumed, again, 50)
    assert len(found) == len(expected) == 30  # each step brings 3 transitions, and 5 pay for a batch
    for left, right in zip(found, expected, strict=True):
        for name in (
            "obs",
            "action",
            "reward",
            "terminated",
            "truncated",
            "next_obs",
            "index",
            "level",
            "weight",
        ):
            assert np.array_equal(getattr(left, name), getattr(right, name)), name
