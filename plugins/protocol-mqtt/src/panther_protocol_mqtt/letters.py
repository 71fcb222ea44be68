"""What is published in a scenario and what must arrive, as publisher and judge know it and the subscriber does not."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import attrs

ROOT = "panther"
END = f"{ROOT}/end"
"""Topic of the last message of every publisher."""
WILL = f"{ROOT}/will"
_SHORTEST = 16


@attrs.frozen
class Letter:
    """One message."""

    topic: str
    payload: bytes
    retain: bool = False

    @property
    def sha256(self) -> str:
        """What recognises the payload."""
        return hashlib.sha256(self.payload).hexdigest()


@attrs.frozen(kw_only=True)
class Plan:
    """What a scenario is about."""

    filters: tuple[str, ...]
    """What the subscriber subscribes to."""
    published: tuple[Letter, ...] = ()
    wanted: tuple[Letter, ...] = ()
    """What the subscriber must get."""
    in_order: bool = True


def payload(seed: int, topic: str, number: int, size: int) -> bytes:
    """Return one line of text that nobody can know who has not the seed."""
    label = f"{seed} {topic} {number}"
    need = max(size, _SHORTEST) - 8
    blocks = (hashlib.sha256(f"{label} {block}".encode()).hexdigest() for block in range(-(-need // 64)))
    return f"{number:07d} {''.join(blocks)[:need]}".encode()


def matches(pattern: str, topic: str) -> bool:
    """Return whether a topic filter with ``+`` and ``#`` selects a topic."""
    wanted, given = pattern.split("/"), topic.split("/")
    if topic.startswith("$") != pattern.startswith("$"):
        return False
    for index, level in enumerate(wanted):
        if level == "#":
            return True
        if index >= len(given) or level not in ("+", given[index]):
            return False
    return len(wanted) == len(given)


def plan_of(scenario: str, parameters: Mapping[str, Any], seed: int) -> Plan:
    """Return what a scenario is about."""
    return _PLANS[scenario](parameters, seed)


def will_of(seed: int, who: str) -> Letter:
    """Return the last will of a client."""
    return Letter(f"{WILL}/{who}", payload(seed, who, 0, _SHORTEST))


def _line(parameters: Mapping[str, Any], seed: int) -> Plan:
    topic, size = f"{ROOT}/line", int(parameters.get("size", 32))
    count = int(parameters.get("count", 1))
    letters = tuple(Letter(topic, payload(seed, topic, number, size)) for number in range(1, count + 1))
    return Plan(filters=(topic,), published=letters, wanted=letters)


def _pair(_parameters: Mapping[str, Any], seed: int) -> Plan:
    return _line({"count": 2}, seed)


def _will(_parameters: Mapping[str, Any], seed: int) -> Plan:
    return Plan(filters=(f"{WILL}/#",), wanted=(will_of(seed, "dies"),))


def _retained(parameters: Mapping[str, Any], seed: int) -> Plan:
    def values(number: int) -> Iterator[Letter]:
        for index in range(1, int(parameters["count"]) + 1):
            topic = f"{ROOT}/state/{index}"
            yield Letter(topic, payload(seed, topic, number, _SHORTEST), retain=True)

    gone = f"{ROOT}/state/gone"
    forgotten = (Letter(gone, payload(seed, gone, 1, _SHORTEST), retain=True), Letter(gone, b"", retain=True))
    newest = tuple(values(2))
    published = (*values(1), *forgotten, *newest)
    return Plan(filters=(f"{ROOT}/state/#",), published=published, wanted=newest, in_order=False)


def _wildcards(_parameters: Mapping[str, Any], seed: int) -> Plan:
    filters = (f"{ROOT}/+/temperature", f"{ROOT}/log/#")
    levels = "kitchen/temperature kitchen/humidity kitchen/oven/temperature temperature /temperature log log/a log/a/b"
    levels += " logs/a hall/temperature hall/temperature/now hall"
    topics = [f"{ROOT}/{each}" for each in levels.split()]
    letters = tuple(Letter(each, payload(seed, each, index, _SHORTEST)) for index, each in enumerate(topics, 1))
    wanted = tuple(each for each in letters if any(matches(one, each.topic) for one in filters))
    return Plan(filters=filters, published=letters, wanted=wanted)


_PLANS: Mapping[str, Callable[[Mapping[str, Any], int], Plan]] = {
    "publish": _line,
    "connect": _line,
    "retained": _retained,
    "will": _will,
    "session": _line,
    "wildcards": _wildcards,
    "keepalive": _pair,
    "malformed": _line,
    "large": _line,
}
