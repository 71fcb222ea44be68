"""Reads qlog 0.3 and 0.4, as JSON and as a sequence of JSON texts, whatever base its times have."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import attrs

from panther_protocol_quic.evidence.packets import V1, V2, Kind, Packet
from panther_protocol_quic.evidence.protection import KeyLog
from panther_protocol_quic.evidence.traffic import Connection, Traffic

_RECORD = "\x1e"
_KINDS = {
    "initial": Kind.INITIAL,
    "handshake": Kind.HANDSHAKE,
    "0rtt": Kind.EARLY,
    "1rtt": Kind.SHORT,
    "retry": Kind.RETRY,
    "version_negotiation": Kind.NEGOTIATION,
}
_DELTA = frozenset({"delta", "relative_to_previous_event"})
_ABSOLUTE_FROM = 1e11
"""Milliseconds since the epoch are larger than this, those of an experiment never are."""


@attrs.frozen(kw_only=True)
class QlogEvent:
    """One event."""

    time: float
    """Seconds: since the epoch where the file knows that, else since its beginning."""
    name: str
    """Without its category: ``packet_sent``."""
    data: Mapping[str, Any]


@attrs.frozen(kw_only=True)
class Trace:
    """What one side wrote about one connection."""

    vantage: str
    """``client``, ``server`` or an empty text."""
    events: tuple[QlogEvent, ...]
    flaw: str = ""
    """What is wrong with the file: everything before it is in ``events``."""


def read_qlog(path: Path) -> Trace:
    """Return what a file says; where it is cut off or damaged, what came before."""
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        return Trace(vantage="", events=(), flaw=f"{path.name} cannot be read: {error.strerror}")
    is_sequence = text.startswith(_RECORD) or path.suffix in (".sqlog", ".jsonl")
    return _sequence(path.name, text) if is_sequence else _document(path.name, text)


def _document(name: str, text: str) -> Trace:
    try:
        found = json.loads(text)
    except ValueError:
        return _cut(name, text)
    traces = found.get("traces") if isinstance(found, dict) else None
    trace = traces[0] if isinstance(traces, list) and traces and isinstance(traces[0], dict) else {}
    return _trace(trace, trace.get("events", ()), "" if trace else f"{name} holds no trace")


def _cut(name: str, text: str) -> Trace:
    """Return the events before the place where a document was cut off."""
    decoder, events = json.JSONDecoder(), []
    at = text.find("[", text.find('"events"')) + 1
    while at:
        start = text.find("{", at)
        if start < 0:
            break
        try:
            event, at = decoder.raw_decode(text, start)
        except ValueError:
            break
        events.append(event)
    vantage = "client" if '"type": "client"' in text or '"type":"client"' in text else ""
    header = {"vantage_point": {"type": vantage}} if vantage else {}
    return _trace(header, events, f"{name} is cut off after {len(events)} events")


def _sequence(name: str, text: str) -> Trace:
    header: dict[str, Any] = {}
    events: list[Any] = []
    flaw = ""
    for record in text.replace(_RECORD, "\n").splitlines():
        if not record.strip():
            continue
        try:
            found = json.loads(record)
        except ValueError:
            flaw = f"{name} is cut off after {len(events)} events"
            break
        if isinstance(found, dict) and "trace" in found and not header:
            header = found["trace"]
        elif isinstance(found, dict) and "time" in found:
            events.append(found)
    return _trace(header, events, flaw)


def _trace(header: Mapping[str, Any], events: Any, flaw: str) -> Trace:
    point, common = header.get("vantage_point", {}), header.get("common_fields", {})
    vantage = str(point.get("type", "")) if isinstance(point, dict) else ""
    common = common if isinstance(common, dict) else {}
    return Trace(vantage=vantage, events=tuple(_events(common, events)), flaw=flaw)


def _events(common: Mapping[str, Any], events: Any) -> Iterator[QlogEvent]:
    reference = common.get("reference_time", 0)
    if isinstance(reference, dict):  # as later drafts have it, with the epoch as a text
        reference = 0
    base = float(reference) if isinstance(reference, int | float) else 0.0
    adds = common.get("time_format") in _DELTA
    now = 0.0
    for each in events:
        if not isinstance(each, dict) or not isinstance(each.get("time"), int | float):
            continue
        now = now + each["time"] if adds else float(each["time"])
        absolute = now if now > _ABSOLUTE_FROM else now + base
        data = each.get("data")
        name = str(each.get("name", "")).rpartition(":")[2]
        yield QlogEvent(time=absolute / 1e3, name=name, data=data if isinstance(data, dict) else {})


def packet_of(event: QlogEvent, vantage: str) -> Packet | None:
    """Return the packet that an event is about, if it is one."""
    sent = event.name == "packet_sent"
    if not sent and event.name != "packet_received":
        return None
    header = event.data.get("header", {})
    kind = _KINDS.get(
        str(header.get("packet_type", event.data.get("packet_type", ""))).lower().replace("onertt", "1rtt")
    )
    if kind is None:
        return None
    token, raw = header.get("token"), event.data.get("raw", {})
    phase = header.get("key_phase_bit", header.get("key_phase"))
    frames = event.data.get("frames") or ()
    return Packet(
        time=event.time,
        from_client=sent is (vantage == "client"),
        kind=kind,
        version=_version(header.get("version")),
        dcid=_bytes(header.get("dcid")),
        scid=_bytes(header.get("scid")),
        token=_bytes(token.get("data") if isinstance(token, dict) else token),
        size=int(raw.get("length", header.get("packet_size", 0)) or 0),
        frames=tuple(str(each.get("frame_type", "")) for each in frames if isinstance(each, dict)),
        key_phase=int(phase) & 1 if isinstance(phase, int | str) and str(phase).isdecimal() else None,
    )


def _bytes(value: Any) -> bytes:
    try:
        return bytes.fromhex(value) if isinstance(value, str) else b""
    except ValueError:
        return b""


def _version(value: Any) -> int:
    named = {"1": V1, "00000001": V1, "2": V2, "6b3343cf": V2}
    return named.get(str(value).removeprefix("0x"), 0)


def traffic_of_qlog(traces: Mapping[str, Trace], vantage: str) -> Traffic | None:
    """Return the connections that the traces of one side tell about; None where they tell nothing."""
    connections, flaws = [], []
    for name in sorted(traces):
        trace = traces[name]
        flaws += [trace.flaw] if trace.flaw else []
        packets = [found for each in trace.events if (found := packet_of(each, vantage)) is not None]
        if packets:
            first = next((each for each in packets if each.from_client), packets[0])
            connection = Connection(client_scid=first.scid, keys=KeyLog({}))
            for packet in packets:
                connection.add(packet)
            connections.append(connection)
    if not connections:
        return None
    connections.sort(key=lambda each: each.packets[0].time)
    return Traffic(f"qlog of the {vantage}", tuple(connections), flaw="; ".join(flaws), is_log=True)
