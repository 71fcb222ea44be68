"""Real Python programs under the real py-spy."""

from __future__ import annotations

import contextlib
import json
import math
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import attrs
import pytest
from panther_profiler_pyspy.environment import PySpyEnvironment
from panther_profiler_pyspy.options import PySpyOptions

from panther_core.testing import MakeProject, RecordingContext, recording_context
from panther_hookspecs import (
    EnvironmentUnavailableError,
    InstrumentTarget,
    MonitoringData,
    Process,
    Seconds,
    ServiceCommand,
    ShellCommand,
)

SOON = 20.0
TIMES = 4
"""benchmarks/planted.py looks more often."""
HOT_SHARE = 0.75
TOLERANCE = 0.14
"""At 500 looks a second, 0.3 s give 150: four standard deviations."""

HOT = """
import random, subprocess, sys, threading, time

def hot(turns):
    for number in range(3 * turns):
        number * number

def cold(turns):
    for number in range(turns):
        number * number

def work(seconds):
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        turns = random.randrange(1000, 3000)  # in no rhythm that samples could have too
        hot(turns)
        cold(turns)

how, seconds = sys.argv[1], float(sys.argv[2])
if how == "threads":
    threads = [threading.Thread(target=work, args=(seconds,), name=f"worker-{n}") for n in range(3)]
    [each.start() for each in threads]
    [each.join() for each in threads]
elif how == "child":
    subprocess.run([sys.executable, __file__, "plain", str(seconds)])
elif how == "late child":
    child = subprocess.Popen([sys.executable, __file__, "late", str(seconds)])
    print("ready", flush=True)
    child.wait()
elif how == "late":
    time.sleep(0.3)
    work(seconds)
elif how == "wait":
    threading.Event().wait(seconds)
elif how == "native":
    sum(sorted(range(1000000), key=str)[0] for _ in range(2))
else:
    work(seconds)
sys.exit(7)
"""


@pytest.fixture
def program(tmp_path: Path) -> Path:
    path = tmp_path / "hot.py"
    path.write_text(HOT)
    return path


@attrs.frozen
class Bench:
    """One instrument and one service, led through the calls of the engine."""

    tool: PySpyEnvironment
    context: RecordingContext

    def launch(self, *argv: object) -> Process:
        folder = self.context.attempt / "services" / "one"
        folder.mkdir(parents=True, exist_ok=True)
        command = ServiceCommand(program=ShellCommand(str(argv[0]), tuple(map(str, argv[1:]))))
        target = InstrumentTarget(service="one", command=command, runtime="python", stop_signal=15)
        assert [str(each) for each in self.tool.check(target)] == []
        return self.context.launcher.start(self.tool.wrap(command), name="one", folder=folder)

    def start(self, *argv: object) -> Process:
        process = self.launch(*argv)
        self.tool.start_monitoring(process)
        return process

    def end(self, process: Process) -> MonitoringData:
        assert process.wait(SOON) is not None
        self.tool.stop_monitoring()
        return self.tool.get_monitoring_data()

    def run(self, *argv: object) -> dict[str, float]:
        data = self.end(self.start(sys.executable, *argv))
        assert data.problems == ()
        return values_of(data)

    def folded(self) -> dict[str, int]:
        lines = (line.rpartition(" ") for line in (self.context.folder / "pyspy.folded").read_text().splitlines())
        return {stack: int(count) for stack, _, count in lines}


def values_of(data: MonitoringData) -> dict[str, float]:
    return {each.name: each.value for each in data.measurements}


Watching = Callable[..., contextlib.AbstractContextManager[Bench]]


@pytest.fixture
def watching(tmp_path: Path) -> Watching:
    @contextlib.contextmanager
    def watch(**options: Any) -> Iterator[Bench]:
        with recording_context(tmp_path / "attempt", name="profiles/one/pyspy") as context:
            yield Bench(PySpyEnvironment(context, PySpyOptions(**options)), context)

    return watch


def at_most(looks: float) -> float:
    """Return how many looks py-spy may have taken where so many are expected: the time between two is random."""
    return looks + 6 * math.sqrt(looks)


def test_a_hot_function_is_found_with_its_share_in_every_run(program: Path, watching: Watching) -> None:
    shares = []
    with watching() as bench:
        for number in range(TIMES):
            own = attrs.evolve(bench.context, folder=bench.context.attempt / "profiles" / "one" / str(number))
            own.folder.mkdir()
            options = PySpyOptions(sampling_rate=500, functions=("hot", "cold"), timeline=bool(number % 2))
            found = Bench(PySpyEnvironment(own, options), own).run(program, "plain", 0.3)
            hot, cold = found["pyspy.hot.share"], found["pyspy.cold.share"]
            assert found["pyspy.top1.share"] == hot
            assert hot + cold > 0.25, "the rest is the start of the interpreter, which takes long beside others"
            shares.append(hot / (hot + cold))
    assert shares == pytest.approx([HOT_SHARE] * TIMES, abs=TOLERANCE)


def test_both_formats_say_the_same_as_py_spy_itself(program: Path, watching: Watching) -> None:
    with watching() as bench:
        found = bench.run(program, "plain", 0.3)
        told = re.findall(r"Samples: (\d+) Errors: (\d+)", bench.tool._samplers[0][0].said())
        assert [(found["pyspy.samples"], found["pyspy.failed"])] == [(int(a), int(b)) for a, b in told]
        assert sum(bench.folded().values()) == found["pyspy.samples"]
        document = json.loads((bench.context.folder / "pyspy.speedscope.json").read_text())
        assert sum(len(each["samples"]) for each in document["profiles"]) == found["pyspy.samples"]
        assert document["$schema"].endswith("file-format-schema.json"), "other tools know the file by this"


def test_the_rate_is_the_one_that_was_asked_for(program: Path, watching: Watching) -> None:
    with watching(sampling_rate=20, idle=True) as bench:
        began = time.monotonic()
        found = bench.run(program, "wait", 3.0)
        assert 1 <= found["pyspy.samples"] <= at_most(20 * (time.monotonic() - began))


def test_all_threads_are_seen(program: Path, watching: Watching) -> None:
    with watching(functions=("hot", "cold")) as bench:
        found = bench.run(program, "threads", 0.25)
        assert found["pyspy.threads"] >= 3
        assert found["pyspy.hot.share"] > found["pyspy.cold.share"] > 0
        assert [stack for stack in bench.folded() if "Thread.run" in stack and stack.endswith("hot (hot.py)")]


def test_only_the_thread_with_the_lock_is_seen_if_asked_for(program: Path, watching: Watching) -> None:
    with watching(gil=True, idle=True) as bench:
        began = time.monotonic()
        found = bench.run(program, "threads", 0.25)
        looks = 100 * (time.monotonic() - began)
        assert 1 <= found["pyspy.samples"] <= at_most(looks), "one in each look, where all threads would be four"


def test_children_are_seen_if_asked_for(program: Path, watching: Watching) -> None:
    with watching(subprocesses=True, functions=("hot", "cold")) as bench:
        found = bench.run(program, "child", 0.8)
        assert found["pyspy.hot.share"] > found["pyspy.cold.share"] > 0
        assert not [stack for stack in bench.folded() if re.search(r"process \d", stack)], "process ids never repeat"


def test_work_in_a_process_that_was_not_looked_into_is_a_problem(program: Path, watching: Watching) -> None:
    with watching(nonblocking=True) as bench:
        process = bench.launch(sys.executable, program, "late child", 0.8)
        deadline = time.monotonic() + SOON
        while not (bench.context.attempt / "services" / "one" / "stdout").read_text():
            assert time.monotonic() < deadline
            time.sleep(0.01)
        bench.tool.start_monitoring(process)
        problem = str(bench.end(process).problems[0])
        assert re.search(r"has seen 0\.0\d s of [01]\.\d+ s of work", problem)
        assert "subprocesses: true" in problem


def test_extensions_are_seen_if_asked_for(program: Path, watching: Watching) -> None:
    with watching(native=True) as bench:
        bench.run(program, "native", 0)
        assert [stack for stack in bench.folded() if re.search(r"sort|str|long|object|\.so", stack, re.IGNORECASE)]


def test_lines_are_told_if_asked_for(program: Path, watching: Watching) -> None:
    with watching(lines=True) as bench:
        bench.run(program, "plain", 0.3)
        assert {stack.rpartition("(")[2] for stack in bench.folded() if ";hot" in stack} <= {"hot.py:5)", "hot.py:6)"}


def test_waiting_is_seen_if_asked_for(program: Path, tmp_path: Path, watching: Watching) -> None:
    with watching(idle=True) as bench:
        found = bench.run(program, "wait", 0.5)
        assert found["pyspy.Condition_wait.share"] > 0.5


def test_an_idle_program_has_no_samples_and_no_empty_file(program: Path, watching: Watching) -> None:
    with watching() as bench:
        process = bench.start(sys.executable, program, "wait", 60)
        bench.tool.stop_monitoring()
        assert process.wait(0) is None, "the results are there while the program lives"
        process.kill()
        data = bench.tool.get_monitoring_data()
        assert data.problems == ()
        assert values_of(data)["pyspy.top1.share"] >= 0
        assert bool(data.artifacts) == bool(values_of(data)["pyspy.samples"])


def test_py_spy_leaves_when_the_time_is_over_and_the_service_runs_on(program: Path, watching: Watching) -> None:
    with watching(monitoring_duration=Seconds(0.2)) as bench:
        process = bench.start(sys.executable, program, "plain", 0.8)
        sampler = bench.tool._samplers[0][0]
        assert sampler.process.wait(SOON) is not None
        assert process.wait(0) is None
        assert bench.end(process).problems == ()
        assert process.exit is not None
        assert process.exit.code == 7


def test_one_process_is_found_by_its_name(program: Path, watching: Watching) -> None:
    with watching(target_process="hot.py", functions=("hot",)) as bench:
        process = bench.start("sh", "-c", f"sleep 0.1; {sys.executable} {program} plain 0.4; exit 3")
        found = values_of(bench.end(process))
        assert process.exit is not None
        assert process.exit.code == 3
        assert found["pyspy.hot.share"] > 0.4


def test_what_is_no_python_after_all_is_an_error(watching: Watching, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("panther_profiler_pyspy.sampler._TRIES", 0.1)
    with watching() as bench, pytest.raises(EnvironmentUnavailableError, match="cannot look into service one: Failed"):
        bench.start("sleep", "60")


def test_a_program_that_is_traced_already_is_an_error(program: Path, tmp_path: Path, watching: Watching) -> None:
    with watching() as bench:
        process = bench.launch(sys.executable, program, "wait", 60)
        traced = "import ctypes, os, sys; c = ctypes.CDLL(None, use_errno=True)\n"
        traced += "print(c.ptrace(0x4206, int(sys.argv[1]), None, None), flush=True); sys.stdin.read()"
        with subprocess.Popen(
            [sys.executable, "-c", traced, str(process.pid)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        ) as tracer:
            assert tracer.stdout is not None
            assert tracer.stdout.readline() == b"0\n"
            with pytest.raises(EnvironmentUnavailableError, match=r"service one: .*not permitted"):
                bench.tool.start_monitoring(process)
            tracer.kill()


def test_a_program_that_ends_too_soon_is_a_problem(watching: Watching) -> None:
    with watching() as bench:
        process = bench.launch(sys.executable, "-c", "")
        assert process.wait(SOON) is not None
        bench.tool.start_monitoring(process)
        problem = str(bench.end(process).problems[0])
        assert "ended before py-spy could look into it" in problem
        assert "`services`" in problem


def test_a_py_spy_that_was_killed_is_a_problem(program: Path, watching: Watching) -> None:
    with watching() as bench:
        process = bench.start(sys.executable, program, "wait", 60)
        sampler = bench.tool._samplers[0][0]
        os.kill(sampler.process.pid, signal.SIGKILL)
        assert sampler.process.wait(SOON) is not None
        process.kill()
        data = bench.end(process)
        assert "wrote no profile" in str(data.problems[0])
        assert data.artifacts == ()


def test_two_starts_of_a_service_add_up(program: Path, watching: Watching) -> None:
    with watching(functions=("hot",)) as bench:
        for _ in range(2):
            process = bench.start(sys.executable, program, "plain", 0.3)
            assert process.wait(SOON) is not None
        data = bench.end(process)
        told = [int(each.count("Samples")) for each, _ in bench.tool._samplers]
        assert data.problems == ()
        assert values_of(data)["pyspy.samples"] >= told[-1]
        assert {"pyspy.speedscope.json", "pyspy-2.speedscope.json"} <= {each.path for each in data.artifacts}


def test_results_go_where_the_user_wants_them(program: Path, watching: Watching) -> None:
    with watching(output_directory="mine") as bench:
        data = bench.end(bench.start(sys.executable, program, "plain", 0.3))
        assert {Path(each.path).parent for each in data.artifacts} == {bench.context.attempt / "mine" / "one"}


@pytest.mark.skipif(shutil.which("cc") is None, reason="needs a C compiler")
def test_a_server_of_an_experiment_is_watched_and_others_are_refused(panther_project: MakeProject) -> None:
    experiment = {
        "name": "watched",
        "protocol": "minip",
        "network_environment": "localhost",
        "execution_environments": [
            {"type": "pyspy", "services": ["server"], "idle": True, "functions": ["Port.pause"]}
        ],
        "test_cases": [
            {
                "name": name,
                "scenario": "transfer",
                "parameters": {"size": "256KiB"},
                "services": {
                    "server": {"implementation": implementation},
                    "client": {"implementation": "ping-pong-py"},
                },
                "checks": [{"that": "server.pyspy.Port_pause.share > 5%"}],
                "expect": verdict,
            }
            for name, implementation, verdict in (("py", "ping-pong-py", "pass"), ("c", "ping-pong-c", "error"))
        ],
    }
    outcome = panther_project({"watched.yaml": json.dumps(experiment)}).run("run watched.yaml")
    outcome.assert_verdicts({"py": "pass", "c": "error"})
    assert "ping_pong_py/__main__.py" in outcome.text("profiles/server/pyspy/pyspy.folded", case="py")
    why = next(each["why"] for each in outcome.cases() if each["name"] == "c")
    assert "py-spy sees nothing but Python" in why


def test_a_real_server_is_watched_while_it_serves(panther_project: MakeProject) -> None:
    fetch = "import sys, urllib.request as r; print(sum(len(r.urlopen(sys.argv[1]).read()) for _ in range(200)))"
    service = {"implementation": "command", "runtime": "python"}
    experiment = {
        "name": "web",
        "network_environment": "localhost",
        "execution_environments": [{"type": "pyspy", "functions": ["SimpleHTTPRequestHandler.do_GET"]}],
        "test_cases": [
            {
                "name": "fetch",
                "services": {
                    "server": {
                        **service,
                        "argv": [sys.executable, "-u", "-m", "http.server", "--bind", "{self.ip}", "8931"],
                        "ends_by_itself": False,
                        "stop_signal": "SIGINT",
                        "ready": {"kind": "log", "pattern": "Serving HTTP on"},
                    },
                    "client": {
                        **service,
                        "target": "server",
                        "argv": [sys.executable, "-c", fetch, "http://{server.ip}:8931/"],
                    },
                },
                "checks": [
                    {"exit_code": {"service": "client", "equals": 0}},
                    {"that": "server.pyspy.SimpleHTTPRequestHandler_do_GET.cumulative.share > 0"},
                ],
            }
        ],
    }
    outcome = panther_project({"web.yaml": json.dumps(experiment)}).run("run web.yaml")
    outcome.assert_ok()
    assert "process_request_thread (socketserver.py)" in outcome.text("profiles/server/pyspy/pyspy.folded")
