"""Programs that only look like ones: scripts of pyenv and its like, which ask a manager outside of any container."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import attrs

from panther_hookspecs import EnvironmentUnavailableError, ShellCommand

_FOLDER = "shims"
_MANAGER = re.compile(rb'exec "?(/[^"\s]+)"? exec ')
_LIMIT, _LARGEST = 10.0, 1 << 13


def behind_shim(command: ShellCommand) -> ShellCommand:
    """Return the command with the program that is meant where it names a shim; raise if its manager knows none."""
    path = command.env.get("PATH")
    found = shutil.which(command.command, path=path)
    manager = _manager(Path(found)) if found else ""
    if not found or not manager:
        return command
    name = Path(found).name
    try:
        done = subprocess.run(
            [manager, "which", name],
            capture_output=True,
            text=True,
            check=False,
            timeout=_LIMIT,
            stdin=subprocess.DEVNULL,
        )
        real, said = done.stdout.strip(), (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[0]
    except (OSError, subprocess.TimeoutExpired) as error:
        real, said = "", str(error)
    if not Path(real).is_absolute():
        raise EnvironmentUnavailableError(
            f"{found} is a shim, and what it stands for cannot be found\n  because {said}\n"
            f"  try: the full path of {name} instead"
        )
    return attrs.evolve(command, command=real)


def _manager(path: Path) -> str:
    """Return the program that a shim hands its call to; nothing if it is none."""
    if path.parent.name != _FOLDER or path.stat().st_size > _LARGEST:
        return ""
    match = _MANAGER.search(path.read_bytes())
    return match[1].decode() if match else ""
