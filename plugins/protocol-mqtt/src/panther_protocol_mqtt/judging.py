"""How the records of broker, publisher and subscribers become a verdict: by what several of them say alike."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import attrs

from panther_hookspecs import CheckResult, Measurement, ScenarioEvidence, Verdict
from panther_protocol_mqtt.letters import Plan, plan_of, will_of
from panther_protocol_mqtt.malformed import PACKETS
from panther_protocol_mqtt.recording import Transcript, read

TIMING_TOLERANCE = 0.9
_AT_LEAST_ONCE = 1


@attrs.frozen(kw_only=True)
class Seen:
    """The evidence of a case in the words of the protocol."""

    evidence: ScenarioEvidence
    parameters: Mapping[str, Any]
    plan: Plan
    broker: str
    publisher: str
    subscribers: tuple[str, ...]
    records: Mapping[str, Transcript]


Judge = Callable[[Seen], Iterator[CheckResult]]


def _result(name: str, fault: str, good: str, *, proves: bool = False) -> CheckResult:
    verdict = Verdict.FAIL if fault else Verdict.PASS
    return CheckResult(name=name, verdict=verdict, evidence=fault or good, proves_exchange=proves)


def check_of(scenario: str, judge: Judge | None = None) -> Callable[[ScenarioEvidence], Iterator[CheckResult]]:
    """Return a scenario's check: what holds for all of them, and what ``judge`` adds."""

    def check(evidence: ScenarioEvidence) -> Iterator[CheckResult]:
        brokers, publishers, subscribers = map(evidence.named, ("broker", "publisher", "subscriber"))
        if len(brokers) != 1 or len(publishers) != 1 or not subscribers:
            yield _result("roles", "a case needs one broker, one publisher and at least one subscriber", "")
            return
        parameters = attrs.asdict(evidence.parameters)
        seen = Seen(
            evidence=evidence,
            parameters=parameters,
            plan=plan_of(scenario, parameters, evidence.seed),
            broker=brokers[0],
            publisher=publishers[0],
            subscribers=subscribers,
            records={name: read(evidence.evidence.folders[name]) for name in evidence.roles},
        )
        for part in (_records, _connections, _sent, judge or _nothing, _messages, _endings):
            yield from part(seen)

    return check


def _nothing(_: Seen) -> Iterator[CheckResult]:
    return iter(())


def _records(seen: Seen) -> Iterator[CheckResult]:
    """Every program must have kept a record that can be read, and the clients must not have given up."""
    for name, record in seen.records.items():
        given_up = record.of("gave up")
        if record.flaw:
            yield _result("record", f"{name}: {record.flaw}", "")
        elif given_up:
            yield _result("record", f"{name} gave up: {given_up[0].get('why')}", "")


def _connections(seen: Seen) -> Iterator[CheckResult]:
    """The broker must have met every client that says it connected, in the version that was asked for."""
    met = {each.get("client"): each.get("version") for each in seen.records[seen.broker].of("connected")}
    wanted = seen.parameters["version"]
    clients = [
        str(each.get("client"))
        for name in (*seen.subscribers, seen.publisher)
        for each in seen.records[name].of("connects")
    ]
    strangers = [each for each in clients if each not in met]
    others = [f"{each} with version {met[each]}" for each in clients if each in met and met[each] != wanted]
    fault = "no client has connected" if not clients else ""
    if strangers:
        fault = f"{seen.broker} never met {', '.join(strangers)}"
    elif others:
        fault = f"{seen.broker} met {', '.join(others)}, not {wanted}"
    yield _result("connections", fault, f"{seen.broker} met {len(set(clients))} clients with version {wanted}")


def _sent(seen: Seen) -> Iterator[CheckResult]:
    """The publisher must have published what the scenario says."""
    said = [(each.get("topic"), each.get("sha256")) for each in seen.records[seen.publisher].of("sent")]
    right = [(each.topic, each.sha256) for each in seen.plan.published]
    if right or said:
        fault = "" if said == right else f"{seen.publisher} published {len(said)} of {len(right)} messages, or others"
        yield _result("published", fault, f"{len(right)} messages, all acknowledged that have to be")


def _messages(seen: Seen) -> Iterator[CheckResult]:
    """Every subscriber must have got what was for it, unchanged, in order, as often as the quality of service says."""
    qos = int(seen.parameters["qos"])
    for name in seen.subscribers:
        got = seen.records[name].of("received")
        fault = wrong_with(seen.plan, got, may_repeat=qos == _AT_LEAST_ONCE) or _wrong_flags(seen.plan, got, qos)
        suffix = f" of {name}" if len(seen.subscribers) > 1 else ""
        order = "in order" if seen.plan.in_order else "each the newest"
        good = f"{len(seen.plan.wanted)} messages arrived unchanged, {order}, with QoS {qos}"
        yield _result(f"messages{suffix}", fault, good + _again(seen.plan, got), proves=True)


def _again(plan: Plan, got: Sequence[Mapping[str, Any]]) -> str:
    more = len(got) - len(plan.wanted)
    return f"; {more} arrived again" if more > 0 else ""


def wrong_with(plan: Plan, got: Sequence[Mapping[str, Any]], *, may_repeat: bool) -> str:
    """Return what is wrong with the messages that arrived, or nothing."""
    wanted = [(each.topic, each.sha256) for each in plan.wanted]
    given = [(str(each.get("topic")), str(each.get("sha256"))) for each in got]
    number = {each: index for index, each in enumerate(wanted, 1)}
    strange = [each for each in given if each not in number]
    missing = [each for each in wanted if each not in given]
    if strange:
        on_topic = any(topic == strange[0][0] for topic, _ in missing)
        what = "with another payload than was published" if on_topic else "that was not for it"
        return f"a message on {strange[0][0]} arrived {what}; {len(missing)} of {len(wanted)} are missing"
    if missing:
        return f"message {number[missing[0]]} on {missing[0][0]} is missing ({len(missing)} of {len(wanted)} are)"
    twice = [each for each, times in Counter(given).items() if times > 1]
    if twice and not may_repeat:
        return f"message {number[twice[0]]} on {twice[0][0]} arrived {Counter(given)[twice[0]]} times"
    first = list(dict.fromkeys(given))
    if plan.in_order and first != wanted:
        index = next(index for index, each in enumerate(first) if each != wanted[index])
        return f"message {number[first[index]]} arrived where message {index + 1} belongs"
    return ""


def _wrong_flags(plan: Plan, got: Sequence[Mapping[str, Any]], qos: int) -> str:
    retained = {(each.topic, each.sha256): each.retain for each in plan.wanted}
    for each in got:
        if each.get("qos") != qos:
            return f"a message on {each.get('topic')} arrived with QoS {each.get('qos')}, not {qos}"
        wanted = retained[str(each.get("topic")), str(each.get("sha256"))]
        if each.get("retain") is not wanted:
            return f"a message on {each.get('topic')} arrived with retain={each.get('retain')}, right is {wanted}"
    return ""


def _endings(seen: Seen) -> Iterator[CheckResult]:
    """Clients must say by their exit code that they are content; the broker must have lived until it was stopped."""
    exits = seen.evidence.evidence.exits
    bad = [
        f"{name} ended with {exits.get(name, 'nobody knows what')}" for name in seen.records if not _well(seen, name)
    ]
    yield _result("ends", "; ".join(bad), "every program ended well")


def _well(seen: Seen, name: str) -> bool:
    status = seen.evidence.evidence.exits.get(name)
    return status is not None and status.ok


def wills(seen: Seen) -> Iterator[CheckResult]:
    """Both clients with a last will must have connected and gone, one cleanly, one not."""
    left = {each.get("topic"): each.get("cleanly") for each in seen.records[seen.publisher].of("left a will")}
    right = {will_of(seen.evidence.seed, name).topic: name == "leaves" for name in ("leaves", "dies")}
    yield _result("wills", "" if left == right else f"{seen.publisher} left the wills {left}", "two clients had a will")


def silence(seen: Seen) -> Iterator[CheckResult]:
    """Between the two messages there must have been the silence, by the subscriber's clock, on one connection."""
    times = [float(each["t"]) for each in seen.records[seen.subscribers[0]].of("received")]
    lasted, wanted = (times[-1] - times[0] if times else 0.0), float(seen.parameters["silence"])
    met = Counter(each.get("client") for each in seen.records[seen.broker].of("connected"))
    client = next((each["client"] for each in seen.records[seen.publisher].of("connects")), "")
    fault = f"only {lasted:.3g} s passed, {wanted:g} s were asked for" if lasted < TIMING_TOLERANCE * wanted else ""
    if met[client] > 1:
        fault = f"{client} had to connect {met[client]} times"
    good = f"{lasted:.3g} s of silence with a keepalive of {seen.parameters['keepalive']} s, one connection"
    yield _result("silence", fault, good)


def survival(seen: Seen) -> Iterator[CheckResult]:
    """The broker must have closed every connection with a malformed packet, and lived on."""
    told = {str(each.get("packet")): each.get("refused") for each in seen.records[seen.publisher].of("malformed")}
    untold = [each for each in PACKETS if each not in told]
    borne = [each for each in PACKETS if told.get(each) is False]
    fault = f"{seen.publisher} never sent {untold[0]}" if untold else ""
    if not _well(seen, seen.broker):
        fault = f"{seen.broker} ended with {seen.evidence.evidence.exits.get(seen.broker)}"
    elif borne:
        fault = f"{seen.broker} kept the connection after: {', '.join(borne)} ({len(borne)} of {len(PACKETS)})"
    yield _result("survival", fault, f"{len(PACKETS)} malformed packets, each of them refused")


def measure(evidence: ScenarioEvidence) -> Iterator[Measurement]:
    """Yield how fast messages arrived, for every subscriber that got at least two."""
    for name in evidence.named("subscriber"):
        times = [float(each["t"]) for each in read(evidence.evidence.folders[name]).of("received")]
        if len(times) > 1 and times[-1] > times[0]:
            rate = (len(times) - 1) / (times[-1] - times[0])
            yield Measurement(name="mqtt.rate", value=rate, unit="1/s", service=name)
