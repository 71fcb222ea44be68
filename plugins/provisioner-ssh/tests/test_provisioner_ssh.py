"""Cases run on hosts behind real sshd processes; connections and hosts that fail lose nothing."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import attrs
import pytest
from panther_provisioner_ssh.hosts import SshHosts as Provisioner
from panther_provisioner_ssh.hosts import SshOptions

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


def test_both_hosts_work_and_labels_decide_which(hosts: SshHosts, panther_project: MakeProject, tmp_path: Path) -> None:
    far = tmp_path / "far"
    outcome = panther_project({"e.yaml": experiment(hosts, far)}).run("run e.yaml", subprocess=True)
    outcome.assert_verdicts({"any": ["pass"] * 20, "big": ["pass"] * 3})
    records = outcome.attempts()
    networks = {
        record["system"].split("/")[0]: (outcome.run / record["folder"] / "services/one/stdout").read_text()
        for record in records
        if record["name"] == "any"
    }
    assert len(set(networks.values())) == len(networks) >= 1
    assert {each["system"].split("/")[0] for each in records if each["name"] == "big"} == {hosts.hosts[1].name}
    assert not far.exists()


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
    assert not far.exists()


def test_hosts_that_do_not_answer_are_named_with_the_reason(hosts: SshHosts) -> None:
    pool = Provisioner(SshOptions(hosts=("no-such-host.invalid",), config=str(hosts.config)))
    try:
        with pytest.raises(EnvironmentUnavailableError, match=r"no-such-host.invalid: .*resolve"):
            pool.reserve()
    finally:
        pool.close()


def test_what_was_noted_on_a_worker_is_there_when_it_is_reserved_again(hosts: SshHosts) -> None:
    pool = Provisioner(SshOptions(hosts=(hosts.hosts[0].name,), config=str(hosts.config)))
    try:
        system = pool.reserve()
        system.notes["snapshot"] = "ready"
        pool.release(system)
        assert json.dumps(dict(pool.reserve().notes)) == '{"snapshot": "ready"}'
    finally:
        pool.close()
