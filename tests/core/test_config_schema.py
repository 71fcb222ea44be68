"""The JSON schema knows what is installed, finds mistakes, and never refuses a file that is right."""

from __future__ import annotations

import enum
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import attrs
import pytest
from jsonschema import Draft202012Validator
from ruamel.yaml import YAML

from panther_core.config import InvalidConfigurationError, experiment_schema, load_experiment
from panther_core.config.json_types import field_schema, object_schema, schema_of
from panther_core.registry import Registry
from panther_hookspecs import (
    BitRate,
    Bytes,
    ExecutionEnvironmentDescriptor,
    LinkSpec,
    NetworkEnvironmentDescriptor,
    ProtocolDescriptor,
    Readiness,
    Role,
    Seconds,
    ServiceDescriptor,
    Share,
    TestScenario,
    TestTypeDescriptor,
    option,
)


class Level(enum.Enum):
    LOW = "low"
    HIGH = "high"


@attrs.frozen(kw_only=True)
class Options:
    """Options of an implementation."""

    must: str = option(help="Needed.")
    count: int = option(1, help="How many.", validator=[attrs.validators.ge(1), attrs.validators.lt(9)])
    level: Level = option(Level.LOW, help="How much.")
    pause: Seconds | None = option(None, help="Pause.")
    kind: str = option("a", help="Kind.", validator=attrs.validators.in_(("a", "b")))
    code: str = option("x", help="Code.", validator=attrs.validators.matches_re("[a-z]+"))
    args: tuple[str, ...] = option((), help="Arguments.", validator=attrs.validators.max_len(2))
    more: Mapping[str, Options] = option(factory=dict, help="More of the same.")


@attrs.frozen(kw_only=True)
class Parameters:
    size: Bytes = option(Bytes(1), help="Size.")


def never(*_: object) -> Any:
    raise AssertionError("the schema makes nothing")


@pytest.fixture(scope="module")
def registry() -> Registry:
    found = Registry()
    for descriptor in (
        ProtocolDescriptor(
            name="minip",
            summary="Toy",
            roles=(Role(name="server"), Role(name="client", target="server")),
            scenarios=(
                TestScenario(name="ping", summary="Ping", check=lambda _: (), parameters=Parameters),
                TestScenario(name="fuzz", summary="Fuzz", check=lambda _: ()),
            ),
        ),
        ServiceDescriptor(name="full", summary="Full", protocol="minip", options=Options, factory=never),
        ServiceDescriptor(name="bare", summary="Bare", factory=never),
        NetworkEnvironmentDescriptor(
            name="netns", summary="There", factory=never, capabilities=frozenset({"delay", "limits"})
        ),
        ExecutionEnvironmentDescriptor(name="strace", summary="Calls", factory=never),
        TestTypeDescriptor(name="functional", summary="Runs", stages=()),
    ):
        found.add(descriptor)
    return found


@pytest.fixture(scope="module")
def validator(registry: Registry) -> Draft202012Validator:
    schema = experiment_schema(registry)
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(json.loads(json.dumps(schema)))


GOOD = """
name: x
protocol: minip
network_environment: {type: netns, timeout: 5s, resource_limits: {server: {memory: 1GiB}}}
execution_environment: strace
execution_environments: ~
timeout: 30s
seed: 3
expect: [{when: {client: bare}, verdict: [fail, flaky], reason: known}]
links: {"*": {delay: 20ms}}
matrix: {client: [bare, {implementation: full, must: a}], exclude: [{client: bare}], timeout: [1s, 2]}
services: {server: {implementation: full, must: a}}
test_cases:
- name: a
  type: functional
  scenario: ping
  parameters: {size: 3KiB}
  services:
    server: {count: 3, level: high, more: {x: {must: a}}}
    client: {implementation: bare, role: client, target: server, environment: {A: b},
             ready: {kind: log, pattern: x, timeout: 2s}}
  checks: [{exit_code: {service: client}}, {that: "x < 3"}, {log: {service: client, matches: x}}]
  matrix: {timeout: ~}
- {name: b, implementation: bare, timeout: ~, capture: false, labels: [root], type: {type: functional}}
""".replace("execution_environments: ~\n", "")


def data(text: str) -> Any:
    return YAML(typ="safe", pure=True).load(text)


def test_a_file_that_uses_every_key_is_right_for_the_schema_and_for_the_engine(
    tmp_path: Path, registry: Registry, validator: Draft202012Validator
) -> None:
    assert [each.message for each in validator.iter_errors(data(GOOD))] == []
    (tmp_path / "x.yaml").write_text(GOOD)
    assert load_experiment(tmp_path / "x.yaml", registry).resolved()


def test_what_is_written_out_with_every_default_is_right_for_the_schema(
    tmp_path: Path, registry: Registry, validator: Draft202012Validator
) -> None:
    (tmp_path / "x.yaml").write_text(GOOD)
    resolved = load_experiment(tmp_path / "x.yaml", registry).resolved()
    assert [each.message for each in validator.iter_errors(json.loads(json.dumps(resolved)))] == []


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("name: x", "nmae: x"),
        ("name: x", "name: 3"),
        ("seed: 3", "seed: three"),
        ("seed: 3", "seed: -1"),
        ("protocol: minip", "protocol: quic"),
        ("timeout: 30s", "timeout: 30 parsecs"),
        ("timeout: 30s", "timeout: -1"),
        ("type: netns,", "type: nets,"),
        ("timeout: 5s", "tiemout: 5s"),
        ("memory: 1GiB", "memory: 1 gig"),
        ("execution_environment: strace", "execution_environment: [gdb]"),
        ("[fail, flaky]", "[fail, flakey]"),
        ("reason: known", "raeson: known"),
        ("delay: 20ms", "dealy: 20ms"),
        ("delay: 20ms", "loss: 120%"),
        ("timeout: [1s, 2]", "timeout: 1s"),
        ("scenario: ping", "scenario: pang"),
        ("size: 3KiB", "siez: 3KiB"),
        ("size: 3KiB", "size: big"),
        ("implementation: full, must: a}}\ntest", "implementation: full, msut: a}}\ntest"),
        ("b, implementation: bare", "b, implementation: bear"),
        ("role: client", "roll: client"),
        ("kind: log", "kind: logs"),
        ("environment: {A: b}", "environment: {A: 1}"),
        ("exit_code: {service: client}", "exitcode: {service: client}"),
        ("exit_code: {service: client}", "exit_code: {servic: client}"),
        ("labels: [root]", "labels: root"),
        ("capture: false", "capture: maybe"),
        ("- {name: b, ", "- {"),
        ("    client: {", "    1st: {"),
        ("must: a}}\ntest", "must: a, code: x1}}\ntest"),
        ("must: a}}\ntest", "must: a, pause: [1]}}\ntest"),
        ("must: a}}\ntest", "must: a, kind: c}}\ntest"),
        ("must: a}}\ntest", "must: a, code: A}}\ntest"),
        ("must: a}}\ntest", "must: a, level: mid}}\ntest"),
        ("must: a}}\ntest", "must: a, args: x}}\ntest"),
    ],
)
def test_a_planted_mistake_is_found_by_the_schema_and_by_the_engine(
    tmp_path: Path, registry: Registry, validator: Draft202012Validator, old: str, new: str
) -> None:
    assert old in GOOD
    text = GOOD.replace(old, new, 1)
    assert not validator.is_valid(data(text))
    (tmp_path / "x.yaml").write_text(text)
    with pytest.raises(InvalidConfigurationError):
        load_experiment(tmp_path / "x.yaml", registry)


def test_help_texts_summaries_and_defaults_reach_the_editor(registry: Registry) -> None:
    schema = experiment_schema(registry)
    rules = {
        rule["if"]["properties"]["implementation"]["const"]: rule["then"]
        for rule in schema["$defs"]["service"]["anyOf"][1]["allOf"]
    }
    assert rules["full"]["description"] == "Full"
    assert rules["full"]["properties"]["count"] == {
        "type": "integer",
        "minimum": 1,
        "exclusiveMaximum": 9,
        "description": "How many.",
        "default": 1,
    }
    assert rules["full"]["properties"]["level"]["default"] == "low"
    assert rules["full"]["properties"]["role"]["enum"] == ["server", "client"]
    assert schema["properties"]["timeout"]["description"].startswith("Longest time")


def test_an_engine_without_plugins_still_has_a_schema() -> None:
    schema = experiment_schema(Registry())
    Draft202012Validator.check_schema(schema)
    assert not Draft202012Validator(schema).is_valid({"name": "x", "test_cases": []})


@pytest.mark.parametrize(
    ("type_", "good", "bad"),
    [
        (Seconds, [3, 0.5, "20ms", "2 h", "1"], [-1, "x", "20 ms ms", "-1s", None]),
        (Share, [0, 1, "1%"], [1.5, "x"]),
        (BitRate, ["10Mbit", 5], ["10MB"]),
        (int | None, [1, None], ["1", 1.5]),
        (tuple[int, str], [[1, "a"]], [[1], ["a", 1], [1, "a", 2]]),
        (frozenset[str], [["a"]], [["a", "a"], "a"]),
        (Literal["a", 1], ["a", 1], ["b"]),
        (Mapping[str, int], [{"a": 1}], [{"a": "b"}, []]),
        (Level, ["low"], ["LOW"]),
        (Any, [1, None, {}], []),
        (
            Readiness,
            [{"kind": "command", "command": {"command": "x", "args": ["y"]}}],
            [{"kind": "x"}, {"command": {"args": []}}],
        ),
        (LinkSpec, [{}, {"rate": "1Gbit"}], [{"rate": "fast"}, {"lost": 1}]),
    ],
)
def test_types_accept_what_the_engine_accepts(type_: Any, good: list[Any], bad: list[Any]) -> None:
    checker = Draft202012Validator(schema_of(type_))
    assert [each for each in good if not checker.is_valid(each)] == []
    assert [each for each in bad if checker.is_valid(each)] == []


def test_a_class_inside_itself_ends(registry: Registry) -> None:
    schema = object_schema(Options)
    assert schema["required"] == ["must"]
    assert schema["properties"]["more"]["additionalProperties"] == {}
    assert field_schema(attrs.fields(Options).args)["maxItems"] == 2
