"""strace keeps what every execution environment keeps."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path

import pytest

from panther_core.testing.conformance import ExecutionEnvironmentConformance, Planted
from panther_hookspecs import ShellCommand

FAULTY = """
#include <arpa/inet.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>
int main(void) {
    struct sockaddr_in nobody = {.sin_family = AF_INET, .sin_port = htons(1)};
    inet_pton(AF_INET, "127.0.0.1", &nobody.sin_addr);
    for (int i = 0; i < 3; i++) {
        int s = socket(AF_INET, SOCK_STREAM, 0);
        connect(s, (struct sockaddr *)&nobody, sizeof nobody);
        close(s);
        close(s);
    }
    return open("/proc/self/mem/nothing", O_RDONLY) == 0;
}
"""


class TestStrace(ExecutionEnvironmentConformance):
    plugin = "panther_profiler_strace.plugin"

    def planted(self, folder: Path) -> Iterable[Planted]:
        if shutil.which("cc") is None:
            pytest.skip("needs a C compiler")
        source = folder / "faulty.c"
        source.write_text(FAULTY)
        subprocess.run(["cc", "-o", folder / "faulty", source], check=True)
        kinds = frozenset({"connect.ECONNREFUSED", "close.EBADF"})
        yield Planted(command=ShellCommand(str(folder / "faulty")), kinds=kinds, name="failing calls")
        crash = ShellCommand("sh", ("-c", "kill -SEGV $$"))
        yield Planted(command=crash, kinds=frozenset({"killed.SIGSEGV"}), name="crash")


class TestStraceForAWhile(ExecutionEnvironmentConformance):
    """strace runs beside the program, not as its parent, where it is to leave early."""

    plugin = "panther_profiler_strace.plugin"
    options = {"monitoring_duration": 30.0}


class TestStraceAccelerated(ExecutionEnvironmentConformance):
    plugin = "panther_profiler_strace.plugin"
    options = {"calls": ("network", "write", "exit_group")}
