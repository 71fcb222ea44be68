"""What went to the broker and what came from it, for a person to look at."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from panther_hookspecs import Message, ScenarioEvidence
from panther_protocol_mqtt.recording import Transcript, read


def _letter(line: Mapping[str, Any]) -> str:
    flags = [f"QoS {line['qos']}"] if "qos" in line else []
    flags += ["retained"] if line.get("retain") else []
    return ", ".join([f"{line.get('topic')}", f"{line.get('size')} bytes", *flags])


_UP: Mapping[str, tuple[str, Callable[[Mapping[str, Any]], str]]] = {
    "connects": ("CONNECT", lambda line: f"as {line.get('client')}"),
    "subscribed": ("SUBSCRIBE", lambda line: " ".join(map(str, line.get("filters", ())))),
    "sent": ("PUBLISH", _letter),
}
"""What clients record of what they send, by event: the packet, and what is in it."""


def tell(seen: ScenarioEvidence) -> Iterator[Message]:
    """Yield what clients have recorded, in the order of time."""
    brokers = seen.named("broker")
    records = {name: read(seen.evidence.folders[name]) for name in seen.roles if name not in brokers}
    arrived: dict[object, float] = {}
    for line in (each for record in records.values() for each in record.of("received")):
        arrived[line.get("sha256")] = min(line["t"], arrived.get(line.get("sha256"), line["t"]))
    found = [each for name, own in records.items() for each in _told(name, brokers[0], own, arrived)]
    yield from sorted(found, key=lambda each: (each.time, each.target != brokers[0]))


def _told(client: str, broker: str, record: Transcript, arrived: Mapping[object, float]) -> Iterator[Message]:
    """Yield the messages of a client; it records one as sent when that is acknowledged, maybe after it arrived."""
    for line in record.entries:
        event, time = line["event"], line["t"]
        if event in _UP:
            label, detail = _UP[event]
            sent = min(time, arrived.get(line.get("sha256"), time))
            yield Message(time=sent, source=client, target=broker, label=label, detail=detail(line))
        elif event == "received":
            yield Message(time=time, source=broker, target=client, label="PUBLISH", detail=_letter(line))
