"""The scenarios ``load`` and ``replay``: single requests, on a schedule or as recorded, and what was answered."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import attrs

from panther_hookspecs import CheckResult, ScenarioEvidence, Verdict, check_load, check_replay
from panther_protocol_quic.materials import RECORDED_SEED, documents
from panther_protocol_quic.speaking import MESSAGES


def check_asking(seen: ScenarioEvidence) -> Iterator[CheckResult]:
    """Answers must hold what only a server of the case has; every server must live until it is stopped."""
    known = documents(attrs.asdict(seen.parameters, recurse=False), RECORDED_SEED)
    right = {(f"/{each.name}", _digest(each.content(RECORDED_SEED))) for each in known}
    for client in seen.named("client"):
        folder = seen.evidence.folders[client]
        if (folder / "replay.json").is_file():
            yield check_replay(folder, client, heard=sum(1 for _ in _answers(folder)))
        else:
            yield check_load(folder, client, served=sum(each in right for each in _answers(folder)))
    for server in seen.named("server"):
        status = seen.evidence.exits.get(server)
        verdict = Verdict.PASS if status is not None and status.ok else Verdict.FAIL
        yield CheckResult(name=f"server {server}", verdict=verdict, evidence=f"it ended: {status}")


def _answers(folder: Path) -> Iterator[tuple[str, str]]:
    """Yield path and digest of every answer."""
    path = folder / MESSAGES
    lines = path.read_text(encoding="ascii").splitlines()[1:-1] if path.is_file() else []
    for each in map(json.loads, lines):
        if each["from"] == "server":
            told = base64.b64decode(each["data"]).decode()
            yield told.partition(": ")[0], told.rpartition(" ")[2]


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:16]
