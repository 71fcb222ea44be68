"""Who plays in a cell: every service with its role, its target and what it waits for."""

from __future__ import annotations

from collections.abc import Mapping

import attrs

from panther_core.config.diagnostics import Findings, one_of
from panther_core.config.sections import ServiceConfig
from panther_core.config.tree import Node
from panther_core.plan.cases import PlannedService
from panther_core.plan.identity import canonical
from panther_core.plan.resolve import Resolved, Resolver, ServiceSection
from panther_core.plan.template import View
from panther_core.registry import Registry
from panther_hookspecs import ProtocolDescriptor, ServiceDescriptor, TestScenario


@attrs.frozen
class Player:
    """One service of a cell, before its relations to the others are known."""

    name: str
    section: ServiceSection
    content: str
    role: str


@attrs.define
class Casting:
    """Finds out who plays what in one cell."""

    view: View
    resolver: Resolver
    protocol: ProtocolDescriptor | None
    findings: Findings
    unsupported: list[str] = attrs.field(factory=list)
    _complete: bool = True
    """Whether every service is known; if not, what looks missing may be what could not be read."""

    def players(self) -> dict[str, Player]:
        """Return the services that could be resolved, by name, with their roles."""
        found: dict[str, Player] = {}
        for name, node in self._nodes().items():
            resolved: Resolved[ServiceSection] = self.resolver.section(node, ServiceDescriptor, ServiceConfig)
            self.findings.add_all(resolved.diagnostics)
            role = self._role(name, resolved.value) if resolved.value else None
            if resolved.value is None or role is None:
                self._complete = False
                continue
            self._check_protocol(resolved.value)
            found[name] = Player(name, resolved.value, resolved.content, role)
        return found

    def _nodes(self) -> dict[str, Node]:
        """Return the services of the cell: the written ones, then one for each role left to the implementation."""
        implementation = self.view.get("implementation")
        nodes: dict[str, Node] = {}
        for name in self.view.template.services:
            node = self.view.service(name)
            if node is None:
                continue
            if implementation is not None and node.is_mapping and node.get("implementation") is None:
                node = self._filled(node, implementation)
            nodes[name] = node
        if implementation is not None:
            played = {self._given_role(name, node) for name, node in nodes.items()}
            for role in self.protocol.roles if self.protocol else ():
                if role.name not in played:
                    nodes[role.name] = self._made(implementation, role.name)
        return nodes

    def _filled(self, node: Node, implementation: Node) -> Node:
        def filled() -> Node:
            return node.with_entry("implementation", implementation)

        return self.resolver.keep("filled", filled, node, implementation)

    def _made(self, implementation: Node, role: str) -> Node:
        mark, path = implementation.mark, implementation.path
        return self.resolver.keep(
            "made",
            lambda: Node({"implementation": implementation, "role": Node(role, mark, path)}, mark, path),
            implementation,
            extra=role,
        )

    def _given_role(self, name: str, node: Node) -> object:
        role = node.get("role")
        return role.value if role else name

    def _role(self, name: str, section: ServiceSection) -> str | None:
        given = section.config.role
        if self.protocol is None:
            return given or name
        names = [role.name for role in self.protocol.roles]
        if given:
            if given not in names:
                self.findings.add(
                    section.node.get("role") or section.node,
                    f"{self.protocol.name} has no role {given!r}{one_of(given, names, 'it has')}",
                )
                return None
            return given
        if name in names:
            return name
        possible = [role for role in names if not section.descriptor.roles or role in section.descriptor.roles]
        if len(possible) == 1:
            return possible[0]
        self.findings.add(section.node, f"the role of {name!r} is not clear: add role ({', '.join(names)})")
        return None

    def _check_protocol(self, section: ServiceSection) -> None:
        speaks = section.descriptor.protocol
        at = section.node.get("implementation") or section.node
        if self.protocol is None:
            if speaks and self.view.get("protocol") is None:
                self.findings.add(at, f"{section.descriptor.name} speaks {speaks}: add protocol: {speaks}")
        elif speaks and speaks != self.protocol.name:
            fitting = speakers(self.resolver.registry, self.protocol.name)
            known = ", ".join(fitting) or "none installed"
            self.findings.add(
                at,
                f"{section.descriptor.name} speaks {speaks}, not {self.protocol.name}"
                f" (implementations of {self.protocol.name}: {known})",
            )

    def services(
        self, players: Mapping[str, Player], scenario: TestScenario | None, ready_first: Mapping[str, tuple[str, ...]]
    ) -> tuple[PlannedService, ...]:
        """Return the planned services, with their targets and dependencies; none if not all are known."""
        if not self._complete:
            return ()
        waits = {
            name: (*player.section.config.depends_on, *ready_first.get(name, ())) for name, player in players.items()
        }
        self._check_dependencies(players, waits)
        targets = {name: self._target(player, players) for name, player in players.items()}
        for name, target in targets.items():
            if target and target not in waits[name] and not _reaches(waits, target, name):
                waits[name] = (*waits[name], target)
        planned = []
        for name, player in players.items():
            config = player.section.config
            self._check_claims(player, scenario)
            planned.append(
                PlannedService(
                    name=name,
                    descriptor=player.section.descriptor,
                    options=player.section.options,
                    role=player.role,
                    version=self._version(player),
                    target=targets[name],
                    depends_on=tuple(dict.fromkeys(waits[name])),
                    environment=config.environment,
                    ready=config.ready,
                )
            )
        return tuple(planned)

    def _target(self, player: Player, players: Mapping[str, Player]) -> str:
        node, given = player.section.node, player.section.config.target
        role = self.protocol.role(player.role) if self.protocol else None
        wanted = role.target if role else ""
        others = [name for name, each in players.items() if name != player.name and wanted in ("", each.role)]
        if given:
            if given not in players:
                hint = one_of(given, players, "there are")
                self.findings.add(node.get("target") or node, f"no service {given!r}{hint}")
            elif wanted and players[given].role != wanted:
                self.findings.add(
                    node.get("target") or node,
                    f"{given!r} is no {wanted} but a {players[given].role} ({wanted}: {', '.join(others) or 'none'})",
                )
            return given
        if not wanted or len(others) == 1:
            return others[0] if wanted else ""
        what = (
            f"there is none: add a service with role {wanted}"
            if not others
            else f"there are {', '.join(others)}: add target"
        )
        self.findings.add(node, f"a {player.role} talks to a {wanted}, and {what}")
        return ""

    def _check_dependencies(self, players: Mapping[str, Player], waits: Mapping[str, tuple[str, ...]]) -> None:
        for name, needed in waits.items():
            node = players[name].section.node
            place = node.get("depends_on") or node
            for each in needed:
                if each not in players:
                    self.findings.add(
                        place,
                        f"{name!r} waits for {each!r}, and there is no such service"
                        f"{one_of(each, players, 'there are')}",
                    )
            if _reaches(waits, name, name):
                self.findings.add(place, f"{name!r} waits for itself: {' -> '.join(_circle(waits, name))}")

    def _version(self, player: Player) -> str:
        """Return the version; one that another implementation of the axis knows is no mistake, but unsupported."""
        descriptor, given = player.section.descriptor, player.section.config.version
        if not given or given in descriptor.versions:
            return given or next(iter(descriptor.versions), "")
        peers = self.resolver.registry.all(ServiceDescriptor)
        changed = ("services", player.name) in self.view.groups
        if changed and any(given in each.versions and each.protocol == descriptor.protocol for each in peers):
            self.unsupported.append(f"{descriptor.name} has no version {given}")
        else:
            node = player.section.node
            self.findings.add(
                node.get("version") or node,
                f"{descriptor.name} has no version {given!r}{one_of(given, descriptor.versions, 'it has')}",
            )
        return given

    def _check_claims(self, player: Player, scenario: TestScenario | None) -> None:
        descriptor = player.section.descriptor
        if self.protocol is None:
            return
        if descriptor.roles and player.role not in descriptor.roles:
            self.unsupported.append(f"{descriptor.name} does not play the role {player.role}")
        elif scenario and scenario.name not in _claimed(descriptor, player.role, scenario.name):
            self.unsupported.append(f"{descriptor.name} does not support {scenario.name} as {player.role}")


def _claimed(descriptor: ServiceDescriptor, role: str, scenario: str) -> tuple[str, ...]:
    """Return the scenarios that an implementation claims to support in a role."""
    return (scenario,) if descriptor.scenarios is None else descriptor.scenarios.get(role, ())


def speakers(registry: Registry, protocol: str) -> list[str]:
    """Return the names of the installed implementations of a protocol."""
    return [each.name for each in registry.all(ServiceDescriptor) if each.protocol == protocol]


def content_of(service: PlannedService, player: Player, resolver: Resolver) -> str:
    """Return the content of a service as text; services of the same node with the same relations share it."""
    own = (service.name, service.role, service.version, service.target, service.depends_on)

    def content() -> str:
        return canonical([*own, service.environment, service.ready]) + player.content

    return resolver.keep("content", content, player.section.node, extra=repr(own))


def _reaches(waits: Mapping[str, tuple[str, ...]], start: str, goal: str) -> bool:
    """Whether ``start`` waits for ``goal``, at once or through others; nobody waits for itself at once."""
    seen: set[str] = set()
    todo = list(waits.get(start, ()))
    while todo:
        name = todo.pop()
        if name == goal:
            return True
        if name not in seen:
            seen.add(name)
            todo.extend(waits.get(name, ()))
    return False


def _circle(waits: Mapping[str, tuple[str, ...]], start: str) -> list[str]:
    """Return one way from a service back to itself."""
    way = [start]
    while len(way) == 1 or way[-1] != start:
        way.append(next(each for each in waits[way[-1]] if each == start or _reaches(waits, each, start)))
    return way
