"""Recordings played against real programs."""

from __future__ import annotations

import base64
import json
import os
import re
from pathlib import Path

import pytest
from panther_protocol_minip.dialect import Dialect
from panther_test_replay.manager import PlayerManager
from panther_test_replay.options import PlayerOptions
from panther_test_replay.recording import Recording, Said

from panther_core.testing import MakeProject, Outcome
from panther_hookspecs import ServiceContext, UnsupportedError

EXPERIMENT = """
name: replay
protocol: minip
network_environment: localhost
test_cases:
  - name: replay
    scenario: replay
    {more}
    type: {{type: replay{type}}}
    services:
      server: {server}
      client: {client}
"""
PLAYER = "{{implementation: replay, recording: x.jsonl, {options}}}"


def recording(*, flaw: bytes = b"") -> bytes:
    """Return a talk of a client that was answered rightly, but for a word that was another one then."""
    dialect = Dialect(seed="7")
    said: list[Said] = []
    for number, message in enumerate([*dialect.opening(), dialect.request(0), dialect.request(1), *dialect.closing()]):
        said.append(Said(time=number / 20, side="client", data=message))
        kind = (b"WELCOME", b"PONG", b"PONG", b"BYE")[number]
        seq = b" seq=%d" % number if kind == b"PONG" else b""
        raw = dialect._message(kind, seq + (flaw if kind == b"PONG" else b""))
        recorded = b" server=x digest=y" if kind == b"WELCOME" else b""
        answer = dialect._message(kind, recorded) if recorded else raw
        said.append(Said(time=number / 20 + 0.001, side="server", data=answer))
    return Recording(protocol="minip", transport="udp", messages=tuple(said)).content()


def run(
    make: MakeProject,
    content: bytes,
    *,
    server: str = "ping-pong-py",
    client: str = "ping-pong-py",
    type_: str = "",
    more: str = "",
    command: str = "run",
) -> Outcome:
    text = EXPERIMENT.format(server=server, client=client, type=type_, more=more)
    return make({"x.yaml": text, "x.jsonl": content}).run(f"{command} x.yaml")


@pytest.mark.parametrize("timing", ["timing: none", "timing: original, speed: 4"])
def test_a_server_that_answers_as_recorded_passes(panther_project: MakeProject, timing: str) -> None:
    outcome = run(panther_project, recording(), client=PLAYER.format(options=timing))
    outcome.assert_verdicts({"replay": "pass"})
    seen = outcome.measurements()
    assert (seen["replay.sent"], seen["replay.got"], seen["replay.differences"]) == (4, 4, 0)


def test_the_same_recording_gives_the_same_stimuli(panther_project: MakeProject) -> None:
    reports = []
    for implementation in ("ping-pong-py", "ping-pong-c"):
        outcome = run(panther_project, recording(), server=implementation, client=PLAYER.format(options="timing: none"))
        reports.append(json.loads(outcome.text("services/client/replay.json")))
        sent = [
            base64.b64decode(each["data"])
            for each in map(json.loads, outcome.text("services/client/replayed.jsonl").splitlines())
            if each["from"] == "client"
        ]
        assert sent[1] == Dialect(seed="7").request(0)
    assert reports[0]["stimuli"] == reports[1]["stimuli"]


def test_an_answer_that_has_changed_is_a_difference(panther_project: MakeProject) -> None:
    client = PLAYER.format(options="timing: none")
    outcome = run(panther_project, recording(flaw=b" extra=1"), client=client)
    outcome.assert_verdicts({"replay": "fail"})
    assert re.search(
        r"'MiniP/1 PONG seq=\d extra=1' was recorded, 'MiniP/1 PONG seq=\d' came", outcome.cases()[0]["why"]
    )
    assert {each["kind"] for each in outcome.cases()[0]["findings"]} == {"difference"}
    allowed = run(panther_project, recording(flaw=b" extra=1"), client=client, type_=", allowed: 2")
    allowed.assert_verdicts({"replay": "pass"})


def test_a_recorded_server_satisfies_a_real_client(panther_project: MakeProject) -> None:
    outcome = run(
        panther_project,
        recording(),
        server=PLAYER.format(options="timing: none"),
        more="parameters: {plays: greet}",
        type_=", allowed: 9",
    )
    outcome.assert_verdicts({"replay": "pass"})
    assert outcome.cases()[0]["services"]["client"]["code"] == 0


def test_a_recording_that_is_cut_off_keeps_anything_from_running(panther_project: MakeProject) -> None:
    outcome = run(panther_project, recording()[:-4], client=PLAYER.format(options="timing: none"))
    outcome.assert_exit(2, "x.yaml:6:5", "is cut off", "try: record it again")
    assert not outcome.runs


def test_a_recording_that_is_not_there_is_named_at_its_place(panther_project: MakeProject) -> None:
    client = PLAYER.replace("x.jsonl", "y.jsonl").format(options="timing: none")
    outcome = run(panther_project, recording(), client=client)
    outcome.assert_exit(2, "x.yaml:12:51", "there is no recording", "try: panther recording RUN -o y.jsonl")
    assert not outcome.runs


def test_a_case_without_a_player_is_refused(panther_project: MakeProject) -> None:
    run(panther_project, recording()).assert_exit(2, "no service of this case plays a recording")


def test_what_was_captured_of_one_implementation_is_played_against_another(panther_project: MakeProject) -> None:
    if os.geteuid() != 0:
        pytest.skip("needs root")
    text = """
name: talk
protocol: minip
network_environment: netns
capture: true
test_cases:
  - {name: ping, scenario: ping, implementation: ping-pong-py}
"""
    project = panther_project({"talk.yaml": text})
    talk = project.run("run talk.yaml")
    talk.assert_ok()
    made = project.run(f"recording {talk.run} --port 7117 -o x.jsonl")
    made.assert_exit(0, "14 messages of ping in x.jsonl")
    content = Path(project.folder, "x.jsonl").read_bytes()
    outcome = run(panther_project, content, server="ping-pong-c", client=PLAYER.format(options="timing: none"))
    outcome.assert_verdicts({"replay": "pass"})


def test_an_encrypted_protocol_is_told_to_be_none_that_can_be_replayed(tmp_path: Path) -> None:
    (tmp_path / "x.jsonl").write_bytes(recording())
    options = PlayerOptions(recording=tmp_path / "x.jsonl")
    context = ServiceContext(name="c", role="client", options=options, protocol="quic", target="s", encrypted=True)
    with pytest.raises(UnsupportedError, match="because it is encrypted, with keys that are others in every session"):
        PlayerManager(options).plan(context)
