"""The scenarios ``load`` and ``replay``: single questions, on a schedule or as recorded, and what was answered."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from panther_hookspecs import (
    REPLAY_REPORT,
    CheckResult,
    ScenarioEvidence,
    Verdict,
    check_load,
    check_replay,
    read_load,
)
from panther_protocol_dns.judging import check_of
from panther_protocol_dns.replies import read


def check_load_of_questions(seen: ScenarioEvidence) -> Iterator[CheckResult]:
    """Every answer must hold what only a server with the zone has; one that keeps a record must have heard them all."""
    records = [read(seen.evidence.folders[name]) for name in seen.named("server")]
    for client in seen.named("client"):
        folder = seen.evidence.folders[client]
        report = read_load(folder)
        answered = report.answered if report else 0
        served = sum(_count(each, "heard") if each is not None else answered for each in records)
        yield check_load(folder, client, served=served)
    yield from _endings(seen, seen.named("server"))


def check_players(seen: ScenarioEvidence) -> Iterator[CheckResult]:
    """Whoever is no player must have talked to the player: by its own record, or because it answered.

    Without a player it is the conversation to be recorded, and judged as any other.
    """
    folders = seen.evidence.folders
    players = [name for name in seen.roles if (folders[name] / REPLAY_REPORT).is_file()]
    if not players:
        yield from check_of("replay")(seen)
        return
    for name in players:
        side = "client" if name in seen.named("client") else "server"
        heard = sum(_heard(folders[other]) for other in seen.roles if other not in players)
        yield check_replay(folders[name], name, heard=heard or _said(folders[name], side))
    yield from _endings(seen, tuple(seen.roles))


def _heard(folder: Path) -> int:
    """Return how many messages a service says it got: questions of a server, answers of a client."""
    lines = read(folder) or []
    return _count(lines, "heard") + _count(lines, "answered")


def _said(folder: Path, player: str) -> int:
    """Return how many messages the other side sent to a player."""
    path = folder / "replayed.jsonl"
    other = f'"from": "{"server" if player == "client" else "client"}"'
    return sum(other in line for line in path.read_text(encoding="utf-8").splitlines()) if path.is_file() else 0


def _count(lines: list[dict[str, object]], event: str) -> int:
    return sum(each["event"] == event for each in lines)


def _endings(seen: ScenarioEvidence, names: tuple[str, ...]) -> Iterator[CheckResult]:
    for name in names:
        status = seen.evidence.exits.get(name)
        verdict = Verdict.PASS if status is not None and status.ok else Verdict.FAIL
        yield CheckResult(name=f"program {name}", verdict=verdict, evidence=f"it ended: {status}")
