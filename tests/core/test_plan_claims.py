"""What services claim settles what a scenario leaves open; a scenario's own links and capture are defaults."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import attrs
import pytest
from ruamel.yaml import YAML

from panther_core.config import ExperimentConfig, InvalidConfigurationError, load_experiment
from panther_core.plan import PlannedCase, left_out, plan_cases
from panther_core.registry import Registry
from panther_hookspecs import (
    BitRate,
    LinkSpec,
    Need,
    NetworkEnvironmentDescriptor,
    ProtocolDescriptor,
    Role,
    Seconds,
    ServiceDescriptor,
    Share,
    TestScenario,
    TestTypeDescriptor,
    option,
)


@attrs.frozen(kw_only=True)
class Parameters:
    encoding: str = option("auto", prefer=("plain", "packed"), help="Encoding.")


@attrs.frozen(kw_only=True)
class Needy:
    image: str = option(help="What it cannot do without.")


def never(*_: object) -> Any:
    raise AssertionError("planning makes nothing")


def service(name: str, claims: dict[str, tuple[str, ...]], needs: tuple[Need, ...] = ()) -> ServiceDescriptor:
    both = {role: {"encoding": claims[role]} for role in claims}
    return ServiceDescriptor(name=name, summary=name, protocol="chat", factory=never, claims=both, needs=needs)


@pytest.fixture(scope="module")
def registry() -> Registry:
    found = Registry()
    slow = LinkSpec(delay=Seconds(0.75), loss=Share(0.5))
    for descriptor in (
        ProtocolDescriptor(
            name="chat",
            summary="Chat",
            roles=(Role(name="server"), Role(name="client", target="server")),
            scenarios=(
                TestScenario(name="talk", summary="Talk", check=never, parameters=Parameters),
                TestScenario(name="far", summary="Far", check=never, links={"client-server": slow}, capture=True),
            ),
        ),
        service("both", dict.fromkeys(("server", "client"), ("packed", "plain"))),
        service("packed-only", dict.fromkeys(("server", "client"), ("packed",))),
        service("plain-server", {"server": ("plain",), "client": ()}),
        service("open", {}),
        service("absent", {}, (Need("tool", "no-such-program-anywhere", package="absent"),)),
        ServiceDescriptor(name="needy", summary="needy", protocol="chat", factory=never, options=Needy),
        NetworkEnvironmentDescriptor(
            name="wide",
            summary="Can all",
            factory=never,
            capabilities=frozenset({"delay", "loss", "rate", "capture"}),
        ),
        NetworkEnvironmentDescriptor(name="bare", summary="Can nothing", factory=never),
        TestTypeDescriptor(name="functional", summary="Functional", stages=()),
    ):
        found.add(descriptor)
    return found


def load(folder: Path, registry: Registry, text: str) -> ExperimentConfig:
    file = folder / "experiment.yaml"
    file.write_text("name: e\nprotocol: chat\nnetwork_environment: wide\n" + text)
    return load_experiment(file, registry)


def plan(folder: Path, registry: Registry, text: str) -> list[PlannedCase]:
    return list(plan_cases(load(folder, registry, text), registry))


@pytest.mark.parametrize(
    ("server", "client", "settled"),
    [("both", "both", "plain"), ("both", "packed-only", "packed"), ("open", "open", "plain")],
)
def test_auto_becomes_the_most_welcome_value_that_all_services_claim(
    tmp_path: Path, registry: Registry, server: str, client: str, settled: str
) -> None:
    (case,) = plan(tmp_path, registry, f"test_cases: [{{name: t, services: {{server: {server}, client: {client}}}}}]")
    assert (case.parameters.encoding, case.unsupported) == (settled, "")


def test_services_without_a_common_value_are_unsupported_with_what_each_has(tmp_path: Path, registry: Registry) -> None:
    (case,) = plan(tmp_path, registry, "test_cases: [{name: t, services: {server: plain-server, client: packed-only}}]")
    assert case.unsupported == (
        "there is no encoding that all claim: plain-server as server has plain, packed-only as client has packed"
    )


def test_a_value_that_a_service_does_not_claim_is_unsupported_where_it_is_an_axis(
    tmp_path: Path, registry: Registry
) -> None:
    cases = plan(
        tmp_path,
        registry,
        "test_cases: [{name: t, services: {client: both}, "
        "matrix: {server: [both, packed-only], parameters.encoding: [plain, packed]}}]",
    )
    assert [case.unsupported for case in cases] == ["", "", "packed-only does not claim encoding plain as server", ""]


def test_a_settled_value_is_the_same_case_as_the_written_one(tmp_path: Path, registry: Registry) -> None:
    text = "test_cases: [{name: t, services: {server: both, client: both}, parameters: {encoding: %s}}]"
    auto, written = (plan(tmp_path, registry, text % value)[0].case_id for value in ("auto", "plain"))
    assert auto == written


def test_the_links_of_a_scenario_hold_unless_the_case_says_otherwise_field_by_field(
    tmp_path: Path, registry: Registry
) -> None:
    text = "test_cases: [{name: t, scenario: far, services: {server: open, client: open}%s}]"
    (plain,) = plan(tmp_path, registry, text % "")
    (changed,) = plan(tmp_path, registry, text % ", links: {server-client: {loss: 0, rate: 1Mbit}}")
    assert plain.links == {"client-server": LinkSpec(delay=Seconds(0.75), loss=Share(0.5))}
    (spec,) = changed.links.values()
    assert list(changed.links) == ["server-client"]
    assert spec == LinkSpec(delay=Seconds(0.75), rate=BitRate(1e6))
    assert plain.case_id != changed.case_id


def test_a_scenario_whose_links_an_environment_cannot_do_is_unsupported_there(
    tmp_path: Path, registry: Registry
) -> None:
    (case,) = plan(
        tmp_path,
        registry,
        "test_cases: [{name: t, scenario: far, network_environment: bare, services: {server: open, client: open}}]",
    )
    assert case.unsupported.startswith("bare cannot do delay, which far needs (environments that can: wide)")


def test_packets_are_recorded_for_a_scenario_that_needs_them_unless_the_case_forbids(
    tmp_path: Path, registry: Registry
) -> None:
    text = "test_cases: [{name: t, scenario: %s, services: {server: open, client: open}%s}]"
    asked = [("far", ""), ("far", ", capture: false"), ("talk", ""), ("talk", ", capture: true")]
    seen = [plan(tmp_path, registry, text % each)[0].capture for each in asked]
    assert seen == [True, False, False, True]


@pytest.mark.parametrize("scenario", ["far", "talk"])
def test_the_resolved_experiment_gives_the_same_cases(tmp_path: Path, registry: Registry, scenario: str) -> None:
    text = f"test_cases: [{{name: t, scenario: {scenario}, services: {{server: both, client: both}}}}]"
    config = load(tmp_path, registry, text)
    again = tmp_path / "again.yaml"
    with again.open("w") as file:
        YAML(typ="safe").dump(config.resolved(registry), file)
    first, second = (list(plan_cases(each, registry)) for each in (config, load_experiment(again, registry)))
    assert [(each.case_id, each.capture) for each in first] == [(each.case_id, each.capture) for each in second]


def test_every_implementation_means_every_one_that_is_ready_here(tmp_path: Path, registry: Registry) -> None:
    config = load(tmp_path, registry, "test_cases: [{name: t, services: {client: open}, matrix: {server: '*'}}]")
    servers = [case.cell["server"] for case in plan_cases(config, registry)]
    assert "open" in servers
    assert "absent" not in servers
    assert "needy" not in servers  # it would have to be told something
    assert left_out(config, registry) == ("absent",)


def test_a_named_implementation_that_is_not_ready_is_planned(tmp_path: Path, registry: Registry) -> None:
    (case,) = plan(tmp_path, registry, "test_cases: [{name: t, services: {server: absent, client: open}}]")
    assert (case.services[0].descriptor.name, case.unsupported) == ("absent", "")


def test_a_parameter_takes_no_other_value_than_those_it_prefers(tmp_path: Path, registry: Registry) -> None:
    with pytest.raises(InvalidConfigurationError, match="encoding"):
        plan(
            tmp_path,
            registry,
            "test_cases: [{name: t, services: {server: open, client: open}, parameters: {encoding: odd}}]",
        )
