"""What was asked and answered, for a person to look at."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterator
from typing import Any

from panther_hookspecs import Message, ScenarioEvidence
from panther_protocol_dns.replies import read


def tell(seen: ScenarioEvidence) -> Iterator[Message]:
    """Yield questions and replies, in the order of time; a server that records them tells when it was asked."""
    yield from sorted(_told(seen, seen.named("server")), key=lambda each: each.time)


def _told(seen: ScenarioEvidence, servers: tuple[str, ...]) -> Iterator[Message]:
    heard: dict[tuple[str, str], deque[float]] = defaultdict(deque)
    for line in _lines(seen, servers, "heard"):
        heard[line["name"], line["type"]].append(line["t"])
    for client in seen.named("client"):
        for line in _lines(seen, (client,), "answered"):
            question, reply = line["question"], line["reply"]
            times = heard[question["name"], question["type"]]
            asked = min(times.popleft(), line["t"]) if times else line["t"]
            label, over = f"{question['type']}?", f"{question['name']} over {question['transport']}"
            yield Message(time=asked, source=client, target=servers[0], label=label, detail=over)
            detail = ", ".join([*reply["flags"], f"{len(reply['answers'])} records", f"over {reply['transport']}"])
            yield Message(time=line["t"], source=servers[0], target=client, label=reply["rcode"], detail=detail)


def _lines(seen: ScenarioEvidence, services: tuple[str, ...], event: str) -> Iterator[dict[str, Any]]:
    """Yield what services have recorded about one kind of event."""
    for name in services:
        yield from (each for each in read(seen.evidence.folders[name]) or () if each["event"] == event)
