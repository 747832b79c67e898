"""What PPO, TRPO and REINFORCE promise of their updates beyond the contract."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from tradebot.agents.configs import CONFIGS, TRPOConfig
from tradebot.agents.registry import create
from tradebot.agents.trpo import fit_value, move_policy
from tradebot.core import Array, Batch, Box, Discrete, Population, Space
from tradebot.rl.actor_critic import ActorCritic

MEMBERS, STEPS, ENVS = 3, 8, 2
N = STEPS * ENVS
SEEN = Box(np.full(2, -np.inf), np.full(2, np.inf))
SPACES: dict[str, Space] = {
    "discrete": Discrete(3),
    "continuous": Box(-np.ones(2, np.float32), np.ones(2, np.float32)),
}


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def agent(name: str, space: str = "discrete", **settings: Any) -> Any:
    shape = {"envs": ENVS, "n_steps": STEPS, "hidden": (4,), "lr_schedule": "constant"}
    return create(CONFIGS[name](**shape | settings), SEEN, SPACES[space], range(MEMBERS), 1000)


def rollout(space: str = "discrete", ended: Array | None = None, reward: Array | None = None) -> Batch:
    """Random transitions; ended [M, N]: terminated."""
    random = np.random.default_rng(0)
    obs = random.standard_normal((MEMBERS, N + ENVS, 2)).astype(np.float32)
    no, level = np.zeros((MEMBERS, N), bool), np.full((MEMBERS, N), -1)
    action = random.integers(0, 3, (MEMBERS, N)) if space == "discrete" else obs[:, ENVS:] + 0.1
    drawn = random.standard_normal((MEMBERS, N))
    over = no if ended is None else ended
    return Batch(
        obs[:, :-ENVS],
        action,
        drawn if reward is None else reward,
        over,
        no,
        obs[:, ENVS:],
        None,
        {},
        None,
        level,
        None,
    )


def parameters(of: Any, part: str = "") -> dict[str, Tensor]:
    networks = of._nets.networks
    return {name: value.clone() for name, value in networks.parameters.items() if part in name}


def moved(before: dict[str, Tensor], of: Any) -> Tensor:
    """[M] bool: whether any of these parameters has changed."""
    now = parameters(of)
    changed = [(now[name] != value).flatten(1).any(1) for name, value in before.items()]
    return torch.stack(changed).any(0)


# ---- PPO


def test_a_member_that_has_gone_too_far_does_not_move_for_the_rest_of_the_rollout() -> None:
    """Beside trainings of 1 to 6 steps without a bound: each member stands where one of them ended."""
    endless = [agent("ppo", epochs=n, batch=N, learning_rate=0.05, clip=0.9) for n in range(1, 7)]
    for free in endless:
        free.update(rollout())
    after = torch.stack([free._nets.networks.flat for free in endless])  # [6, M, P] after that many steps
    bounded = agent("ppo", epochs=6, batch=N, learning_rate=0.05, clip=0.9, target_kl=0.04)
    kl = torch.as_tensor(bounded.update(rollout()).metrics["kl"])
    taken = []
    for m in range(MEMBERS):
        same = [bool(torch.equal(bounded._nets.networks.flat[m], one[m])) for one in after]
        assert sum(same) == 1, m
        taken.append(same.index(True) + 1)
    assert len(set(taken)) > 1
    assert 1 < min(taken) < 6
    assert all((kl[m] > 1.5 * 0.04) == (taken[m] < 6) for m in range(MEMBERS))
    assert bounded._nets.adam.state_dict()["count"][:, 0].tolist() == taken


def test_the_order_of_later_rollouts_does_not_depend_on_when_a_member_stopped() -> None:
    """Else a member would be shuffled otherwise alone than in company."""
    early, late = agent("ppo", epochs=4, batch=4, target_kl=1e-9), agent("ppo", epochs=4, batch=4)
    for each in (early, late):
        each.update(rollout())
    assert early._nets._order.count == late._nets._order.count == 4


def test_a_bound_on_the_value_holds_it_near_where_it_was() -> None:
    """With steps of 0.1 it runs far away, unless only those move it that are still within the bound."""
    distances = []
    for bound in (None, 0.05):
        one, batch = agent("ppo", epochs=20, batch=N, learning_rate=0.1, value_clip=bound), rollout()
        before = one._nets.value(one._nets.observed(batch.obs))
        one.update(batch._replace(reward=batch.reward + 100.0))
        distances.append((one._nets.value(one._nets.observed(batch.obs)) - before).abs().mean())
    assert distances[1] < distances[0] / 3


# ---- TRPO


def exact_fisher(space: str, obs: Tensor, names: list[str], values: tuple[Tensor, ...]) -> Tensor:
    """The Hessian of the mean KL(old || new) at old [P, P], by autograd; values: parameters of one member."""

    def distribution(*now: Tensor) -> torch.distributions.Distribution:
        of = dict(zip(names, now, strict=True))
        hidden = torch.tanh(obs @ of["policy.0.weight"] + of["policy.0.bias"])
        output = hidden @ of["policy.1.weight"] + of["policy.1.bias"]
        if space == "discrete":
            return torch.distributions.Categorical(logits=output)
        return torch.distributions.Independent(torch.distributions.Normal(output, of["log_std"].exp()), 1)

    def divergence(*now: Tensor) -> Tensor:
        return torch.distributions.kl_divergence(distribution(*values), distribution(*now)).mean()

    blocks = torch.autograd.functional.hessian(divergence, values)
    rows = zip(values, blocks, strict=True)
    return torch.cat([torch.cat([block.reshape(v.numel(), -1) for block in row], 1) for v, row in rows])


@pytest.mark.parametrize("space", SPACES)
def test_the_fisher_product_is_that_with_the_exact_matrix(space: str) -> None:
    config = TRPOConfig(hidden=(4,), envs=ENVS, n_steps=STEPS)
    nets = ActorCritic(config, Population(SEEN, SPACES[space], range(MEMBERS), 0))
    networks = nets.networks
    networks.flat *= 3.0  # away from where all actions are alike
    if space == "continuous":
        networks.parameters["log_std"][:] = torch.tensor([-0.5, 0.25])
    batch = rollout(space)
    opinion = nets.judge_policy(nets.observed(batch.obs), nets.tensor(batch.action))
    names = [name for name in networks.parameters if "value" not in name]
    share = torch.full((MEMBERS, N), 1.0 / N)
    for m in range(MEMBERS):
        values = tuple(networks.parameters[name][m].double() for name in names)
        columns = []
        for name, value in zip(names, values, strict=True):
            for k in range(value.numel()):
                direction = torch.zeros_like(networks.flat)
                networks._cut(direction)[name][m, k // value.shape[1], k % value.shape[1]] = 1.0
                product = networks._cut(opinion.fisher(direction, share))
                parts = zip(names, values, strict=True)
                columns.append(torch.cat([product[n][m, : len(v), : v.shape[1]].flatten() for n, v in parts]))
                assert not any(part.any() for n, part in product.items() if n.startswith("value"))
        exact = exact_fisher(space, torch.as_tensor(batch.obs[m]).double(), names, values)
        torch.testing.assert_close(torch.stack(columns, 1), exact.float(), atol=1e-6, rtol=1e-4)


@pytest.mark.parametrize("space", SPACES)
def test_a_step_stays_within_its_divergence_and_gains(space: str) -> None:
    one = agent("trpo", space, target_kl=0.02)
    told = one.update(rollout(space)).metrics
    assert (told["moved"] == 1).all() and (told["gain"] > 0).all()
    assert ((told["kl"] > 0.002) & (told["kl"] < 0.02)).all()


def test_where_the_line_search_finds_nothing_the_policy_stays_and_the_value_moves_all_the_same() -> None:
    """All rewards of member 1 are equal, and so no action is better than another: there is no gradient."""
    one, reward = agent("trpo", gamma=0.0), rollout().reward
    one._nets.networks.parameters["value.1.weight"].zero_()  # V = 0
    reward[1] = 1.0
    policy, value = parameters(one, "policy"), parameters(one, "value")
    told = one.update(rollout(reward=reward)).metrics
    assert told["moved"].tolist() == [1.0, 0.0, 1.0]
    assert told["kl"][1] == told["gain"][1] == 0.0
    assert moved(policy, one).tolist() == [True, False, True]
    assert moved(value, one).all()


def test_the_values_optimiser_leaves_the_policy_alone() -> None:
    one, other, batch = agent("trpo"), agent("trpo"), rollout()
    c = TRPOConfig()  # as theirs, but for the shapes
    for _ in range(2):
        one.update(batch)
        nets = other._nets
        obs, action = nets.observed(batch.obs), nets.tensor(batch.action)
        value = nets.value(obs)
        advantage = nets.advantage(batch, value, 0.95)
        with torch.inference_mode():
            move_policy(nets, obs, action, advantage, None, c)
        assert not moved(parameters(one, "policy"), other).any()
        assert moved(parameters(one, "value"), other).all()
        with torch.inference_mode():
            fit_value(nets, obs, advantage + value, None, c)
        assert not moved(parameters(one), other).any()


# ---- REINFORCE


def test_without_baseline_what_goes_on_after_the_rollout_is_left_out() -> None:
    """In environment 0 an episode ends after step 5, in environment 1 none: later rewards say nothing."""
    ended = np.zeros((MEMBERS, STEPS, ENVS), bool)
    ended[:2, 5, 0] = True  # member 2 has no end at all
    reward = rollout().reward.reshape(MEMBERS, STEPS, ENVS)
    results = []
    for unknown in (0.0, 50.0):
        one, changed = agent("reinforce", baseline=False), reward.copy()
        changed[:, 6:, 0] += unknown
        changed[:, :, 1] += unknown
        before = parameters(one)
        one.update(rollout(ended=ended.reshape(MEMBERS, N), reward=changed.reshape(MEMBERS, N)))
        assert moved(before, one).tolist() == [True, True, False]
        results.append(one._nets.networks.flat.clone())
    assert torch.equal(*results)


def test_its_gradient_is_the_mean_of_the_rewards_to_go_times_the_slope_of_the_log_probability() -> None:
    """Against autograd, with and without a baseline; gamma 1/2."""
    ended = np.zeros((MEMBERS, STEPS, ENVS), bool)
    ended[:, -1] = True
    batch = rollout(ended=ended.reshape(MEMBERS, N))
    reward = batch.reward.reshape(MEMBERS, STEPS, ENVS)
    to_go = np.zeros_like(reward)
    for t in reversed(range(STEPS)):
        to_go[:, t] = reward[:, t] + (0.5 * to_go[:, t + 1] if t + 1 < STEPS else 0.0)
    for baseline in (False, True):
        one = agent("reinforce", gamma=0.5, baseline=baseline, max_grad_norm=1e9)
        nets, leaves = one._nets.networks, {}
        for name, value in nets.parameters.items():
            leaves[name] = value.clone().requires_grad_()

        def forward(name: str, leaves: dict[str, Tensor] = leaves) -> Tensor:
            x = torch.as_tensor(batch.obs)
            hidden = torch.tanh(x @ leaves[f"{name}.0.weight"] + leaves[f"{name}.0.bias"])
            return hidden @ leaves[f"{name}.1.weight"] + leaves[f"{name}.1.bias"]

        action = torch.as_tensor(batch.action)[..., None]
        log_prob = torch.log_softmax(forward("policy"), -1).gather(2, action)[..., 0]
        worth, value = torch.as_tensor(to_go.reshape(MEMBERS, N)).float(), forward("value")[..., 0]
        loss = -(log_prob * (worth - value.detach() if baseline else worth)).mean(1)
        loss = loss + 0.5 * ((worth - value) ** 2).mean(1) * baseline
        loss.sum().backward()
        one.update(batch)
        for name, leaf in leaves.items():
            expected = torch.zeros_like(leaf) if leaf.grad is None else leaf.grad
            part = nets._slopes[name][:, : leaf.shape[1], : leaf.shape[2]]
            torch.testing.assert_close(part, expected, atol=1e-6, rtol=1e-4)
