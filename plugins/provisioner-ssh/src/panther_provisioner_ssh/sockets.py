"""The folder with the sockets of shared connections: whose it is, and what becomes of it if its owner is killed."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import IO

from panther_hookspecs import Leftover

_PREFIX = "panther-ssh-"
_RUN = "run"
"""A file with the id of the run, locked for as long as its owner lives."""
_PATIENCE = 10.0


def make(run_id: str) -> tuple[Path, IO[str]]:
    """Make a folder for a run; it is its owner's as long as the file that is returned is open."""
    folder = Path(tempfile.mkdtemp(prefix=_PREFIX))
    note = (folder / f"{_RUN}.new").open("w", encoding="utf-8")
    note.write(run_id)
    note.flush()
    fcntl.flock(note, fcntl.LOCK_EX)
    (folder / f"{_RUN}.new").rename(folder / _RUN)
    return folder, note


def leftovers() -> Iterator[Leftover]:
    """Yield every such folder of this user whose owner has gone."""
    for note in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*/{_RUN}"):
        with contextlib.suppress(OSError), note.open(encoding="utf-8") as file:
            if os.fstat(file.fileno()).st_uid == os.geteuid():
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                what = f"folder {note.parent} with connections to SSH hosts"
                yield Leftover(what=what, run_id=file.read(), remove=partial(_remove, note.parent))


def _remove(folder: Path) -> None:
    """End the connections and remove the folder."""
    for each in folder.iterdir():
        if each.is_socket():
            argv = ("ssh", "-o", f"ControlPath={each}", "-O", "exit", "any")
            with contextlib.suppress(subprocess.TimeoutExpired):
                subprocess.run(argv, capture_output=True, timeout=_PATIENCE, check=False)
    shutil.rmtree(folder, ignore_errors=True)
