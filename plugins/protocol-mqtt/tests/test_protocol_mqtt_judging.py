"""How records become verdicts: what is right in each scenario, and every way in which it can be wrong."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import attrs
import pytest
from panther_protocol_mqtt.judging import wrong_with
from panther_protocol_mqtt.letters import Letter, Plan, matches, plan_of, will_of
from panther_protocol_mqtt.malformed import PACKETS, is_refused
from panther_protocol_mqtt.recording import NAME, Recorder
from panther_protocol_mqtt.scenarios import SCENARIOS

from panther_core.testing.conformance import ProtocolConformance
from panther_hookspecs import Evidence, ExitStatus, ScenarioEvidence, TestScenario, Verdict

ROLES = ("broker", "subscriber", "publisher")
DIED = ExitStatus(signal=11, reason="signal")


def plant(scenario: TestScenario, folders: Mapping[str, Path], seed: int = 1) -> None:
    """Write what the programs leave behind when a scenario went well."""
    parameters = scenario.parameters()
    plan = plan_of(scenario.name, attrs.asdict(parameters), seed)
    clients = {"subscriber": ["subscriber"], "publisher": ["publisher", "publisher-ends"]}
    records = {name: Recorder((folders[name] / NAME).open("w")) for name in ROLES}
    for role, names in clients.items():
        for client in names:
            records[role].note("connects", client=client)
            records["broker"].note("connected", client=client, version=parameters.version)
    for letter in plan.published:
        records["publisher"].message("sent", letter.topic, letter.payload)
    for name in ("leaves", "dies") if scenario.name == "will" else ():
        records["publisher"].note("left a will", topic=will_of(seed, name).topic, cleanly=name == "leaves")
    for packet in PACKETS if scenario.name == "malformed" else ():
        records["publisher"].note("malformed", packet=packet, refused=True)
    for index, letter in enumerate(plan.wanted):
        recorder = records["subscriber"]
        if scenario.name == "keepalive":
            recorder = Shifted(recorder.file, 8.0 * index)
        recorder.message("received", letter.topic, letter.payload, qos=parameters.qos, retain=letter.retain)
    for record in records.values():
        record.file.close()


class Shifted(Recorder):
    """Writes at another time."""

    def __init__(self, file: Any, time: float) -> None:
        super().__init__(file)
        object.__setattr__(self, "time", time)

    def note(self, event: str, **facts: Any) -> None:
        super().note(event, **facts, t=self.time)  # type: ignore[attr-defined]


class TestConformance(ProtocolConformance):
    """What every protocol must keep."""

    plugin = "panther_protocol_mqtt.plugin"
    name = "mqtt"

    def plant_success(self, scenario: TestScenario, folders: Mapping[str, Path]) -> None:
        """Write what a good exchange leaves behind."""
        plant(scenario, folders)


def judged(folder: Path, name: str, *, spoil: Callable[[dict[str, list[str]]], None], **exits: ExitStatus) -> str:
    """Return the first failure of a scenario whose records were spoilt."""
    scenario = next(each for each in SCENARIOS if each.name == name)
    folders = {each: folder / each for each in ROLES}
    for own in folders.values():
        own.mkdir()
    plant(scenario, folders)
    lines = {each: (folders[each] / NAME).read_text().splitlines() for each in ROLES}
    spoil(lines)
    for each, text in lines.items():
        (folders[each] / NAME).write_text("".join(f"{line}\n" for line in text))
    evidence = Evidence(
        folder=folder, exits={each: exits.get(each, ExitStatus(code=0)) for each in ROLES}, folders=folders
    )
    seen = ScenarioEvidence(
        evidence=evidence, roles={each: each for each in ROLES}, parameters=scenario.parameters(), seed=1
    )
    bad = [each for each in scenario.check(seen) if each.verdict is not Verdict.PASS]
    return f"{bad[0].name}: {bad[0].evidence}" if bad else ""


def replace(role: str, old: str, new: str) -> Callable[[dict[str, list[str]]], None]:
    """Return what replaces a text in one record."""

    def spoil(lines: dict[str, list[str]]) -> None:
        changed = [line.replace(old, new) for line in lines[role]]
        assert changed != lines[role]
        lines[role] = changed

    return spoil


def drop(role: str, text: str) -> Callable[[dict[str, list[str]]], None]:
    """Return what takes the lines with a text out of one record."""

    def spoil(lines: dict[str, list[str]]) -> None:
        lines[role] = [line for line in lines[role] if text not in line]

    return spoil


@pytest.mark.parametrize(
    ("scenario", "spoil", "said"),
    [
        ("publish", drop("broker", '"subscriber"'), "connections: broker never met subscriber"),
        ("connect", replace("broker", "3.1.1", "5"), "connections: broker met subscriber with version 5"),
        ("publish", drop("broker", '"publisher-ends"'), "connections: broker never met publisher-ends"),
        ("publish", drop("publisher", '"sent"'), "published: publisher published 0 of 20 messages"),
        ("publish", replace("subscriber", '"qos": 1', '"qos": 0'), "on panther/line arrived with QoS 0, not 1"),
        ("retained", replace("subscriber", '"retain": true', '"retain": false'), "arrived with retain=False, right is"),
        ("session", drop("subscriber", '"received"'), "message 1 on panther/line is missing (20 of 20 are)"),
        ("will", replace("subscriber", "will/dies", "will/leaves"), "messages: a message on panther/will/leaves"),
        ("will", drop("publisher", "will/leaves"), "wills: publisher left the wills"),
        ("keepalive", replace("subscriber", '"t": 8.0', '"t": 1.0'), "silence: only 1 s passed, 8 s were asked for"),
        ("malformed", replace("publisher", "true", "false"), "survival: broker kept the connection after: nothing"),
        ("malformed", drop("publisher", "QoS 3"), "survival: publisher never sent PUBLISH with QoS 3"),
        ("large", replace("subscriber", '"t"', "{"), "record: subscriber: line 1 of the transcript cannot be read"),
    ],
)  # fmt: skip
def test_what_went_wrong_is_found_and_said(
    tmp_path: Path, scenario: str, spoil: Callable[[dict[str, list[str]]], None], said: str
) -> None:
    found = judged(tmp_path, scenario, spoil=spoil)
    assert said in found


def test_a_broker_that_died_is_named(tmp_path: Path) -> None:
    found = judged(tmp_path, "malformed", spoil=lambda _: None, broker=DIED)
    assert found == "survival: broker ended with signal 11"


def arrivals(*numbers: int) -> list[dict[str, Any]]:
    return [{"topic": "t", "sha256": LETTERS[number - 1].sha256} for number in numbers]


LETTERS = tuple(Letter("t", f"{number}".encode()) for number in (1, 2, 3, 4))
PLAN = Plan(filters=("t",), published=LETTERS[:3], wanted=LETTERS[:3])


@pytest.mark.parametrize(
    ("got", "may_repeat", "said"),
    [
        (arrivals(1, 2, 3), False, ""),
        (arrivals(1, 3), False, "message 2 on t is missing (1 of 3 are)"),
        (arrivals(1, 3, 2), False, "message 3 arrived where message 2 belongs"),
        (arrivals(1, 2, 2, 3), False, "message 2 on t arrived 2 times"),
        (arrivals(1, 2, 2, 3, 1), True, ""),
        (arrivals(2, 1, 2, 3), True, "message 2 arrived where message 1 belongs"),
        (arrivals(1, 4), False, "a message on t arrived with another payload than was published; 2 of 3 are missing"),
        (arrivals(1, 2, 3, 4), False, "a message on t arrived that was not for it; 0 of 3 are missing"),
        ([], True, "message 1 on t is missing (3 of 3 are)"),
    ],
)  # fmt: skip
def test_messages_are_compared_with_what_was_published(got: list[dict[str, Any]], may_repeat: bool, said: str) -> None:
    assert wrong_with(PLAN, got, may_repeat=may_repeat) == said


@pytest.mark.parametrize(
    ("pattern", "topic", "selected"),
    [
        ("a/b", "a/b", True),
        ("a/b", "a/b/c", False),
        ("a/+", "a/b", True),
        ("a/+", "a/b/c", False),
        ("a/+", "a/", True),
        ("+/b", "/b", True),
        ("a/#", "a", True),
        ("a/#", "a/b/c", True),
        ("a/#", "ab", False),
        ("#", "$SYS/x", False),
    ],
)
def test_filters_select_as_the_standard_says(pattern: str, topic: str, selected: bool) -> None:
    assert matches(pattern, topic) is selected


def test_a_refusal_is_told_from_a_connection_that_stays() -> None:
    async def refuse(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    async def keep(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    async def ask() -> list[bool]:
        found = []
        for handler in (refuse, keep):
            async with await asyncio.start_server(handler, "127.0.0.1", 0) as server:
                address = server.sockets[0].getsockname()
                found.append(await asyncio.to_thread(is_refused, address, b"\x00"))
        return found

    assert asyncio.run(ask()) == [True, False]
