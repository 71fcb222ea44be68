"""What runs inside of a worker: each attempt in a child of its own, which can be ended and ends with the worker."""

from __future__ import annotations

import contextlib
import io
import json
import os
import select
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
CANCELLED: set[str] = set()
"""The attempts that are not wanted any more, begun or not."""
_LOOK = 1.0
"""Seconds between two looks at whether anybody still waits for an answer."""


def run_case(key: str, pid: int, task: Mapping[str, Any]) -> Mapping[str, Any]:
    """Carry out one attempt; return the answer, and the evidence as an archive.

    A worker that was started anew in the place of another refuses: whether an attempt is repeated is not Dask's choice.
    """
    if os.getpid() != pid:
        return {"lost": "the worker was started anew"}
    folder = Path(tempfile.mkdtemp(prefix="panther-dask-"))
    command = [sys.executable, "-m", "panther_executor_dask.child", str(folder)]
    child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True)
    CHILDREN[key] = child
    try:
        _write(child, dict(task))
        if key in CANCELLED:
            _write(child, {"cancel": True})
        line = _answer(child, key)
        answer: dict[str, Any] = json.loads(line) if line.strip() else {"lost": "the child of the worker has ended"}
        if "folder" in answer:
            answer["evidence"] = _packed(Path(answer.pop("folder")))
        return answer
    finally:
        CHILDREN.pop(key, None)
        CANCELLED.discard(key)
        _end(child)
        shutil.rmtree(folder, ignore_errors=True)


def cancel_case(key: str) -> None:
    """Ask the child of an attempt to end what it runs, now or as soon as there is one."""
    CANCELLED.add(key)
    child = CHILDREN.get(key)
    if child is not None:
        _write(child, {"cancel": True})


def _write(child: subprocess.Popen[str], message: Mapping[str, Any]) -> None:
    assert child.stdin is not None  # asked for when it was started
    with contextlib.suppress(OSError, ValueError):  # it has just ended; whoever waits for its answer notices
        child.stdin.write(json.dumps(message) + "\n")
        child.stdin.flush()


def _answer(child: subprocess.Popen[str], key: str) -> str:
    """Return what a child answers; nothing if nobody waits for it any more, as after the end of who asked."""
    from distributed import get_worker  # noqa: PLC0415 - here it is there, and it costs seconds where this is sent from

    assert child.stdout is not None  # asked for when it was started
    known = get_worker().state.tasks
    while not select.select([child.stdout], [], [], _LOOK)[0]:
        task = known.get(key)
        if task is None or task.state == "cancelled":
            return ""
    return child.stdout.readline()


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
