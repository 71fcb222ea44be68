"""What perf writes is read exactly; what is no complete file of perf is called so."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest
from panther_profiler_perf.counters import Counter, add, read_counters
from panther_profiler_perf.options import RecordOptions, StatOptions
from panther_profiler_perf.profile import Profile, defect_of

from panther_hookspecs import Bytes, HotFunction, function_shares

REPORT = """\
 371        ;  9049:server ;server           ;[.] hot
300 __libc_start_call_main;main;hot
71 __libc_start_call_main;main;hot;hot
 10         ;  9050:worker ;server           ;[.] 0x000000000000115a
10 start_thread;0x556445cf71f0;0x556445cf715a
 5          ;  9050:worker ;libc.so.6        ;[.] memcpy
3 start_thread;main;memcpy
 4          ;  9049:server ;[kernel.kallsyms];[k] schedule
4 __libc_start_call_main;main;read;0;schedule
 0          ;  9049:server ;server           ;[.] main


 2          ;  9051:a.b c  ;server           ;[.] A::operator()<std::pair<int, long> >
2 main;A::operator()<std::pair<int, long> >
"""

COUNTERS = """\
# started on Sat Nov 21 11:08:46 2026

<not supported>;;cycles;0;100.00;;
2000;;instructions:u;1000;25.00;0.5;insn per cycle
299.71;msec;task-clock;299709888;100.00;1.004;CPUs utilized
<not counted>;;page-faults;0;100.00;;
7;;syscalls:sys_enter_sendto;299709888;100.00;13.347;/sec
"""


def read(text: str) -> Profile:
    profile = Profile()
    profile.read(text.splitlines(keepends=True))
    return profile


def test_samples_are_counted_by_function_and_thread() -> None:
    profile = read(REPORT)
    assert (profile.samples, profile.kernel) == (392, 4)
    assert profile.threads == {"9049": 375, "9050": 15, "9051": 2}
    functions = {each.name: each for each in profile.functions()}
    assert functions["hot"] == HotFunction("hot", 371, 371, place="server"), (
        "a recursive function counts once for a stack"
    )
    assert functions["main"] == HotFunction("main", 0, 380)
    assert functions["A::operator()<std::pair<int, long> >"].flat == 2


def test_addresses_without_a_name_are_the_same_in_every_run() -> None:
    names = {each.name for each in read(REPORT).functions()}
    assert {"[server]", "[unknown]"} <= names
    assert not [name for name in names if name.startswith("0")]


def test_folded_stacks_have_every_sample_under_the_name_of_its_thread() -> None:
    lines = list(read(REPORT).folded())
    assert sum(int(line.rpartition(" ")[2]) for line in lines) == 392
    assert "server;__libc_start_call_main;main;hot 300" in lines
    assert "worker;start_thread;[unknown];[server] 10" in lines
    assert "worker;memcpy 2" in lines, "samples whose stack is not told are not lost"


def test_reports_of_two_starts_add_up() -> None:
    profile = read(REPORT)
    profile.read(REPORT.splitlines())
    assert profile.samples == 784
    assert profile.functions()[0].flat == 742


def test_shares_are_measured_by_rank_and_by_name() -> None:
    profile = read(REPORT)
    shares = function_shares(
        profile.functions(), profile.samples, source="perf_record", service="one", wanted=("main", "gone")
    )
    found = {each.name: each for each in shares}
    top = found["perf_record.top1.share"]
    assert (top.value, top.labels, top.service) == (371 / 392, {"function": "hot"}, "one")
    assert found["perf_record.hot.share"].value == 371 / 392
    assert found["perf_record.main.cumulative.share"].value == 380 / 392
    assert found["perf_record.gone.share"].value == 0
    assert "perf_record.server.share" not in found, "an unnamed function is no function"


def test_counters_are_read_with_their_units() -> None:
    cycles, instructions, clock, faults, calls = read_counters(COUNTERS.splitlines())
    assert (cycles.supported, cycles.value) == (False, None)
    assert (instructions.name, instructions.value, instructions.share) == ("instructions", 2000, 0.25)
    assert instructions.user_only
    assert (clock.name, clock.unit) == ("task_clock", "s")
    assert clock.value == pytest.approx(0.29971)
    assert (faults.supported, faults.value) == (True, None)
    assert (calls.name, calls.value) == ("syscalls_sys_enter_sendto", 7)
    assert not calls.user_only


def test_counters_of_two_starts_add_up() -> None:
    whole, twice = read_counters(COUNTERS.splitlines()), add(2 * [read_counters(COUNTERS.splitlines())])
    assert [each.value for each in twice] == [each.value and 2 * each.value for each in whole]
    assert add([]) == []


def test_a_line_that_is_no_counter_is_passed_over() -> None:
    assert read_counters(["", "# x", "Error: ;;;;;", "12;;a"]) == []
    assert read_counters(["1;;a;1;100.00"]) == [Counter(event="a", value=1)]


def header(data: int, length: int) -> bytes:
    return struct.pack("<8sQQQQQQ", b"PERFILE2", 104, 144, 120, 144, data, length)


@pytest.mark.parametrize(
    ("content", "defect"),
    [
        (b"", "it is missing or empty"),
        (b"PERFILE2", "it is no file of perf record"),
        (b"x" * 200, "it is no file of perf record"),
        (header(264, 0) + b"\0" * 300, "it was never completed"),
        (header(264, 5000) + b"\0" * 300, "it is cut off"),
        (header(264, 64) + b"\0" * 300, ""),
    ],
)
def test_an_incomplete_recording_is_seen(tmp_path: Path, content: bytes, defect: str) -> None:
    file = tmp_path / "perf.data"
    file.write_bytes(content)
    assert defect_of(file) == defect
    assert defect_of(tmp_path / "gone") == "it is missing or empty"


@pytest.mark.parametrize(
    "wrong",
    [{"event": "--all"}, {"event": "two words"}, {"stack_size": Bytes(1 << 20)}, {"data_limit": Bytes(0)}],
)
def test_options_that_perf_would_misunderstand_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="expected"):
        RecordOptions(**wrong)  # type: ignore[arg-type]


def test_events_are_named_as_perf_names_them() -> None:
    names = ("cycles:u", "cpu/event=0x3c,umask=0/", "syscalls:sys_enter_sendto", "r1a8", "L1-dcache-loads")
    assert StatOptions(events=names).events == names
    with pytest.raises(ValueError, match="perf list"):
        StatOptions(events=("cycles;reboot",))
