"""gperf_cpu on real programs whose CPU time goes where they say, against google-pprof on the same files."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import attrs
import pytest
from panther_profiler_gperf.cpu import CpuEnvironment
from panther_profiler_gperf.options import CpuOptions
from panther_profiler_gperf.plugin import panther_register_execution_environments
from panther_profiler_gperf.switching import until

from panther_core.testing import RecordingContext, recording_context
from panther_core.testing.conformance.instrument import Watched
from panther_hookspecs import ExitStatus, InstrumentTarget, MonitoringData, ServiceCommand, ShellCommand

PROGRAM = Path(__file__).parent / "programs" / "cpu.c"
PATIENCE = 60.0


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> str:
    for tool, package in (("cc", "gcc"), ("google-pprof", "google-perftools")):
        if shutil.which(tool) is None:
            pytest.skip(f"needs {tool} (package {package})")
    built = tmp_path_factory.mktemp("cpu") / "cpu"
    subprocess.run(["cc", "-O1", "-g", "-pthread", "-o", built, PROGRAM], check=True)
    return str(built)


@attrs.frozen
class Run:
    context: RecordingContext
    status: ExitStatus
    data: MonitoringData

    @property
    def values(self) -> Mapping[str, float]:
        return {each.name: each.value for each in self.data.measurements}

    @property
    def problems(self) -> str:
        return "\n".join(map(str, self.data.problems))

    @property
    def notes(self) -> str:
        return "\n".join(self.context.notes)

    def artifact(self, kind: str) -> Path:
        return next(self.context.folder / each.path for each in self.data.artifacts if each.kind == kind)


Drive = Callable[..., Run]


@pytest.fixture
def drive(tmp_path: Path) -> Iterator[Drive]:
    """Run a command under the instrument: until it ends, or for a while and then stopped, as a server is."""
    (descriptor, _) = panther_register_execution_environments()
    with recording_context(tmp_path / "attempt", name="profiles/one/gperf_cpu") as context:

        def run(*argv: str, serve: float = 0.0, runtime: str = "native", stop_signal: int = 15, **options: Any) -> Run:
            tool = CpuEnvironment(context, CpuOptions(**{"frequency": 250, **options}))
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
            assert until(lambda: process.usage.cpu_user >= serve, PATIENCE)
            tool.stop_monitoring()
            status = process.stop(signal=stop_signal, grace=PATIENCE)
            return Run(context, status, tool.get_monitoring_data())

        yield run


def assert_shares(run: Run) -> None:
    """Three parts of the time are in hot(), one in warm(); how near samples come to it depends on their number."""
    assert not run.data.problems, run.problems
    samples = run.values["gperf_cpu.samples"]
    assert samples > 20, run.values
    tolerance = 5 * (0.75 * 0.25 / samples) ** 0.5 + 0.03
    assert run.values["gperf_cpu.top1.share"] == run.values["gperf_cpu.hot.share"]
    assert abs(run.values["gperf_cpu.hot.share"] - 0.75) < tolerance, run.values
    assert abs(run.values["gperf_cpu.warm.share"] - 0.25) < tolerance, run.values
    assert run.values["gperf_cpu.work.cumulative.share"] > 0.9


def pprof(program: str, profile: Path, *options: str) -> dict[str, tuple[int, int]]:
    """Return flat and cumulative counts by function as google-pprof has them."""
    command = ["google-pprof", "--text", "--no-auto-signal-frm", *options, program, str(profile)]
    text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    found = re.findall(r"^\s*(\d+)\s+\S+%\s+\S+%\s+(\d+)\s+\S+%\s+(.+?)$", text, re.MULTILINE)
    return {name: (int(flat), int(cumulative)) for flat, cumulative, name in found}


def test_a_hot_function_has_its_share(program: str, drive: Drive) -> None:
    run = drive(program, "work", "0.6")
    assert run.values["gperf_cpu.samples"] > 40
    assert_shares(run)


def test_the_numbers_are_those_of_pprof(program: str, drive: Drive) -> None:
    run = drive(program, "threads", "0.2")
    theirs = pprof(program, run.artifact("gperf_cpu"))
    ours = {
        each["name"]: (each["flat"], each["cumulative"])
        for each in json.loads(run.artifact("json").read_text())["functions"]
    }
    for name in ("hot", "warm", "work", "thread"):
        assert ours[name] == theirs[name]
    assert sum(flat for flat, _ in ours.values()) == sum(flat for flat, _ in theirs.values())


def test_all_threads_are_sampled(program: str, drive: Drive) -> None:
    run = drive(program, "threads", "0.25")
    assert_shares(run)
    assert run.values["gperf_cpu.thread.cumulative.share"] > 0.9
    assert run.values["gperf_cpu.samples"] > 60


def test_a_server_that_is_stopped_gives_its_profile(program: str, drive: Drive) -> None:
    run = drive(program, "serve", "60", serve=0.4)
    assert run.status.code == 0
    assert_shares(run)
    folded = run.artifact("folded").read_text()
    assert re.search(r"^.*main;work;hot \d+$", folded, re.MULTILINE)
    assert sum(int(line.rpartition(" ")[2]) for line in folded.splitlines()) == run.values["gperf_cpu.samples"]


def test_a_program_without_handler_gives_no_profile_and_the_way_out_is_told(program: str, drive: Drive) -> None:
    run = drive(program, "stubborn", "60", serve=0.2)
    assert "signal 15 ended the program before it could write" in run.problems
    assert "switch_signal: SIGRTMAX" in run.problems
    assert "stop_signal" in run.problems
    assert not run.data.artifacts


def test_a_program_without_handler_is_profiled_by_a_signal(program: str, drive: Drive) -> None:
    run = drive(program, "stubborn", "60", serve=0.4, switch_signal="SIGUSR2")
    assert run.status.signal == 15
    assert_shares(run)


def test_a_program_with_a_handler_of_its_own_for_the_signal_is_told_at_once(program: str, drive: Drive) -> None:
    run = drive(program, "own", "60", serve=0.2, switch_signal="SIGUSR2")
    assert "has a handler of its own for it" in run.problems
    assert "try: another switch_signal than SIGUSR2, or none" in run.problems


def test_a_killed_program_is_profiled_by_a_signal(program: str, drive: Drive) -> None:
    run = drive(program, "stubborn", "60", serve=0.4, switch_signal="USR1", stop_signal=9)
    assert run.status.signal == 9
    assert_shares(run)


def test_sampling_for_a_while_ends_before_the_program(program: str, drive: Drive) -> None:
    run = drive(program, "work", "1.2", monitoring_duration=0.4)
    assert_shares(run)
    assert run.values["gperf_cpu.samples"] < 0.75 * 250


def test_every_forked_process_has_a_profile_of_its_own(program: str, drive: Drive) -> None:
    run = drive(program, "fork", "60", serve=1.0, forks=True)
    assert_shares(run)
    raw = [each for each in run.data.artifacts if each.kind == "gperf_cpu"]
    assert len(raw) == 2
    for each in raw:
        assert pprof(program, run.context.folder / each.path)["work"][1] > 10
    assert "the first process is not sampled" in run.notes


def test_no_more_processes_are_signalled_than_show_that_the_signal_kills(program: str, drive: Drive) -> None:
    run = drive(program, "forgetful", "60", serve=1.0, forks=True)
    assert run.problems.count("ended when it got the signal: by chance, or because it has cleared") == 2
    assert "try: another switch_signal than SIGRTMAX, or forks: false" in run.problems


def test_a_forking_program_is_a_problem_without_forks(program: str, drive: Drive) -> None:
    run = drive(program, "fork", "60", serve=1.0)
    assert "forks: true" in run.problems


def test_profiles_written_over_each_other_are_a_problem(program: str, drive: Drive) -> None:
    run = drive(program, "forkexit", "0.1")
    assert "written over each other" in run.problems
    assert "forks: true" in run.problems


def test_forks_without_a_fork_is_a_problem(program: str, drive: Drive) -> None:
    run = drive(program, "work", "0.2", forks=True)
    assert "no forked process was sampled" in run.problems


def test_a_shell_is_told_from_the_program_that_it_starts(program: str, drive: Drive) -> None:
    script = f"{program} work 0.3; {program} work 0.3; true"
    run = drive("bash", "-c", script, target_process="cpu")
    assert_shares(run)
    other = drive("bash", "-c", f"{program} work 0.1; true", target_process="nothing")
    assert "the service has run: bash, cpu" in other.problems


def test_a_shell_that_becomes_the_program_is_followed(program: str, drive: Drive) -> None:
    run = drive("sh", "-c", f"sleep 0.2; exec {program} work 0.8", switch_signal="SIGUSR2", target_process="cpu")
    assert_shares(run)


def test_a_program_in_the_place_of_another_that_the_timer_has_killed_is_explained(program: str, drive: Drive) -> None:
    run = drive(program, "replaced")
    assert run.status.signal == 27
    assert "started another program in its place" in run.problems


def test_a_stripped_program_has_numbers_and_a_note(program: str, drive: Drive, tmp_path: Path) -> None:
    stripped = tmp_path / "stripped"
    subprocess.run(["strip", "-o", stripped, program], check=True)
    run = drive(str(stripped), "work", "0.3")
    assert run.values["gperf_cpu.stripped.share"] == run.values["gperf_cpu.top1.share"] > 0.9
    assert f"{stripped} is stripped" in run.notes


def test_inlined_functions_are_told_apart(drive: Drive, program: str, tmp_path: Path) -> None:
    text = PROGRAM.read_text().replace("__attribute__((noinline)) uint64_t", "static inline uint64_t")
    (tmp_path / "inlined.c").write_text(text)
    built = tmp_path / "inlined"
    subprocess.run(["cc", "-O2", "-g", "-pthread", "-o", built, tmp_path / "inlined.c"], check=True)
    run = drive(str(built), "work", "0.3")
    theirs = pprof(str(built), run.artifact("gperf_cpu"))
    samples = run.values["gperf_cpu.samples"]
    for name in ("hot", "warm"):
        assert round(run.values[f"gperf_cpu.{name}.share"] * samples) == theirs[f"{name} (inline)"][0]


def test_waiting_counts_by_the_clock(program: str, drive: Drive) -> None:
    run = drive("sleep", "0.6", realtime=True)
    assert not run.data.problems, run.problems
    assert run.values["gperf_cpu.samples"] > 30


def test_the_raw_profile_is_copied_where_it_is_wanted(program: str, drive: Drive, tmp_path: Path) -> None:
    wanted = tmp_path / "elsewhere" / "cpu.prof"
    run = drive(program, "work", "0.1", output_file=str(wanted), output_directory="more")
    assert wanted.read_bytes() == (run.context.attempt / "more" / "one" / "cpu.prof").read_bytes()
    assert all((run.context.folder / each.path).is_file() for each in run.data.artifacts)
