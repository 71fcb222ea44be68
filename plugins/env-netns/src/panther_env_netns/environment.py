"""The environment itself: one set of private namespaces for one attempt."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs

from panther_env_netns.layout import Layout, layout_of
from panther_env_netns.options import NetnsOptions
from panther_env_netns.preparation import Preparation, prepare
from panther_env_netns.privilege import has_privileges, why_refused
from panther_env_netns.topology import graph_of, problems_of
from panther_hookspecs import (
    Artifact,
    Endpoint,
    EnvironmentUnavailableError,
    Layer,
    LayerRole,
    LinkChange,
    LocalNetworkEnvironment,
    NetworkPlan,
    Problem,
    Process,
    ServiceCommand,
    ServiceLaunch,
    ServiceSpec,
    ShellCommand,
    TestExecutionError,
    tell_switch,
)

_KEEPER = Path(__file__).with_name("keeper.py")
_PAUSE = 0.001
_END_PATIENCE = 8.0
_LOCAL_NAMES = "127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n"


@attrs.define(slots=False)
class NetnsEnvironment(LocalNetworkEnvironment):
    """Runs every service of one case in a network namespace of its own."""

    options: Any = attrs.field(factory=NetnsOptions)
    _layout: Layout | None = attrs.field(default=None, init=False)
    _keeper: Process | None = attrs.field(default=None, init=False)
    _made: Preparation | None = attrs.field(default=None, init=False)
    _namespaces: dict[str, tuple[int, int]] = attrs.field(factory=dict, init=False)
    """Descriptor of the keeper and inode of every namespace."""
    _held: list[int] = attrs.field(factory=list, init=False)
    _left: tuple[str, ...] = attrs.field(default=(), init=False)

    def mistakes(self, services: Sequence[ServiceSpec]) -> Iterable[Problem]:
        """Yield what is wrong with the layout of the network, too."""
        yield from super().mistakes(services)
        yield from problems_of(self.options.network_topology, [each.name for each in services])

    def plan_addresses(self, services: Sequence[ServiceSpec]) -> Mapping[str, Endpoint]:
        """Lay the network out. Nobody else is in it, so every case has the same addresses and the protocol's ports."""
        layout = layout_of(graph_of(self.options.network_topology, [each.name for each in services]))
        self._layout = layout
        ipv6 = _has_ipv6()
        endpoints = {}
        for spec in services:
            first = layout.nodes[spec.name].interfaces[0]
            endpoints[spec.name] = Endpoint(
                name=spec.name, ip=first.ip, ip6=first.ip6 if ipv6 else "", hostname=spec.name, ports=spec.ports
            )
            self.note("debug", str(endpoints[spec.name]))
        return endpoints

    def setup_environment(self, config: NetworkPlan | Mapping[str, Any]) -> None:
        """Start the keeper and wait until it has made everything."""
        if self._layout is None:
            raise TestExecutionError(f"{self.get_name()}: addresses have to be planned before the network is set up")
        asked = config if isinstance(config, NetworkPlan) else NetworkPlan(**config)
        folder, ipv6 = self.context.folder, _has_ipv6()
        hosts, written = folder / "hosts", folder / "plan.json"
        hosts.write_text(_LOCAL_NAMES + "".join(_names(self._layout, ipv6=ipv6)), encoding="utf-8")
        made = self._made = prepare(
            self._layout,
            asked,
            self.options,
            self.context,
            ipv6=ipv6,
            hosts=str(hosts) if Path("/etc/hosts").exists() else "",
            works=self._works,
        )
        text = json.dumps(attrs.asdict(made.plan), indent=1, ensure_ascii=False)
        written.write_text(text, encoding="utf-8", errors="surrogateescape")
        own = folder / "keeper"
        own.mkdir(exist_ok=True)
        (own / "stdout").unlink(missing_ok=True)
        argv = [*self._unsharing(), "--", sys.executable, "-I", "-S", str(_KEEPER), str(written)]
        command = ServiceCommand(program=ShellCommand(argv[0], argv[1:]))
        self._keeper = self.context.launcher.start(command, name=f"{self.get_name()}-keeper", folder=own)
        told = (line.split(" ", 2) for line in self._told(own).splitlines() if line)
        self._namespaces = {name: (int(fd), int(inode)) for fd, inode, name in told}
        if made.flows:
            self.note("info", made.told())

    def _works(self, trial: tuple[str, ...]) -> bool:
        """Try whether the kernel has what a link mechanism needs, in a namespace that vanishes at once."""
        argv = (*self._unsharing(), "--", *trial)
        return self.command_processor.execute(ShellCommand(argv[0], argv[1:], timeout=10), name="trial").exit_code == 0

    def _unsharing(self) -> tuple[str, ...]:
        if has_privileges():
            return ("unshare", "--mount", "--net")
        user = "--map-root-user" if self.options.map_to_root else "--map-current-user"
        return ("unshare", "--user", user, "--keep-caps", "--mount", "--net")

    def _told(self, folder: Path) -> str:
        """Return what the keeper says when all is there."""
        keeper, end = self._keeper, time.monotonic() + self.options.timeout
        assert keeper is not None
        while True:
            text = (folder / "stdout").read_text(encoding="utf-8") if keeper.pid else ""
            if text.endswith("\n\n"):
                return text
            status = keeper.wait(_PAUSE)
            if status is not None:
                said = (folder / "stderr").read_text(errors="replace") if keeper.pid else str(status)
                raise EnvironmentUnavailableError(why_refused(self.get_name(), said))
            if self.context.cancelled():
                raise TestExecutionError(f"{self.get_name()}: cancelled while the network was being made")
            if time.monotonic() > end:
                raise TestExecutionError(
                    f"{self.get_name()}: the network was not there after "
                    f"{self.options.timeout:g} s\n  try: a longer timeout"
                )

    def place(self, command: ServiceCommand, launch: ServiceLaunch) -> ServiceCommand:
        """Return the command as it enters the namespaces of its service."""
        program = command.program
        folder = program.working_dir or str(launch.folder)
        _refuse_missing(launch.name, program, folder)
        argv = (*self._entering(launch.name), "env", "--chdir", folder)
        return command.wrapped(Layer(role=LayerRole.NETWORK, by=self.get_name(), argv=argv))

    def _entering(self, node: str) -> tuple[str, ...]:
        """Return the words before a command that has to run in the namespaces of ``node``."""
        keeper = self._keeper
        if keeper is None or node not in self._namespaces:
            raise TestExecutionError(f"{node} has no namespace: the network was not set up for it")
        place = f"/proc/{keeper.pid}"
        user = () if has_privileges() else (f"--user={place}/ns/user", "--preserve-credentials")
        return ("nsenter", *user, f"--mount={place}/ns/mnt", f"--net={place}/fd/{self._namespaces[node][0]}", "--")

    def change_link(self, directions: Sequence[tuple[str, str]], change: LinkChange) -> float:
        """Let the relays of these directions do something else from now on."""
        flows = ["->".join(each) for each in directions]
        controls = self._made.controls(flows) if self._made is not None else {}
        if not controls:
            raise TestExecutionError(f"{self.get_name()}: no mechanism that takes changes is on {', '.join(flows)}")
        return max(tell_switch(control, own, change) for control, own in controls.items())

    def collect(self) -> Iterable[Artifact]:
        """End what records and impairs, so that it writes what it has seen, and yield that."""
        if self._keeper is None or self._made is None:
            return
        answers = {(node, command): self._ask(node, command) for node, command in self._made.questions()}
        self._hold()
        status = self._keeper.exit or self._keeper.stop(signal=signal.SIGTERM, grace=_END_PATIENCE)
        if status.code != 0:
            said = (self.context.folder / "keeper" / "stderr").read_text(errors="replace").strip().splitlines()
            raise TestExecutionError(
                f"{self.get_name()}: the network did not last to the end of the case: {status}"
                + "".join(f"\n  {line}" for line in said[-3:])
            )
        yield from self._made.artifacts(answers)

    def _ask(self, node: str, command: tuple[str, ...]) -> str:
        argv = (*self._entering(node), *command)
        return self.command_processor.execute(ShellCommand(argv[0], argv[1:], timeout=10), name="ask").stdout

    def teardown_environment(self) -> None:
        """End what still runs; the namespaces go with it."""
        super().teardown_environment()
        if self._keeper is not None:
            self._hold()
            if self._made is not None and self._made.recordings and self._alive():
                # Of a case that went wrong the packets are worth most.
                self._keeper.stop(signal=signal.SIGTERM, grace=_END_PATIENCE)
            self._keeper.kill()
            self._left = (*self._left, *self._inhabitants())
        while self._held:
            os.close(self._held.pop())

    def _hold(self) -> None:
        """Keep the namespaces a little longer than their keeper, so that no other ones get their numbers meanwhile."""
        if self._keeper is not None and self._alive() and not self._held:
            for fd, _ in self._namespaces.values():
                with contextlib.suppress(FileNotFoundError):  # the keeper has ended at this moment
                    self._held.append(os.open(f"/proc/{self._keeper.pid}/fd/{fd}", os.O_RDONLY))

    def verify_clean(self) -> Iterable[str]:
        """Yield every process of the case that is alive, and whoever is or was left in one of its namespaces."""
        yield from super().verify_clean()
        yield from self._left
        if self._alive():
            yield from self._inhabitants()

    def _inhabitants(self) -> Iterator[str]:
        """Yield who is in a namespace that the keeper or this process holds."""
        inodes = {inode: name for name, (_, inode) in self._namespaces.items()} if self._held or self._alive() else {}
        for pid, inode in _network_namespaces():
            if inode in inodes:
                yield f"process {pid} in the namespace of {inodes[inode] or 'the fabric'}"

    def _alive(self) -> bool:
        return self._keeper is not None and self._keeper.exit is None


def _names(layout: Layout, *, ipv6: bool) -> Iterator[str]:
    for name, node in layout.nodes.items():
        for each in node.interfaces:
            yield f"{each.ip} {name}\n"
            if ipv6:
                yield f"{each.ip6} {name}\n"


def _has_ipv6() -> bool:
    return Path("/proc/sys/net/ipv6").exists()


def _network_namespaces() -> Iterator[tuple[int, int]]:
    """Yield every process that we may look at, with the number of its network namespace."""
    for name in filter(str.isdigit, os.listdir("/proc")):  # noqa: PTH208 - a Path for each takes three times as long
        try:
            yield int(name), os.stat(f"/proc/{name}/ns/net").st_ino  # noqa: PTH116
        except OSError:
            continue


def _refuse_missing(service: str, program: ShellCommand, folder: str) -> None:
    """Raise for a program that does not exist, which otherwise would be a wrapper's exit code."""
    name = str(Path(folder) / program.command) if "/" in program.command else program.command
    if shutil.which(name, path=program.env.get("PATH")) is None:
        raise EnvironmentUnavailableError(
            f"service {service} could not start: {program.command}: there is no such program, or it may not be executed"
        )
