"""PPO, A2C and TRPO beside stable-baselines3's: the same weights and transitions give the same update.

Theirs collect a rollout in a world that notes down what it did, with their own treatment of truncations, and
train on it with their own `train`. Two members of ours learn from the same transitions, each beside a learner
of theirs. Where ours differs by design, theirs is given what ours makes of it:

- Advantages are normalised by a deviation that divides by N here and by N - 1 there. PPO of theirs is handed
  the normalised ones; for TRPO it does not matter, for the step is as long as the divergence allows.
- A2C moves by Adam here; theirs can (`use_rms_prop=False`).
- The conjugate gradient starts at zero here and at small random numbers there, which are set to zero. It
  takes six iterations, for they have different tolerances at which they would stop before.
- Of several continuous actions their TRPO bounds the mean of the divergences, ours the sum, which is that of
  the policy: they are compared on one.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import gymnasium
import numpy as np
import pytest
import sb3_contrib
import stable_baselines3
import torch
from stable_baselines3.common.callbacks import CallbackList
from stable_baselines3.common.logger import Logger
from stable_baselines3.common.vec_env import DummyVecEnv

from tradebot.agents.configs import CONFIGS
from tradebot.agents.registry import create
from tradebot.core import Array, Batch, Box, Discrete, Space

SEEDS, STEPS, ENVS, GAMMA, LAMBDA = (3, 4), 32, 3, 0.9, 0.8
HIDDEN = (8, 8)
ALGORITHMS = {"ppo": stable_baselines3.PPO, "a2c": stable_baselines3.A2C, "trpo": sb3_contrib.TRPO}
SEEN = Box(np.full(3, -np.inf, np.float32), np.full(3, np.inf, np.float32))
SPACES: dict[str, Space] = {
    "discrete": Discrete(3),
    "one number": Box(np.full(1, -1.0, np.float32), np.full(1, 1.0, np.float32)),
    "two numbers": Box(np.full(2, -1.0, np.float32), np.full(2, 1.0, np.float32)),
}
spaces = pytest.mark.parametrize("space", ["discrete", "two numbers"])


class Tape(gymnasium.Env[Array, Any]):
    """A world that does what it likes, ends and is cut off now and then, and notes everything down."""

    observation_space = gymnasium.spaces.Box(-np.inf, np.inf, (3,), np.float32)

    def __init__(self, space: str, seed: int) -> None:
        ours = SPACES[space]
        self.action_space = (
            gymnasium.spaces.Discrete(ours.n)
            if isinstance(ours, Discrete)
            else gymnasium.spaces.Box(ours.low, ours.high)
        )
        self.random = np.random.default_rng(seed)
        self.notes: list[tuple[Any, ...]] = []  # obs, reward, terminated, truncated, next_obs

    def reset(self, **_: Any) -> tuple[Array, dict[str, Any]]:
        self.obs = self.random.standard_normal(3).astype(np.float32)
        return self.obs, {}

    def step(self, action: Any) -> tuple[Array, float, bool, bool, dict[str, Any]]:
        before, reward, ending = self.obs, float(self.random.standard_normal()), self.random.random()
        terminated, truncated = ending < 0.1, 0.1 <= ending < 0.2
        self.reset()
        self.notes.append((before, reward, terminated, truncated, self.obs))
        return self.obs, reward, terminated, truncated, {}


class Pair(NamedTuple):
    """Two learners of theirs with a full rollout each, our two members with their weights, and the batch."""

    theirs: list[Any]
    ours: Any
    batch: Batch


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def pair(name: str, space: str, ours: dict[str, Any], theirs: dict[str, Any]) -> Pair:
    common = {"learning_rate": 1e-2, "n_steps": STEPS, "gamma": GAMMA, "gae_lambda": LAMBDA}
    shape: dict[str, Any] = {"envs": ENVS, "hidden": HIDDEN, "lr_schedule": "constant"}
    config = CONFIGS[name](**shape | common | ours)
    population: Any = create(config, SEEN, SPACES[space], SEEDS, 1_000_000)
    nets = population._nets.networks
    nets.flat *= 1.5  # away from where all actions are alike
    learners, parts = [], []
    for m, seed in enumerate(SEEDS):
        tapes = [Tape(space, 10 * seed + b) for b in range(ENVS)]
        made = ALGORITHMS[name](
            "MlpPolicy",
            DummyVecEnv([lambda tape=tape: tape for tape in tapes]),  # type: ignore[misc] # a lambda with a default
            policy_kwargs={"net_arch": list(HIDDEN)},
            seed=seed,
            device="cpu",
            **common | theirs,
        )
        made.policy.load_state_dict(as_theirs(nets.state_dict(), m))
        made.set_logger(Logger(None, []))
        _, callback = made._setup_learn(STEPS * ENVS, None)
        assert made.collect_rollouts(made.env, callback or CallbackList([]), made.rollout_buffer, STEPS)
        actions = (
            made.rollout_buffer.actions.squeeze(-1) if space == "discrete" else made.rollout_buffer.actions
        )
        by_time = [[tape.notes[t] for tape in tapes] for t in range(STEPS)]  # [T][B]
        columns = [
            np.array(column) for column in zip(*(note for row in by_time for note in row), strict=True)
        ]
        parts.append([*columns, actions.reshape(STEPS * ENVS, *actions.shape[2:])])
        learners.append(made)
    obs, reward, terminated, truncated, next_obs, action = (
        np.stack(part) for part in zip(*parts, strict=True)
    )
    assert terminated.any() and truncated.any()
    if space == "discrete":
        action = action.astype(np.int64)
    level = np.full(reward.shape, -1)
    batch = Batch(obs, action, reward, terminated, truncated, next_obs, None, {}, None, level, None)
    return Pair(learners, population, batch)


def as_theirs(state: dict[str, Array], m: int) -> dict[str, torch.Tensor]:
    """Member m's parameters under their names."""
    names = {
        "policy": ("mlp_extractor.policy_net", "action_net"),
        "value": ("mlp_extractor.value_net", "value_net"),
    }
    found = {"log_std": torch.as_tensor(state["log_std"][m, 0])} if "log_std" in state else {}
    for ours, (hidden, last) in names.items():
        for i in range(len(HIDDEN) + 1):
            layer = last if i == len(HIDDEN) else f"{hidden}.{2 * i}"
            found[f"{layer}.weight"] = torch.as_tensor(state[f"{ours}.{i}.weight"][m].T.copy())
            found[f"{layer}.bias"] = torch.as_tensor(state[f"{ours}.{i}.bias"][m, 0])
    return found


def by_member(buffer_column: Array) -> Array:
    """Theirs [T, B] -> [T x B] in our order."""
    return buffer_column.reshape(-1)


def hand_over_normalised(learner: Any) -> None:
    """Normalise the advantages of a full buffer as ours does, with N where theirs has N - 1."""
    buffer = learner.rollout_buffer
    buffer.advantages = (buffer.advantages - buffer.advantages.mean()) / (buffer.advantages.std() + 1e-8)


def assert_same_parameters(both: Pair, start: dict[str, Array]) -> None:
    """To 1e-5, after moves that are fifty times longer."""
    state = both.ours._nets.networks.state_dict()
    for m, learner in enumerate(both.theirs):
        found, before = as_theirs(state, m), as_theirs(start, m)
        assert found.keys() == learner.policy.state_dict().keys()
        for name, expected in learner.policy.state_dict().items():
            torch.testing.assert_close(found[name], expected, atol=1e-5, rtol=1e-5)
            assert (found[name] - before[name]).abs().max() > 5e-4, name


def trained(both: Pair) -> tuple[dict[str, Array], dict[str, Array]]:
    """Update both. Returns our parameters before and our metrics."""
    start = both.ours._nets.networks.state_dict()
    metrics = both.ours.update(both.batch).metrics
    for learner in both.theirs:
        learner.train()
    return start, metrics


def logged(both: Pair, name: str) -> list[float]:
    return [float(learner.logger.name_to_value[f"train/{name}"]) for learner in both.theirs]


# ---- returns


@spaces
@pytest.mark.parametrize("lambda_", [0.0, LAMBDA, 1.0])
def test_advantages_and_returns_are_theirs(space: str, lambda_: float) -> None:
    """With lambda 1 the returns are the n-step returns of A2C, n up to the end of the rollout."""
    both = pair("a2c", space, {"gae_lambda": lambda_}, {"gae_lambda": lambda_})
    nets = both.ours._nets
    value = nets.value(nets.observed(both.batch.obs))
    advantage = nets.advantage(both.batch, value, lambda_)
    for m, learner in enumerate(both.theirs):
        buffer = learner.rollout_buffer
        np.testing.assert_allclose(value[m], by_member(buffer.values), atol=1e-5)
        np.testing.assert_allclose(advantage[m], by_member(buffer.advantages), atol=1e-5)
        np.testing.assert_allclose((advantage + value)[m], by_member(buffer.returns), atol=1e-5)


# ---- A2C


@spaces
def test_a_whole_update_of_a2c_is_theirs_and_so_are_its_losses(space: str) -> None:
    both = pair("a2c", space, {"entropy": 0.01}, {"ent_coef": 0.01, "use_rms_prop": False})
    start, metrics = trained(both)
    assert metrics["policy_loss"] == pytest.approx(logged(both, "policy_loss"), abs=1e-5)
    assert metrics["value_loss"] == pytest.approx(logged(both, "value_loss"), abs=1e-5)
    assert metrics["entropy"] == pytest.approx([-x for x in logged(both, "entropy_loss")], abs=1e-5)
    assert_same_parameters(both, start)


# ---- PPO

PPO_CASES = {
    "plain": ({}, {}),
    "value clipping": ({"value_clip": 0.02}, {"clip_range_vf": 0.02}),
    "early stop": ({"target_kl": 0.004}, {"target_kl": 0.004}),
}


@spaces
@pytest.mark.parametrize("case", PPO_CASES)
def test_a_whole_update_of_ppo_is_theirs(space: str, case: str) -> None:
    ours, theirs = PPO_CASES[case]
    n = STEPS * ENVS
    both = pair(
        "ppo",
        space,
        {"epochs": 8, "batch": n, "entropy": 0.01, **ours},
        {"n_epochs": 8, "batch_size": n, "ent_coef": 0.01, "normalize_advantage": False, **theirs},
    )
    for learner in both.theirs:
        hand_over_normalised(learner)
    start, metrics = trained(both)
    assert_same_parameters(both, start)
    if case == "early stop":  # both members, and long before the end
        taken = both.ours._nets.adam.state_dict()["count"][:, 0]
        expected = [
            float(next(iter(learner.policy.optimizer.state.values()))["step"]) for learner in both.theirs
        ]
        assert taken.tolist() == expected
        assert min(taken) >= 1
        assert max(taken) < 8
        assert (metrics["kl"] > 1.5 * 0.004).all()


@spaces
@pytest.mark.parametrize("value_clip", [None, 0.02])
def test_the_losses_of_ppo_are_theirs(space: str, value_clip: float | None) -> None:
    """Of the second of two steps, when the ratio is no longer 1: theirs tells the mean of both."""
    n, told = STEPS * ENVS, []
    for epochs in (1, 2):
        both = pair(
            "ppo",
            space,
            {"epochs": epochs, "batch": n, "value_clip": value_clip},
            {"n_epochs": epochs, "batch_size": n, "normalize_advantage": False, "clip_range_vf": value_clip},
        )
        for learner in both.theirs:
            hand_over_normalised(learner)
        _, metrics = trained(both)
        told.append(metrics)
    names = {"policy_loss": "policy_gradient_loss", "value_loss": "value_loss"}
    for ours, theirs in names.items():
        mean = (told[0][ours] + told[1][ours]) / 2
        assert mean == pytest.approx(logged(both, theirs), abs=1e-5)
    assert (told[0]["policy_loss"] != told[1]["policy_loss"]).all()


# ---- TRPO


@pytest.mark.parametrize("space", ["discrete", "one number"])
def test_a_whole_update_of_trpo_is_theirs(space: str, monkeypatch: pytest.MonkeyPatch) -> None:
    n = STEPS * ENVS
    both = pair(
        "trpo",
        space,
        {"epochs": 5, "batch": n, "target_kl": 0.01, "cg_steps": 6, "cg_damping": 0.1, "max_grad_norm": 1e9},
        {"n_critic_updates": 5, "batch_size": n, "target_kl": 0.01, "cg_max_steps": 6, "cg_damping": 0.1},
    )
    monkeypatch.setattr(torch, "randn_like", torch.zeros_like)
    start, metrics = trained(both)
    assert logged(both, "is_line_search_success") == metrics["moved"].tolist() == [1.0, 1.0]
    # theirs is KL(new || old), ours KL(old || new) as in the paper: they differ in the third order
    assert metrics["kl"] == pytest.approx(logged(both, "kl_divergence_loss"), rel=0.2)
    assert_same_parameters(both, start)
