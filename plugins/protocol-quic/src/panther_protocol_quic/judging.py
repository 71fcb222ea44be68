"""How evidence becomes a verdict. No program's word is taken for what its files or packets can show."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from panther_hookspecs import CheckResult, ScenarioEvidence, Verdict
from panther_protocol_quic.cases import Case, cases


def judge(scenario: str, seen: ScenarioEvidence) -> Iterator[CheckResult]:
    """Yield the checks of a scenario: what arrived, how the programs ended, and what the scenario is about."""
    found = tuple(cases(scenario, seen))
    if not found:
        yield CheckResult(name="roles", verdict=Verdict.FAIL, evidence="quic needs a server and a client")
    for case in found:
        suffix = f" of {case.client.name}" if len(found) > 1 else ""
        for each in _judged(case):
            yield CheckResult(
                name=each.name + suffix,
                verdict=each.verdict,
                evidence=each.evidence,
                proves_exchange=each.proves_exchange,
            )


def _judged(case: Case) -> Iterable[CheckResult]:
    for side in (case.client, case.server):
        if side.declines:
            yield CheckResult(
                name="claims",
                verdict=Verdict.UNSUPPORTED,
                evidence=f"{side.implementation} ended with {side.exit}: it does not implement {case.scenario}",
            )
            return
    yield files(case)
    yield ends(case)


def files(case: Case) -> CheckResult:
    """What was requested must have arrived, every byte of it, and nothing else."""
    wanted, found = case.wanted, case.downloaded()
    faults = [f"{name} was never requested" for name in found if name not in {each.name for each in wanted}]
    total = 0
    for each in wanted:
        path = found.get(each.name)
        if path is None:
            faults.append(f"{each.name} did not arrive")
            continue
        size = path.stat().st_size
        if size != each.size:
            faults.append(f"{each.name} has {size} bytes instead of {each.size}")
        elif path.read_bytes() != each.content(case.seed):
            faults.append(f"{each.name} has the right length and other content")
        else:
            total += size
    if faults:
        why = case.client.why()
        said = f"; {case.client.name} says: {why}" if why else ""
        return _failed("files", f"{_first(faults)}{said}")
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


def _first(faults: list[str]) -> str:
    return faults[0] + (f" (and {len(faults) - 1} more)" if len(faults) > 1 else "")


def _failed(name: str, evidence: str) -> CheckResult:
    return CheckResult(name=name, verdict=Verdict.FAIL, evidence=evidence)
