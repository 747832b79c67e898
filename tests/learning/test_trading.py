"""Agents on markets whose optimum is known, judged on fresh bars.

Eight seeds, with default hyperparameters and 100,000 transitions each. Where that is long, which is marked,
there is a short training beside it, with hyperparameters for these markets and 40,000 transitions.
The observation is the last return and the position.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tradebot
from tests.learning import ar1
from tradebot.core import Array
from tradebot.market import features, optima, synthetic
from tradebot.market.configs import TradingConfig
from tradebot.market.costs import Costs
from tradebot.market.env import TradingEnv
from tradebot.prices.bars import Bars

OBSERVED = ("last_return", "position")
SOON: dict[str, dict[str, Any]] = {
    "dqn": {"envs": 128, "batch": 1024, "every": 128, "target_every": 16, "n_step": 3, "per": True},
    "ppo": {"envs": 16, "n_steps": 16, "epochs": 2, "learning_rate": 3e-3},
}
AGENTS = pytest.mark.parametrize(
    ("agent", "extra"),
    [
        pytest.param("dqn", {"per": True}, marks=pytest.mark.learning, id="dqn"),
        pytest.param("ppo", {}, marks=pytest.mark.learning, id="ppo"),
        pytest.param("a2c", {}, id="a2c"),
        *(pytest.param(name, own | {"steps": 40_000}, id=f"{name}, soon") for name, own in SOON.items()),
    ],
)
AR1 = f"synthetic:ar1?phi={ar1.PHI}&sigma={ar1.SIGMA}"
MARTINGALE, MARTINGALE_COST_BP = "synthetic:gbm?sigma=0.01", 20.0


@AGENTS
def test_on_autocorrelated_returns_the_median_seed_earns_nine_tenths_of_the_optimum(
    agent: str, extra: dict[str, Any], tmp_path: Path
) -> None:
    run = trained(agent, AR1, ar1.COST_BP, tmp_path, extra)
    bars = synthetic.read(f"{AR1}&seed=1001&n=1000001")
    score = ar1.additive_score(bars, positions(run, bars)) / ar1.OPTIMUM_BP
    assert np.median(score) >= 0.9, np.sort(score)


@AGENTS
def test_on_a_martingale_the_median_seed_stands_still(
    agent: str, extra: dict[str, Any], tmp_path: Path
) -> None:
    run = trained(agent, MARTINGALE, MARTINGALE_COST_BP, tmp_path, extra)
    bars = synthetic.read(f"{MARTINGALE}&seed=1001&n=100001")
    held = positions(run, bars)
    flat = (held == 0).mean(axis=0)
    net = ar1.additive_score(bars, held, phi=0.0, cost_bp=MARTINGALE_COST_BP)
    assert np.median(flat) >= 0.9, np.sort(flat)
    assert np.median(net) >= -0.5, np.sort(net)


def trained(agent: str, market: str, cost_bp: float, folder: Path, extra: dict[str, Any]) -> tradebot.Run:
    return tradebot.train(
        agent,
        data=f"{market}&seed=1&n=100000",
        actions="long-short",
        features=OBSERVED,
        commission_bps=cost_bp,
        half_spread_bps=0,
        seeds=8,
        out=folder,
        **{"steps": 100_000} | extra,
    )


def positions(run: tradebot.Run, bars: Bars, grid: int = 2001) -> Array:
    """[T, M] in -1, 0, 1 from flat: each agent is asked once for every return on a grid and every position.

    The time that a million steps in a row would take goes into as many bars.
    """
    config = TradingConfig(actions="long-short", features=OBSERVED)
    table = features.table(bars, config.features, config.lookback)
    env = TradingEnv(bars, config, Costs(), first=table.warmup, last=len(bars) - 1, table=table)
    (bound, _) = env.observation_space.high
    seen = np.linspace(-bound, bound, grid, dtype=np.float32)
    obs = np.stack(np.broadcast_arrays(seen[:, None], optima.POSITIONS.astype(np.float32)), axis=-1)
    of_all = np.tile(obs.reshape(1, -1, 2), (len(run.seeds), 1, 1))
    action, _ = run.agent(env.observation_space, env.action_space).act(of_all, explore=False)
    choice = optima.POSITIONS[action].reshape(len(run.seeds), grid, 3)
    nearest = np.rint((table.market[:, 0] + bound) / (2 * bound) * (grid - 1)).astype(int)
    return np.asarray(optima.follow(choice.transpose(1, 0, 2)[nearest]))
