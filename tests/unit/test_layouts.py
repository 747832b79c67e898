"""Files as vendors write them read to the same bars; what leaves two readings is asked, not guessed."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.layouts import HOURS, LAYOUTS, Layout, bars, frame, zipped
from tradebot.core import InputError
from tradebot.prices.bars import COLUMNS, Bars
from tradebot.prices.reading import ReadConfig, told
from tradebot.prices.sources import file


def written(tmp_path: Path, content: bytes | str, name: str = "AAA.csv") -> Path:
    path = tmp_path / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def refused(path: Path, how: ReadConfig | None = None) -> str:
    with pytest.raises(InputError) as caught:
        file.read(path, how=how or ReadConfig())
    assert len(str(caught.value).splitlines()) == 1
    return str(caught.value).removeprefix(f"{path}: ")


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS.keys())
def test_files_of_every_vendor_read_to_the_same_bars(tmp_path: Path, layout: Layout) -> None:
    read = file.read(written(tmp_path, layout.content, layout.name))
    for name in ("timestamps", *COLUMNS):
        np.testing.assert_array_equal(getattr(read, name), getattr(layout.bars, name))
    assert read.symbols == layout.bars.symbols
    assert read.fingerprint == layout.bars.fingerprint
