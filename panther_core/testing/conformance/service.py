"""What every implementation must keep."""

from __future__ import annotations

import contextlib
import importlib
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath
from typing import Any, ClassVar

import attrs
import pytest

from panther_core.run.placeholders import fill, fill_command, placeholders_of
from panther_core.testing.conformance.base import PluginConformance, registered
from panther_hookspecs import (
    Endpoint,
    ProtocolDescriptor,
    ServiceContext,
    ServiceDescriptor,
    ServiceManager,
    ServicePlan,
    ShellCommand,
)

_PHASES = ("pre_compile", "compile", "post_compile", "pre_run", "post_run")


class ServiceConformance(PluginConformance):
    """Subclass this and name the plugin, and the plugin of its protocol if it speaks one."""

    descriptor_class = ServiceDescriptor
    protocol_plugin: ClassVar[str] = ""
    """Plugin module that brings the protocol. Without it roles and scenarios are taken as the service claims them."""

    def protocol(self) -> ProtocolDescriptor | None:
        """Return the protocol that the service speaks, or None if it fits any or is not at hand."""
        if not self.protocol_plugin:
            return None
        wanted = self.found(ServiceDescriptor).protocol
        every = registered(importlib.import_module(self.protocol_plugin))
        named = [each for each in every if isinstance(each, ProtocolDescriptor) and each.name == wanted]
        assert named, f"{self.protocol_plugin} brings no protocol {wanted!r}, which the service claims to speak"
        return named[0]

    def manager(self) -> ServiceManager:
        """Return a manager made as the engine makes one."""
        return self.found(ServiceDescriptor).create_service_manager(self.made_options())

    def contexts(self) -> Iterator[ServiceContext]:
        """Yield a context for every claimed role, version and scenario."""
        service, protocol = self.found(ServiceDescriptor), self.protocol()
        for role in service.roles or (protocol and tuple(each.name for each in protocol.roles)) or ("",):
            for version in service.versions or ("",):
                for scenario in self._scenarios(service, protocol, role):
                    yield self._context(service, protocol, role, version, scenario)

    def _scenarios(self, service: ServiceDescriptor, protocol: ProtocolDescriptor | None, role: str) -> tuple[str, ...]:
        if service.scenarios is not None:
            return service.scenarios.get(role, ())
        return tuple(each.name for each in protocol.scenarios) if protocol else ("",)

    def _context(
        self, service: ServiceDescriptor, protocol: ProtocolDescriptor | None, role: str, version: str, scenario: str
    ) -> ServiceContext:
        parameters: dict[str, Any] = {}
        target = ""
        others = {each.name: each.name for each in protocol.roles if each.name != role} if protocol else {}
        if protocol:
            made = protocol.create_test_scenario({"scenario": scenario}).parameters()
            parameters = attrs.asdict(made, recurse=False)
            found = protocol.role(role)
            target = found.target if found else ""
        return ServiceContext(
            name=role or "one",
            role=role,
            options=self.made_options(),
            protocol=service.protocol,
            version=version,
            scenario=scenario,
            parameters=parameters,
            target=target,
            roles={role or "one": role, **others},
            seed=1,
        )

    def plans(self) -> Iterator[tuple[ServiceContext, ServicePlan]]:
        """Yield the plan for every context."""
        manager = self.manager()
        for context in self.contexts():
            yield context, manager.plan(context)

    def test_claims_fit_the_protocol(self) -> None:
        """Roles and scenarios that the service claims exist in its protocol."""
        service, protocol = self.found(ServiceDescriptor), self.protocol()
        claimed = service.scenarios or {}
        assert not service.roles or set(claimed) <= set(service.roles), (
            f"scenarios for roles not claimed: {sorted(claimed)}"
        )
        if protocol is None:
            return
        roles = {role.name for role in protocol.roles}
        scenarios = {each.name for each in protocol.scenarios}
        assert set(service.roles) <= roles, f"{protocol.name} has no role {sorted(set(service.roles) - roles)}"
        unknown = {name for names in claimed.values() for name in names} - scenarios
        assert not unknown, f"{protocol.name} has no scenario {sorted(unknown)}"

    def test_every_claim_has_a_plan(self) -> None:
        """Each claimed combination of role, version and scenario is planned."""
        plans = list(self.plans())
        assert plans, "the service claims nothing that could be planned"
        for context, plan in plans:
            assert isinstance(plan, ServicePlan), f"{_said(context)}: plan gave {plan!r}"
            assert plan.run.command, f"{_said(context)}: the plan has no program"

    def test_planning_is_pure(self, tmp_path: Path) -> None:
        """Equal contexts give equal plans, and planning writes nothing where it stands."""
        with contextlib.chdir(tmp_path):
            first = [plan for _, plan in self.plans()]
            second = [plan for _, plan in self.plans()]
        assert first == second, (
            "two calls with equal contexts gave different plans: take random choices from context.seed"
        )
        assert list(tmp_path.iterdir()) == [], "planning has written files; put them into ServicePlan.files"

    def test_placeholders_are_known(self) -> None:
        """Every placeholder in a command means something once addresses are known."""
        for context, plan in self.plans():
            known = self._known(context)
            for command in _commands(plan):
                fill_command(command, known, f"{_said(context)}: {command.to_string()}")
            for key, value in plan.run.env.items():
                fill(value, known, f"{_said(context)}: {key}")

    def _known(self, context: ServiceContext) -> dict[str, str]:
        protocol = self.protocol()
        ports = {role.name: {**role.ports} for role in protocol.roles} if protocol else {}
        endpoints = {
            name: Endpoint(
                name=name,
                ip=f"192.0.2.{number}",
                ip6="2001:db8::1",
                hostname=name,
                ports=ports.get(role) or ({} if protocol else {"port": 7}),
                folder=f"/{name}",
            )
            for number, (name, role) in enumerate(context.roles.items(), 1)
        }
        return placeholders_of(context.name, endpoints, {"dir": "/dir", "build": "/build", "seed": "1"})

    def test_readiness_can_come_true(self) -> None:
        """Readiness names a port that the role has, a pattern, or a command."""
        protocol = self.protocol()
        for context, plan in self.plans():
            ready = plan.ready
            role = protocol.role(context.role) if protocol else None
            if ready.kind in ("tcp", "udp") and role is not None:
                assert isinstance(ready.port, int) or ready.port in role.ports, (
                    f"{_said(context)}: readiness looks at port {ready.port!r}, which it has not"
                )
            assert ready.kind != "log" or ready.pattern, f"{_said(context)}: readiness by log needs a pattern"
            assert ready.kind != "command" or ready.command, f"{_said(context)}: readiness by command needs a command"
            assert ready.timeout > 0, f"{_said(context)}: readiness has no time"

    def test_files_stay_in_the_folder(self) -> None:
        """Files to place and outputs to find have relative names below the service's folder."""
        for context, plan in self.plans():
            for name in (*plan.files, *(output.pattern for output in plan.outputs)):
                path = PurePosixPath(name)
                assert not path.is_absolute(), f"{_said(context)}: {name!r} is no relative path"
                assert ".." not in path.parts, f"{_said(context)}: {name!r} leaves the folder of the service"

    def test_it_can_be_stopped(self) -> None:
        """The stop signal is one, and there is time to follow it."""
        for context, plan in self.plans():
            assert 0 < plan.stop_signal < 65, f"{_said(context)}: {plan.stop_signal} is no signal"
            assert plan.stop_grace >= 0, f"{_said(context)}: negative time to stop"

    def test_needed_tools_are_declared(self) -> None:
        """The program of a service without an image is built, shipped, absolute, or declared as a need."""
        service = self.found(ServiceDescriptor)
        declared = {need.name for need in service.needs} | _texts(self.options.values())
        for context, plan in self.plans():
            program = plan.run.command
            if service.image or "/" in program or program.startswith("{") or program in ("env", "sh"):
                continue
            if program not in declared:
                pytest.fail(
                    f"{_said(context)}: the program {program!r} is not declared: needs=(Need('tool', {program!r}),)"
                )


def _texts(values: Iterable[object]) -> set[str]:
    """Return the texts among option values: a program that the user names need not be declared."""
    return {str(text) for value in values for text in (value if isinstance(value, (list, tuple)) else (value,))}


def _commands(plan: ServicePlan) -> Iterator[ShellCommand]:
    yield plan.run
    for phase in _PHASES:
        yield from getattr(plan, phase)
    if plan.ready.command is not None:
        yield plan.ready.command


def _said(context: ServiceContext) -> str:
    return " ".join(filter(None, (context.role, context.version, context.scenario)))
