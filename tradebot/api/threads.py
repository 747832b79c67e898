"""How networks are calculated: as small as ours they are fastest on one thread, and reproducible there.

A number below 1e-38 counts as zero meanwhile. An optimiser's moments come there where a parameter gets no
gradient any more, and stay; processors may take a hundred times as long over such a (denormal) number.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def one_thread() -> Iterator[None]:
    """Within the block torch calculates on one thread, and without denormals; afterwards as before."""
    import torch  # slow to import: only who asks waits for it

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(False)
        torch.set_num_threads(before)
