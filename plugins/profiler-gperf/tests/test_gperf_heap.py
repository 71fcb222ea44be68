"""gperf_heap on real programs that lose a known amount of memory, against google-pprof on the same files."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import attrs
import pytest
from panther_profiler_gperf.heap import HeapEnvironment
from panther_profiler_gperf.options import HeapOptions
from panther_profiler_gperf.plugin import panther_register_execution_environments
from panther_profiler_gperf.switching import until

from panther_core.testing import RecordingContext, recording_context
from panther_core.testing.conformance.instrument import Watched
from panther_hookspecs import ExitStatus, Finding, InstrumentTarget, MonitoringData, ServiceCommand, ShellCommand

PROGRAM = Path(__file__).parent / "programs" / "heap.c"
PATIENCE = 60.0


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> str:
    for tool, package in (("cc", "gcc"), ("google-pprof", "google-perftools")):
        if shutil.which(tool) is None:
            pytest.skip(f"needs {tool} (package {package})")
    built = tmp_path_factory.mktemp("heap") / "heap"
    subprocess.run(["cc", "-O1", "-g", "-o", built, PROGRAM], check=True)
    return str(built)


@attrs.frozen
class Run:
    context: RecordingContext
    status: ExitStatus
    data: MonitoringData

    @property
    def values(self) -> Mapping[str, float]:
        return {each.name.removeprefix("gperf_heap."): each.value for each in self.data.measurements}

    @property
    def problems(self) -> str:
        return "\n".join(map(str, self.data.problems))

    @property
    def notes(self) -> str:
        return "\n".join(self.context.notes)

    def artifact(self, kind: str) -> Path:
        return next(self.context.folder / each.path for each in self.data.artifacts if each.kind == kind)

    def finding(self, function: str) -> Finding:
        return next(each for each in self.data.findings if each.stack[0].startswith(f"{function} "))


Drive = Callable[..., Run]


@pytest.fixture
def drive(tmp_path: Path) -> Iterator[Drive]:
    """Run a command under the instrument: until it ends, or until it says that it is ready and then stopped."""
    (_, descriptor) = panther_register_execution_environments()
    with recording_context(tmp_path / "attempt", name="profiles/one/gperf_heap") as context:

        def run(*argv: str, serve: bool = False, runtime: str = "native", **options: Any) -> Run:
            tool = HeapEnvironment(context, HeapOptions(**options))
            tool.descriptor = descriptor
            folder = context.attempt / "services" / "one"
            folder.mkdir(parents=True, exist_ok=True)
            plain = ServiceCommand(program=ShellCommand(argv[0], argv[1:]))
            target = InstrumentTarget(service="one", command=plain, runtime=runtime, stop_signal=15)
            assert list(tool.check(target)) == []
            command = tool.wrap(plain)
            watched = Watched(tool, context, command, folder)
            process = watched.start()
            if not serve:
                return Run(context, *watched.finish(process))
            assert until(lambda: b"ready" in (folder / "stdout").read_bytes(), PATIENCE)
            return Run(context, *watched.stop(process))

        yield run


def pprof(program: str, profile: Path) -> dict[str, tuple[int, int]]:
    """Return bytes live in each function itself and with all that it calls, as google-pprof has them."""
    command = ["google-pprof", "--text", "--show_bytes", program, str(profile)]
    text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    found = re.findall(r"^\s*(\d+)\s+\S+%\s+\S+%\s+(\d+)\s+\S+%\s+(.+?)$", text, re.MULTILINE)
    return {name: (int(flat), int(cumulative)) for flat, cumulative, name in found}


def test_live_and_lost_memory_is_counted_exactly(program: str, drive: Drive) -> None:
    run = drive(program, "leak", "100")
    assert not run.data.problems, run.problems
    assert run.values["live_bytes"] == 100 * 256 + 64 * 50
    assert run.values["live_objects"] == 164
    assert run.values["allocated_bytes"] == 100 * (256 + 100) + 64 * 50
    assert run.values["leak_session.live_bytes"] == 100 * 256
    lost = run.finding("leak_session")
    assert (lost.kind, lost.count, lost.severity) == ("unfreed", 100, "warning")
    assert lost.message.startswith("25600 bytes in 100 objects from leak_session heap.c:")
    assert [each.split()[0] for each in lost.stack[:3]] == ["leak_session", "serve", "main"]


def test_the_numbers_are_those_of_pprof(program: str, drive: Drive) -> None:
    run = drive(program, "leak", "77")
    theirs = pprof(program, run.artifact("gperf_heap"))
    functions = json.loads(run.artifact("json").read_text())["functions"]
    ours = {each["name"]: (each["flat"], each["cumulative"]) for each in functions}
    for name in ("leak_session", "keep_entry", "serve", "main"):
        assert ours[name] == theirs[name]
    assert sum(flat for flat, _ in ours.values()) == sum(flat for flat, _ in theirs.values())
    folded = run.artifact("folded").read_text()
    assert re.search(rf"^.*main;serve;leak_session {77 * 256}$", folded, re.MULTILINE)


def test_a_program_that_keeps_little_has_no_finding(program: str, drive: Drive) -> None:
    run = drive(program, "clean", leak_objects=65)
    assert run.data.findings == ()
    assert run.values["leaked_bytes"] == 0
    assert run.values["live_bytes"] == 64 * 50


def test_the_leak_check_tells_lost_memory_from_kept(program: str, drive: Drive) -> None:
    run = drive(program, "leak", "100", leak_check="normal")
    assert not run.data.problems, run.problems
    (lost,) = run.data.findings
    assert (lost.kind, lost.severity, lost.count) == ("leak", "error", 100)
    assert run.values["leaked_bytes"] == 25600
    assert run.values["leaks"] == 1
    assert run.status.code == 1
    assert "exit code 1" in run.notes


def test_the_leak_check_finds_nothing_in_a_clean_program(program: str, drive: Drive) -> None:
    run = drive(program, "clean", leak_check="normal")
    assert run.data.findings == ()
    assert run.values["leaked_bytes"] == 0
    assert run.status.code == 0


def test_a_leak_has_the_same_fingerprint_in_every_run(program: str, drive: Drive) -> None:
    first = drive(program, "leak", "20").finding("leak_session")
    second = drive(program, "leak", "50").finding("leak_session")
    assert first.fingerprint == second.fingerprint
    assert first.fingerprint.startswith("gperf_heap:unfreed:leak_session<serve<main<")


def test_a_server_that_is_stopped_gives_its_profile(program: str, drive: Drive) -> None:
    run = drive(program, "polite", "100", serve=True)
    assert run.status.code == 5
    assert run.values["leaked_bytes"] == 100 * 256 + 64 * 50


def test_a_program_without_handler_gives_no_profile_and_the_way_out_is_told(program: str, drive: Drive) -> None:
    run = drive(program, "stubborn", "100", serve=True)
    assert "signal 15 ended the program before it could write" in run.problems
    assert "dump_signal: SIGRTMAX" in run.problems


def test_a_program_without_handler_writes_a_profile_at_a_signal(program: str, drive: Drive) -> None:
    run = drive(program, "stubborn", "100", serve=True, dump_signal="SIGUSR2")
    assert not run.data.problems, run.problems
    assert run.status.signal == 15
    assert run.values["leak_session.live_bytes"] == 100 * 256
    assert run.data.findings == ()
    assert "leaks are not judged" in run.notes


def test_profiles_at_intervals_make_a_series(program: str, drive: Drive) -> None:
    run = drive(program, "leak", "1000", allocation_interval=100_000)
    (series,) = json.loads(run.artifact("json").read_text())["live_bytes_by_profile"].values()
    assert len(series) == 4
    assert series == sorted(series)
    assert series[-1] == run.values["live_bytes"] == run.values["highest_live_bytes"] == 1000 * 256 + 64 * 50


def test_the_profile_after_a_while_is_the_result(program: str, drive: Drive) -> None:
    run = drive("sh", "-c", f"exec {program} polite 30", serve=True, monitoring_duration=0.2)
    assert not run.data.problems, run.problems
    assert run.values["leak_session.live_bytes"] == 30 * 256


def test_every_forked_process_writes_a_profile_of_its_own(program: str, drive: Drive) -> None:
    run = drive(program, "fork", "100", serve=True, forks=True)
    assert not run.data.problems, run.problems
    assert run.values["leak_session.live_bytes"] == 2 * 100 * 256
    raw = [each.path for each in run.data.artifacts if each.kind == "gperf_heap"]
    assert len(raw) == 3


def test_a_forking_program_is_a_problem_without_forks(program: str, drive: Drive) -> None:
    run = drive(program, "fork", "100", serve=True)
    assert "2 forked processes were running at the end" in run.problems
    assert "written over each other" in run.problems
    assert "forks: true" in run.problems


def test_only_the_program_that_is_wanted_counts(program: str, drive: Drive) -> None:
    starter = (sys.executable, "-c", f"import subprocess; subprocess.run(['{program}', 'leak', '40'])")
    run = drive(*starter, target_process="heap")
    assert run.values["live_bytes"] == 40 * 256 + 64 * 50
    assert "other programs of the service: python3" in run.notes
    other = drive(*starter, target_process="nothing")
    assert "the service has run: heap, python3" in other.problems


def test_leaks_of_an_interpreter_are_not_judged(drive: Drive, program: str) -> None:
    run = drive(sys.executable, "-c", "print('done')", runtime="python")
    assert not run.data.problems, run.problems
    assert run.values["live_bytes"] > 100_000
    assert "leaked_bytes" not in run.values
    assert run.data.findings == ()
    assert "an interpreter keeps memory" in run.notes
    assert "pyspy" in run.notes
