"""``pyspy`` keeps what every execution environment keeps, with programs that are Python."""

from __future__ import annotations

import sys
from pathlib import Path

from panther_core.testing.conformance import ExecutionEnvironmentConformance
from panther_hookspecs import ShellCommand

BUSY = """
import os, signal, sys, time

def work(seconds):
    end = time.process_time() + seconds
    while time.process_time() < end:
        sum(range(100))

"""


def python(text: str) -> ShellCommand:
    return ShellCommand(sys.executable, ("-c", BUSY + text))


class TestPySpy(ExecutionEnvironmentConformance):
    plugin = "panther_profiler_pyspy.plugin"
    runtime = "python"

    def exiting(self, folder: Path, code: int) -> ShellCommand:
        return python(f"work(0.3); print('done'); sys.exit({code})")

    def crashing(self, folder: Path) -> ShellCommand:
        return python("work(0.3); os.kill(os.getpid(), signal.SIGSEGV)")

    def serving(self, folder: Path) -> ShellCommand:
        stop = "signal.signal(signal.SIGTERM, lambda *_: sys.exit(5)); print('ready', flush=True)"
        return python(f"{stop}\nwhile True: work(0.01); time.sleep(0.01)")


class TestPySpyWithoutATimeline(TestPySpy):
    options = {"timeline": False, "lines": True}
