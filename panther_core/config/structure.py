"""Turns trees into typed values, strictly: nothing is converted silently, and every error is found in one pass.

cattrs decides which hook a type gets; the hooks here replace its lax ones. Validators of attrs classes are run
one by one, so that each of them can name its own key and none hides another.
"""

from __future__ import annotations

import enum
import functools
from collections.abc import Callable, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import Any, Literal, TypeVar, Union, get_args, get_origin

import attrs
import cattrs

from panther_core.config.diagnostics import Findings, one_of
from panther_core.config.strict import (
    Flaw,
    StructureError,
    described,
    loosened,
    read_any,
    read_bool,
    read_enum,
    read_float,
    read_int,
    read_literal,
    read_path,
    read_quantity,
    read_str,
    wrong,
    wrong_choice,
)
from panther_core.config.tree import Node, plain
from panther_hookspecs import Quantity

T = TypeVar("T")
Hook = Callable[[Any, Any], Any]
UNION_TYPES = (Union, type(int | str))
LISTS = (tuple, list, Sequence)
SETS = (set, frozenset, AbstractSet)
MAPPINGS = (dict, Mapping)
SHORT = "panther.short"
"""Metadata of the field that a plain text in place of the mapping is for."""
REST = "panther.rest"
"""Metadata of the field that takes all keys that no other field has."""


def structure(node: Node, type_: type[T], findings: Findings) -> T | None:
    """Return the tree as a ``type_``; None, with everything reported, if it is not one."""
    try:
        value: T = converter().structure(plain(node), type_)
    except StructureError as error:
        for flaw in error.flaws:
            _report(node, flaw, findings)
        return None
    return value


def _report(node: Node, flaw: Flaw, findings: Findings) -> None:
    place, depth = node.find(flaw.path[:-1] if flaw.on_key else flaw.path)
    key = flaw.path[-1] if flaw.on_key else None
    if isinstance(key, str) and depth == len(flaw.path) - 1:
        findings.add(place, flaw.message, key)
    else:
        findings.add(place, flaw.message)


@functools.cache
def converter() -> cattrs.Converter:
    """Return the strict converter."""
    made = cattrs.Converter(detailed_validation=False)
    made.register_structure_hook_factory(functools.partial(_has_origin, UNION_TYPES), functools.partial(_union, made))
    made.register_structure_hook_func(functools.partial(_has_origin, (Literal,)), read_literal)
    for containers, factory in ((LISTS, _list), (SETS, _set), (MAPPINGS, _mapping)):
        for container in containers:
            made.register_structure_hook_factory(
                functools.partial(_is_container, container), functools.partial(factory, made)
            )
    made.register_structure_hook_func(lambda type_: type_ is Any or type_ is object, lambda value, _: read_any(value))
    made.register_structure_hook_factory(_is_attrs, functools.partial(_attrs, made))
    made.register_structure_hook_func(_is_enum, read_enum)
    for scalar, hook in _SCALARS.items():
        made.register_structure_hook(scalar, hook)
    return made


def _is_enum(type_: Any) -> bool:
    return isinstance(type_, type) and issubclass(type_, enum.Enum)


def _or_enum(hook: Hook) -> Hook:
    """Return the hook for a scalar's class, which cattrs also picks for an enum that inherits from it."""
    return lambda value, type_: read_enum(value, type_) if _is_enum(type_) else hook(value, type_)


_SCALARS: Mapping[type[Any], Hook] = {
    bool: read_bool,
    int: _or_enum(read_int),
    float: _or_enum(read_float),
    str: _or_enum(read_str),
    Path: read_path,
    Quantity: read_quantity,
}


def _has_origin(origins: tuple[Any, ...], type_: Any) -> bool:
    return get_origin(type_) in origins


def _is_container(container: type, type_: Any) -> bool:
    return (get_origin(type_) or type_) is container


def _is_attrs(type_: Any) -> bool:
    return isinstance(type_, type) and attrs.has(type_)


def _union(made: cattrs.Converter, type_: Any) -> Hook:
    choices = [choice for choice in get_args(type_) if choice is not type(None)]
    optional = len(choices) < len(get_args(type_))
    hooks = [(made.get_structure_hook(choice), choice) for choice in choices]

    def hook(value: Any, _: Any) -> Any:
        if optional and loosened(value) is None:
            return None
        errors = []
        for each, choice in hooks:
            try:
                return each(value, choice)
            except StructureError as error:
                errors.append(error)
        if len(errors) == 1:
            raise errors[0]
        deep = [error for error in errors if any(flaw.path for flaw in error.flaws)]
        raise deep[0] if deep else StructureError([Flaw(" or ".join(dict.fromkeys(str(error) for error in errors)))])

    return hook


def _elements(made: cattrs.Converter, value: Any, types: Iterable[Any]) -> list[Any]:
    if not isinstance(value, list | tuple):
        advice = f" - write [{value}]" if isinstance(value, str | int | float) and not isinstance(value, bool) else ""
        raise wrong("a list", value, advice)
    elements: list[Any] = []
    flaws: list[Flaw] = []
    for index, (each, type_) in enumerate(zip(value, types, strict=False)):
        try:
            elements.append(made.get_structure_hook(type_)(each, type_))
        except StructureError as error:
            flaws.extend(attrs.evolve(flaw, path=(index, *flaw.path)) for flaw in error.flaws)
    if flaws:
        raise StructureError(flaws)
    return elements


def _list(made: cattrs.Converter, type_: Any) -> Hook:
    arguments = get_args(type_)
    wanted = list if get_origin(type_) is list or type_ is list else tuple
    fixed = wanted is tuple and (get_origin(type_) is tuple and Ellipsis not in arguments)
    element = arguments[0] if arguments else Any

    def hook(value: Any, _: Any) -> Any:
        if fixed and isinstance(value, list) and len(value) != len(arguments):
            raise wrong(f"a list of {len(arguments)}", value, f" of {len(value)}")
        types = arguments if fixed else [element] * (len(value) if isinstance(value, list | tuple) else 0)
        return wanted(_elements(made, value, types))

    return hook


def _set(made: cattrs.Converter, type_: Any) -> Hook:
    element = (get_args(type_) or (Any,))[0]
    wanted = set if (get_origin(type_) or type_) is set else frozenset

    def hook(value: Any, _: Any) -> Any:
        if isinstance(value, set | frozenset):
            value = sorted(value, key=str)
        elements = _elements(made, value, [element] * (len(value) if isinstance(value, list | tuple) else 0))
        try:
            unique = wanted(elements)
        except TypeError:
            raise wrong("a list of plain values", value) from None
        if len(unique) < len(elements):
            twice = next(each for index, each in enumerate(elements) if each in elements[:index])
            raise StructureError([Flaw(f"{described(twice)} is listed twice")])
        return unique

    return hook


def _mapping(made: cattrs.Converter, type_: Any) -> Hook:
    element = (get_args(type_) or (str, Any))[1]

    def hook(value: Any, _: Any) -> dict[str, Any]:
        if not isinstance(value, Mapping):
            raise wrong("a mapping", value)
        each_hook = made.get_structure_hook(element)
        entries: dict[str, Any] = {}
        flaws: list[Flaw] = []
        for key, each in value.items():
            try:
                entries[str(key)] = each_hook(each, element)
            except StructureError as error:
                flaws.extend(attrs.evolve(flaw, path=(str(key), *flaw.path)) for flaw in error.flaws)
        if flaws:
            raise StructureError(flaws)
        return entries

    return hook


def fields_of(class_: Any) -> Mapping[str, attrs.Attribute[Any]]:
    """Return the fields of an attrs class by the key that a user writes, their types resolved."""
    return _fields_of(class_)


@functools.cache
def _fields_of(class_: Any) -> Mapping[str, attrs.Attribute[Any]]:
    attrs.resolve_types(class_)
    return {field.alias or field.name: field for field in attrs.fields(class_) if field.init}


def _attrs(made: cattrs.Converter, class_: type[Any]) -> Hook:
    fields = fields_of(class_)
    rest = next((key for key, field in fields.items() if field.metadata.get(REST)), None)
    short = next((key for key, field in fields.items() if field.metadata.get(SHORT)), None)

    def hook(value: Any, _: Any) -> Any:
        if isinstance(value, class_):
            return value
        if short is not None and isinstance(value, str):
            value = {short: value}
        if not isinstance(value, Mapping):
            raise wrong("a mapping", value)
        given, unknown, flaws = _read_fields(made, fields, value)
        if rest is not None:
            given[rest] = {**given.get(rest, {}), **{key: read_any(value[key]) for key in unknown}}
        else:
            flaws.extend(Flaw(f"unknown key {key!r}{one_of(key, fields)}", (key,), on_key=True) for key in unknown)
        flaws.extend(missing_keys(fields, value))
        flaws.extend(_failed_validators(class_, fields, given))
        if flaws:
            raise StructureError(flaws)
        return _instance(class_, given)

    return hook


def _read_fields(
    made: cattrs.Converter, fields: Mapping[str, attrs.Attribute[Any]], value: Mapping[str, Any]
) -> tuple[dict[str, Any], list[str], list[Flaw]]:
    """Return the values of the fields, the keys that are none, and what is wrong with the values."""
    given: dict[str, Any] = {}
    unknown: list[str] = []
    flaws: list[Flaw] = []
    for key, each in value.items():
        if key not in fields:
            unknown.append(str(key))
            continue
        type_ = fields[key].type or Any
        try:
            given[key] = made.get_structure_hook(type_)(each, type_)
        except StructureError as error:
            flaws.extend(attrs.evolve(flaw, path=(str(key), *flaw.path)) for flaw in error.flaws)
    return given, unknown, flaws


def missing_keys(fields: Mapping[str, attrs.Attribute[Any]], value: Mapping[str, Any]) -> Iterable[Flaw]:
    """Yield a flaw for every required key that is not there."""
    for key, field in fields.items():
        if field.default is attrs.NOTHING and key not in value:
            about = field.metadata.get("help", "")
            yield Flaw(f"the key {key!r} is missing" + (f" ({about.rstrip('.')})" if about else ""))


def _instance(class_: type[Any], given: Mapping[str, Any]) -> Any:
    try:
        return class_(**given)
    except (ValueError, TypeError) as error:
        raise StructureError([Flaw(str(error.args[0] if error.args else error))]) from error


def _failed_validators(
    class_: type[Any], fields: Mapping[str, attrs.Attribute[Any]], given: Mapping[str, Any]
) -> Iterable[Flaw]:
    """Yield what the validators of the given fields refuse, each with its own key."""
    probe: Any = object.__new__(class_)
    for key, value in given.items():
        object.__setattr__(probe, fields[key].name, value)
    for key, value in given.items():
        field = fields[key]
        if field.validator is None:
            continue
        try:
            field.validator(probe, field, _converted(field, value))
        except AttributeError:
            continue  # it compares with a field that is missing, which is reported already
        except (ValueError, TypeError) as error:
            yield Flaw(_refusal(field, value, error), (key,))


def _converted(field: Any, value: Any) -> Any:
    """Return the value as the class will see it."""
    return field.converter(value) if callable(field.converter) else value


def _refusal(field: attrs.Attribute[Any], value: Any, error: Exception) -> str:
    """Return the message of a failed validator; those of attrs are put into the words used elsewhere."""
    arguments = error.args
    if len(arguments) > 2 and isinstance(arguments[1], attrs.Attribute):  # noqa: PLR2004 - message, field, options
        if isinstance(arguments[2], Iterable) and not isinstance(arguments[2], str):
            return str(wrong_choice(value, arguments[2]))
        pattern = getattr(arguments[2], "pattern", None)
        if pattern is not None:
            return f"expected a text that matches {pattern}, got {described(value)}"
    message = str(arguments[0]) if arguments else type(error).__name__
    return message.removeprefix(f"'{field.name}' ")
