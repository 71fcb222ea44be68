"""YAML is read safely, and every problem of it has a place."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some

from panther_core.config.diagnostics import InvalidConfigurationError
from panther_core.config.document import load_document
from panther_core.config.overrides import apply_overrides
from panther_core.config.tree import exact, plain


def write(folder: Path, text: str | bytes, name: str = "x.yaml") -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def load(path: Path, environ: Mapping[str, str] | None = None, sets: tuple[str, ...] = ()) -> Any:
    variables = environ or {}
    return exact(plain(apply_overrides(load_document(path, environ=variables), sets, environ=variables)))


def problems(path: Path, environ: Mapping[str, str] | None = None, sets: tuple[str, ...] = ()) -> list[str]:
    with pytest.raises(InvalidConfigurationError) as caught:
        load(path, environ, sets)
    return [f"{each.line}:{each.column} {each.key} {each.message}" for each in caught.value.diagnostics]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1", 1),
        ("-0x1F", -31),
        ("0o17", 15),
        ("1_000", 1000),
        ("1.10", 1.1),
        ("1e3", 1000.0),
        ("true", True),
        ("no", "no"),
        ("NO", "NO"),
        ("12:30", "12:30"),
        ("2001-01-01", "2001-01-01"),
        ("~", None),
        ("", None),
        ("'1'", "1"),
        ("-.inf", float("-inf")),
    ],
)
def test_scalars_are_those_of_yaml_1_2_and_dates_stay_text(tmp_path: Path, text: str, value: object) -> None:
    found = load(write(tmp_path, f"a: {text}"))["a"]
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a: 1\nb: 2\na: 3\n", "3:1 a the key 'a' is already given in line 1"),
        ("a:\n\t- b\n", "2:1  a tab cannot indent YAML: use spaces"),
        ("a: [1\n", "2:1  not valid YAML: expected ',' or ']', but got '<stream end>' while parsing a flow sequence"),
        ("a: *x\n", "1:4  not valid YAML: found undefined alias 'x'"),
        ("a: 'x\x01'\n", "1:6  the character U+0001 is not allowed in YAML"),
        ("1: a\n", "1:1  '1' as a key must be quoted"),
        ("[a]: b\n", "1:1  a key must be a text"),
        (
            "a: !!python/name:os.system x\n",
            "1:4 a the tag !!python/name:os.system is not allowed (allowed: !include, !env)",
        ),
        ("a: !!binary eA==\n", "1:4 a the tag !!binary is not allowed (allowed: !include, !env)"),
        ("a: !!int x\n", "1:4 a 'x' is no int"),
        ("&a [*a]\n", "1:1 [0] the value contains itself"),
        (
            "a: 1\n---\nb: 1\n",
            "2:1  not valid YAML: but found another document expected a single document in the stream",
        ),
        ("<<: 1\n", "1:5  << needs a mapping, or a list of mappings"),
    ],
)
def test_what_is_wrong_has_its_place(tmp_path: Path, text: str, expected: str) -> None:
    assert problems(write(tmp_path, text)) == [expected]


def test_an_error_shows_its_line_with_a_caret_below_the_place(tmp_path: Path) -> None:
    path = write(tmp_path, "ok: 1\nname: !env NOWHERE\n")
    with pytest.raises(InvalidConfigurationError) as caught:
        load(path)
    assert str(caught.value) == (
        f"{path}:2:7: error: name: the environment variable NOWHERE is not set"
        " (to do without it: !env {name: NOWHERE, default: ...})\n"
        "      2 | name: !env NOWHERE\n"
        "        |       ^"
    )


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"a: \xff\n", "is not UTF-8 text"),
        (b"", "the file is empty"),
        (b"# nothing\n", "the file is empty"),
        (b"a: " + b"x" * (1 << 20), "larger than 1 MiB"),
        (b"[" * 5000, "nested too deeply"),
        (b"a: " + b"9" * 5000, "is no int"),
    ],
)
def test_files_that_are_no_experiments_are_refused(tmp_path: Path, content: bytes, expected: str) -> None:
    assert expected in problems(write(tmp_path, content))[0]


def test_a_missing_file_and_a_folder_are_refused(tmp_path: Path) -> None:
    assert "cannot be read: No such file" in problems(tmp_path / "none.yaml")[0]
    assert "cannot be read: Is a directory" in problems(tmp_path)[0]


def test_aliases_that_unfold_without_end_are_refused_at_once(tmp_path: Path) -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 12)]
    assert "unfold into more than 200,000 values" in problems(write(tmp_path, "\n".join(lines)))[0]


def test_anchors_and_merge_keys_work_and_own_keys_win(tmp_path: Path) -> None:
    assert load(write(tmp_path, "base: &b {x: 1, y: 2}\nown: {<<: *b, y: 3}\nlist: [*b]\n")) == {
        "base": {"x": 1, "y": 2},
        "own": {"y": 3, "x": 1},
        "list": [{"x": 1, "y": 2}],
    }


def test_includes_are_relative_to_the_file_that_names_them(tmp_path: Path) -> None:
    write(tmp_path, "inner: !include more.yaml", "parts/one.yaml")
    write(tmp_path, "[1, 2]", "parts/more.yaml")
    assert load(write(tmp_path, "a: !include parts/one.yaml\n")) == {"a": {"inner": [1, 2]}}


def test_an_error_in_an_included_file_names_that_file(tmp_path: Path) -> None:
    write(tmp_path, "x:\n  y: [\n", "parts/one.yaml")
    with pytest.raises(InvalidConfigurationError) as caught:
        load(write(tmp_path, "a: !include parts/one.yaml\n"))
    assert caught.value.diagnostics[0].file == str(tmp_path / "parts/one.yaml")


@pytest.mark.parametrize("name", ["../secret.yaml", "/etc/hostname", "link.yaml", "sub/../../secret.yaml"])
def test_includes_cannot_leave_the_folder_of_the_experiment(tmp_path: Path, name: str) -> None:
    write(tmp_path, "secret: 1", "secret.yaml")
    (tmp_path / "exp" / "sub").mkdir(parents=True)
    (tmp_path / "exp" / "link.yaml").symlink_to(tmp_path / "secret.yaml")
    assert "is outside the experiment's folder" in problems(write(tmp_path / "exp", f"a: !include {name}"))[0]


def test_includes_that_go_round_in_a_circle_are_refused(tmp_path: Path) -> None:
    write(tmp_path, "b: !include a.yaml", "b.yaml")
    assert problems(write(tmp_path, "a: !include b.yaml", "a.yaml")) == [
        "1:4 a.b 'a.yaml' includes itself: a.yaml -> b.yaml -> a.yaml"
    ]


def test_includes_of_includes_cannot_unfold_without_end(tmp_path: Path) -> None:
    for n in range(12):
        write(tmp_path, "[" + ", ".join([f"!include {n + 1}.yaml"] * 9) + "]", f"{n}.yaml")
    write(tmp_path, "x", "12.yaml")
    assert "more than 100 files are included" in problems(tmp_path / "0.yaml")[0]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a: !include [x]", "!include needs the name of a file"),
        ("a: !include none.yaml", "there is no file 'none.yaml'"),
        ("a: !env [x]", "!env needs a variable's name"),
        ("a: !env {nam: x}", "!env needs a variable's name"),
    ],
)
def test_includes_and_variables_say_how_to_write_them(tmp_path: Path, text: str, expected: str) -> None:
    assert expected in problems(write(tmp_path, text))[0]


def test_environment_variables_are_texts_with_defaults(tmp_path: Path) -> None:
    path = write(tmp_path, "a: !env HERE\nb: !env {name: GONE, default: [1]}\nc: !env {name: HERE, default: 1}\n")
    assert load(path, {"HERE": "a: [b"}) == {"a": "a: [b", "b": [1], "c": "a: [b"}


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("a.b=3", {"a": {"b": "3", "c": [{"name": "x"}, {"name": "y"}]}}),
        ("a.c.1.name=z", {"a": {"b": 1, "c": [{"name": "x"}, {"name": "z"}]}}),
        ("a.c[0].name=z", {"a": {"b": 1, "c": [{"name": "z"}, {"name": "y"}]}}),
        ("a.c.y.t=[1, {k: v}]", {"a": {"b": 1, "c": [{"name": "x"}, {"name": "y", "t": [1, {"k": "v"}]}]}}),
        ("new.deep=x=y", {"a": {"b": 1, "c": [{"name": "x"}, {"name": "y"}]}, "new": {"deep": "x=y"}}),
        ('a."b.c"="1"', {"a": {"b": 1, "c": [{"name": "x"}, {"name": "y"}], "b.c": "1"}}),
        ("a=", {"a": None}),
    ],
)
def test_a_value_from_the_command_line_is_put_at_its_path(tmp_path: Path, given: str, expected: object) -> None:
    path = write(tmp_path, "a: {b: 1, c: [{name: x}, {name: y}]}")
    assert load(path, sets=(given,)) == expected


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("a", "write it as path.to.key=value"),
        ("=1", "write it as path.to.key=value"),
        ("a..b=1", "write it as path.to.key=value"),
        ("a.c.7=1", "no element '7' (there are 0 to 0)"),
        ("a.b.x=1", "there is nothing below it, it is 1"),
        ("a.b=[", "not valid YAML"),
    ],
)
def test_a_value_that_cannot_be_put_names_the_option(tmp_path: Path, given: str, expected: str) -> None:
    with pytest.raises(InvalidConfigurationError) as caught:
        load(write(tmp_path, "a: {b: 1, c: [{}]}"), sets=(given, "z=1"))
    assert str(caught.value).startswith(f"--set {given}")
    assert expected in str(caught.value)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(some.one_of(some.text(max_size=60), some.text(alphabet="a:-[]{}&*!<>|'\"#%@,? \n\t01.~", max_size=40)))
def test_any_text_gives_a_tree_or_diagnostics(tmp_path: Path, text: str) -> None:
    path = write(tmp_path, text.encode("utf-8", "surrogatepass"))
    try:
        told = f"{path}: {load(path, {'A': 'b'})}"
    except InvalidConfigurationError as error:
        told = str(error)
    assert told.startswith(str(path))
