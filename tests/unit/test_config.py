"""Configs: what may be written, by which name, and what is said when it is wrong."""

import re
import tomllib
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
from pydantic import Field, ValidationError, field_validator

from tradebot.agents.configs import CONFIGS
from tradebot.config import Config, build, counted, distribute, listed, read_toml, suggestion, to_toml
from tradebot.core import InputError
from tradebot.market.configs import TradingConfig
from tradebot.market.costs import Costs
from tradebot.rl.configs import RunConfig


class Oven(Config):
    heat: float = Field(180.0, gt=0, le=300, description="Degrees")
    fan: bool = Field(False, description="Blow")
    mode: Literal["bake", "grill"] = "bake"
    shelves: tuple[int, ...] = Field((1, 2), min_length=1)
    door: str | None = None

    @field_validator("fan")
    @classmethod
    def _no_fan(cls, value: bool) -> bool:
        if value:
            raise ValueError("is broken")
        return value


def test_values_go_before_defaults() -> None:
    assert build(Oven, {"heat": 90}) == Oven(heat=90.0)
    assert build(Oven, {}) == Oven()


def test_a_config_cannot_be_changed() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        Oven().heat = 3.0  # type: ignore[misc]  # that it is refused when it runs is the test


@pytest.mark.parametrize(
    ("text", "shelves"), [("3", (3,)), ("1, 2,3", (1, 2, 3)), ([4], (4,)), ((5, 6), (5, 6))]
)
def test_a_text_becomes_a_tuple_by_its_commas(text: object, shelves: tuple[int, ...]) -> None:
    assert build(Oven, {"shelves": text}).shelves == shelves


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"heat": 400}, "heat: should be less than or equal to 300 (got 400)"),
        ({"heat": "hot"}, "heat: should be a valid number (got 'hot')"),
        ({"heat": float("nan")}, "heat: should be a finite number (got nan)"),
        ({"heat": float("inf")}, "heat: should be a finite number (got inf)"),
        ({"mode": "fry"}, "mode: should be 'bake' or 'grill' (got 'fry')"),
        ({"shelves": ""}, "shelves: needs at least 1 value(s)"),
        ({"shelves": "1,x"}, "shelves.1: should be a valid integer (got 'x')"),
        ({"fan": True}, "fan: is broken"),
        (
            {"heat": 0, "mode": 3},
            "heat: should be greater than 0 (got 0); mode: should be 'bake' or 'grill' (got 3)",
        ),
        ({"haet": 3}, "unknown setting 'haet': did you mean 'heat'?"),
        ({"xyz": 3}, "unknown setting 'xyz': choose from heat, fan, mode, shelves, door"),
    ],
)
def test_a_wrong_value_is_named_in_one_line(values: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=rf"^{re.escape(message)}$"):
        build(Oven, values)


def test_the_line_says_where_the_value_was_written_and_how() -> None:
    with pytest.raises(InputError, match=r"^heat: .* \(got 400, in \[oven\] of x\.toml\)$"):
        build(Oven, {"heat": 400}, "[oven] of x.toml")
    with pytest.raises(InputError, match=r"^unknown setting 'haet' in \[oven\] of x\.toml: did you"):
        build(Oven, {"haet": 400}, "[oven] of x.toml")
    with pytest.raises(InputError, match=r"^--heat: should"):
        build(Oven, {"heat": 400}, spelled=lambda key: f"--{key}")
    with pytest.raises(
        InputError, match=r"^\[oven\] of x\.toml: should be a table of keys and values \(got 3\)$"
    ):
        build(Oven, 3, "[oven] of x.toml")


def test_a_long_value_does_not_fill_the_line() -> None:
    with pytest.raises(InputError) as error:
        build(Oven, {"mode": "x" * 10_000})
    assert len(str(error.value)) < 200


def test_near_words_are_suggested_and_far_ones_listed() -> None:
    assert suggestion("haet", ["heat", "fan"]) == ": did you mean 'heat'?"
    assert suggestion("zzz", ["heat", "fan"]) == ": choose from heat, fan"
    assert suggestion("zzz", ["heat", "fan"], 2) == ": choose from heat, fan"
    assert suggestion("zzz", ["heat", "fan", "mode"], 1) == ": choose from heat and 2 more"
    assert suggestion("mod", ["heat", "fan", "mode"], 1) == ": did you mean 'mode'?"


def test_a_list_is_text_with_commas_or_any_sequence() -> None:
    assert listed(" A, B ,") == listed(["A", "B"]) == listed(("A", "B")) == ("A", "B")
    assert listed("") == listed(()) == ()


def test_flat_settings_find_their_sections() -> None:
    models: dict[str, type[Config]] = {"run": RunConfig, "costs": Costs}
    assert distribute({"steps": 3, "commission_bps": 2}, models) == {
        "run": {"steps": 3},
        "costs": {"commission_bps": 2},
    }
    with pytest.raises(InputError, match="unknown setting 'stesp': did you mean 'steps'"):
        distribute({"stesp": 3}, models)


@pytest.mark.parametrize("agent", CONFIGS)
def test_no_two_sections_of_a_run_share_a_key(agent: str) -> None:
    """A keyword or a flag would not know where to go."""
    keys = [key for model in (RunConfig, TradingConfig, Costs, CONFIGS[agent]) for key in model.model_fields]
    assert sorted(set(keys)) == sorted(keys)


@pytest.mark.parametrize("agent", CONFIGS)
def test_every_setting_says_what_it_is(agent: str) -> None:
    for model in (RunConfig, TradingConfig, Costs, CONFIGS[agent]):
        silent = [key for key, field in model.model_fields.items() if not field.description]
        assert silent in ([], ["name"])


def test_one_of_a_kind_is_no_plural() -> None:
    assert [counted(n, "bar") for n in (0, np.int64(1), np.int64(2000))] == ["0 bars", "1 bar", "2,000 bars"]


def test_what_is_written_as_toml_is_read_back(tmp_path: Path) -> None:
    oven = Oven(heat=90.5, shelves=(3,), door="")
    path = tmp_path / "oven.toml"
    path.write_text(to_toml({"oven": oven, "other": Oven()}))
    tables = read_toml(path)
    assert build(Oven, tables["oven"]) == oven
    assert build(Oven, tables["other"]) == Oven()
    assert "door" not in tomllib.loads(to_toml({"other": Oven()}))["other"]  # there is no None in TOML


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"[[[", "not valid TOML"), (b"\xff", "not valid TOML"), (b"x = " + b"[" * 9999, "TOML")],
)
def test_what_is_no_toml_is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "oven.toml"
    path.write_bytes(content)
    with pytest.raises(InputError, match=f"oven.toml: .*{message}"):
        read_toml(path)


def test_a_toml_file_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="No such file"):
        read_toml(tmp_path / "missing.toml")
    with pytest.raises(InputError, match="Is a directory"):
        read_toml(tmp_path)
