"""The spine: the nouns that every part of the program shares, and no logic.

One loop (`tradebot.rl.loop`) drives every agent in every environment::

    obs = env.reset()                                  # [E, *O], E = M members x B environments, member-major
    while not done:
        action, extras = agent.act(obs, explore=True)    # the loop views [E, ...] as [M, B, ...]
        step = env.step(action)
        memory.add(obs, action, extras, step)            # as agent.feed asks: a Rollout or a Replay
        for batch in memory.batches():
            update = agent.update(batch)                 # Update(metrics, priorities)
        obs = step.obs

Axis 0 of every learner's array is the member: seeds, folds or markets that learn side by side, never mixing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeAlias

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array: TypeAlias = NDArray[Any]
else:  # the command line reads this file before it knows whether numpy will be needed
    Array = Any
# What an agent wants to find again in its batch, e.g. log-probabilities: name -> [M, B, ...]
Extras = Mapping[str, Array]
State = dict[str, Any]  # nested dicts of arrays, numbers and strings: all that safetensors and JSON can hold


class InputError(ValueError):
    """Something that a person gave is wrong: the message says what, where, and what to do about it."""


class Discrete(NamedTuple):
    """The actions 0 .. n-1; `idle` is the one that does nothing, if any: a policy starts from it."""

    n: int
    idle: int | None = None


class Box(NamedTuple):
    """Real vectors of one shape between bounds (which may be infinite)."""

    low: Array  # [*O]
    high: Array  # [*O]

    @property
    def shape(self) -> tuple[int, ...]:
        return self.low.shape

    @property
    def is_numbered(self) -> bool:
        """One integer, which says which state it is and not how much of something."""
        return self.low.shape == (1,) and self.low.dtype.kind == "i"


Space = Discrete | Box


class Step(NamedTuple):
    """What E environments answer to E actions. They reset themselves in the same step."""

    obs: Array  # [E, *O] what to act on next; of a fresh episode where one has just ended
    reward: Array  # [E]
    terminated: Array  # [E] bool: the task is over     -> bootstrap with 0
    truncated: Array  # [E] bool: it was only cut off  -> bootstrap with V(next_obs)
    next_obs: Array  # [E, *O] the true successor, never that of a fresh episode
    level: Array  # [E] int: which price window (or map) the episode came from; -1 where there is none


class Levels(NamedTuple):
    """The L places where episodes may start: a fixed grid of price windows, or maps."""

    share: Array  # [L] probability of each where nothing is said; they sum to 1
    scale: Array  # [L] > 0, typical size of a reward there


class Env(Protocol):
    """E environments that step together. Randomness is keyed by (seed, environment, episode)."""

    @property
    def n_envs(self) -> int: ...  # E
    @property
    def observation_space(self) -> Box: ...  # of one environment
    @property
    def action_space(self) -> Space: ...  # of one environment
    @property
    def levels(self) -> Levels | None: ...  # None where there is nothing to choose
    def assign(self, level: Array) -> None: ...  # [E] int: where the next episodes start; -1: anywhere
    def reset(self) -> Array: ...  # [E, *O]
    def step(self, action: Array) -> Step: ...  # action [E] int for Discrete, [E, A] float for Box
    def state_dict(self) -> State: ...
    def load_state_dict(self, state: State) -> Array: ...  # [E, *O] what to act on next


class Batch(NamedTuple):
    """Transitions to learn from: N = T x B of a rollout (time-major per member) or N of a replay."""

    obs: Array  # [M, N, *O]
    action: Array  # [M, N] int or [M, N, A] float
    reward: Array  # [M, N]
    terminated: Array  # [M, N] bool
    truncated: Array  # [M, N] bool
    next_obs: Array  # [M, N, *O]
    # [M, N] what was done next, if the feed asks for it; where an episode ended, in the one that followed
    next_action: Array | None
    extras: Extras  # name -> [M, N, ...]
    index: Array | None  # type: ignore[assignment] # [M, N] int: where the replay keeps it (hides tuple.index, unused)
    level: Array  # [M, N] int
    weight: Array | None  # [M, N] importance weights; None means all 1


class Update(NamedTuple):
    """What one update says of itself."""

    metrics: Mapping[str, Array]  # name -> [M]
    priorities: Array | None = None  # [M, N], matches Batch.index (or Batch.level, where NaN: not known)


class Curriculum(NamedTuple):
    """How levels are prioritized: P = (1 - floor - stale) score^alpha / sum + stale age / sum + floor / L."""

    alpha: float  # exponent of the score
    beta: float  # exponent of the importance weights share / P; 1 gives the uniform objective back
    floor: float  # share of the draws that is uniform
    stale: float  # share of the draws that goes to levels in proportion to the time since their last visit


class Rollout(NamedTuple):
    """Feed: every transition once, in order, `n_steps` of each environment at a time."""

    n_steps: int
    curriculum: Curriculum | None = None  # None: episodes start anywhere
    next_action: bool = False  # each transition waits until the action after it is known


class Replay(NamedTuple):
    """Feed: random batches of a memory, `updates` of them after every `every` transitions of a member."""

    capacity: int  # transitions per member
    batch: int  # transitions per member and update
    start: int  # transitions before the first update
    every: int  # transitions between updates
    updates: int = 1
    n_step: int = 1  # rewards summed before the bootstrap
    gamma: float = 0.99  # discount of that sum
    alpha: float = 0.0  # priority exponent; 0 is uniform (Schaul 2015, eq. 1)
    beta: float = 0.4  # importance exponent at the start; it grows to 1 (Schaul 2015, section 3.4)


class Population(NamedTuple):
    """The M members of an agent, and where they are to act."""

    observation_space: Box
    action_space: Space
    seeds: Sequence[int]  # [M]
    steps: int  # transitions of a member in the whole training
    device: str = "cpu"


class Agent(Protocol):
    """A population of M learners of one algorithm."""

    @property
    def feed(self) -> Rollout | Replay: ...
    def act(self, obs: Array, *, explore: bool) -> tuple[Array, Extras]: ...  # obs [M, B, *O]
    def update(self, batch: Batch) -> Update: ...
    def state_dict(self) -> State: ...
    def load_state_dict(self, state: State) -> None: ...
