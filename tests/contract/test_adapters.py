"""Our environments under the rules of other libraries, Gymnasium's and stable-baselines3's."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from typing import Any

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium.utils.env_checker import check_env
from stable_baselines3 import PPO
from stable_baselines3.common.env_checker import check_env as check_env_of_sb3
from stable_baselines3.common.env_util import make_vec_env

from tests.candles import bars, walk
from tradebot.core import Array, InputError
from tradebot.envs import NAVIGATION, RING, TRADING, drawing, trading_gym
from tradebot.envs.as_gym import BatchEnv
from tradebot.envs.sb3 import BatchVecEnv, TradingVecEnv
from tradebot.market import kernel
from tradebot.market.configs import TradingConfig
from tradebot.market.costs import Costs
from tradebot.market.env import RUIN, TradingEnv, quotes, reward_scale, span

WILD = walk(150, seed=1, move=0.8, gap=0.5)  # moves enough to ruin who is short, or even long
SETTINGS: dict[str, Any] = {"actions": "long-short", "window": 12}
SCHEMES = pytest.mark.parametrize("actions", ["long-flat", "long-short", "weights", "orders"])


def batch(seeds: range) -> TradingEnv:
    """What the adapters should be made of, made by hand: all features, whose warm-up is 60 bars."""
    first, last = span(WILD, None, None, 60)
    return TradingEnv(
        WILD,
        TradingConfig(actions="long-short"),
        Costs(),
        first=first,
        last=last,
        seeds=seeds,
        window=12,
        reward_scale=reward_scale(WILD, first, last),
    )


def played(env: gymnasium.vector.VectorEnv[Any, Any, Any], steps: int) -> list[Any]:
    """All that it says under seed 5 to random actions."""
    env.action_space.seed(0)
    said: list[Any] = list(env.reset(seed=5))
    for _ in range(steps):
        said += env.step(env.action_space.sample())
    return said


def assert_same(one: Any, other: Any) -> None:
    """To the last bit, in dicts and in arrays of objects too."""
    assert type(one) is type(other)
    if isinstance(one, dict):
        assert one.keys() == other.keys()
        for key in one:
            assert_same(one[key], other[key])
    elif isinstance(one, np.ndarray):
        assert one.dtype == other.dtype and one.shape == other.shape
        if one.dtype == object:
            for a, b in zip(one, other, strict=True):
                assert_same(a, b)
        else:
            assert np.array_equal(one, other)
    else:
        assert one == other


# ---- where Gymnasium finds it


def ran(program: str, env: dict[str, str] | None = None) -> str:
    """What it prints."""
    words = [sys.executable, "-c", program]
    done = subprocess.run(words, capture_output=True, text=True, check=False, env=env)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_importing_both_packages_registers_it_and_loads_nothing_heavy() -> None:
    heavy = "{'torch', 'numba', 'pandas', 'matplotlib'} & set(sys.modules)"
    assert ran(f"import sys, gymnasium, tradebot; print({heavy})") == "set()"
    assert ran(f"import gymnasium, tradebot; print('{TRADING}' in gymnasium.registry)") == "True"


def test_importing_tradebot_alone_does_not_load_gymnasium() -> None:
    assert ran("import sys, tradebot; print('gymnasium' in sys.modules)") == "False"


def test_loading_prices_registers_it_whichever_package_was_imported_first() -> None:
    program = f"""
import tradebot, gymnasium
env = gymnasium.make("{TRADING}", bars=tradebot.load("AAPL"))
print(env.reset(seed=0)[1])
"""
    assert ran(program) == "{'equity': 100000.0, 'position': 0.0}"


# ---- the single environment


@SCHEMES
def test_the_checkers_of_both_libraries_pass(actions: str) -> None:
    env = gymnasium.make(TRADING, bars=WILD, actions=actions)
    check_env(env.unwrapped)
    check_env_of_sb3(env.unwrapped)


def test_episodes_of_a_seed_are_those_of_the_trading_environment() -> None:
    """Rewards, equity and the windows of one episode after the other, to the last bit."""
    env, ours = trading_gym.single(WILD, **SETTINGS), batch(range(7, 8))
    obs, _ = env.reset(seed=7)
    expected, n_ended = ours.reset()[0], 0
    for action in np.random.default_rng(0).integers(0, 3, 100):
        assert np.array_equal(obs, expected)
        obs, reward, terminated, truncated, info = env.step(action)
        step = ours.step(np.array([action]))
        assert np.array_equal(obs, step.next_obs[0]) and reward == step.reward[0]
        assert (terminated, truncated) == (step.terminated[0], step.truncated[0])
        if terminated or truncated:
            obs, info = env.reset()
            n_ended += 1
        assert info["equity"] == ours.equity[0]
        expected = step.obs[0]
    assert n_ended >= 8


def test_equity_and_position_at_the_end_are_those_of_the_kernel_that_replays_the_requests() -> None:
    market = walk(100, seed=2)
    env = trading_gym.single(market, actions="long-short", window=None, start="2020-03-05")
    env.reset(seed=0)
    chosen = np.random.default_rng(1).integers(0, 3, 100)
    equity, position, done, t = [], [], False, 0
    while not done:
        _, _, _, done, info = env.step(chosen[t])
        t += 1
        equity.append(info["equity"])
        position.append(info["position"])
    assert t == 35  # decisions on the bars from 5 March, number 64, to the last but one, number 98
    requests = np.array([-1.0, 0.0, 1.0])[chosen[: t + 1]]
    price, config, costs = market.rows(64, 99), TradingConfig(), Costs()
    terms = kernel.terms(costs, config)
    made = kernel.simulate(*quotes(price, costs), requests[None, :, None], 100_000.0, terms, 1_000.0)
    units, worth = made.units[0, 1:, 0], made.equity[0, 1:]
    assert equity == worth.tolist()
    assert position == pytest.approx(units * price.close[1:, 0] / worth, abs=1e-12)


def test_a_reset_in_the_middle_of_an_episode_begins_the_next_one() -> None:
    env, ours = trading_gym.single(WILD, **SETTINGS), batch(range(3, 4))
    env.reset(seed=3)
    ours.reset()
    env.step(1)
    assert np.array_equal(env.reset()[0], ours.reset()[0])


def test_without_a_seed_each_environment_goes_its_own_way() -> None:
    firsts = [trading_gym.single(WILD, **SETTINGS).reset()[0] for _ in range(16)]
    assert len(np.unique(firsts, axis=0)) > 4  # of 78 windows


def test_a_step_without_an_episode_is_refused() -> None:
    env = trading_gym.single(WILD, **SETTINGS, start="2020-05-20")
    with pytest.raises(gymnasium.error.ResetNeeded, match="call reset"):
        env.step(1)
    env.reset(seed=0)
    while not env.step(1)[3]:
        pass
    with pytest.raises(gymnasium.error.ResetNeeded, match="call reset"):
        env.step(1)


def test_ruin_terminates_and_leaves_no_position() -> None:
    close = [10.0, 10.0, 20.0, 20.0]
    env = trading_gym.single(
        bars([10.0, *close[:-1]], close),
        actions="long-short",
        features=("equity",),
        commission_bps=0,
        half_spread_bps=0,
        reward_scale=1.0,
    )
    env.reset()
    assert env.step(0)[4] == {"equity": 100_000.0, "position": -1.0}
    _, reward, terminated, truncated, info = env.step(0)  # the short has lost all there was
    assert (terminated, truncated) == (True, False)
    assert info == {"equity": 0.0, "position": 0.0} and reward == pytest.approx(np.log(RUIN))


# ---- the batch


@SCHEMES
def test_the_batch_says_what_single_environments_in_a_row_say(actions: str) -> None:
    made = {"bars": WILD, "num_envs": 6, "actions": actions, "window": 12}
    vector = gymnasium.make_vec(TRADING, **made)
    assert isinstance(vector, BatchEnv)
    sync = gymnasium.make_vec(
        TRADING, vectorization_mode="sync", vector_kwargs={"autoreset_mode": "SameStep"}, **made
    )
    for space in ("observation_space", "action_space", "single_observation_space", "single_action_space"):
        assert getattr(vector, space) == getattr(sync, space)
    assert vector.metadata["autoreset_mode"] == sync.metadata["autoreset_mode"]
    said = played(vector, 100)
    for one, other in zip(said, played(sync, 100), strict=True):
        assert_same(one, other)
    assert sum("final_obs" in info for info in said[6::5]) >= 3
    if actions in ("long-short", "weights"):
        assert np.any(said[4::5])  # some were ruined


def test_seeds_are_one_for_all_or_one_for_each() -> None:
    env = trading_gym.batch(WILD, 3, **SETTINGS)
    together, _ = env.reset(seed=4)
    each, _ = env.reset(seed=[4, 5, 6])
    other, _ = env.reset(seed=[6, 5, 4])
    following, _ = env.reset()
    assert np.array_equal(together, each) and np.array_equal(other, each[::-1])
    assert not np.array_equal(following, other)
    with pytest.raises(InputError, match=r"^2 seeds were given for 3 environments$"):
        env.reset(seed=[4, 5])


def test_a_batch_must_be_reset_first_and_as_a_whole() -> None:
    env = trading_gym.batch(WILD, 2, **SETTINGS)
    with pytest.raises(gymnasium.error.ResetNeeded):
        env.step([1, 1])
    with pytest.raises(InputError, match="reset_mask cannot be used"):
        env.reset(options={"reset_mask": np.array([True, False])})


@pytest.mark.parametrize(
    ("actions", "complaint"),
    [
        ([0, 1], r"^actions should have the shape \(3,\), not \(2,\)$"),
        ([0, 1, -1], r"^actions should be 0 .. 2, not -1$"),
        ([0, 1, 3], r"^actions should be 0 .. 2, not 3$"),
    ],
)
def test_actions_that_are_none_are_refused(actions: list[int], complaint: str) -> None:
    env = trading_gym.batch(WILD, 3, **SETTINGS)
    env.reset(seed=0)
    with pytest.raises(InputError, match=complaint):
        env.step(actions)


# ---- settings


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({"comission_bps": 1.0}, r"^unknown setting 'comission_bps': did you mean 'commission_bps'\?$"),
        ({"cash": -1.0}, r"^cash: should be greater than 0 \(got -1.0\)$"),
        ({"symbols": "AAPL"}, r"^symbols: the prices are those of `bars`$"),
        ({"start": "2021"}, r"fewer than 2 bars from 2021 to the end"),
        ({"num_envs": 0}, r"^num_envs: should be 1 or more \(got 0\)$"),
    ],
)
def test_wrong_settings_are_named_in_one_line(settings: dict[str, Any], complaint: str) -> None:
    with pytest.raises(InputError, match=complaint):
        gymnasium.make_vec(TRADING, bars=WILD, **settings)


def test_settings_reach_the_market() -> None:
    """One buy at a price that stands still: the fee is what is lost, and the reward is not scaled."""
    flat = np.full(10, 4.0)
    env = trading_gym.single(
        bars(flat, flat), features="position", cash=1000.0, commission_bps=100, half_spread_bps=0
    )
    obs, info = env.reset()
    assert info["equity"] == 1000.0 and obs.shape == (1,)
    _, reward, _, _, info = env.step(1)
    assert info["equity"] == pytest.approx(1000.0 / 1.01) and reward == pytest.approx(-np.log(1.01))


# ---- worlds


WORLDS = pytest.mark.parametrize(
    ("name", "settings"),
    [
        pytest.param(RING, {"states": 7, "limit": 9}, id="ring"),
        pytest.param(NAVIGATION, {"limit": 20}, id="navigation"),
    ],
)


class Unseen:
    """A window where there is no display."""

    def __init__(self, world: str) -> None:
        self.pictures: list[Array] = []
        self.is_closed = False
        self.world = world

    def show(self, film: Any) -> None:
        self.pictures.append(drawing.rgb(self.world, film))

    def close(self) -> None:
        self.is_closed = True


@WORLDS
def test_the_checkers_of_both_libraries_pass_for_worlds(
    name: str, settings: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drawing, "Window", Unseen)
    env = gymnasium.make(name, **settings)
    check_env(env.unwrapped)
    check_env_of_sb3(env.unwrapped)


@WORLDS
def test_the_batch_of_worlds_says_what_single_ones_in_a_row_say(name: str, settings: dict[str, Any]) -> None:
    made = {"num_envs": 6, **settings}
    vector = gymnasium.make_vec(name, **made)
    assert isinstance(vector, BatchEnv)
    sync = gymnasium.make_vec(
        name, vectorization_mode="sync", vector_kwargs={"autoreset_mode": "SameStep"}, **made
    )
    for space in ("observation_space", "action_space", "single_observation_space", "single_action_space"):
        assert getattr(vector, space) == getattr(sync, space)
    assert vector.metadata["autoreset_mode"] == sync.metadata["autoreset_mode"]
    said = played(vector, 100)
    for one, other in zip(said, played(sync, 100), strict=True):
        assert_same(one, other)
    assert sum("final_obs" in info for info in said[6::5]) >= 3


@WORLDS
def test_a_thousand_steps_are_the_same_under_the_same_seed(name: str, settings: dict[str, Any]) -> None:
    def digest(seed: int) -> str:
        env, said = gymnasium.make(name, **settings), hashlib.sha256()
        env.action_space.seed(0)
        said.update(np.asarray(env.reset(seed=seed)[0]).tobytes())
        for _ in range(1_000):
            obs, reward, terminated, truncated, _ = env.step(env.action_space.sample())
            said.update(np.asarray(obs).tobytes() + np.array([reward, terminated, truncated]).tobytes())
            if terminated or truncated:
                said.update(np.asarray(env.reset()[0]).tobytes())
        return said.hexdigest()

    assert digest(3) == digest(3) != digest(4)


def test_a_ring_is_seen_as_the_number_of_its_state() -> None:
    env = gymnasium.make(RING, states=5)
    assert env.observation_space == gymnasium.spaces.Discrete(5)
    state = env.reset(seed=1)[0]
    assert env.step(2)[:2] == ((state + 1) % 5, 1.0 if state < 4 else -1.0)


@WORLDS
def test_pictures_show_the_step_that_was_taken_and_the_end_of_an_episode(
    name: str, settings: dict[str, Any]
) -> None:
    env = gymnasium.make(name, render_mode="rgb_array", **settings)
    env.reset(seed=5)
    env.action_space.seed(5)
    before, done = env.render(), False
    assert isinstance(before, np.ndarray) and before.shape == (500, 500, 3) and before.dtype == np.uint8
    while not done:
        _, _, terminated, truncated, _ = env.step(env.action_space.sample())
        done = terminated or truncated
    last = env.render()
    assert not np.array_equal(last, before)
    env.reset()
    assert not np.array_equal(env.render(), last)


def test_a_batch_hands_out_a_picture_of_each_and_begins_anew_with_an_episode() -> None:
    env = gymnasium.make_vec(RING, num_envs=3, states=5, limit=2, render_mode="rgb_array")
    one = gymnasium.make(RING, states=5, limit=2, render_mode="rgb_array")
    env.reset(seed=0)
    one.reset(seed=1)
    for _ in range(2):
        pictures = env.render()
        assert pictures is not None and len(pictures) == 3
        assert np.array_equal(pictures[1], one.render())
        env.step(np.array([2, 2, 2]))
        one.step(2)
    one.reset()
    assert np.array_equal(env.render()[1], one.render())


def test_the_information_says_who_has_come_to_the_goal() -> None:
    env = gymnasium.make_vec(NAVIGATION, num_envs=20, obstacles=0)
    obs, info = env.reset(seed=0)
    assert not info["is_success"].any()
    arrived = 0
    for _ in range(60):
        obs, reward, ended, _, info = env.step(obs[:, :2])  # straight to the goal
        assert not info["is_success"].any()
        if ended.any():
            assert np.array_equal(info["final_info"]["is_success"], ended & (reward > 50))
            arrived += int(info["final_info"]["is_success"].sum())
    assert arrived >= 20
    assert gymnasium.make(RING).reset(seed=0)[1] == {}


def test_a_list_of_pictures_is_gathered_by_gymnasium() -> None:
    env = gymnasium.make(RING, render_mode="rgb_array_list")
    env.reset(seed=0)
    env.step(2)
    frames = env.render()
    assert isinstance(frames, list) and len(frames) == 2


def test_a_window_shows_every_step_and_closes_with_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    windows = []
    monkeypatch.setattr(drawing, "Window", lambda world: windows.append(Unseen(world)) or windows[-1])
    env = gymnasium.make(RING, render_mode="human")
    env.reset(seed=0)
    env.step(2)
    (window,) = windows
    assert len(window.pictures) == 2 and not np.array_equal(*window.pictures)
    assert env.render() is None and not window.is_closed
    env.close()
    assert window.is_closed


def test_a_window_without_a_display_is_refused_in_plain_words() -> None:
    program = f"""
import gymnasium, tradebot
env = gymnasium.make("{RING}", render_mode="human")
try:
    env.reset()
except tradebot.InputError as error:
    print(error)
"""
    without = {key: value for key, value in os.environ.items() if "DISPLAY" not in key}
    for backend in ({}, {"MPLBACKEND": "agg"}):
        said = ran(program, without | backend)
        assert said.startswith("render_mode='human' needs a display") and "rgb_array" in said


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({"states": 2}, r"^states: should be greater than or equal to 3 \(got 2\)$"),
        ({"sates": 5}, r"^unknown setting 'sates': did you mean 'states'\?$"),
        ({"render_mode": "ascii"}, r"^render_mode: unknown 'ascii'; choose from"),
        ({"num_envs": 0}, r"^num_envs: should be 1 or more \(got 0\)$"),
    ],
)
def test_wrong_settings_of_worlds_are_named_in_one_line(settings: dict[str, Any], complaint: str) -> None:
    with pytest.raises(InputError, match=complaint):
        gymnasium.make_vec(RING, **settings)


def test_trading_has_no_pictures() -> None:
    with pytest.raises(InputError, match="no pictures"):
        trading_gym.single(WILD, render_mode="rgb_array")


def test_ppo_of_the_library_trains_on_navigation() -> None:
    model = PPO(
        "MlpPolicy", BatchVecEnv(gymnasium.make_vec(NAVIGATION, num_envs=4)), n_steps=64, device="cpu"
    )
    before = flat(model)
    model.learn(512)
    after = flat(model)
    assert np.isfinite(after).all() and not np.array_equal(before, after)


# ---- stable-baselines3


def test_the_vecenv_says_how_each_episode_ended_and_where() -> None:
    env, ours = TradingVecEnv(WILD, 6, **SETTINGS), batch(range(11, 17))
    env.seed(11)
    assert np.array_equal(env.reset(), ours.reset())
    ends = set()
    for actions in np.random.default_rng(2).integers(0, 3, (60, 6)):
        obs, reward, done, infos = env.step(actions)
        step = ours.step(actions)
        ended = step.terminated | step.truncated
        assert np.array_equal(obs, step.obs) and np.array_equal(done, ended)
        assert np.array_equal(reward, step.reward.astype(np.float32))
        for e, info in enumerate(infos):
            assert info["TimeLimit.truncated"] is bool(step.truncated[e])
            assert info["equity"] == ours.accounts_left[e, kernel.EQUITY]
            assert ("terminal_observation" in info) == ended[e]
            if ended[e]:
                assert np.array_equal(info["terminal_observation"], step.next_obs[e])
                assert env.reset_infos[e] == {"equity": 100_000.0, "position": 0.0}
                ends.add(info["TimeLimit.truncated"])
    assert ends == {True, False}


def test_ppo_learns_on_it_and_bootstraps_where_an_episode_was_cut_but_not_after_ruin() -> None:
    env = TradingVecEnv(WILD, 4, **SETTINGS)
    model = PPO("MlpPolicy", env, n_steps=128, learning_rate=0.0, gamma=0.9, seed=3, device="cpu")
    model.learn(256)
    ours = batch(range(3, 7))
    ours.reset()
    n_ends = np.zeros(2, int)
    actions = model.rollout_buffer.actions.reshape(4, 128).T.astype(int)  # kept environment after environment
    for action, reward in zip(actions, model.rollout_buffer.rewards, strict=True):
        step = ours.step(action)
        with torch.no_grad():
            value = model.policy.predict_values(torch.as_tensor(step.next_obs)).numpy()[:, 0]
        assert (np.abs(value[step.terminated | step.truncated]) > 1e-4).all()  # so that a bootstrap shows
        assert reward == pytest.approx(step.reward + 0.9 * value * step.truncated, rel=1e-5, abs=1e-5)
        n_ends += step.terminated.sum(), step.truncated.sum()
    assert n_ends.min() >= 3


def test_ppo_moves_its_weights() -> None:
    model = PPO(
        "MlpPolicy",
        TradingVecEnv(WILD, 4, **SETTINGS),
        n_steps=32,
        batch_size=64,
        device="cpu",
    )
    before = flat(model)
    model.learn(256)
    after = flat(model)
    assert np.isfinite(after).all() and not np.array_equal(before, after)


def flat(model: PPO) -> Array:
    return np.concatenate([value.detach().numpy().ravel() for value in model.policy.parameters()])


def test_the_vecenv_is_one_batch_that_nobody_changes_by_parts() -> None:
    env = TradingVecEnv(WILD, 3, **SETTINGS)
    assert env.get_attr("num_envs", indices=[0, 2]) == [3, 3]
    assert env.env_is_wrapped(gymnasium.Wrapper) == [False] * 3
    with pytest.raises(AttributeError, match="one batch"):
        env.set_attr("cash", 1.0)
    with pytest.raises(AttributeError, match="one batch"):
        env.env_method("action_masks")
    env.close()


def test_the_library_makes_its_own_vecenv_of_the_single_one_with_the_same_numbers() -> None:
    theirs = make_vec_env(trading_gym.single, 3, seed=5, env_kwargs={"bars": WILD, **SETTINGS})
    ours = TradingVecEnv(WILD, 3, **SETTINGS)
    ours.seed(5)
    assert np.array_equal(ours.reset(), theirs.reset())
    for actions in np.random.default_rng(4).integers(0, 3, (40, 3)):
        for a, b in zip(ours.step(actions)[:3], theirs.step(actions)[:3], strict=True):
            assert np.array_equal(a, b)


def test_without_stable_baselines3_the_import_says_what_to_install() -> None:
    program = """
import sys
sys.modules["stable_baselines3"] = None
try:
    import tradebot.envs.sb3
except ImportError as error:
    print(error)
"""
    assert ran(program) == (
        "tradebot.envs.sb3 needs stable-baselines3: python -m pip install stable-baselines3"
    )
