"""The API that the documents of PANTHER describe is here, name by name, and the page that says where is complete."""

from __future__ import annotations

import enum
import importlib
import inspect
import re
import tomllib
from pathlib import Path
from typing import Any

import attrs
import pytest

from panther_core import documented_paths

ROOT = Path(__file__).parents[2]
ENTRIES: list[dict[str, Any]] = tomllib.loads((Path(__file__).parent / "seed_names.toml").read_text())["name"]
HERE = [entry for entry in ENTRIES if "real" in entry]
PAGE = ROOT / "docs" / "explanation" / "names.md"


def _id(entry: dict[str, Any]) -> str:
    return f"{entry['page']}-{entry['name']}"


def _with(key: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("entry", [each for each in HERE if key in each], ids=_id)


def _value(entry: dict[str, Any]) -> Any:
    return getattr(importlib.import_module(entry["real"]), entry["name"])


def _parameter(text: str) -> tuple[str, object]:
    name, _, default = text.partition("=")
    given: object = (
        {"None": None, "True": True, "False": False, "1": 1}[default] if default else inspect.Parameter.empty
    )
    return name, given


def _field_names(cls: type) -> dict[str, object]:
    """Return what can be given to the class by name, with the defaults."""
    return {name: each.default for name, each in inspect.signature(cls).parameters.items()}


def test_no_name_is_listed_twice() -> None:
    names = [(entry["name"], entry["page"]) for entry in ENTRIES]
    assert len(set(names)) == len(names)
    assert all(("real" in entry) != ("absent" in entry) for entry in ENTRIES)


@pytest.mark.parametrize("entry", HERE, ids=_id)
def test_a_documented_name_exists(entry: dict[str, Any]) -> None:
    value = _value(entry)
    wanted = {"class": type, "exception": type, "enum": enum.EnumMeta, "function": object, "type": object}
    assert isinstance(value, wanted[entry["kind"]])


@_with("bases")
def test_a_documented_class_has_the_documented_base(entry: dict[str, Any]) -> None:
    module = importlib.import_module("panther_hookspecs")
    for base in entry["bases"]:
        assert issubclass(
            _value(entry), getattr(module, base, None) or getattr(importlib.import_module("builtins"), base)
        )


@_with("members")
def test_a_documented_enumeration_has_exactly_the_documented_members(entry: dict[str, Any]) -> None:
    assert {member.name: member.value for member in _value(entry)} == entry["members"]


@_with("fields")
def test_a_documented_field_can_be_given_by_its_name(entry: dict[str, Any]) -> None:
    accepted = _field_names(_value(entry))
    for text in entry["fields"]:
        name, default = _parameter(text)
        assert name in accepted
        if default is not inspect.Parameter.empty:
            assert accepted[name] == default
        elif attrs.has(_value(entry)):
            assert name in attrs.fields_dict(_value(entry))


@_with("methods")
def test_a_documented_method_takes_the_documented_arguments(entry: dict[str, Any]) -> None:
    for method, documented in entry["methods"].items():
        signature = inspect.signature(getattr(_value(entry), method))
        found = [each for name, each in signature.parameters.items() if name not in ("self", "cls")]
        if documented and documented[0].startswith("'"):
            signature.bind(*([None] if "self" in signature.parameters else []), *documented)
            continue
        for parameter, text in zip(found, documented, strict=False):
            name, default = _parameter(text)
            assert (parameter.name, parameter.default) == (name, default), method
        assert len(found) >= len(documented), method
        for extra in found[len(documented) :]:
            optional = extra.default is not extra.empty or extra.kind in (extra.VAR_KEYWORD, extra.VAR_POSITIONAL)
            assert optional, f"{method} needs {extra.name}, which the document does not give"


@_with("abstract")
def test_a_documented_interface_asks_for_the_documented_methods(entry: dict[str, Any]) -> None:
    assert set(entry["abstract"]) <= _value(entry).__abstractmethods__


@_with("properties")
def test_a_documented_property_exists(entry: dict[str, Any]) -> None:
    for name in entry["properties"]:
        assert hasattr(_value(entry), name) or name in getattr(_value(entry), "__annotations__", {}), name


@_with("behaviour")
def test_a_documented_name_behaves_as_documented(entry: dict[str, Any]) -> None:
    for code in entry["behaviour"]:
        exec(compile(code, _id(entry), "exec"), {entry["name"]: _value(entry)})


def _here(documented: str) -> str:
    """Return the documented module path as it is imported here."""
    return documented.replace("panther.", "panther_core.", 1)


@_with("documented")
def test_a_documented_module_path_can_be_imported_from(entry: dict[str, Any]) -> None:
    assert getattr(importlib.import_module(_here(entry["documented"])), entry["name"]) is _value(entry)


@pytest.mark.parametrize("path", documented_paths.DOCUMENTED)
def test_a_path_of_the_table_gives_the_real_names_and_no_others(path: str) -> None:
    module = importlib.import_module(f"panther_core.{path}")
    for name, real in documented_paths.DOCUMENTED[path].items():
        assert getattr(module, name) is getattr(importlib.import_module(real), name)
    with pytest.raises(AttributeError, match="no_such_name"):
        module.no_such_name  # noqa: B018 - the look-up is the point


def test_the_page_of_names_lists_every_documented_module_path() -> None:
    told = re.findall(r"^\| `(panther\.[\w.]+)` \| `([\w.]+)` \|$", PAGE.read_text(), re.MULTILINE)
    documented = {entry["documented"] for entry in HERE if "documented" in entry}
    assert told == [(path, _here(path)) for path in sorted(documented)]


def _row(entry: dict[str, Any]) -> str:
    place = f"`{entry['real']}`" if "real" in entry else f"not here: {entry['absent']}"
    return f"| `{entry['name']}` | {entry['kind']} | {place} |"


@pytest.mark.parametrize("entry", ENTRIES, ids=_id)
def test_the_page_of_names_says_where_a_name_is(entry: dict[str, Any]) -> None:
    assert _row(entry) in PAGE.read_text()


def test_the_page_of_names_has_no_other_row() -> None:
    rows = re.findall(r"^\| `\w+` \|.*\|$", PAGE.read_text(), re.MULTILINE)
    assert rows == [_row(entry) for entry in ENTRIES]
