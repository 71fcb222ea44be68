"""The prediction of a timetable follows the pool's own rule."""

from __future__ import annotations

import itertools
import json
import random
from typing import Any

from panther_core.plan.cases import PlannedCase
from panther_core.plugin_manager import PluginManager
from panther_core.pool.orchestrator import Orchestrator
from panther_core.pool.timetable import Summary, predict
from panther_core.pool.work import Work
from panther_core.run.functional import FUNCTIONAL
from panther_core.testing import MakeProject
from panther_hookspecs import NetworkEnvironmentDescriptor, NetworkEnvironmentInterface, Provisioner, System

NOWHERE = NetworkEnvironmentDescriptor(name="nowhere", summary="none", factory=NetworkEnvironmentInterface)
ONE = System(name="one", labels=frozenset({"a"}), capacity={"cpus": 2})


def case(name: str, **more: Any) -> PlannedCase:
    return PlannedCase(case_id=name, name=name, network=NOWHERE, network_options=None, test_type=FUNCTIONAL, **more)


class OneSystem(Provisioner):
    def reserve(self) -> System:
        return ONE

    def release(self, system: System) -> None: ...


def test_the_predicted_order_is_the_one_in_which_the_pool_runs_the_cases() -> None:
    chance = random.Random(5)
    cases = [
        case(
            str(number),
            priority=chance.choice([0, 0, 1]),
            labels=frozenset(chance.choice(["", "a"]) or ()),
            uses=chance.choice([{}, {"gpu": 1.0}, {"cpus": 2.0}]),
            exclusive=chance.random() < 0.1,
            deadline=chance.choice([None, None, 10.0]),
            repetition=chance.choice([1, 2]),
        )
        for number in range(200)
    ]
    seconds = {each.name: chance.lognormvariate(0, 1) for each in cases}
    predicted = [slot.case.name for slot in predict(cases, lambda each: seconds[each.name], [ONE])]
    ran: list[str] = []
    pool: Orchestrator[PlannedCase] = Orchestrator(
        lambda work, _: ran.append(work.case.name),
        PluginManager.load(autoload=False).hooks,
        lambda each: seconds[each.name],
    )
    pool.add_provisioner(OneSystem())
    pool.run(Work(case=each) for each in cases)
    assert predicted == ran
    assert sorted(ran) == sorted(seconds)


def test_cases_do_not_overlap_on_a_system_and_the_longest_first_comes_near_the_bound() -> None:
    chance = random.Random(1)
    cases = [case(str(number)) for number in range(300)]
    seconds = {each.name: chance.lognormvariate(0, 1.5) for each in cases}
    systems = [System(name=str(number)) for number in range(7)]
    summary = Summary()
    slots = list(predict(cases, lambda each: seconds[each.name], systems, summary=summary))
    for system in systems:
        own = [slot for slot in slots if slot.system is system]
        assert all(later.start >= earlier.end for earlier, later in itertools.pairwise(own))
    assert summary.cases == 300
    assert summary.bound(7) <= summary.end <= 1.05 * summary.bound(7)


SKEWED = """
name: skewed
network_environment: localhost
services: {one: {implementation: command, argv: ["true"]}}
test_cases:
  - {name: quick, uses: [bench]}
  - {name: slow, uses: [bench]}
  - {name: strange, priority: 1}
  - {name: elsewhere, labels: [moon], deadline: 1h}
"""


def test_plan_simulate_prints_the_timetable_by_what_earlier_runs_have_taken(panther_project: MakeProject) -> None:
    remembered = json.dumps({"quick": 2, "slow": 40})
    known = {"runs/.panther-durations.json": remembered, "out/.panther-durations.json": '{"older": 3, "slow": 1}'}
    project = panther_project({"skewed.yaml": SKEWED, **known})
    shown = project.run("plan skewed.yaml --simulate --jobs 2 --select name!=elsewhere")
    shown.assert_ok()
    assert [line.split() for line in shown.stdout.splitlines()[:3]] == [
        ["0.00", "s", "~2.00", "s", "local-1", "strange"],
        ["0.00", "s", "40.0", "s", "local-2", "slow"],
        ["40.0", "s", "42.0", "s", "local-1", "quick"],
    ]
    assert "over after 42.0 s, no order could be faster than 40.0 s" in shown.stdout
    assert "1 case never ran here: counted as the median of others, 2.00 s" in shown.stdout
    for provisioners in ("", " --set provisioners=[local]"):
        project.run(f"plan skewed.yaml --simulate{provisioners}").assert_exit(1, "no system can run elsewhere")
    json_of_slow = "plan skewed.yaml --simulate --json -k name=slow"
    slots = json.loads(project.run(json_of_slow).stdout)
    assert [(each["name"], each["end"], each["known"]) for each in slots] == [("slow", 40, True)]
    (project.folder / "runs").rename(project.folder / "nightly")
    assert json.loads(project.run(f"{json_of_slow} --runs nightly").stdout) == slots
    project.run("run skewed.yaml -k name=quick --runs nightly --output out/run").assert_ok()
    learned = json.loads((project.folder / "out/.panther-durations.json").read_text())
    assert (learned["slow"], learned["older"], learned["quick"] < 2) == (40, 3, True)
    assert json.loads((project.folder / "nightly/.panther-durations.json").read_text()) == json.loads(remembered)
    project.run("plan skewed.yaml --simulate --runs nowhere").assert_exit(2, "--runs nowhere: no run there has told")
