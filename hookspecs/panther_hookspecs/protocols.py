"""Protocols: the roles, the scenarios, and how evidence becomes a verdict."""

from __future__ import annotations

import abc
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, ClassVar

import attrs

from panther_hookspecs.impairments import LinkSpec
from panther_hookspecs.plugins import Descriptor, IPlugin, NoOptions
from panther_hookspecs.values import CheckResult, Evidence, Measurement, Message


@attrs.frozen(kw_only=True)
class Role:
    """A part that a service can play in the protocol."""

    name: str
    ports: Mapping[str, int] = attrs.field(factory=dict)
    """Ports it listens on by name, with their usual numbers: ``{"port": 4433}``."""
    transport: str = "udp"
    target: str = ""
    """The role it talks to; a service of this role must have a ``target``."""


@attrs.frozen(kw_only=True)
class ScenarioEvidence:
    """What a scenario's check is given: the evidence, who played which role, and the parameters used."""

    evidence: Evidence
    roles: Mapping[str, str]
    """Role of every service by its name."""
    parameters: Any
    seed: int = 0

    def named(self, role: str) -> tuple[str, ...]:
        """Return the names of the services in ``role``."""
        return tuple(name for name, each in self.roles.items() if each == role)


@attrs.frozen(kw_only=True)
class TestScenario:
    """One thing a protocol can be asked to do, and how to see afterwards that it was done."""

    __test__: ClassVar[bool] = False

    name: str
    summary: str
    check: Callable[[ScenarioEvidence], Iterable[CheckResult]]
    parameters: type[Any] = NoOptions
    """An attrs class: the scenario's parameters with their defaults."""
    measure: Callable[[ScenarioEvidence], Iterable[Measurement]] | None = None
    """Yields numbers from the evidence, for the checks and the reports to use."""
    links: Mapping[str, LinkSpec] = attrs.field(factory=dict)
    """What has to happen to packets for the scenario to be what it is, by pair of roles (``client-server``).

    A case can change every field of it. Where the network environment cannot do it, the case is unsupported."""
    capture: bool = False
    """Whether packets are part of its evidence: they are recorded wherever that is possible, unless a case forbids."""


class IProtocolPlugin(IPlugin):
    """A protocol as the engine finds it by name; :class:`ProtocolDescriptor` is one."""

    @abc.abstractmethod
    def get_protocol_name(self) -> str:
        """Return the protocol's name."""

    @abc.abstractmethod
    def create_test_scenario(self, config: dict[str, Any]) -> TestScenario:
        """Return the scenario named by ``config["scenario"]``, or the default one."""


@attrs.frozen(kw_only=True)
class ProtocolDescriptor(Descriptor, IProtocolPlugin):
    """Announces a protocol."""

    KIND: ClassVar[str] = "protocol"

    roles: tuple[Role, ...]
    scenarios: tuple[TestScenario, ...]
    """The first is the default."""
    versions: tuple[str, ...] = ()
    encrypted: bool = False
    """Whether its packets cannot be sent again, because keys are others in every session."""
    dialect: Path | None = None
    """A Python file, standard library only, with a class ``Dialect``: one side of a session, for programs that put
    load on a service or replay messages. The reference page on dialects says what it must have."""
    speaker: Path | None = None
    """A Python program that asks single requests on a schedule or from a recording, for protocols that a ``dialect``
    cannot speak, because their packets are encrypted. The reference page on dialects says how it is called."""
    messages: Callable[[ScenarioEvidence], Iterable[Message]] | None = None
    """Yields what was sent, in order of time, for a person to look at; no verdict depends on it."""

    def get_protocol_name(self) -> str:
        """Return the protocol's name."""
        return self.name

    def create_test_scenario(self, config: dict[str, Any]) -> TestScenario:
        """Return the scenario named by ``config["scenario"]``, or the default one; KeyError lists what exists."""
        wanted = config.get("scenario") or self.scenarios[0].name
        for scenario in self.scenarios:
            if scenario.name == wanted:
                return scenario
        raise KeyError(
            f"{self.name} has no scenario {wanted!r}; it has {', '.join(each.name for each in self.scenarios)}"
        )

    def role(self, name: str) -> Role | None:
        """Return the role of that name, or None."""
        return next((role for role in self.roles if role.name == name), None)
