"""A function of a file: found, run as a script would be, and every fault told in one line."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from tradebot import plugins
from tradebot.core import InputError


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """own.py in the working directory; write it."""
    monkeypatch.chdir(tmp_path)
    return Path("own.py")


def test_a_function_of_a_file_is_called_and_answers_in_numbers(own: Path) -> None:
    own.write_text("def double(x):\n    return [2 * v for v in x]\n")
    answer = plugins.load("own.py:double")([1, 2])
    assert answer.dtype == np.float64 and answer.tolist() == [2.0, 4.0]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("missing.py:f", "missing.py:f: missing.py cannot be read (No such file or directory)"),
        (".py:f", ".py:f: .py cannot be read (No such file or directory)"),
        ("own.py", "'own.py' is no function of a file: write it as file.py:name"),
        ("own.py:", "'own.py:' is no function of a file: write it as file.py:name"),
        ("own.py:f()", "'own.py:f()' is no function of a file: write it as file.py:name"),
        ("own.py:trnd", "own.py:trnd: no function 'trnd' in own.py: did you mean 'trend'?"),
        ("own.py:zzz", "own.py:zzz: no function 'zzz' in own.py: choose from trend, Fast"),
        ("own.py:SPAN", "own.py:SPAN: 'SPAN' is no function but 50"),
    ],
)
def test_what_is_not_there_is_refused_with_what_is(own: Path, name: str, message: str) -> None:
    own.write_text("from math import log\nSPAN = 50\ndef trend(bars): ...\nclass Fast: ...\n")
    with pytest.raises(InputError) as caught:
        plugins.load(name)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("def f(:\n", "own.py:f: SyntaxError: invalid syntax (own.py, line 1)"),
        ("x = 1\n1 / 0\n", "own.py:f: ZeroDivisionError: division by zero (own.py, line 2)"),
        ("import nil_", "own.py:f: ModuleNotFoundError: No module named 'nil_' (own.py, line 1)"),
        ("raise ValueError('a\\nb')", "own.py:f: ValueError: a b (own.py, line 1)"),
        ("import sys\nsys.exit(0)", "own.py:f: SystemExit: 0 (own.py, line 2)"),
        ("assert False", "own.py:f: AssertionError (own.py, line 1)"),
        ("", "own.py:f: no function 'f' in own.py: it has none"),
    ],
)  # fmt: skip
def test_an_error_in_the_file_is_told_with_its_kind_and_line(own: Path, text: str, message: str) -> None:
    own.write_text(text)
    with pytest.raises(InputError) as caught:
        plugins.load("own.py:f")
    assert str(caught.value) == message


def test_an_error_in_a_call_is_told_with_the_line_of_the_file_not_of_the_library(own: Path) -> None:
    own.write_text("import numpy as np\ndef f(x):\n    return np.reshape(x, (2, 2))\n")
    with pytest.raises(
        InputError, match=r"^own\.py:f: ValueError: cannot reshape .* \(own\.py, line 3\)$"
    ) as caught:
        plugins.load("own.py:f")(np.ones(3))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("value", ["'many'", "{1: 2}", "[[1], [1, 2]]", "f"])
def test_what_are_no_numbers_is_refused(own: Path, value: str) -> None:
    own.write_text(f"def f():\n    return {value}\n")
    with pytest.raises(InputError, match=r"^own\.py:f: should return an array of numbers, not "):
        plugins.load("own.py:f")()


def test_a_forgotten_return_is_called_so(own: Path) -> None:
    own.write_text("def f():\n    3\n")
    with pytest.raises(InputError, match=r"^own\.py:f: returned nothing: does it lack a `return`\?$"):
        plugins.load("own.py:f")()


def test_what_it_prints_does_not_mix_with_the_answer(own: Path, capsys: pytest.CaptureFixture[str]) -> None:
    own.write_text("print('loading')\ndef f():\n    print('calling')\n    return 1\n")
    plugins.load("own.py:f")()
    assert capsys.readouterr() == ("", "loading\ncalling\n")


def test_a_file_finds_what_lies_beside_it_and_nothing_is_left_behind(own: Path) -> None:
    for folder, value in (("a", 1), ("b", 2)):
        (Path(folder) / "inner").mkdir(parents=True)
        Path(folder, "beside.py").write_text(f"from inner.deep import VALUE\nassert VALUE == {value}\n")
        Path(folder, "inner", "deep.py").write_text(f"VALUE = {value}\n")
        Path(folder, "own.py").write_text("import beside\ndef f():\n    return beside.VALUE\n")
    path = list(sys.path)
    one, other = plugins.load("a/own.py:f"), plugins.load("b/own.py:f")
    assert (one(), other()) == (1, 2)
    assert sys.path == path and not {"beside", "inner", "inner.deep"} & sys.modules.keys()
    assert {file.name for file in Path("a").rglob("*")} == {"own.py", "beside.py", "inner", "deep.py"}


def test_its_sources_written_elsewhere_load_as_it_did(own: Path) -> None:
    Path("inner").mkdir()
    Path("inner/deep.py").write_text("VALUE = 3\n")
    own.write_text("import numpy\nfrom inner import deep\ndef f():\n    return deep.VALUE\n")
    plugin = plugins.load("own.py:f")
    assert plugin.sources.keys() == {"own.py", "inner/deep.py"}
    for name, content in plugin.sources.items():
        Path("copy", name).parent.mkdir(parents=True, exist_ok=True)
        Path("copy", name).write_bytes(content)
    own.unlink()
    Path("inner/deep.py").write_text("VALUE = 4\n")
    copy = plugins.load("own.py:f", Path("copy"))
    assert copy() == 3 and copy.sources == plugin.sources


def test_a_file_is_loaded_as_it_is_now_however_soon_it_was_changed(own: Path) -> None:
    for value in (1, 2, 3):  # the same size within the same second
        own.write_text(f"def f():\n    return {value}\n")
        assert plugins.load("own.py:f")() == value


def test_its_annotations_are_its_own_affair_and_dataclasses_work(own: Path) -> None:
    own.write_text(
        "from dataclasses import dataclass\n@dataclass\nclass P:\n    x: int\n"
        "def f():\n    return P.__annotations__['x'] is int\n"
    )
    assert plugins.load("own.py:f")() == 1.0


def test_a_run_keeps_one_folder_for_each_file() -> None:
    names = ["rsi", "a/own.py:f", "b/own.py:f", "position", "a/own.py:g"]
    assert plugins.places(names) == {"a/own.py:f": "0", "b/own.py:f": "1", "a/own.py:g": "0"}
