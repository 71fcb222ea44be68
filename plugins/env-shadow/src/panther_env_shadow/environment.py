"""The environment itself: one simulation, or two that must be the same, for one attempt."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs

from panther_env_shadow import preflight, results
from panther_env_shadow.graph import graph_of, problems_of
from panther_env_shadow.log import Told, complaints, read_log, status_of
from panther_env_shadow.options import ShadowOptions
from panther_env_shadow.process import SimulatedProcess
from panther_env_shadow.sameness import Places
from panther_env_shadow.simulation import (
    CONFIGURATION,
    DATA,
    GRAPH,
    Simulation,
    address_of,
    command_of,
    configuration,
    foreign_layers,
    host_name,
    is_traced,
    times_of,
    wrong_times,
)
from panther_env_shadow.watch import Watch
from panther_hookspecs import (
    Artifact,
    CheckResult,
    CommandResult,
    Endpoint,
    EnvironmentProgressEvent,
    EnvironmentUnavailableError,
    Finding,
    LocalNetworkEnvironment,
    Measurement,
    NetworkPlan,
    Observations,
    Problem,
    Process,
    ServiceCommand,
    ServiceLaunch,
    ServiceSpec,
    ShellCommand,
    TestExecutionError,
    UnsupportedError,
)

_LARGEST_SEED = 0xFFFFFFFF
_LOG_LIMIT = 1 << 30
_SHARED = Path("/dev/shm")  # noqa: S108 - that is where Shadow shares memory


@attrs.define(slots=False)
class ShadowEnvironment(LocalNetworkEnvironment):
    """Carries one case out as a whole, in simulated time."""

    options: Any = attrs.field(factory=ShadowOptions)
    _simulation: Simulation | None = attrs.field(default=None, init=False)
    _launches: tuple[ServiceLaunch, ...] = attrs.field(default=(), init=False)
    _simulator: Process | None = attrs.field(default=None, init=False)
    _simulated: dict[str, SimulatedProcess] = attrs.field(factory=dict, init=False)
    _check: CheckResult | None = attrs.field(default=None, init=False)
    _measured: tuple[Measurement, ...] = attrs.field(default=(), init=False)
    _found: tuple[Finding, ...] = attrs.field(default=(), init=False)

    @property
    def data(self) -> Path:
        """The folder of the simulator's own files."""
        return self.context.folder / DATA

    def preflight(self, services: Sequence[ServiceSpec]) -> Iterable[Problem]:
        """Yield what the machine lacks, and what cannot be simulated of these services."""
        yield from super().preflight(services)
        said = self.command_processor.execute(ShellCommand("shadow", ("--version",), timeout=20), name="version")
        wrong = preflight.version_problem(said.stdout + said.stderr)
        if wrong is not None:
            yield wrong
        yield from preflight.machine_problems(preflight.look(self.command_processor.execute))
        yield from preflight.service_problems(services)
        names = [each.name for each in services]
        yield from _doubles(names)
        for name in sorted(self.options.shadow.hosts.keys() - set(names)):
            yield Problem(
                what=f"there is no service {name!r}",
                where="network_environment.shadow.hosts",
                fix=f"one of {', '.join(names)}",
            )
        if os.geteuid() == 0:
            self.note("warning", "Shadow runs as root, which it does not simulate: programs see no permissions")

    def plan_addresses(self, services: Sequence[ServiceSpec]) -> Mapping[str, Endpoint]:
        """Number the hosts. Nobody else is in the network, so every case has the same addresses."""
        return {
            spec.name: Endpoint(name=spec.name, ip=address_of(number), hostname=host_name(spec.name), ports=spec.ports)
            for number, spec in enumerate(services, 1)
        }

    def setup_environment(self, config: NetworkPlan | Mapping[str, Any]) -> None:
        """Write down the whole simulation; raise what keeps it from being one."""
        plan = config if isinstance(config, NetworkPlan) else NetworkPlan(**config)
        settings = self.options.shadow
        stop_time = float(settings.stop_time or plan.timeout)
        names = [each.name for each in plan.services]
        times = times_of(plan.services, self.options, stop_time)
        problems = [
            *wrong_times(times, stop_time),
            *problems_of(names, plan.links, self.options.network_topology, settings),
        ]
        if problems:
            raise EnvironmentUnavailableError(
                f"{self.get_name()} cannot run this: " + "\n".join(str(each) for each in problems)
            )
        self._refuse_unfit(plan.services)
        self._simulation = Simulation(
            seed=self.context.seed & _LARGEST_SEED,
            stop_time=stop_time,
            times=times,
            capture=plan.capture,
            capture_length=self.options.capture_length,
            settings=settings,
            traced=settings.syscall_table or any(map(is_traced, plan.services)),
        )
        self._launches = plan.services
        self._write(plan)

    def _refuse_unfit(self, launches: Sequence[ServiceLaunch]) -> None:
        for launch in launches:
            told = command_of(launch)
            foreign = foreign_layers(launch)
            if foreign:
                raise EnvironmentUnavailableError(f"{', '.join(foreign)} cannot stand between Shadow and {launch.name}")
            reason = preflight.why_unfit(launch.command.program.command, told["environment"]["PATH"])
            if reason:
                raise UnsupportedError(f"{self.get_name()} cannot simulate {launch.name}: {reason}")

    def _write(self, plan: NetworkPlan) -> None:
        folder, settings, names = self.context.folder, self.options.shadow, [each.name for each in plan.services]
        if settings.graph:
            nodes = {name: settings.hosts[name].node or 0 for name in names}
            settings = attrs.evolve(settings, graph=str(Path(settings.graph).absolute()))
        else:
            graph = graph_of(names, plan.links, self.options.network_topology, settings)
            (folder / GRAPH).write_text(graph.gml(), encoding="utf-8")
            nodes = {name: graph.node_of(name) for name in names}
        assert self._simulation is not None
        simulation = attrs.evolve(self._simulation, settings=settings)
        (folder / CONFIGURATION).write_text(configuration(simulation, plan.services, nodes), encoding="utf-8")

    def spawn(self, launch: ServiceLaunch) -> Process:
        """Hand a service over: it starts at its time."""
        process = self._simulated[launch.name] = SimulatedProcess(name=launch.name, end_all=self._end)
        return process

    def wait_for_service_ready(self, service_name: str, timeout: float | None = None) -> None:
        """Return: nobody can look into a simulation, so those that depend on a service start later than it."""

    def run_batch(self, timeout: float) -> None:
        """Simulate, and know afterwards how every service ended; twice where that is asked for."""
        deadline = time.monotonic() + timeout
        simulation = self._simulation
        assert simulation is not None, "set up before"
        places = Places({each.name: each.folder for each in self._launches}, self.data, self.context.folder / "twice")
        if self.options.deterministic:
            places.remember()
        told, real = self._simulate(deadline)
        if self.options.deterministic and not self.context.cancelled():
            self._place(told)
            places.put_aside()
            told, real = self._simulate(deadline)
        if self.context.cancelled():
            return
        self._place(told)
        if self.options.deterministic:
            self._check = places.compare(simulation.seed)
        self._learn(told, real)

    def _simulate(self, deadline: float) -> tuple[Told, float]:
        """Run the simulator to its end; return what it told, and the real seconds that it took."""
        assert self._simulation is not None
        shutil.rmtree(self.data, ignore_errors=True)
        folder = self.context.folder / "simulator"
        folder.mkdir(exist_ok=True)
        command = ServiceCommand(program=ShellCommand("shadow", (CONFIGURATION,), working_dir=str(self.context.folder)))
        began = time.monotonic()
        process = self._simulator = self.context.launcher.start(
            command, name=f"{self.get_name()}-simulator", folder=folder, output_limit=_LOG_LIMIT
        )
        Watch(
            process=process,
            log=folder / "stdout",
            stop_time=self._simulation.stop_time,
            hang_timeout=float(self.options.shadow.hang_timeout),
            deadline=deadline,
            cancelled=self.context.cancelled,
            report=self._report,
        ).wait()
        real = time.monotonic() - began
        with (folder / "stdout").open(encoding="utf-8", errors="replace") as lines:
            told = read_log(lines)
        if not told.finished and not self.context.cancelled():
            raise self._failure(process, folder)
        return told, real

    def _failure(self, process: Process, folder: Path) -> TestExecutionError:
        reasons = list(complaints((folder / "stderr").read_text(encoding="utf-8", errors="replace")))
        said = ": ".join(dict.fromkeys(reasons)) or f"it ended with {process.exit}"
        return TestExecutionError(
            f"Shadow could not carry the case out: {said[:600]}\n  in network/{CONFIGURATION}\n"
            "  try: network/simulator/stdout, which has all that it said"
        )

    def _report(self, simulated: float, real: float) -> None:
        assert self._simulation is not None
        self.emit_event(
            EnvironmentProgressEvent(
                environment_name=self.get_name(),
                done=simulated,
                total=self._simulation.stop_time,
                real_seconds=round(real, 3),
                entity_id=self.context.case_id,
            )
        )

    def _place(self, told: Told) -> None:
        """Put outputs where they are looked for, and say how every service ended."""
        assert self._simulation is not None
        for launch in self._launches:
            process = self._simulated.get(launch.name)
            cut = results.place_streams(self.data, launch)
            if process is not None:
                process.capped = cut
                process.syscall_logs = results.syscall_logs(self.data, launch.name) if is_traced(launch) else ()
                process.status = status_of(
                    told.endings.get(host_name(launch.name)),
                    stop=self._simulation.times[launch.name].stop,
                    ends_by_itself=launch.ends_by_itself,
                )

    def _learn(self, told: Told, real: float) -> None:
        simulation = self._simulation
        assert simulation is not None
        logs = {each.name: results.syscall_logs(self.data, each.name) for each in self._launches}
        rows = results.table_of(told, logs, simulation.traced)
        self._found = tuple(results.findings_of(rows))
        results.write_table(rows, self.context.folder)
        self._measured = tuple(
            results.measurements_of(self.data, told.endings, simulation.times, simulation.stop_time, real)
        )

    def execute(self, service_name: str, command: ShellCommand) -> CommandResult:  # noqa: ARG002 - none can
        """Refuse: a simulation lets nobody in."""
        raise TestExecutionError(
            f"{self.get_name()} carries a case out as a whole: nothing can run beside {service_name}"
        )

    def collect(self) -> Iterable[Artifact]:
        """Yield recordings, the table of what is not supported, and what the simulator was told and counted."""
        folder = self.context.folder
        yield from self._kept(folder)
        if self._simulation is not None and self._simulation.capture and self.data.is_dir():
            yield from results.recordings(self.data, folder, [each.name for each in self._launches])
        for each in self.data.glob("hosts/*/*.strace"):
            each.unlink()

    def _kept(self, folder: Path) -> Iterator[Artifact]:
        for name, kind, title in (
            (CONFIGURATION, "configuration", "The simulation, as Shadow takes it"),
            (results.TABLE, "unsupported", "What programs asked the simulator for in vain"),
            (f"{DATA}/{results.STATISTICS}", "statistics", "What the simulator counted"),
            ("simulator/stdout", "log", "What the simulator said"),
        ):
            if (folder / name).is_file():
                yield Artifact(path=name, kind=kind, title=title)

    def observe(self) -> Observations:
        """Return whether two simulations were the same, simulated times, and what is not supported."""
        checks = (self._check,) if self._check is not None else ()
        return Observations(checks=checks, measurements=self._measured, findings=self._found)

    def _end(self) -> None:
        if self._simulator is not None:
            self._simulator.kill()

    def teardown_environment(self) -> None:
        """End the simulator if it still runs, and remove the memory that a killed one leaves behind."""
        super().teardown_environment()
        self._end()
        for path in self._shared():
            path.unlink(missing_ok=True)

    def _shared(self) -> Iterable[Path]:
        pid = self._simulator.pid if self._simulator is not None else 0
        return _SHARED.glob(f"shadow_shmemfile_*-{pid:010d}") if pid else ()

    def verify_clean(self) -> Iterable[str]:
        """Yield every process and file of the simulator that is still there."""
        yield from super().verify_clean()
        for pid in self._simulator.pids() if self._simulator is not None else ():
            yield f"process {pid} of the simulator"
        for path in self._shared():
            yield f"shared memory {path}"


def _doubles(services: Sequence[str]) -> Iterator[Problem]:
    """Yield services that would be the same host."""
    hosts: dict[str, str] = {}
    for each in services:
        other = hosts.setdefault(host_name(each), each)
        if other != each:
            yield Problem(
                what=f"{other} and {each} would both be the host {host_name(each)}",
                where="services",
                why="names of hosts have small letters, digits and dashes",
                fix="another name",
            )
