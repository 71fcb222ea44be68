"""The environment with a real engine: limits, crashes, clashes, and things that are none of its business."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from panther_env_docker_compose.environment import DockerComposeEnvironment
from panther_env_docker_compose.options import DockerComposeOptions
from panther_env_docker_compose.plugin import panther_register_network_environments
from panther_lib_containers.engine import Engine, names_of
from panther_lib_containers.guard import Guard
from panther_lib_containers.leftovers import leftovers

from panther_core.testing import recording_context
from panther_core.testing.conformance._network_bench import Bench, Wanted, bench, eventually
from panther_core.testing.project import MakeProject
from panther_hookspecs import (
    DockerComposeException,
    NetworkPlan,
    ServiceCommand,
    ServiceLaunch,
    ServicePlan,
    ServiceSpec,
    ShellCommand,
)

DESCRIPTOR = next(iter(panther_register_network_environments()))
SOON = 30.0
LIMITED = """
name: limited
network_environment:
  type: docker_compose
  resource_limits:
    hungry: {memory: 64MiB}
    modest: {files: 77, processes: 5, cpu: 0.5, memory: 64MiB}
test_cases:
  - name: limits
    services:
      hungry: {implementation: command, argv: [PYTHON, -c, "b = bytearray(200 << 20); b[::4096] = b[::4096]"]}
      modest: {implementation: command, argv: [sh, -c, "ulimit -n; id -u; touch /usr/x; touch here; echo $0 done"]}
    checks: [{exit_code: {service: modest, equals: 0}}]
"""
PINGS = """
name: pings
protocol: minip
network_environment: docker_compose
test_cases:
  - name: over IPv6, watched
    scenario: ping
    parameters: {count: 10}
    execution_environments: [{type: strace, services: [server]}]
    services:
      server: {implementation: ping-pong-py, ipv6: true}
      client: {implementation: ping-pong-py, ipv6: true}
    checks: [{that: "server.strace.net.datagrams_received >= 10"}]
  - name: liar
    scenario: ping
    services:
      server: {implementation: ping-pong-py, variant: fail}
      client: {implementation: ping-pong-py}
    expect: fail
"""
SLEEPING = """
name: sleeping
network_environment: docker_compose
test_cases:
  - name: long
    services:
      one: {implementation: command, argv: [sleep, "3600"]}
      two: {implementation: command, argv: [sleep, "3600"]}
"""

OWN_SIGNAL = """
name: own-signal
network_environment: docker_compose
test_cases:
  - name: quit
    services:
      server:
        implementation: command
        argv: [sh, -c, "trap 'echo asked to quit; exit 0' QUIT; echo up; while :; do sleep 0.05; done"]
        stop_signal: SIGQUIT
        ends_by_itself: false
        ready: {kind: log, pattern: up}
      client: {implementation: command, argv: ["true"]}
    checks: [{log: {service: server, matches: asked to quit}}]
"""


@pytest.fixture(autouse=True)
def _engine() -> None:
    if (
        shutil.which("docker") is None
        or subprocess.run(["docker", "info"], capture_output=True, check=False).returncode
        or subprocess.run(["docker", "compose", "version"], capture_output=True, check=False).returncode
    ):
        pytest.skip("needs docker: an engine that answers, and Compose 2 (bash .ci/dockerd start FOLDER)")


@pytest.fixture
def one(tmp_path: Path) -> Iterator[Bench]:
    with bench(DESCRIPTOR, DockerComposeOptions(), tmp_path) as made:
        yield made


def _labelled(run: str) -> list[str]:
    label = f"panther.run={run}"
    return [*names_of(Engine().containers(label)), *names_of(Engine().networks(label))]


def test_limits_are_kept_and_the_system_cannot_be_written(panther_project: MakeProject) -> None:
    text = LIMITED.replace("PYTHON", sys.executable)
    outcome = panther_project({"limited.yaml": text}).run("run limited.yaml")
    (case,) = outcome.cases()
    assert case["services"]["hungry"]["reason"] == "oom", f"{case['services']['hungry']}\n{outcome}"
    assert outcome.text("services/modest/stdout").splitlines() == ["77", str(os.getuid()), "sh done"]
    assert "Read-only file system" in outcome.text("services/modest/stderr")
    assert (outcome.folder() / "services" / "modest" / "here").exists()
    boxes = json.loads(outcome.text("network/inspect.json"))
    modest = next(each["HostConfig"] for each in boxes if each["Name"].endswith("-modest-1"))
    assert (modest["NanoCpus"], modest["Memory"], modest["PidsLimit"]) == (500_000_000, 64 << 20, 6)


def test_a_service_is_asked_to_end_with_the_signal_that_it_wants(panther_project: MakeProject) -> None:
    outcome = panther_project({"own.yaml": OWN_SIGNAL}).run("run own.yaml")
    server = outcome.cases()[0]["services"]["server"]
    assert (server["code"], server["reason"]) == (0, "stopped"), f"{server}\n{outcome}"
    assert outcome.text("services/server/stdout").splitlines() == ["up", "asked to quit"]


def test_the_program_itself_stands_still_and_goes_on(one: Bench) -> None:
    process = one.run("sh", "-c", "while :; do :; done")

    def state() -> str:
        return Path(f"/proc/{process.program_pid}/stat").read_text().rpartition(")")[2].split()[0]

    process.signal(signal.SIGSTOP)
    eventually(lambda: state() == "T", "standing still", SOON)
    process.signal(signal.SIGCONT)
    eventually(lambda: state() != "T", "going on", SOON)


def test_services_talk_over_ipv6_are_watched_and_judged_as_elsewhere(panther_project: MakeProject) -> None:
    if not shutil.which("strace"):
        pytest.skip("needs strace")
    outcome = panther_project({"pings.yaml": PINGS}).run("run pings.yaml")
    outcome.assert_ok()
    outcome.assert_verdicts({"over IPv6, watched": "pass", "liar": "fail"})


def test_the_compose_file_runs_without_panther(one: Bench) -> None:
    one.set_up(Wanted(name="one", argv=("sh", "-c", "echo alone in $0"), ends_by_itself=True))
    file = str(one.context.folder / "compose.yaml")
    done = subprocess.run(
        ["docker", "compose", "-f", file, "up", "--no-log-prefix", "--abort-on-container-exit"],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert "alone in sh" in done.stdout


def test_what_it_costs_is_read_from_the_control_group(one: Bench) -> None:
    process = one.run("sh", "-c", "while :; do :; done")
    eventually(lambda: process.usage.cpu_user + process.usage.cpu_system > 0.2, "the use of processor time", SOON)
    process.kill()
    assert process.usage.source == "cgroup"
    assert process.usage.cpu_user + process.usage.cpu_system > 0.2
    assert process.usage.max_rss_bytes > 0


def test_addresses_that_somebody_takes_meanwhile_are_an_error_that_says_so(tmp_path: Path) -> None:
    program = ShellCommand("true")
    name = f"foreign-{uuid.uuid4().hex[:8]}"
    with recording_context(tmp_path, name="network") as context:
        environment = DockerComposeEnvironment(context)
        spec = ServiceSpec(name="one", role="one", plan=ServicePlan(run=program))
        endpoint = environment.plan_addresses([spec])["one"]
        Engine().run("network", "create", "--subnet", f"{endpoint.ip.rpartition('.')[0]}.0/24", name)
        command = ServiceCommand(program=program)
        launch = ServiceLaunch(name="one", command=command, folder=tmp_path, endpoint=endpoint)
        try:
            with pytest.raises(DockerComposeException, match="another pool"):
                environment.setup_environment(NetworkPlan(services=(launch,)))
        finally:
            environment.teardown_environment()
            Engine().run("network", "rm", name)
        assert list(environment.verify_clean()) == []


def test_a_network_of_somebody_else_is_avoided(one: Bench) -> None:
    wanted = Wanted(name="one", argv=("true",))
    first = one.addresses([wanted])["one"].ip.rpartition(".")[0]
    one.environment.teardown_environment()
    name = f"foreign-{uuid.uuid4().hex[:8]}"
    Engine().run("network", "create", "--subnet", f"{first}.0/24", name)
    try:
        assert one.addresses([wanted])["one"].ip.rpartition(".")[0] != first
    finally:
        Engine().run("network", "rm", name)


def test_an_image_that_is_not_there_is_refused_before_anything_starts(tmp_path: Path) -> None:
    spec = ServiceSpec(name="one", role="one", plan=ServicePlan(run=ShellCommand("true")), image="no-such-image:at-all")
    with recording_context(tmp_path, name="network") as context:
        problems = DockerComposeEnvironment(context, DockerComposeOptions(pull="never")).preflight([spec])
        assert ["docker pull no-such-image:at-all" in str(each) for each in problems] == [True]


def test_killing_panther_leaves_nothing_and_strangers_alone(panther_project: MakeProject) -> None:
    project = panther_project({"sleeping.yaml": SLEEPING})
    image = Engine().run("image", "ls", "--quiet", "panther-host-root").split()[0]
    stranger = Engine().run("create", "--label", "com.docker.compose.project=panther-1", image, "true").strip()
    run = subprocess.Popen(
        [sys.executable, "-m", "panther_core", "run", "sleeping.yaml"],
        cwd=project.folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        folders = project.folder / "runs"
        eventually(lambda: bool(list(folders.rglob("services/two/stdout"))), "the start of the services", SOON)
        file = next(folders.rglob("compose.yaml")).read_text()
        run_id = next(line.split()[1] for line in file.splitlines() if "panther.run:" in line)
        assert len(_labelled(run_id)) == 3
        run.send_signal(signal.SIGKILL)
        run.wait()
        eventually(lambda: not _labelled(run_id), "the removal of containers and network", SOON)
        assert Engine().run("ps", "--all", "--quiet", "--no-trunc", "--filter", f"id={stranger}").split() == [stranger]
    finally:
        run.kill()
        run.wait()
        Engine().run("rm", stranger)


def test_what_a_dead_run_has_left_is_found_and_removed(one: Bench) -> None:
    one.run("sleep", "3600")
    run_id = one.context.run_id
    found = [each for each in leftovers("docker_compose") if each.run_id == run_id]
    assert sorted(each.what.split()[0] for each in found) == ["Docker", "container"]
    for each in found:
        each.remove()
    assert not _labelled(run_id)


def test_what_the_engine_makes_after_its_answer_was_given_up_does_not_stay(one: Bench, tmp_path: Path) -> None:
    one.run("true")  # so that the image is there
    image = Engine().run("image", "ls", "--quiet", "panther-host-root").split()[0]
    guard = Guard(f"panther-{uuid.uuid4().hex[:12]}", "late", "late", "docker_compose", Engine(), tmp_path)
    with contextlib.suppress(DockerComposeException), guard.making():
        raise DockerComposeException("the Docker engine took too long")
    Engine().create(guard.project, {"Image": image, "Cmd": ["true"], "Labels": dict(guard.labels)})
    guard.farewell()
    assert list(guard.left()) == []
