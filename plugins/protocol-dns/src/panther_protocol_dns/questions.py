"""What is asked in a scenario, and what the right answer is: the first is known to clients, both to the judge."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import attrs

from panther_protocol_dns.zone import ORIGIN, Record, host, records

_SMALL = 512


@attrs.frozen(kw_only=True)
class Question:
    """One query."""

    name: str
    type: str
    transport: str = "udp"
    """``udp`` (and TCP if the answer is truncated), ``tcp``, ``tls`` or ``quic``."""
    size: int = 1232
    """The UDP payload size that EDNS announces; 0 for no EDNS."""
    edns: int = 0
    """The version of EDNS."""


@attrs.frozen(kw_only=True)
class Right:
    """What the reply must be."""

    rcode: str = "NOERROR"
    answers: tuple[str, ...] = ()
    authoritative: bool = True
    soa: bool = False
    """Whether the authority section must say how long the denial holds."""
    transport: str
    truncated: bool = False
    edns: bool = True


def questions_of(scenario: str, parameters: Mapping[str, Any]) -> tuple[Question, ...]:
    """Return what a client asks."""
    return tuple(_QUESTIONS[scenario](parameters))


def right_of(question: Question, zone: Sequence[Record], scenario: str) -> Right:
    """Return the right reply to a question."""
    truncated = scenario == "truncation"
    plain = Right(transport="tcp" if truncated else question.transport, truncated=truncated, edns=question.size > 0)
    if question.edns > 0:
        return attrs.evolve(plain, rcode="BADVERS", authoritative=False)
    if question.type == "AXFR":
        return attrs.evolve(plain, answers=tuple(sorted(each.text for each in zone)))
    names = {each.name for each in zone}
    found = tuple(sorted(_found(question, zone)))
    exists = question.name in names or _wild(question.name) in names
    return attrs.evolve(plain, rcode="NOERROR" if exists else "NXDOMAIN", answers=found, soa=not found)


def _wild(name: str) -> str:
    return f"*.{name.partition('.')[2]}"


def _found(question: Question, zone: Sequence[Record]) -> Iterator[str]:
    names = {each.name for each in zone}
    owner = question.name if question.name in names else _wild(question.name)
    for each in zone:
        if each.name == owner and each.type in (question.type, "CNAME"):
            yield attrs.evolve(each, name=question.name).text
            if each.type == "CNAME":
                yield from (other.text for other in zone if other.name == each.data and other.type == question.type)


_KINDS = (("www", "A"), ("www", "AAAA"), ("text", "TXT"), ("alias", "A"), ("deep.wild", "A"))


def _answers(parameters: Mapping[str, Any]) -> Iterator[Question]:
    transport = str(parameters.get("transport", "udp"))
    for name, type_ in _KINDS:
        yield Question(name=f"{name}.{ORIGIN}", type=type_, transport=transport)
    for type_ in ("MX", "NS", "SOA"):
        yield Question(name=ORIGIN, type=type_, transport=transport)


def _denials(_parameters: Mapping[str, Any]) -> Iterator[Question]:
    for name, type_ in (("nobody", "A"), ("nobody.here", "TXT"), ("www", "MX"), ("text", "AAAA"), ("deep.wild", "TXT")):
        yield Question(name=f"{name}.{ORIGIN}", type=type_)


def _truncation(_parameters: Mapping[str, Any]) -> Iterator[Question]:
    yield Question(name=f"big.{ORIGIN}", type="TXT", size=_SMALL)
    yield Question(name=f"big.{ORIGIN}", type="TXT", size=0)


def _edns(_parameters: Mapping[str, Any]) -> Iterator[Question]:
    yield Question(name=f"www.{ORIGIN}", type="A", size=1232)
    yield Question(name=f"www.{ORIGIN}", type="A", size=0)
    yield Question(name=f"www.{ORIGIN}", type="A", edns=1)


def _transfer(_parameters: Mapping[str, Any]) -> Iterator[Question]:
    yield Question(name=ORIGIN, type="AXFR", transport="tcp")


def _many(parameters: Mapping[str, Any]) -> Iterator[Question]:
    for number in range(1, int(parameters["count"]) + 1):
        yield Question(name=host(number), type="A", transport=str(parameters["transport"]))


def _over(transport: str) -> Callable[[Mapping[str, Any]], Iterator[Question]]:
    return lambda _parameters: _answers({"transport": transport})


_QUESTIONS: Mapping[str, Callable[[Mapping[str, Any]], Iterator[Question]]] = {
    "answers": _answers,
    "denial": _denials,
    "truncation": _truncation,
    "edns": _edns,
    "transfer": _transfer,
    "tls": _over("tls"),
    "quic": _over("quic"),
    "many": _many,
    "replay": lambda _parameters: _answers({}),
}


def zone_of(seed: int, parameters: Mapping[str, Any]) -> tuple[Record, ...]:
    """Return the zone of a case."""
    return records(seed, int(parameters.get("count", 0)))
