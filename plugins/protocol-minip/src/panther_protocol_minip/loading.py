"""The scenario ``load``: what the load generator says it got, against what the servers say they gave."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from panther_hookspecs import CheckResult, Measurement, ScenarioEvidence, Verdict, check_load
from panther_protocol_minip.transcripts import Transcript, read


def _servers(seen: ScenarioEvidence) -> dict[str, Transcript]:
    return {name: read(seen.evidence.folders[name]) for name in seen.named("server")}


def check(seen: ScenarioEvidence) -> Iterator[CheckResult]:
    """Every answer must have been right, and given by a server that says so itself."""
    servers = _servers(seen)
    served = sum(each.counts.get(("sent", "PONG"), 0) for each in servers.values())
    for client in seen.named("client"):
        yield check_load(seen.evidence.folders[client], client, served=served)
    for name, transcript in servers.items():
        status = seen.evidence.exits.get(name)
        if transcript.flaw or status is None or not status.ok:
            evidence = transcript.flaw or f"it ended with {status}"
            yield CheckResult(name=f"server {name}", verdict=Verdict.FAIL, evidence=evidence)


def measure_load(seen: ScenarioEvidence) -> Iterator[Measurement]:
    """Yield for every server how many pings it has read, and how many of them it had read before: work done twice."""
    for name, transcript in _servers(seen).items():
        pings = Counter(
            (each.fields.get("id"), each.fields.get("seq"))
            for each in transcript.entries
            if (each.event, each.type) == ("received", "PING")
        )
        yield Measurement(name="work.done", value=float(len(pings)), service=name)
        yield Measurement(name="work.twice", value=float(sum(pings.values()) - len(pings)), service=name)
