"""Reading what memcheck, helgrind and drd write: whole files, broken ones, and those of several processes."""

from __future__ import annotations

from pathlib import Path

import pytest
from panther_profiler_valgrind.figures import measurements_of
from panther_profiler_valgrind.findings import findings_of, seen_errors, suppressions_of
from panther_profiler_valgrind.identity import fingerprint
from panther_profiler_valgrind.options import MemcheckOptions
from panther_profiler_valgrind.report import Frame, Report, Stack, ToolError, read_report

HEAD = """<?xml version="1.0"?>
<valgrindoutput>
<protocolversion>4</protocolversion>
<protocoltool>memcheck</protocoltool>
<pid>{pid}</pid>
<ppid>{ppid}</ppid>
<tool>memcheck</tool>
<args><vargv><exe>valgrind</exe></vargv><argv><exe>./server</exe><arg>{argument}</arg></argv></args>
"""
RUNNING = "<status><state>RUNNING</state><time>00:00</time></status>\n"
FRAME = (
    "<frame><ip>0x{ip}</ip><obj>/srv/server</obj><fn>{fn}</fn><dir>/src</dir><file>server.c</file>"
    "<line>{line}</line></frame>"
)
READ = (
    "<error><unique>0x0</unique><tid>1</tid><kind>InvalidRead</kind><what>Invalid read of size 4</what><stack>"
    + FRAME.format(ip="10", fn="serve", line=7)
    + "</stack><auxwhat>Address 0x4a is 8 bytes inside a block of size 40 free'd</auxwhat><stack>"
    + FRAME.format(ip="20", fn="drop", line=9)
    + "</stack><suppression><sname>n</sname><rawtext><![CDATA[\n{\n   <insert_a_suppression_name_here>\n"
    "   Memcheck:Addr4\n   fun:serve\n}\n]]></rawtext></suppression></error>\n"
)
LEAK = (
    "<error><unique>0x{unique}</unique><tid>1</tid><kind>Leak_DefinitelyLost</kind><xwhat><text>{size} "
    "({direct} direct, {indirect} indirect) bytes in 2 blocks are definitely lost in loss record 1 of 1</text>"
    "<leakedbytes>{size}</leakedbytes><leakedblocks>2</leakedblocks></xwhat><stack>"
    + FRAME.format(ip="30", fn="grow", line=3)
    + "</stack>"
    "</error>\n"
)
FINISHED = "<status><state>FINISHED</state><time>00:01</time></status>\n"
COUNTS = "<errorcounts><pair><count>{count}</count><unique>0x0</unique></pair></errorcounts>\n"
SUPPRESSED = "<suppcounts><pair><count>3</count><name>known-thing</name></pair></suppcounts>\n"
TAIL = "</valgrindoutput>\n"


def written(folder: Path, *parts: str, pid: int = 100, ppid: int = 1, argument: str = "-v") -> Report:
    path = folder / f"memcheck.{pid}.xml"
    path.write_text(HEAD.format(pid=pid, ppid=ppid, argument=argument) + "".join(parts), encoding="utf-8")
    return read_report(path)


def numbers(*reports: Report) -> dict[str, float]:
    every = {report.pid: report for report in reports}
    found = measurements_of(MemcheckOptions(), seen_errors(every), [], every, "server")
    return {each.name.removeprefix("memcheck."): each.value for each in found}


def test_a_whole_file_is_read(tmp_path: Path) -> None:
    leak = LEAK.format(unique=5, size=156, direct=56, indirect=100)
    report = written(tmp_path, RUNNING, READ, FINISHED, leak, COUNTS.format(count=4), SUPPRESSED, TAIL)
    assert report.flaw == ""
    assert (report.pid, report.ppid, report.program, report.forked) == (100, 1, "./server", False)
    (finding, loss) = findings_of(seen_errors({100: report}), "memcheck", "server", "profiles/server/memcheck")
    assert (finding.message, finding.count) == ("Invalid read of size 4 in serve (server.c:7)", 4)
    assert finding.stack == (
        "serve (server.c:7)",
        "-- Address 0x4a is 8 bytes inside a block of size 40 free'd",
        "drop (server.c:9)",
    )
    assert finding.artifact == "profiles/server/memcheck/memcheck.100.xml"
    assert loss.message == "156 bytes in 2 blocks definitely lost, allocated in grow (server.c:3)"
    found = numbers(report)
    assert (found["errors"], found["contexts"], found["suppressed"]) == (5, 2, 3)
    assert (found["leaked_bytes"], found["definitely_lost_bytes"], found["indirectly_lost_bytes"]) == (156, 56, 100)


@pytest.mark.parametrize("kept", range(1, 12))
def test_what_stands_before_the_place_where_a_file_breaks_off_is_kept(tmp_path: Path, kept: int) -> None:
    whole = HEAD.format(pid=100, ppid=1, argument="-v") + RUNNING + READ + FINISHED + COUNTS.format(count=4) + TAIL
    path = tmp_path / "memcheck.100.xml"
    size = len(whole) * kept // 12
    path.write_text(whole[:size])
    report = read_report(path)
    assert report.flaw
    assert len(report.errors) == (whole.index(READ) + len(READ.rstrip()) <= size)
    assert all(report.count(each) in (1, 4) for each in report.errors)


@pytest.mark.parametrize("content", [b"", b"<?xml version", b"==1== no XML", b"\xff\xfe\x00"])
def test_a_file_that_is_no_report_has_a_flaw_and_nothing_else(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "memcheck.1.xml"
    path.write_bytes(content)
    report = read_report(path)
    assert report.flaw
    assert not report.errors


def test_arguments_of_the_program_that_xml_does_not_allow_do_no_harm(tmp_path: Path) -> None:
    path = tmp_path / "memcheck.1.xml"
    head = HEAD.format(pid=1, ppid=0, argument="MARK").encode().replace(b"MARK", b"\x01\x1b[0m\xff\xc3")
    path.write_bytes(head + (RUNNING + READ + TAIL).encode())
    report = read_report(path)
    assert report.flaw == ""
    assert len(report.errors) == 1


def test_what_a_forked_process_inherits_is_counted_once_and_what_it_adds_is_counted(tmp_path: Path) -> None:
    small = LEAK.format(unique=5, size=100, direct=100, indirect=0)
    large = LEAK.format(unique=7, size=250, direct=250, indirect=0)
    parent = written(tmp_path, RUNNING, READ, FINISHED, small, COUNTS.format(count=1), TAIL)
    same = written(tmp_path, FINISHED, small, COUNTS.format(count=1), TAIL, pid=101, ppid=100)
    more = written(tmp_path, FINISHED, large, COUNTS.format(count=1), TAIL, pid=102, ppid=100)
    assert same.forked
    assert more.forked
    found = numbers(parent, same, more)
    assert found["leaked_bytes"] == 100 + 150
    assert found["errors"] == 3
    alone = numbers(same)
    assert alone["leaked_bytes"] == 100


def test_errors_of_many_processes_at_one_place_are_one_finding(tmp_path: Path) -> None:
    reports = {
        pid: written(tmp_path, RUNNING, READ, FINISHED, COUNTS.format(count=pid), TAIL, pid=pid) for pid in (3, 4)
    }
    (finding,) = findings_of(seen_errors(reports), "memcheck", "server", "here")
    assert finding.count == 7


def test_suppressions_carry_kind_and_fingerprint_as_their_name(tmp_path: Path) -> None:
    report = written(tmp_path, RUNNING, READ, READ.replace("0x0", "0x9"), FINISHED, TAIL)
    text = suppressions_of(seen_errors({100: report}))
    name = f"InvalidRead-{fingerprint(report.errors[0])}"
    assert text == f"{{\n   {name}\n   Memcheck:Addr4\n   fun:serve\n}}\n"


def error(kind: str, *stacks: Stack) -> ToolError:
    return ToolError(unique="0x0", kind=kind, what=kind, stacks=stacks)


def frame(fn: str, line: int = 1, obj: str = "/srv/server", ip: str = "0x1") -> Frame:
    return Frame(ip, obj, fn, "server.c" if fn else "", line)


def test_a_fingerprint_is_of_kind_functions_and_files_and_not_of_lines_or_addresses() -> None:
    first = fingerprint(error("InvalidRead", Stack("", (frame("serve", 7), frame("main", 9)))))
    assert first == fingerprint(error("InvalidRead", Stack("", (frame("serve", 8, ip="0x2"), frame("main", 10)))))
    assert first != fingerprint(error("InvalidWrite", Stack("", (frame("serve", 7), frame("main", 9)))))
    assert first != fingerprint(error("InvalidRead", Stack("", (frame("other", 7), frame("main", 9)))))


def test_frames_of_the_c_library_do_not_count_as_they_differ_between_machines() -> None:
    libc = frame("__memcpy_avx", obj="/lib/x86_64-linux-gnu/libc.so.6")
    tool = frame("malloc", obj="/usr/libexec/valgrind/vgpreload_memcheck-amd64-linux.so")
    plain = fingerprint(error("InvalidRead", Stack("", (frame("serve"),))))
    assert plain == fingerprint(error("InvalidRead", Stack("", (tool, libc, frame("serve")))))
    assert plain != fingerprint(error("InvalidRead", Stack("", (libc,))))


def test_places_of_a_stripped_program_are_told_apart_by_address() -> None:
    one, other = frame("", ip="0x109123"), frame("", ip="0x109456")
    assert fingerprint(error("InvalidRead", Stack("", (one,)))) != fingerprint(
        error("InvalidRead", Stack("", (other,)))
    )


@pytest.mark.parametrize("kind", ["Race", "LockOrder"])
def test_it_does_not_matter_which_of_two_threads_is_reported(kind: str) -> None:
    one, other = Stack("", (frame("reader"),)), Stack("previous write", (frame("writer"),))
    assert fingerprint(error(kind, one, other)) == fingerprint(error(kind, other, one))
    assert fingerprint(error(kind, one, other)) != fingerprint(error(kind, one, one))


def test_a_race_on_a_variable_is_known_by_the_variable() -> None:
    about = Stack('Address 0x10c0c8 is 0 bytes inside data symbol "counter"')
    one = error("Race", Stack("", (frame("reader"),)), about)
    other = error("Race", Stack("", (frame("writer"),)), about)
    assert fingerprint(one) == fingerprint(other)
