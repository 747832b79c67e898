"""Nobody beats the hindsight optimum."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from tradebot.market import kernel, oracle
from tradebot.market.configs import Broker
from tradebot.market.costs import Costs


@given(
    seed=st.integers(0, 10_000),
    n=st.integers(2, 200),
    buy=st.floats(0, 0.03),
    sell=st.floats(0, 0.03),
    short=st.booleans(),
)
@settings(deadline=None)
def test_no_sequence_of_requests_beats_it_and_its_own_earns_it(
    seed: int, n: int, buy: float, sell: float, short: bool
) -> None:
    rng = np.random.default_rng(seed)
    prices = np.exp(np.cumsum(rng.normal(0, 0.01, 2 * n)))
    open_, close = prices[::2].copy(), prices[1::2].copy()
    best, requests = oracle.optimum(open_, close, buy, sell, short)
    assert best >= 0  # nothing is earned by staying flat
    others = np.repeat(rng.integers(-int(short), 2, (n, 50)), rng.integers(1, 9), axis=0)[:n].astype(float)
    columns = np.column_stack([requests, others]).T[:, :, None].copy()  # [K, T, 1]
    terms = kernel.terms(Costs(fees="free"), Broker(maintenance=0))  # margin calls are not its affair
    terms[[kernel.BUY, kernel.SELL]] = buy, sell
    bars = np.stack([open_, close, np.zeros(n)], axis=1)[:, None]  # [T, 1, 3]
    equity = kernel.simulate(bars, np.zeros(n), columns, 1.0, terms, 0.0).equity[:, -1]
    np.testing.assert_allclose(np.log(equity[0]), best, rtol=1e-9, atol=1e-12)
    assert (np.log(equity[1:]) <= best + 1e-12).all()
