"""Numbers from the transcripts: how fast, and how much had to be sent again."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence

from panther_hookspecs import Measurement, ScenarioEvidence
from panther_protocol_minip.dialogues import Dialogue, dialogues

SHARE = 0.95


def round_trips(dialogue: Dialogue) -> list[float]:
    """Return the round-trip times of all pings that were answered at the first try: only those are unambiguous."""
    sent: dict[str, list[float]] = {}
    for entry in dialogue.near.find("sent", "PING", dialogue.session):
        sent.setdefault(entry.fields.get("seq", ""), []).append(entry.time)
    answered = {
        entry.fields.get("seq", ""): entry.time
        for entry in reversed(dialogue.near.find("received", "PONG", dialogue.session))
    }
    return [answered[seq] - times[0] for seq, times in sent.items() if len(times) == 1 and seq in answered]


def percentile(values: Sequence[float], share: float) -> float:
    """Return the smallest value that at least ``share`` of all values do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def transfer_seconds(dialogue: Dialogue) -> float:
    """Return how long the transfer took, from the first chunk to the confirmation; 0 if there was none."""
    stored = dialogue.near.find("received", "STORED", dialogue.session)
    begun = dialogue.near.first.get(("sent", "DATA"))
    return 0.0 if begun is None or not stored else stored[0].time - begun


def measure(seen: ScenarioEvidence) -> Iterator[Measurement]:
    """Yield round-trip times, goodput and retransmissions of every client."""
    for dialogue in dialogues(seen):
        client = dialogue.client
        yield Measurement(name="minip.retransmissions", value=dialogue.near.repeated, service=client)
        trips = round_trips(dialogue)
        if trips:
            yield Measurement(name="minip.rtt.median", value=statistics.median(trips), unit="s", service=client)
            yield Measurement(name="minip.rtt.p95", value=percentile(trips, SHARE), unit="s", service=client)
        seconds = transfer_seconds(dialogue)
        if seconds > 0:
            bits = 8 * float(seen.parameters.size)
            yield Measurement(name="minip.goodput", value=bits / seconds, unit="bit/s", service=client)
