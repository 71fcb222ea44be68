"""The scenario ``replay``: the program that is no player must have talked to the player."""

from __future__ import annotations

from collections.abc import Iterator

from panther_hookspecs import REPLAY_REPORT, CheckResult, ScenarioEvidence, Verdict, check_replay
from panther_protocol_minip.transcripts import read


def check_players(seen: ScenarioEvidence) -> Iterator[CheckResult]:
    """A program must have heard every player and written that down; every program must have ended well."""
    folders = seen.evidence.folders
    players = [name for name in seen.roles if (folders[name] / REPLAY_REPORT).is_file()]
    programs = {name: read(folders[name]) for name in seen.roles if name not in players}
    heard = sum(count for each in programs.values() for (event, _), count in each.counts.items() if event == "received")
    if not players:
        yield CheckResult(name="player", verdict=Verdict.FAIL, evidence=f"no service has left a {REPLAY_REPORT}")
    for name in players:
        yield check_replay(folders[name], name, heard=heard)
    for name, transcript in programs.items():
        status = seen.evidence.exits.get(name)
        good = status is not None and status.ok and not transcript.flaw
        verdict = Verdict.PASS if good else Verdict.FAIL
        yield CheckResult(name=f"program {name}", verdict=verdict, evidence=transcript.flaw or f"it ended: {status}")
