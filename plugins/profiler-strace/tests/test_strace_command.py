"""The command line that options become."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from panther_profiler_strace.command import attaching, expressions, wrapping
from panther_profiler_strace.options import Fault, StraceOptions

from panther_hookspecs import Seconds

LOG = Path("/x/strace.log")


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, None),
        ({"calls": ("network", "read", "%clock", "/^futex")}, "trace=%network,read,%clock,/^futex"),
        ({"exclude": ("memory", "stat")}, "trace=!%memory,stat"),
        ({"calls": ("read",), "inject": (Fault(calls=("send", "read"), error="EIO"),)}, "trace=read,send"),
    ],
)
def test_which_calls_are_recorded(options: dict[str, Any], expected: str | None) -> None:
    found = [each for each in expressions(StraceOptions(**options)) if each.startswith("trace=")]
    assert found == ([expected] if expected else [])


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        ({"error": "EIO"}, "error=EIO:when=1+1"),
        ({"result": 0, "first": 3, "last": 3}, "retval=0:when=3"),
        ({"signal": "INT", "first": 2, "last": 9, "every": 3}, "signal=SIGINT:when=2..9+3"),
        ({"error": "EINTR", "delay": Seconds(0.02), "every": 2}, "error=EINTR:delay_enter=20000:when=1+2"),
    ],
)
def test_what_goes_wrong(fault: dict[str, Any], expected: str) -> None:
    made = StraceOptions(inject=(Fault(calls=("network", "read"), **fault),))
    assert expressions(made)[0] == f"inject=%network,read:{expected}"


@pytest.mark.parametrize(
    ("options", "fast"),
    [
        ({}, False),
        ({"calls": ("read",)}, True),
        ({"exclude": ("read",)}, True),
        ({"calls": ("read",), "seccomp_bpf": False}, False),
        ({"calls": ("read",), "monitoring_duration": Seconds(1)}, False),
    ],
)
def test_the_kernel_helps_where_there_is_a_filter_that_stays(options: dict[str, Any], *, fast: bool) -> None:
    assert ("--seccomp-bpf" in wrapping(StraceOptions(**options), LOG)) == fast


def test_a_strace_that_is_to_leave_runs_beside_its_program() -> None:
    assert "-D" not in wrapping(StraceOptions(), LOG)
    assert wrapping(StraceOptions(monitoring_duration=Seconds(1)), LOG)[1:4] == ("-D", "-I", "2")


def test_attaching_names_every_process_and_never_filters_in_the_kernel() -> None:
    argv = attaching(StraceOptions(calls=("read",)), LOG, (7, 8))
    assert argv[-4:] == ("-p", "7", "-p", "8")
    assert "--seccomp-bpf" not in argv
