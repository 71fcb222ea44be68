"""What programs log about themselves is read in the forms that they write, whole or cut off."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from panther_protocol_quic.evidence.packets import Kind
from panther_protocol_quic.evidence.qlog import read_qlog, traffic_of_qlog

EVENTS = [
    {
        "time": 0,
        "name": "transport:packet_sent",
        "data": {"header": {"packet_type": "initial", "dcid": "0102", "scid": "aa"}},
    },
    {"time": 5, "name": "transport:packet_received", "data": {"header": {"packet_type": "retry", "scid": "0304"}}},
    {
        "time": 7,
        "name": "transport:packet_sent",
        "data": {
            "header": {"packet_type": "0RTT", "dcid": "0304", "scid": "aa"},
            "raw": {"length": 900},
            "frames": [{"frame_type": "stream"}],
        },
    },
]
HEADER = {"vantage_point": {"type": "client"}}


def document(events: list[dict[str, object]], **common: object) -> str:
    return json.dumps({"qlog_version": "0.3", "traces": [{**HEADER, "common_fields": common, "events": events}]})


def sequence(events: list[dict[str, object]], **common: object) -> str:
    trace = {"qlog_version": "0.3", "qlog_format": "JSON-SEQ", "trace": {**HEADER, "common_fields": common}}
    return "".join(f"\x1e{json.dumps(each)}\n" for each in (trace, *events))


@pytest.mark.parametrize("write", [document, sequence])
@pytest.mark.parametrize(
    ("common", "times"),
    [
        ({"time_format": "delta"}, [0.0, 0.005, 0.012]),
        ({"time_format": "relative", "reference_time": 1.7e12}, [1.7e9, 1.7e9 + 0.005, 1.7e9 + 0.007]),
        ({"time_format": "absolute"}, [0.0, 0.005, 0.007]),
    ],
    ids=["delta", "relative", "absolute"],
)
def test_qlog_is_read_in_both_forms_with_all_bases_of_time(
    tmp_path: Path, write: object, common: dict[str, object], times: list[float]
) -> None:
    path = tmp_path / ("a.qlog" if write is document else "a.sqlog")
    path.write_text(document(EVENTS, **common) if write is document else sequence(EVENTS, **common))
    trace = read_qlog(path)
    assert [each.time for each in trace.events] == pytest.approx(times)
    assert (trace.vantage, trace.flaw) == ("client", "")
    traffic = traffic_of_qlog({"a": trace}, "client")
    assert traffic is not None
    told = [(each.kind, each.from_client, each.size) for each in traffic.packets()]
    assert told == [(Kind.INITIAL, True, 0), (Kind.RETRY, False, 0), (Kind.EARLY, True, 900)]


@pytest.mark.parametrize("write", [document, sequence])
def test_a_qlog_that_is_cut_off_gives_what_came_before_and_says_so(tmp_path: Path, write: object) -> None:
    text = document(EVENTS) if write is document else sequence(EVENTS)
    path = tmp_path / ("a.qlog" if write is document else "a.sqlog")
    path.write_text(text[: text.rindex("0304")])
    trace = read_qlog(path)
    assert trace.flaw == f"{path.name} is cut off after 2 events"
    assert [each.name for each in trace.events] == ["packet_sent", "packet_received"]
    assert trace.vantage == "client"


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"traces": 3}', '{"traces": [{"events": [1, {"time": "x"}]}]}', "\x1e1\n"]
)
def test_a_qlog_that_means_nothing_is_no_error(tmp_path: Path, text: str) -> None:
    path = tmp_path / "a.qlog"
    path.write_text(text)
    assert traffic_of_qlog({"a": read_qlog(path)}, "client") is None
