"""Events as values: keyword-only fields, identity by content, and content that cannot change."""

from __future__ import annotations

import copy
import dataclasses
import json
import pickle
import subprocess
import sys
import uuid
from collections import namedtuple
from dataclasses import InitVar, dataclass, field
from datetime import UTC, datetime
from enum import Enum
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar, Generic, TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as some

from panther_hookspecs import BaseEvent, ServiceReadyEvent, TestEvent, create_content_based_uuid

ValueT = TypeVar("ValueT")
Pair = namedtuple("Pair", "left right")  # noqa: PYI024 - the collections one is what a user may have


class Kind(Enum):
    STARTED = "probe.started"


@dataclass(frozen=True)
class Probe(BaseEvent):
    target: str
    config: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class ProbeStarted(Probe):
    start_time: datetime
    limits: ClassVar[int] = 3

    def __post_init__(self) -> None:
        object.__setattr__(self, "event_type", Kind.STARTED)
        super().__post_init__()


@dataclass(frozen=True)
class Holder(BaseEvent):
    value: Any = None


@dataclass(frozen=True)
class Measured(BaseEvent, Generic[ValueT]):
    value: ValueT
    unit: str = ""


@dataclass(frozen=True)
class MeasuredTwice(Measured[int]):
    again: int


WITHOUT_FUTURE = """
from dataclasses import dataclass, field, KW_ONLY
from typing import Any, ClassVar, Dict, Generic, List, Optional, TypeVar
from panther_hookspecs import BaseEvent
T = TypeVar("T")
@dataclass(frozen=True)
class One(BaseEvent):
    name_of_it: str
    config: Dict[str, Any] = field(default_factory=dict)
    seen: ClassVar[List[int]] = []
@dataclass(frozen=True)
class Two(One, Generic[T]):
    needed: Optional[T]
@dataclass(frozen=True)
class Three(Two[int]):
    extra: int = 1
    _: KW_ONLY
    last: str
event = Three(name_of_it="x", needed=None, last="y", entity_id="e")
"""


@pytest.mark.parametrize("head", ["", "from __future__ import annotations\n"])
def test_a_required_field_may_follow_defaults_over_several_levels(head: str) -> None:
    space: dict[str, Any] = {"__name__": __name__}
    exec(compile(head + WITHOUT_FUTURE, "levels", "exec", dont_inherit=True), space)
    event = space["event"]
    assert (event.name_of_it, event.needed, event.extra, event.last, event.entity_id) == ("x", None, 1, "y", "e")
    assert event.config == {}
    assert space["One"].seen == []
    with pytest.raises(TypeError, match="needed"):
        space["Three"](name_of_it="x", last="y")


def test_generic_events_keep_their_parameters() -> None:
    assert MeasuredTwice(value=1, again=2).value == 1
    assert Measured[str](value="a").unit == ""


def test_fields_are_given_by_name_only() -> None:
    with pytest.raises(TypeError, match="positional"):
        Probe("somewhere")  # type: ignore[call-arg]


def test_an_enum_member_or_its_text_names_the_event_alike() -> None:
    start = datetime(2025, 1, 1, tzinfo=UTC)
    event = ProbeStarted(target="a", start_time=start)
    assert event.name == "probe.started"
    assert event.event_type is Kind.STARTED
    assert Holder(event_type=Kind.STARTED).uuid == Holder(event_type="probe.started").uuid


def test_equal_content_has_an_equal_uuid_whenever_it_was_created() -> None:
    first, second = Probe(target="a", config={"x": 1, "y": 2}), Probe(target="a", config={"y": 2, "x": 1})
    assert first.timestamp != second.timestamp or first is not second
    assert first.uuid == second.uuid == first.uuid
    assert isinstance(first.uuid, uuid.UUID)
    later = Probe(target="a", config={"x": 1, "y": 2}, timestamp=datetime(1999, 1, 1, tzinfo=UTC))
    assert later.uuid == first.uuid


@pytest.mark.parametrize(
    "other",
    [  # each differs in one thing
        Probe(target="b"),
        Probe(target="a", entity_id="e"),
        Probe(target="a", entity_type="t"),
        Probe(target="a", event_type="x"),
        Probe(target="a", config={"x": 1}),
        ProbeStarted(target="a", start_time=datetime(2025, 1, 1, tzinfo=UTC)),
        Probe(target=""),
    ],
)
def test_different_content_has_a_different_uuid(other: BaseEvent) -> None:
    assert Probe(target="a").uuid != other.uuid


def test_a_declared_time_is_content() -> None:
    one = ProbeStarted(target="a", start_time=datetime(2025, 1, 1, tzinfo=UTC))
    two = ProbeStarted(target="a", start_time=datetime(2025, 1, 2, tzinfo=UTC))
    assert one.uuid != two.uuid


def test_the_uuid_is_the_same_in_another_process() -> None:
    code = (
        "from panther_hookspecs import TestEvent\n"
        "print(TestEvent(test_case_id='a', action='b', metadata={'s': {'x', 'y', 'z'}, 'n': float('nan')}).uuid)"
    )
    path = ":".join(sys.path)
    found = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": path},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2", "3")
    }
    assert len(found) == 1


def test_events_are_equal_and_hash_by_content_even_with_dicts_in_them() -> None:
    first, second, other = (Probe(target=name, config={"a": [1]}) for name in "aab")
    assert first == second
    assert hash(first) == hash(second)
    assert {first, second, other} == {first, other}
    assert first != "a"
    assert Holder() != BaseEvent()


def test_a_subclass_may_decide_about_equality_itself() -> None:
    @dataclass(frozen=True)
    class Always(BaseEvent):
        value: int = 0

        def __eq__(self, other: object) -> bool:
            return True

        def __hash__(self) -> int:
            return 1

    assert Always(value=1) == Always(value=2)
    assert hash(Always()) == 1


def test_what_an_event_holds_is_a_copy() -> None:
    config: dict[str, Any] = {"list": [1, {"deep": [2]}], "set": {1}}
    event = Probe(target="a", config=config)
    before = event.uuid
    config["list"].append(3)
    config["new"] = 1
    assert event.config == {"list": [1, {"deep": [2]}], "set": {1}}
    assert Probe(target="a", config=event.config).uuid == before


@pytest.mark.parametrize(
    ("method", "arguments"),
    [
        ("update", [{"a": 1}]),
        ("__setitem__", ["d", 1]),
        ("pop", ["d"]),
        ("clear", []),
        ("setdefault", ["e", 1]),
        ("popitem", []),
        ("__delitem__", ["d"]),
        ("__ior__", [{"x": 1}]),
    ],
)
def test_a_dict_in_an_event_refuses_to_change(method: str, arguments: list[Any]) -> None:
    event = Probe(target="a", config={"d": {"x": 1}})
    with pytest.raises(TypeError, match=r"take a copy with dict\(...\)"):
        getattr(event.config, method)(*arguments)
    assert event.config == {"d": {"x": 1}}


@pytest.mark.parametrize(
    ("method", "arguments"),
    [
        ("append", [1]),
        ("sort", []),
        ("__setitem__", [0, 1]),
        ("__iadd__", [[1]]),
        ("__imul__", [2]),
        ("extend", [[1]]),
        ("insert", [0, 1]),
        ("pop", []),
        ("remove", [3]),
        ("reverse", []),
        ("clear", []),
        ("__delitem__", [0]),
    ],
)
def test_a_list_in_an_event_refuses_to_change(method: str, arguments: list[Any]) -> None:
    event = Probe(target="a", config={"l": [3, 1]})
    with pytest.raises(TypeError, match=r"take a copy with list\(...\)"):
        getattr(event.config["l"], method)(*arguments)
    assert event.config == {"l": [3, 1]}


def test_no_method_that_changes_a_dict_or_list_is_forgotten() -> None:
    frozen = Holder(value={"l": []}).value
    changing = {
        type(frozen): set(dir(dict)) - set(dir(MappingProxyType)) - {"fromkeys"} | {"__ior__"},
        type(frozen["l"]): set(dir(list)) - set(dir(tuple)) - {"copy", "__reversed__"},
    }
    for kind, names in changing.items():
        assert {name for name in names if getattr(kind, name) is getattr(kind.__base__, name)} == set()


def test_frozen_content_can_be_used_like_the_plain_one() -> None:
    event = Probe(target="a", config={"l": [1, 2], "d": {"x": 1}})
    assert isinstance(event.config, dict)
    assert json.loads(json.dumps(event.config)) == {"l": [1, 2], "d": {"x": 1}}
    assert dict(event.config) | {"z": 1} == {"l": [1, 2], "d": {"x": 1}, "z": 1}
    mine = event.config["l"].copy()
    mine.append(3)
    assert mine == [1, 2, 3]


def pickled(event: BaseEvent) -> BaseEvent:
    again: BaseEvent = pickle.loads(pickle.dumps(event))  # noqa: S301 - our own bytes
    return again


@pytest.mark.parametrize("again", [copy.copy, copy.deepcopy, pickled, dataclasses.replace])
def test_an_event_survives_copy_and_pickle(again: Any) -> None:
    event = Probe(target="a", config={"l": [1], "d": {"x": {2}}})
    twin = again(event)
    assert (twin, twin.uuid, twin.timestamp) == (event, event.uuid, event.timestamp)
    with pytest.raises(TypeError, match="take a copy"):
        twin.config["l"].append(2)


def test_content_is_frozen_without_a_call_of_the_base_and_in_any_class_of_a_chain() -> None:
    @dataclass(frozen=True)
    class Careless(Probe):
        extra: InitVar[int] = 1
        made: Any = None

        def __post_init__(self, extra: int) -> None:  # type: ignore[override]
            object.__setattr__(self, "made", [extra])

    class Mixin:
        def __post_init__(self) -> None:
            object.__setattr__(self, "target", ["changed"])

    @dataclass(frozen=True)
    class Mixed(Mixin, Probe):
        pass

    kept: list[Any] = [
        Careless(target="a", extra=7).made,  # type: ignore[call-arg]
        Careless(target="a", config={"l": [1]}).config["l"],
        Mixed(target="a").target,
    ]
    for frozen in kept:
        with pytest.raises(TypeError, match="take a copy"):
            frozen.append(1)


def test_tuples_are_kept_unless_something_in_them_can_change() -> None:
    plain, pair = (1, "a"), Pair([1], 2)
    assert Holder(value=plain).value is plain
    frozen = Holder(value=pair).value
    assert frozen == Pair([1], 2)
    assert isinstance(frozen, Pair)
    assert Holder(value=bytearray(b"ab")).value == b"ab"


def test_an_event_with_slots_works() -> None:
    @dataclass(frozen=True, slots=True)
    class Slim(BaseEvent):
        value: Any

    event = Slim(value={"a": [1]})
    assert event.uuid == Slim(value={"a": [1]}).uuid
    with pytest.raises(TypeError, match="take a copy"):
        event.value["b"] = 1


def test_content_that_contains_itself_is_refused() -> None:
    endless: list[Any] = []
    endless.append(endless)
    with pytest.raises(ValueError, match=r"Holder\.value contains itself"):
        Holder(value=endless)


@pytest.mark.parametrize("taken", ["name", "uuid", "content", "content_text"])
def test_a_field_that_would_hide_a_part_of_every_event_is_refused_by_name(taken: str) -> None:
    with pytest.raises(TypeError, match=f"Hiding: every event has {taken} already"):
        type("Hiding", (BaseEvent,), {"__annotations__": {taken: str}})


def test_an_event_cannot_be_assigned_to() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        Probe(target="a").target = "b"  # type: ignore[misc]


class Odd:
    def __init__(self, value: int) -> None:
        self.value = value


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (float("nan"), '"nan"'),
        (float("-inf"), '"-inf"'),
        ({"x": float("inf")}, '{"x":"inf"}'),
        ({1: "a", "1": "b"}, '[["1","b"],[1,"a"]]'),
        ({(1, 2): 3}, "[[[1,2],3]]"),
        ({Kind.STARTED: 1}, '[["probe.started",1]]'),
        ({"b", "a"}, '["a","b"]'),
        ({1, "a"}, '["a",1]'),
        (b"\xff", '{"hex":"ff"}'),
        (Path("/a/b"), '"/a/b"'),
        (datetime(2025, 1, 1, tzinfo=UTC), '"2025-01-01T00:00:00+00:00"'),
        ("\ud800\n\u2028é", '"\\ud800\\n\\u2028\\u00e9"'),
        (Odd(1), '{"class":"Odd","value":1}'),
        (ValueError("x"), '"x"'),
        (Path, f'"{Path.__module__}.Path"'),
        (Pair(1, None), "[1,null]"),
        (True, "true"),
        (1.0, "1.0"),
        (10**30, "1" + "0" * 30),
    ],
)
def test_any_value_has_one_line_of_ascii_json(value: Any, text: str) -> None:
    assert Holder(value=value).content_text == f'{{"value":{text}}}'


def test_the_values_of_other_libraries_are_written_by_their_fields() -> None:
    @dataclass
    class Inner:
        seen: set[str]

    assert Holder(value=Inner({"b", "a"})).content_text.endswith('Inner","seen":["a","b"]}}')


LEAVES = (
    some.none() | some.booleans() | some.integers() | some.floats() | some.text() | some.binary() | some.datetimes()
)
VALUES = some.recursive(
    LEAVES,
    lambda inner: (
        some.lists(inner) | some.tuples(inner, inner) | some.dictionaries(some.text() | some.integers(), inner)
    ),
    max_leaves=12,
)


@given(VALUES)
def test_content_of_any_shape_is_valid_json_and_has_a_stable_uuid(value: Any) -> None:
    event = Holder(value=value)
    json.loads(event.content_text, parse_constant=pytest.fail)
    assert "\n" not in event.content_text
    assert event.content_text.isascii()
    assert Holder(value=copy.deepcopy(value)).uuid == event.uuid == Holder(value=event.value).uuid


def test_a_uuid_can_be_made_of_content_in_each_way_a_reader_would_try() -> None:
    event = Probe(target="a")
    assert create_content_based_uuid(event) == event.uuid
    assert create_content_based_uuid("text") == create_content_based_uuid(content="text")
    assert create_content_based_uuid({"a": 1, "b": 2}) == create_content_based_uuid({"b": 2, "a": 1})
    assert create_content_based_uuid("test", "id", {"a": 1}) == create_content_based_uuid("test", "id", {"a": 1})
    assert create_content_based_uuid(a=1, b=2) == create_content_based_uuid(b=2, a=1)
    different = [create_content_based_uuid(each) for each in ("1", 1, 1.0, True, None, [1], {"1": 1})]
    assert len(set(different)) == len(different)
    with pytest.raises(TypeError, match="needs content"):
        create_content_based_uuid()


def test_the_engines_own_events_name_themselves() -> None:
    done = TestEvent(test_case_id="case", action="completed", status="pass")
    assert (done.name, done.entity_type, done.entity_id) == ("test.completed", "test", "case")
    ready = ServiceReadyEvent(service_name="server", environment_name="localhost", entity_id="mine")
    assert (ready.name, ready.entity_id) == ("service.ready", "mine")
