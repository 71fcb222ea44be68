"""One attempt at a case, from top to bottom."""

from __future__ import annotations

import contextlib
import functools
import math
import signal
import time
from collections.abc import Iterator, Mapping
from typing import Any

import attrs

from panther_core import capture
from panther_core.checks import judge
from panther_core.plan.cases import PlannedCase
from panther_core.run import evidence, stages
from panther_core.run.compose import Prepared, compose, instrument, network_of, specify
from panther_core.run.control import Control
from panther_core.run.engine import CancelledError, Engine
from panther_core.run.machine import MachineState
from panther_core.run.record import TURN, Attempt, info_of, record_of
from panther_core.run.steps import stepping
from panther_hookspecs import (
    CheckResult,
    EnvironmentSetupEvent,
    EnvironmentTeardownEvent,
    EnvironmentUnavailableError,
    Evidence,
    MonitoringStartEvent,
    MonitoringStopEvent,
    NetworkEnvironmentInterface,
    NetworkPlan,
    Process,
    Seconds,
    ServiceDeploymentEvent,
    ServiceEvent,
    ServiceReadyEvent,
    ServiceSpec,
    UnsupportedError,
    Verdict,
)


def carry_out(
    case: PlannedCase, number: int, engine: Engine, too_late: str = ""
) -> tuple[dict[str, Any], BaseException | None]:
    """Run one attempt; return its record and the error that ended it, if one did.

    Never raises for what the case, its programs or a plugin did. Where it is ``too_late``, that is recorded instead.
    """
    folder = engine.run.case_folder(case.case_id, number)
    attempt = Attempt(case=case, number=number, engine=engine, folder=folder, info=info_of(case, number, folder))
    if case.unsupported:
        attempt.verdict, attempt.why = Verdict.UNSUPPORTED, case.unsupported
    elif too_late:
        attempt.verdict, attempt.why = Verdict.CANCELLED, too_late
    else:
        _run(attempt)
        _tidy(attempt)
    engine.hooks.after_test_case(attempt.info, attempt.verdict)
    return record_of(attempt), attempt.error


def _tidy(attempt: Attempt) -> None:
    """Remove what the user does not want to be kept of an attempt that went like this."""
    as_expected = attempt.verdict in attempt.case.expect
    policy = attempt.engine.keep_capture
    attempt.artifacts = capture.keep(policy, attempt.artifacts, attempt.folder, as_expected=as_expected)


def _run(attempt: Attempt) -> None:
    """Carry the attempt out and judge it; an error ends up in verdict and reason, and everything is torn down."""
    case, engine = attempt.case, attempt.engine
    try:
        engine.check_cancelled()
        engine.require(case)
        engine.hooks.before_test_case(attempt.info)
        with _network(attempt) as (network, control):
            with _turn(attempt, control):
                _start(attempt, network, control)
                with stepping(case.links, control, attempt.notes, attempt.problems):
                    stages.drive(attempt, control)
                _stop(attempt, control)
                stages.finish(attempt, control, functools.partial(_kill_all, attempt))
            _collect(attempt, network)
        attempt.verdict, attempt.why = _judge(attempt)
    except CancelledError:
        attempt.verdict, attempt.why = Verdict.CANCELLED, "cancelled by the user"
    except UnsupportedError as error:
        attempt.verdict, attempt.why = Verdict.UNSUPPORTED, str(error)
    except Exception as error:  # noqa: BLE001 - becomes the verdict; nothing of one case may end the others
        if engine.cancelled():
            attempt.verdict, attempt.why = Verdict.CANCELLED, "cancelled by the user"
        else:
            attempt.error = error
            attempt.verdict, attempt.why = Verdict.ERROR, evidence.explain(error, attempt.folder)


@contextlib.contextmanager
def _network(attempt: Attempt) -> Iterator[tuple[NetworkEnvironmentInterface, Control]]:
    """Plan, prepare and set up the network; take it down again, whatever happens in between."""
    case, engine, info = attempt.case, attempt.engine, attempt.info
    context = engine.context(case.case_id, attempt.folder / "network", case.seed, attempt.notes.append)
    network = network_of(case, context)
    with contextlib.ExitStack() as stack:
        with attempt.timed("prepare"):
            specs = specify(case, attempt.number, network)
            _preflight(network, specs)
            stack.callback(_tear_down, attempt, network)
            network.prepare_services(tuple(specs.values()))
            attempt.prepared = compose(case, specs, network, attempt.folder, engine, engine.builds.ready)
            slowdown = instrument(case, attempt.prepared, attempt.folder, engine, attempt.notes.append)
            evidence.place_files(attempt.prepared)
            evidence.run_phase("pre_run", attempt.prepared, engine)
        launches = {name: each.launch for name, each in attempt.prepared.items()}
        control = attempt.control = Control(
            folder=attempt.folder,
            seed=case.seed,
            options=case.test_type_options,
            network=network,
            engine=engine,
            deadline=time.monotonic() + case.timeout * slowdown,
            launches=launches,
            started=functools.partial(_watch, attempt),
        )
        stack.callback(stages.finish, attempt, control, functools.partial(_kill_all, attempt))
        stack.enter_context(_reporting(attempt, network))
        stages.begin(attempt, control)
        with attempt.timed("setup"):
            engine.hooks.before_environment_setup(info, network.get_name())
            engine.emit(
                EnvironmentSetupEvent(
                    environment_name=network.get_name(), setup_type=case.network.name, entity_id=case.case_id
                )
            )
            network.setup_environment(
                NetworkPlan(
                    services=tuple(launches.values()),
                    links=case.links,
                    capture=case.capture,
                    capture_optional=case.capture_optional,
                    changes_links=case.changes_links,
                    timeout=Seconds(case.timeout),
                )
            )
        yield network, control


@contextlib.contextmanager
def _turn(attempt: Attempt, control: Control) -> Iterator[None]:
    """Wait until the programs of this case may run, which is no part of its time; end what still runs of them."""
    with contextlib.ExitStack() as stack:
        with attempt.timed(TURN):
            stack.enter_context(attempt.engine.turns.turn(attempt.case.case_id, attempt.engine.check_cancelled))
        stack.callback(_kill_all, attempt)
        control.deadline += attempt.timings[TURN]
        attempt.machine = MachineState.now()
        yield


def _watch(attempt: Attempt, name: str, process: Process) -> None:
    """Follow a process that was just started, and let the instruments of its service watch it."""
    attempt.engine.follow(process)
    for planned, tool in attempt.prepared[name].instruments:
        start = MonitoringStartEvent(
            environment_name=planned.descriptor.name, target_process=name, monitoring_type="wrap"
        )
        attempt.engine.emit(start)
        tool.start_monitoring(process)


def _preflight(network: NetworkEnvironmentInterface, specs: Mapping[str, ServiceSpec]) -> None:
    problems = [str(problem) for problem in network.preflight(tuple(specs.values()))]
    if problems:
        raise EnvironmentUnavailableError(f"{network.get_name()} cannot run this: " + "\n".join(problems))


@contextlib.contextmanager
def _reporting(attempt: Attempt, network: NetworkEnvironmentInterface) -> Iterator[None]:
    """Tell the plugins about an error while there is still something to look at."""
    try:
        yield
    except Exception as error:
        attempt.engine.hooks.on_environment_error(attempt.info, network.get_name(), error)
        attempt.engine.hooks.on_test_case_error(attempt.info, error)
        raise


def _start(attempt: Attempt, network: NetworkEnvironmentInterface, control: Control) -> None:
    """Start the services in dependency order, each when those it needs are ready."""
    engine = attempt.engine
    with attempt.timed("start"):
        for name, one in attempt.prepared.items():
            engine.check_cancelled()
            engine.emit(
                ServiceDeploymentEvent(
                    service_name=name,
                    environment_name=network.get_name(),
                    deployment_type=attempt.case.network.name,
                    entity_id=attempt.case.case_id,
                )
            )
            process = network.start_service(one.launch)
            control.processes[name] = process
            engine.program_seen(one.launch.command.program.command)
            evidence.refuse_start_failure(name, process)
            _watch(attempt, name, process)
            if not attempt.case.network.batch:
                _await_ready(attempt, network, one, control.remaining())
    if attempt.case.network.batch:
        with attempt.timed("batch"):
            network.run_batch(max(0.0, control.remaining()))
            engine.check_cancelled()
        evidence.refuse_declined(attempt.prepared, control.processes)


def _await_ready(attempt: Attempt, network: NetworkEnvironmentInterface, one: Prepared, left: float) -> None:
    """Wait until a service can be talked to, and tell everybody."""
    name = one.service.name
    network.wait_for_service_ready(name, min(one.launch.ready.timeout, max(0.0, left)))
    attempt.engine.emit(
        ServiceReadyEvent(service_name=name, environment_name=network.get_name(), entity_id=attempt.case.case_id)
    )


def _stop(attempt: Attempt, control: Control) -> None:
    """Stop the services in reverse order, each so that what watches it can write its result."""
    with attempt.timed("stop"):
        for name, process in reversed(tuple(attempt.processes.items())):
            one = attempt.prepared[name]
            early = None if one.launch.ends_by_itself or name in control.disturbed else process.exit
            if early is not None and early.reason != "stopped":
                attempt.checks.append(
                    CheckResult(
                        name=f"service {name} kept running",
                        verdict=Verdict.FAIL,
                        evidence=f"it ended by itself: {early}",
                    )
                )
            for planned, tool in one.instruments:
                tool.stop_monitoring()
                attempt.engine.emit(MonitoringStopEvent(environment_name=planned.descriptor.name, target_process=name))
            status = process.stop(signal=one.launch.stop_signal, grace=one.launch.stop_grace)
            attempt.engine.forget(process)
            if status.reason == "stopped" and status.signal == signal.SIGKILL:
                attempt.problems.append(
                    f"service {name} did not end within {one.launch.stop_grace:g} s of signal "
                    f"{one.launch.stop_signal} and was killed: what it wrote may be incomplete"
                )
            attempt.engine.emit(
                ServiceEvent(
                    service_name=name,
                    operation="exited",
                    exit_code=status.code,
                    entity_id=attempt.case.case_id,
                    metadata={"status": str(status)},
                )
            )


def _kill_all(attempt: Attempt) -> None:
    """End whatever still runs; after a normal stop there is nothing left to do."""
    for process in attempt.processes.values():
        process.kill()
        attempt.engine.forget(process)


def _collect(attempt: Attempt, network: NetworkEnvironmentInterface) -> None:
    """Gather what services, instruments and the network have written."""
    with attempt.timed("collect"):
        evidence.run_phase("post_run", attempt.prepared, attempt.engine)
        for name, one in attempt.prepared.items():
            checks, artifacts = evidence.outputs_of(name, one, attempt.folder)
            attempt.checks += checks
            attempt.artifacts += artifacts
            attempt.measurements += evidence.usage_of(name, attempt.processes[name])
            attempt.notes += evidence.capped(name, attempt.processes[name])
            for planned, tool in one.instruments:
                data = tool.get_monitoring_data()
                attempt.measurements += data.measurements
                attempt.findings += data.findings
                attempt.artifacts += evidence.placed(data.artifacts, tool.context.folder, attempt.folder)
                attempt.problems += [f"{planned.descriptor.name} on {name}: {problem}" for problem in data.problems]
        attempt.artifacts += evidence.placed(network.collect(), network.context.folder, attempt.folder)
        seen = network.observe()
        attempt.checks += seen.checks
        attempt.measurements += seen.measurements
        attempt.findings += seen.findings
        attempt.notes += capture.embed_keys(attempt.artifacts, attempt.folder)


def _tear_down(attempt: Attempt, network: NetworkEnvironmentInterface) -> None:
    """Take the network down and look for what is left of it."""
    engine, name = attempt.engine, network.get_name()
    leftovers: tuple[str, ...] = ()
    with attempt.timed("teardown"):
        try:
            network.teardown_environment()
            leftovers = tuple(network.verify_clean())
        except Exception as error:  # noqa: BLE001 - becomes a problem of the attempt; its first error stays
            engine.hooks.on_environment_error(attempt.info, name, error)
            attempt.problems.append(f"taking down {name} failed: {evidence.explain(error, attempt.folder)}")
    attempt.problems += [f"{name} left behind: {each}" for each in leftovers]
    engine.emit(EnvironmentTeardownEvent(environment_name=name, leftovers=leftovers, entity_id=attempt.case.case_id))
    engine.hooks.after_environment_teardown(attempt.info, name, leftovers)


def _keep_messages(attempt: Attempt, seen: Evidence) -> None:
    """Keep what a person would like to see of the exchange; a failure of that is noted and decides nothing."""
    try:
        attempt.artifacts += evidence.write_messages(attempt.case, seen)
    except Exception as error:  # noqa: BLE001 - reported in the notes of the attempt
        attempt.notes.append(f"the messages could not be told: {type(error).__name__}: {error}")


def _leave_out_what_is_no_number(attempt: Attempt) -> None:
    """Keep NaN and infinity out of the result, where no JSON reader wants them, and say so."""
    for each in attempt.measurements:
        if not math.isfinite(each.value):
            attempt.notes.append(f"{each.name} was measured as {each.value}, which is no number: it was left out")
    attempt.measurements = [each for each in attempt.measurements if math.isfinite(each.value)]


def _judge(attempt: Attempt) -> tuple[Verdict, str]:
    """Let the scenario and the checks of the case look at the evidence."""
    with attempt.timed("judge"):
        seen = Evidence(
            folder=attempt.folder,
            exits={name: process.exit for name, process in attempt.processes.items() if process.exit is not None},
            folders={name: one.folder for name, one in attempt.prepared.items()},
            findings=tuple(attempt.findings),
            artifacts=tuple(attempt.artifacts),
        )
        attempt.measurements += evidence.measured(attempt.case, seen)
        _leave_out_what_is_no_number(attempt)
        seen = attrs.evolve(seen, measurements=tuple(attempt.measurements))
        attempt.checks += evidence.check_all(attempt.case, seen)
        _keep_messages(attempt, seen)
        verdict, why = judge(attempt.checks)
    if attempt.problems and verdict is not Verdict.FAIL:
        return Verdict.ERROR, attempt.problems[0]
    return verdict, why
