"""The network namespaces of containers, entered from outside: no image needs a tool for what is done in them."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import struct
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs

from panther_hookspecs import (
    CommandProcessor,
    Context,
    EnvironmentUnavailableError,
    LinkPort,
    Problem,
    Process,
    ServiceCommand,
    ShellCommand,
    TestExecutionError,
)
from panther_lib_containers.where import connected, socket_of

_BARE = (sys.executable, "-I", "-S", str(Path(__file__).with_name("bare.py")))
_CALL, _PATIENCE, _PAUSE = 10.0, 10.0, 0.002
_CREDENTIALS = struct.Struct("3i")


def entering(pid: int) -> tuple[str, ...]:
    """Return the words before a command that has to run in the network namespace of a process."""
    return ("nsenter", f"--net=/proc/{pid}/ns/net", "--")


def engine_process(host: str) -> int:
    """Return the process id of the engine: bridges and the outer ends of cables are in its network namespace."""
    with connected(socket_of(host), _CALL) as caller:
        pid, _, _ = _CREDENTIALS.unpack(caller.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size))
    if not Path(f"/proc/{pid}/ns/net").exists():
        raise EnvironmentUnavailableError(
            "the Docker engine is in another process namespace: its network is out of reach"
        )
    return int(pid)


def lacking_rights(name: str) -> Iterator[Problem]:
    """Yield what keeps anything from being done in the namespaces of containers."""
    for tool, package in (("ip", "iproute2"), ("nsenter", "util-linux")):
        if shutil.which(tool) is None:
            yield Problem(what=f"{name} needs {tool} for links and recordings", fix=f"the package {package}")
    if os.geteuid() != 0:
        yield Problem(
            what=f"{name} needs root for links and recordings",
            why="it does them from outside, in the network namespaces of the containers",
            fix="netns, which needs none",
        )


def refuse_without_rights(name: str) -> None:
    """Raise where nothing can be done in the namespaces of containers."""
    for problem in lacking_rights(name):
        raise EnvironmentUnavailableError(str(problem))


@attrs.frozen
class Namespace:
    """The network namespace of a running process."""

    pid: int
    commands: CommandProcessor

    def run(self, *argv: str, stdin: str = "") -> str:
        """Run a command in it; return what it prints."""
        words = (*entering(self.pid), *argv)
        asked = ShellCommand(words[0], words[1:], timeout=_CALL)
        result = self.commands.execute(asked, name=argv[0], stdin=stdin.encode())
        if result.exit_code != 0:
            said = (result.stderr.strip() or str(result.exit)).splitlines()[-1]
            raise TestExecutionError(f"the network of a container could not be set up: {argv[0]}: {said}")
        return result.stdout

    def batch(self, tool: str, lines: Iterable[str]) -> None:
        """Run lines of ``ip`` or ``tc``."""
        text = "".join(f"{line}\n" for line in lines)
        if text:
            self.run(tool, "-batch", "-", stdin=text)

    def links(self) -> list[Mapping[str, Any]]:
        """Return its interfaces as ``ip`` describes them."""
        found: list[Mapping[str, Any]] = json.loads(self.run("ip", "-json", "link", "show"))
        return found

    def make_bare(self, interfaces: Sequence[str]) -> None:
        """Let interfaces send the packets that a network would carry."""
        self.run(*_BARE, *interfaces)


def port_of(service: str, inside: Namespace, outer: Mapping[int, str], interface: str) -> LinkPort:
    """Return where a service meets its network; ``outer`` are the interfaces where the engine is, by number."""
    own = next(each for each in inside.links() if each["ifname"] == interface)
    return LinkPort(node=service, interface=interface, peer=outer.get(int(own["link_index"]), ""), mac=own["address"])


def start_helper(context: Context, pid: int, argv: Sequence[str], name: str) -> Process:
    """Start a program in a namespace beside the services, and wait until it says that it is ready."""
    folder = context.folder / "helpers" / name
    folder.mkdir(parents=True, exist_ok=True)
    words = (*entering(pid), *argv)
    process = context.launcher.start(
        ServiceCommand(program=ShellCommand(words[0], words[1:])), name=name, folder=folder
    )
    end = time.monotonic() + _PATIENCE
    while not (folder / "stdout").exists() or not (folder / "stdout").stat().st_size:
        if process.wait(_PAUSE) is not None or time.monotonic() > end:
            said = (folder / "stderr").read_text(errors="replace").strip().splitlines()[-1:]
            process.kill()
            raise TestExecutionError(f"{name} did not start: {' '.join(said) or process.exit}")
    return process


def end_helper(process: Process) -> str:
    """Ask a helper to write what it has and to end; return what went wrong, or nothing."""
    status = process.exit or process.stop(signal=signal.SIGTERM, grace=_PATIENCE)
    return "" if status.code == 0 else f"{process.name} did not last to the end of the case: {status}"
