"""A planned case: everything that is known before anything starts, as one frozen value."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs

from panther_core.checks import Check
from panther_core.config.models import TestCaseConfig
from panther_hookspecs import (
    ExecutionEnvironmentDescriptor,
    LinkSpec,
    NetworkEnvironmentDescriptor,
    ProtocolDescriptor,
    Readiness,
    ServiceDescriptor,
    Stage,
    TestScenario,
    TestTypeDescriptor,
    Verdict,
)


@attrs.frozen(kw_only=True)
class PlannedService:
    """One participant: which implementation, in which role, with which options."""

    name: str
    descriptor: ServiceDescriptor
    options: Any
    role: str = ""
    version: str = ""
    target: str = ""
    depends_on: tuple[str, ...] = ()
    environment: Mapping[str, str] = attrs.field(factory=dict)
    ready: Readiness | None = None
    """Replaces the readiness that the implementation declares."""


@attrs.frozen(kw_only=True)
class PlannedInstrument:
    """One execution environment and the services it watches."""

    descriptor: ExecutionEnvironmentDescriptor
    options: Any
    services: tuple[str, ...]


@attrs.frozen(kw_only=True)
class PlannedCase:
    """One cell of the matrix, one repetition. Equal content gives an equal ``case_id`` in any run."""

    case_id: str
    name: str
    cell: Mapping[str, str] = attrs.field(factory=dict)
    """The value of every matrix axis, as text."""
    repetition: int = 1
    seed: int = 0
    protocol: ProtocolDescriptor | None = None
    scenario: TestScenario | None = None
    parameters: Any = None
    services: tuple[PlannedService, ...] = ()
    network: NetworkEnvironmentDescriptor
    network_options: Any
    instruments: tuple[PlannedInstrument, ...] = ()
    test_type: TestTypeDescriptor
    test_type_options: Any = None
    stages: tuple[Stage, ...] = attrs.Factory(lambda case: case.test_type.stages, takes_self=True)
    """What it goes through, in this order."""
    checks: tuple[Check, ...] = ()
    expect: frozenset[Verdict] = frozenset({Verdict.PASS})
    timeout: float = 60.0
    retry_count: int = 0
    exclusive: bool = False
    labels: frozenset[str] = frozenset()
    priority: int = 0
    uses: Mapping[str, float] = attrs.field(factory=dict)
    """How much of which resources it takes while it runs."""
    deadline: float | None = None
    """Seconds from the beginning of the run after which it is not started any more."""
    links: Mapping[str, LinkSpec] = attrs.field(factory=dict)
    changes_links: bool = False
    """Whether the test type, or a step, changes a link while services talk over it."""
    capture: bool = False
    capture_optional: bool = False
    """Whether only the scenario wants recordings."""
    unsupported: str = ""
    """Why this case cannot be tried, by declaration of an implementation; empty if it can."""

    def described(self) -> str:
        """Return name and cell as a person names the case: ``transfer[client=a, server=b]``."""
        cell = ", ".join(f"{axis}={value}" for axis, value in self.cell.items())
        return f"{self.name}[{cell}]" if cell else self.name


def scheduled(case: PlannedCase, config: TestCaseConfig) -> PlannedCase:
    """Return the case with what decides when, where and how often it runs; of a resource only named, one is used."""
    uses = dict(config.uses) if isinstance(config.uses, Mapping) else dict.fromkeys(config.uses, 1.0)
    return attrs.evolve(
        case,
        timeout=float(config.timeout),
        retry_count=config.retry_count,
        exclusive=config.exclusive or case.test_type.exclusive,
        labels=frozenset(config.labels),
        priority=config.priority,
        uses={name: float(amount) for name, amount in uses.items()},
        deadline=config.deadline,
    )
