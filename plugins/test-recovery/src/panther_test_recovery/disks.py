"""A disk that can be full: services with such a fault write into a small file system in memory."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from panther_hookspecs import CaseControl, StageResult, TestExecutionError

FILLER = ".filler"
_BLOCK = 1 << 16
_ASIDE = "on-disk"


def _services(case: CaseControl) -> list[str]:
    return sorted({fault.service for fault in case.options.faults if fault.do == "full_disk"})


def _mount(*argv: str) -> None:
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    if done.returncode:
        raise TestExecutionError(f"{' '.join(argv[:2])} failed: {done.stderr.strip()}")


def lay_out(case: CaseControl) -> StageResult:
    """Put a small file system where each service with such a fault writes; what lies there already is moved onto it."""
    for name in _services(case):
        folder = case.folder_of(name)
        aside = case.folder / f"{_ASIDE}-{name}"
        shutil.copytree(folder, aside)
        _mount("mount", "-t", "tmpfs", "-o", f"size={int(case.options.disk)},mode=0777", "panther", str(folder))
        shutil.copytree(aside, folder, dirs_exist_ok=True)
        shutil.rmtree(aside)
    return StageResult()


def fill(folder: Path) -> None:
    """Take all space that is left."""
    with (folder / FILLER).open("ab", buffering=0) as file:
        for size in (_BLOCK, 4096, 1):
            try:
                while file.write(bytes(size)):
                    pass
            except OSError:
                continue  # that much does not fit any more, but less may


def empty(folder: Path) -> None:
    """Give the space back."""
    (folder / FILLER).unlink(missing_ok=True)


def give_back(case: CaseControl) -> StageResult:
    """Move what was written to where evidence is collected, and take the file system away."""
    for name in _services(case):
        folder = case.folder_of(name)
        if not folder.is_mount():
            continue
        empty(folder)
        aside = case.folder / f"{_ASIDE}-{name}"
        shutil.copytree(folder, aside)
        _mount("umount", "--lazy", str(folder))
        shutil.copytree(aside, folder, dirs_exist_ok=True)
        shutil.rmtree(aside)
    return StageResult()
