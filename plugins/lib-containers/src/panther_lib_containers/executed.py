"""A service that was started in a container which is not its own."""

from __future__ import annotations

import contextlib
import os
import signal as signals
import time
import uuid
from pathlib import Path

import attrs

from panther_hookspecs import ControlGroup, DockerComposeException, ExitStatus, ServiceCommand, Usage, child_below
from panther_lib_containers.process import ContainedProcess

MARK = "PANTHER_EXECUTE"
"""Variable by which processes of one command are found in a container that many share."""
_PAUSE = 0.002
_PATIENCE = 10.0
_NOT_STARTED = (126, 127)
_FAILED = "OCI runtime exec failed: "
_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")


def marked(pid: int, mark: str) -> bool:
    """Return whether a process was started by the command with this mark, or by one of its children."""
    try:
        return f"{MARK}={mark}".encode() in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:  # it ended while we looked
        return False


def _cost(pid: int) -> tuple[int, int, int, int, int]:
    """Return ticks of user and system, pages, bytes read and written of a process and its children that have ended."""
    try:
        stat = [int(each) for each in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1:]]
        io = dict(line.split(": ") for line in Path(f"/proc/{pid}/io").read_text().splitlines())
    except (OSError, ValueError):  # it ended while we looked
        return 0, 0, 0, 0, 0
    return stat[10] + stat[12], stat[11] + stat[13], stat[20], int(io["read_bytes"]), int(io["write_bytes"])


@attrs.define(eq=False)
class ExecutedProcess(ContainedProcess):
    """A service among others in one container."""

    command: ServiceCommand = attrs.field(kw_only=True)
    group: ControlGroup = attrs.field(default=ControlGroup({}), kw_only=True)
    """What keeps the limits of this service, if it has any."""
    _mark: str = attrs.field(factory=lambda: uuid.uuid4().hex)
    _number: str = ""
    """What the engine calls it."""
    _cgroup: ControlGroup = ControlGroup({})
    _ooms: int = 0

    def _start(self) -> None:
        program = self.command.program
        body = {
            "Cmd": list(self.command.argv),
            "Env": [f"{key}={value}" for key, value in {**program.env, MARK: self._mark}.items()],
            "WorkingDir": program.working_dir or str(self.folder),
            "AttachStdout": True,
            "AttachStderr": True,
        }
        self._cgroup = ControlGroup.of(int(self.engine.inspect(self.container)["State"].get("Pid") or 0))
        self._ooms = self._cgroup.oom_kills()
        self._number = str(self.engine.ask("POST", f"/containers/{self.container}/exec", body=body)["Id"])
        source = self.engine.stream(f"/exec/{self._number}/start", {"Detach": False, "Tty": False})
        self.pid = self._wait_for_pid()
        self._confine()
        ended = -1
        if self.pid:
            with contextlib.suppress(OSError):  # it has ended by now
                ended = os.pidfd_open(self.pid)
        self._output.carry(source, self.name, ended)
        if not self.pid:
            self.wait(_PATIENCE)  # it could not start, which whoever has started it wants to see at once

    def _confine(self) -> None:
        """Move the service, with whatever it has started by now, to where its limits are kept."""
        moved: set[int] = set()
        while self.group.folders and (new := set(self.pids_seen()) - moved):
            for pid in new:
                self.group.take(pid)
            moved |= new

    def _wait_for_pid(self) -> int:
        end = time.monotonic() + _PATIENCE
        while time.monotonic() < end:
            state = self.engine.ask("GET", f"/exec/{self._number}/json")
            ended = not state.get("Running") and state.get("ExitCode") is not None  # it has no code before it begins
            if state.get("Pid") or ended:
                return int(state.get("Pid") or 0)
            time.sleep(_PAUSE)
        raise DockerComposeException(f"service {self.name}: the engine did not start it within {_PATIENCE:g} s")

    @property
    def program_pid(self) -> int:
        """The process id of the program itself, below any wrapper that forks."""
        return child_below(self.pid, self.forks) if self.pid else 0

    def pids_seen(self) -> tuple[int, ...]:
        """Return every live process of the service, daemons that left it included."""
        all_of_them = {*self._cgroup.pids(), *self.group.pids()}
        return tuple(pid for pid in sorted(all_of_them) if pid == self.pid or marked(pid, self._mark))

    def _look(self) -> None:
        """Add up what lives; what it was before stays the least."""
        before, seen = self._usage, [_cost(pid) for pid in self.pids_seen()]
        user, system, rss, read, written = (sum(each) for each in zip(*seen, strict=True)) if seen else (0, 0, 0, 0, 0)
        self._usage = Usage(
            cpu_user=max(before.cpu_user, user / _TICKS),
            cpu_system=max(before.cpu_system, system / _TICKS),
            max_rss_bytes=max(before.max_rss_bytes, rss * _PAGE),
            read_bytes=max(before.read_bytes, read),
            write_bytes=max(before.write_bytes, written),
            source="proc",
        )

    def signal(self, number: int) -> None:
        """Send a signal to the program, never to a wrapper; nothing happens if it has ended."""
        pid = self.program_pid
        if self.exit is None and pid:  # 0 would be ourselves
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)

    def _kill(self, detail: str = "") -> ExitStatus:
        """Kill the program, and the daemons that it has left even if it has ended itself."""
        status = super()._kill(detail)
        self._end()
        return status

    def _end(self) -> None:
        end = time.monotonic() + _PATIENCE
        while (left := self.pids_seen()) and time.monotonic() < end:
            for pid in left:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signals.SIGKILL)
            time.sleep(_PAUSE)

    def _ended(self) -> ExitStatus:
        end = time.monotonic() + _PATIENCE
        state = self.engine.ask("GET", f"/exec/{self._number}/json")
        while state.get("Running") and time.monotonic() < end:
            time.sleep(_PAUSE)
            state = self.engine.ask("GET", f"/exec/{self._number}/json")
        code = int(state.get("ExitCode") or 0)
        if code in _NOT_STARTED and not self.pid:
            said = (self.folder / "stdout").read_text(errors="replace").strip()
            return ExitStatus(reason="start_failed", detail=said.removeprefix(_FAILED) or f"exit code {code}")
        return self.status_of(code, oom=self._oom_killed())

    def _oom_killed(self) -> bool:
        return self.group.oom_kills() > 0 or self._cgroup.oom_kills() > self._ooms
