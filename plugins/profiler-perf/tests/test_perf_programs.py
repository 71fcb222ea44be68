"""Real programs under the real perf: what is reported is what the program does and what perf itself says."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import attrs
import pytest
from panther_profiler_perf.environment import PerfEnvironment
from panther_profiler_perf.options import PerfOptions, RecordOptions, StatOptions
from panther_profiler_perf.preflight import Inspector
from panther_profiler_perf.record import RecordEnvironment
from panther_profiler_perf.stat import StatEnvironment

from panther_core.testing import MakeProject, RecordingContext, recording_context
from panther_hookspecs import (
    Bytes,
    EnvironmentUnavailableError,
    InstrumentTarget,
    MonitoringData,
    Process,
    Seconds,
    ServiceCommand,
    ShellCommand,
)

pytestmark = pytest.mark.skipif(shutil.which("perf") is None, reason="needs perf")

SOON = 20.0
TIMES = 4
"""benchmarks/planted.py looks more often."""
HOT_SHARE = 0.75
TOLERANCE = 0.14
"""At 999 samples a second, 0.15 s give 150: four standard deviations, and more where there are more samples."""

HOT = """
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static double used(clockid_t clock) {
    struct timespec t;
    clock_gettime(clock, &t);
    return t.tv_sec + t.tv_nsec / 1e9;
}
__attribute__((noinline)) void hot(long turns) { for (volatile long i = 0; i < 3 * turns; i++); }
__attribute__((noinline)) void cold(long turns) { for (volatile long i = 0; i < turns; i++); }
static _Thread_local unsigned long dice = 1;
/* Never as long as before: a rhythm like that of the samples would give a share of its own. */
__attribute__((noinline)) void work(void) {
    dice = dice * 6364136223846793005UL + 1442695040888963407UL;
    long turns = 10000 + (dice >> 33) % 60000;
    hot(turns);
    cold(turns);
    asm volatile("");
}
static double seconds;
static void *spin(void *unused) {
    while (used(CLOCK_THREAD_CPUTIME_ID) < seconds) work();
    return unused;
}
static void stop(int unused) { _exit(5); }
int main(int count, char **words) {
    char how = words[1][0];
    seconds = atof(words[2]);
    signal(SIGTERM, stop);
    if (how == 't') {
        pthread_t threads[3];
        for (int i = 0; i < 3; i++) pthread_create(threads + i, NULL, spin, NULL);
        for (int i = 0; i < 3; i++) pthread_join(threads[i], NULL);
    } else if (how == 'f') {
        for (int i = 0; i < 2; i++) if (!fork()) { spin(NULL); _exit(0); }
        while (wait(NULL) > 0);
    } else if (how == 'w') {
        for (;;) pause();
    } else
        spin(NULL);
    return 7;
}
"""

REFUSING = """#!/bin/sh
case "$1" in
    --version) echo "perf version {version}" ;;
    *) echo "Error:" >&2; echo "Access to performance monitoring is limited." >&2; exit 255 ;;
esac
"""

WITHOUT_COUNTERS = """#!/bin/sh
case "$1" in
    --version) echo "perf version 6.1.0" ;;
    *) echo "<not supported>;;LLC-loads;0;100.00;;" >&2 ;;
esac
"""


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a folder with the program, built with frame pointers, without, and statically."""
    if shutil.which("cc") is None:
        pytest.skip("needs a C compiler")
    folder = tmp_path_factory.mktemp("programs")
    (folder / "hot.c").write_text(HOT)
    for name, flags in (
        ("hot", ["-fno-omit-frame-pointer"]),
        ("bare", ["-fomit-frame-pointer"]),
        ("fixed", ["-static"]),
    ):
        subprocess.run(["cc", "-O1", "-g", *flags, "-pthread", "-o", folder / name, folder / "hot.c"], check=True)
    return folder


class Bench:
    """One instrument and one service, led through the calls of the engine."""

    def __init__(self, tool: PerfEnvironment, context: RecordingContext) -> None:
        self.tool, self.context = tool, context
        self.folder = context.attempt / "services" / "one"
        self.folder.mkdir(parents=True, exist_ok=True)

    def start(self, *argv: object, also: PerfEnvironment | None = None) -> Process:
        command = ServiceCommand(program=ShellCommand(str(argv[0]), tuple(map(str, argv[1:]))))
        tools = [self.tool, *([also] if also else [])]
        for tool in tools:
            others = ("perf_record",) if also and tool is self.tool else ()
            assert self.problems(command, tool, others) == []
            command = tool.wrap(command)
        process = self.context.launcher.start(command, name="one", folder=self.folder)
        for tool in tools:
            tool.start_monitoring(process)
        return process

    def problems(
        self, command: ServiceCommand, tool: PerfEnvironment | None = None, others: tuple[str, ...] = ()
    ) -> list[str]:
        target = InstrumentTarget(service="one", command=command, runtime="native", stop_signal=15, others=others)
        return [str(each) for each in (tool or self.tool).check(target)]

    def end(self, process: Process) -> MonitoringData:
        assert process.wait(SOON) is not None
        self.tool.stop_monitoring()
        return self.tool.get_monitoring_data()

    def run(self, *argv: object) -> dict[str, float]:
        data = self.end(self.start(*argv))
        assert data.problems == ()
        return values_of(data)

    def folded(self) -> dict[str, int]:
        lines = (line.rpartition(" ") for line in (self.context.folder / "perf.folded").read_text().splitlines())
        return {stack: int(count) for stack, _, count in lines}


def values_of(data: MonitoringData) -> dict[str, float]:
    return {each.name: each.value for each in data.measurements}


def cost_of(process: Process) -> float:
    return process.usage.cpu_user + process.usage.cpu_system


@contextlib.contextmanager
def bench(folder: Path, options: PerfOptions) -> Iterator[Bench]:
    with recording_context(folder, name="profiles/one/perf") as context:
        make = RecordEnvironment if isinstance(options, RecordOptions) else StatEnvironment
        yield Bench(make(context, options), context)


Sampling = Callable[..., contextlib.AbstractContextManager[Bench]]


@pytest.fixture
def sampling(tmp_path: Path) -> Sampling:
    return lambda **options: bench(tmp_path / "attempt", RecordOptions(**options))


@pytest.fixture
def counting(tmp_path: Path) -> Sampling:
    return lambda **options: bench(tmp_path / "attempt", StatOptions(**options))


def test_a_hot_function_is_found_with_its_share_in_every_run(programs: Path, tmp_path: Path) -> None:
    shares, inspector, options = [], Inspector(), RecordOptions(functions=("hot", "cold"))
    with recording_context(tmp_path / "attempt", name="profiles/one/perf") as context:
        for number in range(TIMES):
            own = attrs.evolve(context, folder=context.attempt / "profiles" / str(number) / "perf")
            own.folder.mkdir(parents=True)
            found = Bench(RecordEnvironment(own, options, inspector=inspector), own).run(programs / "hot", "plain", 0.3)
            hot, cold = found["perf_record.hot.share"], found["perf_record.cold.share"]
            assert found["perf_record.top1.share"] == hot
            assert hot + cold > 0.8, "the rest is the kernel's"
            shares.append(hot / (hot + cold))
    assert shares == pytest.approx([HOT_SHARE] * TIMES, abs=TOLERANCE)


def test_shares_are_those_of_perf_itself(programs: Path, sampling: Sampling) -> None:
    with sampling() as one:
        found = one.run(programs / "hot", "threads", 0.1)
        file, own = one.context.folder / "perf.data", Counter(one.folded())
    told = _perf("script", "--no-inline", "-F", "comm,tid,ip,sym", "-i", str(file))
    stacks = [block.splitlines()[1:] for block in told.split("\n\n") if block.strip()]
    leaves = Counter(stack[0].split(maxsplit=1)[1] for stack in stacks if stack)
    mine: Counter[str] = Counter()
    for stack, count in own.items():
        mine[stack.rpartition(";")[2]] += count
    assert found["perf_record.samples"] == len(stacks)
    assert mine == leaves
    report = _perf("report", "--stdio", "-q", "--no-children", "-g", "none", "-F", "sample,sym", "-i", str(file))
    rows = (re.match(r"\s*(\d+)\s+\[.\] (.*\S)", line) for line in report.splitlines())
    assert Counter({row[2]: int(row[1]) for row in rows if row}) == leaves


def _perf(*words: str) -> str:
    environ = {**os.environ, "PERF_CONFIG": "/dev/null"}
    return subprocess.run(["perf", *words], capture_output=True, text=True, check=True, env=environ).stdout


def test_all_threads_and_forked_processes_are_seen(programs: Path, tmp_path: Path) -> None:
    for how, workers in (("threads", 3), ("forks", 2)):
        with bench(tmp_path / how, RecordOptions(functions=("hot",))) as one:
            process = one.start(programs / "hot", how, 0.15)
            found = values_of(one.end(process))
            busy = [line for line in one.folded() if ";hot" in line]
            assert found["perf_record.threads"] >= workers
            assert found["perf_record.hot.share"] == pytest.approx(HOT_SHARE, abs=TOLERANCE)
            assert found["perf_record.samples"] == pytest.approx(999 * cost_of(process), rel=0.2)
            assert busy


def test_a_static_program_is_sampled_too(programs: Path, sampling: Sampling) -> None:
    with sampling() as one:
        assert one.run(programs / "fixed", "plain", 0.2)["perf_record.hot.share"] == pytest.approx(
            HOT_SHARE, abs=TOLERANCE
        )


def test_dwarf_finds_the_callers_that_frame_pointers_do_not_show(programs: Path, sampling: Sampling) -> None:
    with sampling(call_graph="dwarf", sampling_rate=500, functions=("work",)) as one:
        found = one.run(programs / "bare", "plain", 0.2)
        assert found["perf_record.work.cumulative.share"] > 0.8
        assert [line for line in one.folded() if line.endswith("main;spin;work;hot")]


def test_the_rate_is_the_one_that_was_asked_for(programs: Path, sampling: Sampling) -> None:
    with sampling(sampling_rate=250, event="cpu-clock") as one:
        process = one.start(programs / "hot", "plain", 0.4)
        found = values_of(one.end(process))
        assert found["perf_record.samples"] == pytest.approx(250 * cost_of(process), rel=0.15)
        assert not [note for note in one.context.notes if "counters" in note], "the user has named the event"


def test_counters_count_what_the_service_costs(programs: Path, counting: Sampling) -> None:
    with counting(events=("task-clock", "context-switches", "page-faults")) as one:
        process = one.start(programs / "hot", "threads", 0.1)
        found = values_of(one.end(process))
        assert set(found) == {"perf_stat.task_clock", "perf_stat.context_switches", "perf_stat.page_faults"}
        assert found["perf_stat.task_clock"] == pytest.approx(cost_of(process), abs=0.05)
        assert found["perf_stat.page_faults"] > 20


def test_what_cannot_be_counted_is_said(programs: Path, counting: Sampling) -> None:
    with counting() as one:
        found = one.run(programs / "hot", "plain", 0.05)
        assert {"perf_stat.task_clock", "perf_stat.context_switches", "perf_stat.cpu_migrations"} <= set(found)
        assert ("perf_stat.cycles" in found) != any("no cycles" in note for note in one.context.notes)


def test_what_only_the_kernel_sees_is_left_out_where_it_may_not_be_seen(programs: Path, tmp_path: Path) -> None:
    """As perf does it for a user at kernel.perf_event_paranoid 2: ``:u`` at every event."""
    with bench(tmp_path / "stat", StatOptions(events=("task-clock:u", "context-switches:u"))) as one:
        assert set(one.run(programs / "hot", "threads", 0.05)) == {"perf_stat.task_clock"}
        assert [note for note in one.context.notes if "no context_switches" in note]
    with bench(tmp_path / "record", RecordOptions(event="cpu-clock:u")) as one:
        found = one.run(programs / "hot", "plain", 0.1)
        assert (found["perf_record.kernel.share"], found["perf_record.top1.share"] > 0.5) == (0, True)
        assert [note for note in one.context.notes if "perf_event_paranoid" in note]


def test_both_instruments_see_one_service(programs: Path, tmp_path: Path) -> None:
    with recording_context(tmp_path / "attempt", name="profiles/one/perf_stat") as context:
        other = context.attempt / "profiles" / "one" / "perf_record"
        other.mkdir(parents=True)
        stat = Bench(StatEnvironment(context, StatOptions()), context)
        record = RecordEnvironment(attrs.evolve(context, folder=other), RecordOptions())
        process = stat.start(programs / "hot", "plain", 0.2, also=record)
        counted = values_of(stat.end(process))
        record.stop_monitoring()
        sampled = values_of(record.get_monitoring_data())
        assert counted["perf_stat.task_clock"] == pytest.approx(cost_of(process), abs=0.05)
        assert sampled["perf_record.samples"] == pytest.approx(999 * cost_of(process), rel=0.2)


def test_a_running_process_is_attached_to_by_its_name(programs: Path, sampling: Sampling) -> None:
    with sampling(attach=True, target_process="hot", functions=("hot",)) as one:
        process = one.start("sh", "-c", f"while :; do :; done & {programs}/hot plain 0.4; kill $!; exit 3")
        data = one.end(process)
        assert (data.problems, process.exit and process.exit.code) == ((), 3)
        assert values_of(data)["perf_record.hot.share"] == pytest.approx(HOT_SHARE, abs=TOLERANCE)
        assert {stack.partition(";")[0] for stack in one.folded()} == {"hot"}


def test_a_name_that_no_process_has_is_an_error(programs: Path, sampling: Sampling) -> None:
    with (
        sampling(attach=True, target_process="nginx", timeout=Seconds(0.3)) as one,
        pytest.raises(EnvironmentUnavailableError, match=r"no process 'nginx' of service one .*there are: .*sleep"),
    ):
        one.start("sleep", "60")


def test_perf_leaves_when_the_time_is_over_and_the_service_runs_on(programs: Path, sampling: Sampling) -> None:
    with sampling(monitoring_duration=Seconds(0.2), event="cpu-clock") as one:
        process = one.start(programs / "hot", "plain", 1.0)
        data = one.end(process)
        assert process.exit is not None
        assert process.exit.code == 7
        assert data.problems == ()
        assert 1 < values_of(data)["perf_record.samples"] < 600


def test_results_are_there_before_the_service_is_stopped(programs: Path, sampling: Sampling) -> None:
    with sampling() as one:
        process = one.start(programs / "hot", "wait", 0)
        one.tool.stop_monitoring()
        assert process.exit is None
        assert (one.context.folder / "perf.data").stat().st_size
        assert process.stop(signal=signal.SIGTERM, grace=SOON).code == 5
        assert one.tool.get_monitoring_data().problems == ()


def test_a_recording_that_was_cut_off_is_a_problem(programs: Path, sampling: Sampling) -> None:
    with sampling() as one:
        process = one.start(programs / "hot", "wait", 0)
        tracer, _ = one.tool._tracers[0]
        os.kill(tracer.process.pid, signal.SIGKILL)
        assert tracer.process.wait(SOON) is not None
        process.kill()
        data = one.end(process)
        assert re.search(r"never completed|missing or empty", str(data.problems[0])), data.problems
        assert data.artifacts == ()


def test_a_full_recording_ends_and_says_so(programs: Path, sampling: Sampling) -> None:
    with sampling(data_limit=Bytes(100_000), sampling_rate=10_000, call_graph="dwarf") as one:
        found = one.run(programs / "hot", "plain", 0.4)
        assert found["perf_record.truncated"] == 1
        assert [note for note in one.context.notes if "data_limit" in note]


def test_a_service_that_ends_before_perf_comes_is_a_problem(sampling: Sampling) -> None:
    with sampling(attach=True) as one:
        command = ServiceCommand(program=ShellCommand("true"))
        process = one.context.launcher.start(command, name="one", folder=one.folder)
        assert process.wait(SOON) is not None
        one.tool.start_monitoring(process)
        data = one.end(process)
        assert "ended before perf could be attached" in str(data.problems[0])


def test_a_service_that_is_started_again_does_not_wait_and_is_missed(programs: Path, sampling: Sampling) -> None:
    with sampling() as one:
        command = one.tool.wrap(ServiceCommand(program=ShellCommand(str(programs / "hot"), ("plain", "0.05"))))
        assert one.problems(command) == []
        first = one.context.launcher.start(command, name="one", folder=one.folder)
        one.tool.start_monitoring(first)
        assert first.wait(SOON) is not None
        again = one.context.launcher.start(command, name="one", folder=one.folder)
        status = again.wait(SOON)
        assert status is not None
        assert status.code == 7
        data = one.end(again)
        assert "started again" in str(data.problems[0])
        assert values_of(data)["perf_record.samples"] > 1, "the first start was seen"


def test_two_starts_that_were_both_watched_add_up(programs: Path, sampling: Sampling) -> None:
    with sampling(event="cpu-clock") as one:
        command = one.tool.wrap(ServiceCommand(program=ShellCommand(str(programs / "hot"), ("plain", "0.3"))))
        assert one.problems(command) == []
        for _ in range(2):
            process = one.context.launcher.start(command, name="one", folder=one.folder)
            one.tool.start_monitoring(process)
            assert process.wait(SOON) is not None
        data = one.end(process)
        assert data.problems == ()
        assert values_of(data)["perf_record.samples"] > 330
        assert {"perf.data", "perf-2.data"} <= {each.path for each in data.artifacts}


def test_results_go_where_the_user_wants_them(programs: Path, sampling: Sampling) -> None:
    with sampling(output_directory="mine") as one:
        data = one.end(one.start(programs / "hot", "plain", 0.05))
        assert {Path(each.path).parent for each in data.artifacts} == {one.context.attempt / "mine" / "one"}
        assert all((one.context.folder / each.path).stat().st_size for each in data.artifacts)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (RecordOptions(event="nonsense-event"), r"knows no event 'nonsense-event'"),
        (RecordOptions(sampling_rate=1e9), r"does not allow 1e\+09 samples a second(.|\n)*max_sample_rate"),
        (RecordOptions(sampling_rate=0.5), "whole number"),
        (StatOptions(events=("cycles", "no-such-thing")), "knows no event 'no-such-thing'"),
    ],
)
def test_what_cannot_be_done_is_refused_before_the_start(tmp_path: Path, options: PerfOptions, said: str) -> None:
    with bench(tmp_path / "attempt", options) as one:
        problems = one.problems(ServiceCommand(program=ShellCommand("true")))
        assert re.search(said, "\n".join(problems)), problems


def test_options_that_cannot_be_honoured_are_no_options() -> None:
    with pytest.raises(ValueError, match="attach: true"):
        RecordOptions(target_process="x")
    with pytest.raises(ValueError, match="attach: true"):
        StatOptions(target_process="x")
    with pytest.raises(ValueError, match="perf_record samples"):
        StatOptions(sampling_rate=10)


@pytest.mark.parametrize(
    ("script", "options", "said"),
    [
        (REFUSING.format(version="6.1.0"), RecordOptions(), r"(?s)limited.*perf_event_paranoid is \d.*run as root"),
        (REFUSING.format(version="4.9.1"), StatOptions(), r"perf 4\.9 is too old"),
        (
            "#!/bin/sh\necho 'WARNING: perf not found for kernel 1.2'; exit 2\n",
            StatOptions(),
            "not found for kernel 1.2",
        ),
        (WITHOUT_COUNTERS, RecordOptions(event="LLC-loads"), "cannot sample LLC-loads"),
        (WITHOUT_COUNTERS, StatOptions(events=("LLC-loads",)), "cannot count LLC-loads"),
        ("", StatOptions(), "perf is not installed"),
    ],
)
def test_a_perf_that_cannot_work_is_refused_with_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, options: PerfOptions, said: str
) -> None:
    fake = tmp_path / "bin" / "perf"
    fake.parent.mkdir()
    if script:
        fake.write_text(script)
        fake.chmod(0o755)
    monkeypatch.setenv("PATH", str(fake.parent))
    with bench(tmp_path / "attempt", options) as one:
        problems = one.problems(ServiceCommand(program=ShellCommand("/bin/true")))
        assert re.search(said, "\n".join(problems)), problems


def test_a_check_decides_by_the_share_of_a_function(programs: Path, panther_project: MakeProject) -> None:
    experiment = {
        "name": "profiled",
        "network_environment": "localhost",
        "execution_environments": ["perf_stat", {"type": "perf_record", "functions": ["hot"]}],
        "test_cases": [
            {
                "name": name,
                "services": {"one": {"implementation": "command", "argv": [str(programs / "hot"), "plain", "0.2"]}},
                "checks": [
                    {"exit_code": {"service": "one", "equals": 7}},
                    {"that": f"one.perf_record.hot.share {share} and perf_stat.task_clock < 10s"},
                ],
                "expect": verdict,
            }
            for name, share, verdict in (("right", "> 50%", "pass"), ("wrong", "< 50%", "fail"))
        ],
    }
    outcome = panther_project({"profiled.yaml": json.dumps(experiment)}).run("run profiled.yaml")
    outcome.assert_ok()
    outcome.assert_verdicts({"right": "pass", "wrong": "fail"})
    assert outcome.text("profiles/one/perf_record/perf.txt", case="right").splitlines()[2].endswith("hot  (hot)")


@pytest.mark.skipif(shutil.which("iperf3") is None, reason="needs iperf3")
@pytest.mark.parametrize("graph", ["fp", "dwarf"])
def test_a_real_server_spends_its_time_in_the_kernel(panther_project: MakeProject, graph: str) -> None:
    text = f"""
name: iperf
network_environment: localhost
execution_environments: [perf_stat, {{type: perf_record, call_graph: {graph}, services: [server]}}]
test_cases:
  - name: throughput
    services:
      server:
        implementation: command
        ends_by_itself: false
        argv: [iperf3, --server, --bind, "{{self.ip}}", --forceflush]
        stop_signal: INT
        ready: {{kind: log, pattern: Server listening}}
      client:
        implementation: command
        depends_on: [server]
        argv: [iperf3, --client, "{{server.ip}}", --time, "1"]
    checks:
      - exit_code: {{service: client, equals: 0}}
      - that: "server.perf_record.samples > 20 and server.perf_record.kernel.share > 50%"
      - that: "client.perf_stat.task_clock > 0.05 and server.perf_stat.task_clock > 0.05"
"""
    done = panther_project({"exp.yaml": text}).run("run exp.yaml")
    done.assert_ok()
    (case,) = done.cases()
    assert case["problems"] == []
    assert "tcp_recvmsg" in done.text("profiles/server/perf_record/perf.folded")
