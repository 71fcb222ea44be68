"""Who may import whom, as import-linter sees it."""

from __future__ import annotations

import ast
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def _name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def _imports(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module.partition(".")[0])
    return found


def test_the_import_contracts_hold() -> None:
    pytest.importorskip("importlinter", reason="needs import-linter")
    command = [sys.executable, "-c", "from importlinter.cli import lint_imports_command; lint_imports_command()"]
    done = subprocess.run([*command, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_plugin_takes_part_in_the_contracts() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
    packages = {path.parent.name for path in ROOT.glob("plugins/*/src/*/__init__.py")}
    forbidden = [each for each in settings["contracts"] if each["type"] == "forbidden"]
    assert packages == set(settings["root_packages"]) - {"panther_core", "panther_hookspecs"}
    assert not packages or packages == set(forbidden[0]["source_modules"])


@pytest.mark.parametrize("path", sorted(ROOT.glob("plugins/*/tests/*.py")), ids=_name)
def test_a_plugins_tests_use_the_author_kit_and_nothing_else_of_the_engine(path: Path) -> None:
    text = path.read_text()
    for node in ast.walk(ast.parse(text)):
        names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        for name in names:
            assert not name.startswith("panther_core") or name.startswith("panther_core.testing"), name


@pytest.mark.parametrize("path", sorted(ROOT.glob("plugins/*/src/**/*.py")), ids=_name)
def test_a_plugin_does_not_import_the_engine(path: Path) -> None:
    assert "panther_core" not in _imports(path)


@pytest.mark.parametrize("path", sorted(ROOT.glob("hookspecs/panther_hookspecs/*.py")), ids=_name)
def test_the_contract_needs_pluggy_and_attrs_only(path: Path) -> None:
    assert _imports(path) <= {"panther_hookspecs", "attrs", "pluggy", *sys.stdlib_module_names}
