"""The block in which networks are calculated, and that nothing of it is left behind."""

from __future__ import annotations

import torch

from tradebot.api.threads import one_thread


def test_within_the_block_there_is_one_thread_and_no_denormal_and_afterwards_all_is_as_before() -> None:
    before, tiny = torch.get_num_threads(), torch.full((32,), 1e-30)
    torch.set_num_threads(2)
    try:
        with one_thread():
            assert torch.get_num_threads() == 1
            assert not (tiny * 1e-10).any()
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
    assert (tiny * 1e-10).all()  # 1e-40 is below the smallest normal number, 1.2e-38
