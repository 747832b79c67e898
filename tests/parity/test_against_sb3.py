"""Agents that learn from a replay against stable-baselines3: the same batch, weights, noise and settings.

Theirs is one learner for each of our members, made as usual; only its weights, its replay and its random
numbers are replaced by ours. Then its own `train` does one update or two.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import gymnasium
import numpy as np
import pytest
import stable_baselines3
import torch
from stable_baselines3.common.logger import Logger
from stable_baselines3.common.type_aliases import ReplayBufferSamples
from torch import Tensor, nn

from tradebot.agents.configs import CONFIGS
from tradebot.agents.registry import create
from tradebot.core import Array, Batch, Box, Discrete, Space, Update
from tradebot.rl.networks import Networks

SEEDS = (3, 8)
N, OBS, ACTIONS = 64, 3, 2
HIDDEN = [32, 16]
BOUND = 2.5  # of our actions; theirs are stored within +-1
RATE, TAU = 3e-4, 0.02
SETTINGS: dict[str, Any] = {
    "hidden": tuple(HIDDEN),
    "batch": N,
    "learning_rate": RATE,
    "lr_schedule": "constant",
    "tau": TAU,
}
THEIRS: dict[str, Any] = {"learning_rate": RATE, "batch_size": N, "buffer_size": N, "device": "cpu"}


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


class Nowhere(gymnasium.Env[Array, Any]):
    """Theirs wants an environment for its spaces."""

    observation_space = gymnasium.spaces.Box(-9, 9, (OBS,))

    def __init__(self, action_space: gymnasium.Space[Any]) -> None:
        self.action_space = action_space


class OneBatch:
    """A replay that holds this batch of member m."""

    def __init__(self, batch: Batch, m: int) -> None:
        action = batch.action[m, :, None] if batch.action.ndim == 2 else batch.action[m] / BOUND
        columns = (batch.obs[m], action, batch.next_obs[m])
        numbers = (batch.terminated[m], batch.reward[m], batch.extras["discount"][m])
        tensors = [torch.as_tensor(column) for column in columns]
        tensors += [torch.as_tensor(number[:, None], dtype=torch.float32) for number in numbers]
        self._samples = ReplayBufferSamples(*tensors)

    def sample(self, batch_size: int, env: object = None) -> ReplayBufferSamples:
        assert batch_size == N
        return self._samples


def drawn(action_space: Space) -> Batch:
    """Transitions of which some end, some are cut off, and some were summed over several steps."""
    random = np.random.default_rng(0)
    shape = (len(SEEDS), N)
    ended = random.random(shape)
    discrete = isinstance(action_space, Discrete)
    return Batch(
        obs=random.standard_normal((*shape, OBS)).astype(np.float32),
        action=random.integers(0, action_space.n, shape)
        if isinstance(action_space, Discrete)
        else random.uniform(-BOUND, BOUND, (*shape, ACTIONS)).astype(np.float32),
        reward=random.standard_normal(shape) * (3.0 if discrete else 1.0),
        terminated=ended < 0.2,
        truncated=ended > 0.8,
        next_obs=random.standard_normal((*shape, OBS)).astype(np.float32),
        next_action=None,
        extras={"discount": 0.97 ** random.integers(1, 4, shape)},
        index=None,
        level=np.full(shape, -1),
        weight=None,
    )


def made(name: str, **settings: Any) -> tuple[Any, Batch]:
    """Our two learners, with slow networks that have fallen behind, and a batch."""
    space: Space = Box(np.full(ACTIONS, -BOUND, np.float32), np.full(ACTIONS, BOUND, np.float32))
    space = Discrete(4) if name == "dqn" else space
    seen = Box(np.full(OBS, -9, np.float32), np.full(OBS, 9, np.float32))
    agent: Any = create(CONFIGS[name](**SETTINGS | settings), seen, space, SEEDS, 1000)
    for networks in slow(agent):
        networks.flat *= 0.9
    return agent, drawn(space)


def slow(agent: Any) -> list[Networks]:
    if hasattr(agent, "_target"):
        return [agent._target]
    owners = [agent._nets.values, agent._nets.policy] if hasattr(agent, "_nets") else [agent._values]
    return [owner.networks.target for owner in owners]


def theirs(algorithm: type, batch: Batch, m: int, action_space: gymnasium.Space[Any], **settings: Any) -> Any:
    kwargs = {"net_arch": HIDDEN} | settings.pop("policy_kwargs", {})
    learner = algorithm("MlpPolicy", Nowhere(action_space), policy_kwargs=kwargs, **THEIRS | settings)
    learner.set_logger(Logger(None, []))
    learner.replay_buffer = OneBatch(batch, m)
    return learner


def paired(networks: Networks, name: str, m: int, layers: Sequence[Sequence[nn.Linear]]) -> list[Any]:
    """(our parameter, theirs) of each layer of member m; where they have several heads, ours is one layer."""
    pairs = []
    for i, heads in enumerate(layers):
        sizes = [head.out_features for head in heads]
        weights = networks.parameters[f"{name}.{i}.weight"][m].split(sizes, dim=1)
        biases = networks.parameters[f"{name}.{i}.bias"][m, 0].split(sizes)
        for head, weight, bias in zip(heads, weights, biases, strict=True):
            pairs += [(weight.T, head.weight), (bias, head.bias)]
    return pairs


def linear(module: nn.Module) -> list[list[nn.Linear]]:
    return [[part] for part in module.modules() if isinstance(part, nn.Linear)]


def give(pairs: Sequence[tuple[Tensor, Tensor]]) -> None:
    """Our parameters to them."""
    for mine, other in pairs:
        other.data.copy_(mine)


def agree(pairs: Sequence[tuple[Tensor, Tensor]]) -> None:
    for mine, other in pairs:
        torch.testing.assert_close(mine, other.data, atol=1e-5, rtol=0)


def said(update: Update, name: str, m: int) -> float:
    return float(update.metrics[name][m])


def told(learner: Any, name: str) -> float:
    return float(learner.logger.name_to_value[f"train/{name}"])


WEIGHTS = gymnasium.spaces.Box(-1, 1, (ACTIONS,))


@pytest.mark.parametrize("max_grad_norm", [10.0, 0.1])
def test_an_update_of_dqn_is_theirs(max_grad_norm: float) -> None:
    agent, batch = made("dqn", double=False, target_every=1, max_grad_norm=max_grad_norm)
    learners, online, target = [], [], []
    for m in range(len(SEEDS)):
        learner = theirs(
            stable_baselines3.DQN,
            batch,
            m,
            gymnasium.spaces.Discrete(4),
            tau=TAU,
            target_update_interval=1,
            max_grad_norm=max_grad_norm,
            policy_kwargs={"optimizer_kwargs": {"eps": 1e-5}},
        )
        online.append(paired(agent._online, "q", m, linear(learner.q_net)))
        target.append(paired(agent._target, "q", m, linear(learner.q_net_target)))
        give(online[m] + target[m])
        learners.append(learner)
    update = agent.update(batch)
    for m, learner in enumerate(learners):
        learner.train(gradient_steps=1, batch_size=N)
        assert said(update, "loss", m) == pytest.approx(told(learner, "loss"), abs=1e-5)
        agree(online[m])
        learner._n_calls, learner.exploration_schedule = 0, lambda progress: 0.1
        learner._on_step()  # there they move their slow network
        agree(target[m])


@pytest.mark.parametrize("name", ["ddpg", "td3"])
def test_two_updates_of_ddpg_and_td3_are_theirs(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    twin = name == "td3"
    agent, batch = made(name)
    learners: list[Any] = []
    pairs: list[list[tuple[Tensor, Tensor]]] = []
    for m in range(len(SEEDS)):
        algorithm = stable_baselines3.TD3 if twin else stable_baselines3.DDPG
        learner = theirs(algorithm, batch, m, WEIGHTS, tau=TAU)
        pairs.append([])
        for mine, critic in (("online", learner.critic), ("target", learner.critic_target)):
            networks = getattr(agent._nets.values.networks, mine)
            for k, network in enumerate(critic.q_networks):
                pairs[m] += paired(networks, f"q{k}", m, linear(network))
        for mine, actor in (("online", learner.actor), ("target", learner.actor_target)):
            pairs[m] += paired(getattr(agent._nets.policy.networks, mine), "policy", m, linear(actor))
        give(pairs[m])
        learners.append(learner)
    noise = []
    if twin:
        noise = [torch.as_tensor(agent._smoothing.draw(), dtype=torch.float32) for _ in range(2)]
        agent._smoothing.count = 0
    updates = [agent.update(batch) for _ in range(2)]  # TD3 moves its policy in the second
    for m, learner in enumerate(learners):
        for step, update in enumerate(updates):
            if twin:
                numbers = noise[step][m]
                monkeypatch.setattr(
                    Tensor, "normal_", lambda to, mean, std, n=numbers: to.copy_(mean + std * n)
                )
            learner.logger.name_to_value.clear()
            learner.train(gradient_steps=1, batch_size=N)
            assert said(update, "loss", m) == pytest.approx(told(learner, "critic_loss"), abs=1e-5)
            if not twin:
                assert said(update, "policy_loss", m) == pytest.approx(told(learner, "actor_loss"), abs=1e-5)
        agree(pairs[m])


@pytest.mark.parametrize("learned", [True, False])
def test_an_update_of_sac_is_theirs(learned: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    agent, batch = made("sac", temperature=0.3, target_entropy=-1.0, learn_temperature=learned)
    learners: list[Any] = []
    pairs: list[list[tuple[Tensor, Tensor]]] = []
    for m in range(len(SEEDS)):
        learner = theirs(
            stable_baselines3.SAC, batch, m, WEIGHTS, tau=TAU, ent_coef="auto_0.3" if learned else 0.3
        )
        pairs.append([])
        for mine, critic in (("online", learner.critic), ("target", learner.critic_target)):
            for k, network in enumerate(critic.q_networks):
                pairs[m] += paired(getattr(agent._values.networks, mine), f"q{k}", m, linear(network))
        actor = learner.actor
        layers = [*linear(actor.latent_pi), [actor.mu, actor.log_std]]
        pairs[m] += paired(agent._policy, "policy", m, layers)
        give(pairs[m])
        learners.append(learner)
    noise = torch.as_tensor(agent._drawn.draw(), dtype=torch.float32)  # [M, 2, N, A]: of obs, of next_obs
    agent._drawn.count = 0
    update = agent.update(batch)
    for m, learner in enumerate(learners):
        numbers = iter(noise[m])
        monkeypatch.setattr(
            torch.distributions.normal, "_standard_normal", lambda *_, given=numbers, **__: next(given)
        )
        learner.train(gradient_steps=1, batch_size=N)
        assert said(update, "loss", m) == pytest.approx(told(learner, "critic_loss"), abs=1e-5)
        assert said(update, "policy_loss", m) == pytest.approx(told(learner, "actor_loss"), abs=1e-5)
        assert said(update, "temperature", m) == pytest.approx(told(learner, "ent_coef"), abs=1e-6)
        agree(pairs[m])
        temperature = agent._temperature.parameters["log"][m, 0]
        if learned:
            torch.testing.assert_close(temperature, learner.log_ent_coef.data, atol=1e-5, rtol=0)
        else:
            assert temperature.item() == pytest.approx(np.log(0.3))
