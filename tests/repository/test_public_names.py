"""What a package shows to others: sorted, importable, documented."""

from __future__ import annotations

import ast
import importlib
import inspect
import types
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def _packages() -> list[str]:
    """Return the import name of each module that declares ``__all__``."""
    found = []
    for base in (ROOT, ROOT / "hookspecs", *ROOT.glob("plugins/*/src")):
        for path in sorted(base.glob("panther_*/**/*.py")):
            if any(isinstance(node, ast.Assign) and _targets(node) == ["__all__"] for node in _body(path)):
                parts = path.relative_to(base).with_suffix("").parts
                found.append(".".join(part for part in parts if part != "__init__"))
    return found


def _body(path: Path) -> list[ast.stmt]:
    return ast.parse(path.read_text()).body


def _targets(node: ast.Assign) -> list[str]:
    return [target.id for target in node.targets if isinstance(target, ast.Name)]


packages = pytest.mark.parametrize("name", _packages())


def _module(name: str) -> types.ModuleType:
    return importlib.import_module(name)


def _rank(name: str) -> tuple[int, str]:
    return (0 if name.isupper() else 1 if name[0].isupper() else 2, name)


@packages
def test_public_names_are_sorted(name: str) -> None:
    listed = _module(name).__all__
    assert listed == sorted(set(listed), key=_rank)


@packages
def test_public_names_exist(name: str) -> None:
    module = _module(name)
    assert [each for each in module.__all__ if not hasattr(module, each)] == []


@packages
def test_public_classes_and_functions_are_documented(name: str) -> None:
    module = _module(name)
    for each in module.__all__:
        value = getattr(module, each)
        if inspect.isclass(value) or inspect.isfunction(value):
            doc = value.__doc__ or ""
            assert doc.strip(), f"{name}.{each}"
            assert doc.strip().splitlines()[0].rstrip().endswith((".", ":")), f"{name}.{each}: {doc.splitlines()[0]}"


def test_the_contract_lists_all_that_it_defines() -> None:
    contract = _module("panther_hookspecs")
    defined = {
        name
        for path in (ROOT / "hookspecs" / "panther_hookspecs").glob("[!_]*.py")
        for name, value in vars(_module(f"panther_hookspecs.{path.stem}")).items()
        if name[0] != "_" and getattr(value, "__module__", "") == f"panther_hookspecs.{path.stem}"
    }
    assert {name for name in defined if not name.endswith("T")} <= set(contract.__all__)
