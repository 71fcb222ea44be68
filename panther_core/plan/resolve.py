"""Resolves the parts of a test case against the plugins: each distinct part once, however many cases share it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Generic, TypeVar

import attrs

from panther_core.checks import CHECK_KINDS, Check
from panther_core.config.diagnostics import Diagnostic, Findings, one_of
from panther_core.config.models import TestCaseConfig
from panther_core.config.sections import (
    ExecutionEnvironmentConfig,
    NetworkEnvironmentConfig,
    ServiceConfig,
    TestTypeConfig,
)
from panther_core.config.strict import described
from panther_core.config.structure import REST, SHORT, fields_of, structure
from panther_core.config.tree import Node
from panther_core.plan.identity import canonical
from panther_core.registry import Registry, UnknownNameError
from panther_hookspecs import (
    Descriptor,
    ExecutionEnvironmentDescriptor,
    LinkSpec,
    NetworkEnvironmentDescriptor,
    ProtocolDescriptor,
    ServiceDescriptor,
    TestScenario,
    TestTypeDescriptor,
)

DescriptorT = TypeVar("DescriptorT", bound=Descriptor)
ConfigT = TypeVar("ConfigT")
T = TypeVar("T")

_MOST_KEPT = 20_000
_IP6 = re.compile(r"\{[^{}]*\.ip6\b")
_PACKAGES = {
    "service": "service",
    "protocol": "protocol",
    "network_environment": "env",
    "execution_environment": "profiler",
    "test_type": "test",
    "provisioner": "provisioner",
    "observer": "observer",
    "discovery": "discover",
}
SIMPLE = frozenset(
    {
        "description",
        "timeout",
        "repeat",
        "retry_count",
        "capture",
        "exclusive",
        "labels",
        "priority",
        "uses",
        "deadline",
        "tags",
    }
)
"""Keys of a test case whose values need no plugin."""


@attrs.frozen
class Resolved(Generic[T]):
    """A part of a test case: its value as far as it could be made, what is wrong, and its content as text."""

    value: T | None
    diagnostics: tuple[Diagnostic, ...] = ()
    content: str = ""


@attrs.frozen
class PluginSection(Generic[DescriptorT, ConfigT]):
    """A section that names a plugin: the plugin, the engine's own keys, and the plugin's options."""

    node: Node
    descriptor: DescriptorT
    config: ConfigT
    options: Any
    wants_ip6: bool = False


ServiceSection = PluginSection[ServiceDescriptor, ServiceConfig]
InstrumentSection = PluginSection[ExecutionEnvironmentDescriptor, ExecutionEnvironmentConfig]
NetworkSection = PluginSection[NetworkEnvironmentDescriptor, NetworkEnvironmentConfig]
TestTypeSection = PluginSection[TestTypeDescriptor, TestTypeConfig]


@attrs.frozen
class Simple:
    """The keys of a test case that need no plugin."""

    config: TestCaseConfig


def unknown_name(error: UnknownNameError) -> str:
    """Return the message for a name that no plugin brings, with the way to get one."""
    package = _PACKAGES.get(error.kind)
    usable = re.fullmatch(r"[a-z0-9][a-z0-9_.-]*", error.name) and not error.nearest
    if not package or error.nearest:
        return str(error)
    example = f"panther-{package}-{error.name if usable else 'NAME'}"
    return f"{error} - plugins are packages such as {example}: pip install one that brings it"


@attrs.define
class Resolver:
    """Turns nodes into values, keeping what it has made: a node that many cells share is read once."""

    registry: Registry
    root: Path | None = None
    """The experiment's folder; content does not depend on where it is."""
    _kept: dict[tuple[object, ...], tuple[tuple[Node | None, ...], Any]] = attrs.field(factory=dict)

    def keep(self, what: str, make: Callable[[], T], *nodes: Node | None, extra: str = "") -> T:
        """Return what was made for these very nodes before, or make it."""
        key = (what, extra, *map(id, nodes))
        entry = self._kept.get(key)
        if entry is None:
            if len(self._kept) >= _MOST_KEPT:
                self._kept.clear()
            entry = self._kept[key] = (nodes, make())
        found: T = entry[1]
        return found

    def named(self, node: Node, kind: type[DescriptorT], findings: Findings) -> DescriptorT | None:
        """Return the descriptor that a text names."""
        if not isinstance(node.value, str):
            findings.add(node, f"expected the name of a {kind.KIND.replace('_', ' ')}, got {described(_plain(node))}")
            return None
        try:
            return self.registry.get(kind, str(node.value))
        except UnknownNameError as error:
            findings.add(node, unknown_name(error))
            return None

    def section(
        self, node: Node, kind: type[DescriptorT], config: type[ConfigT]
    ) -> Resolved[PluginSection[DescriptorT, ConfigT]]:
        """Resolve a section in which the engine's keys and the plugin's own keys stand side by side."""
        return self.keep("section", lambda: self._section(node, kind, config), node, extra=kind.KIND)

    def _section(
        self, node: Node, kind: type[DescriptorT], config: type[ConfigT]
    ) -> Resolved[PluginSection[DescriptorT, ConfigT]]:
        findings = Findings()
        own = {key: field for key, field in fields_of(config).items() if not field.metadata.get(REST)}
        name_key = next(key for key, field in own.items() if field.metadata.get(SHORT))
        if isinstance(node.value, str):
            node = Node({name_key: node}, node.mark, node.path)
        if not node.is_mapping:
            structure(node, config, findings)
            return Resolved(None, tuple(findings.found))
        name = node.get(name_key)
        descriptor = self.named(name, kind, findings) if name else None
        base = structure(node.only(frozenset(own)), config, findings)
        if name is None and not findings.found:
            about = f"name of the {kind.KIND.replace('_', ' ')}" if kind is not ServiceDescriptor else "its name"
            findings.add(node, f"the key {name_key!r} is missing ({about})")
        if descriptor is None:
            if findings.found and name is not None:
                findings.found = _once(findings.found)
            return Resolved(None, tuple(findings.found))
        options = self._options(node, descriptor, own, findings)
        if base is None:
            return Resolved(None, tuple(findings.found))
        found = PluginSection(node, descriptor, base, options, _mentions_ip6(node))
        return Resolved(found, tuple(findings.found), f"{descriptor.name} {canonical(options, self.root)}")

    def _options(self, node: Node, descriptor: Descriptor, own: Mapping[str, Any], findings: Findings) -> Any:
        try:
            fields = fields_of(descriptor.options)
            unknown = [key for key, _ in node.items() if key not in own and key not in fields]
            for key in unknown:
                known = dict.fromkeys([*own, *fields])
                findings.add(node, f"unknown key {key!r} of {descriptor.name}{one_of(key, known)}", key)
            return structure(node.only(frozenset(fields)), descriptor.options, findings)
        except Exception as error:  # noqa: BLE001 - a plugin's own code may fail in any way; the user is told which
            findings.add(
                node,
                f"the plugin that brings {descriptor.name!r} cannot read its options: {type(error).__name__}: {error}",
            )
            return None

    def simple(self, node: Node) -> Resolved[Simple]:
        """Resolve the keys that need no plugin; the node holds only those."""
        return self.keep("simple", lambda: self._simple(node), node)

    def _simple(self, node: Node) -> Resolved[Simple]:
        findings = Findings()
        named = node.with_entry("name", Node("any", node.mark, node.path))
        config = structure(named, TestCaseConfig, findings)
        if config is None:
            return Resolved(None, tuple(findings.found))
        content = canonical([config.timeout, config.retry_count, config.capture, config.exclusive, config.labels])
        return Resolved(Simple(config), (), content)

    def scenario(
        self, protocol: ProtocolDescriptor, node: Node | None, parameters: Node | None
    ) -> Resolved[tuple[TestScenario, Any]]:
        """Resolve the scenario of a protocol and its parameters."""
        return self.keep(
            "scenario", lambda: self._scenario(protocol, node, parameters), node, parameters, extra=protocol.name
        )

    def _scenario(
        self, protocol: ProtocolDescriptor, node: Node | None, parameters: Node | None
    ) -> Resolved[tuple[TestScenario, Any]]:
        findings = Findings()
        names = [each.name for each in protocol.scenarios]
        wanted = node.value if node is not None else next(iter(names), None)
        scenario = next((each for each in protocol.scenarios if each.name == wanted), None)
        if scenario is None:
            if node is not None:
                findings.add(
                    node,
                    f"{protocol.name} has no scenario {described(_plain(node))}{one_of(str(wanted), names, 'it has')}",
                )
            return Resolved(None, tuple(findings.found))
        if parameters is None:
            parameters = Node({}, node.mark, node.path) if node is not None else None
        try:
            class_ = scenario.parameters
            values = class_() if parameters is None else structure(parameters, class_, findings)
        except Exception as error:  # noqa: BLE001 - a plugin's own code may fail in any way; the user is told which
            findings.found.append(_about(parameters, f"the parameters of {scenario.name!r} cannot be read: {error}"))
        if findings.found:
            return Resolved(None, tuple(findings.found))
        return Resolved((scenario, values), (), self.scenario_content(protocol, scenario, values))

    def scenario_content(self, protocol: ProtocolDescriptor, scenario: TestScenario, values: Any) -> str:
        """Return scenario and parameters as text."""
        return f"{protocol.name} {scenario.name} {canonical(values, self.root)}"

    def checks(self, node: Node | None) -> Resolved[tuple[tuple[Check, Node], ...]]:
        """Resolve the checks: a list of mappings with one key each, the kind."""
        if node is None:
            return Resolved((), (), canonical([]))
        return self.keep("checks", lambda: self._checks(node), node)

    def _checks(self, node: Node) -> Resolved[tuple[tuple[Check, Node], ...]]:
        findings = Findings()
        if not node.is_list:
            findings.add(node, f"expected a list of checks, got {described(_plain(node))}")
        checks = [(check, each) for each in node.elements() if (check := _check(each, findings)) is not None]
        if findings.found:
            return Resolved(None, tuple(findings.found))
        return Resolved(tuple(checks), (), canonical([check for check, _ in checks], self.root))

    def links(self, node: Node | None) -> Resolved[Mapping[str, LinkSpec]]:
        """Resolve the impairments of links."""
        if node is None:
            return Resolved({}, (), canonical({}))
        return self.keep("links", lambda: self._links(node), node)

    def _links(self, node: Node) -> Resolved[Mapping[str, LinkSpec]]:
        findings = Findings()
        links = structure(node, Mapping[str, LinkSpec], findings)  # type: ignore[type-abstract]
        return Resolved(links, tuple(findings.found), canonical(links))


def _plain(node: Node) -> object:
    return {} if node.is_mapping else [] if node.is_list else node.value


def _about(node: Node | None, message: str) -> Diagnostic:
    assert node is not None  # only given parameters are structured
    return Diagnostic(message, node.mark, node.path)


def _once(found: list[Diagnostic]) -> list[Diagnostic]:
    """Return the diagnostics without a second one for the same place."""
    return list({each.mark: each for each in reversed(found)}.values())[::-1]


def _mentions_ip6(node: Node) -> bool:
    if isinstance(node.value, str):
        return _IP6.search(node.value) is not None
    return any(map(_mentions_ip6, node.value.values() if isinstance(node.value, dict) else node.elements()))


def _check(node: Node, findings: Findings) -> Check | None:
    if not node.is_mapping or len(node.value) != 1:
        findings.add(node, f"a check is a mapping with one key, its kind ({', '.join(CHECK_KINDS)})")
        return None
    kind, value = next(node.items())
    class_ = CHECK_KINDS.get(kind)
    if class_ is None:
        findings.add(node, f"no kind of check {kind!r}{one_of(kind, CHECK_KINDS)}", kind)
        return None
    if not value.is_mapping:
        value = Node({next(iter(fields_of(class_))): value}, value.mark, value.path)
    return structure(value, class_, findings)
