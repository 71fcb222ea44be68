"""Links between containers, and recordings of what they say: done from outside, in their network namespaces."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import attrs
from panther_lib_containers.namespaces import Namespace, end_helper, engine_process, port_of, start_helper

from panther_env_docker_compose.addresses import Reservation
from panther_hookspecs import (
    Artifact,
    Context,
    LinkChange,
    LinkFlow,
    LinkPort,
    LinkSetup,
    LinkTask,
    NetworkPlan,
    Process,
    Recording,
    ServiceLaunch,
    ShellCommand,
    TestExecutionError,
    chosen_link,
    described_flows,
    link_between,
    report_links,
    tell_switch,
)

CAPTURE = "capture"
INTERFACE = "eth0"
"""What the engine calls the only interface of a container."""


def is_wired(plan: NetworkPlan) -> bool:
    """Return whether something has to be done to the network before the services start."""
    names = [launch.name for launch in plan.services]
    impaired = any(link_between(plan.links, *pair)[1].used() for pair in itertools.permutations(names, 2))
    return plan.capture or plan.changes_links or impaired


@attrs.define
class Wiring:
    """What lies between the containers of one attempt."""

    context: Context
    options: Any
    plan: NetworkPlan
    reserved: Reservation
    host: str
    mechanism: str = ""
    flows: tuple[LinkFlow, ...] = ()
    setup: LinkSetup = LinkSetup()
    _helpers: list[Process] = attrs.field(factory=list)
    _inside: Mapping[str, Namespace] = attrs.field(factory=dict)

    def set_up(self, pids: Mapping[str, int]) -> None:
        """Put links and recorders in place; ``pids`` are in the namespaces of the services."""
        commands, context = self.context.commands, self.context
        outside = Namespace(engine_process(self.host), commands)
        outer = {int(each["ifindex"]): str(each["ifname"]) for each in outside.links()}
        self._inside = {name: Namespace(pid, commands) for name, pid in pids.items()}
        ports = {name: port_of(name, each, outer, INTERFACE) for name, each in self._inside.items()}
        self._choose(ports)
        for each in self._inside.values():
            each.make_bare([INTERFACE])
        for name, own in self._inside.items():
            own.batch("ip", self.setup.ip.get(name, ()))
            own.batch("tc", self.setup.tc.get(name, ()))
        if self.setup.switch:
            peers = [each.peer for each in ports.values()]
            outside.make_bare(peers)
            outside.batch("ip", (f"link set {peer} nomaster" for peer in peers))
            self._helpers.append(start_helper(context, outside.pid, self.setup.switch, self.mechanism))
        if self.plan.capture:
            (context.folder / CAPTURE).mkdir(exist_ok=True)
            for name, own in self._inside.items():
                recorder = context.recorder(self._recording(name))
                self._helpers.append(start_helper(context, own.pid, recorder, f"recorder-{name}"))

    def _recording(self, service: str) -> Recording:
        return Recording(
            file=self.context.folder / self._recorded(service),
            interfaces=(INTERFACE,),
            limit=int(self.options.capture_limit),
            length=self.options.capture_length,
        )

    def _recorded(self, service: str) -> str:
        return f"{CAPTURE}/{service}.pcapng"

    def _choose(self, ports: Mapping[str, LinkPort]) -> None:
        """Find the mechanism that does what is asked of the links, and let it say what that takes."""
        changes = self.plan.changes_links
        self.flows = tuple(flows_of(self.plan, ports, self.reserved))
        if not self.flows:
            return
        wanted = {each for flow in self.flows for each in flow.spec.used()} | ({"steps"} if changes else set())
        link = chosen_link(self.context.links, wanted, self.options.link_mechanism, self._works)
        task = LinkTask(
            name="0",
            ports=tuple(ports.values()),
            flows=self.flows,
            seed=self.context.seed,
            folder=self.context.folder,
            changes=changes,
        )
        self.mechanism, self.setup = link.name, link.factory(task)

    def _works(self, trial: tuple[str, ...]) -> bool:
        """Try whether the kernel has what a link mechanism needs, in a namespace that vanishes at once."""
        words = ("--net", "--", *trial)
        return self.context.commands.execute(ShellCommand("unshare", words, timeout=10), name="trial").exit_code == 0

    def told(self) -> str:
        """Return the links as one line for the log of the case."""
        return f"links by {self.mechanism}: {described_flows(self.flows)}"

    def change(self, directions: Sequence[tuple[str, str]], change: LinkChange) -> float:
        """Let the mechanism do something else in these directions from now on."""
        names = ["->".join(each) for each in directions]
        known = [flow.name for flow in self.flows if flow.name in names]
        if self.setup.control is None or not known:
            raise TestExecutionError(f"no mechanism that takes changes is on {', '.join(names)}")
        return tell_switch(self.setup.control, known, change)

    def collect(self) -> Iterator[Artifact]:
        """End what impairs and records, so that it writes what it has seen, and yield that."""
        said = [
            {"node": node, "command": " ".join(command), "said": self._inside[node].run(*command).splitlines()}
            for node, command in self.setup.questions
        ]
        problems = [problem for each in reversed(self._helpers) if (problem := end_helper(each))]
        if problems:
            raise TestExecutionError(problems[0])
        if self.flows:
            yield report_links(self.context.folder, self.mechanism, self.flows, [self.setup], said)
        for launch in self.plan.services if self.plan.capture else ():
            path = self._recorded(launch.name)
            yield Artifact(path=path, kind="capture", service=launch.name, title=f"Packets of {launch.name}")

    def end(self) -> None:
        """End what still runs; of a case that went wrong the packets are worth most, so they are written first."""
        for each in reversed(self._helpers):
            end_helper(each)
            each.kill()


def flows_of(plan: NetworkPlan, ports: Mapping[str, LinkPort], reserved: Reservation) -> Iterator[LinkFlow]:
    """Yield every direction of a link that does something, or may have something to do later."""
    launches = {launch.name: launch for launch in plan.services}
    for source, target in itertools.permutations(launches, 2):
        link, spec = link_between(plan.links, source, target)
        if not (spec.used() or plan.changes_links):
            continue
        back = link_between(plan.links, target, source)[1]
        one, other = _addresses(launches[source]), _addresses(launches[target])
        moving = back.rebind is not None and back.rebind.address
        pairs = list(zip(one, other, strict=True))
        pairs += [(mine, alias) for mine, place in pairs for alias in (reserved.aliases(place) if moving else ())]
        moves = spec.rebind is not None and spec.rebind.address
        yield LinkFlow(
            link=link or "-".join(sorted((source, target), key=list(launches).index)),
            name=f"{source}->{target}",
            spec=spec,
            port=ports[source],
            pairs=tuple(pairs),
            aliases={each: reserved.aliases(each) for each in one} if moves else {},
        )


def _addresses(launch: ServiceLaunch) -> list[str]:
    return [each for each in (launch.endpoint.ip, launch.endpoint.ip6) if each]
