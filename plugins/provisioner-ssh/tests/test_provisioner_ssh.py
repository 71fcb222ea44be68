"""Cases run on hosts behind real sshd processes; connections and hosts that fail lose nothing."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs
import pytest
from panther_provisioner_ssh.hosts import SshHosts as Provisioner
from panther_provisioner_ssh.hosts import SshOptions
from panther_provisioner_ssh.sockets import leftovers

from panther_core.testing import MakeProject
from panther_core.testing.sshd import SshHosts, missing
from panther_hookspecs import BaseEvent, EnvironmentUnavailableError, hookimpl

EXPERIMENT = """
name: lab
network_environment: localhost
provisioners:
  - type: ssh
    max_workers: 3
    workers: 2
    config: CONFIG
    hosts: [FIRST, SECOND]
    labels: {SECOND: [big]}
    interpreter: PYTHON
    folder: FOLDER
    lease: 20
test_cases:
  - {name: any, repeat: 20, services: {one: {implementation: command, argv: [sh, -c, "readlink /proc/self/ns/net"]}}}
  - {name: big, labels: [big], repeat: 3, services: {one: {implementation: command, argv: ["true"]}}}
"""


@pytest.fixture(scope="module")
def hosts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SshHosts]:
    if why := missing():
        pytest.skip(f"needs hosts to connect to: {why}")
    with SshHosts.running(tmp_path_factory.mktemp("sshd"), 2) as made:
        yield made


def experiment(hosts: SshHosts, folder: Path) -> str:
    first, second = (host.name for host in hosts.hosts)
    folder.mkdir()
    text = EXPERIMENT.replace("CONFIG", str(hosts.config)).replace("FIRST", first).replace("SECOND", second)
    return text.replace("PYTHON", sys.executable).replace("FOLDER", str(folder))


@attrs.define(eq=False)
class Trouble:
    """Does something once, when the fifth case is over."""

    action: object
    count: int = 0
    lock: threading.Lock = attrs.field(factory=threading.Lock)

    @hookimpl
    def panther_on_event(self, event: BaseEvent) -> None:
        if event.name.endswith("completed"):
            with self.lock:
                self.count += 1
                due = self.count == 5
            if due:
                self.action()  # type: ignore[operator]


def test_two_runs_share_both_hosts_labels_decide_which_and_nothing_is_left(
    hosts: SshHosts, panther_project: MakeProject, tmp_path: Path
) -> None:
    project = panther_project({"e.yaml": experiment(hosts, tmp_path / "far")})
    argv = (sys.executable, "-m", "panther_core", "run", "e.yaml", "--output")
    runs = [project.folder / name for name in ("one", "two")]
    begun = [subprocess.Popen((*argv, run), cwd=project.folder, stdout=subprocess.DEVNULL) for run in runs]
    assert [each.wait() for each in begun] == [0, 0]
    for run in runs:
        records = list(map(json.loads, (run / "results.jsonl").read_text().splitlines()))
        assert [each["verdict"] for each in records] == ["pass"] * 23
        networks = {
            record["system"].split("/")[0]: (run / record["folder"] / "services/one/stdout").read_text()
            for record in records
            if record["name"] == "any"
        }
        assert len(set(networks.values())) == len(networks) >= 1
        assert {each["system"].split("/")[0] for each in records if each["name"] == "big"} == {hosts.hosts[1].name}
    assert not any((tmp_path / "far").iterdir())


@pytest.mark.parametrize("trouble", ["cut", "kill"])
def test_a_lost_connection_or_host_loses_no_case(
    hosts: SshHosts, panther_project: MakeProject, tmp_path: Path, trouble: str
) -> None:
    first = hosts.hosts[0]

    def action() -> None:
        if trouble == "cut":
            first.cut()
        else:
            first.kill()
            first.start()

    far = tmp_path / "far"
    project = panther_project({"e.yaml": experiment(hosts, far)}, plugins=[Trouble(action)])
    outcome = project.run("run e.yaml")
    outcome.assert_verdicts({"any": ["pass"] * 20, "big": ["pass"] * 3})
    assert len(outcome.attempts()) == 23
    if trouble == "cut":
        assert not any("losses" in each for each in outcome.attempts())
    assert not any(far.iterdir())


def test_hosts_that_do_not_answer_are_named_with_the_reason(hosts: SshHosts) -> None:
    pool = Provisioner(SshOptions(hosts=("no-such-host.invalid",), config=hosts.config))
    try:
        with pytest.raises(EnvironmentUnavailableError, match=r"no-such-host.invalid: .*resolve"):
            pool.reserve()
    finally:
        pool.close()


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"hosts": ("-oProxyCommand=touch x",)}, "is no name of a host"),
        ({"hosts": ("a", "b", "a")}, "a is there twice"),
        ({"hosts": ("a",), "labels": {"b": ("big",)}}, "'b' is none of the hosts"),
        ({"hosts": ("a",), "folder": "far"}, "must begin with /"),
    ],
)
def test_hosts_that_cannot_be_meant_are_refused_before_anything_starts(given: dict[str, Any], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        SshOptions(**given)


def test_what_was_noted_on_a_worker_is_there_when_it_is_reserved_again(hosts: SshHosts) -> None:
    pool = Provisioner(SshOptions(hosts=(hosts.hosts[0].name,), config=hosts.config))
    try:
        system = pool.reserve()
        system.notes["snapshot"] = "ready"
        pool.release(system)
        assert json.dumps(dict(pool.reserve().notes)) == '{"snapshot": "ready"}'
    finally:
        pool.close()


ABANDON = """
import os, signal, sys
from panther_provisioner_ssh.hosts import SshHosts, SshOptions
pool = SshHosts(SshOptions(hosts=(sys.argv[1],), config=sys.argv[2]))
pool.open("a-dead-run")
pool.reserve()
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_connections_of_a_killed_run_are_found_and_ended_and_those_of_a_living_one_are_not(
    hosts: SshHosts, panther_project: MakeProject, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = Path(tempfile.mkdtemp(dir="/tmp"))  # the path of a socket must be short
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    living = Provisioner(SshOptions(hosts=(hosts.hosts[0].name,), config=hosts.config))
    try:
        living.reserve()
        argv = (sys.executable, "-c", ABANDON, hosts.hosts[0].name, str(hosts.config))
        assert subprocess.run(argv, check=False).returncode == -signal.SIGKILL
        (left,) = leftovers()
        assert (left.run_id, left.what.startswith(f"folder {folder}/panther-ssh-")) == ("a-dead-run", True)
        panther_project({"x": ""}).run("clean --dry-run").assert_exit(0, left.what)
        left.remove()
        assert not list(leftovers())
        assert len(list(folder.iterdir())) == 1
    finally:
        living.close()
    assert not list(folder.iterdir())
    folder.rmdir()
