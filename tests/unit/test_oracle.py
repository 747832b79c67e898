"""The hindsight optimum against every sequence of requests."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from tradebot.market import kernel, oracle
from tradebot.market.configs import Broker
from tradebot.market.costs import Costs


@pytest.mark.parametrize("short", [False, True])
@pytest.mark.parametrize("fee", [0.0, 0.001, 0.02])
def test_the_optimum_is_the_best_of_all_request_sequences(short: bool, fee: float) -> None:
    rng = np.random.default_rng(0)
    targets = (-1.0, 0.0, 1.0) if short else (0.0, 1.0)
    every = np.array([(*row, 0.0) for row in product(targets, repeat=7)])  # [K, T]
    for _ in range(20):
        prices = np.exp(np.cumsum(rng.normal(0, 0.04, 16)))
        open_, close = prices[::2].copy(), prices[1::2].copy()
        best, requests = oracle.optimum(open_, close, fee, 0.9 * fee, short)
        columns = np.concatenate([requests[None], every])[..., None]
        terms = kernel.terms(Costs(fees="free"), Broker(maintenance=0))  # a call is not foreseen
        terms[[kernel.BUY, kernel.SELL]] = fee, 0.9 * fee
        bars = np.stack([open_, close, np.ones(8)], axis=1)[:, None]
        own, *equity = kernel.simulate(bars, np.zeros(8), columns, 1.0, terms, 0.01).equity[:, -1]
        assert np.exp(best) == pytest.approx(max(equity), rel=1e-12)
        assert own == pytest.approx(max(equity), rel=1e-12)
        assert oracle.optimum(open_, close, 2 * fee, 2 * fee, short)[0] <= best + 1e-12
