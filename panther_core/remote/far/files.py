"""What an agent does with files: archives, the end of a log, and what the host says about itself."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import platform
import shutil
import socket
import sys
import tarfile
from collections.abc import Iterator
from typing import Any

from panther_core.remote.far.processes import read
from panther_core.remote.far.wire import CHUNK

TAIL = 1 << 16
ALL_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.ESTALE)
FIRST_FD = 20
"""Descriptors of commands are kept above this, so that none is in the way of 0 to 3."""


def facts(base: str) -> dict[str, str]:
    """Return what this host is, for labels and for the choice of what can run here."""
    release: dict[str, str] = {}
    for line in read("/etc/os-release").decode(errors="replace").splitlines():
        key, _, value = line.partition("=")
        release[key] = value.strip("\"'")
    libc = "-".join(platform.libc_ver()) or "other"
    python = f"{sys.version_info[0]}.{sys.version_info[1]}"
    return {
        "hostname": socket.gethostname(),
        "machine": platform.machine(),
        "system": platform.system().lower(),
        "kernel": platform.release(),
        "distribution": release.get("ID", ""),
        "distribution_version": release.get("VERSION_ID", ""),
        "cpus": str(len(os.sched_getaffinity(0))),
        "memory": str(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")),
        "python": python,
        "binary": f"{sys.implementation.name}-{python}-{platform.machine()}-{libc}",
        "root": "yes" if os.geteuid() == 0 else "",
        "docker": "yes" if os.access("/var/run/docker.sock", os.W_OK) else "",
        "folder": base,
    }


def told_error(error: Exception) -> dict[str, Any]:
    """Return an error as it is told to the other side."""
    if not isinstance(error, OSError):
        return {"error": str(error), "full": False}
    text = ": ".join(str(each) for each in (error.filename, error.strerror) if each)
    return {"error": text or str(error), "full": error.errno in ALL_FULL}


def raised(fd: int, stack: contextlib.ExitStack) -> int:
    """Return a copy of ``fd`` that is in nobody's way and is closed with ``stack``."""
    try:
        copy = fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, FIRST_FD)
    finally:
        os.close(fd)
    stack.callback(os.close, copy)
    return copy


def which(name: str, path: str) -> str:
    """Return the file that a command means."""
    found = name if "/" in name else shutil.which(name, path=path)
    if found is None:
        raise OSError(errno.ENOENT, os.strerror(errno.ENOENT), name)
    return found


def last_of(path: str) -> tuple[int, bytes]:
    """Return size and end of a file."""
    try:
        with open(path, "rb", buffering=0) as file:
            size = os.fstat(file.fileno()).st_size
            file.seek(max(0, size - TAIL))
            return size, file.read(TAIL)
    except OSError:
        return 0, b""


class Parts:
    """A file to write to that gives what was written in parts."""

    def __init__(self) -> None:
        """Begin empty."""
        self.data = bytearray()

    def write(self, data: bytes) -> int:
        """Take some bytes."""
        self.data += data
        return len(data)

    def take(self) -> bytes:
        """Return what was written since."""
        data, self.data = bytes(self.data), bytearray()
        return data


def packed(path: str, without: str = "") -> Iterator[bytes]:
    """Yield an archive of a file, or of what is in a folder; sockets and pipes are left out.

    Folders with a file called ``without`` are left out, too.
    """
    parts = Parts()
    os.stat(path)
    with tarfile.open(fileobj=parts, mode="w|", format=tarfile.PAX_FORMAT, bufsize=CHUNK) as archive:  # type: ignore[call-overload]
        if not os.path.isdir(path):
            archive.add(path, arcname=os.path.basename(path))
        for folder, folders, files in os.walk(path):
            if without in files:
                folders.clear()
                continue
            for name in sorted([*folders, *files]):
                full = os.path.join(folder, name)
                with contextlib.suppress(FileNotFoundError):
                    archive.add(full, arcname=os.path.relpath(full, path), recursive=False)
                if len(parts.data) >= CHUNK:
                    yield parts.take()
    yield parts.take()
