"""The JSON schema of experiment files, with the options of everything that is installed.

It never refuses a file that is right: what defaults or the matrix may still add is not required, and names
that depend on another part of the file are checked by ``panther validate`` alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from panther_core.checks import CHECK_KINDS
from panther_core.config.json_types import Schema, any_of, field_schema, object_schema, properties_of, schema_of
from panther_core.config.models import SERVICE_NAME, ExperimentConfig, TestCaseConfig
from panther_core.config.sections import (
    DiscoveryConfig,
    ExecutionEnvironmentConfig,
    NetworkEnvironmentConfig,
    ObserverConfig,
    ProvisionerConfig,
    ServiceConfig,
    TestTypeConfig,
)
from panther_core.config.structure import fields_of
from panther_core.registry import Registry
from panther_hookspecs import (
    Descriptor,
    DiscoveryDescriptor,
    ExecutionEnvironmentDescriptor,
    LinkSpec,
    NetworkEnvironmentDescriptor,
    ObserverDescriptor,
    ProtocolDescriptor,
    ProvisionerDescriptor,
    ServiceDescriptor,
    TestTypeDescriptor,
    Verdict,
)

_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_SECTIONS: Mapping[str, tuple[type[Descriptor], type[Any], str]] = {
    "network_environment": (NetworkEnvironmentDescriptor, NetworkEnvironmentConfig, "type"),
    "execution_environment": (ExecutionEnvironmentDescriptor, ExecutionEnvironmentConfig, "type"),
    "type": (TestTypeDescriptor, TestTypeConfig, "type"),
    "service": (ServiceDescriptor, ServiceConfig, "implementation"),
    "observer": (ObserverDescriptor, ObserverConfig, "type"),
    "provisioner": (ProvisionerDescriptor, ProvisionerConfig, "type"),
    "discovery": (DiscoveryDescriptor, DiscoveryConfig, "type"),
}


def experiment_schema(registry: Registry) -> dict[str, Any]:
    """Return the JSON schema (2020-12) of experiment files for the plugins of ``registry``."""
    case = _case_properties(registry)
    fields = fields_of(ExperimentConfig)
    own = {key: field_schema(fields[key]) for key in ("name", "description", "seed")}
    defaults = {key: schema for key, schema in case.items() if key not in ("name", "description")}
    return {
        "$schema": _DIALECT,
        "title": "PANTHER experiment",
        "description": "An experiment. Every key of a test case may stand at the top level as a default for all.",
        "type": "object",
        "properties": {
            **own,
            **defaults,
            "observers": _many(fields["observers"].metadata["help"], "observer"),
            "provisioners": _many(fields["provisioners"].metadata["help"], "provisioner"),
            "discover": _many(fields["discover"].metadata["help"], "discovery"),
            "test_cases": {
                "type": "array",
                "minItems": 1,
                "items": {"$ref": "#/$defs/test_case"},
                "description": fields["test_cases"].metadata["help"],
            },
        },
        "required": ["name"],
        "anyOf": [{"required": ["test_cases"]}, {"required": ["discover"]}],
        "additionalProperties": False,
        **_parameters(registry),
        "$defs": {
            **{name: _section(registry, *each) for name, each in _SECTIONS.items()},
            "test_case": {
                "type": "object",
                "properties": _removable(case),
                "required": ["name"],
                "additionalProperties": False,
                **_parameters(registry),
            },
            "check": _check(),
            "verdict": {"enum": [each.value for each in Verdict]},
            "matrix": _matrix(),
        },
    }


def _case_properties(registry: Registry) -> Schema:
    fields = fields_of(TestCaseConfig)
    found = properties_of(TestCaseConfig)
    protocols = registry.all(ProtocolDescriptor)
    special: Schema = {
        "type": {"$ref": "#/$defs/type"},
        "protocol": {"enum": [each.name for each in protocols]},
        "scenario": {"enum": _unique(scenario.name for each in protocols for scenario in each.scenarios)},
        "parameters": {"type": "object"},
        "implementation": {"enum": list(registry.names(ServiceDescriptor))},
        "services": {
            "type": "object",
            "propertyNames": {"pattern": f"^{SERVICE_NAME}$"},
            "additionalProperties": {"$ref": "#/$defs/service"},
        },
        "network_environment": {"$ref": "#/$defs/network_environment"},
        "execution_environments": _many("", "execution_environment", alone=True),
        "checks": {"type": "array", "items": {"$ref": "#/$defs/check"}},
        "expect": _expect(),
        "links": {"type": "object", "additionalProperties": object_schema(LinkSpec)},
        "matrix": {"$ref": "#/$defs/matrix"},
    }
    for key, schema in special.items():
        found[key] = {**schema, "description": fields[key].metadata["help"]}
    found["execution_environment"] = {
        **found["execution_environments"],
        "description": "Same as execution_environments.",
    }
    return found


def _removable(properties: Schema) -> Schema:
    """Return the keys of a test case, which may be empty to take a default away."""
    return {
        key: schema
        if key == "name"
        else {"anyOf": [schema, {"type": "null"}], "description": schema.get("description", "")}
        for key, schema in properties.items()
    }


def _unique(names: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(names))


def _many(description: str, section: str, *, alone: bool = False) -> Schema:
    reference = {"$ref": f"#/$defs/{section}"}
    array: Schema = {"type": "array", "items": reference}
    return {**(any_of([reference, array]) if alone else array), "description": description}


def _section(registry: Registry, kind: type[Descriptor], config: type[Any], name_key: str) -> Schema:
    """Return the schema of a section: a plugin's name alone, or a mapping with the plugin's keys in it."""
    names = list(registry.names(kind))
    described = {"enum": names, "description": f"Name of the {kind.KIND.replace('_', ' ')}."}
    own = {**properties_of(config), name_key: described}
    rules = [
        {
            "if": {"properties": {name_key: {"const": each.name}}, "required": [name_key]},
            "then": {
                "properties": {**_options(each), **own, **_role(registry, each)},
                "additionalProperties": False,
                "description": each.summary,
            },
        }
        for each in registry.all(kind)
    ]
    mapping: Schema = {"type": "object", "properties": own, **({"allOf": rules} if rules else {})}
    return {"anyOf": [{"enum": names}, mapping]}


def _options(descriptor: Descriptor) -> Schema:
    try:
        return properties_of(descriptor.options)
    except Exception as error:  # noqa: BLE001 - a plugin's own class may be broken in any way; its section stays open
        return {"*": {"description": f"the options cannot be read: {type(error).__name__}: {error}"}}


def _role(registry: Registry, descriptor: Descriptor) -> Schema:
    """Return the roles of the protocol that an implementation speaks."""
    speaks = descriptor.protocol if isinstance(descriptor, ServiceDescriptor) else ""
    roles = [role.name for each in registry.all(ProtocolDescriptor) if each.name == speaks for role in each.roles]
    return {"role": {"enum": roles, "description": "Role in the protocol."}} if roles else {}


def _parameters(registry: Registry) -> Schema:
    """Return the rules that bind the parameters to the scenario, if there are any."""
    by_name: dict[str, list[Schema]] = {}
    for protocol in registry.all(ProtocolDescriptor):
        for scenario in protocol.scenarios:
            schema = {key: value for key, value in object_schema(scenario.parameters).items() if key != "required"}
            by_name.setdefault(scenario.name, []).append({**schema, "description": scenario.summary})
    rules = [
        {
            "if": {"properties": {"scenario": {"const": name}}, "required": ["scenario"]},
            "then": {"properties": {"parameters": {"anyOf": [*schemas, {"type": "null"}]}}},
        }
        for name, schemas in by_name.items()
    ]
    return {"allOf": rules} if rules else {}


def _check() -> Schema:
    kinds: Schema = {}
    for kind, class_ in CHECK_KINDS.items():
        fields = fields_of(class_)
        first = next(iter(fields.values()))
        alone = all(field.default is not first.default for field in list(fields.values())[1:])
        schema = object_schema(class_)
        kinds[kind] = any_of([schema, schema_of(first.type)]) if alone else schema
        kinds[kind]["description"] = (class_.__doc__ or "").strip().splitlines()[0]
    only = {"additionalProperties": False, "minProperties": 1, "maxProperties": 1}
    return {"type": "object", "properties": kinds, **only}


def _expect() -> Schema:
    verdict = {"$ref": "#/$defs/verdict"}
    verdicts: Schema = {"anyOf": [verdict, {"type": "array", "items": verdict, "minItems": 1}]}
    rule: Schema = {
        "type": "object",
        "required": ["verdict"],
        "additionalProperties": False,
        "properties": {
            "when": {"type": "object", "description": "Values of axes, services or other names of a cell."},
            "verdict": verdicts,
            "reason": {"type": "string", "description": "Why, for reports."},
        },
    }
    return {"anyOf": [*verdicts["anyOf"], {"type": "array", "items": rule, "minItems": 1}]}


def _matrix() -> Schema:
    cells: Schema = {"type": "array", "items": {"type": "object", "minProperties": 1}}
    return {
        "type": "object",
        "properties": {
            "exclude": {**cells, "description": "Combinations of values to leave out."},
            "include": {**cells, "description": "Cells to add."},
        },
        "additionalProperties": {"anyOf": [{"type": "array", "minItems": 1}, {"const": "*"}, {"type": "null"}]},
        "description": "Axes: services or key paths of the test case, each with a list of values or * for all.",
    }
