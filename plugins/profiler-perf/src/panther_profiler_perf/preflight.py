"""What keeps perf from watching a service, found out before anything is started."""

from __future__ import annotations

import os
import re
import shutil
import stat
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import attrs

from panther_hookspecs import CommandProcessor, CommandResult, Context, InstrumentTarget, Problem, ShellCommand
from panther_profiler_perf.counters import read_counters
from panther_profiler_perf.tracer import ENVIRONMENT, complaint

OLDEST = (5, 10)
"""The first perf that can be told by a pipe when to begin."""
_PARANOID = Path("/proc/sys/kernel/perf_event_paranoid")
_TIMEOUT = 20.0
_UNREAD = "event syntax error"


@attrs.frozen(kw_only=True)
class Machine:
    """What perf can do here."""

    problems: tuple[Problem, ...] = ()
    names: Mapping[str, str] = attrs.field(factory=dict)
    """The events that can be counted, each with the name that perf gives it: ``cycles:u`` without the kernel's."""


@attrs.define
class Inspector:
    """Asks perf once for each run and set of events, since every case of a run would ask the same."""

    _known: dict[tuple[str, tuple[str, ...]], Machine] = attrs.field(factory=dict)

    def machine(self, events: Sequence[str], context: Context) -> Machine:
        """Return what perf can do with these events."""
        key = (context.run_id, tuple(events))
        if key not in self._known:
            self._known[key] = _look(events, context.commands)
        return self._known[key]


def _look(events: Sequence[str], commands: CommandProcessor) -> Machine:
    """Let perf count the events of a program that does nothing."""
    if shutil.which("perf") is None:
        return Machine(problems=(Problem(what="perf is not installed", fix="apt-get install linux-perf"),))
    asked = commands.execute(_perf("--version"))
    version = re.search(r"(\d+)\.(\d+)", asked.stdout)
    if asked.exit_code != 0:
        why = complaint(asked.stderr + asked.stdout) or str(asked.exit)
        fix = "the perf of the running kernel: linux-perf in Debian, linux-tools-$(uname -r) in Ubuntu"
        return Machine(problems=(Problem(what="perf does not work here", why=why, fix=fix),))
    if version and (int(version[1]), int(version[2])) < OLDEST:
        oldest = ".".join(map(str, OLDEST))
        return Machine(problems=(Problem(what=f"perf {version[0]} is too old", fix=f"perf {oldest} or newer"),))
    tried = commands.execute(_count(*events))
    if tried.exit_code != 0:
        return Machine(problems=(_refusal(tried, events, commands),))
    counters = read_counters(tried.stderr.splitlines())
    pairs = zip(events, counters, strict=False)
    return Machine(names={event: counter.event for event, counter in pairs if counter.supported})


def _perf(*arguments: str) -> ShellCommand:
    return ShellCommand("perf", arguments, timeout=_TIMEOUT, env=ENVIRONMENT)


def _count(*events: str) -> ShellCommand:
    return _perf("stat", "-x", ";", "-e", ",".join(events), "--", "true")


def _refusal(tried: CommandResult, events: Sequence[str], commands: CommandProcessor) -> Problem:
    if _UNREAD in tried.stderr:
        unknown = [event for event in events if _UNREAD in commands.execute(_count(event)).stderr]
        named = ", ".join(map(repr, unknown or events))
        return Problem(what=f"perf knows no event {named}", fix="perf list shows the events of this machine")
    level = _PARANOID.read_text(encoding="ascii").strip() if _PARANOID.exists() else "missing"
    return Problem(
        what="the kernel does not let perf watch a program",
        why=f"{complaint(tried.stderr) or tried.exit} (kernel.perf_event_paranoid is {level})",
        fix=(
            "run as root, or sysctl kernel.perf_event_paranoid=2; "
            "in a container the capability PERFMON or SYS_ADMIN, or seccomp=unconfined"
        ),
    )


def program_problems(target: InstrumentTarget) -> Iterable[Problem]:
    """Yield what is wrong with the program: the kernel ends the watching of one that gains privileges."""
    program = target.command.program
    path = shutil.which(program.command, path=program.env.get("PATH"))
    if path is None or os.geteuid() == 0:
        return
    if Path(path).stat().st_mode & (stat.S_ISUID | stat.S_ISGID) or "security.capability" in os.listxattr(path):
        yield Problem(
            what=f"perf cannot watch {program.command}",
            why="it is setuid, setgid or has capabilities, and the kernel shows such programs to root only",
            fix="run as root, or take a copy of the program without these bits",
        )
