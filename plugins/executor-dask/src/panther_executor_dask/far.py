"""What runs inside of a worker: each attempt in a child of its own, which can be ended and ends with the worker."""

from __future__ import annotations

import contextlib
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

CHILDREN: dict[str, subprocess.Popen[str]] = {}
"""The children of this worker by the key of their attempt; state of the process that the worker is."""


def run_case(key: str, pid: int, task: Mapping[str, Any]) -> Mapping[str, Any]:
    """Carry out one attempt; return the answer, and the evidence as an archive.

    A worker that was started anew in the place of another refuses: whether an attempt is repeated is not Dask's choice.
    """
    if os.getpid() != pid:
        return {"lost": "the worker was started anew"}
    folder = Path(tempfile.mkdtemp(prefix="panther-dask-"))
    command = [sys.executable, "-m", "panther_core.away", str(folder)]
    child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True)
    CHILDREN[key] = child
    try:
        assert child.stdin is not None  # asked for above
        assert child.stdout is not None  # the same
        child.stdin.write(json.dumps(dict(task)) + "\n")
        child.stdin.flush()
        line = child.stdout.readline()
        answer: dict[str, Any] = json.loads(line) if line.strip() else {"lost": "the child of the worker has ended"}
        if "folder" in answer:
            answer["evidence"] = _packed(Path(answer.pop("folder")))
        return answer
    finally:
        CHILDREN.pop(key, None)
        _end(child)
        shutil.rmtree(folder, ignore_errors=True)


def cancel_case(key: str) -> bool:
    """Ask the child of an attempt to end what it runs; return whether there was one."""
    child = CHILDREN.get(key)
    if child is None or child.stdin is None:
        return False
    with contextlib.suppress(OSError, ValueError):  # it has just ended
        child.stdin.write('{"cancel": true}\n')
        child.stdin.flush()
    return True


def _end(child: subprocess.Popen[str]) -> None:
    """Let a child end by itself, since its input has ended; end it if it does not."""
    with contextlib.suppress(OSError):
        if child.stdin is not None:
            child.stdin.close()
    try:
        child.wait(10)
    except subprocess.TimeoutExpired:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
        child.wait()


def _packed(folder: Path) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz", compresslevel=1) as archive:
        archive.add(folder, arcname=".")
    return buffer.getvalue()
