"""What programs cost, and the cap on what they print."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from panther_core.process import LocalProcess, Supervisor
from panther_core.process.usage import Sample, thinned
from panther_hookspecs import ServiceCommand, ShellCommand

SOON = 60.0
LIMIT = 1 << 20


@pytest.fixture(scope="module")
def supervisor() -> Iterator[Supervisor]:
    with Supervisor.start(run_id="test-usage", output_limit=LIMIT, sample_interval=0.02) as started:
        yield started


@pytest.fixture
def run(supervisor: Supervisor, tmp_path: Path) -> Callable[..., LocalProcess]:
    def _run(*argv: str) -> LocalProcess:
        command = ServiceCommand(program=ShellCommand(argv[0], argv[1:]))
        return supervisor.launcher.start(command, name="service", folder=tmp_path)

    return _run


def eventually(true: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + SOON
    while not true():
        assert time.monotonic() < deadline, f"{what} did not happen"
        time.sleep(0.005)


def test_a_flood_of_output_is_cut_at_its_limit_while_it_goes_on(
    run: Callable[..., LocalProcess], tmp_path: Path
) -> None:
    amount = 200 << 20
    largest, over = 0, threading.Event()

    def look() -> None:
        nonlocal largest
        while not over.wait(0.001):
            largest = max(largest, (tmp_path / "stdout").stat().st_size)

    flood = (
        "import os, time\nfor _ in range(100): os.write(1, bytes(2 << 20)); time.sleep(0.005)\n"
        "os.write(1, b'the very last words')"
    )
    process = run(sys.executable, "-I", "-c", flood)
    watcher = threading.Thread(target=look)
    watcher.start()
    status = process.wait(SOON)
    over.set()
    watcher.join()
    assert status is not None
    assert status.ok
    assert (tmp_path / "stdout").stat().st_size == LIMIT
    assert largest < amount / 2, "the file was cut only at the end"
    tail = (tmp_path / "stdout.tail").read_bytes()
    assert tail.endswith(b"the very last words")
    assert len(tail) == 64 << 10
    assert set(process.capped) == {"stdout"}
    assert amount * 0.9 < process.capped["stdout"] <= amount + 19


def test_a_program_within_its_limit_is_not_touched(run: Callable[..., LocalProcess], tmp_path: Path) -> None:
    process = run("sh", "-c", f"head -c {LIMIT} /dev/zero; echo only this >&2")
    process.wait(SOON)
    assert process.capped == {}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["stderr", "stdout"]


def test_peak_memory_and_processor_time_are_those_of_the_program(run: Callable[..., LocalProcess]) -> None:
    script = "import time\ndata = bytearray(80 << 20)\nwhile time.process_time() < 0.4: pass"
    process = run(sys.executable, "-I", "-c", script)
    process.wait(SOON)
    assert 80 << 20 < process.usage.max_rss_bytes < 120 << 20
    assert 0.3 <= process.usage.cpu_user + process.usage.cpu_system < 1.0


def test_children_that_were_waited_for_count(run: Callable[..., LocalProcess]) -> None:
    process = run("sh", "-c", f"{sys.executable} -I -c 'data = bytearray(60 << 20)'; true")
    process.wait(SOON)
    assert process.usage.max_rss_bytes > 60 << 20


def test_a_daemon_counts_for_its_service(run: Callable[..., LocalProcess]) -> None:
    burn = "import time\nend = time.process_time() + 0.4\nwhile time.process_time() < end: pass"
    process = run("sh", "-c", f"(setsid {sys.executable} -I -c '{burn}' &) ; exit 0")
    process.wait(SOON)
    eventually(lambda: not process.pids(), "the daemon's end")
    assert process.usage.cpu_user + process.usage.cpu_system > 0.4


def test_a_small_program_is_not_reported_as_large_as_the_supervisor(run: Callable[..., LocalProcess]) -> None:
    process = run("sleep", "0.3")
    process.wait(SOON)
    assert 0 < process.usage.max_rss_bytes < 5 << 20
    assert process.usage.source == "rusage+proc"


def test_a_running_program_is_sampled_over_its_time(run: Callable[..., LocalProcess]) -> None:
    process = run("sh", "-c", "sleep 600 & sleep 600")
    eventually(lambda: len(process.samples) > 3, "four looks")
    assert [sample.at for sample in process.samples] == sorted(sample.at for sample in process.samples)
    assert process.samples[-1].processes == 3
    assert process.samples[-1].rss_bytes > 0
    assert process.usage.max_rss_bytes > 0
    process.kill()


def test_a_trivial_program_is_not_sampled(run: Callable[..., LocalProcess]) -> None:
    process = run("true")
    process.wait(SOON)
    assert process.samples == []
    assert process.usage.source == "rusage"


def test_a_long_series_of_samples_stays_bounded_and_covers_the_whole_time() -> None:
    samples: list[Sample] = []
    for number in range(5000):
        samples = [*thinned(samples), Sample(number, 0.0, 0, 0, 0, 1)]
    assert len(samples) <= 512
    assert samples[0].at == 0
    assert samples[-1].at == 4999
