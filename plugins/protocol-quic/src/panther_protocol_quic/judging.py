"""How evidence becomes a verdict. No program's word is taken for what its files or packets can show."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping

from panther_hookspecs import CheckResult, ScenarioEvidence, Verdict
from panther_protocol_quic import facts, facts_exchange, facts_network
from panther_protocol_quic.cases import Case
from panther_protocol_quic.seeing import Sight, sights

Fact = Callable[[Sight], Iterable[CheckResult]]
SCENARIOS: Mapping[str, tuple[Fact, ...]] = {
    "handshake": (facts.no_retry,),
    "longrtt": (facts.client_hellos,),
    "chacha20": (facts.ciphers,),
    "multiplexing": (facts.streams,),
    "retry": (facts.retried,),
    "resumption": (facts.resumed,),
    "zerortt": (facts.early,),
    "keyupdate": (facts.keys_updated,),
    "versionnegotiation": (facts.negotiated,),
    "v2": (facts.upgraded,),
    "ipv6": (facts.family,),
    "ecn": (facts_network.marked,),
    "amplificationlimit": (facts_network.amplified,),
    "rebind-port": (facts_network.rebound,),
    "rebind-addr": (facts_network.readdressed,),
    "connectionmigration": (facts_network.migrated,),
    "crosstraffic": (facts_network.crossed,),
}
"""What a scenario is about besides files that arrive."""

_LONGEST_NAME = 16


def judge(scenario: str, seen: ScenarioEvidence) -> Iterator[CheckResult]:
    """Yield the checks of a scenario: what arrived, how the programs ended, and what the scenario is about."""
    found = tuple(sights(scenario, seen))
    if not found:
        yield CheckResult(name="roles", verdict=Verdict.FAIL, evidence="quic needs a server and a client")
    for sight in found:
        suffix = f" of {sight.case.client.name}" if len(found) > 1 else ""
        for each in _judged(sight):
            yield CheckResult(
                name=each.name + suffix,
                verdict=each.verdict,
                evidence=each.evidence,
                proves_exchange=each.proves_exchange,
            )


def _judged(sight: Sight) -> Iterable[CheckResult]:
    case = sight.case
    for side in (case.client, case.server):
        if side.declines:
            yield CheckResult(
                name="claims",
                verdict=Verdict.UNSUPPORTED,
                evidence=f"{side.implementation} ended with {side.exit}: it does not implement {case.scenario}",
            )
            return
    arrived = files(sight)
    yield arrived
    yield ends(case)
    if arrived.verdict is Verdict.PASS:
        for fact in (facts_exchange.exchanged, *SCENARIOS.get(case.scenario, ())):
            yield from fact(sight)


def files(sight: Sight) -> CheckResult:
    """What was requested must have arrived, every byte of it, and nothing else."""
    case = sight.case
    wanted, found = case.wanted, case.downloaded()
    names = {each.name for each in wanted}
    faults = [f"{name} was never requested" for name in found if name not in names]
    total = 0
    for each in wanted:
        path = found.get(each.name)
        if path is None:
            faults.append(f"{_short(each.name)} did not arrive")
            continue
        size = path.stat().st_size
        if size != each.size:
            faults.append(f"{_short(each.name)} has {size} bytes instead of {each.size}")
        elif path.read_bytes() != each.content(case.seed):
            faults.append(f"{_short(each.name)} has the right length and other content")
        else:
            total += size
    if faults:
        return _failed("files", _first(faults) + "".join(f"; {each}" for each in _reasons(sight)))
    count = f"{len(wanted)} files" if len(wanted) > 1 else "a file"
    return CheckResult(
        name="files",
        verdict=Verdict.PASS,
        evidence=f"{count}, {total} bytes, arrived unchanged from {case.server.implementation}"
        f" at {case.client.implementation} over {case.parameters['alpn']}",
        proves_exchange=True,
    )


def ends(case: Case) -> CheckResult:
    """A client must be content as far as its exit code can tell; a server must have lived until it was stopped."""
    bad = [f"{side.name} ended with {side.failed}" for side in (case.client, case.server) if side.failed]
    if not bad:
        return CheckResult(name="ends", verdict=Verdict.PASS, evidence="both programs ended well")
    why = case.client.why() if case.client.failed else ""
    return _failed("ends", "; ".join(bad) + (f": {why}" if why else ""))


def _reasons(sight: Sight) -> Iterator[str]:
    """Yield what the client, its exit code and the packets tell about a failure."""
    client = sight.case.client
    if why := client.why():
        yield f"{client.name} says: {why}"
    elif client.failed:
        yield f"{client.name} ended with {client.failed}"
    if seen := sight.why():
        yield seen


def _short(name: str) -> str:
    """Return a name that fits into a sentence: those of 0-RTT are meant to fill packets."""
    return name if len(name) <= _LONGEST_NAME else f"{name[:_LONGEST_NAME]}..."


def _first(faults: list[str]) -> str:
    return faults[0] + (f" (and {len(faults) - 1} more)" if len(faults) > 1 else "")


def _failed(name: str, evidence: str) -> CheckResult:
    return CheckResult(name=name, verdict=Verdict.FAIL, evidence=evidence)
