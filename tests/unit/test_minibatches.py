"""Minibatches hand out every sample of a member once, in its own order."""

from __future__ import annotations

import torch

from tradebot.rl.minibatches import minibatches


def test_each_member_is_cut_in_its_own_order_and_columns_stay_together() -> None:
    number = torch.arange(10).view(2, 5)
    pair = torch.stack([number, -number], -1)
    order = torch.tensor([[4, 0, 3, 1, 2], [0, 1, 2, 3, 4]])
    found = list(minibatches([number, pair], order, 2))
    assert [part[0].tolist() for part in found] == [[[4, 0], [5, 6]], [[3, 1], [7, 8]], [[2], [9]]]
    assert all(torch.equal(part[1], torch.stack([part[0], -part[0]], -1)) for part in found)
