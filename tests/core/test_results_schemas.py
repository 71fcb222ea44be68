"""The documented formats are those of real runs, field by field."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import attrs
import jsonschema
import pytest
from ruamel.yaml import YAML

from panther_core.results.schemas import RECORDS, record_schema
from panther_core.run.record import FORMAT
from panther_core.testing import MakeProject
from panther_hookspecs import Artifact, CheckResult, Finding, Measurement, Message, Usage, Verdict

EXPERIMENT = """
name: all
protocol: minip
network_environment: localhost
implementation: ping-pong-py
test_cases:
  - {name: good, scenario: ping, execution_environments: [strace]}
  - {name: liar, scenario: ping, retry_count: 1, services: {server: {variant: fail}}}
  - {name: gone, scenario: ping, services: {server: {implementation: command, argv: ["/nonexistent"]}}}
"""


@pytest.mark.parametrize("name", RECORDS)
def test_every_schema_is_one_and_says_what_each_field_is(name: str) -> None:
    schema = record_schema(name)
    jsonschema.Draft202012Validator.check_schema(schema)
    pending = [schema]
    while pending:
        each = pending.pop()
        assert each.get("description") or "properties" not in each
        inner = [*each.get("properties", {}).values(), each.get("items"), each.get("additionalProperties")]
        assert all(field.get("description") for field in each.get("properties", {}).values())
        pending += [field for field in inner if isinstance(field, dict)]


def test_every_line_of_a_real_run_is_as_documented(panther_project: MakeProject) -> None:
    project = panther_project({"all.yaml": EXPERIMENT})
    run = project.run("run all.yaml").run
    for name, files in (
        ("result", ["results.jsonl"]),
        ("event", ["events.jsonl"]),
        ("message", sorted(_messages(run))),
    ):
        validator = jsonschema.Draft202012Validator(record_schema(name))
        lines = [line for file in files for line in (run / file).read_text().splitlines()]
        assert lines
        for line in lines:
            validator.validate(json.loads(line))
    verdicts = [json.loads(line)["verdict"] for line in (run / "results.jsonl").read_text().splitlines()]
    assert sorted(set(verdicts)) == ["error", "fail", "pass"]
    project.run("schema --output schema.json").assert_exit(0)
    project.run(f"validate {run / 'resolved.yaml'}").assert_exit(0)
    resolved = json.loads(json.dumps(YAML(typ="safe").load(run / "resolved.yaml")))
    jsonschema.validate(resolved, json.loads((project.folder / "schema.json").read_text()))


def _messages(run: Path) -> list[str]:
    return [str(each.relative_to(run)) for each in run.glob("cases/*/*/messages.jsonl")]


def test_the_schemas_know_the_values_of_the_contract() -> None:
    fields = record_schema("result")["properties"]
    assert fields["v"]["const"] == FORMAT
    assert fields["verdict"]["enum"] == [each.value for each in Verdict]
    for name, value in (
        ("findings", Finding),
        ("artifacts", Artifact),
        ("checks", CheckResult),
        ("measurements", Measurement),
    ):
        assert _names(fields[name]["items"]) == _fields(value)
    assert _names(fields["services"]["additionalProperties"]["properties"]["usage"]) == _fields(Usage)
    assert _names(record_schema("message")) == _fields(Message)


def _names(schema: dict[str, Any]) -> list[str]:
    return list(schema["properties"])


def _fields(value: type[Any]) -> list[str]:
    return [each.name for each in attrs.fields(value)]
