"""Puts one cell together: resolved parts, their relations, and what cannot be combined."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import attrs

from panther_core.capabilities import abilities
from panther_core.checks import Check
from panther_core.config.diagnostics import Diagnostic, Findings, one_of
from panther_core.config.sections import ExecutionEnvironmentConfig, NetworkEnvironmentConfig, TestTypeConfig
from panther_core.config.tree import Node
from panther_core.plan.cases import PlannedCase, PlannedInstrument, PlannedService, scheduled
from panther_core.plan.cast import Casting, content_of
from panther_core.plan.claims import OwnLinks, own_links, settled
from panther_core.plan.expect import expected
from panther_core.plan.fit import refuse_instruments, refuse_stages, unfit_services
from panther_core.plan.identity import digest, seed_of, slug
from panther_core.plan.linked import changes_links, check_links
from panther_core.plan.resolve import InstrumentSection, NetworkSection, Resolved, Resolver, TestTypeSection
from panther_core.plan.staged import chosen_stages, refuse
from panther_core.plan.template import FUNCTIONAL, View
from panther_hookspecs import (
    CaseOutline,
    ExecutionEnvironmentDescriptor,
    LinkDescriptor,
    LinkSpec,
    NetworkEnvironmentDescriptor,
    ProtocolDescriptor,
    Stage,
    TestScenario,
    TestTypeDescriptor,
)

_PLACES = frozenset({"network_environment", "execution_environments"})
"""Keys that say where a case runs and what watches it, and nothing about what it does."""


@attrs.frozen
class Assembled:
    """A cell: the case without its repetition, or what is wrong with it."""

    case: PlannedCase | None
    content: str
    """Everything that decides what the case does."""
    diagnostics: tuple[Diagnostic, ...] = ()
    chances: str = ""
    """The same without where it runs and what watches it: there the same must happen by chance."""

    def repetition(self, number: int, seed: int) -> PlannedCase:
        """Return one repetition of the case, with its identity and its seed."""
        assert self.case is not None  # whoever asks has looked at the diagnostics
        case_id = f"{slug(self.case.name)}-{digest(self.content, str(number))}"
        own = seed_of(seed, digest(self.chances, str(number)))
        return attrs.evolve(self.case, case_id=case_id, repetition=number, seed=own)


@attrs.define
class Assembler:
    """Puts cells together, one at a time."""

    resolver: Resolver

    def assemble(self, view: View) -> Assembled:
        """Return the case of one cell, or everything that is wrong with it."""
        return _Assembly(view, self.resolver).run()


@attrs.define
class _Assembly:
    view: View
    resolver: Resolver
    findings: Findings = attrs.field(factory=Findings)

    def run(self) -> Assembled:
        view, findings = self.view, self.findings
        simple = self._value(self.resolver.simple(view.simple()))
        network = self._network()
        test_type = self._test_type()
        instruments = self._instruments()
        protocol = self._protocol()
        scenario = self._scenario(protocol)
        casting = Casting(view, self.resolver, protocol, findings)
        players = casting.players()
        services = casting.services(players, scenario[0] if scenario else None, _dependencies(network))
        written = view.template.node.get("services")
        if not players and not findings.found and (written is None or written.is_mapping):
            findings.add(view.template.node, "there is nobody to run: add services, or implementation")
        checks = self.resolver.checks(view.get("checks"))
        links = self.resolver.links(view.get("links"))
        found_checks, found_links = self._value(checks) or (), self._value(links) or {}
        names = tuple(players)
        if not findings.found:
            watched = tuple(self._watched(section, names) for section in instruments)
            self._check_instruments(watched)
            check_links(found_links, names, self.view.get("links"), findings)
            self._check_services_of(found_checks, names)
            self._check_capabilities(network, test_type, found_links, players)
            if network is not None:
                refuse_instruments(network.descriptor, watched, view.get("execution_environments"), findings)
        stages = chosen_stages(test_type, self.resolver.registry, findings) if test_type else ()
        if not findings.found and test_type and network:
            refuse_stages(network.descriptor, stages, test_type.node, findings)
            outline = self._outline(test_type.options, stages, network.descriptor, players, found_links)
            refuse(test_type, outline, findings)
        if findings.found or simple is None or network is None or test_type is None:
            return Assembled(None, "", tuple(findings.found))
        cell = {change.axis: change.text for change in view.cell}
        case = PlannedCase(
            case_id="",
            name=view.template.name,
            cell=cell,
            protocol=protocol,
            scenario=scenario[0] if scenario else None,
            parameters=scenario[1] if scenario else None,
            services=services,
            network=network.descriptor,
            network_options=network.options,
            instruments=watched,
            test_type=test_type.descriptor,
            test_type_options=test_type.options,
            checks=tuple(check for check, _ in found_checks),
            expect=expected(view.template.rules, view.facts),
            stages=stages,
            links=found_links,
            capture=simple.config.capture,
        )
        case = self._fitted(scheduled(case, simple.config), test_type, casting.unsupported)
        contents = [content_of(each, players[each.name], self.resolver) for each in services]
        return Assembled(case, self._content(case, contents), (), self._content(case, contents, _PLACES))

    def _fitted(self, case: PlannedCase, test_type: TestTypeSection, unsupported: Iterable[str]) -> PlannedCase:
        """Return the case with what its scenario brings, and with why it cannot be tried."""
        brought, reasons = self._brought(case, case.scenario) if case.scenario else ({}, ())
        changes = changes_links(test_type, brought.get("links", case.links))
        told = (*unsupported, *reasons, *unfit_services(case.network, case.services))
        return attrs.evolve(case, **brought, changes_links=changes, unsupported="; ".join(dict.fromkeys(told)))

    def _brought(self, case: PlannedCase, scenario: TestScenario) -> tuple[dict[str, Any], tuple[str, ...]]:
        """Return what a scenario changes in its case, and what is in its way."""
        can = self._capabilities(case.network)
        parameters, reasons = settled(case.parameters, case.services)
        own = self._own_links(case, scenario)
        lacking = [each for each in own.added if each not in can]
        why = f"which {scenario.name} needs"
        reasons += tuple(f"{case.network.name} cannot do {each}, {why}{self._able(each)}" for each in lacking)
        unsaid = self.view.simple().get("capture") is None
        optional = unsaid and scenario.capture and "capture" in can and not case.capture
        brought = {"parameters": parameters, "capture": case.capture or optional, "capture_optional": optional}
        return brought | ({"links": own.links} if scenario.links else {}), reasons

    def _own_links(self, case: PlannedCase, scenario: TestScenario) -> OwnLinks:
        """Return the links of a case on top of its scenario's; cells whose services have the same names share them."""
        node, roles = self.view.get("links"), [(each.name, each.role) for each in case.services]
        return self.resolver.keep(
            "own links",
            lambda: own_links(scenario, case.services, case.links, node),
            node,
            extra=f"{case.protocol.name if case.protocol else ''} {scenario.name} {roles}",
        )

    def _content(self, case: PlannedCase, services: list[str], without: frozenset[str] = frozenset()) -> str:
        """Return everything that decides what the case does, as text, but for some keys."""
        view, resolver = self.view, self.resolver
        parts: list[Resolved[Any]] = [resolver.simple(view.simple()), resolver.checks(view.get("checks"))]
        if case.scenario and case.scenario.links:
            parts.append(Resolved(None, (), self._own_links(case, case.scenario).content))
        else:
            parts.append(resolver.links(view.get("links")))
        if case.protocol and case.scenario:
            scenario = resolver.scenario(case.protocol, view.get("scenario"), view.get("parameters"))
            parts.append(_settled_content(scenario, case, resolver))
        for key in ("network_environment", "type", "execution_environments"):
            parts += self._resolved(key) if key not in without else ()
        cell = sorted((axis, text) for axis, text in case.cell.items() if axis.partition(".")[0] not in without)
        chosen = [each.name for each in case.stages]
        ways = [repr(chosen)] if chosen != [each.name for each in case.test_type.stages] else []
        return "\n".join([case.name, repr(cell), *(each.content for each in parts), *sorted(services), *ways])

    def _value(self, resolved: Resolved[Any]) -> Any:
        self.findings.add_all(resolved.diagnostics)
        return resolved.value

    def _resolved(self, key: str) -> Iterator[Resolved[Any]]:
        node = self.view.get(key)
        if key == "type":
            section = node or self._default_type()
            yield self.resolver.section(section, TestTypeDescriptor, TestTypeConfig)
        elif node is None:
            return
        elif key == "network_environment":
            yield self.resolver.section(node, NetworkEnvironmentDescriptor, NetworkEnvironmentConfig)
        else:
            for each in node.elements():
                yield self.resolver.section(each, ExecutionEnvironmentDescriptor, ExecutionEnvironmentConfig)

    def _default_type(self) -> Node:
        node = self.view.template.node
        return self.resolver.keep("type", lambda: Node(FUNCTIONAL, node.mark, node.path), node)

    def _network(self) -> NetworkSection | None:
        found = [self._value(each) for each in self._resolved("network_environment")]
        if not found:
            names = self.resolver.registry.names(NetworkEnvironmentDescriptor)
            self.findings.add(
                self.view.template.node,
                f"the key 'network_environment' is missing (installed: {', '.join(names) or 'none'})",
            )
        return found[0] if found else None

    def _test_type(self) -> TestTypeSection | None:
        return next(self._value(each) for each in self._resolved("type"))  # type: ignore[no-any-return]

    def _outline(
        self,
        options: Any,
        stages: tuple[Stage, ...],
        network: NetworkEnvironmentDescriptor,
        players: Mapping[str, Any],
        links: Mapping[str, LinkSpec],
    ) -> CaseOutline:
        simple, protocol = self.resolver.simple(self.view.simple()).value, self.view.get("protocol")
        return CaseOutline(
            options=options,
            stages=tuple(each.name for each in stages),
            services={name: player.section.descriptor.name for name, player in players.items()},
            network_environment=network.name,
            capabilities=self._capabilities(network),
            protocol=str(protocol.value) if protocol else "",
            links=tuple(links),
            capture=simple is not None and simple.config.capture,
        )

    def _instruments(self) -> list[InstrumentSection]:
        node = self.view.get("execution_environments")
        if node is not None and not node.is_list:
            self.findings.add(node, "expected execution environments: one or a list, each a name or a mapping")
        found = [self._value(each) for each in self._resolved("execution_environments")]
        return [each for each in found if each is not None]

    def _protocol(self) -> ProtocolDescriptor | None:
        node = self.view.get("protocol")
        if node is None or node.value == "":
            for key in ("scenario", "parameters", "implementation"):
                if (found := self.view.get(key)) is not None:
                    self.findings.add(found, f"{key} needs a protocol: add the key protocol")
            return None
        return self.resolver.named(node, ProtocolDescriptor, self.findings)

    def _scenario(self, protocol: ProtocolDescriptor | None) -> Any:
        if protocol is None:
            return None
        return self._value(self.resolver.scenario(protocol, self.view.get("scenario"), self.view.get("parameters")))

    def _watched(self, section: InstrumentSection, names: tuple[str, ...]) -> PlannedInstrument:
        given = tuple(getattr(section.options, "services", ()))
        for each in given:
            if each not in names:
                at = section.node.get("services") or section.node
                self.findings.add(at, f"no service {each!r}{one_of(each, names, 'there are')}")
        return PlannedInstrument(descriptor=section.descriptor, options=section.options, services=given or names)

    def _check_instruments(self, watched: tuple[PlannedInstrument, ...]) -> None:
        node = self.view.get("execution_environments")
        for index, one in enumerate(watched):
            for other in watched[:index]:
                shared = [name for name in one.services if name in other.services]
                if shared and node is not None:
                    reason = _conflict(one, other)
                    if reason:
                        self.findings.add(
                            node.elements()[index],
                            f"{one.descriptor.name} and {other.descriptor.name} "
                            f"cannot both watch {', '.join(shared)}: {reason}",
                        )

    def _check_services_of(self, checks: tuple[tuple[Check, Node], ...], names: tuple[str, ...]) -> None:
        for check, node in checks:
            for key, service in (
                ("service", getattr(check, "service", "")),
                ("same_as", getattr(check, "same_as", "").partition("/")[0]),
            ):
                if service and service not in names:
                    place, _ = node.find((next(iter(node.value)), key))
                    self.findings.add(place, f"no service {service!r}{one_of(service, names, 'there are')}")

    def _check_capabilities(
        self,
        network: NetworkSection | None,
        test_type: TestTypeSection | None,
        links: Mapping[str, LinkSpec],
        players: Mapping[str, Any],
    ) -> None:
        if network is None:
            return
        can, name = self._capabilities(network.descriptor), network.descriptor.name
        wanted: list[tuple[str, Node | None]] = []
        links_node, capture = self.view.get("links"), self.view.get("capture")
        for link, spec in links.items():
            place = links_node.get(link) if links_node else None
            wanted.extend((each, (place.get(each) if place else None) or place) for each in spec.used())
        if changes_links(test_type, {}):
            wanted.append(("steps", self.view.get("type")))
        simple = self.resolver.simple(self.view.simple()).value
        if simple is not None and simple.config.capture:
            wanted.append(("capture", capture))
        if getattr(network.options, "resource_limits", None):
            wanted.append(("limits", network.node.get("resource_limits")))
        wanted.extend(("ipv6", player.section.node) for player in players.values() if player.section.wants_ip6)
        for capability, place in wanted:
            if capability not in can:
                where = place or self.view.template.node
                self.findings.add(where, f"{name} cannot do {capability}{self._able(capability)}")

    def _able(self, capability: str) -> str:
        """Return the end of a message that says who can do what another environment cannot."""
        networks = self.resolver.registry.all(NetworkEnvironmentDescriptor)
        able = [each.name for each in networks if capability in self._capabilities(each)]
        return f" (environments that can: {', '.join(able) or 'none installed'})"

    def _capabilities(self, network: NetworkEnvironmentDescriptor) -> frozenset[str]:
        """Return what an environment can do, with the help of the link mechanisms where it takes one."""

        def able() -> frozenset[str]:
            return frozenset(abilities(network, self.resolver.registry.all(LinkDescriptor)))

        return self.resolver.keep("capabilities", able, extra=network.name)


def _settled_content(scenario: Resolved[Any], case: PlannedCase, resolver: Resolver) -> Resolved[Any]:
    """Return the scenario's content with what was left open settled, as if the file had said it."""
    if scenario.value is None or scenario.value[1] is case.parameters or case.protocol is None:
        return scenario
    return Resolved(None, (), resolver.scenario_content(case.protocol, scenario.value[0], case.parameters))


def _dependencies(network: NetworkSection | None) -> Mapping[str, tuple[str, ...]]:
    return getattr(network.options, "service_dependencies", {}) if network else {}


def _conflict(one: PlannedInstrument, other: PlannedInstrument) -> str:
    """Return why two instruments cannot be on the same process, or nothing."""
    if one.descriptor.name == other.descriptor.name:
        return "it is the same instrument twice"
    return one.descriptor.excludes.get(other.descriptor.name) or other.descriptor.excludes.get(one.descriptor.name, "")


__all__ = ["Assembled", "Assembler", "PlannedService"]
