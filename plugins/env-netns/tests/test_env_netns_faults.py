"""Faults of links in a whole experiment: the programs see them, and the record says when they happened."""

from __future__ import annotations

import json
import shutil
import textwrap
from collections.abc import Mapping

import attrs
import pytest

from panther_core.testing import MakeProject

TOOLS = [tool for tool in ("ip", "tc", "unshare", "nsenter") if shutil.which(tool) is None]
pytestmark = pytest.mark.skipif(bool(TOOLS), reason=f"needs {', '.join(TOOLS)}")

SERVER = """
import socket
own = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
own.bind(("0.0.0.0", 4433))
print("up", flush=True)
while True:
    data, other = own.recvfrom(2000)
    own.sendto(data + ":".join(map(str, other)).encode(), other)
"""
CLIENT = """
import json, select, socket, sys, time
own = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
own.connect((sys.argv[1], 4433))
print("started", flush=True)
start, seen = time.monotonic(), []
for number in range(120):
    own.send(number.to_bytes(4, "big"))
    until = start + (number + 1) * 0.01 + (0.3 if number == 119 else 0)
    while select.select([own], (), (), max(0.0, until - time.monotonic()))[0]:
        data = own.recv(2000)
        seen.append((int.from_bytes(data[:4], "big"), time.monotonic(), data[4:].decode()))
print(json.dumps([own.getsockname()[1], seen]))
"""
LINKS = {
    "drop": "{client->server: {drop: [2-4, 10]}}",
    "rebind": "{client-server: {delay: 5ms, rebind: {first: 300ms, every: 600ms}}}",
    "move": "{client-server: {delay: 5ms, rebind: {first: 400ms, address: true}}}",
    "lost": "{'*': {loss: 100%}}",
    "hole": "{client-server: {blackhole: {on: 400ms, off: 400ms}}}",
    "steps": """{client-server: {steps: [{at: 300ms, do: partition}, {at: 600ms, do: heal},
                {at: 700ms, do: lose, packets: 5}, {at: 800ms, do: rebind}, {at: 5m, do: blackhole}]}}""",
}


def experiment() -> str:
    cases = "".join(f"  - {{name: {name}, links: {links}}}\n" for name, links in LINKS.items())
    return f"""
name: faults
network_environment: netns
seed: 42
services:
  server:
    implementation: command
    argv: [python3, server.py]
    files: {{server.py: {json.dumps(SERVER)}}}
    ends_by_itself: false
    ready: {{kind: udp, port: 4433}}
  client:
    implementation: command
    argv: [python3, client.py, "{{server.ip}}"]
    files: {{client.py: {json.dumps(CLIENT)}}}
    ready: {{kind: log, pattern: started}}
    ends_by_itself: true
    depends_on: [server]
test_cases:
{textwrap.indent(cases, "")}"""


@attrs.frozen
class Talk:
    """What the client got back, in the order of arrival."""

    port: int
    seen: list[tuple[int, float, str]]
    links: Mapping[str, Mapping[str, float]]
    """What became of the packets, by direction."""

    @property
    def missing(self) -> list[int]:
        """Numbers of the packets that were not answered."""
        return sorted(set(range(120)) - {number for number, _, _ in self.seen})

    @property
    def places(self) -> list[str]:
        """Where the client seemed to be, one after the other."""
        return list(dict.fromkeys(place for _, _, place in self.seen))


def test_faults_happen_to_the_packets_that_were_meant_and_when_they_were_meant(panther_project: MakeProject) -> None:
    outcome = panther_project({"faults.yaml": experiment()}).run("run faults.yaml -j 5")
    outcome.assert_verdicts(dict.fromkeys(LINKS, "pass"))
    talks = {}
    for name in LINKS:
        port, seen = json.loads(outcome.text("services/client/stdout", name).removeprefix("started\n"))
        flows = json.loads(outcome.text("network/links.json", name))["flows"]
        talks[name] = Talk(port, seen, {flow["direction"]: flow["seen"] for flow in flows})
    own = f"10.0.0.2:{talks['drop'].port}"

    assert talks["drop"].missing == [1, 2, 3, 9]
    assert talks["drop"].places == [own]

    assert talks["lost"].seen == [], "whether a service is ready does not depend on its links"

    moved = talks["rebind"]
    assert [place.split(":")[0] for place in moved.places] == ["10.0.0.2"] * 3
    assert moved.missing == [], "no answer is lost on the way"
    assert moved.links["client->server"]["rebound"] == 2

    assert [place.split(":")[0] for place in talks["move"].places] == ["10.0.0.2", "10.0.240.2"]
    assert talks["move"].missing == []

    hole = talks["hole"].missing
    assert hole
    assert hole == list(range(hole[0], hole[-1] + 1))
    assert sum(each["swallowed"] for each in talks["hole"].links.values()) == len(hole)

    events = [each["content"] for each in outcome.events() if each["name"] == "link.changed"]
    assert [each["change"] for each in events] == ["partition", "heal", "lose 5 packets", "rebind"]
    stopped, healed, _, _ = (each["monotonic"] for each in events)
    answered = [moment for _, moment, _ in talks["steps"].seen]
    assert not [moment for moment in answered if stopped + 0.005 < moment < healed], "nothing comes through it"
    assert min(moment for moment in answered if moment > healed)
    assert len(talks["steps"].places) == 2
    (case,) = [each for each in outcome.cases() if each["name"] == "steps"]
    assert any(note.startswith("link client-server: partition after 0.3") for note in case["notes"])
    assert "the case was over before these steps of its links: 300 s" in case["notes"]
