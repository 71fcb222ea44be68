"""Cases on a cluster of two worker processes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from typing import Any, ClassVar

import pytest
from panther_executor_dask.cluster import DaskOptions, DaskWorkers

from panther_core.testing import MakeProject, ends
from panther_core.testing.conformance import ProvisionerConformance

distributed = pytest.importorskip("distributed", reason="needs distributed")


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """One for all tests, which may kill its workers: others take their places. Nothing is left where they worked."""
    folder = tmp_path_factory.mktemp("workers")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TMPDIR", str(folder))
        with distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address=":0", resources={"gpu": 1}
        ) as made:
            yield made
    assert not list(folder.glob("panther-*"))


def experiment(address: str, cases: str) -> str:
    return f"""
name: far
network_environment: localhost
provisioners: [{{type: dask, address: "{address}", max_workers: 2}}]
test_cases:
{cases}
"""


def test_cases_run_on_the_workers_and_their_evidence_comes_back(cluster: Any, panther_project: MakeProject) -> None:
    case = """
  - name: hello
    repeat: 4
    labels: [gpu]
    services: {one: {implementation: command, argv: [sh, -c, "echo $PPID"]}}
  - {name: bad, services: {one: {implementation: command, argv: ["false"]}}}
"""
    outcome = panther_project({"far.yaml": experiment(cluster.scheduler_address, case)}).run("run far.yaml")
    outcome.assert_verdicts({"hello": ["pass"] * 4, "bad": "fail"})
    for each in outcome.attempts():
        assert (outcome.run / each["folder"] / "services/one/stdout").is_file()
        assert each["system"].endswith("/0")


class TestDask(ProvisionerConformance):
    plugin = "panther_executor_dask.plugin"
    systems: ClassVar[int] = 2

    @pytest.fixture
    def provisioner(self, cluster: Any) -> Iterator[DaskWorkers]:
        with distributed.Client(cluster, set_as_default=False) as client:
            client.wait_for_workers(2)
        made = DaskWorkers(DaskOptions(address=cluster.scheduler_address))
        yield made
        made.close()


def test_a_killed_worker_costs_one_marked_repetition_and_nothing_else(
    cluster: Any, panther_project: MakeProject
) -> None:
    marks = panther_project({"x": ""}).folder / "marks"
    os.mkfifo(marks)
    first = f"mkdir {marks}.once || exit 0; sleep 600 & echo $$ $! $PPID >{marks}; wait"
    case = f"""
  - {{name: mortal, services: {{one: {{implementation: command, argv: [sh, -c, "{first}"]}}}}}}
  - {{name: other, repeat: 3, services: {{one: {{implementation: command, argv: ["true"]}}}}}}
"""
    project = panther_project({"far.yaml": experiment(cluster.scheduler_address, case)})
    lived: list[int] = []

    def kill() -> None:
        lived.extend(map(int, marks.read_text().split()))
        busy = [address for address, keys in client.processing().items() if any("mortal" in str(k) for k in keys)]
        for address in busy:
            os.kill(client.run(os.getpid, workers=[address])[address], signal.SIGKILL)

    with distributed.Client(cluster.scheduler_address, set_as_default=False) as client:
        client.wait_for_workers(2)
        killer = threading.Thread(target=kill)
        killer.start()
        outcome = project.run("run far.yaml")
        killer.join()
    outcome.assert_verdicts({"mortal": "pass", "other": ["pass"] * 3})
    assert Counter(each["name"] for each in outcome.attempts()) == {"mortal": 1, "other": 3}
    assert [len(each.get("losses", ())) for each in outcome.attempts() if each["name"] == "mortal"] == [1]
    assert lived
    assert all(map(ends, lived))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_whoever_cancels_or_is_killed_leaves_no_process_on_a_worker(
    cluster: Any, panther_project: MakeProject, number: signal.Signals
) -> None:
    marks = panther_project({"x": ""}).folder / "marks"
    os.mkfifo(marks)
    endless = f"setsid sleep 600 & echo $$ $! $PPID >{marks}; wait"
    case = f"""
  - {{name: quick, priority: 1, repeat: 2, services: {{one: {{implementation: command, argv: ["true"]}}}}}}
  - {{name: endless, repeat: 9, services: {{one: {{implementation: command, argv: [sh, -c, "{endless}"]}}}}}}
"""
    project = panther_project({"far.yaml": experiment(cluster.scheduler_address, case)})
    with distributed.Client(cluster.scheduler_address, set_as_default=False) as client:
        client.wait_for_workers(2)
    run = project.folder / "run"
    argv = (sys.executable, "-m", "panther_core", "run", "far.yaml", "--output", str(run))
    process = subprocess.Popen(argv, cwd=project.folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    lived = list(map(int, marks.read_text().split()))
    process.send_signal(number)
    code = process.wait(60)
    assert all(map(ends, lived))
    verdicts = Counter(
        (each["name"], each["verdict"]) for each in map(json.loads, (run / "results.jsonl").read_text().splitlines())
    )
    assert verdicts["quick", "pass"] == 2
    if number is signal.SIGINT:
        assert code == 130
        assert set(verdicts) - {("quick", "pass")} == {("endless", "cancelled")}


def test_without_a_cluster_it_says_so() -> None:
    with pytest.raises(Exception, match="no Dask cluster at"):
        DaskWorkers(DaskOptions(address="tcp://127.0.0.1:1", wait=0.5)).reserve()
