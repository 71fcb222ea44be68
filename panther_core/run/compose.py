"""From planned services to launches: addresses, builds, placeholders, and the instruments around each program."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from graphlib import TopologicalSorter
from pathlib import Path

import attrs

from panther_core.plan.cases import PlannedCase, PlannedInstrument, PlannedService
from panther_core.run.engine import Engine
from panther_core.run.placeholders import fill, fill_command, placeholders_of
from panther_hookspecs import (
    ConfigurationException,
    Context,
    Endpoint,
    EnvironmentUnavailableError,
    ExecutionEnvironmentInterface,
    InstrumentTarget,
    NetworkEnvironmentInterface,
    Readiness,
    ResourceLimits,
    Seconds,
    ServiceCommand,
    ServiceContext,
    ServiceLaunch,
    ServicePlan,
    ServiceSpec,
)


@attrs.define
class Prepared:
    """One service on its way from plan to process."""

    service: PlannedService
    spec: ServiceSpec
    launch: ServiceLaunch
    folder: Path
    known: Mapping[str, str]
    """Meaning of the placeholders on the host."""
    inside: Mapping[str, str]
    """Their meaning to the service."""
    instruments: list[tuple[PlannedInstrument, ExecutionEnvironmentInterface]] = attrs.field(factory=list)

    @property
    def plan(self) -> ServicePlan:
        """What the service manager planned."""
        return self.spec.plan


def network_of(case: PlannedCase, context: Context) -> NetworkEnvironmentInterface:
    """Make the network environment of a case; it knows what it was announced as."""
    made = case.network.factory(context, case.network_options)
    made.descriptor = case.network
    return made


def specify(case: PlannedCase, attempt: int, network: NetworkEnvironmentInterface) -> dict[str, ServiceSpec]:
    """Ask every service manager for its plan, and the network, which knows the links by then, what it makes of it."""
    network.expect_links(case.links, changes=case.changes_links)
    roles = {each.name: each.role for each in case.services}
    specs: dict[str, ServiceSpec] = {}
    for service in case.services:
        role = case.protocol.role(service.role) if case.protocol else None
        listening = case.protocol.role(roles.get(service.target, service.role)) if case.protocol else None
        context = ServiceContext(
            name=service.name,
            role=service.role,
            options=service.options,
            version=service.version,
            protocol=case.protocol.name if case.protocol else "",
            scenario=case.scenario.name if case.scenario else "",
            parameters=attrs.asdict(case.parameters, recurse=False) if case.parameters is not None else {},
            target=service.target,
            transport=listening.transport if listening else "",
            ports=listening.ports if listening else {},
            encrypted=case.protocol.encrypted if case.protocol else False,
            dialect=case.protocol.dialect if case.protocol else None,
            speaker=case.protocol.speaker if case.protocol else None,
            roles=roles,
            seed=case.seed,
            attempt=attempt,
        )
        plan = service.descriptor.create_service_manager(service.options).plan(context)
        spec = ServiceSpec(
            name=service.name,
            role=service.role,
            plan=plan,
            target=service.target,
            image=plan.only_in or service.descriptor.image,
            ports={**(role.ports if role else {}), **plan.ports},
            transport=role.transport if role else "udp",
            packages=_packages(case, service.name),
        )
        specs[service.name] = attrs.evolve(spec, plan=network.adapt_plan(spec))
    return specs


def _packages(case: PlannedCase, service: str) -> tuple[str, ...]:
    """Return what the instruments of a service need where it runs."""
    watching = (each.descriptor for each in case.instruments if service in each.services)
    return tuple(sorted({package for descriptor in watching for package in descriptor.image_packages}))


def start_order(case: PlannedCase) -> list[str]:
    """Return the services so that each stands after those it needs, otherwise as written."""
    sorter: TopologicalSorter[str] = TopologicalSorter()
    for service in case.services:
        sorter.add(service.name, *sorted(service.depends_on))
    return list(sorter.static_order())


def compose(
    case: PlannedCase,
    specs: Mapping[str, ServiceSpec],
    network: NetworkEnvironmentInterface,
    folder: Path,
    engine: Engine,
    build: Callable[[str, ServicePlan], Path | None],
) -> dict[str, Prepared]:
    """Return every service ready to launch, in start order, without its instruments.

    ``build`` says where the build of an implementation is; for a run it is built first, for a preview it is not.
    """
    endpoints = network.plan_addresses(tuple(specs.values()))
    by_name = {each.name: each for each in case.services}
    prepared: dict[str, Prepared] = {}
    for name in start_order(case):
        service, spec = by_name[name], specs[name]
        own = folder / "services" / name
        own.mkdir(parents=True)
        paths = {"dir": own, "here": engine.here, "build": build(service.descriptor.name, spec.plan)}
        host = {key: str(path) for key, path in paths.items() if path} | {"seed": str(case.seed)}
        inside = {key: network.visible_path(name, path) for key, path in paths.items() if path}
        others = {each: network.endpoint_seen(name, found) for each, found in endpoints.items() if each != name}
        known = placeholders_of(name, {name: endpoints[name], **others}, host)
        launch = _launch(case, service, spec, endpoints[name], known | inside)
        launch = attrs.evolve(launch, folder=own, output_limit=engine.output_limit)
        prepared[name] = Prepared(
            service=service, spec=spec, launch=launch, folder=own, known=known, inside=known | inside
        )
    return prepared


def _launch(
    case: PlannedCase, service: PlannedService, spec: ServiceSpec, endpoint: Endpoint, known: Mapping[str, str]
) -> ServiceLaunch:
    """Return the launch of one service with every placeholder replaced by what it means where the service runs."""
    name, plan = service.name, spec.plan
    run = fill_command(plan.run, known, f"the command of service {name} ({service.descriptor.name})")
    given = {
        key: fill(value, known, f"the environment of service {name}") for key, value in service.environment.items()
    }
    run = attrs.evolve(run, working_dir=run.working_dir or known["dir"], env={**run.env, **given})
    ready = service.ready or plan.ready
    if ready.command is not None:
        ready = attrs.evolve(ready, command=fill_command(ready.command, known, f"the readiness of service {name}"))
    if ready.kind in ("tcp", "udp"):
        _check_port(ready, endpoint, name)
    limits: Mapping[str, ResourceLimits] = getattr(case.network_options, "resource_limits", {})
    return ServiceLaunch(
        name=name,
        command=ServiceCommand(program=run),
        folder=Path(known["dir"]),
        endpoint=endpoint,
        ready=ready,
        depends_on=service.depends_on,
        ends_by_itself=plan.ends_by_itself,
        stop_signal=plan.stop_signal,
        stop_grace=plan.stop_grace,
        limits=limits.get(name, limits.get("*", ResourceLimits())),
    )


def _check_port(ready: Readiness, endpoint: Endpoint, service: str) -> None:
    try:
        ready.number(endpoint.ports)
    except ConfigurationException as error:
        raise ConfigurationException(f"service {service}: {error}") from None


def instrument(
    case: PlannedCase, prepared: Mapping[str, Prepared], folder: Path, engine: Engine, note: Callable[[str], None]
) -> float:
    """Put the instruments around the programs they watch; return how much slower the slowest service becomes."""
    slowest = 1.0
    for one in prepared.values():
        wanted = sorted(
            (each for each in case.instruments if one.service.name in each.services),
            key=lambda each: -each.descriptor.order,
        )
        factor = 1.0
        for planned in wanted:
            place = folder / "profiles" / one.service.name / planned.descriptor.name
            context = engine.context(case.case_id, place, case.seed, note)
            tool = planned.descriptor.factory(context, planned.options)
            tool.descriptor = planned.descriptor
            _refuse(tool, one, tuple(each.descriptor.name for each in wanted if each is not planned))
            one.launch = attrs.evolve(one.launch, command=tool.wrap(one.launch.command))
            one.instruments.append((planned, tool))
            factor *= planned.descriptor.slowdowns.get(one.plan.runtime, planned.descriptor.slowdown)
        if factor > 1.0:
            one.launch = attrs.evolve(
                one.launch,
                stop_grace=Seconds(one.launch.stop_grace * factor),
                ready=attrs.evolve(one.launch.ready, timeout=Seconds(one.launch.ready.timeout * factor)),
            )
        slowest = max(slowest, factor)
    return slowest


def _refuse(tool: ExecutionEnvironmentInterface, one: Prepared, others: tuple[str, ...]) -> None:
    target = InstrumentTarget(
        service=one.service.name,
        command=one.launch.command,
        runtime=one.plan.runtime,
        stop_signal=one.plan.stop_signal,
        others=others,
    )
    problems = [str(problem) for problem in tool.check(target)]
    if problems:
        raise EnvironmentUnavailableError(f"{tool.get_name()} cannot watch {one.service.name}: " + "\n".join(problems))
