"""Looking for what plugins need from the machine."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from panther_core.needs import look_for, missing, require, tool_version
from panther_hookspecs import Descriptor, EnvironmentUnavailableError, Need


def tool(folder: Path, text: str) -> str:
    path = folder / "gadget"
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return str(path)


def test_a_tool_is_found_on_the_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tool(tmp_path, "echo gadget 4.5.6-rc1 built 2031")
    assert look_for(Need("tool", "gadget")).ok is False
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    assert look_for(Need("tool", "gadget")).detail == path
    assert look_for(Need("tool", "gadget"), version=True).detail == "4.5.6-rc1"


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ('[ "$1" = -V ] && echo gadget, iproute2-6.1.0', "6.1.0"),
        ("echo gadget 1.2 >&2", "1.2"),
        ("echo no 1.2; exit 1", ""),
        ("echo none", ""),
    ],
)
def test_tools_say_their_version_in_many_ways(tmp_path: Path, text: str, version: str) -> None:
    assert tool_version(tool(tmp_path, text)) == version


def test_python_modules_are_found_by_distribution_or_by_name() -> None:
    assert look_for(Need("python", "attr", package="attrs")).detail[0].isdigit()
    assert look_for(Need("python", "json")).ok is True
    assert look_for(Need("python", "no_such_module_at_all")).ok is False


def test_libraries_are_those_of_the_dynamic_loader(tmp_path: Path) -> None:
    assert look_for(Need("library", "c")).ok is True
    assert look_for(Need("library", "libc.so.6")).ok is True
    assert look_for(Need("library", "nothing-of-this-name")).ok is False
    assert look_for(Need("library", str(tmp_path))).ok is True


def test_a_command_is_run_by_doctor_alone() -> None:
    assert [look_for(Need("answer", each), version=True).ok for each in ("true", "false", "no-such-command x")] == [
        True,
        False,
        False,
    ]
    assert look_for(Need("answer", "false")).ok is None
    assert missing([Need("answer", "false")]) == ()


def test_kernel_features_that_cannot_be_seen_are_not_called_missing() -> None:
    assert look_for(Need("kernel", "net")).ok is True
    assert look_for(Need("kernel", "/proc/sys/net/nothing")).ok is False
    assert look_for(Need("kernel", "no_such_module")).ok is None
    assert missing([Need("kernel", "no_such_module")]) == ()


def test_root_is_whoever_we_are() -> None:
    assert look_for(Need("root", "root")).ok is (os.geteuid() == 0)


def test_everything_that_is_missing_is_said_at_once_with_the_way_to_get_it() -> None:
    first = Descriptor(name="one", summary="One", needs=(Need("tool", "no-tool", package="tools"), Need("tool", "sh")))
    second = Descriptor(
        name="two", summary="Two", needs=(Need("tool", "no-tool", package="tools"), Need("python", "no_py"))
    )
    require([Descriptor(name="none", summary="None")])
    with pytest.raises(EnvironmentUnavailableError) as caught:
        require([first, second])
    assert str(caught.value).splitlines()[1:] == [
        "  tool no-tool, for one, two: apt install tools",
        "  python no_py, for two",
    ]
