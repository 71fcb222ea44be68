"""JSON schema of types: the same rules as the strict structuring, as far as a schema can say them."""

from __future__ import annotations

import enum
import json
import types
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin

import attrs

from panther_core.config.structure import REST, fields_of
from panther_hookspecs import Lapse, Quantity, Share

Schema = dict[str, Any]

_SCALARS: Mapping[Any, Schema] = {
    bool: {"type": "boolean"},
    int: {"type": "integer"},
    float: {"type": "number"},
    str: {"type": "string"},
    Path: {"type": "string"},
    type(None): {"type": "null"},
}
_SHARE = r"^\s*\+?((0*100(\.0+)?|0*\d{1,2}(\.\d+)?)\s*%|0+(\.\d+)?|0*1(\.0+)?)\s*$"
_BOUNDS: Mapping[str, str] = {">=": "minimum", ">": "exclusiveMinimum", "<=": "maximum", "<": "exclusiveMaximum"}


def schema_of(type_: Any, above: tuple[type[Any], ...] = ()) -> Schema:
    """Return the schema of a type; ``above`` are the classes that it stands in."""
    origin, arguments = get_origin(type_) or type_, get_args(type_)
    if type_ in _SCALARS:
        return dict(_SCALARS[type_])
    if origin in (Union, types.UnionType):
        return any_of([schema_of(each, above) for each in arguments])
    if origin is Literal:
        return {"enum": list(arguments)}
    if origin in (list, tuple, Sequence, set, frozenset, AbstractSet):
        return _array(origin, arguments, above)
    if origin in (dict, Mapping):
        return {"type": "object", "additionalProperties": schema_of((*arguments, Any, Any)[1], above)}
    return _class(type_, above)


def _class(type_: Any, above: tuple[type[Any], ...]) -> Schema:
    if not isinstance(type_, type) or type_ in above:
        return {}
    if issubclass(type_, Quantity):
        return _quantity(type_)
    if issubclass(type_, enum.Enum):
        return {"enum": [member.value for member in type_]}
    return object_schema(type_, above) if attrs.has(type_) else {}


def _quantity(type_: type[Quantity]) -> Schema:
    units = "|".join(unit for unit in type_.UNITS if unit)
    number: Schema = {"type": "number", "minimum": 0}
    pattern = rf"^\s*\+?\d+(\.\d+)?\s*({units})?\s*$"
    if issubclass(type_, Share):
        number["maximum"] = 1
        pattern = _SHARE
    if issubclass(type_, Lapse):
        number, pattern = {"const": 0}, pattern.replace(f"({units})?", f"({units})")
    return {"anyOf": [number, {"type": "string", "pattern": pattern}], "examples": [type_.EXAMPLE]}


def _array(origin: Any, arguments: tuple[Any, ...], above: tuple[type[Any], ...]) -> Schema:
    if origin is tuple and arguments and Ellipsis not in arguments:
        items = [schema_of(each, above) for each in arguments]
        return {"type": "array", "prefixItems": items, "minItems": len(items), "maxItems": len(items)}
    found: Schema = {"type": "array", "items": schema_of(arguments[0], above) if arguments else {}}
    return found if origin in (list, tuple, Sequence) else {**found, "uniqueItems": True}


def any_of(choices: Sequence[Schema]) -> Schema:
    """Return a schema that one of the given ones must accept."""
    return choices[0] if len(choices) == 1 else {"anyOf": list(choices)}


def object_schema(class_: type[Any], above: tuple[type[Any], ...] = ()) -> Schema:
    """Return the schema of an attrs class: its fields and nothing else."""
    fields = fields_of(class_)
    found: Schema = {"type": "object", "properties": properties_of(class_, above), "additionalProperties": False}
    required = [key for key, field in fields.items() if field.default is attrs.NOTHING]
    return {**found, "required": required} if required else found


def properties_of(class_: type[Any], above: tuple[type[Any], ...] = ()) -> Schema:
    """Return the schemas of the fields of an attrs class by key."""
    return {
        key: field_schema(field, (*above, class_))
        for key, field in fields_of(class_).items()
        if not field.metadata.get(REST)
    }


def field_schema(field: attrs.Attribute[Any], above: tuple[type[Any], ...] = ()) -> Schema:
    """Return the schema of a field: type, validators, help text and default."""
    schema = schema_of(field.type or Any, above)
    limits = _limits(field.validator)
    schema = {**schema, **limits} if "anyOf" not in schema else {**schema, **({"allOf": [limits]} if limits else {})}
    if field.metadata.get("help"):
        schema["description"] = field.metadata["help"]
    default = _default(field)
    return schema if default is None else {**schema, "default": default}


def _default(field: attrs.Attribute[Any]) -> Any:
    """Return the default as JSON has it, or None if there is none to tell."""
    default: Any = field.default
    if default is attrs.NOTHING or hasattr(default, "factory"):
        return None
    if isinstance(default, enum.Enum):
        default = default.value
    try:
        return json.loads(json.dumps(default))
    except (TypeError, ValueError):
        return None


def _limits(validator: Any) -> Schema:
    """Return what the validators of attrs say, as a schema."""
    kind = type(validator).__name__
    if kind == "_AndValidator":
        return {key: value for each in validator._validators for key, value in _limits(each).items()}  # noqa: SLF001
    if kind == "_NumberValidator":
        return {_BOUNDS[validator.compare_op]: validator.bound}
    if kind == "_InValidator":
        values = [each.value if isinstance(each, enum.Enum) else each for each in validator.options]
        return {"enum": values} if all(isinstance(each, str | int | float) for each in values) else {}
    if kind == "_MatchesReValidator":
        return {"pattern": f"^(?:{validator.pattern.pattern})$"}
    if kind == "_MinLengthValidator":
        return {"minLength": validator.min_length, "minItems": validator.min_length}
    if kind == "_MaxLengthValidator":
        return {"maxLength": validator.max_length, "maxItems": validator.max_length}
    return {}
