"""The judge of MiniP: it believes what both transcripts say and what it can compute, and nothing else."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs
import pytest
from panther_protocol_minip.digests import proof, stream
from panther_protocol_minip.loading import measure_load
from panther_protocol_minip.scenarios import SCENARIOS

from panther_core.testing.conformance import ProtocolConformance
from panther_hookspecs import (
    LOAD_REPORT,
    REPLAY_REPORT,
    CheckResult,
    Evidence,
    ExitStatus,
    LoadReport,
    ScenarioEvidence,
    TestScenario,
    Verdict,
)

ID, NONCE, SEED = "1098daaf37ace733", "9ecd1211483d9892", 1
STOPPED, CRASHED = ExitStatus(code=0, reason="stopped"), ExitStatus(signal=11, reason="signal")
Message = dict[str, Any]


def _message(type_: str, *, version: str = "1", total: int = 60, tries: int = 1, **fields: str) -> Message:
    return {"version": version, "type": type_, "bytes": total, "tries": tries, "fields": {"id": ID, **fields}}


@attrs.define
class Talk:
    """Writes what both sides of an exchange would have written, as long as nobody spoils it."""

    client: Path
    server: Path
    time: float = 1000.0

    def note(self, who: Path, event: str, message: Message) -> None:
        self.time += 0.001
        with (who / "transcript.jsonl").open("a") as file:
            file.write(json.dumps({"t": self.time, "event": event, **message}) + "\n")

    def request(self, message: Message) -> None:
        self.note(self.client, "sent", message)
        self.note(self.server, "received", message)

    def reply(self, message: Message) -> None:
        self.note(self.server, "sent", message)
        self.note(self.client, "received", message)

    def greet(self, digest: str = proof(ID, NONCE)) -> None:
        self.request(_message("HELLO"))
        self.reply(_message("WELCOME", server=NONCE, digest=digest))

    def ping(
        self, number: int, size: int = 32, digest: str = "", version: str = "1", echo: Message | None = None
    ) -> None:
        seq, nonce = str(number), f"{number:016x}"
        clock: Message = {"time": "77"} if version == "2" else {}
        right = proof(ID, seq, nonce, body=stream(nonce, size))
        self.request(_message("PING", version=version, seq=seq, nonce=nonce, **clock))
        self.reply(_message("PONG", version=version, seq=seq, nonce=nonce, digest=digest or right, **(echo or {})))

    def transfer(self, size: int = 1 << 16, sha256: str = "", content: bytes | None = None) -> None:
        right = stream(f"file {SEED}", size)
        (self.server / f"received-{ID}.bin").write_bytes(right if content is None else content)
        self.request(_message("DATA", seq="0"))
        self.reply(_message("ACK", seq="0"))
        self.request(_message("DONE", size=str(size)))
        self.reply(_message("STORED", size=str(size), sha256=sha256 or hashlib.sha256(right).hexdigest()))

    def part(self) -> None:
        self.request(_message("BYE"))
        self.reply(_message("BYE"))


def _talk(folder: Path) -> Talk:
    talk = Talk(client=folder / "client", server=folder / "server")
    talk.client.mkdir(parents=True)
    talk.server.mkdir()
    return talk


def _judge(
    talk: Talk, scenario: str, *, exits: Mapping[str, ExitStatus] | None = None, **parameters: Any
) -> dict[str, CheckResult]:
    chosen, seen = _seen(talk, scenario, exits, **parameters)
    return {result.name: result for result in chosen.check(seen)}


def _seen(
    talk: Talk, scenario: str, exits: Mapping[str, ExitStatus] | None = None, **parameters: Any
) -> tuple[TestScenario, ScenarioEvidence]:
    chosen = next(each for each in SCENARIOS if each.name == scenario)
    evidence = Evidence(
        folder=talk.client.parent,
        exits=exits or {"client": ExitStatus(code=0), "server": STOPPED},
        folders={"client": talk.client, "server": talk.server},
    )
    seen = ScenarioEvidence(
        evidence=evidence,
        roles={"client": "client", "server": "server"},
        parameters=chosen.parameters(**parameters),
        seed=SEED,
    )
    return chosen, seen


def _bad(results: Mapping[str, CheckResult]) -> dict[str, str]:
    return {name: each.evidence for name, each in results.items() if each.verdict is not Verdict.PASS}


def _ping_talk(tmp_path: Path) -> Talk:
    talk = _talk(tmp_path)
    talk.greet()
    talk.ping(1)
    talk.ping(2)
    talk.part()
    return talk


class TestConformance(ProtocolConformance):
    """What every protocol must keep."""

    plugin = "panther_protocol_minip.plugin"

    def plant_success(self, scenario: TestScenario, folders: Mapping[str, Path]) -> None:
        """Write a good exchange."""
        talk = Talk(client=folders["client"], server=folders["server"])
        if scenario.name == "refuse":
            talk.request(_message("HELLO", version="99"))
            talk.reply(_message("REFUSE", version="99", reason="version", supported="1"))
            return
        talk.greet()
        if scenario.name == "ping":
            for number in range(1, 6):
                talk.ping(number)
        elif scenario.name == "load":
            for number in range(1, 6):
                talk.ping(number)
            (folders["client"] / LOAD_REPORT).write_text(json.dumps(_load(answered=5)))
        elif scenario.name == "replay":
            (folders["client"] / REPLAY_REPORT).write_text('{"sent": 2, "got": 2}')
        elif scenario.name == "transfer":
            talk.transfer()
        elif scenario.name == "idle":
            talk.time += 1
            talk.ping(1, size=0)
        elif scenario.name == "probe":
            talk.note(talk.client, "sent", _message("PING", total=2060, seq="0", nonce="A" * 64))
            talk.note(talk.server, "dropped", {"why": "overlong", "bytes": 2060})
            talk.ping(1, size=0)
        talk.part()


def _load(**counts: int) -> dict[str, object]:
    """Return the report of a load."""
    zero: dict[str, object] = {each.name: 0 for each in attrs.fields(LoadReport)}
    return {**zero, "mode": "open", "start_error": {}, "latency": {}, "service_time": {}, **counts}


@pytest.mark.parametrize(
    ("counts", "problem"),
    [
        ({"answered": 0}, "nothing was answered"),
        ({"answered": 2, "wrong": 1}, "1 answers were wrong"),
        ({"answered": 3}, "client has 3 answers, the server says it gave 2"),
    ],
)
def test_a_load_whose_answers_are_missing_wrong_or_invented_fails(
    tmp_path: Path, counts: dict[str, int], problem: str
) -> None:
    talk = _ping_talk(tmp_path)
    (talk.client / LOAD_REPORT).write_text(json.dumps(_load(**counts)))
    assert _bad(_judge(talk, "load"))["load of client"].startswith(problem)


def test_pings_that_a_server_read_again_are_work_done_twice(tmp_path: Path) -> None:
    talk = _ping_talk(tmp_path)
    talk.ping(2)
    seen = {each.name: each.value for each in measure_load(_seen(talk, "load")[1])}
    assert seen == {"work.done": 2, "work.twice": 1}


def test_a_good_exchange_passes_and_its_numbers_are_told(tmp_path: Path) -> None:
    results = _judge(_ping_talk(tmp_path), "ping", count=2)
    assert _bad(results) == {}
    assert results["pings"].proves_exchange
    assert results["pings"].evidence == (
        "2 of 2 answered rightly, as both sides recorded; round trip 3 ms, 95 % within 3 ms"
    )


def test_a_client_that_claims_what_the_server_never_heard_fails(tmp_path: Path) -> None:
    talk = _ping_talk(tmp_path)
    (talk.server / "transcript.jsonl").write_text('{"t": 1, "event": "start"}\n')
    bad = _bad(_judge(talk, "ping", count=2))
    assert bad["greeting"] == "server never received the HELLO that client says it sent"
    assert bad["pings"].endswith("0 of 2 pings were answered rightly")


def test_an_answer_that_only_the_client_recorded_fails(tmp_path: Path) -> None:
    talk = _ping_talk(tmp_path)
    lines = (talk.server / "transcript.jsonl").read_text().splitlines(keepends=True)
    (talk.server / "transcript.jsonl").write_text("".join(line for line in lines if '"PONG"' not in line))
    assert _bad(_judge(talk, "ping", count=2))["pings"].startswith(
        "server never sent the PONG that client says it got for PING 1;"
    )


def test_a_message_that_arrived_with_other_fields_is_not_the_same_message(tmp_path: Path) -> None:
    talk = _ping_talk(tmp_path)
    path = talk.server / "transcript.jsonl"
    path.write_text(path.read_text().replace('"nonce": "0000000000000002"', '"nonce": "0000000000000003"'))
    assert _bad(_judge(talk, "ping", count=2))["pings"].startswith("server received another PING 2 than client sent;")


def test_a_wrong_digest_fails_although_both_sides_agree_on_it(tmp_path: Path) -> None:
    talk = _talk(tmp_path)
    talk.greet(digest="0" * 16)
    talk.ping(1, digest="f" * 16)
    talk.part()
    bad = _bad(_judge(talk, "ping", count=1))
    assert bad["greeting"].startswith("the WELCOME carries digest 0000000000000000, right is ")
    assert bad["pings"].startswith("PONG 1 carries digest ffffffffffffffff, right is ")


def test_a_ping_smaller_than_the_scenario_asks_for_fails(tmp_path: Path) -> None:
    assert "pings" in _bad(_judge(_ping_talk(tmp_path), "ping", count=2, size=33))


def test_fewer_pings_than_the_scenario_asks_for_fail(tmp_path: Path) -> None:
    bad = _bad(_judge(_ping_talk(tmp_path), "ping", count=3))
    assert bad == {"pings": "client never sent PING 3; 2 of 3 pings were answered rightly"}


@pytest.mark.parametrize(("echo", "good"), [({"time": "77"}, True), ({"time": "78"}, False), ({}, False)])
def test_version_2_must_return_the_time(tmp_path: Path, echo: dict[str, str], good: bool) -> None:
    talk = _talk(tmp_path)
    talk.greet()
    talk.ping(1, version="2", echo=echo)
    talk.part()
    assert (_bad(_judge(talk, "ping", count=1)) == {}) is good


@pytest.mark.parametrize(
    ("exits", "evidence"),
    [
        ({"client": ExitStatus(code=6), "server": STOPPED}, "client ended with exit code 6"),
        ({"client": ExitStatus(code=0), "server": CRASHED}, "server ended with signal 11"),
        ({"client": ExitStatus(code=0)}, "nobody knows how server ended"),
    ],
)
def test_every_program_must_have_ended_well(tmp_path: Path, exits: Mapping[str, ExitStatus], evidence: str) -> None:
    assert _bad(_judge(_ping_talk(tmp_path), "ping", count=2, exits=exits)) == {"ends": evidence}


def test_the_last_line_of_a_transcript_may_be_cut_off(tmp_path: Path) -> None:
    talk = _ping_talk(tmp_path)
    with (talk.server / "transcript.jsonl").open("a") as file:
        file.write('{"t": 1001.0, "event": "en')
    assert _bad(_judge(talk, "ping", count=2)) == {}


def test_a_line_may_be_cut_off_where_the_program_was_started_again(tmp_path: Path) -> None:
    talk = _ping_talk(tmp_path)
    path = talk.server / "transcript.jsonl"
    path.write_text('{"t": 999, "eve\n{"t": 999.5, "event": "start"}\n' + path.read_text())
    assert _bad(_judge(talk, "ping", count=2)) == {}


def test_a_broken_line_in_the_middle_is_told_with_its_number(tmp_path: Path) -> None:
    talk = _ping_talk(tmp_path)
    path = talk.server / "transcript.jsonl"
    path.write_text("[]\n" + path.read_text())
    assert _bad(_judge(talk, "ping", count=2)) == {"transcript": "server: line 1 of the transcript cannot be read"}


def test_a_missing_transcript_is_told(tmp_path: Path) -> None:
    talk = _ping_talk(tmp_path)
    (talk.client / "transcript.jsonl").unlink()
    bad = _bad(_judge(talk, "ping", count=2))
    assert bad["transcript"] == "client: there is no transcript"
    assert bad["greeting"] == "client never sent HELLO"


@pytest.mark.parametrize(
    ("spoiled", "evidence"),
    [
        ({"content": b"something else"}, f"received-{ID}.bin has sha256"),
        ({"sha256": "0" * 64}, "the STORED carries sha256 0000"),
        ({"size": 1000}, f"received-{ID}.bin has sha256"),
    ],
)
def test_a_file_that_is_not_the_one_of_the_seed_fails(tmp_path: Path, spoiled: dict[str, Any], evidence: str) -> None:
    talk = _talk(tmp_path)
    talk.greet()
    talk.transfer(**spoiled)
    talk.part()
    assert _bad(_judge(talk, "transfer"))["file"].startswith(evidence)


def test_a_server_that_claims_a_file_which_it_has_not_fails(tmp_path: Path) -> None:
    talk = _talk(tmp_path)
    talk.greet()
    talk.transfer()
    talk.part()
    (talk.server / f"received-{ID}.bin").unlink()
    assert _bad(_judge(talk, "transfer")) == {"file": f"server has no received-{ID}.bin"}


def test_a_welcome_for_an_unknown_version_fails(tmp_path: Path) -> None:
    talk = _talk(tmp_path)
    talk.greet()
    assert _bad(_judge(talk, "refuse")) == {"refusal": "server welcomed a version that nobody knows"}


def test_a_refusal_for_another_reason_is_not_the_one_wanted(tmp_path: Path) -> None:
    talk = _talk(tmp_path)
    talk.request(_message("HELLO", version="99"))
    talk.reply(_message("REFUSE", version="99", reason="session"))
    assert _bad(_judge(talk, "refuse")) == {"refusal": "refused for the reason 'session' instead of 'version'"}


def test_a_silence_that_was_none_fails(tmp_path: Path) -> None:
    talk = _talk(tmp_path)
    talk.greet()
    talk.ping(1, size=0)
    talk.part()
    assert "by the server's clock, 1 s were asked for" in _bad(_judge(talk, "idle"))["silence"]


def test_a_probe_names_the_signal_that_ended_the_server(tmp_path: Path) -> None:
    talk = _talk(tmp_path)
    talk.greet()
    talk.note(talk.client, "sent", _message("PING", total=2060, seq="0"))
    exits = {"client": ExitStatus(code=5), "server": CRASHED}
    bad = _bad(_judge(talk, "probe", exits=exits))
    assert next(iter(bad.items())) == ("survival", "server ended with signal 11 after a message of 2060 bytes")


def test_a_probe_that_never_arrived_shows_nothing(tmp_path: Path) -> None:
    talk = _talk(tmp_path)
    talk.greet()
    talk.note(talk.client, "sent", _message("PING", total=2060, seq="0"))
    talk.ping(1, size=0)
    talk.part()
    result = _judge(talk, "probe")["survival"]
    assert (result.verdict, result.evidence) == (Verdict.INCONCLUSIVE, "the message of 2060 bytes never reached server")


def test_round_trips_count_only_pings_that_were_sent_once(tmp_path: Path) -> None:
    talk = _talk(tmp_path)
    talk.greet()
    again = _message("PING", seq="1", nonce=f"{1:016x}", tries=2)
    talk.note(talk.client, "sent", _message("PING", seq="1", nonce=f"{1:016x}"))
    talk.request(again)
    right = proof(ID, "1", f"{1:016x}", body=stream(f"{1:016x}", 32))
    talk.reply(_message("PONG", seq="1", nonce=f"{1:016x}", digest=right))
    talk.ping(2)
    talk.part()
    chosen = SCENARIOS[0]
    folders = {"client": talk.client, "server": talk.server}
    seen = ScenarioEvidence(
        evidence=Evidence(folder=tmp_path, exits={}, folders=folders),
        roles={name: name for name in folders},
        parameters=chosen.parameters(count=2),
    )
    assert chosen.measure is not None
    numbers = {each.name: each.value for each in chosen.measure(seen)}
    assert numbers["minip.retransmissions"] == 1
    assert numbers["minip.rtt.median"] == numbers["minip.rtt.p95"] == pytest.approx(0.003)


def test_with_two_clients_each_is_judged_by_the_server_it_met(tmp_path: Path) -> None:
    good, lonely = _ping_talk(tmp_path / "a"), _talk(tmp_path / "b")
    lonely.note(lonely.client, "sent", _message("HELLO"))
    scenario = SCENARIOS[0]
    evidence = Evidence(
        folder=tmp_path,
        exits=dict.fromkeys(("one", "two", "s1", "s2"), ExitStatus(code=0)),
        folders={"s1": lonely.server, "s2": good.server, "one": good.client, "two": lonely.client},
    )
    roles = {"s1": "server", "s2": "server", "one": "client", "two": "client"}
    seen = ScenarioEvidence(evidence=evidence, roles=roles, parameters=scenario.parameters(count=2))
    results = {result.name: result.verdict for result in scenario.check(seen)}
    assert results["pings of one"] is Verdict.PASS
    assert results["pings of two"] is Verdict.FAIL


def test_the_bounds_of_parameters_keep_messages_within_the_protocol() -> None:
    for name, wrong in (
        ("ping", {"size": 1201}),
        ("ping", {"count": 0}),
        ("transfer", {"size": (1 << 26) + 1}),
        ("probe", {"length": 10}),
    ):
        chosen = next(each for each in SCENARIOS if each.name == name)
        with pytest.raises(ValueError, match=next(iter(wrong))):
            chosen.parameters(**wrong)
