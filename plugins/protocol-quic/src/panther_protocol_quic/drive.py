"""Runs programs one after the other: what a client that makes one connection per run needs for several connections.

Run as ``python -I -S drive.py [--stdin] [--beside WORD ... @@] WORD ... [@@ WORD ...]``. Programs after ``--beside``
run all the time beside the others; with ``--stdin`` the others have an input that stays open and empty. The exit code
is that of the first program that does not end with 0. Nothing but the standard library is imported, and little of it.
"""

from __future__ import annotations

import os
import signal
import sys

BETWEEN = "@@"
_SIGNALS = (signal.SIGTERM, signal.SIGINT)


class Driver:
    """The programs that run now."""

    def __init__(self) -> None:
        """Begin with none."""
        self.running: set[int] = set()

    def start(self, argv: list[str], stdin: int) -> int:
        """Start a program; 127 is the exit code where there is no such program."""
        try:
            pid = os.posix_spawnp(argv[0], argv, os.environ, file_actions=[(os.POSIX_SPAWN_DUP2, stdin, 0)])
        except OSError as error:
            sys.stderr.write(f"{argv[0]}: {error.strerror}\n")
            self.end(signal.SIGTERM)
            sys.exit(127)
        self.running.add(pid)
        return pid

    def wait(self, wanted: int) -> int:
        """Return the exit code of a program, as a shell would."""
        while True:
            pid, status = os.wait()
            self.running.discard(pid)
            if pid == wanted:
                code = os.waitstatus_to_exitcode(status)
                return 128 - code if code < 0 else code

    def end(self, number: int) -> None:
        """Send a signal to whatever runs."""
        for pid in self.running:
            os.kill(pid, number)


def split(words: list[str]) -> list[list[str]]:
    """Return the words between the separators."""
    parts: list[list[str]] = [[]]
    for word in words:
        if word == BETWEEN:
            parts.append([])
        else:
            parts[-1].append(word)
    return parts


def main(words: list[str]) -> int:
    """Run all programs."""
    driver, stdin = Driver(), 0
    for number in _SIGNALS:
        signal.signal(number, lambda number, _frame: driver.end(number))
    if words[:1] == ["--stdin"]:
        stdin, _kept = os.pipe()
        words = words[1:]
    parts = split(words)
    while parts[0][:1] == ["--beside"]:
        driver.start(parts.pop(0)[1:], 0)
    code = 0
    for argv in parts:
        code = driver.wait(driver.start(argv, stdin))
        if code != 0:
            break
    driver.end(signal.SIGTERM)
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
