"""Cases on a cluster of two worker processes."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from panther_executor_dask.cluster import DaskOptions, DaskWorkers

from panther_core.testing import MakeProject

distributed = pytest.importorskip("distributed", reason="needs distributed")


@pytest.fixture
def cluster() -> Iterator[Any]:
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None, resources={"gpu": 1}
    ) as made:
        yield made


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


def test_a_killed_worker_costs_one_marked_repetition_and_nothing_else(
    cluster: Any, panther_project: MakeProject
) -> None:
    marks = panther_project({"x": ""}).folder / "marks"
    case = f"""
  - name: mortal
    services: {{one: {{implementation: command, argv: [sh, -c, "echo $$ >>{marks}; sleep 4"]}}}}
  - {{name: other, repeat: 3, services: {{one: {{implementation: command, argv: ["true"]}}}}}}
"""
    project = panther_project({"far.yaml": experiment(cluster.scheduler_address, case)})

    def kill() -> None:
        while not marks.exists():
            stop.wait(0.05)
        busy = {address for address, keys in client.processing().items() if any("mortal" in str(k) for k in keys)}
        for address in busy:
            os.kill(client.run(os.getpid, workers=[address])[address], signal.SIGKILL)

    stop = threading.Event()
    with distributed.Client(cluster.scheduler_address, set_as_default=False) as client:
        killer = threading.Thread(target=kill)
        killer.start()
        outcome = project.run("run far.yaml")
        killer.join()
    outcome.assert_verdicts({"mortal": "pass", "other": ["pass"] * 3})
    assert len(marks.read_text().split()) == 2


def test_without_a_cluster_it_says_so() -> None:
    with pytest.raises(Exception, match="no Dask cluster at"):
        DaskWorkers(DaskOptions(address="tcp://127.0.0.1:1", wait=0.5)).reserve()
