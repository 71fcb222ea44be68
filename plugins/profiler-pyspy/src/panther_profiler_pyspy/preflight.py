"""What keeps py-spy from watching a service, found out before anything is started."""

from __future__ import annotations

import os
import shutil
import sysconfig
from collections.abc import Iterator
from pathlib import Path

from panther_hookspecs import InstrumentTarget, Problem
from panther_profiler_pyspy.options import PySpyOptions

FASTEST = 1000
"""Looks a second that py-spy can be asked for."""
_YAMA = Path("/proc/sys/kernel/yama/ptrace_scope")
_NOBODY_BUT_PARENTS, _NOBODY = "1", "3"


def tool() -> str | None:
    """Return the program py-spy: the one that was installed with this plugin, else one on the PATH."""
    own = sysconfig.get_path("scripts")
    return shutil.which("py-spy", path=os.pathsep.join((own, os.environ.get("PATH", os.defpath))))


def problems_of(target: InstrumentTarget, options: PySpyOptions) -> Iterator[Problem]:
    """Yield everything that makes py-spy impossible or useless on this service."""
    if target.runtime != "python":
        yield Problem(
            what="py-spy sees nothing but Python",
            where=f"service {target.service}",
            why=f"its implementation says that it is {target.runtime}",
            fix="runtime: python if it is Python after all, else perf_record; `services` of pyspy names those to watch",
        )
    yield from _option_problems(options)
    yield from _kernel_problems()
    if tool() is None:
        yield Problem(what="py-spy is not installed", fix="pip install py-spy, where PANTHER is installed")


def _option_problems(options: PySpyOptions) -> Iterator[Problem]:
    rate = options.sampling_rate
    if rate and not (1 <= rate <= FASTEST and rate == int(rate)):
        yield Problem(
            what=f"py-spy cannot look {rate:g} times a second",
            where="sampling_rate",
            fix=f"a whole number from 1 to {FASTEST}",
        )


def _kernel_problems() -> Iterator[Problem]:
    """Yield what the kernel forbids: py-spy is no parent of the program, and has no rights but those of PANTHER."""
    scope = _YAMA.read_text(encoding="ascii").strip() if _YAMA.exists() else "0"
    if scope == _NOBODY or (scope >= _NOBODY_BUT_PARENTS and os.geteuid() != 0):
        allowed = "no process may look into another" if scope == _NOBODY else "only root may look into other processes"
        yield Problem(
            what="the kernel does not let py-spy look into a program",
            why=f"{_YAMA} is {scope}: {allowed}",
            fix=(
                "a restart of the machine with another setting"
                if scope == _NOBODY
                else "run as root, or sysctl kernel.yama.ptrace_scope=0; in a container the capability SYS_PTRACE"
            ),
        )
