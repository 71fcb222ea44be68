"""Any program as a service: what the experiment says is what the plan has."""

from __future__ import annotations

import signal
from collections.abc import Mapping
from typing import Any, ClassVar

import attrs
import pytest
from panther_service_command.manager import CommandManager, CommandOptions

from panther_core.testing import MakeProject
from panther_core.testing.conformance import ServiceConformance
from panther_hookspecs import Seconds, ServiceContext, ServicePlan


class TestConformance(ServiceConformance):
    """What every implementation must keep."""

    plugin = "panther_service_command.plugin"
    options: ClassVar[Mapping[str, Any]] = {"argv": ("sleep", "1")}


def _plan(role: str = "", **options: Any) -> ServicePlan:
    made = CommandOptions(**{"argv": ("echo", "{server.ip}"), **options})
    return CommandManager(made).plan(ServiceContext(name="one", role=role, options=made))


def test_the_arguments_reach_the_program_one_by_one_with_their_placeholders() -> None:
    plan = _plan(argv=("echo", "a b", "{server.ip}", "$HOME"))
    assert plan.run.argv == ("echo", "a b", "{server.ip}", "$HOME")


@pytest.mark.parametrize(
    ("role", "said", "ends"),
    [("", None, True), ("client", None, True), ("server", None, False), ("server", True, True), ("", False, False)],
)
def test_only_a_server_is_stopped_unless_the_experiment_says_otherwise(
    role: str, said: bool | None, ends: bool
) -> None:
    assert _plan(role, ends_by_itself=said).ends_by_itself is ends


@pytest.mark.parametrize("name", ["SIGINT", "INT"])
def test_the_stop_signal_has_a_name_with_or_without_sig(name: str) -> None:
    assert _plan(stop_signal=name, stop_grace=Seconds(7)).stop_signal == signal.SIGINT


def test_an_unknown_signal_is_refused_with_an_example() -> None:
    with pytest.raises(ValueError, match=r"name of a signal, for example SIGINT, got 'SIGNOTHING'"):
        CommandOptions(argv=("true",), stop_signal="SIGNOTHING")


@pytest.mark.parametrize(
    "options", [{"argv": ()}, {"argv": ("true",), "pre_run": ((),)}, {"argv": ("true",), "runtime": "java"}]
)
def test_what_cannot_be_run_is_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - the wording is that of attrs
        CommandOptions(**options)


def test_files_outputs_and_phases_are_planned() -> None:
    plan = _plan(
        files={"etc/app.conf": "größe = 1\n"},
        outputs={"*.log": "log"},
        pre_run=(("mkdir", "www"),),
        post_run=(("rm", "-r", "www"), ("true",)),
        runtime="python",
    )
    assert plan.files == {"etc/app.conf": "größe = 1\n".encode()}
    assert [attrs.astuple(each) for each in plan.outputs] == [("*.log", "log", True)]
    assert [each.argv for each in plan.pre_run] == [("mkdir", "www")]
    assert [each.argv for each in plan.post_run] == [("rm", "-r", "www"), ("true",)]
    assert plan.runtime == "python"


def test_a_number_alone_needs_the_programs_to_end_well_too(panther_project: MakeProject) -> None:
    project = panther_project(
        {
            "numbers.yaml": """
name: numbers
network_environment: localhost
test_cases:
  - name: good
    services: {one: {implementation: command, argv: ["true"]}}
    checks: [{that: one.cpu_seconds >= 0}]
  - name: bad
    services: {one: {implementation: command, argv: ["false"]}}
    checks: [{that: one.cpu_seconds >= 0}]
    expect: fail
"""
        }
    )
    assert "1 pass, 1 fail, all as expected" in project.run("run numbers.yaml").stdout
