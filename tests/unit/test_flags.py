"""Config models as flags: what is offered, what is handed on, and what is refused before anything loads."""

from typing import Annotated, Any, Literal

import pytest
import typer
from pydantic import Field
from typer.testing import CliRunner

from tradebot.cli.flags import with_flags
from tradebot.config import Config
from tradebot.core import InputError

Width = Annotated[int, Field(ge=1)]


class Oven(Config):
    heat: float = Field(180.0, gt=0, le=300, description="Degrees")
    big_fan: bool = Field(False, description="Blow")
    dry: bool = Field(False, description="Steam or not", json_schema_extra={"off": "steamed"})
    light: bool = Field(True, description="Shine")
    mode: Literal["bake", "grill"] = Field("bake", description="How")
    shelves: tuple[Width, ...] = Field((1, 2), description="Where")
    door: str | None = Field(None, description="Which")
    name: str = Field("oven", description="Hidden")


class Cake(Config):
    eggs: int = Field(3, ge=0, description="How many")
    door: int = Field(7, description="Never asked for: the oven has a door")


GIVEN: list[dict[str, Any]] = []


def bake(where: str = "", *, settings: dict[str, Any]) -> None:
    """Bake a cake."""
    GIVEN.append({"where": where, **settings})


def called(*words: str) -> dict[str, Any]:
    """What the command was given."""
    app = typer.Typer()
    app.command()(with_flags(bake, {"Oven": Oven, "Cake": Cake}, hidden=("name",)))
    GIVEN.clear()
    result = CliRunner().invoke(app, list(words))
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0, result.output
    return GIVEN[0]


def help_text(monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("COLUMNS", "200")
    app = typer.Typer()
    app.command()(with_flags(bake, {"Oven": Oven, "Cake": Cake}, hidden=("name",)))
    return CliRunner().invoke(app, ["--help"]).output


def test_only_what_was_given_is_handed_on() -> None:
    assert called() == {"where": ""}
    assert called("--where", "home", "--eggs", "2") == {"where": "home", "eggs": 2}


def test_values_have_the_types_of_their_fields() -> None:
    given = called(
        "--heat", "90", "--big-fan", "--no-light", "--shelves", "3, 4", "--mode", "grill", "--door", ""
    )
    expected = {"heat": 90.0, "big_fan": True, "light": False, "shelves": (3, 4), "mode": "grill", "door": ""}
    assert given == {"where": "", **expected}
    assert isinstance(given["heat"], float)


def test_a_switch_may_have_a_word_for_off() -> None:
    assert called("--steamed")["dry"] is False and called("--dry")["dry"] is True


def test_the_first_of_two_fields_with_one_name_has_the_flag() -> None:
    assert called("--door", "left") == {"where": "", "door": "left"}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--heat", "400"), r"^--heat: should be less than or equal to 300 \(got '400'\)$"),
        (("--shelves", "1,0"), r"^--shelves\.1: should be greater than or equal to 1"),
        (("--mode", "fry"), "^--mode: should be 'bake' or 'grill'"),
        (("--eggs", "x"), "^--eggs: should be a valid integer"),
    ],
)
def test_wrong_values_are_refused_by_flag_before_the_command_starts(
    words: tuple[str, ...], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        called(*words)
    assert GIVEN == []


@pytest.mark.parametrize(
    "line",
    [
        "--heat <float> Degrees (default 180; > 0, <= 300)",
        "--big-fan --no-big-fan <bool> Blow (default --no-big-fan)",
        "--light --no-light <bool> Shine (default --light)",
        "--mode <choice> How (default bake)",
        "--shelves <int,...> Where (default 1,2)",
        "--door <str> Which",
        "--eggs <int> How many (default 3; >= 0)",
    ],
)
def test_the_help_says_type_meaning_default_and_bounds(monkeypatch: pytest.MonkeyPatch, line: str) -> None:
    lines = [" ".join(text.strip("│ ").split()) for text in help_text(monkeypatch).splitlines()]
    assert line in lines


def test_hidden_fields_have_no_flag_and_panels_have_titles(monkeypatch: pytest.MonkeyPatch) -> None:
    text = help_text(monkeypatch)
    assert "--name" not in text
    assert "─ Oven ─" in text and "─ Cake ─" in text and "Bake a cake." in text
