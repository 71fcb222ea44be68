"""Says in words why a program did not start."""

from __future__ import annotations

import errno
import os
from collections.abc import Sequence
from pathlib import Path

_INTERPRETER = "it exists, but the interpreter in its first line, or its loader, does not"
_NO_FORMAT = "it is no program of this machine; a script needs a first line such as #!/bin/sh"


def describe_start_failure(
    stage: str, number: int, detail: str, *, program: str, cwd: str, streams: Sequence[str]
) -> str:
    """Return which program failed to start, at which step, with the system's own words and what they mean here."""
    words = os.strerror(number) if number else detail
    if stage == "cwd":
        return f"{program}: its working directory {cwd}: {words}"
    if stage != "program":
        path = streams[("stdin", "stdout", "stderr").index(stage)]
        return f"{program}: cannot open its {stage} {path}: {words}"
    return f"{program}: {words}{_meaning(number, program, cwd)}"


def _meaning(number: int, program: str, cwd: str) -> str:
    if number == errno.ENOENT:
        if "/" not in program:
            return "; it is in no folder of PATH"
        return f"; {_INTERPRETER}" if (Path(cwd) / program).exists() else ""
    if number == errno.EACCES:
        return "; it is a folder" if (Path(cwd) / program).is_dir() else "; it may not be executed (chmod +x?)"
    if number == errno.ENOEXEC:
        return f"; {_NO_FORMAT}"
    if number == errno.E2BIG:
        return "; its arguments and environment are too long"
    if number in (errno.EAGAIN, errno.ENOMEM):
        return "; the machine is out of processes or memory"
    return ""
