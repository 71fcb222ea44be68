"""The dummies call for real processes, write every call down, and fail exactly where they are told to."""

from __future__ import annotations

import pytest

from panther_core.testing import MakeProject, Outcome
from panther_core.testing.conformance.base import registered
from panther_core.testing.dummy import NAME, DummyPlugin

pytest_plugins = ["panther_core.testing.plugin"]

EXPERIMENT = """
name: dummies
protocol: dummy
network_environment: {{type: dummy, {network}}}
execution_environments: [{{type: dummy, services: [client], {instrument}}}]
test_cases:
  - name: talk
    parameters: {{count: 2}}
    services:
      server: {{implementation: dummy}}
      client: {{implementation: dummy, {service}}}
"""


def _run(
    make: MakeProject, plugin: DummyPlugin, *, network: str = "", instrument: str = "", service: str = ""
) -> Outcome:
    text = EXPERIMENT.format(network=network, instrument=instrument, service=service)
    return make({"exp.yaml": text}, plugins=[plugin]).run("run exp.yaml")


def test_the_plugin_brings_one_of_each() -> None:
    kinds = {each.KIND for each in registered(DummyPlugin()) if each.name == NAME}
    assert kinds == {"protocol", "service", "network_environment", "execution_environment"}


def test_calls_are_written_down_in_the_order_of_a_case(panther_project: MakeProject) -> None:
    plugin = DummyPlugin()
    outcome = _run(panther_project, plugin)

    outcome.assert_verdicts({"talk": "pass"})
    assert outcome.text("services/client/stdout") == "talked talked\n"
    assert outcome.measurements()["dummy.calls"] == 5
    network = plugin.calls.methods("network")
    assert network == [
        "preflight",
        "plan_addresses",
        "setup_environment",
        *("start_service", "wait_for_service_ready") * 2,
        "collect",
        "teardown_environment",
        "verify_clean",
    ]
    started = [call.subject for call in plugin.calls.calls if call.method == "start_service"]
    assert started == ["server", "client"]
    assert plugin.calls.methods("instrument") == [
        "check",
        "wrap",
        "start_monitoring",
        "stop_monitoring",
        "get_monitoring_data",
    ]


@pytest.mark.parametrize(
    "method",
    ["preflight", "plan_addresses", "setup_environment", "start_service", "wait_for_service_ready", "collect"],
)
def test_a_network_fails_where_it_is_told_to(panther_project: MakeProject, method: str) -> None:
    plugin = DummyPlugin()
    outcome = _run(panther_project, plugin, network=f"fail_in: {method}")

    outcome.assert_verdicts({"talk": "error"})
    assert f"network.{method} was told to fail" in outcome.cases()[0]["why"]
    torn_down = plugin.calls.methods("network")[-2:] == ["teardown_environment", "verify_clean"]
    assert torn_down == (method != "preflight"), "before addresses are planned there is nothing to take down"


def test_a_network_fails_for_one_service_only(panther_project: MakeProject) -> None:
    plugin = DummyPlugin()
    _run(panther_project, plugin, network="fail_in: start_service, fail_for: client").assert_verdicts({"talk": "error"})
    assert [call.subject for call in plugin.calls.calls if call.method == "start_service"] == ["server", "client"]


@pytest.mark.parametrize("method", ["check", "wrap", "start_monitoring", "stop_monitoring", "get_monitoring_data"])
def test_an_instrument_fails_where_it_is_told_to(panther_project: MakeProject, method: str) -> None:
    outcome = _run(panther_project, DummyPlugin(), instrument=f"fail_in: {method}")
    outcome.assert_verdicts({"talk": "error"})
    assert f"instrument.{method} was told to fail" in outcome.cases()[0]["why"]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"network": "refuse: no room"}, "no room"),
        ({"network": "leftovers: [a spare veth]"}, "a spare veth"),
        ({"instrument": "refuse: too static"}, "too static"),
        ({"instrument": "missing: no profile"}, "no profile"),
    ],
)
def test_problems_of_the_options_reach_the_result(
    panther_project: MakeProject, options: dict[str, str], said: str
) -> None:
    outcome = _run(panther_project, DummyPlugin(), **options)
    outcome.assert_verdicts({"talk": "error"})
    assert said in outcome.cases()[0]["why"]


def test_a_service_may_run_any_program(panther_project: MakeProject) -> None:
    outcome = _run(panther_project, DummyPlugin(), service="argv: [sh, -c, 'echo talked; echo talked; exit 3']")
    assert outcome.cases()[0]["services"]["client"]["code"] == 3


def test_no_word_said_is_no_pass(panther_project: MakeProject) -> None:
    _run(panther_project, DummyPlugin(), service="argv: ['true']").assert_verdicts({"talk": "fail"})
