"""Generated packages are complete or absent, and every refusal says what to do."""

from __future__ import annotations

import ast
import tomllib
from pathlib import Path

import pytest

from panther_core.scaffold import KINDS, ScaffoldError, create
from panther_core.testing import MakeProject

pytest_plugins = ["panther_core.testing.plugin"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["q", "two-words", "abcdefghij-abcdefghij-abcdefgh"])
def test_every_kind_gives_a_package_that_keeps_the_law_of_names(tmp_path: Path, kind: str, name: str) -> None:
    folder = create(kind, name, tmp_path)

    package = f"panther_{kind}_{name.replace('-', '_')}"
    project = tomllib.loads((folder / "pyproject.toml").read_text())["project"]
    assert folder == tmp_path / f"panther-{kind}-{name}"
    assert project["name"] == folder.name
    assert project["entry-points"] == {"panther": {f"{kind}-{name}": f"{package}.plugin"}}
    for part in ("__init__.py", "plugin.py", "py.typed"):
        assert (folder / "src" / package / part).is_file()
    (test,) = (folder / "tests").iterdir()
    assert test.name == f"test_{kind}_{name.replace('-', '_')}.py"


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_of_a_template_is_left_unfilled(tmp_path: Path, kind: str) -> None:
    for path in create(kind, "two-words", tmp_path).rglob("*"):
        if path.is_file():
            text = path.read_text()
            assert "__package__" not in str(path)
            assert "__ident__" not in str(path)
            assert not any(f"${word}" in text for word in ("name", "ident", "cls", "dist", "entry", "package", "kind"))
            if path.suffix == ".py":
                ast.parse(text)


def test_the_target_folder_is_made_and_holds_only_the_package(tmp_path: Path) -> None:
    target = tmp_path / "not" / "there" / "yet"
    folder = create("report", "table", target)
    assert list(target.iterdir()) == [folder]
    assert folder.stat().st_mode & 0o077 == target.stat().st_mode & 0o077


@pytest.mark.parametrize(
    ("kind", "name", "said"),
    [
        ("servce", "x", "did you mean 'service'"),
        ("nothing", "x", "one of protocol, service"),
        ("service", "", "cannot be the name"),
        ("service", "My Thing", "'my-thing'"),
        ("service", "../up", "'up'"),
        ("service", "a--b", "'a-b'"),
        ("service", "-x", "'x'"),
        ("service", "under_score", "'under-score'"),
        ("service", "1st", "begins with a letter"),
        ("service", "x" * 31, "at most 30"),
        ("service", "\u00e9cho", "cannot be the name"),
        ("service", "service-echo", "'echo'"),
        ("service", "panther-service-echo", "'echo'"),
        ("env", "panther-service-echo", "panther-env-echo"),
    ],
)
def test_what_cannot_be_made_is_refused_with_a_way_out(tmp_path: Path, kind: str, name: str, said: str) -> None:
    with pytest.raises(ScaffoldError) as caught:
        create(kind, name, tmp_path)
    assert said in str(caught.value)
    assert str(caught.value).count("\n") <= 3
    assert caught.value.exit_code == 2
    assert list(tmp_path.iterdir()) == []


def test_what_is_there_already_is_never_touched(tmp_path: Path) -> None:
    folder = create("test", "patient", tmp_path)
    (folder / "mine.txt").write_text("keep me")
    with pytest.raises(ScaffoldError, match="there already is"):
        create("test", "patient", tmp_path)
    assert (folder / "mine.txt").read_text() == "keep me"
    assert list(tmp_path.iterdir()) == [folder]


def test_a_dangling_link_counts_as_there(tmp_path: Path) -> None:
    (tmp_path / "panther-test-patient").symlink_to(tmp_path / "nowhere")
    with pytest.raises(ScaffoldError, match="there already is"):
        create("test", "patient", tmp_path)


def test_a_folder_that_cannot_be_written_is_reported_and_nothing_is_left(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(ScaffoldError, match="cannot write"):
        create("test", "patient", tmp_path / "file")
    assert (tmp_path / "file").read_text() == "not a folder"


def test_the_console_makes_packages_and_explains_refusals(panther_project: MakeProject) -> None:
    project = panther_project({})
    project.run("new plugin observer counter --into here").assert_ok()
    assert (project.folder / "here" / "panther-observer-counter" / "pyproject.toml").is_file()
    project.run("new plugin observer counter --into here").assert_exit(2, "there already is")
    project.run("new plugin observr counter").assert_exit(2, "did you mean 'observer'")
