"""The page about all instruments side by side: complete, and with the factors that the plugins declare."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from panther_core.plugin_manager import PluginManager
from panther_hookspecs import ExecutionEnvironmentDescriptor

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "instruments.md"


@pytest.fixture(scope="module")
def announced() -> dict[str, ExecutionEnvironmentDescriptor]:
    return {each.name: each for each in PluginManager.load().registry.all(ExecutionEnvironmentDescriptor)}


def rows(heading: str) -> list[list[str]]:
    """Return the cells of the first table below a heading."""
    section = PAGE.read_text(encoding="utf-8").partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("|")][2:]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def test_every_instrument_has_its_row_with_the_factors_that_it_declares(
    announced: dict[str, ExecutionEnvironmentDescriptor],
) -> None:
    told = {row[0].strip("`"): row[-1] for row in rows("What they cost") if row[0] != "none"}
    declared = {}
    for name, each in announced.items():
        python = each.slowdowns.get("python")
        declared[name] = f"{each.slowdown:g}" + (f" ({python:g})" if python else "")
    assert told == declared


@pytest.mark.parametrize("heading", ["What they need", "What they write"])
def test_every_instrument_is_told_about(heading: str, announced: dict[str, ExecutionEnvironmentDescriptor]) -> None:
    assert set(re.findall(r"`(\w+)`", " ".join(row[0] for row in rows(heading)))) == set(announced)


def test_the_packages_of_images_are_those_that_are_declared(
    announced: dict[str, ExecutionEnvironmentDescriptor],
) -> None:
    for names, _, image, _ in rows("What they need"):
        for name in re.findall(r"`(\w+)`", names):
            assert tuple(re.findall(r"`([\w-]+)`", image)) == announced[name].image_packages


def test_what_goes_together_is_what_no_plugin_excludes(announced: dict[str, ExecutionEnvironmentDescriptor]) -> None:
    members = {
        "`strace`": "strace",
        "gperftools": "gperf_cpu",
        "perf": "perf_record",
        "`pyspy`": "pyspy",
        "valgrind": "memcheck",
    }
    for first, *cells in rows("What goes together"):
        for second, cell in zip(members, cells, strict=True):
            if first != second:
                one, other = members[first], members[second]
                excluded = other in announced[one].excludes or one in announced[other].excludes
                assert (cell == "no") == excluded, (first, second)
