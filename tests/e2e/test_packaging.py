"""The wheel: what somebody gets who installs tradebot without its repository."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def names(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The files in a wheel that is built from this checkout."""
    out = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(out), str(ROOT)]
    done = subprocess.run(build, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    (wheel,) = out.glob("tradebot-*.whl")
    return zipfile.ZipFile(wheel).namelist()


def test_the_wheel_carries_the_sample_prices_and_says_where_they_are_from(names: list[str]) -> None:
    data = {path.relative_to(ROOT).as_posix() for path in (ROOT / "data").iterdir()}
    assert sum(name.endswith(".parquet") for name in data) == 2
    assert {f"tradebot/{name}" for name in data} <= set(names)
    assert any(name.startswith("tradebot/data/PROVENANCE") for name in names)


def test_the_wheel_carries_every_module_its_types_and_the_licence(names: list[str]) -> None:
    modules = {path.relative_to(ROOT).as_posix() for path in (ROOT / "tradebot").rglob("*.py")}
    assert modules <= set(names)
    assert "tradebot/py.typed" in names
    assert any(name.endswith(".dist-info/licenses/LICENSE") for name in names)


def test_the_wheel_carries_the_presets(names: list[str]) -> None:
    presets = {path.relative_to(ROOT).as_posix() for path in (ROOT / "tradebot").rglob("*.toml")}
    assert "tradebot/agents/presets/ppo/CartPole-v1.toml" in presets
    assert presets <= set(names)


def test_the_wheel_carries_nothing_else(names: list[str]) -> None:
    folders = {Path(name).parts[0] for name in names}
    assert "tradebot" in folders
    assert all(folder.endswith(".dist-info") for folder in folders - {"tradebot"})
    assert not {"tests", "notebooks", "__pycache__"} & {part for name in names for part in Path(name).parts}
