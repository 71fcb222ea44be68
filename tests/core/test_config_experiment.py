"""Experiments from files and from Python: typed, checked alike, written out, and never a traceback."""

from __future__ import annotations

import subprocess
import sys
from itertools import islice
from pathlib import Path
from typing import Any

import attrs
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some

from panther_core.config import (
    ExperimentConfig,
    GlobalConfig,
    InvalidConfigurationError,
    NetworkEnvironmentConfig,
    ServiceConfig,
    TestCaseConfig,
    load_experiment,
)
from panther_core.config.tree import Mark, Source, from_plain
from panther_core.plan import chosen_observers, plan_cases
from panther_core.plan.experiment import checked_experiment
from panther_core.registry import Registry
from panther_hookspecs import (
    ConfigurationException,
    ExecutionEnvironmentDescriptor,
    ExecutionEnvironmentOptions,
    NetworkEnvironmentDescriptor,
    NoOptions,
    ObserverDescriptor,
    ProtocolDescriptor,
    Role,
    Seconds,
    ServiceDescriptor,
    TestScenario,
    TestTypeDescriptor,
    option,
)


@attrs.frozen(kw_only=True)
class Options:
    variant: str = option("plain", help="Variant.", validator=attrs.validators.in_(("plain", "random")))
    count: int = option(1, help="How many.", validator=attrs.validators.ge(1))
    pause: Seconds = option(Seconds(0), help="Pause.")
    args: tuple[str, ...] = option((), help="Arguments.")


@attrs.frozen(kw_only=True)
class Parameters:
    count: int = option(1, help="How many.")


def never(*_: object) -> Any:
    raise AssertionError("planning makes nothing")


@pytest.fixture(scope="module")
def registry() -> Registry:
    found = Registry()
    scenarios = (
        TestScenario(name="ping", summary="Ping", check=lambda _: (), parameters=Parameters),
        TestScenario(name="fuzz", summary="Fuzz", check=lambda _: ()),
    )
    roles = (Role(name="server"), Role(name="client", target="server"))
    for descriptor in (
        ProtocolDescriptor(name="minip", summary="Toy", roles=roles, scenarios=scenarios),
        ProtocolDescriptor(
            name="chat", summary="Other", roles=(Role(name="peer", target="peer"),), scenarios=scenarios
        ),
        ServiceDescriptor(
            name="pong",
            summary="Does all",
            protocol="minip",
            roles=("server", "client"),
            versions=("1", "2"),
            options=Options,
            factory=never,
        ),
        ServiceDescriptor(name="talker", summary="Chats", protocol="chat", factory=never),
        ServiceDescriptor(name="any", summary="Anything", factory=never),
        NetworkEnvironmentDescriptor(name="localhost", summary="Here", factory=never),
        NetworkEnvironmentDescriptor(
            name="netns",
            summary="Namespaces",
            factory=never,
            capabilities=frozenset({"delay", "loss", "capture", "ipv6", "limits"}),
        ),
        ExecutionEnvironmentDescriptor(name="strace", summary="Calls", factory=never),
        ExecutionEnvironmentDescriptor(
            name="helgrind",
            summary="Races",
            factory=never,
            excludes={"strace": "both need ptrace"},
            options=ExecutionEnvironmentOptions,
        ),
        TestTypeDescriptor(name="functional", summary="Runs", stages=()),
        ObserverDescriptor(name="storage", summary="Stores", factory=never, default=True),
        ObserverDescriptor(name="trace", summary="Traces", factory=never),
    ):
        found.add(descriptor)
    return found


HEAD = "name: x\nprotocol: minip\nnetwork_environment: localhost\n"
CASE = "test_cases:\n- name: a\n  services:\n    server: pong\n    client: pong\n"


def test_a_correct_file_has_no_errors_and_its_values_are_typed(tmp_path: Path, registry: Registry) -> None:
    path = tmp_path / "x.yaml"
    path.write_text(HEAD + "timeout: 5s\nexecution_environment: strace\n" + CASE)
    config = load_experiment(path, registry)
    assert config.test_cases[0].timeout == Seconds(5)
    assert config.test_cases[0].services["server"] == ServiceConfig(implementation="pong")
    assert config.test_cases[0].execution_environments == config.execution_environments
    assert config.network_environment == NetworkEnvironmentConfig(type="localhost")


def test_values_from_the_command_line_take_the_type_that_is_wanted(tmp_path: Path, registry: Registry) -> None:
    path = tmp_path / "x.yaml"
    path.write_text(HEAD + CASE)
    config = load_experiment(
        path,
        registry,
        sets=(
            "seed=7",
            "repeat=2",
            "test_cases.0.services.client.version=2",
            "test_cases.a.capture=false",
            "timeout=3",
        ),
    )
    assert (config.seed, config.test_cases[0].services["client"].version, config.test_cases[0].timeout) == (
        7,
        "2",
        Seconds(3),
    )
    again = load_experiment(path, registry, sets=("seed=8", "repeat=2"))
    assert [case.repetition for case in plan_cases(config, registry)] == [1, 2]
    assert next(plan_cases(config, registry)).seed != next(plan_cases(again, registry)).seed


def test_experiments_made_in_python_are_checked_alike(registry: Registry) -> None:
    good = ExperimentConfig(
        name="x",
        protocol="minip",
        network_environment=NetworkEnvironmentConfig(type="localhost"),
        test_cases=[TestCaseConfig(name="a", implementation="pong", parameters={"count": 3}, timeout=5, retry_count=1)],
    )
    assert good.validate(registry)
    case = next(plan_cases(good, registry))
    assert ([each.name for each in case.services], case.timeout, case.retry_count) == (["server", "client"], 5.0, 1)
    bad = attrs.evolve(good, test_cases=[TestCaseConfig(name="a", implementation="pung", parameters={"cuont": 3})])
    with pytest.raises(ConfigurationException) as caught:
        bad.validate(registry)
    unknown, option_of = (
        line.removeprefix("ExperimentConfig('x'): error: ") for line in str(caught.value).splitlines()
    )
    assert unknown.startswith("test_cases[0].implementation: no service 'pung' - did you mean 'pong'?")
    assert option_of.startswith("test_cases[0].parameters.cuont: unknown key 'cuont' - did you mean 'count'?")


def test_a_test_case_made_in_python_can_be_written_out(registry: Registry) -> None:
    case = TestCaseConfig(name="a", implementation="pong", parameters={"count": 3}, timeout=30, retry_count=2)
    written = case.to_dict()
    assert written["name"] == "a"
    assert written["timeout"] == 30
    assert written["type"] == {"type": "functional"}
    assert TestCaseConfig(**written) == case


def test_changing_a_loaded_experiment_changes_what_is_planned(tmp_path: Path, registry: Registry) -> None:
    path = tmp_path / "x.yaml"
    path.write_text(HEAD + "timeout: 5s\n" + CASE)
    changed = attrs.evolve(load_experiment(path, registry), network_environment="netns", name="y")
    assert changed.tree is None
    assert next(plan_cases(changed, registry)).timeout == 5


def test_the_chosen_observers_are_the_defaults_unless_the_file_says_otherwise(
    tmp_path: Path, registry: Registry
) -> None:
    path = tmp_path / "x.yaml"
    for line, expected in (
        ("", ["storage"]),
        ("observers: [trace]\n", ["storage", "trace"]),
        ("observers: [{type: storage, enabled: false}]\n", []),
    ):
        path.write_text(HEAD + line + CASE)
        chosen = chosen_observers(load_experiment(path, registry), registry)
        assert [descriptor.name for descriptor, _ in chosen] == expected
        assert all(isinstance(options, NoOptions) for _, options in chosen)


def test_the_global_configuration_is_strict_too(tmp_path: Path) -> None:
    path = tmp_path / "panther.yaml"
    path.write_text("paths: {output_dir: out}\nplugins: {block: [x]}\n")
    assert GlobalConfig.load(path).paths == {"output_dir": "out"}
    path.write_text("pathes: {}\npaths: {a: 1}\n")
    with pytest.raises(ConfigurationException) as caught:
        GlobalConfig.load(str(path))
    assert "did you mean 'paths'?" in str(caught.value)
    assert f"{path}:2:12: error: paths.a: expected a text, got 1 - quote it: '1'" in str(caught.value)


WORDS = (
    "name",
    "protocol",
    "minip",
    "network_environment",
    "localhost",
    "test_cases",
    "services",
    "server",
    "client",
    "pong",
    "any",
    "implementation",
    "role",
    "matrix",
    "exclude",
    "include",
    "expect",
    "when",
    "verdict",
    "links",
    "checks",
    "that",
    "execution_environments",
    "strace",
    "type",
    "scenario",
    "parameters",
    "ready",
    "*",
    "a-b",
    "timeout",
    "5s",
    "repeat",
    "",
)
LEAVES = some.one_of(
    some.sampled_from(WORDS), some.integers(-2, 3), some.booleans(), some.none(), some.floats(), some.text(max_size=3)
)
TREES = some.recursive(
    LEAVES,
    lambda inner: some.one_of(
        some.lists(inner, max_size=3), some.dictionaries(some.sampled_from(WORDS), inner, max_size=4)
    ),
    max_leaves=12,
)
KEYS = (
    "name",
    "protocol",
    "network_environment",
    "execution_environments",
    "seed",
    "timeout",
    "matrix",
    "observers",
    "expect",
    "checks",
    "links",
    "type",
    "services",
    "scenario",
    "parameters",
    "labels",
    "repeat",
    "implementation",
    "capture",
)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    outer=some.dictionaries(some.sampled_from(KEYS), TREES, max_size=3),
    case=some.dictionaries(some.sampled_from(KEYS), TREES, max_size=4),
)
def test_any_content_gives_a_config_or_diagnostics(
    registry: Registry, outer: dict[str, object], case: dict[str, object]
) -> None:
    base = {"name": "x", "protocol": "minip", "network_environment": "localhost"}
    usual = {"name": "a", "services": {"server": "pong", "client": "pong"}}
    tree = from_plain({**base, **outer, "test_cases": [{**usual, **case}]}, Mark(Source("generated")))
    try:
        config = checked_experiment(tree, registry)
    except InvalidConfigurationError as error:
        told = str(error)
    else:
        again = checked_experiment(from_plain(config.resolved(), Mark(Source("resolved"))), registry)
        some_ids = [case.case_id for case in islice(plan_cases(config, registry), 9)]
        assert [case.case_id for case in islice(plan_cases(again, registry), 9)] == some_ids
        assert len(set(some_ids)) == len(some_ids)
        told = some_ids[0]
    assert told


def test_importing_the_engine_loads_neither_yaml_nor_cattrs() -> None:
    code = "import sys, panther_core; print([name for name in ('ruamel.yaml', 'cattrs') if name in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
