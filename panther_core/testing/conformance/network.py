"""What every network environment must keep."""

from __future__ import annotations

import ipaddress
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import pytest

from panther_core.testing.conformance import _network_bench as benches
from panther_core.testing.conformance._network_bench import Bench, Wanted, bench, eventually, marker, running
from panther_core.testing.conformance._network_more import NetworkAbilities
from panther_hookspecs import (
    IMPAIRMENTS,
    NetworkEnvironmentDescriptor,
    PantherExperimentError,
    Readiness,
    Seconds,
    ServiceDeploymentEvent,
    ServiceNotReadyError,
    ServiceReadyEvent,
    ShellCommand,
)

CAPABILITIES = frozenset(
    {
        *IMPAIRMENTS,
        "links",
        "proxied_links",
        "ipv6",
        "capture",
        "limits",
        "images",
        "rootless",
        "deterministic_time",
    }
)
_SOON = 15.0
_STUBBORN = "trap '' TERM; echo ready; while :; do sleep 0.05; done"
_POLITE = "trap 'exit 5' TERM; echo ready; while :; do sleep 0.05; done"


class NetworkEnvironmentConformance(NetworkAbilities):
    """Subclass this and name the plugin. Every test runs real programs in the environment and ends with it clean."""

    descriptor_class = NetworkEnvironmentDescriptor
    image: ClassVar[str] = ""
    """Image with a POSIX shell for environments that run services in images."""

    @pytest.fixture
    def bench(self, tmp_path: Path) -> Iterator[Bench]:
        """Give the environment under test; after the test it is taken down and must be clean."""
        descriptor = self.found(NetworkEnvironmentDescriptor)
        self.require(descriptor)
        with bench(descriptor, self.made_options(), tmp_path, self.image) as made:
            yield made

    def sh(self, script: str) -> tuple[str, ...]:
        """Return a command that runs a line of shell, the program under test of most of these tests."""
        return ("sh", "-c", script)

    def test_capabilities_are_known_words(self) -> None:
        """A capability that nobody knows would never be asked for."""
        unknown = self.found(NetworkEnvironmentDescriptor).capabilities - CAPABILITIES
        assert not unknown, f"unknown capabilities {sorted(unknown)}"

    def test_every_service_gets_an_address(self, bench: Bench) -> None:
        """Addresses are valid, have every port asked for, and no two services share one."""
        wanted = [Wanted(name=name, argv=("true",), ports={"port": 4433, "control": 80}) for name in ("a", "b", "c")]
        endpoints = bench.addresses(wanted)
        assert set(endpoints) == {"a", "b", "c"}, f"planned a, b and c, got {sorted(endpoints)}"
        for name, endpoint in endpoints.items():
            assert endpoint.name == name, f"the endpoint of {name} is called {endpoint.name!r}"
            ipaddress.ip_address(endpoint.ip)
            assert set(endpoint.ports) == {"port", "control"}, f"{name} lacks a port: {dict(endpoint.ports)}"
            assert all(0 < port < 65536 for port in endpoint.ports.values()), f"{name}: no such port: {endpoint.ports}"
        places = [(each.ip, port) for each in endpoints.values() for port in each.ports.values()]
        assert len(set(places)) == len(places), f"two services share an address and port: {places}"

    def test_planning_addresses_creates_nothing(self, bench: Bench) -> None:
        """After planning alone there is nothing to remove."""
        bench.addresses([Wanted(name="one", argv=("true",), ports={"port": 4433})])
        bench.assert_clean()

    def test_taking_down_what_was_never_set_up(self, bench: Bench) -> None:
        """Tear-down works before set-up and twice."""
        bench.tear_down()
        bench.tear_down()

    def test_the_exit_code_is_kept(self, bench: Bench) -> None:
        """A program that exits with 7 has exited with 7."""
        status = bench.run(*self.sh("exit 7"), ends_by_itself=True).wait(_SOON)
        assert status is not None, "the end of a program was not seen"
        assert (status.code, status.signal) == (7, None), f"exit 7 was reported as {status}"

    def test_the_signal_that_ended_a_program_is_kept(self, bench: Bench) -> None:
        """A program that dies of a segmentation fault has not exited normally."""
        status = bench.run(*self.sh("kill -SEGV $$"), ends_by_itself=True).wait(_SOON)
        assert status is not None, "the end of a program was not seen"
        assert status.signal == signal.SIGSEGV, f"death by signal 11 was reported as {status}"
        assert not status.ok, f"death by signal 11 counts as a good end: {status}"

    def test_output_streams_are_kept_apart(self, bench: Bench) -> None:
        """Standard output and standard error are two files, complete when the program has ended."""
        status = bench.run(*self.sh("echo out; echo err >&2"), ends_by_itself=True).wait(_SOON)
        assert status is not None, "the end of a program was not seen"
        streams = (bench.output("one", "stdout"), bench.output("one", "stderr"))
        assert streams == ("out\n", "err\n"), f"the program wrote out and err, the files have {streams}"

    def test_much_output_neither_fills_the_disk_nor_blocks(self, bench: Bench) -> None:
        """A program that writes far more than the limit runs to its end, and the file stays small."""
        limit = 65536
        process = bench.run(
            *self.sh("i=0; while [ $i -lt 40 ]; do printf '%050000d\\n' 7; i=$((i+1)); done"),
            ends_by_itself=True,
            output_limit=limit,
        )
        status = process.wait(_SOON)
        assert status is not None, "a program that writes a lot never ended"
        assert status.ok, f"a program that writes a lot was disturbed: {status}"
        size = (bench.launches["one"].folder / "stdout").stat().st_size
        assert 0 < size <= 2 * limit, f"2 MB of output left {size} bytes in stdout with a limit of {limit}"

    def test_a_program_that_does_not_exist(self, bench: Bench) -> None:
        """Starting it either raises PANTHER's own error or gives a process that has not ended well."""
        try:
            status = bench.run("/no/such/program", ends_by_itself=True).wait(_SOON)
        except PantherExperimentError:
            return
        assert status is not None, "a program that does not exist seems to run"
        assert not status.ok, "a program that does not exist has ended well"

    def test_ready_only_when_the_program_says_so(self, bench: Bench) -> None:
        """Waiting for a line in the log returns when the line is there, not before."""
        bench.run(*self.sh("sleep 0.3; echo now ready; sleep 3600"), ready=Readiness(kind="log", pattern="now ready"))
        bench.environment.wait_for_service_ready("one", _SOON)
        seen = bench.output("one")
        assert "now ready" in seen, f"waiting ended before the program wrote 'now ready': {seen!r}"

    def test_an_early_end_is_not_waited_for(self, bench: Bench) -> None:
        """A service that dies before it is ready is reported at once, with its name."""
        bench.run(*self.sh("exit 3"), ready=Readiness(kind="log", pattern="never", timeout=Seconds(60)))
        began = time.monotonic()
        with pytest.raises(ServiceNotReadyError, match="one"):
            bench.environment.wait_for_service_ready("one", 60)
        assert time.monotonic() - began < _SOON, "the whole time was waited although the program had ended"

    def test_readiness_has_a_time_limit(self, bench: Bench) -> None:
        """A service that never becomes ready is reported when the time is over, with its name."""
        bench.run("sleep", "3600", ready=Readiness(kind="log", pattern="never", timeout=Seconds(60)))
        began = time.monotonic()
        with pytest.raises(ServiceNotReadyError, match="one"):
            bench.environment.wait_for_service_ready("one", 0.3)
        assert time.monotonic() - began < _SOON, "the time limit was not kept"

    def test_cancelling_ends_waiting(self, bench: Bench) -> None:
        """Waiting for readiness ends soon when the user asks to stop."""
        process = bench.run("sleep", "3600", ready=Readiness(kind="log", pattern="never", timeout=Seconds(60)))

        def cancel() -> None:
            bench.context.cancel.set()
            process.kill()

        stopper = threading.Thread(target=cancel)
        began = time.monotonic()
        stopper.start()
        with pytest.raises(PantherExperimentError):
            bench.environment.wait_for_service_ready("one", 60)
        stopper.join()
        assert time.monotonic() - began < _SOON, "cancelling did not end the wait"

    def test_services_start_in_order_each_when_the_one_before_is_ready(self, bench: Bench) -> None:
        """Deploying two services tells of the first's readiness before the second's start."""
        ready = Readiness(kind="log", pattern="up")
        bench.set_up(*(Wanted(name=name, argv=self.sh("sleep 0.1; echo up; sleep 3600"), ready=ready) for name in "ab"))
        bench.environment.deploy_services(bench.launches.values())
        told = [
            (type(each), each.service_name)
            for each in bench.context.events
            if isinstance(each, (ServiceDeploymentEvent, ServiceReadyEvent))
        ]
        order = [(ServiceDeploymentEvent, "a"), (ServiceReadyEvent, "a")]
        order += [(ServiceDeploymentEvent, "b"), (ServiceReadyEvent, "b")]
        assert told == order, f"events came as {told}"

    def test_a_stop_signal_reaches_the_program(self, bench: Bench) -> None:
        """A program that handles SIGTERM ends the way it wants to."""
        process = bench.run(*self.sh(_POLITE), ready=Readiness(kind="log", pattern="ready"))
        bench.environment.wait_for_service_ready("one", _SOON)
        status = process.stop(signal=signal.SIGTERM, grace=_SOON)
        assert status.code == 5, f"the program exits with 5 on SIGTERM, reported was {status}"

    def test_a_program_that_ignores_the_stop_signal_is_killed(self, bench: Bench) -> None:
        """After the grace period nothing of the program is left."""
        process = bench.run(*self.sh(_STUBBORN), ready=Readiness(kind="log", pattern="ready"))
        bench.environment.wait_for_service_ready("one", _SOON)
        began = time.monotonic()
        status = process.stop(signal=signal.SIGTERM, grace=0.3)
        assert time.monotonic() - began < _SOON, "killing took far longer than the grace period"
        assert not status.ok, f"a program that had to be killed ended well: {status}"
        assert not process.pids(), "something of the program is left"

    def test_a_daemon_does_not_survive(self, bench: Bench) -> None:
        """A process that left its session and its parent is gone after tear-down."""
        mark = marker()
        process = bench.run(
            *self.sh(f"setsid sleep {mark} </dev/null >/dev/null 2>&1 & sleep 0.5"), ends_by_itself=True
        )
        eventually(lambda: bool(running(mark)), "the daemon's start")
        assert process.wait(_SOON) is not None, "the program that started a daemon never ended"
        bench.tear_down()
        eventually(lambda: not running(mark), "the daemon's end")

    def test_a_daemon_ends_when_its_service_is_stopped(self, bench: Bench) -> None:
        """Killing a service takes the processes with it that it put into the background."""
        mark = marker()
        process = bench.run(*self.sh(f"setsid sleep {mark} </dev/null >/dev/null 2>&1 & sleep 3600"))
        eventually(lambda: bool(running(mark)), "the daemon's start")
        process.kill()
        eventually(lambda: not running(mark), "the daemon's end")

    def test_a_command_runs_where_the_service_runs(self, bench: Bench) -> None:
        """Executing gives exit code and output."""
        bench.run("sleep", "3600")
        result = bench.environment.execute("one", ShellCommand("sh", ("-c", "echo here; exit 4")))
        assert (result.exit_code, result.stdout) == (4, "here\n"), f"got {result}"

    def test_a_command_has_a_time_limit(self, bench: Bench) -> None:
        """A command that hangs is ended with everything that it started, at its own limit."""
        bench.run("sleep", "3600")
        mark = marker()
        began = time.monotonic()
        result = bench.environment.execute("one", ShellCommand("sh", ("-c", f"sleep {mark} & wait"), timeout=0.5))
        assert time.monotonic() - began < _SOON, "the time limit was not kept"
        assert not result.exit.ok, f"a command that was ended at its limit has ended well: {result.exit}"
        eventually(lambda: not running(mark), "the end of the command's child")

    def test_two_at_once_do_not_disturb_each_other(self, bench: Bench, tmp_path: Path) -> None:
        """Taking one down leaves the services of the other alone."""
        first = bench.run(*self.sh(_POLITE), ports={"port": 4433}, ready=Readiness(kind="log", pattern="ready"))
        bench.environment.wait_for_service_ready("one", _SOON)
        with benches.bench(bench.descriptor, self.made_options(), tmp_path / "second", self.image) as other:
            second = other.run("sleep", "3600", ports={"port": 4433})
            assert second.exit is None, f"the second environment's service ended: {second.exit}"
        assert first.exit is None, f"taking down another environment ended this one's service: {first.exit}"
        status = first.stop(signal=signal.SIGTERM, grace=_SOON)
        assert status.code == 5, f"the program exits with 5 on SIGTERM, reported was {status}"

    @pytest.mark.parametrize("transport", ["tcp", "udp"])
    def test_services_reach_each_other(self, bench: Bench, transport: str) -> None:
        """A client gets an answer from a server at the planned address, once the server is ready."""
        if not self.python:
            pytest.skip("needs a Python interpreter among the services")
        server, client = (
            (benches.TCP_SERVER, benches.TCP_CLIENT) if transport == "tcp" else (benches.UDP_SERVER, benches.UDP_CLIENT)
        )
        place = ("{server.ip}", "{server.port}")
        bench.set_up(
            Wanted(
                name="server",
                argv=(self.python, "-c", server, *place),
                ports={"port": 4433},
                transport=transport,
                ready=Readiness(kind=transport),
            ),
            Wanted(name="client", argv=(self.python, "-c", client, *place), transport=transport, ends_by_itself=True),
        )
        bench.start("server")
        bench.environment.wait_for_service_ready("server", _SOON)
        status = bench.start("client").wait(_SOON)
        assert status is not None, "the client never ended"
        assert status.ok, (
            f"client: {status}: {bench.output('client', 'stderr')}; server: {bench.output('server', 'stderr')}"
        )
        assert bench.output("client") == "marco\n", f"the client got {bench.output('client')!r}"
