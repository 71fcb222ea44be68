"""How recorded replies become a verdict: the judge makes the zone again and knows every right answer."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import attrs

from panther_hookspecs import CheckResult, Measurement, ScenarioEvidence, Verdict
from panther_protocol_dns.questions import Question, Right, questions_of, right_of, zone_of
from panther_protocol_dns.replies import read
from panther_protocol_dns.zone import seed_of

_SHOWN = 120


def _result(name: str, fault: str, good: str, *, proves: bool = False) -> CheckResult:
    verdict = Verdict.FAIL if fault else Verdict.PASS
    return CheckResult(name=name, verdict=verdict, evidence=fault or good, proves_exchange=proves)


def check_of(scenario: str) -> Callable[[ScenarioEvidence], Iterator[CheckResult]]:
    """Return a scenario's check."""

    def check(seen: ScenarioEvidence) -> Iterator[CheckResult]:
        servers, clients = seen.named("server"), seen.named("client")
        if len(servers) != 1 or not clients:
            yield _result("roles", "a case needs one server and at least one client", "")
            return
        parameters = attrs.asdict(seen.parameters)
        zone = zone_of(seed_of(scenario, seen.seed), parameters)
        wanted = [(each, right_of(each, zone, scenario)) for each in questions_of(scenario, parameters)]
        for client in clients:
            suffix = f" of {client}" if len(clients) > 1 else ""
            yield _answers(f"answers{suffix}", client, read(seen.evidence.folders[client]), wanted)
        yield from _heard(seen, servers[0], [each for each, _ in wanted])
        yield _endings(seen)

    return check


def _answers(
    name: str, client: str, lines: list[dict[str, Any]] | None, wanted: list[tuple[Question, Right]]
) -> CheckResult:
    """Every question must have been asked, in order, and answered rightly."""
    if lines is None:
        return _result(name, f"{client} has kept no record", "")
    told = [each for each in lines if each["event"] == "answered"]
    gave_up = next((str(each.get("why")) for each in lines if each["event"] == "gave up"), "")
    faults = []
    for (question, right), line in zip(wanted, told, strict=False):
        if line.get("question") != attrs.asdict(question):
            faults.append(f"{client} asked something else than {question.name} {question.type}")
        elif fault := wrong_with(line.get("reply") or {}, right):
            faults.append(f"{question.name} {question.type}: {fault}")
    if len(told) != len(wanted):
        faults.append(f"{client} has {len(told)} replies to {len(wanted)} questions; {gave_up}".rstrip("; "))
    more = f" ({len(faults)} of {len(wanted)} are wrong)" if len(faults) > 1 else ""
    over = ", ".join(sorted({right.transport for _, right in wanted}))
    return _result(name, faults[0] + more if faults else "", f"{len(wanted)} right answers over {over}", proves=True)


def wrong_with(reply: dict[str, Any], right: Right) -> str:
    """Return what is wrong with a reply, or nothing."""
    return next(filter(None, _faults(reply, right)), "")


def _faults(reply: dict[str, Any], right: Right) -> Iterator[str]:
    answers, flags = tuple(sorted(reply.get("answers") or ())), reply.get("flags") or ()
    strange = [each for each in answers if each not in right.answers]
    missing = [each for each in right.answers if each not in answers]
    if reply.get("rcode") != right.rcode:
        yield f"the reply says {reply.get('rcode')}, right is {right.rcode}"
    if strange:
        yield f"answered {strange[0][:_SHOWN]!r}, right is {(missing or ['nothing'])[0][:_SHOWN]!r}"
    if missing:
        yield f"{len(missing)} of {len(right.answers)} records are missing: {missing[0][:_SHOWN]!r}"
    if answers != right.answers:
        yield "a record came twice"
    if right.authoritative and "aa" not in flags:
        yield "the reply is not authoritative"
    if right.soa and not any(" SOA " in each for each in reply.get("authority") or ()):
        yield "nothing says how long the denial holds: there is no SOA record in the authority section"
    if bool(reply.get("edns")) != right.edns:
        yield (
            "the reply has no EDNS, the question had it" if right.edns else "the reply has EDNS, the question had none"
        )
    if right.truncated and not reply.get("truncated"):
        yield "no truncated reply came before the answer"
    if reply.get("transport") != right.transport:
        yield f"the reply came over {reply.get('transport')}, not {right.transport}"


def _heard(seen: ScenarioEvidence, server: str, questions: list[Question]) -> Iterator[CheckResult]:
    """A server that keeps a record must have heard every question."""
    lines = read(seen.evidence.folders[server])
    if lines is None:
        return
    heard = {(each.get("name"), each.get("type")) for each in lines if each["event"] == "heard"}
    unheard = [f"{each.name} {each.type}" for each in questions if (each.name, each.type) not in heard]
    fault = f"{server} never heard {unheard[0]} ({len(unheard)} of {len(questions)})" if unheard else ""
    yield _result("heard", fault, f"{server} heard all {len(questions)} questions")


def _endings(seen: ScenarioEvidence) -> CheckResult:
    """Clients must say by their exit code that they are content; the server must have lived until it was stopped."""
    exits = seen.evidence.exits
    bad = [
        f"{name} ended with {exits.get(name, 'nobody knows what')}"
        for name in seen.roles
        if not (name in exits and exits[name].ok)
    ]
    return _result("ends", "; ".join(bad), "every program ended well")


def measure(seen: ScenarioEvidence) -> Iterator[Measurement]:
    """Yield how many answers a client got in a second, starting its programs included."""
    for client in seen.named("client"):
        times = [float(each["t"]) for each in read(seen.evidence.folders[client]) or () if each["event"] == "answered"]
        if len(times) > 1 and times[-1] > times[0]:
            rate = (len(times) - 1) / (times[-1] - times[0])
            yield Measurement(name="dns.rate", value=rate, unit="1/s", service=client)
