"""What every agent promises (`tradebot.core.Agent`). A new one joins by lines in SETTINGS and PROBED.

The last part are probes: worlds of one or two states of which the values and the best actions are known, each
for one kind of mistake (after Andy Jones, "Debugging RL, Without the Agonizing Pain", and keraJLi/rejax).
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch

from tradebot.agents.configs import CONFIGS
from tradebot.agents.dqn import DQN
from tradebot.agents.registry import AGENTS, create
from tradebot.core import Agent, Array, Box, Discrete, Replay, Space, State, Step
from tradebot.rl.checkpoint import joined, split
from tradebot.rl.loop import memory_for, train
from tradebot.rl.on_policy import OnPolicyLearner
from tradebot.rl.tables import TabularLearner

MEMBERS, ENVS = 8, 4
STEPS = 1_600


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


class Walk:
    """Walks on -5 .. 5 by noisy steps of -1, 0, 1 or real ones. Leaving it is the end; 20 steps cut it off.

    Leaving costs one, any other step is worth nearness to zero. The observation is the place
    and, with `n_obs` 2, a random number.
    """

    def __init__(self, seeds: Sequence[int], *, discrete: bool = True, n_obs: int = 2) -> None:
        self.random = [np.random.default_rng([seed, b]) for seed in seeds for b in range(ENVS)]
        self.n_envs = len(self.random)
        bound = np.full(n_obs, 2, np.float32)
        self.observation_space = Box(-bound, bound)
        self.action_space: Space = Discrete(3) if discrete else Box(-bound[:1], bound[:1])
        self.place = np.zeros(self.n_envs)
        self.age = np.zeros(self.n_envs, int)

    def reset(self) -> Array:
        self._begin(np.ones(self.n_envs, bool))
        return self._see()

    def step(self, action: Array) -> Step:
        discrete = isinstance(self.action_space, Discrete)
        self.place += action - 1.0 if discrete else np.clip(action[:, 0], -1.0, 1.0)
        self.place += [0.3 * random.standard_normal() for random in self.random]
        self.age += 1
        terminated = np.abs(self.place) > 5
        truncated = ~terminated & (self.age == 20)
        reward = np.where(terminated, -1.0, 1.0 - np.abs(self.place) / 5)
        next_obs = self._see()
        obs = next_obs.copy()
        self._begin(terminated | truncated)
        obs[terminated | truncated] = self._see()[terminated | truncated]
        return Step(obs, reward, terminated, truncated, next_obs, np.full(self.n_envs, -1))

    def state_dict(self) -> State:
        return {}

    def load_state_dict(self, state: State) -> None: ...

    def _begin(self, ended: Array) -> None:
        self.age[ended] = 0
        for e in np.flatnonzero(ended):
            self.place[e] = self.random[e].uniform(-3, 3)

    def _see(self) -> Array:
        number = [random.random() for random in self.random]
        return np.stack([self.place / 5, number], -1).astype(np.float32)[:, : len(self.observation_space.low)]


class Case(NamedTuple):
    """An agent with settings that make it learn several times in STEPS."""

    agent: str
    settings: Mapping[str, Any]
    discrete: bool = True
    n_obs: int = 2


REPLAYED: dict[str, Any] = {
    "hidden": (16, 16),
    "batch": 32,
    "capacity": 400,
    "learning_starts": 100,
    "every": 16,
}
SETTINGS: dict[str, dict[str, Any]] = {
    "dqn": {
        "hidden": (16, 16),
        "batch": 32,
        "capacity": 400,
        "learning_starts": 100,
        "every": 8,
        "target_every": 20,
    },
    "a2c": {"hidden": (16, 16), "n_steps": 5, "max_grad_norm": 0.1},
    "ppo": {"hidden": (16, 16), "n_steps": 32, "batch": 32, "epochs": 2},
    "q-learning": {},
    "sarsa": {},
    "expected-sarsa": {"epsilon_start": 0.5, "bins": 4},
    "double-q-learning": {"learning_rate_end": 0.1},
    "reinforce": {"hidden": (16, 16), "n_steps": 32},
    "trpo": {"hidden": (16, 16), "n_steps": 32, "batch": 32, "epochs": 2},
    "ddpg": REPLAYED | {"noise": "ou"},
    "td3": REPLAYED | {"updates": 2},
    "sac": REPLAYED,
}


def is_discrete(agent: str) -> bool:
    """Whether it is tried with discrete actions where nothing else is said."""
    return "discrete" in CONFIGS[agent].actions


OPTIONS = {"per": True, "dueling": True, "n_step": 3}
NORMALISED = {"normalise_obs": True, "normalise_reward": True}
# What a member leaves out by itself must not depend on what the others leave out.
STOPPED = {"target_kl": 1e-3, "value_clip": 0.1, "clip_schedule": "linear", "learning_rate": 5e-3}
CASES = {
    **{name: Case(name, settings, is_discrete(name)) for name, settings in SETTINGS.items()},
    **{
        f"{name}, one feature": Case(name, settings, is_discrete(name), n_obs=1)
        for name, settings in SETTINGS.items()
    },
    "dqn with all options": Case("dqn", SETTINGS["dqn"] | OPTIONS),
    "dqn, plain": Case("dqn", SETTINGS["dqn"] | {"double": False, "hidden": (33,)}),
    "dqn, soft targets": Case("dqn", SETTINGS["dqn"] | {"target_every": 1, "tau": 0.1, "updates": 2}),
    "ddpg, prioritized": Case("ddpg", REPLAYED | {"per": True, "n_step": 3}, discrete=False),
    "td3, prioritized": Case("td3", REPLAYED | {"per": True, "noise": "ou"}, discrete=False),
    "sac, prioritized": Case("sac", REPLAYED | {"per": True, "noise_std": 0.1}, discrete=False),
    "sac, fixed temperature": Case(
        "sac", REPLAYED | {"learn_temperature": False, "hidden": (33,)}, discrete=False
    ),
    "a2c, continuous": Case("a2c", SETTINGS["a2c"] | {"entropy": 0.01}, discrete=False),
    "ppo, continuous": Case("ppo", SETTINGS["ppo"] | {"entropy": 0.01}, discrete=False),
    "ppo, rectified": Case("ppo", SETTINGS["ppo"] | {"activation": "relu"}),
    "trpo, rectified": Case("trpo", SETTINGS["trpo"] | {"activation": "relu"}),
    "ppo, default widths": Case("ppo", SETTINGS["ppo"] | {"hidden": (64, 64)}),
    "ppo that stops": Case("ppo", SETTINGS["ppo"] | STOPPED | NORMALISED),
    "a2c, normalised": Case("a2c", SETTINGS["a2c"] | NORMALISED | {"lr_schedule": "constant"}),
    "reinforce without baseline": Case("reinforce", SETTINGS["reinforce"] | {"baseline": False}),
    "reinforce without an end": Case(
        "reinforce", SETTINGS["reinforce"] | {"baseline": False, "n_steps": 8, "entropy": 0.01}
    ),
    "reinforce, continuous": Case("reinforce", SETTINGS["reinforce"] | NORMALISED, discrete=False),
    "trpo, continuous": Case("trpo", SETTINGS["trpo"] | NORMALISED, discrete=False),
    "trpo that goes back": Case(
        "trpo", SETTINGS["trpo"] | {"target_kl": 0.3, "backtrack_steps": 1, "cg_steps": 4}
    ),
    "trpo, default widths": Case("trpo", SETTINGS["trpo"] | {"hidden": (64, 64)}),
}
each = pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())


def population(case: Case, seeds: Sequence[int]) -> tuple[Agent, Walk, Any]:
    config = CONFIGS[case.agent](envs=ENVS, **case.settings)
    env = Walk(seeds, discrete=case.discrete, n_obs=case.n_obs)
    agent = create(config, env.observation_space, env.action_space, seeds, STEPS)
    return agent, env, memory_for(agent, env, seeds, STEPS)


def play(agent: Agent, env: Walk, memory: Any, obs: Array, steps: int) -> Array:
    """The loop, from a given moment. Returns the last observation."""
    members = len(obs) // ENVS
    for _ in range(steps):
        action, extras = agent.act(obs.reshape(members, ENVS, -1), explore=True)
        action = action.reshape(len(obs), *action.shape[2:])
        step = env.step(action)
        memory.add(obs, action, extras, step)
        for batch in memory.batches():
            update = agent.update(batch)
            if update.priorities is not None:
                memory.prioritize(batch, update.priorities)
        obs = step.obs
    return obs


def leaves(state: State, path: str = "") -> dict[str, Any]:
    """Nested state -> flat, by path."""
    found: dict[str, Any] = {}
    for name, value in state.items():
        found |= leaves(value, f"{path}{name}/") if isinstance(value, dict) else {path + name: value}
    return found


def same(one: State, other: State) -> bool:
    left, right = leaves(one), leaves(other)
    return left.keys() == right.keys() and all(np.array_equal(left[name], right[name]) for name in left)


def test_every_agent_is_tried() -> None:
    assert SETTINGS.keys() == PROBED.keys() == AGENTS.keys() == CONFIGS.keys()


# ---- acting


@each
@pytest.mark.parametrize("explore", [True, False])
def test_actions_lie_in_the_space_and_extras_belong_to_them(case: Case, explore: bool) -> None:
    agent, env, _ = population(case, range(MEMBERS))
    obs = env.reset().reshape(MEMBERS, ENVS, -1)
    for _ in range(20):
        action, extras = agent.act(obs, explore=explore)
        assert action.shape[:2] == (MEMBERS, ENVS)
        if case.discrete:
            assert action.shape == (MEMBERS, ENVS)
            assert action.dtype == np.int64
            assert ((action >= 0) & (action < 3)).all()
        else:
            assert action.shape == (MEMBERS, ENVS, 1)
            assert action.dtype == np.float32
            assert np.isfinite(action).all()
        assert all(value.shape[:2] == (MEMBERS, ENVS) for value in extras.values())


@each
def test_without_exploration_it_does_always_the_same_and_nothing_moves(case: Case) -> None:
    agent, env, _ = population(case, range(MEMBERS))
    obs = env.reset().reshape(MEMBERS, ENVS, -1)
    before = copy.deepcopy(agent.state_dict())
    first, _ = agent.act(obs, explore=False)
    again, _ = agent.act(obs, explore=False)
    assert np.array_equal(first, again)
    assert same(agent.state_dict(), before)
    wider = np.concatenate([obs, obs, obs], axis=1)  # evaluation may bring other numbers of environments
    assert np.array_equal(agent.act(wider, explore=False)[0][:, ENVS : 2 * ENVS], first)


@each
def test_with_exploration_it_tries_things(case: Case) -> None:
    agent, _, _ = population(case, range(MEMBERS))
    obs = np.zeros((MEMBERS, ENVS, case.n_obs), np.float32)
    drawn = np.stack([agent.act(obs, explore=True)[0] for _ in range(30)])
    flat = drawn.reshape(30, MEMBERS, -1)
    assert all(len(np.unique(flat[:, m])) >= 3 for m in range(MEMBERS))
    assert len(np.unique(flat.reshape(30, -1).T, axis=0)) == MEMBERS * ENVS  # no two alike


# ---- learning


@each
def test_an_update_moves_every_member_and_reports_on_each(case: Case) -> None:
    agent, env, memory = population(case, range(MEMBERS))
    before = leaves(copy.deepcopy(agent.state_dict()))
    updates = [event.metrics for event in train(agent, env, memory, MEMBERS, STEPS // 4) if event.metrics]
    assert len(updates) >= 3
    for metrics in updates:
        assert all(value.shape == (MEMBERS,) and np.isfinite(value).all() for value in metrics.values())
    after = leaves(agent.state_dict())
    weights = [name for name in before if name.endswith(".0.weight") or name.split("/")[-1] == "q"]
    if not case.settings.get("baseline", True):
        weights = [name for name in weights if "value" not in name]  # nobody asks it
    assert weights
    for name in weights:
        assert (before[name] != after[name]).any(axis=(1, 2)).all()


@each
def test_priorities_come_where_they_were_asked_for(case: Case) -> None:
    agent, env, memory = population(case, range(MEMBERS))
    obs = env.reset()
    batches = []
    while not batches:
        action, extras = agent.act(obs.reshape(MEMBERS, ENVS, -1), explore=True)
        action = action.reshape(len(obs), *action.shape[2:])
        step = env.step(action)
        memory.add(obs, action, extras, step)
        batches = list(memory.batches())
        obs = step.obs
    priorities = agent.update(batches[0]).priorities
    if isinstance(agent.feed, Replay) and agent.feed.alpha > 0:
        assert priorities is not None
        assert priorities.shape == batches[0].reward.shape
        assert np.isfinite(priorities).all()
    else:
        assert priorities is None


@each
def test_a_resumed_training_goes_on_bit_for_bit(case: Case) -> None:
    seeds = range(3)
    agent, env, memory = population(case, seeds)
    obs = play(agent, env, memory, env.reset(), 333)
    state, remembered = agent.state_dict(), memory.state_dict()
    world = copy.deepcopy(env)
    play(agent, env, memory, obs, 167)

    resumed, _, other = population(case, seeds)
    play(
        resumed, Walk([7, 8, 9], discrete=case.discrete, n_obs=case.n_obs), other, obs, 41
    )  # all this must go
    resumed.load_state_dict(state)
    other.load_state_dict(remembered)
    play(resumed, world, other, obs, 167)
    assert same(resumed.state_dict(), agent.state_dict())
    assert same(other.state_dict(), memory.state_dict())


@each
def test_a_population_is_its_members_put_together_and_can_be_taken_apart(case: Case) -> None:
    def trained(seeds: Sequence[int]) -> State:
        agent, env, memory = population(case, seeds)
        play(agent, env, memory, env.reset(), 333)
        return {"agent": agent.state_dict(), "memory": memory.state_dict()}

    def restored(seeds: Sequence[int], state: State) -> State:
        agent, _, memory = population(case, seeds)
        agent.load_state_dict(state["agent"])
        memory.load_state_dict(state["memory"])
        return {"agent": agent.state_dict(), "memory": memory.state_dict()}

    whole = trained([0, 1, 2])
    assert same(joined([trained([0]), trained([1, 2])]), whole)
    parts = [restored([0, 1], split(whole, 3, 0, 2)), restored([2], split(whole, 3, 2, 3))]
    assert same(joined(parts), whole)


@each
def test_a_member_alone_becomes_what_it_becomes_in_company(case: Case) -> None:
    company = range(3, 3 + MEMBERS)
    together = trained(case, company)
    for i in (0, MEMBERS // 2, MEMBERS - 1):
        seed = company[i]
        alone = trained(case, [seed])
        assert alone.keys() == together.keys()
        for name, value in alone.items():
            whole = together[name]
            expected = whole[i : i + 1] if isinstance(whole, np.ndarray) else whole
            assert np.array_equal(value, expected), (name, seed)


def trained(case: Case, seeds: Sequence[int]) -> dict[str, Any]:
    """What the agent keeps at the end, and all that it said of itself on the way."""
    agent, env, memory = population(case, seeds)
    told = [event.metrics for event in train(agent, env, memory, len(seeds), STEPS) if event.metrics]
    metrics = {name: np.stack([metrics[name] for metrics in told], axis=1) for name in told[0]}
    return leaves(agent.state_dict()) | metrics


# ---- probes


class Probe:
    """A world with one feature, eight environments per member. Two functions say everything.

    Actions are 0 and 1, or all between them: real ones come from -1 .. 1.

    `begin` draws first observations [E] from a generator. `follow` answers (observation, action, step of the
    episode) with (reward, terminated, truncated, next observation), each [E].
    """

    bound = np.ones(1, np.float32)
    observation_space = Box(-bound, bound)

    def __init__(
        self,
        begin: Callable[..., Array],
        follow: Callable[..., tuple[Any, ...]],
        members: int,
        discrete: bool = True,
    ) -> None:
        self.n_envs = 8 * members
        self.action_space: Space = Discrete(2) if discrete else Box(-self.bound, self.bound)
        self._begin, self._follow = begin, follow
        self._random = np.random.default_rng(0)
        self._obs, self._age = np.zeros(self.n_envs), np.zeros(self.n_envs, int)

    def reset(self) -> Array:
        self._obs, self._age = self._begin(self._random, self.n_envs), np.zeros(self.n_envs, int)
        return self._obs[:, None].astype(np.float32)

    def step(self, action: Array) -> Step:
        action = action if action.ndim == 1 else (action[:, 0] + 1) / 2
        answer = self._follow(self._obs, action, self._age)
        reward, terminated, truncated, after = (np.broadcast_to(part, self.n_envs) for part in answer)
        ended = terminated | truncated
        self._obs = np.where(ended, self._begin(self._random, self.n_envs), after)
        self._age = np.where(ended, 0, self._age + 1)
        obs, next_obs = (part[:, None].astype(np.float32) for part in (self._obs, after))
        return Step(obs, reward.astype(float), terminated, truncated, next_obs, np.full(self.n_envs, -1))

    def state_dict(self) -> State:
        return {}

    def load_state_dict(self, state: State) -> None: ...


class Known(NamedTuple):
    """A probe and what is known of it: observation -> value of the best policy, and best action."""

    begin: Callable[..., Array]
    follow: Callable[..., tuple[Any, ...]]
    value: Mapping[float, float]
    best: Mapping[float, int] = {}


def zeros(random: np.random.Generator, n: int) -> Array:
    return np.zeros(n)


def signs(random: np.random.Generator, n: int) -> Array:
    return random.choice([-1.0, 1.0], n)


GAMMA = 0.5  # values settle soon, and a mistake of one step is plain
PROBES = {
    # One step, one state: only the value can be wrong.
    "a constant reward": Known(zeros, lambda obs, action, age: (1.0, True, False, 0.0), {0: 1.0}),
    # The value must look at the observation.
    "a reward that is seen": Known(
        signs, lambda obs, action, age: (obs, True, False, 0.0), {-1: -1.0, 1: 1.0}
    ),
    # A reward after two steps: discount and bootstrap.
    "a later reward": Known(
        zeros, lambda obs, action, age: (age == 1, age == 1, False, 1.0), {0: GAMMA, 1: 1.0}
    ),
    # The same action is always best.
    "a good action": Known(
        zeros, lambda obs, action, age: (2.0 * action - 1, True, False, 0.0), {0: 1.0}, {0: 1}
    ),
    # The best action depends on what is seen.
    "an action to choose": Known(
        signs,
        lambda obs, action, age: ((2.0 * action - 1) * obs, True, False, 0.0),
        {-1: 1.0, 1: 1.0},
        {-1: 0, 1: 1},
    ),
    # The first action is paid for after the second step: 1 leads to 1, which pays, 0 to -1, which costs.
    "an action that pays later": Known(
        zeros,
        lambda obs, action, age: (np.where(age == 1, obs, 0.0), age == 1, False, 2.0 * action - 1),
        {0: GAMMA, 1: 1.0},
        {0: 1},
    ),
    # It never ends, it is only cut off: V = 1 / (1 - gamma), and not the sum of a few rewards.
    "only cut off": Known(zeros, lambda obs, action, age: (1.0, False, age == 1, 0.0), {0: 1 / (1 - GAMMA)}),
    "cut off at every step": Known(
        zeros, lambda obs, action, age: (1.0, False, True, 0.0), {0: 1 / (1 - GAMMA)}
    ),
    # Where an episode is cut off it stands at 1, which is worth 3; the next begins at 0, which is worth less.
    "cut off elsewhere": Known(
        lambda random, n: random.choice([0.0, 1.0], n),
        lambda obs, action, age: (np.where(obs == 1, 3.0, 0.0), obs == 1, obs == 0, 1.0),
        {0: 3 * GAMMA, 1: 3.0},
    ),
}
PROBED_REPLAY = {"hidden": (32,), "batch": 64, "learning_starts": 200, "tau": 0.1, "learning_rate": 1e-2}
PROBED: dict[str, tuple[int, dict[str, Any]]] = {  # name -> (transitions, settings)
    "dqn": (3_000, {"hidden": (32,), "learning_starts": 100, "target_every": 10, "learning_rate": 1e-2}),
    "a2c": (8_000, {"hidden": (32,), "learning_rate": 2e-2}),
    "ppo": (6_000, {"hidden": (32,), "n_steps": 16, "epochs": 4, "learning_rate": 1e-2}),
    "q-learning": (3_000, {"learning_rate": 0.2}),
    "sarsa": (3_000, {"learning_rate": 0.2}),
    "expected-sarsa": (3_000, {"learning_rate": 0.2}),
    "double-q-learning": (3_000, {"learning_rate": 0.2}),
    "reinforce": (12_000, {"hidden": (32,), "n_steps": 8, "learning_rate": 2e-2}),
    "trpo": (6_000, {"hidden": (32,), "n_steps": 16, "epochs": 4, "learning_rate": 1e-2}),
    "ddpg": (3_000, PROBED_REPLAY),
    "td3": (3_000, PROBED_REPLAY),
    "sac": (3_000, PROBED_REPLAY),
}


@pytest.mark.parametrize("probe", PROBES.values(), ids=PROBES.keys())
@pytest.mark.parametrize("name", [*PROBED, "dqn with all options"])
def test_it_learns_what_is_known(name: str, probe: Known) -> None:
    agent_name = name.split()[0]
    steps, settings = PROBED[agent_name]
    if name != agent_name:
        settings = settings | OPTIONS
    config = CONFIGS[agent_name](envs=8, gamma=GAMMA, **settings)
    env = Probe(probe.begin, probe.follow, 2, is_discrete(agent_name))
    agent = create(config, env.observation_space, env.action_space, [0, 1], steps)
    for _ in train(agent, env, memory_for(agent, env, [0, 1], steps), 2, steps):
        pass
    for obs, expected in probe.value.items():
        assert values(agent, obs) == pytest.approx([expected, expected], abs=0.1), obs
    for obs, action in probe.best.items():
        done = agent.act(np.full((2, 8, 1), obs, np.float32), explore=False)[0]
        if is_discrete(agent_name):
            assert (done == action).all()
        else:
            np.testing.assert_allclose((done + 1) / 2, action, atol=0.05)


def values(agent: Any, obs: float) -> list[float]:
    """What each of two members thinks a state is worth."""
    if isinstance(agent, TabularLearner):
        row = int(agent.states(np.full((1, 1, 1), obs, np.float32))[0, 0])
        return agent.q[:, row].max(-1).tolist()
    seen = torch.full((2, 1, 1), float(obs))
    if isinstance(agent, DQN):
        return agent._q(agent._online.mlp("q", seen)).amax(-1)[:, 0].tolist()
    if isinstance(agent, OnPolicyLearner):
        return agent._nets.value(seen)[:, 0].tolist()
    action, _ = agent.act(seen.numpy(), explore=False)
    critics = agent._values if hasattr(agent, "_values") else agent._nets.values
    return critics.appraise(seen, torch.as_tensor(action)).value[:, 0].tolist()
