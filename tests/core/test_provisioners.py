"""What a run does with provisioners that cannot work here: it says cause and fix at once, and goes on where it can."""

from __future__ import annotations

from collections.abc import Iterable

from panther_core.testing import MakeProject
from panther_hookspecs import Need, Provisioner, ProvisionerDescriptor, System, hookimpl

EXPERIMENT = """
name: hosts
network_environment: localhost
test_cases:
  - {name: one, services: {one: {implementation: command, argv: ["true"]}}}
"""


class Cloud(Provisioner):
    def reserve(self) -> System:
        raise AssertionError("nobody should ask: its tool is missing")

    def release(self, system: System) -> None: ...


class CloudPlugin:
    @hookimpl
    def panther_register_provisioners(self) -> Iterable[ProvisionerDescriptor]:
        tool = Need("tool", "no-such-cloud", package="cloud-tools", why="it rents the machines")
        yield ProvisionerDescriptor(name="cloud", summary="Rented", factory=lambda _options: Cloud(), needs=(tool,))


def test_a_provisioner_whose_tool_is_missing_ends_the_run_with_3_or_is_done_without(
    panther_project: MakeProject,
) -> None:
    project = panther_project({"e.yaml": EXPERIMENT}, plugins=[CloudPlugin()])
    why = ("tool no-such-cloud, for cloud", "apt install cloud-tools")
    project.run("run e.yaml --provisioner 'cloud max_workers=9'").assert_exit(3, "no system can run one", *why)
    project.run("run e.yaml --provisioner cloud --provisioner 'local cpus=9999'").assert_exit(
        3, "9999 processors", *why
    )
    outcome = project.run("run e.yaml --provisioner cloud --provisioner local")
    outcome.assert_exit(0, *why)
    outcome.assert_verdicts({"one": "pass"})


def test_how_many_cases_run_at_a_time_is_what_the_provisioners_have(panther_project: MakeProject) -> None:
    outcome = panther_project({"e.yaml": EXPERIMENT}).run("run e.yaml --jobs 2 --provisioner 'local max_workers=7'")
    begun = (each["content"]["metadata"] for each in outcome.events() if each["content"].get("status") == "started")
    assert [each["jobs"] for each in begun if "jobs" in each] == [7]
