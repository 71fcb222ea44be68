"""Planted defects under the real tools: each is found in every run, with the right place and number."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs
import pytest
from panther_profiler_valgrind.checker import CheckerEnvironment
from panther_profiler_valgrind.command import ignores_environment
from panther_profiler_valgrind.options import CheckerOptions, DrdOptions, HelgrindOptions, MemcheckOptions

from panther_core.testing import RecordingContext, recording_context
from panther_hookspecs import (
    ExitStatus,
    Finding,
    InstrumentTarget,
    MonitoringData,
    Process,
    ServiceCommand,
    ShellCommand,
)

pytestmark = [
    pytest.mark.skipif(shutil.which("valgrind") is None, reason="needs valgrind"),
    pytest.mark.skipif(shutil.which("cc") is None, reason="needs a C compiler"),
]

PROGRAMS = Path(__file__).with_name("programs")
PATIENCE = 60.0
TIMES = 3
"""benchmarks/planted.py looks more often."""
MEMORY_DEFECTS = ("lose", "chain", "stale", "unset", "twice")


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("programs")
    for name in ("memory", "threads"):
        subprocess.run(["cc", "-O1", "-g", "-pthread", "-o", folder / name, PROGRAMS / f"{name}.c"], check=True)
    return folder


@attrs.frozen
class Seen:
    """What a tool has made of a program."""

    status: ExitStatus
    data: MonitoringData
    folder: Path
    notes: list[str]

    @property
    def measured(self) -> dict[str, float]:
        return {each.name: each.value for each in self.data.measurements}

    @property
    def findings(self) -> dict[str, Finding]:
        assert len({each.kind for each in self.data.findings}) == len(self.data.findings), self.data.findings
        return {each.kind: each for each in self.data.findings}


@attrs.define
class Bench:
    """A tool and a program, led through the calls of the engine."""

    context: RecordingContext
    tool: CheckerEnvironment
    runtime: str = "native"

    def start(self, *argv: object) -> Process:
        command = ServiceCommand(program=ShellCommand(str(argv[0]), argv[1:]))
        problems = list(self.tool.check(self.target(command)))
        assert not problems, problems
        folder = self.context.attempt / "services" / "one"
        folder.mkdir(parents=True)
        process = self.context.launcher.start(self.tool.wrap(command), name="one", folder=folder)
        self.tool.start_monitoring(process)
        return process

    def target(self, command: ServiceCommand) -> InstrumentTarget:
        return InstrumentTarget(service="one", command=command, runtime=self.runtime, stop_signal=signal.SIGTERM)

    def stop(self, process: Process, number: int = signal.SIGTERM, grace: float = PATIENCE) -> Seen:
        self.tool.stop_monitoring()
        status = process.stop(signal=number, grace=grace)
        return Seen(status, self.tool.get_monitoring_data(), self.context.folder, self.context.notes)

    def wait_for(self, text: bytes) -> None:
        output, deadline = self.context.attempt / "services" / "one" / "stdout", time.monotonic() + PATIENCE
        while text not in output.read_bytes():
            assert time.monotonic() < deadline, f"the program never wrote {text!r}"
            time.sleep(0.02)


@contextlib.contextmanager
def bench(folder: Path, options: CheckerOptions, runtime: str = "native") -> Iterator[Bench]:
    with recording_context(folder, name=f"profiles/one/{options.TOOL}") as context:
        yield Bench(context, CheckerEnvironment(context, options), runtime)


def run(folder: Path, options: CheckerOptions, *argv: object, runtime: str = "native") -> Seen:
    with bench(folder, options, runtime) as made:
        process = made.start(*argv)
        assert process.wait(PATIENCE) is not None
        return made.stop(process)


def summary(*argv: object) -> tuple[dict[str, int], str]:
    """Return the numbers that valgrind itself tells in its text about the same program."""
    done = subprocess.run(["valgrind", *map(str, argv)], capture_output=True, text=True, check=False)
    wanted = r"(definitely lost|indirectly lost|possibly lost): ([\d,]+) bytes in ([\d,]+) blocks"
    found = {name: int(size.replace(",", "")) for name, size, _ in re.findall(wanted, done.stderr)}
    total = re.search(r"ERROR SUMMARY: (\d+) errors from (\d+) contexts \(suppressed: (\d+)", done.stderr)
    assert total, done.stderr
    errors, contexts, suppressed = map(int, total.groups())
    return found | {"errors": errors, "contexts": contexts, "suppressed": suppressed}, done.stderr


def test_every_defect_of_memory_is_found_at_its_place_with_its_size_in_every_run(
    programs: Path, tmp_path: Path
) -> None:
    fingerprints = set()
    for number in range(TIMES):
        seen = run(tmp_path / str(number), MemcheckOptions(), programs / "memory", *MEMORY_DEFECTS)
        told = {(each.kind, each.message) for each in seen.data.findings}
        assert told == {
            ("Leak_DefinitelyLost", "1000 bytes in 1 blocks definitely lost, allocated in lose (memory.c:17)"),
            ("Leak_DefinitelyLost", "156 bytes in 1 blocks definitely lost, allocated in lose_chain (memory.c:23)"),
            ("InvalidRead", "Invalid read of size 4 in use_after_free (memory.c:36)"),
            (
                "UninitCondition",
                "Conditional jump or move depends on uninitialised value(s) in use_unset (memory.c:42)",
            ),
            ("InvalidFree", "Invalid free() / delete / delete[] / realloc() in free_twice (memory.c:50)"),
        }
        assert seen.measured["memcheck.leaked_bytes"] == 1156
        assert seen.data.problems == ()
        fingerprints.add(frozenset(each.fingerprint for each in seen.data.findings))
    assert len(fingerprints) == 1, "the same defects had other fingerprints in another run"


def test_races_and_lock_orders_are_found_in_every_run(programs: Path, tmp_path: Path) -> None:
    fingerprints = set()
    for number in range(TIMES):
        seen = run(tmp_path / str(number), HelgrindOptions(), programs / "threads", "race", "locks")
        race, order = seen.findings["Race"], seen.findings["LockOrder"]
        assert "on counter in bump (threads.c:11), against bump (threads.c:11)" in race.message
        assert order.message == "lock order violated in both (threads.c:31), against both (threads.c:30)"
        assert any("backwards" in line for line in order.stack)
        assert any("forwards" in line for line in order.stack)
        assert seen.measured["helgrind.races"] == seen.measured["helgrind.lock_orders"] == 1
        fingerprints.add((race.fingerprint, order.fingerprint))
    assert len(fingerprints) == 1, "the same defects had other fingerprints in another run"


def test_drd_finds_the_race_in_every_run(programs: Path, tmp_path: Path) -> None:
    for number in range(TIMES):
        seen = run(tmp_path / str(number), DrdOptions(), programs / "threads", "race")
        assert seen.measured["drd.races"] >= 1
        assert all("bump" in line or "racing" in line for line in (each.stack[0] for each in seen.data.findings))


@pytest.mark.parametrize("options", [MemcheckOptions(), HelgrindOptions(), DrdOptions()], ids=lambda each: each.TOOL)
def test_a_program_that_does_it_right_gives_no_finding(options: CheckerOptions, programs: Path, tmp_path: Path) -> None:
    seen = run(tmp_path / "attempt", options, programs / "threads", "careful")
    assert seen.data.findings == ()
    assert seen.data.problems == ()
    assert seen.measured[f"{options.TOOL}.errors"] == 0
    assert {each.kind for each in seen.data.artifacts} == {"text", "valgrind"}


def test_the_numbers_of_memcheck_are_those_of_its_own_summary(programs: Path, tmp_path: Path) -> None:
    argv = (programs / "memory", *MEMORY_DEFECTS, "stale", "hide")
    seen = run(tmp_path / "attempt", MemcheckOptions(), *argv)
    numbers, _ = summary("--leak-check=full", "--show-leak-kinds=definite,possible", *argv)
    measured = seen.measured
    assert measured["memcheck.errors"] == numbers["errors"]
    assert measured["memcheck.contexts"] == numbers["contexts"]
    assert measured["memcheck.definitely_lost_bytes"] == numbers["definitely lost"] == 1056
    assert measured["memcheck.indirectly_lost_bytes"] == numbers["indirectly lost"] == 100
    assert measured["memcheck.possibly_lost_bytes"] == numbers["possibly lost"] == 500
    assert [each.count for each in seen.data.findings if each.kind == "InvalidRead"] == [2]


def test_the_numbers_of_helgrind_are_those_of_its_own_summary(programs: Path, tmp_path: Path) -> None:
    argv = (programs / "threads", "locks")
    seen = run(tmp_path / "attempt", HelgrindOptions(), *argv)
    numbers, _ = summary("--tool=helgrind", *argv)
    assert seen.measured["helgrind.errors"] == numbers["errors"] == 1
    assert seen.measured["helgrind.contexts"] == numbers["contexts"]
    assert seen.measured["helgrind.suppressed"] == numbers["suppressed"]


def test_generated_suppressions_silence_what_they_were_made_of(programs: Path, tmp_path: Path) -> None:
    first = run(tmp_path / "first", MemcheckOptions(), programs / "memory", *MEMORY_DEFECTS)
    file = first.folder / "memcheck.supp"
    assert file.name in {each.path for each in first.data.artifacts if each.kind == "suppressions"}
    second = run(
        tmp_path / "second", MemcheckOptions(suppressions=(file,)), programs / "memory", *MEMORY_DEFECTS, "hide"
    )
    assert [each.kind for each in second.data.findings] == ["Leak_PossiblyLost"]
    assert second.measured["memcheck.errors"] == 1
    assert second.measured["memcheck.suppressed"] == first.measured["memcheck.errors"]


def test_what_stands_in_the_baseline_is_accepted_and_nothing_else(programs: Path, tmp_path: Path) -> None:
    first = run(tmp_path / "first", MemcheckOptions(), programs / "memory", "lose", "stale", "crash")
    baseline = first.folder / "memcheck.baseline"
    options = MemcheckOptions(baseline=baseline)
    same = run(tmp_path / "same", options, programs / "memory", "lose", "stale", "crash")
    assert same.data.findings == ()
    assert same.measured["memcheck.errors"] == 0
    assert same.measured["memcheck.known"] == first.measured["memcheck.errors"]
    more = run(tmp_path / "more", options, programs / "memory", "lose", "unset")
    assert [each.kind for each in more.data.findings] == ["UninitCondition"]
    assert any("3 findings of the baseline were not seen" in note for note in more.notes)


def test_a_crash_is_a_finding_and_the_signal_that_stops_a_server_is_none(programs: Path, tmp_path: Path) -> None:
    crashed = run(tmp_path / "crash", MemcheckOptions(), programs / "memory", "crash")
    assert set(crashed.findings) == {"FatalSignal", "InvalidWrite"}
    assert crashed.findings["FatalSignal"].message == (
        "died of SIGSEGV in crash (memory.c:55): Access not within mapped region at address 0x10"
    )
    assert crashed.measured["memcheck.crashes"] == 1
    with bench(tmp_path / "stay", MemcheckOptions()) as made:
        process = made.start(programs / "memory", "lose", "stay")
        made.wait_for(b"ready")
        stopped = made.stop(process)
    assert stopped.status.signal == signal.SIGTERM
    assert stopped.data.problems == ()
    assert [each.kind for each in stopped.data.findings] == ["Leak_DefinitelyLost"]


def test_a_program_that_is_killed_is_a_problem_and_what_was_found_before_is_kept(
    programs: Path, tmp_path: Path
) -> None:
    with bench(tmp_path / "attempt", MemcheckOptions()) as made:
        process = made.start(programs / "memory", "lose", "unset", "stay")
        made.wait_for(b"ready")
        seen = made.stop(process, signal.SIGKILL)
    assert [each.kind for each in seen.data.findings] == ["UninitCondition"]
    assert [each.what for each in seen.data.problems] == ["the result of memcheck is not complete"]


def test_the_exit_code_is_the_programs_own_unless_another_is_asked_for(programs: Path, tmp_path: Path) -> None:
    assert run(tmp_path / "own", MemcheckOptions(), programs / "memory", "unset", "7").status.code == 7
    options = MemcheckOptions(error_exitcode=99)
    assert run(tmp_path / "asked", options, programs / "memory", "unset", "7").status.code == 99
    assert run(tmp_path / "clean", options, programs / "memory", "7").status.code == 7


def test_copies_that_a_program_forks_are_watched_and_what_they_inherit_counts_once(
    programs: Path, tmp_path: Path
) -> None:
    seen = run(tmp_path / "attempt", MemcheckOptions(), programs / "memory", "lose", "fork")
    assert seen.measured["memcheck.processes"] == 2
    assert seen.measured["memcheck.leaked_bytes"] == 1000
    assert seen.findings["UninitCondition"].count == 1
    assert seen.data.problems == ()


def test_a_copy_that_becomes_another_program_is_no_problem(programs: Path, tmp_path: Path) -> None:
    seen = run(tmp_path / "attempt", MemcheckOptions(), programs / "memory", "becomer")
    assert [each.kind for each in seen.data.findings] == ["UninitCondition"]
    assert seen.data.problems == ()
    assert any("1 forked processes of one became another program" in note for note in seen.notes)


def test_a_worker_that_is_killed_with_its_server_is_a_problem(programs: Path, tmp_path: Path) -> None:
    with bench(tmp_path / "attempt", MemcheckOptions()) as made:
        process = made.start(programs / "memory", "worker", "stay")
        made.wait_for(b"ready")
        while min(map(age_in_seconds, process.pids())) < 1.2:
            time.sleep(0.05)
        seen = made.stop(process)
    assert [each.what.split(" of process")[0] for each in seen.data.problems] == ["the result"]
    assert [each.kind for each in seen.data.findings] == ["UninitCondition"]


def age_in_seconds(pid: int) -> float:
    ticks = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19])
    return time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK")


def test_programs_that_the_service_starts_are_watched_if_asked_for(programs: Path, tmp_path: Path) -> None:
    inner = ("exec", programs / "memory", "stale")
    without = run(tmp_path / "without", MemcheckOptions(), programs / "memory", *inner)
    assert [each.fix for each in without.data.problems] == ["trace_children: true, or the path of the program itself"]
    seen = run(tmp_path / "with", MemcheckOptions(trace_children=True), programs / "memory", *inner)
    assert [each.kind for each in seen.data.findings] == ["InvalidRead"]
    assert seen.data.problems == ()


def test_one_of_several_programs_can_be_chosen(programs: Path, tmp_path: Path) -> None:
    shell = ("sh", "-c", f"{programs / 'memory'} stale; {programs / 'threads'} careful")
    seen = run(tmp_path / "chosen", MemcheckOptions(target_process="memory"), *shell)
    assert seen.measured["memcheck.processes"] == 1
    assert [each.kind for each in seen.data.findings] == ["InvalidRead"]
    never = run(tmp_path / "never", MemcheckOptions(target_process="server"), *shell)
    assert [each.what for each in never.data.problems] == ["the service never started 'server'"]
    assert "memory, sh, threads" in never.data.problems[0].why


def test_a_stripped_program_keeps_its_fingerprints_and_says_that_names_are_missing(
    programs: Path, tmp_path: Path
) -> None:
    stripped = tmp_path / "stripped"
    subprocess.run(["strip", "-o", stripped, programs / "memory"], check=True)
    runs = [run(tmp_path / str(number), MemcheckOptions(), stripped, "stale", "lose", "chain") for number in range(2)]
    assert [each.fingerprint for each in runs[0].data.findings] == [each.fingerprint for each in runs[1].data.findings]
    assert len(runs[0].data.findings) == 3
    assert any("is stripped" in note for note in runs[0].notes)


def test_results_go_where_output_directory_says(programs: Path, tmp_path: Path) -> None:
    options = MemcheckOptions(output_directory="100% mine")
    seen = run(tmp_path / "attempt", options, programs / "memory", "stale")
    place = tmp_path / "attempt" / "100% mine" / "one"
    assert {Path(each.path).parent for each in seen.data.artifacts} == {place}
    assert all(Path(each.path).stat().st_size for each in seen.data.artifacts)
    assert seen.data.findings[0].artifact.startswith("100% mine/one/memcheck.")


def test_the_thread_storage_of_running_threads_is_no_leak(programs: Path, tmp_path: Path) -> None:
    source, program = tmp_path / "thread.c", tmp_path / "thread"
    source.write_text(
        "#include <pthread.h>\n#include <unistd.h>\n"
        "static void *wait_long(void *unused) { pause(); return unused; }\n"
        "int main(void) { pthread_t t; return pthread_create(&t, 0, wait_long, 0); }\n"
    )
    subprocess.run(["cc", "-pthread", "-o", program, source], check=True)
    shipped = run(tmp_path / "shipped", MemcheckOptions(), program)
    assert shipped.data.findings == ()
    without = run(tmp_path / "without", MemcheckOptions(shipped_suppressions=False), program)
    assert [each.kind for each in without.data.findings] == ["Leak_PossiblyLost"]
    assert without.data.findings[0].severity == "warning"


def test_the_objects_of_python_are_seen_by_memcheck_and_are_no_leaks(tmp_path: Path) -> None:
    python = Path(sys.executable).resolve()
    argv = (python, "-S", "-c", "class A: pass\nimport json; print(json.loads('[1]'))")
    seen = run(tmp_path / "attempt", MemcheckOptions(), *argv, runtime="python")
    assert not [each for each in seen.data.findings if each.kind.startswith("Leak_")]
    assert seen.data.problems == ()
    command = ServiceCommand(program=ShellCommand(str(python)))
    with bench(tmp_path / "argv", MemcheckOptions(), "python") as made:
        list(made.tool.check(made.target(command)))
        assert made.tool.wrap(command).argv[:4] == ("env", "PYTHONFAULTHANDLER=1", "PYTHONMALLOC=malloc", "valgrind")


def test_a_python_that_ignores_its_variables_is_told(tmp_path: Path) -> None:
    for words, ignores in (
        (("-I", "-S", "x.py"), True),
        (("-SE", "x.py"), True),
        (("x.py", "-I"), False),
        (("-c", "-I"), False),
        (("-X", "dev"), False),
    ):
        assert ignores_environment(words) is ignores
    python = ServiceCommand(program=ShellCommand(str(Path(sys.executable).resolve()), ("-I", "x.py")))
    with bench(tmp_path / "attempt", MemcheckOptions(), "python") as made:
        assert not list(made.tool.check(made.target(python)))
        assert any("-I or -E keeps PANTHER from preparing" in note for note in made.context.notes)


DEEPER = """
#include <signal.h>
static void ignore(int unused) { (void)unused; }
__attribute__((noinline)) static int deeper(int depth) {
    volatile char filled[256];
    filled[0] = 0;
    raise(SIGUSR1);
    return depth ? deeper(depth - 1) + filled[0] : filled[0];
}
int main(void) {
    struct sigaction action = {.sa_handler = ignore, .sa_flags = SA_ONSTACK};  /* and no such stack */
    sigaction(SIGUSR1, &action, 0);
    return deeper(200);
}
"""


def test_a_signal_that_valgrind_cannot_deliver_is_a_problem_and_no_finding(tmp_path: Path) -> None:
    source, program = tmp_path / "deeper.c", tmp_path / "deeper"
    source.write_text(DEEPER)
    subprocess.run(["cc", "-O1", "-o", program, source], check=True)
    seen = run(tmp_path / "attempt", MemcheckOptions(), program)
    assert seen.data.findings == ()
    told = ["valgrind could not deliver a signal to the program, which died of that"]
    assert [each.what for each in seen.data.problems] == (told if seen.status.signal == signal.SIGSEGV else [])


def refusals(folder: Path, options: CheckerOptions, program: object, runtime: str = "native") -> list[str]:
    with bench(folder, options, runtime) as made:
        command = ServiceCommand(program=ShellCommand(str(program)))
        return [str(each) for each in made.tool.check(made.target(command))]


def test_programs_that_valgrind_cannot_watch_are_refused_with_the_reason(programs: Path, tmp_path: Path) -> None:
    static, privileged, script = tmp_path / "static", tmp_path / "privileged", tmp_path / "script"
    subprocess.run(["cc", "-static", "-o", static, PROGRAMS / "memory.c"], check=True)
    shutil.copy(programs / "memory", privileged)
    privileged.chmod(0o4755)
    script.write_text("#!/usr/bin/env bash\nexec true\n")
    script.chmod(0o755)
    (told,) = refusals(tmp_path / "1", MemcheckOptions(), static)
    assert "is statically linked" in told
    assert "force: true" in told
    assert refusals(tmp_path / "2", MemcheckOptions(force=True), static) == []
    (told,) = refusals(tmp_path / "3", HelgrindOptions(), programs / "memory", runtime="go")
    assert "is a Go program" in told
    (told,) = refusals(tmp_path / "4", MemcheckOptions(force=True), privileged)
    assert "setuid" in told
    (told,) = refusals(tmp_path / "5", MemcheckOptions(), script)
    assert "valgrind would watch env and not what the script starts" in told
    assert refusals(tmp_path / "6", MemcheckOptions(trace_children=True), script) == []


def test_options_and_files_that_valgrind_would_refuse_are_refused_before_the_start(
    programs: Path, tmp_path: Path
) -> None:
    program, broken = programs / "memory", tmp_path / "broken"
    broken.write_text("{ no suppression\n")
    (told,) = refusals(tmp_path / "1", MemcheckOptions(arguments=("--cache-size=32M",)), program)
    assert "Unknown option: --cache-size=32M" in told
    assert refusals(tmp_path / "2", MemcheckOptions(arguments=("--num-callers=30",)), program) == []
    (told,) = refusals(tmp_path / "3", MemcheckOptions(suppressions=(broken,)), program)
    assert "broken" in told
    (told,) = refusals(tmp_path / "4", MemcheckOptions(baseline=tmp_path / "nowhere"), program)
    assert "there is no baseline" in told
    (told,) = refusals(tmp_path / "5", MemcheckOptions(baseline=broken), program)
    assert "broken:1: expected a fingerprint of 16 hexadecimal digits" in told


@pytest.mark.parametrize(
    ("version", "told"), [("valgrind-3.14.0", "too old for memcheck"), ("", "valgrind does not work here")]
)
def test_a_valgrind_that_is_too_old_is_refused(
    version: str, told: str, programs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = tmp_path / "bin" / "valgrind"
    old.parent.mkdir()
    old.write_text(f"#!/bin/sh\necho {version}\n")
    old.chmod(0o755)
    monkeypatch.setenv("PATH", f"{old.parent}{os.pathsep}{os.environ['PATH']}")
    assert told in " ".join(refusals(tmp_path / "attempt", MemcheckOptions(), programs / "memory"))


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"sampling_rate": 10.0}, "no sampling_rate"),
        ({"monitoring_duration": 3}, "no monitoring_duration"),
        ({"output_directory": "../elsewhere"}, "below the attempt's folder"),
        ({"arguments": ("--xml=no",)}, "--xml is set by PANTHER"),
        ({"arguments": ("-v",)}, "expected options of valgrind"),
        ({"leak_kinds": ("some",)}, "expected one of definite"),
    ],
)
def test_options_that_cannot_be_honoured_are_refused(wrong: dict[str, Any], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        MemcheckOptions(**wrong)
